//! Log lines on standard error, one event a line; no colours, no time of its own under systemd,
//! which stamps every line itself.

use std::io::Write;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt};

/// Starts logging for the life of the process.
pub(crate) fn start(debug: bool) {
    let level = if debug {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    // openraft tells every step of an election at INFO, and every failed heartbeat at WARN: ten
    // lines a second for as long as a member is down. What users need our own lines say.
    let consensus = if debug {
        LevelFilter::DEBUG
    } else {
        LevelFilter::ERROR
    };
    let levels = Targets::new()
        .with_default(level)
        .with_target("openraft", consensus);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let started = if std::env::var_os("JOURNAL_STREAM").is_some() {
        let lines = lines.without_time().with_filter(levels);
        tracing::subscriber::set_global_default(Registry::default().with(lines))
    } else {
        tracing::subscriber::set_global_default(Registry::default().with(lines.with_filter(levels)))
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// Says why the process ends, with every cause.
pub(crate) fn complain(error: &anyhow::Error) {
    // Nothing can be done about a standard error that is closed.
    let _ = writeln!(std::io::stderr(), "skerry: {error:#}");
}
