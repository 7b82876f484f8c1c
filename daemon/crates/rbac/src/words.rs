//! One copy of each word that rules use: `get`, `pods` and `apps` stand in
//! hundreds of rules.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The words in use, and some that were.
#[derive(Debug, Default)]
pub(crate) struct Words {
    known: BTreeSet<Arc<str>>,
    /// Sweep when so many are known.
    sweep_at: usize,
}

/// Below this many words a sweep is not worth its time.
const SWEEP_MIN: usize = 1024;

impl Words {
    /// The shared copy of `word`.
    pub(crate) fn share(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.known.get(word) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at.max(SWEEP_MIN) {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = self.known.len() * 2;
        }
        let word: Arc<str> = Arc::from(word);
        self.known.insert(Arc::clone(&word));
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept_once_and_only_as_long_as_it_is_used() {
        let mut words = Words::default();
        let kept = words.share("get");
        assert!(Arc::ptr_eq(&kept, &words.share("get")));
        for i in 0..3 * SWEEP_MIN {
            words.share(&format!("gone-{i}"));
        }
        assert!(words.known.len() <= SWEEP_MIN + 1);
        assert!(Arc::ptr_eq(&kept, &words.share("get")));
    }
}
