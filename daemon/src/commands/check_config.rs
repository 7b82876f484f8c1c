//! `skerry check-config`: whether this host can run the server that is configured, as a table.
//!
//! Looks and changes nothing. What would stop the server fails; what will hurt later is a warning.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::bail;
use nix::unistd::{AccessFlags, access};

use super::print;
use crate::config::Settings;

const USAGE: &str = "\
usage:
  skerry check-config [flags]   whether this host can run the server that the flags ask for

The flags are those of `skerry server`. Nothing is changed. Fails if the server would not start.
";

/// Fewer open files than this are soon used up by watchers.
const OPEN_FILES_MIN: u64 = 4096;
/// Free space that the log, a snapshot and a small state need, in bytes.
const FREE_BYTES_MIN: u64 = 256 << 20;
/// A clock before this has not been set: 2025-01-01.
const CLOCK_MIN: Duration = Duration::from_secs(1_735_689_600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    Warning,
    Failure,
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    what: &'static str,
    grade: Grade,
    found: String,
}

fn row(what: &'static str, grade: Grade, found: impl Into<String>) -> Row {
    let found = found.into();
    Row { what, grade, found }
}

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return print(USAGE);
    }
    let rows = match Settings::load(words, std::env::vars()) {
        Ok(settings) => check(&settings),
        Err(error) => vec![row("configuration", Grade::Failure, error.to_string())],
    };
    print(&table(&rows))?;
    match rows
        .iter()
        .filter(|row| row.grade == Grade::Failure)
        .count()
    {
        0 => Ok(()),
        1 => bail!("the server would not start: one check failed"),
        failed => bail!("the server would not start: {failed} checks failed"),
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row { what, grade, found } in rows {
        let grade = match grade {
            Grade::Good => "ok",
            Grade::Warning => "warning",
            Grade::Failure => "FAILED",
        };
        let _ = writeln!(text, "{what:<16} {grade:<8} {found}");
    }
    text
}

fn check(settings: &Settings) -> Vec<Row> {
    let mut rows = vec![row(
        "configuration",
        Grade::Good,
        format!("node {} at {}", settings.node_name, settings.node_ip),
    )];
    for line in &settings.without_effect {
        rows.push(row("configuration", Grade::Warning, line));
    }
    rows.extend(folders(settings));
    rows.push(clock());
    rows.push(open_files());
    rows.push(memory(settings.memory_budget));
    rows.extend(ports(settings));
    rows
}

/// The folder itself, or the nearest that is there.
fn existing(path: &Path) -> PathBuf {
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    while !path.exists() && path.pop() {}
    path
}

