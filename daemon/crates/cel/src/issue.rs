//! What is wrong with an expression, and where: printed as cel-go prints it.

use std::fmt;

/// The most issues that are kept; more are only counted.
const ISSUES_MAX: usize = 100;

/// The longest line that is shown, in bytes.
const SNIPPET_BYTES_MAX: usize = 16_384;

/// One thing that the parser or the checker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The line, counted from 1; `None` when it is about the whole expression.
    pub line: Option<u32>,
    /// The column in code points, counted from 0.
    pub column: u32,
    /// The text, without `ERROR` and without the place.
    pub message: String,
    /// The line of the source, for the picture with the caret.
    pub snippet: Option<String>,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(line) = self.line else {
            return write!(f, "ERROR: <input>:-1:0: {}", self.message);
        };
        write!(
            f,
            "ERROR: <input>:{line}:{}: {}",
            self.column + 1,
            self.message
        )?;
        let snippet = self
            .snippet
            .as_deref()
            .filter(|line| line.len() <= SNIPPET_BYTES_MAX);
        let Some(snippet) = snippet else {
            return Ok(());
        };
        let snippet = snippet.replace('\t', " ");
        write!(f, "\n | {snippet}\n | ")?;
        let mut chars = snippet.chars();
        // Wide characters get wide dots, so that the caret stands below its place.
        for char in chars.by_ref().take(self.column as usize) {
            f.write_str(if char.is_ascii() { "." } else { "\u{ff0e}" })?;
        }
        f.write_str(if chars.next().is_none_or(|char| char.is_ascii()) {
            "^"
        } else {
            "\u{ff3e}"
        })
    }
}

/// All that is wrong with an expression; prints one below the other, as `Issues.String()`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Issues {
    /// The issues in the order of their places.
    pub list: Vec<Issue>,
    /// How many more there were.
    pub truncated: usize,
    /// When the expression is well-formed and well-typed and still makes no program (a literal that
    /// no conversion takes): why. Upstream says `program instantiation failed: ` before it.
    pub instantiation: Option<String>,
}

impl Issues {
    pub(crate) fn push(&mut self, issue: Issue) {
        if self.list.len() < ISSUES_MAX {
            self.list.push(issue);
        } else {
            self.truncated += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.instantiation.is_none()
    }

    pub(crate) fn sorted(mut self) -> Self {
        self.list.sort_by_key(|issue| (issue.line, issue.column));
        self
    }
}

impl fmt::Display for Issues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.instantiation {
            return f.write_str(why);
        }
        for (index, issue) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            issue.fmt(f)?;
        }
        if self.truncated > 0 {
            write!(f, "\n{} more errors were truncated", self.truncated)?;
        }
        Ok(())
    }
}
