//! What surrounds every message: four bytes, then a `runtime.Unknown` that says of what kind it is.
//!
//! `k8s\0`, then 1: apiVersion (1) and kind (2); 2: the message; 3: its encoding; 4: its content
//! type, both empty.

use crate::error::DecodeError;
use crate::read::{Reader, Wire};
use crate::write::Backward;

/// What every message starts with.
pub(crate) const MAGIC: &[u8] = b"k8s\0";

/// A message that was taken out.
#[derive(Debug, Default)]
pub(crate) struct Opened<'b> {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) raw: &'b [u8],
}

pub(crate) fn open(bytes: &[u8]) -> Result<Opened<'_>, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let unknown = bytes.strip_prefix(MAGIC).ok_or(DecodeError::Magic)?;
    if unknown.is_empty() {
        return Err(DecodeError::EmptyBody);
    }
    let mut opened = Opened::default();
    let mut fields = Reader(unknown);
    while let Some((number, wire)) = fields.field("Unknown")? {
        match (number, wire) {
            (1, Wire::Bytes(types)) => {
                let mut types = Reader(types);
                while let Some((number, wire)) = types.field("TypeMeta")? {
                    match (number, wire) {
                        (1, Wire::Bytes(text)) => opened.api_version = lossy(text),
                        (2, Wire::Bytes(text)) => opened.kind = lossy(text),
                        (1, wire) => return Err(wrong("APIVersion", wire)),
                        (2, wire) => return Err(wrong("Kind", wire)),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(raw)) => opened.raw = raw,
            (1, wire) => return Err(wrong("TypeMeta", wire)),
            (2, wire) => return Err(wrong("Raw", wire)),
            _ => {}
        }
    }
    Ok(opened)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn wrong(field: &str, wire: Wire<'_>) -> DecodeError {
    DecodeError::WrongWireType {
        wire_type: wire.wire_type(),
        field: field.into(),
    }
}

/// What comes before a message of so many bytes.
pub(crate) fn head(api_version: &str, kind: &str, length: usize) -> Vec<u8> {
    let mut out = Backward::default();
    out.varint(length as u64);
    out.tag(2, 2);
    let end = out.len();
    out.run(2, kind.as_bytes());
    out.run(1, api_version.as_bytes());
    out.close(1, end);
    out.bytes(MAGIC);
    out.finish()
}

/// What comes after it.
pub(crate) const TAIL: &[u8] = &[0x1a, 0, 0x22, 0];
