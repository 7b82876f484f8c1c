//! How long the disk takes until a small write is durable.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of one write: a block.
const WRITE_BYTES: usize = 4096;

/// What a measurement has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syncs {
    pub(crate) median: Duration,
    pub(crate) worst: Duration,
}

/// Writes so many times in a folder, and waits each time until that is durable. Blocks.
pub(crate) fn measure(folder: &Path, writes: usize) -> io::Result<Syncs> {
    let path = folder.join("doctor.probe");
    let measured = write_all(&path, writes);
    let removed = std::fs::remove_file(&path);
    let mut took = measured?;
    removed?;
    took.sort_unstable();
    Ok(Syncs {
        median: took.get(took.len() / 2).copied().unwrap_or_default(),
        worst: took.last().copied().unwrap_or_default(),
    })
}

fn write_all(path: &Path, writes: usize) -> io::Result<Vec<Duration>> {
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(true).write(true).mode(0o600);
    let mut file = options.open(path)?;
    let mut took = Vec::with_capacity(writes);
    for _ in 0..writes {
        let begun = Instant::now();
        file.write_all(&[0; WRITE_BYTES])?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

impl Syncs {
    /// What it means for a server with this heartbeat, and whether it is well.
    pub(crate) fn judged(&self, heartbeat: Duration) -> (bool, String) {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let numbers = format!(
            "a durable write takes {:.1} ms, {:.1} ms at worst; the heartbeat is {:.0} ms",
            ms(self.median),
            ms(self.worst),
            ms(heartbeat)
        );
        match self.worst {
            worst if worst >= heartbeat => (
                false,
                format!(
                    "{numbers}: so slow a disk makes leaders change; give a longer --heartbeat-interval and --election-timeout"
                ),
            ),
            worst if worst >= heartbeat / 2 => (true, format!("{numbers}: it is near its limit")),
            _ => (true, numbers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_the_heartbeat() {
        let folder = tempfile::tempdir().unwrap();
        let syncs = measure(folder.path(), 3).unwrap();
        assert!(syncs.median <= syncs.worst && syncs.worst > Duration::ZERO);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let slow = Syncs {
            median: Duration::from_millis(20),
            worst: Duration::from_millis(700),
        };
        let (is_well, words) = slow.judged(Duration::from_millis(500));
        assert!(!is_well && words.contains("700.0 ms at worst"), "{words}");
        assert!(
            slow.judged(Duration::from_secs(1))
                .1
                .contains("near its limit")
        );
    }
}
