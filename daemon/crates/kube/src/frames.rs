//! What was encoded a moment ago, for the next watcher of the same objects: single events, and all
//! that happened in a range since a watcher was told last.
//!
//! A thousand watchers of a namespace cost one encoding, and hold the same bytes. Invariant: it is a cache, bounded in
//! bytes and in number, and may be empty.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use skerry_store::KeyRange;

/// Which events, for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameKey {
    /// From this revision on.
    pub(crate) from: i64,
    /// Up to, but without, this one.
    pub(crate) next: i64,
    /// Where their objects are kept.
    pub(crate) range: KeyRange,
    /// Under which version its watchers see it.
    pub(crate) api_version: Arc<str>,
    /// Where only the metadata is wanted: under which version.
    pub(crate) partial: Option<&'static str>,
    /// Whether it is protobuf.
    pub(crate) protobuf: bool,
}

/// Encoded events, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) bytes: Bytes,
    /// How many they are.
    pub(crate) events: u64,
}

impl Run {
    pub(crate) fn new(bytes: &Bytes, events: u64) -> Run {
        Run {
            bytes: bytes.clone(),
            events,
        }
    }
}

/// See the module.
pub(crate) struct Frames {
    held: Mutex<Held>,
    count_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct Held {
    frames: VecDeque<(FrameKey, Run)>,
    bytes: usize,
}

impl Frames {
    pub(crate) fn new(count_max: usize, bytes_max: usize) -> Frames {
        Frames {
            held: Mutex::default(),
            count_max,
            bytes_max,
        }
    }

    pub(crate) fn get(&self, wanted: &FrameKey) -> Option<Run> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest are asked for most.
        let mut frames = held.frames.iter().rev();
        frames
            .find(|(key, _)| key == wanted)
            .map(|(_, frame)| frame.clone())
    }

    pub(crate) fn keep(&self, key: FrameKey, frame: Run) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes += frame.bytes.len();
        held.frames.push_back((key, frame));
        while held.frames.len() > self.count_max || held.bytes > self.bytes_max {
            let Some((_, oldest)) = held.frames.pop_front() else {
                return;
            };
            held.bytes -= oldest.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{FRAMES_BYTES_MAX, FRAMES_MAX};

    fn key(revision: i64) -> FrameKey {
        FrameKey {
            from: revision,
            next: revision + 1,
            range: KeyRange::Key(Bytes::from_static(b"/registry/pods/a/b")),
            api_version: "v1".into(),
            partial: None,
            protobuf: false,
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
        let frames = Frames::new(FRAMES_MAX, FRAMES_BYTES_MAX);
        let small = Run::new(&Bytes::from_static(b"{}"), 1);
        for revision in 0..=FRAMES_MAX as i64 {
            frames.keep(key(revision), small.clone());
        }
        assert_eq!(frames.get(&key(0)), None);
        assert_eq!(frames.get(&key(1)), Some(small));
        let large = Run::new(&vec![b' '; FRAMES_BYTES_MAX].into(), 1);
        frames.keep(key(9_999), large);
        assert!(frames.get(&key(9_999)).is_some());
        assert_eq!(frames.get(&key(1)), None);
        let partial = FrameKey {
            partial: Some("v1"),
            ..key(9_999)
        };
        assert_eq!(frames.get(&partial), None);
    }
}
