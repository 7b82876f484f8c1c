//! Names of snapshots, as K3s gives them, and which of them are more than should be kept.
//!
//! ```text
//! etcd-snapshot-node1-1763900000        taken on schedule
//! on-demand-node1-1763900000.zip        by command, compressed
//! ```
//!
//! Pure. Invariant: a name is one of a file in a directory, never a path out of it.

use crate::limits::NAME_BYTES_MAX;

/// What a compressed snapshot's name ends with.
pub const COMPRESSED: &str = ".zip";

/// The name of a snapshot: its base name, the node that took it, Unix seconds.
pub fn name(base: &str, node: &str, time: u64, is_compressed: bool) -> String {
    let ending = if is_compressed { COMPRESSED } else { "" };
    format!("{base}-{node}-{time}{ending}")
}

/// When a snapshot of this name was taken, where the name says so.
pub fn time(name: &str) -> Option<u64> {
    let name = name.strip_suffix(COMPRESSED).unwrap_or(name);
    let (_, time) = name.rsplit_once('-')?;
    time.parse().ok()
}

/// Whether a file of this name may be a snapshot. Those that begin with a dot are not finished.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with(['.', '-'])
        && !name.contains(['/', '\\', '\0'])
        && !name.contains(char::is_control)
}

/// Of all names those to remove, so that `keep` of this base name and node are left: the oldest.
/// 0 keeps all.
///
/// Only names that are exactly of this form count: another base name that begins alike, and other
/// nodes' snapshots in a directory that they share, are left alone.
pub fn excess<'n>(
    names: impl IntoIterator<Item = &'n str>,
    base: &str,
    node: &str,
    keep: usize,
) -> Vec<&'n str> {
    if keep == 0 {
        return Vec::new();
    }
    let prefix = format!("{base}-{node}-");
    let of_kind = |found: &'n str| {
        let rest = found.strip_prefix(&prefix)?;
        let rest = rest.strip_suffix(COMPRESSED).unwrap_or(rest);
        let is_time = rest.bytes().all(|byte| byte.is_ascii_digit());
        Some((rest.parse::<u64>().ok().filter(|_| is_time)?, found))
    };
    let mut found: Vec<_> = names.into_iter().filter_map(of_kind).collect();
    found.sort_unstable();
    found.truncate(found.len().saturating_sub(keep));
    found.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_when_the_snapshot_was_taken() {
        let plain = name("on-demand", "node-1", 1_763_900_000, false);
        assert_eq!(plain, "on-demand-node-1-1763900000");
        assert_eq!(time(&plain), Some(1_763_900_000));
        let compressed = name("etcd-snapshot", "n", 7, true);
        assert_eq!(compressed, "etcd-snapshot-n-7.zip");
        assert_eq!(time(&compressed), Some(7));
        assert_eq!(time("before-the-upgrade"), None);
    }

    #[test]
    fn only_names_of_files_are_names() {
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        for bad in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            ".a.partial",
            "-rf",
            "a\nb",
            &long,
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name("on-demand-n-1.zip") && is_name("before the upgrade"));
    }

    #[test]
    fn the_oldest_go_and_what_others_took_stays() {
        let names = [
            "a-n-10",
            "a-n-9.zip",
            "a-n-8",
            "a-n-x",
            "a-n-",
            "a-n-m-1",
            "a-b-n-1",
            "a-other-1",
            "b-n-1",
        ];
        assert_eq!(excess(names, "a", "n", 1), ["a-n-8", "a-n-9.zip"]);
        assert_eq!(excess(names, "a", "n", 2), ["a-n-8"]);
        for keep in [0, 3, 4] {
            assert!(excess(names, "a", "n", keep).is_empty());
        }
    }
}
