//! What comes out: rows for people, JSON for machines.

use std::fmt::Write as _;

use serde::Serialize;
use skerry_tests_harness::Kind;

use crate::meter::Measured;

/// A member that does nothing.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    /// Resident bytes of the largest member.
    pub(crate) rss: u64,
    /// Share of one core, in percent, mean over the members.
    pub(crate) cpu_percent: f64,
    /// Bytes written a second, mean over the members.
    pub(crate) written_per_s: f64,
}

/// One workload on one peer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) workload: &'static str,
    pub(crate) members: usize,
    pub(crate) clients: usize,
    pub(crate) peer: &'static str,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

/// One peer at rest.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rest {
    pub(crate) members: usize,
    pub(crate) peer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_ms: Option<f64>,
    #[serde(flatten)]
    pub(crate) idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rss_after_all: Option<u64>,
}

/// All that was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) about: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) rest: Vec<Rest>,
}

/// A peer's name in tables.
pub(crate) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Etcd => "etcd",
        Kind::Skerry => "skerry",
    }
}

const MIB: f64 = 1024.0 * 1024.0;

/// The head of the table.
pub(crate) fn head() -> String {
    format!(
        "{:<16} {:>3} {:>4} {:<7} {:>10} {:>9} {:>9} {:>9} {:>10} {:>10} {:>10} {:>8}",
        "workload",
        "mem",
        "cli",
        "peer",
        "ops/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "CPU s/1k",
        "drv s/1k",
        "B wr/op",
        "RSS MiB"
    )
}

/// One line of the table.
pub(crate) fn line(row: &Row) -> String {
    let m = &row.measured;
    let ms = |us: u32| f64::from(us) / 1000.0;
    let mut text = format!(
        "{:<16} {:>3} {:>4} {:<7} {:>10.0} {:>9.2} {:>9.2} {:>9.2} {:>10.4} {:>10.4} {:>10.0} {:>8.1}",
        row.workload,
        row.members,
        row.clients,
        row.peer,
        m.operations_per_s,
        ms(m.p50_us),
        ms(m.p99_us),
        ms(m.max_us),
        m.cpu_s_per_1000,
        m.driver_cpu_s_per_1000,
        m.written_per_operation,
        m.peak_rss as f64 / MIB,
    );
    if let Some(failure) = &m.first_failure {
        let _ = write!(text, "  {} FAILED: {failure}", m.failures);
    }
    text
}

/// Skerry's figures divided by etcd's.
pub(crate) fn ratio(etcd: &Row, skerry: &Row) -> String {
    let (e, s) = (&etcd.measured, &skerry.measured);
    let by = |skerry: f64, etcd: f64| skerry / etcd;
    format!(
        "{:<16} {:>3} {:>4} {:<7} {:>9.2}x {:>8.2}x {:>8.2}x {:>8.2}x {:>9.2}x {:>10} {:>9.2}x {:>7.2}x",
        "",
        "",
        "",
        "/ etcd",
        by(s.operations_per_s, e.operations_per_s),
        by(s.p50_us.into(), e.p50_us.into()),
        by(s.p99_us.into(), e.p99_us.into()),
        by(s.max_us.into(), e.max_us.into()),
        by(s.cpu_s_per_1000, e.cpu_s_per_1000),
        "",
        by(s.written_per_operation, e.written_per_operation),
        by(s.peak_rss as f64, e.peak_rss as f64),
    )
}

/// A peer at rest, in words.
pub(crate) fn rest(rest: &Rest) -> String {
    let mut text = format!("{} ({} members):", rest.peer, rest.members);
    if let Some(start) = rest.start_ms {
        let _ = write!(text, " first answer {start:.0} ms after exec;");
    }
    if let Some(idle) = &rest.idle {
        let _ = write!(
            text,
            " idle: RSS {:.1} MiB, {:.2} % of a core a member, {:.0} B/s written a member;",
            idle.rss as f64 / MIB,
            idle.cpu_percent,
            idle.written_per_s
        );
    }
    if let Some(rss) = rest.rss_after_all {
        let _ = write!(text, " RSS after all of it {:.1} MiB", rss as f64 / MIB);
    }
    text
}
