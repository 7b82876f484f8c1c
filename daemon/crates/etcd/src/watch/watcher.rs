//! One watcher of a stream: what it wants to see.

use bytes::Bytes;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::watch_create_request::FilterType;
use skerry_proto::mvccpb;
use skerry_proto::mvccpb::event::EventType;
use skerry_store::{KeyRange, WatcherId};

use super::hub::Place;

/// How a watcher stands to the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// The hub tells it of each revision.
    InStep,
    /// It reads history.
    Behind,
    /// The history it wanted is gone; the client knows, and has yet to cancel it.
    Compacted,
}

/// A watcher, as a client created it.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) id: WatcherId,
    pub(super) range: KeyRange,
    /// The first revision it asked for; 0: what came after its creation.
    pub(super) start: i64,
    pub(super) stand: Stand,
    /// Earlier revisions are not for it, or were sent already.
    pub(super) from: i64,
    pub(super) prev_kv: bool,
    pub(super) fragment: bool,
    /// Whether it wants to hear of progress.
    pub(super) progress_notify: bool,
    /// Whether it was sent events since the last tick, which tell of progress as well.
    pub(super) heard: bool,
    puts: bool,
    deletes: bool,
}

impl Watcher {
    pub(super) fn new(request: &pb::WatchCreateRequest, range: KeyRange, place: &Place) -> Watcher {
        let filtered = |filter| request.filters().any(|asked| asked == filter);
        Watcher {
            id: place.id,
            range,
            start: request.start_revision,
            stand: if place.behind {
                Stand::Behind
            } else {
                Stand::InStep
            },
            from: place.from,
            prev_kv: request.prev_kv,
            fragment: request.fragment,
            progress_notify: request.progress_notify,
            heard: false,
            puts: !filtered(FilterType::Noput),
            deletes: !filtered(FilterType::Nodelete),
        }
    }

    /// Whether it is shown an event.
    pub(super) fn wants(&self, event: &mvccpb::Event) -> bool {
        let kind = match event.r#type() {
            EventType::Put => self.puts,
            EventType::Delete => self.deletes,
        };
        kind && event
            .kv
            .as_ref()
            .is_some_and(|kv| self.range.contains(&kv.key))
    }
}

/// The range of a request; `None` where it is empty. Its bytes are copied: a watcher may live
/// long, and must not hold on to the buffer that its request came in.
pub(super) fn range_of(request: &pb::WatchCreateRequest) -> Option<KeyRange> {
    let key = match &request.key[..] {
        // The smallest key there is.
        [] => Bytes::from_static(&[0]),
        key => Bytes::copy_from_slice(key),
    };
    let range = KeyRange::new(&key, &Bytes::copy_from_slice(&request.range_end));
    (!range.is_empty()).then_some(range)
}
