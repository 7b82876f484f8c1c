//! Random values from a seed that is printed: the same seed, the same test.

use serde_json::{Map, Value, json};

/// xorshift64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        #[allow(clippy::print_stdout)] // For whoever sees it fail.
        {
            println!("seed {seed}");
        }
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Some JSON, with these keys and texts in it.
    pub(crate) fn json(&mut self, words: &[&str], levels: usize) -> Value {
        let sort = self.below(if levels == 0 { 6 } else { 11 });
        match sort {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(self.below(4)),
            3 => json!(1.5),
            4 | 5 => json!(self.pick(words)),
            6 | 7 => {
                let length = self.below(4);
                (0..length).map(|_| self.json(words, levels - 1)).collect()
            }
            _ => {
                let mut fields = Map::new();
                for _ in 0..self.below(5) {
                    let key = self.pick(words).to_owned();
                    fields.insert(key, self.json(words, levels - 1));
                }
                Value::Object(fields)
            }
        }
    }
}
