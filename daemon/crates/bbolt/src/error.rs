//! Why a file cannot be written or read.

use std::io;

/// What went wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
pub enum BboltError {
    /// The file itself could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is not one of bbolt's, or is damaged.
    #[error("page {page}: {what}")]
    Corrupt {
        /// Where.
        page: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Keys or buckets did not come in ascending order, or are too long.
    #[error("the key {key} is out of order or too long")]
    Key {
        /// Which, escaped.
        key: String,
    },
    /// The second pass over the rows did not bring what the first one did.
    #[error("what was written is not what was measured")]
    Unequal,
}

impl BboltError {
    pub(crate) fn corrupt(page: u64, what: &'static str) -> BboltError {
        BboltError::Corrupt { page, what }
    }

    pub(crate) fn key(key: &[u8]) -> BboltError {
        let key = key.escape_ascii().to_string();
        BboltError::Key { key }
    }
}
