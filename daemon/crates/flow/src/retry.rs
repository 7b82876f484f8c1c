//! After how many seconds those who were sent away are told to come again.
//!
//! As upstream: twice as long while very many are sent away, and a second less as soon as few are.

use std::collections::VecDeque;

use crate::limits::RETRY_AFTER_SECONDS_MAX;

/// Of one level.
#[derive(Debug)]
pub(crate) struct Retry {
    after: u64,
    /// Second, and how many were sent away in it.
    history: VecDeque<(u64, u64)>,
    current: (u64, u64),
    changed: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            after: 1,
            history: VecDeque::new(),
            current: (0, 0),
            changed: 0,
        }
    }
}

impl Retry {
    /// One more was sent away; the answer is what it is told.
    pub(crate) fn refused(&mut self, second: u64) -> u32 {
        if self.current.0 == second {
            self.current.1 += 1;
        } else {
            self.history.push_back(self.current);
            let kept = (2 * self.after).min(u64::from(RETRY_AFTER_SECONDS_MAX));
            let oldest = self.current.0.saturating_sub(kept);
            while self.history.front().is_some_and(|(at, _)| *at < oldest) {
                self.history.pop_front();
            }
            self.current = (second, 1);
            self.adapt(second);
        }
        u32::try_from(self.after).unwrap_or(RETRY_AFTER_SECONDS_MAX)
    }

    fn adapt(&mut self, second: u64) {
        let from = second.saturating_sub(self.after);
        let recent = self.history.iter().filter(|(at, _)| *at >= from);
        let refused: u64 = recent.map(|(_, count)| count).sum();
        if second.saturating_sub(self.changed) >= self.after && refused >= 3 * self.after {
            self.after = (2 * self.after).min(u64::from(RETRY_AFTER_SECONDS_MAX));
            self.changed = second;
        } else if refused < self.after && self.after > 1 {
            self.after -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_are_sent_away_the_later_they_are_to_come_again() {
        let mut retry = Retry::default();
        assert_eq!(retry.refused(1), 1);
        for second in 1..200 {
            for _ in 0..200 {
                retry.refused(second);
            }
        }
        assert_eq!(retry.refused(200), RETRY_AFTER_SECONDS_MAX);
        assert!(retry.history.len() <= RETRY_AFTER_SECONDS_MAX as usize + 1);
        for step in 0..100 {
            retry.refused(1000 + 40 * step);
        }
        assert_eq!(retry.refused(10_000), 1);
    }
}
