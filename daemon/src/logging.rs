//! Log lines on standard error, one event a line; no colours, no time of its own under systemd,
//! which stamps every line itself.

use std::io::Write;

use tracing::level_filters::LevelFilter;

/// Starts logging for the life of the process.
pub(crate) fn start(debug: bool) {
    let level = if debug {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(level);
    let started = if std::env::var_os("JOURNAL_STREAM").is_some() {
        tracing::subscriber::set_global_default(lines.without_time().finish())
    } else {
        tracing::subscriber::set_global_default(lines.finish())
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
