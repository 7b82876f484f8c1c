//! Packs `tables/messages.tsv` into the binary.

use std::error::Error;
use std::path::PathBuf;

#[path = "generate/parse.rs"]
mod parse;
#[allow(dead_code, unreachable_pub)]
#[path = "src/table.rs"]
mod table;

/// The highest level of miniz: building is rare, and every byte is shipped.
const LEVEL: u8 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", "generate", "src/table.rs", "tables"] {
        println!("cargo:rerun-if-changed={input}");
    }
    let table = parse::table(&std::fs::read_to_string("tables/messages.tsv")?)?;
    let plain = postcard::to_stdvec(&table)?;
    let mut packed = u32::try_from(plain.len())?.to_le_bytes().to_vec();
    packed.extend(miniz_oxide::deflate::compress_to_vec(&plain, LEVEL));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("messages.bin"), packed)?;
    Ok(())
}
