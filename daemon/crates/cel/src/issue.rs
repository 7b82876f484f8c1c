//! What is wrong with an expression, and where: printed as cel-go prints it.

use std::fmt;

/// One thing that the parser or the checker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The line, counted from 1.
    pub line: u32,
    /// The column in code points, counted from 0.
    pub column: u32,
    /// The text, without `ERROR` and without the place.
    pub message: String,
    /// The line of the source, for the picture with the caret.
    pub snippet: Option<String>,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ERROR: <input>:{}:{}: {}",
            self.line,
            self.column + 1,
            self.message
        )?;
        if let Some(snippet) = &self.snippet {
            let width = self.column as usize;
            write!(f, "\n | {snippet}\n | {}^", ".".repeat(width))?;
        }
        Ok(())
    }
}

/// All that is wrong with an expression; prints one below the other, as `Issues.String()`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Issues(pub Vec<Issue>);

impl fmt::Display for Issues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            issue.fmt(f)?;
        }
        Ok(())
    }
}
