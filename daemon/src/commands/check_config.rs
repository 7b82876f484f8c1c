//! `skerry check-config`: whether this host can run the server that is configured, as a table.
//!
//! Looks and changes nothing. What would stop the server fails; what will hurt later is a warning.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, SystemTime};

use anyhow::bail;

use super::print;
use crate::config::Settings;
use crate::ground::{self, Grade, Row, existing, is_writable, row};

const USAGE: &str = "\
usage:
  skerry check-config [flags]   whether this host can run the server that the flags ask for

The flags are those of `skerry server`. Nothing is changed. Fails if the server would not start.
";

/// Fewer open files than this are soon used up by watchers.
const OPEN_FILES_MIN: u64 = 4096;
/// A clock before this has not been set: 2025-01-01.
const CLOCK_MIN: Duration = Duration::from_secs(1_735_689_600);

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
    rows.extend(ground::look(&settings.data_dir));
    rows.push(kubeconfig(settings));
    rows.push(clock());
    rows.push(open_files());
    rows.push(memory(settings.memory_budget));
    rows.extend(ports(settings));
    rows
}

fn kubeconfig(settings: &Settings) -> Row {
    let kubeconfig = settings.kubeconfig.parent().map(existing);
    match kubeconfig {
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
    }
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
