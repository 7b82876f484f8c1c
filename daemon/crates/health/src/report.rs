//! What a probe is told. Texts are upstream's (apiserver `server/healthz`).

use std::fmt::Write;

/// The answer to a probe: plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Report {
    /// Of one check that was asked for by its name, by somebody who may know why it fails.
    pub(crate) fn single(outcome: Result<(), String>) -> Report {
        match outcome {
            Ok(()) => Report::ok(),
            Err(reason) => Report {
                status: 500,
                text: format!("internal server error: {reason}\n"),
            },
        }
    }

    fn ok() -> Report {
        Report {
            status: 200,
            text: "ok".into(),
        }
    }
}

/// What a query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    verbose: bool,
    excluded: Vec<String>,
}

/// Names in `exclude` that are looked at.
const EXCLUDED_MAX: usize = 64;

impl Asked {
    pub(crate) fn parse(query: &str) -> Asked {
        let mut asked = Asked::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "verbose" => asked.verbose = true,
                "exclude" if asked.excluded.len() < EXCLUDED_MAX => {
                    asked.excluded.push(unescape(value));
                }
                _ => {}
            }
        }
        asked.excluded.sort_unstable();
        asked.excluded.dedup();
        asked
    }

    pub(crate) fn excludes(&self, name: &str) -> bool {
        self.excluded.iter().any(|excluded| excluded == name)
    }
}

/// The only characters of a check's name that clients escape.
fn unescape(value: &str) -> String {
    value.replace("%2F", "/").replace("%2f", "/")
}

/// Of all checks of a probe, each with what came out of it; none: it was excluded.
pub(crate) fn sum(
    probe: &str,
    outcomes: &[(&'static str, Option<Result<(), String>>)],
    asked: &Asked,
) -> Report {
    let mut text = String::new();
    let mut failed = false;
    // Writing to a string cannot fail.
    for (name, outcome) in outcomes {
        let _ = match outcome {
            None => writeln!(text, "[+]{name} excluded: ok"),
            Some(Ok(())) => writeln!(text, "[+]{name} ok"),
            Some(Err(_)) => {
                failed = true;
                writeln!(text, "[-]{name} failed: reason withheld")
            }
        };
    }
    let known = |name: &String| outcomes.iter().any(|(known, _)| known == name);
    let unknown: Vec<String> = asked
        .excluded
        .iter()
        .filter(|name| !known(name))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        let quoted: Vec<String> = unknown.iter().map(|name| format!("{name:?}")).collect();
        let _ = writeln!(
            text,
            "warn: some health checks cannot be excluded: no matches for {}",
            quoted.join(", ")
        );
    }
    if !failed && !asked.verbose {
        return Report::ok();
    }
    let (status, verdict) = match failed {
        true => (500, "failed"),
        false => (200, "passed"),
    };
    let _ = writeln!(text, "{probe} check {verdict}");
    Report { status, text }
}
