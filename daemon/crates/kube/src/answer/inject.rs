//! Bytes put into a stream of others, behind the first place where a text stands.
//!
//! Pure. Holds no more than one chunk and a part of what is put in. Invariant: all bytes of the
//! stream come out in their order, and each insertion at most once.

use std::collections::VecDeque;

/// What is put behind a text, piece by piece.
pub(crate) struct Insertion {
    pub(crate) behind: &'static [u8],
    pub(crate) pieces: Box<dyn Iterator<Item = Vec<u8>> + Send>,
}

/// See the module.
pub(crate) struct Inject<I> {
    chunks: I,
    /// In the order of their places.
    insertions: VecDeque<Insertion>,
    /// Read from the stream and not given out.
    held: Vec<u8>,
    inserting: Option<Insertion>,
}

impl<I> Inject<I> {
    pub(crate) fn new(chunks: I, insertions: Vec<Insertion>) -> Inject<I> {
        Inject {
            chunks,
            insertions: insertions.into(),
            held: Vec::new(),
            inserting: None,
        }
    }
}

impl<I: Iterator<Item = Vec<u8>>> Iterator for Inject<I> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(insertion) = &mut self.inserting {
                match insertion.pieces.next() {
                    Some(piece) => return Some(piece),
                    None => self.inserting = None,
                }
            }
            let Some(next) = self.insertions.front() else {
                if !self.held.is_empty() {
                    return Some(std::mem::take(&mut self.held));
                }
                return self.chunks.next();
            };
            let length = next.behind.len();
            let place = self
                .held
                .windows(length)
                .position(|window| window == next.behind);
            if let Some(place) = place {
                let rest = self.held.split_off(place + length);
                self.inserting = self.insertions.pop_front();
                return Some(std::mem::replace(&mut self.held, rest));
            }
            match self.chunks.next() {
                Some(chunk) => {
                    // The text may stand across two chunks: its length is held back.
                    let keep = self.held.len().min(length - 1);
                    let tail = self.held.split_off(self.held.len() - keep);
                    let ready = std::mem::replace(&mut self.held, tail);
                    self.held.extend(chunk);
                    if !ready.is_empty() {
                        return Some(ready);
                    }
                }
                None => self.insertions.clear(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insertions_stand_behind_their_texts_however_the_stream_is_cut() {
        let text = br#"{"info":{},"paths":{"a":1},"definitions":{"b":2}}"#;
        for size in 1..text.len() {
            let insertion = |behind: &'static [u8], pieces: &[&str]| Insertion {
                behind,
                pieces: Box::new(
                    pieces
                        .iter()
                        .map(|piece| piece.as_bytes().to_vec())
                        .collect::<Vec<_>>()
                        .into_iter(),
                ),
            };
            let chunks = text.chunks(size).map(<[u8]>::to_vec);
            let injected = Inject::new(
                chunks,
                vec![
                    insertion(b"\"paths\":{", &["\"x\":0,", "\"y\":0,"]),
                    insertion(b"\"definitions\":{", &["\"z\":0,"]),
                ],
            );
            let whole: Vec<u8> = injected.flatten().collect();
            assert_eq!(
                String::from_utf8(whole).unwrap(),
                r#"{"info":{},"paths":{"x":0,"y":0,"a":1},"definitions":{"z":0,"b":2}}"#
            );
        }
    }
}
