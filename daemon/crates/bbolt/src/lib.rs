//! The file format of bbolt, etcd's database: written in one go, and read.
//!
//! Knows nothing of what etcd keeps in its buckets, and nothing of transactions: a file is made
//! whole or read whole. Invariant: memory does not grow with the file, but by one page for each
//! level of its trees.
//!
//! ```text
//! file     meta page | meta page | freelist page | leaf and branch pages ...
//! page     id u64 | flags u16 | elements u16 | further pages that it spans u32 | elements | bytes
//! leaf     flags u32 | where its bytes begin, from here u32 | key length u32 | value length u32
//! branch   where its key begins, from here u32 | key length u32 | page id u64
//! meta     magic u32 | version u32 | page size u32 | flags u32 | root bucket | freelist page u64
//!          | pages u64 | transaction u64 | FNV-1a of all before u64
//! bucket   root page u64 | sequence u64 | [a page, where the root page is 0]
//! ```
//! All numbers are little-endian.

mod error;
mod format;
pub mod limits;
mod read;
mod write;

pub use error::BboltError;
pub use read::Database;
pub use write::{Layout, Writer};
