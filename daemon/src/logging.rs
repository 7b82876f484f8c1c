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
    let _ = writeln!(std::io::stderr(), "skerry: {}", told(error));
}

/// The error and its causes, but for those that the one before has told already.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text.clone_from(&cause);
        } else if !last.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        last = cause;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_its_error_has_told_is_not_told_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot listen: {0}")]
        struct Listen(#[source] std::fmt::Error);
        let error = anyhow::Error::new(Listen(std::fmt::Error)).context("datastore");
        assert_eq!(
            told(&error),
            format!("datastore: cannot listen: {}", std::fmt::Error)
        );
    }
}
