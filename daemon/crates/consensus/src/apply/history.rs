//! How many bytes of entries lie behind each point of the log, to know what may be purged.
//!
//! Knows nothing about the log itself. Invariant: a bounded number of marks.

use std::collections::VecDeque;

use crate::limits::{KEEP_ENTRIES, PURGE_EVERY_BYTES, PURGE_EVERY_ENTRIES};

/// Bytes between two marks.
const MARK_BYTES: u64 = PURGE_EVERY_BYTES / 32;
const MARKS_MAX: usize = 256;

/// The sizes of what was applied.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Index after the last entry of a piece, and its bytes.
    marks: VecDeque<(u64, u64)>,
    /// Index after the last entry applied.
    end: u64,
    /// `end` and bytes at the last purge.
    purged_at: u64,
    bytes_since: u64,
}

impl History {
    /// The state was opened, or replaced, and ends here.
    pub(crate) fn starting_at(end: u64) -> Self {
        Self {
            end,
            purged_at: end,
            ..Self::default()
        }
    }

    /// Entries before `end` were applied, `bytes` of them new.
    pub(crate) fn applied(&mut self, end: u64, bytes: u64) {
        self.end = end;
        self.bytes_since += bytes;
        match self.marks.back_mut() {
            Some(last) if last.1 + bytes <= MARK_BYTES => *last = (end, last.1 + bytes),
            _ => self.marks.push_back((end, bytes)),
        }
        if self.marks.len() > MARKS_MAX {
            // Too coarse for one piece is fine: it only keeps a little more.
            let (_, bytes) = self.marks.pop_front().unwrap_or_default();
            if let Some(first) = self.marks.front_mut() {
                first.1 += bytes;
            }
        }
    }

    /// Enough has been applied that the log is worth a purge.
    pub(crate) fn purge_is_due(&self) -> bool {
        self.end - self.purged_at >= PURGE_EVERY_ENTRIES || self.bytes_since >= PURGE_EVERY_BYTES
    }

    /// The index before which entries may go, once all of it is durable: what is kept for
    /// followers that lag is bounded in entries and in bytes.
    pub(crate) fn purge(&mut self) -> u64 {
        self.purged_at = self.end;
        self.bytes_since = 0;
        let mut before = self.end.saturating_sub(KEEP_ENTRIES);
        let mut kept = 0;
        for (end, bytes) in self.marks.iter().rev() {
            if kept > PURGE_EVERY_BYTES {
                before = before.max(*end);
                break;
            }
            kept += bytes;
        }
        while self.marks.front().is_some_and(|(end, _)| *end <= before) {
            self.marks.pop_front();
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_entries_are_kept_by_number() {
        let mut history = History::starting_at(0);
        for end in 1..PURGE_EVERY_ENTRIES {
            history.applied(end, 100);
        }
        assert!(!history.purge_is_due());
        history.applied(PURGE_EVERY_ENTRIES, 100);
        assert!(history.purge_is_due());
        assert_eq!(
            history.purge(),
            PURGE_EVERY_ENTRIES.saturating_sub(KEEP_ENTRIES)
        );
        assert!(!history.purge_is_due());
        history.applied(3 * KEEP_ENTRIES, 100);
        assert_eq!(history.purge(), 2 * KEEP_ENTRIES);
    }

    #[test]
    fn large_entries_are_kept_by_bytes_and_the_marks_stay_few() {
        let mut history = History::starting_at(0);
        let size = 1 << 20;
        let mut end = 0;
        while !history.purge_is_due() {
            end += 1;
            history.applied(end, size);
        }
        assert_eq!(end, PURGE_EVERY_BYTES / size);
        history.purge();
        for _ in 0..1_000 {
            end += 1;
            history.applied(end, size);
        }
        assert!(history.marks.len() <= MARKS_MAX);
        let before = history.purge();
        let kept = (end - before) * size;
        assert!(
            (PURGE_EVERY_BYTES..=2 * PURGE_EVERY_BYTES).contains(&kept),
            "{kept}"
        );
    }
}
