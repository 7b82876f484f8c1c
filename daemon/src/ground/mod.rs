//! What this server stands on: the file system of its data directory, and that of the root.
//!
//! Looked at before a start, told in the log, and watched while the server runs, for a kernel ends
//! all writes to a file system that it has found damaged. Knows nothing about what is stored.
//! Invariant: while the data cannot be written clients' writes are refused, and reads go on.

mod mounts;
mod watch;

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Uid, access};

use mounts::{Mount, TABLE_BYTES_MAX, Writes, mount_of};
pub(crate) use watch::{READ_ONLY, outlives, refusal, watch, watchdog_may_be_fed};

/// Free space that the log, a snapshot and a small state need, in bytes.
const FREE_BYTES_MIN: u64 = 256 << 20;
/// Files that can still be made: a server has some dozens, and makes new ones to replace them.
const FREE_INODES_MIN: u64 = 1024;
/// Write permission of group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grade {
    Good,
    /// It will hurt later.
    Warning,
    /// The server would not start, or cannot go on.
    Failure,
}

/// One line of the table that `skerry check-config` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) grade: Grade,
    pub(crate) found: String,
}

pub(crate) fn row(what: &'static str, grade: Grade, found: impl Into<String>) -> Row {
    let found = found.into();
    Row { what, grade, found }
}

/// The folder itself, or the nearest that is there.
pub(crate) fn existing(path: &Path) -> PathBuf {
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    while !path.exists() && path.pop() {}
    path.canonicalize().unwrap_or(path)
}

