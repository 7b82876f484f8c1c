//! How documents lie in the binary: as runs of pieces, each deflated by itself, which many
//! documents may share.
//!
//! A piece ends on a byte with its window forgotten, and is no last block; so pieces one after
//! the other, with an empty last block after them, are one deflate stream, and a document is
//! served compressed by sending bytes that lie there. The generator writes this, `openapi` reads
//! it.

use serde::{Deserialize, Serialize};

/// All documents, and where their pieces are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shelf {
    pub(crate) documents: Vec<Entry>,
    /// Where each piece ends, and the next one begins.
    pub(crate) ends: Vec<u32>,
}

/// The path of the document of OpenAPI v2, which is protobuf.
pub(crate) const VERSION_2: &str = "";
/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// `api/v1`, or `VERSION_2`.
    pub(crate) path: String,
    pub(crate) hash: String,
    pub(crate) pieces: Vec<u16>,
    /// Of the plain document, as gzip wants it.
    pub(crate) crc32: u32,
    /// Of the plain document, in bytes.
    pub(crate) length: u32,
}
