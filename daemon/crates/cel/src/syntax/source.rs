//! The text of an expression, and where in it things are.
//!
//! Knows nothing about the grammar. Places are offsets in code points.

use crate::issue::Issue;

/// The text and the beginnings of its lines.
pub(crate) struct Source {
    pub(crate) chars: Vec<char>,
    lines: Vec<usize>,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut lines = vec![0];
        let breaks = chars.iter().enumerate().filter(|(_, char)| **char == '\n');
        lines.extend(breaks.map(|(place, _)| place + 1));
        Self { chars, lines }
    }

    /// An issue at a place; without one, it is about the whole text.
    pub(crate) fn issue(&self, offset: Option<u32>, message: String) -> Issue {
        let Some(offset) = offset else {
            return Issue {
                line: None,
                column: 0,
                message,
                snippet: None,
            };
        };
        let offset = offset as usize;
        let line = self.lines.partition_point(|start| *start <= offset) - 1;
        let start = self.lines[line];
        let end = self
            .lines
            .get(line + 1)
            .map_or(self.chars.len(), |next| next - 1);
        let snippet: String = self.chars[start..end].iter().collect();
        Issue {
            line: u32::try_from(line + 1).ok(),
            column: u32::try_from(offset - start).unwrap_or(u32::MAX),
            message,
            snippet: Some(snippet),
        }
    }
}
