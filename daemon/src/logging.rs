//! Log lines on standard error, one event a line; no colours, no time of its own under systemd,
//! which stamps every line itself.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};
use tracing_subscriber::{Layer as _, Registry, fmt};

/// Whether more is logged; a reload changes it.
static DEBUG: AtomicBool = AtomicBool::new(false);

/// Which lines are logged.
struct Levels;

impl Levels {
    fn of(target: &str) -> LevelFilter {
        match DEBUG.load(Ordering::Relaxed) {
            true => LevelFilter::DEBUG,
            // openraft tells every step of an election at INFO, and every failed heartbeat at WARN:
            // ten lines a second for as long as a member is down. What users need our own lines say.
            false if target.starts_with("openraft") => LevelFilter::ERROR,
            false => LevelFilter::INFO,
        }
    }
}

impl<S> Filter<S> for Levels {
    fn enabled(&self, line: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *line.level() <= Levels::of(line.target())
    }

    /// Asked once a place in the code, and again after each change.
    fn callsite_enabled(&self, line: &'static Metadata<'static>) -> Interest {
        match *line.level() <= Levels::of(line.target()) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(Levels::of(""))
    }
}

/// Logs more from now on, or no more of it.
pub(crate) fn set_debug(debug: bool) {
    if DEBUG.swap(debug, Ordering::Relaxed) != debug {
        tracing::callsite::rebuild_interest_cache();
    }
}

/// Starts logging for the life of the process.
pub(crate) fn start(debug: bool) {
    set_debug(debug);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let started = if std::env::var_os("JOURNAL_STREAM").is_some() {
        let lines = lines.without_time().with_filter(Levels);
        tracing::subscriber::set_global_default(Registry::default().with(lines))
    } else {
        tracing::subscriber::set_global_default(Registry::default().with(lines.with_filter(Levels)))
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
