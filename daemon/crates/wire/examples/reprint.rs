//! Reads a protobuf object from standard input, prints it as JSON, and says whether writing it
//! again gives the same bytes: to try on what real clients send.

use std::error::Error;
use std::io::{Read, Write};

fn main() -> Result<(), Box<dyn Error>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let found = skerry_wire::decode(&bytes, skerry_wire::Limits::default())?;
    let again = skerry_wire::encode(&found.value, &found.api_version, &found.kind)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:#}", found.value)?;
    let place = bytes
        .iter()
        .zip(&again)
        .position(|(one, other)| one != other);
    match (place, bytes.len() == again.len()) {
        (None, true) => writeln!(out, "written again: the same {} bytes", bytes.len())?,
        (place, _) => writeln!(
            out,
            "written again: {} bytes instead of {}, different from byte {place:?}\n{:?}\n{:?}",
            again.len(),
            bytes.len(),
            bytes.escape_ascii().to_string(),
            again.escape_ascii().to_string(),
        )?,
    }
    Ok(())
}