pub(crate) fn is_writable(path: &Path) -> bool {
    access(path, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// Looks, and changes nothing. May wait for a disk that hangs.
pub(crate) fn look(data_dir: &Path) -> Vec<Row> {
    let folder = existing(data_dir);
    let table = table();
    let mut rows = vec![directory(data_dir, &folder)];
    rows.push(filesystem(mount_of(&table, &folder)));
    rows.extend(room(&folder));
    rows.push(match mount_of(&table, Path::new("/")) {
        Some(root) if root.writes != Writes::Taken => row("root", Grade::Good, "read-only"),
        Some(root) => row("root", Grade::Good, format!("{}, takes writes", root.kind)),
        None => row("root", Grade::Good, "not known"),
    });
    rows
}

/// Says in the log what it is that the server starts on.
pub(crate) fn tell(data_dir: &Path) {
    for Row { what, grade, found } in look(data_dir) {
        match grade {
            Grade::Good => tracing::debug!("{what}: {found}"),
            Grade::Warning => tracing::warn!("{what}: {found}"),
            Grade::Failure => tracing::error!("{what}: {found}"),
        }
    }
}

fn table() -> String {
    let mut bytes = Vec::new();
    let read = std::fs::File::open("/proc/self/mountinfo")
        .and_then(|file| file.take(TABLE_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

/// `folder`: the data directory, or the nearest above it that is there.
fn directory(data_dir: &Path, folder: &Path) -> Row {
    let what = "data directory";
    let shown = data_dir.display();
    if !is_writable(folder) {
        let why = format!("{shown}: {} cannot be written", folder.display());
        return row(what, Grade::Failure, why);
    }
    match std::fs::metadata(folder) {
        // What lies above it is nobody's business.
        Ok(kept) if data_dir.exists() => {
            let wrong = misplaced(kept.uid(), kept.mode(), Uid::effective().as_raw());
            match wrong {
                Some(wrong) => row(what, Grade::Warning, format!("{shown}: {wrong}")),
                None => row(what, Grade::Good, format!("{shown}")),
            }
        }
        _ => row(what, Grade::Good, format!("{shown}")),
    }
}

/// What is wrong with the owner or the mode of a data directory that can be written.
fn misplaced(owner: u32, mode: u32, runs_as: u32) -> Option<String> {
    if mode & WRITABLE_BY_OTHERS != 0 {
        let mode = mode & 0o7777;
        return Some(format!("others may write there (mode {mode:o}, not 700)"));
    }
    (owner != runs_as).then(|| format!("it is user {owner}'s; the server runs as user {runs_as}"))
}

fn filesystem(mount: Option<Mount>) -> Row {
    let what = "filesystem";
    let Some(Mount {
        point,
        kind,
        writes,
    }) = mount
    else {
        return row(what, Grade::Warning, "not known");
    };
    let point = point.display();
    match (writes, kind.as_str()) {
        (Writes::Failed, _) => row(
            what,
            Grade::Failure,
            format!("{kind} at {point} takes no writes: the kernel has met an error on it"),
        ),
        (Writes::ReadOnly, _) => row(
            what,
            Grade::Failure,
            format!("{kind} at {point} is read-only"),
        ),
        (_, "tmpfs" | "ramfs" | "overlay") => row(
            what,
            Grade::Warning,
            format!(
                "{kind}: what is written there is lost with the machine: the state will not survive"
            ),
        ),
        (_, "nfs" | "nfs4" | "cifs" | "9p" | "fuse" | "vfat" | "exfat" | "msdos") => row(
            what,
            Grade::Warning,
            format!("{kind}: writes there may not be durable when they are confirmed"),
        ),
        _ => row(what, Grade::Good, kind),
    }
}

fn room(folder: &Path) -> Vec<Row> {
    let Ok(space) = nix::sys::statvfs::statvfs(folder) else {
        return Vec::new();
    };
    #[allow(clippy::useless_conversion)] // The width differs between targets.
    let (free, inodes, inodes_free) = (
        u64::from(space.blocks_available()) * u64::from(space.fragment_size()),
        u64::from(space.files()),
        u64::from(space.files_available()),
    );
    let mut rows = vec![free_space(free)];
    // Some file systems make them as they need them, and count none.
    if inodes > 0 {
        rows.push(free_inodes(inodes_free));
    }
    rows
}

fn free_space(bytes: u64) -> Row {
    let what = "free space";
    let (found, least) = (bytes >> 20, FREE_BYTES_MIN >> 20);
    match bytes {
        0 => row(what, Grade::Failure, "none: the file system is full"),
        bytes if bytes < FREE_BYTES_MIN => row(
            what,
            Grade::Warning,
            format!("{found} MiB; less than {least} MiB are soon full"),
        ),
        _ => row(what, Grade::Good, format!("{found} MiB")),
    }
}

fn free_inodes(count: u64) -> Row {
    let what = "inodes";
    match count {
        0 => row(what, Grade::Failure, "none: no file can be made"),
        count if count < FREE_INODES_MIN => {
            let found = format!("{count}; less than {FREE_INODES_MIN} are soon used up");
            row(what, Grade::Warning, found)
        }
        count => row(what, Grade::Good, count.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, writes: Writes) -> Row {
        filesystem(Some(Mount {
            point: "/var".into(),
            kind: kind.to_owned(),
            writes,
        }))
    }

    #[test]
    fn what_will_not_survive_is_a_warning_and_what_cannot_be_written_a_failure() {
        for kind in ["tmpfs", "ramfs", "overlay"] {
            let row = of(kind, Writes::Taken);
            assert_eq!(row.grade, Grade::Warning);
            assert!(row.found.contains("will not survive"), "{}", row.found);
        }
        for kind in ["ext4", "f2fs", "btrfs", "xfs"] {
            assert_eq!(of(kind, Writes::Taken).grade, Grade::Good);
            let row = of(kind, Writes::ReadOnly);
            assert_eq!(row.grade, Grade::Failure);
            assert_eq!(row.found, format!("{kind} at /var is read-only"));
            assert!(
                of(kind, Writes::Failed)
                    .found
                    .contains("the kernel has met an error")
            );
        }
        assert_eq!(filesystem(None).grade, Grade::Warning);
    }

    #[test]
    fn space_and_inodes_are_told_before_they_are_used_up() {
        for (bytes, grade) in [
            (0, Grade::Failure),
            (FREE_BYTES_MIN - 1, Grade::Warning),
            (FREE_BYTES_MIN, Grade::Good),
        ] {
            assert_eq!(free_space(bytes).grade, grade);
        }
        for (count, grade) in [
            (0, Grade::Failure),
            (FREE_INODES_MIN - 1, Grade::Warning),
            (FREE_INODES_MIN, Grade::Good),
        ] {
            assert_eq!(free_inodes(count).grade, grade);
        }
    }

    #[test]
    fn a_data_directory_is_the_servers_own_and_nobody_else_writes_there() {
        assert_eq!(misplaced(7, 0o040_700, 7), None);
        assert_eq!(misplaced(7, 0o040_755, 7), None);
        let open = misplaced(7, 0o040_777, 7).unwrap();
        assert!(open.contains("mode 777, not 700"), "{open}");
        assert!(misplaced(7, 0o040_720, 7).is_some());
        let other = misplaced(0, 0o040_700, 7).unwrap();
        assert_eq!(other, "it is user 0's; the server runs as user 7");
    }
}
