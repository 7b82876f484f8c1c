//! Bytes written to the disk and syncs, by what they were for: what flash is worn by.
//!
//! Counted where they are written, and beside that as the kernel counts them for this process, which
//! knows of whole pages and of everything else that is written. Invariant: whoever writes to one of
//! the parts counts it, and nobody else does.

use std::fs;

use crate::{Counter, Text, Type};

/// What one part has written since the process started.
#[derive(Debug, Default)]
pub struct Wear {
    written_bytes: Counter,
    syncs: Counter,
}

/// The Raft log.
pub static LOG: Wear = Wear::new();
/// The file of the state.
pub static STATE: Wear = Wear::new();
/// Snapshots as files.
pub static SNAPSHOTS: Wear = Wear::new();

const PARTS: [(&str, &Wear); 3] = [("log", &LOG), ("state", &STATE), ("snapshots", &SNAPSHOTS)];

impl Wear {
    const fn new() -> Wear {
        Wear {
            written_bytes: Counter::new(),
            syncs: Counter::new(),
        }
    }

    /// So many bytes were given to the disk.
    pub fn wrote(&self, bytes: usize) {
        self.written_bytes.add(bytes as u64);
    }

    /// The disk was waited for.
    pub fn synced(&self) {
        self.syncs.increment();
    }
}

/// What was written since the process started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Bytes and syncs of each part, by its name.
    pub parts: Vec<(&'static str, u64, u64)>,
    /// What the kernel says that this process has written; nothing where it does not say, or
    /// where the files are not on a disk.
    pub process_bytes: u64,
}

impl Written {
    /// As it is now.
    #[must_use]
    pub fn now() -> Written {
        let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
        let part = |(name, wear): (&'static str, &Wear)| {
            (name, wear.written_bytes.get(), wear.syncs.get())
        };
        Written {
            parts: PARTS.into_iter().map(part).collect(),
            process_bytes: process_bytes(&io).unwrap_or_default(),
        }
    }

    /// The best that is known of all bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self.process_bytes {
            0 => self.counted_bytes(),
            bytes => bytes,
        }
    }

    /// What was written besides the parts: small files, audit logs, the rest of pages.
    #[must_use]
    pub fn other_bytes(&self) -> u64 {
        self.process_bytes.saturating_sub(self.counted_bytes())
    }

    fn counted_bytes(&self) -> u64 {
        self.parts.iter().map(|(_, bytes, _)| bytes).sum()
    }
}

fn process_bytes(io: &str) -> Option<u64> {
    let value = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes:"))?;
    value.trim().parse().ok()
}

pub(crate) fn render(text: &mut Text) {
    let written = Written::now();
    let mut bytes = text.labelled(
        "skerry_disk_written_bytes_total",
        Type::Counter,
        "Bytes given to the disk, by what they were for.",
    );
    for (part, count, _) in &written.parts {
        bytes.value(&[("part", part)], *count);
    }
    let mut syncs = text.labelled(
        "skerry_disk_syncs_total",
        Type::Counter,
        "How often the disk was waited for, by what for.",
    );
    for (part, _, count) in &written.parts {
        syncs.value(&[("part", part)], *count);
    }
    text.counter(
        "skerry_process_written_bytes_total",
        "Bytes that the process has written to disks, as the kernel counts them.",
        written.process_bytes,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_is_taken_where_there_is_one() {
        let io = "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(process_bytes(io), Some(4096));
        assert_eq!(process_bytes("nonsense"), None);
        let mut written = Written {
            parts: vec![("log", 1000, 2), ("state", 24, 1)],
            process_bytes: 4096,
        };
        assert_eq!((written.bytes(), written.other_bytes()), (4096, 3072));
        written.process_bytes = 0;
        assert_eq!((written.bytes(), written.other_bytes()), (1024, 0));
    }
}
