//! The hub over a real store, without streams.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use skerry_proto::command::Command;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::mvccpb;
use skerry_store::{Entry, KeyRange, LogId, Options, Payload, Store};

use super::hub::{Hub, Place};
use super::mailbox::{Due, Mailbox};
use super::previous::Previous;
use crate::limits::{PREVIOUS_BYTES_MAX, PREVIOUS_VALUES_MAX, WATCH_MAIL_MAX};

struct Writer {
    store: Store,
    _dir: tempfile::TempDir,
    next_index: u64,
}

impl Writer {
    fn new() -> Writer {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state"), Options::default()).unwrap();
        Writer {
            store,
            _dir: dir,
            next_index: 0,
        }
    }

    fn put_many(&mut self, key: &str, value_bytes: usize, count: usize) {
        let entry = |index| {
            let put = pb::PutRequest {
                key: key.to_owned().into(),
                value: vec![b'v'; value_bytes].into(),
                ..Default::default()
            };
            let command = Command {
                operation: Some(Operation::Put(put)),
                ..Default::default()
            };
            Entry {
                log_id: LogId {
                    term: 1,
                    node_id: 1,
                    index,
                },
                payload: Payload::Command(command.encode_to_vec().into()),
            }
        };
        let end = self.next_index + count as u64;
        let entries: Vec<Entry> = (self.next_index..end).map(entry).collect();
        self.store.apply(&entries).unwrap();
        self.next_index = end;
    }

    fn put(&mut self, key: &str) {
        self.put_many(key, 1, 1);
    }
}

fn key(key: &'static str) -> KeyRange {
    KeyRange::Key(Bytes::from_static(key.as_bytes()))
}

fn add(
    hub: &Arc<Hub>,
    mailbox: &Arc<Mailbox>,
    watch_id: i64,
    range: KeyRange,
    start: i64,
) -> Place {
    hub.add(mailbox, watch_id, range, start).unwrap()
}

fn mail(mailbox: &Mailbox) -> Vec<(i64, i64)> {
    std::iter::from_fn(|| mailbox.take())
        .map(|due| (due.watch_id, due.revision))
        .collect()
}

#[tokio::test]
async fn a_watcher_is_told_once_of_each_revision_that_concerns_it() {
    let mut writer = Writer::new();
    let hub = Hub::new(writer.store.reader());
    let mailbox = Arc::new(Mailbox::default());
    writer.put("a");
    let now = add(&hub, &mailbox, 1, key("a"), 0);
    assert_eq!((now.from, now.behind), (3, false));
    add(&hub, &mailbox, 2, KeyRange::all(), 5);
    let past = add(&hub, &mailbox, 3, key("a"), 2);
    assert_eq!((past.from, past.behind), (2, true));
    for written in ["a", "b", "a"] {
        writer.put(written);
    }
    hub.pump();
    assert_eq!(hub.told(), 5);
    assert_eq!(mail(&mailbox), [(1, 3), (1, 5), (2, 5)]);

    assert!(!hub.step_in(past.id, 5), "revision 5 is still to be read");
    assert!(hub.step_in(past.id, 6));
    hub.remove(now.id);
    writer.put("a");
    hub.pump();
    let mut told = mail(&mailbox);
    told.sort_unstable();
    assert_eq!(told, [(2, 6), (3, 6)]);
}

#[tokio::test]
async fn a_full_mailbox_makes_its_watchers_fall_behind_once_and_others_go_on() {
    let mut writer = Writer::new();
    let hub = Hub::new(writer.store.reader());
    let (full, other) = (Arc::new(Mailbox::default()), Arc::new(Mailbox::default()));
    let slow = add(&hub, &full, 1, key("a"), 0);
    add(&hub, &other, 1, key("b"), 0);
    writer.put_many("a", 1, WATCH_MAIL_MAX + 10);
    writer.put("b");
    hub.pump();
    assert_eq!(mail(&full).len(), WATCH_MAIL_MAX);
    let fell_at = WATCH_MAIL_MAX as i64 + 2;
    assert_eq!(
        full.take_fallen(),
        Some(Due {
            watch_id: 1,
            revision: fell_at
        })
    );
    assert_eq!(full.take_fallen(), None);
    assert_eq!(mail(&other), [(1, hub.told())]);

    assert!(hub.step_in(slow.id, hub.told() + 1));
    writer.put("a");
    hub.pump();
    assert_eq!(mail(&full), [(1, hub.told())]);
}

#[tokio::test]
async fn when_the_ring_has_lost_revisions_all_watchers_fall_behind() {
    let mut writer = Writer::new();
    let hub = Hub::new(writer.store.reader());
    let mailbox = Arc::new(Mailbox::default());
    add(&hub, &mailbox, 1, key("a"), 0);
    writer.put_many("b", 1_000_000, 8);
    hub.pump();
    assert_eq!(mailbox.take(), None);
    assert_eq!(
        mailbox.take_fallen(),
        Some(Due {
            watch_id: 1,
            revision: 2
        })
    );
    assert_eq!(hub.told(), 9);
}

#[tokio::test]
async fn a_signal_fires_for_its_range_only() {
    let mut writer = Writer::new();
    let hub = Hub::new(writer.store.reader());
    let mut signal = hub.signal(key("a")).unwrap();
    tokio::spawn(Arc::clone(&hub).run());
    writer.put("b");
    writer.put("a");
    signal.fired().await;
    assert_eq!(hub.told(), 3);
}

#[test]
fn what_was_before_an_event_is_read_once_and_held_within_bounds() {
    let mut writer = Writer::new();
    writer.put_many("a", 100_000, PREVIOUS_VALUES_MAX * 2);
    let view = writer.store.reader().view().unwrap();
    let event = |revision: i64| {
        let kv = mvccpb::KeyValue {
            key: "a".into(),
            create_revision: 2,
            mod_revision: revision,
            ..Default::default()
        };
        mvccpb::Event {
            kv: Some(kv),
            ..Default::default()
        }
    };
    let mut previous = Previous::default();
    for revision in 2..2 + PREVIOUS_VALUES_MAX as i64 {
        for _ in 0..2 {
            let before = previous.fill(&view, &event(revision)).unwrap().prev_kv;
            assert_eq!(
                before.map(|kv| kv.mod_revision),
                (revision > 2).then_some(revision - 1)
            );
        }
        let (count, bytes) = previous.held();
        assert!(count <= PREVIOUS_VALUES_MAX && bytes <= PREVIOUS_BYTES_MAX);
    }
    assert!(
        previous.held().0 < PREVIOUS_VALUES_MAX,
        "large ones take the place of many"
    );
}
