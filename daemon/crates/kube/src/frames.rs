//! Events that were encoded a moment ago, for the next watcher of the same objects.
//!
//! A thousand watchers of a namespace cost one encoding. Invariant: it is a cache, bounded in
//! bytes and in number, and may be empty.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::limits::{FRAMES_BYTES_MAX, FRAMES_MAX};

/// Which event, for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameKey {
    /// The revision that it is of.
    pub(crate) revision: i64,
    /// Where its object is kept.
    pub(crate) key: Bytes,
    /// Under which version its watchers see it.
    pub(crate) api_version: Arc<str>,
    /// Whether only the metadata is wanted.
    pub(crate) partial: bool,
    /// Whether it is protobuf.
    pub(crate) protobuf: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Frames(Mutex<Held>);

#[derive(Default)]
struct Held {
    frames: VecDeque<(FrameKey, Bytes)>,
    bytes: usize,
}

impl Frames {
    pub(crate) fn get(&self, wanted: &FrameKey) -> Option<Bytes> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest are asked for most.
        let mut frames = held.frames.iter().rev();
        frames
            .find(|(key, _)| key == wanted)
            .map(|(_, frame)| frame.clone())
    }

    pub(crate) fn keep(&self, key: FrameKey, frame: Bytes) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes += frame.len();
        held.frames.push_back((key, frame));
        while held.frames.len() > FRAMES_MAX || held.bytes > FRAMES_BYTES_MAX {
            let Some((_, oldest)) = held.frames.pop_front() else {
                return;
            };
            held.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(revision: i64) -> FrameKey {
        FrameKey {
            revision,
            key: Bytes::from_static(b"/registry/pods/a/b"),
            api_version: "v1".into(),
            partial: false,
            protobuf: false,
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
        let frames = Frames::default();
        let small = Bytes::from_static(b"{}");
        for revision in 0..=FRAMES_MAX as i64 {
            frames.keep(key(revision), small.clone());
        }
        assert_eq!(frames.get(&key(0)), None);
        assert_eq!(frames.get(&key(1)), Some(small));
        let large = Bytes::from(vec![b' '; FRAMES_BYTES_MAX]);
        frames.keep(key(9_999), large);
        assert!(frames.get(&key(9_999)).is_some());
        assert_eq!(frames.get(&key(1)), None);
        let partial = FrameKey {
            partial: true,
            ..key(9_999)
        };
        assert_eq!(frames.get(&partial), None);
    }
}