fn is_writable(path: &Path) -> bool {
    access(path, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

fn folders(settings: &Settings) -> Vec<Row> {
    let data_dir = existing(&settings.data_dir);
    let shown = settings.data_dir.display();
    let mut rows = Vec::new();
    rows.push(if is_writable(&data_dir) {
        row("data directory", Grade::Good, format!("{shown}"))
    } else {
        let why = format!("{shown}: {} cannot be written", data_dir.display());
        row("data directory", Grade::Failure, why)
    });
    let kind = std::fs::read_to_string("/proc/self/mountinfo")
        .ok()
        .and_then(|mounts| filesystem(&mounts, &data_dir));
    rows.push(match kind.as_deref() {
        Some("tmpfs" | "ramfs" | "overlay") => row(
            "filesystem",
            Grade::Warning,
            format!(
                "{}: what is written there is lost with the machine",
                kind.unwrap_or_default()
            ),
        ),
        Some("nfs" | "nfs4" | "cifs" | "9p" | "fuse" | "vfat" | "exfat" | "msdos") => row(
            "filesystem",
            Grade::Warning,
            format!(
                "{}: writes there may not be durable when they are confirmed",
                kind.unwrap_or_default()
            ),
        ),
        Some(kind) => row("filesystem", Grade::Good, kind),
        None => row("filesystem", Grade::Warning, "not known"),
    });
    if let Ok(space) = nix::sys::statvfs::statvfs(&data_dir) {
        #[allow(clippy::useless_conversion)] // The width differs between targets.
        let free = u64::from(space.blocks_available()) * u64::from(space.fragment_size());
        let found = format!("{} MiB", free >> 20);
        rows.push(if free < FREE_BYTES_MIN {
            let least = FREE_BYTES_MIN >> 20;
            let found = format!("{found}; less than {least} MiB are soon full");
            row("free space", Grade::Warning, found)
        } else {
            row("free space", Grade::Good, found)
        });
    }
    let kubeconfig = settings.kubeconfig.parent().map(existing);
    rows.push(match kubeconfig {
        Some(folder) if !is_writable(&folder) => row(
            "kubeconfig",
            Grade::Warning,
            format!(
                "{} cannot be written (a read-only root?): it goes to /run/skerry",
                folder.display()
            ),
        ),
        _ => row(
            "kubeconfig",
            Grade::Good,
            settings.kubeconfig.display().to_string(),
        ),
    });
    rows
}

/// The type of the filesystem that a path lies on, from `/proc/self/mountinfo`.
fn filesystem(mounts: &str, path: &Path) -> Option<String> {
    let mut nearest: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let (mount, kind) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?.replace("\\040", " ");
        let length = point.len();
        // Of two at one place the later one hides the earlier.
        if path.starts_with(&point) && nearest.is_none_or(|(longest, _)| length >= longest) {
            nearest = Some((length, kind.split(' ').next()?));
        }
    }
    nearest.map(|(_, kind)| kind.to_owned())
}

fn clock() -> Row {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    match now {
        Ok(now) if now >= CLOCK_MIN => row("clock", Grade::Good, "set"),
        _ => row(
            "clock",
            Grade::Warning,
            "before 2025: not set; certificates made now would end too early",
        ),
    }
}

fn open_files() -> Row {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next());
    match soft {
        Some("unlimited") => row("open files", Grade::Good, "unlimited"),
        Some(soft) if soft.parse().is_ok_and(|soft: u64| soft >= OPEN_FILES_MIN) => {
            row("open files", Grade::Good, soft)
        }
        Some(soft) => row(
            "open files",
            Grade::Warning,
            format!(
                "{soft}; {OPEN_FILES_MIN} or more serve many watchers (ulimit -n, LimitNOFILE=)"
            ),
        ),
        None => row("open files", Grade::Warning, "not known"),
    }
}

fn memory(budget: u64) -> Row {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok());
    let budget = budget >> 20;
    match available.map(|kib| kib >> 10) {
        None => row("memory", Grade::Warning, "not known"),
        Some(free) if free < budget => row(
            "memory",
            Grade::Warning,
            format!("{free} MiB available, less than --memory-budget ({budget} MiB)"),
        ),
        Some(free) => row("memory", Grade::Good, format!("{free} MiB available")),
    }
}

fn ports(settings: &Settings) -> Vec<Row> {
    let addresses: [(&'static str, SocketAddr); 4] = [
        ("https port", settings.listen(settings.https_port)),
        ("etcd port", settings.listen(settings.etcd_client_port)),
        ("peer port", settings.listen(settings.etcd_peer_port)),
        ("metrics port", settings.metrics_listen()),
    ];
    let check = |(what, address): (&'static str, SocketAddr)| match TcpListener::bind(address) {
        Ok(_) => row(what, Grade::Good, address.to_string()),
        Err(error) => row(what, Grade::Failure, format!("{address}: {error}")),
    };
    addresses.into_iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filesystem_is_that_of_the_nearest_mount_point() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / /var\\040lib rw shared:1 - tmpfs tmpfs rw\n3 1 0:6 / /var rw - squashfs x ro\n";
        let kind = |path: &str| filesystem(mounts, Path::new(path)).unwrap();
        assert_eq!(kind("/var lib/x"), "tmpfs");
        assert_eq!(kind("/var/x"), "squashfs");
        assert_eq!(kind("/variety"), "ext4");
    }
}
