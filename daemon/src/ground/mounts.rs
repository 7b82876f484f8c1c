//! Reads `/proc/self/mountinfo`: on which file system a path lies, and whether that takes writes.
//!
//! Pure; knows nothing about what is done with it. The form is that of proc_pid_mountinfo(5).
//! Invariant: any text is answered, in time and memory that its length bounds.

use std::path::{Path, PathBuf};

/// The longest table that is read; a box has some forty mounts of a hundred bytes.
pub(super) const TABLE_BYTES_MAX: u64 = 1 << 20;
/// Of a file system that no longer takes writes: by an administrator, after an error (ext4 of Linux
/// 6.15 and later says so in a word of its own), or after it was shut down.
const READ_ONLY: &str = "ro";
const AFTER_ERROR: [&str; 2] = ["emergency_ro", "shutdown"];

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    /// `ext4`
    pub(super) kind: String,
    pub(super) writes: Writes,
}

/// Whether a mount takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    Taken,
    ReadOnly,
    /// The kernel has ended them.
    Failed,
}

/// The mount that `path` lies on, which is absolute.
pub(super) fn mount_of(table: &str, path: &Path) -> Option<Mount> {
    let mut nearest: Option<(usize, Mount)> = None;
    for mount in table.lines().filter_map(parse) {
        let depth = mount.point.components().count();
        // Of two at one place the later one hides the earlier.
        let is_nearer = nearest
            .as_ref()
            .is_none_or(|(deepest, _)| depth >= *deepest);
        if is_nearer && path.starts_with(&mount.point) {
            nearest = Some((depth, mount));
        }
    }
    nearest.map(|(_, mount)| mount)
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/root rw,errors=continue`
fn parse(line: &str) -> Option<Mount> {
    // Spaces in names are escaped: the hyphen between the two parts stands alone.
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut words = mount.split(' ').skip(4);
    let (point, of_mount) = (words.next()?, words.next()?);
    let mut words = filesystem.split(' ');
    let kind = words.next()?;
    let of_filesystem = words.nth(1).unwrap_or_default();
    let has = |options: &str, wanted: &str| options.split(',').any(|option| option == wanted);
    let writes = if AFTER_ERROR.iter().any(|word| has(of_filesystem, word)) {
        Writes::Failed
    } else if has(of_mount, READ_ONLY) || has(of_filesystem, READ_ONLY) {
        Writes::ReadOnly
    } else {
        Writes::Taken
    };
    Some(Mount {
        point: PathBuf::from(unescaped(point)),
        kind: unescaped(kind),
        writes,
    })
}

/// Blanks, tabs, ends of lines, backslashes and hashes stand as three octal digits.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let digits = after.get(..3);
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                plain.push(char::from(byte));
                rest = &after[3..];
            }
            _ => {
                plain.push('\\');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: &str = "\
22 1 253:0 / / ro,relatime shared:1 - squashfs /dev/vda2 ro,errors=continue
23 22 0:21 / /proc rw,nosuid,nodev,noexec shared:5 - proc proc rw
24 22 0:22 / /run rw,nosuid,nodev shared:6 - tmpfs tmpfs rw,size=51200k,mode=755
25 22 253:4 / /var rw,noatime shared:7 - ext4 /dev/vda4 rw
26 25 253:5 /sub /var/lib/my\\040data rw,noatime - f2fs /dev/my\\040disk rw,background_gc=on
27 22 0:30 / /home rw - overlay overlay rw,lowerdir=/a,upperdir=/ro,workdir=/w
";

    fn at(table: &str, path: &str) -> Option<(String, Writes)> {
        mount_of(table, Path::new(path)).map(|mount| (mount.kind, mount.writes))
    }

    fn found(kind: &str, writes: Writes) -> Option<(String, Writes)> {
        Some((kind.to_owned(), writes))
    }

    #[test]
    fn a_path_lies_on_the_deepest_mount_above_it() {
        for (path, kind, writes) in [
            ("/", "squashfs", Writes::ReadOnly),
            ("/etc/skerry", "squashfs", Writes::ReadOnly),
            ("/variety", "squashfs", Writes::ReadOnly),
            ("/run/skerry", "tmpfs", Writes::Taken),
            ("/var/lib/skerry", "ext4", Writes::Taken),
            ("/var/lib/my data/db", "f2fs", Writes::Taken),
            ("/home/x", "overlay", Writes::Taken),
        ] {
            assert_eq!(at(BOX, path), found(kind, writes), "{path}");
        }
    }

    #[test]
    fn of_two_mounts_at_one_place_the_later_hides_the_earlier() {
        let hidden = format!("{BOX}28 25 0:31 / /var rw - tmpfs none rw\n");
        assert_eq!(at(&hidden, "/var/x"), found("tmpfs", Writes::Taken));
    }

    #[test]
    fn a_mount_or_its_file_system_is_read_only_or_was_failed_by_the_kernel() {
        for (of_mount, of_filesystem, writes) in [
            ("rw,noatime", "rw", Writes::Taken),
            ("ro,noatime", "rw", Writes::ReadOnly),
            ("rw", "ro,errors=remount-ro", Writes::ReadOnly),
            ("rw", "rw,errors=remount-ro", Writes::Taken),
            ("rw", "rw,errors=remount-ro,emergency_ro", Writes::Failed),
            ("ro", "rw,shutdown", Writes::Failed),
            ("rw", "rw,rootcontext=ro_t", Writes::Taken),
        ] {
            let line =
                format!("30 1 8:1 / / {of_mount} shared:1 master:2 - ext4 /dev/a {of_filesystem}");
            assert_eq!(at(&line, "/x"), found("ext4", writes), "{line}");
        }
    }

    #[test]
    fn what_is_no_table_is_answered_all_the_same() {
        for text in [
            "",
            "\n\n",
            " - ",
            "1 2 3",
            "1 2 3 4 / - ext4",
            "1 2 3 4 - ext4 a rw",
            "1 2 3 4 relative rw - ext4 a rw",
            "\u{0}\u{fffd} - \\",
        ] {
            assert_eq!(at(text, "/x"), None, "{text:?}");
        }
        // A broken line hides no good one.
        let broken = format!("1 2 3\n{BOX}9 9");
        assert_eq!(at(&broken, "/var/x"), found("ext4", Writes::Taken));
        // A source that is empty, as some file systems have it.
        assert_eq!(
            at("1 2 0:1 / / rw - tmpfs  rw", "/x"),
            found("tmpfs", Writes::Taken)
        );
    }

    #[test]
    fn escapes_are_undone_and_what_only_looks_like_one_is_left() {
        for (text, plain) in [
            ("/a\\040b\\011c\\134d\\043", "/a b\tc\\d#"),
            ("/a\\", "/a\\"),
            ("/a\\04", "/a\\04"),
            ("/a\\9zz", "/a\\9zz"),
            ("/a\\777", "/a\\777"),
            ("/a\\é\\040", "/a\\é "),
        ] {
            assert_eq!(unescaped(text), plain);
        }
    }
}
