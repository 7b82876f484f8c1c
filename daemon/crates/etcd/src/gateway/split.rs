//! Cuts a body that arrives in pieces into the JSON values that stand in it one after the other.
//!
//! Knows nothing about what the values mean: it counts brackets outside of strings. Invariant:
//! it holds no more than one unfinished value, and of that no more than its limit.

use bytes::{Buf, Bytes, BytesMut};

/// Collects pieces and gives out values.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    pending: BytesMut,
    /// How much of `pending` has been looked at.
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// One value is longer than the limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a JSON value of the stream is longer than {limit_bytes} bytes")]
pub(super) struct TooLong {
    limit_bytes: usize,
}

impl Splitter {
    /// Takes the next piece of the body.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
    }

    /// The next whole object or array. Other values are no messages: they come out with whatever
    /// is attached to them, to be refused by who decodes them.
    pub(super) fn next(&mut self, limit_bytes: usize) -> Result<Option<Bytes>, TooLong> {
        if self.scanned == 0 {
            let blank = self
                .pending
                .iter()
                .take_while(|b| b.is_ascii_whitespace())
                .count();
            self.pending.advance(blank);
        }
        while let Some(&byte) = self.pending.get(self.scanned) {
            self.scanned += 1;
            if self.scanned > limit_bytes {
                return Err(TooLong { limit_bytes });
            }
            if self.ends_with(byte) {
                let value = self.pending.split_to(self.scanned).freeze();
                self.scanned = 0;
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Bytes that are held.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// What is left when the body ends.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let rest = self.pending.split().freeze();
        self.scanned = 0;
        (!rest.iter().all(u8::is_ascii_whitespace)).then_some(rest)
    }

    /// Whether `byte` is the last of a value.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> (Vec<String>, Option<String>) {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let mut splitter = Splitter::default();
        let mut values = Vec::new();
        for piece in pieces {
            splitter.push(piece.as_bytes());
            while let Some(value) = splitter.next(64).unwrap() {
                values.push(text(value));
            }
        }
        (values, splitter.rest().map(text))
    }

    #[test]
    fn values_come_out_wherever_the_body_is_cut() {
        let body = r#" {"a":"}{"} {"b":{"c":["\"]"]}}
{}"#;
        let whole = split(&[body]);
        assert_eq!(
            whole,
            (
                vec![
                    r#"{"a":"}{"}"#.to_owned(),
                    r#"{"b":{"c":["\"]"]}}"#.to_owned(),
                    "{}".to_owned()
                ],
                None
            )
        );
        for cut in 0..body.len() {
            assert_eq!(split(&[&body[..cut], &body[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn an_unfinished_value_is_left_over_and_blanks_are_not() {
        assert_eq!(split(&["{\"a\":1} {\"b"]).1.as_deref(), Some("{\"b"));
        assert_eq!(split(&["{} \n"]).1, None);
        assert_eq!(split(&["null"]), (vec![], Some("null".to_owned())));
        // A bracket that closes nothing ends a value that nobody can decode.
        assert_eq!(split(&["}{}"]).0, ["}", "{}"]);
    }

    #[test]
    fn a_value_that_does_not_end_is_refused_at_the_limit() {
        let mut splitter = Splitter::default();
        splitter.push(&[b'['; 64]);
        assert_eq!(splitter.next(64), Ok(None));
        splitter.push(b"[");
        assert_eq!(splitter.next(64), Err(TooLong { limit_bytes: 64 }));
    }
}
