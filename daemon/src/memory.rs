//! How much memory the server may have, and how much it has.
//!
//! Half of what the control group or the machine gives is planned with: the other half is for what
//! the allocator cannot give back, stacks, the binary's pages and the kernel's buffers. Invariant:
//! whatever the kernel's files say, the answer is bounded, and few bytes of few files are read.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path};

use cap::Cap;

/// Counts what is allocated; refuses nothing.
#[global_allocator]
static MEMORY: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

/// More gains nothing.
const PLANNED_BYTES_MAX: u64 = 64 << 20;
/// Below this the server could not hold its own queues.
pub(crate) const PLANNED_BYTES_MIN: u64 = 16 << 20;
/// Bytes that are read of one of the kernel's files.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Control groups above one another that are looked at.
const GROUPS_MAX: usize = 64;

/// Bytes that are allocated now.
pub(crate) fn allocated() -> usize {
    MEMORY.allocated()
}

/// Has requests refused that come while as much is allocated as the budget has, or as half of what
/// there is where none was given.
pub(crate) fn hold(given: Option<u64>) {
    let half = available(Path::new("/")) / 2;
    let limit = given.unwrap_or(half).max(PLANNED_BYTES_MIN);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    skerry_listen::pressure::hold(limit, allocated);
}

/// The budget where none was given.
pub(crate) fn planned() -> u64 {
    let half = available(Path::new("/")) / 2;
    half.clamp(PLANNED_BYTES_MIN, PLANNED_BYTES_MAX)
}

/// What the machine has, or the smallest limit of the control groups that this process is in.
fn available(root: &Path) -> u64 {
    let meminfo = read(&root.join("proc/meminfo"));
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(u64::MAX, |kibibytes| kibibytes.saturating_mul(1024));
    let groups = read(&root.join("proc/self/cgroup"));
    let limits = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        match controllers {
            "" => limit(&root.join("sys/fs/cgroup"), path, "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                let mount = root.join("sys/fs/cgroup/memory");
                limit(&mount, path, "memory.limit_in_bytes")
            }
            _ => None,
        }
    });
    limits.fold(total, u64::min)
}

/// The smallest limit from a group up to the root of its tree. In a container the group's own path
/// may not be there, while the root is the container's.
fn limit(mount: &Path, group: &str, file: &str) -> Option<u64> {
    let group = Path::new(group.trim_start_matches('/'));
    let is_below = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !group.components().all(is_below) {
        return None;
    }
    let groups = group.ancestors().take(GROUPS_MAX);
    groups
        .filter_map(|group| read(&mount.join(group).join(file)).trim().parse().ok())
        .filter(|limit| *limit > 0)
        .min()
}

fn read(path: &Path) -> String {
    let mut text = String::new();
    // What cannot be read limits nothing.
    let _ = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_smallest_limit_of_all_groups_above_counts_in_both_versions() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(available(root), u64::MAX);
        write(root, "proc/meminfo", "MemTotal:  1024 kB\nMemFree: 1 kB\n");
        assert_eq!(available(root), 1 << 20);
        write(root, "proc/self/cgroup", "0::/a/b\n");
        write(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
        assert_eq!(available(root), 1 << 20);
        write(root, "sys/fs/cgroup/a/memory.max", "5000\n");
        assert_eq!(available(root), 5000);
        let first = "4:cpu,memory:/docker/c\n0::/\n";
        write(root, "proc/self/cgroup", first);
        let file = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        write(root, file, "9223372036854771712\n");
        assert_eq!(available(root), 1 << 20);
        write(root, file, "4000\n");
        assert_eq!(available(root), 4000);
        write(
            root,
            "proc/self/cgroup",
            "4:memory:/../../x\nnonsense\n::\n",
        );
        assert_eq!(available(root), 1 << 20);
    }

    #[test]
    fn what_is_allocated_is_counted() {
        let before = allocated();
        let block = vec![1_u8; 8 << 20];
        assert!(allocated() >= before + block.len() / 2);
        assert!((PLANNED_BYTES_MIN..=PLANNED_BYTES_MAX).contains(&planned()));
    }
}
