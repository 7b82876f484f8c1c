//! Scripts: commands with what they print, run by a shell and compared line by line.
//!
//! ```text
//! # What a reader should know.
//! $ kubectl create -f - <<END
//! > a line that belongs to the command
//! > END
//! configmap/a created
//! 1.32|a line that only kubectl 1.32 prints
//! 1.36|a line that only kubectl 1.36 prints
//! [1]
//! ```
//!
//! `[1]` is how the command ended where that is not 0. What it writes to standard error comes
//! after what it writes to standard output. Empty lines at the end of it do not count. A line
//! that begins like a command, a comment or a version is not something that a script can expect.
//!
//! Knows nothing about servers. Invariant: what is rendered is read back as the same script.

use std::fmt::Write as _;

/// The versions of kubectl that every script is run with.
pub(crate) const VERSIONS: [&str; 2] = ["1.32", "1.36"];

/// One command and what it should print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Comments and empty lines before it.
    pub(crate) before: Vec<String>,
    /// The command, in lines.
    pub(crate) command: Vec<String>,
    /// What is expected: for one version or for both, and the line.
    pub(crate) expected: Vec<(Option<usize>, String)>,
}

impl Step {
    /// What this version should print.
    pub(crate) fn expected_of(&self, version: usize) -> Vec<&str> {
        let of_it = |wanted: &Option<usize>| wanted.is_none_or(|wanted| wanted == version);
        let lines = self.expected.iter().filter(|(wanted, _)| of_it(wanted));
        lines.map(|(_, line)| line.as_str()).collect()
    }
}

/// Reads a script.
pub(crate) fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut before = Vec::new();
    for line in text.lines() {
        let command = line.strip_prefix("$ ");
        if command.is_some() || line.starts_with('#') {
            // Empty lines between what one step prints and the next step belong to neither.
            let last = steps.last_mut().filter(|_| before.is_empty());
            for _ in 0..last.map_or(0, drop_empty_end) {
                before.push(String::new());
            }
        }
        if let Some(command) = command {
            steps.push(Step {
                before: std::mem::take(&mut before),
                command: vec![command.to_owned()],
                expected: Vec::new(),
            });
        } else if line.starts_with('#') || (line.is_empty() && !before.is_empty()) {
            before.push(line.to_owned());
        } else if let Some(step) = steps.last_mut() {
            match line.strip_prefix("> ").filter(|_| step.expected.is_empty()) {
                Some(more) => step.command.push(more.to_owned()),
                None => step.expected.push(expectation(line)),
            }
        }
    }
    if let Some(last) = steps.last_mut() {
        drop_empty_end(last);
    }
    steps
}

fn expectation(line: &str) -> (Option<usize>, String) {
    let of_version = |(version, name): (usize, &&str)| {
        let rest = line.strip_prefix(name)?.strip_prefix('|')?;
        Some((Some(version), rest.to_owned()))
    };
    let found = VERSIONS.iter().enumerate().find_map(of_version);
    found.unwrap_or_else(|| (None, line.to_owned()))
}

/// Takes empty lines off the end of what is expected; how many there were.
fn drop_empty_end(step: &mut Step) -> usize {
    let expected = &mut step.expected;
    let text = expected.iter().rposition(|(_, line)| !line.is_empty());
    let kept = text.map_or(0, |last| last + 1);
    let dropped = expected.len() - kept;
    expected.truncate(kept);
    dropped
}

/// Writes a script with what was seen of each version in each step.
pub(crate) fn render(steps: &[Step], seen: &[Vec<Vec<String>>; 2]) -> String {
    let mut text = String::new();
    for (index, step) in steps.iter().enumerate() {
        for line in &step.before {
            let _ = writeln!(text, "{line}");
        }
        for (number, line) in step.command.iter().enumerate() {
            let _ = writeln!(text, "{} {line}", if number == 0 { '$' } else { '>' });
        }
        let (old, new) = (&seen[0][index], &seen[1][index]);
        let shared = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let rest = (&old[shared..], &new[shared..]);
        let backwards = rest.0.iter().rev().zip(rest.1.iter().rev());
        let tail = backwards.take_while(|(a, b)| a == b).count();
        for line in &old[..shared] {
            let _ = writeln!(text, "{line}");
        }
        for (version, lines) in [rest.0, rest.1].into_iter().enumerate() {
            for line in &lines[..lines.len() - tail] {
                let _ = writeln!(text, "{}|{line}", VERSIONS[version]);
            }
        }
        for line in &old[old.len() - tail..] {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str =
        "# Why.\n\n$ a <<END\n> b\n> END\nx\n1.32|y\n1.36|  z\n\nlast\n\n\n$ c\n[1]\n";

    #[test]
    fn a_script_says_what_each_version_prints() {
        let steps = parse(SCRIPT);
        assert_eq!(steps[0].command, ["a <<END", "b", "END"]);
        assert_eq!(steps[0].expected_of(0), ["x", "y", "", "last"]);
        assert_eq!(steps[0].expected_of(1), ["x", "  z", "", "last"]);
        assert_eq!(steps[1].expected_of(0), ["[1]"]);
    }

    #[test]
    fn what_is_rendered_is_the_same_script() {
        let steps = parse(SCRIPT);
        let seen = [0, 1].map(|version| {
            let all = steps.iter().map(|step| step.expected_of(version));
            all.map(|lines| lines.into_iter().map(String::from).collect())
                .collect()
        });
        assert_eq!(render(&steps, &seen), SCRIPT);
    }
}
