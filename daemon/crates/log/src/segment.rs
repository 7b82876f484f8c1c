//! One segment: its name, its open file.
//!
//! Knows nothing about what stands in it.

use std::path::{Path, PathBuf};

use crate::LogError;
use crate::disk::{Disk, SegmentFile};

/// Number of the first segment of a new log.
pub(crate) const FIRST_SEGMENT: u64 = 1;

/// An open segment, shared by the writer and by readers.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn SegmentFile>,
}

impl Segment {
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, number: u64) -> Result<Segment, LogError> {
        let path = segment_path(dir, number);
        let file = disk.open(&path).map_err(LogError::io(&path, "open"))?;
        Ok(Segment { number, path, file })
    }

    pub(crate) fn length(&self) -> Result<u64, LogError> {
        self.file
            .length_bytes()
            .map_err(LogError::io(&self.path, "find the length of"))
    }
}

/// What a name in the log's directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Segment(u64),
    Spare(u64),
}

/// Reads a name; `None` for a file that is not the log's.
pub(crate) fn parse_name(name: &str) -> Option<Name> {
    let (digits, kind) = name.split_once('.')?;
    if digits.len() != 16
        || !digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    let number = u64::from_str_radix(digits, 16).ok()?;
    match kind {
        "log" => Some(Name::Segment(number)),
        "spare" => Some(Name::Spare(number)),
        _ => None,
    }
}

pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.log"))
}

pub(crate) fn spare_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.spare"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_logs_own_names_are_read() {
        assert_eq!(parse_name("000000000000000a.log"), Some(Name::Segment(10)));
        assert_eq!(parse_name("00000000000000ff.spare"), Some(Name::Spare(255)));
        for other in [
            "",
            ".",
            "a.log",
            "000000000000000A.log",
            "000000000000000a.log.bak",
            "+00000000000000a.log",
        ] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}
