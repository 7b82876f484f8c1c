//! Single promises, each with what reaches it.

use bytes::Bytes;
use skerry_proto::command::command::Operation;
use skerry_proto::command::{LeaseCheckpoint, LeaseRevoke, lease_checkpoint::Remaining};
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::request_op::Request;
use skerry_store::limits::{
    COMMAND_BYTES_MAX, COMPACT_STEP_EVENTS_MAX, DELETE_STEP_KEYS_MAX, HISTORY_SCAN_BYTES_MAX,
    LEASE_TTL_SECONDS_MAX,
};
use skerry_store::{
    ApplyError, Entry, KeyRange, LeaseChange, Payload, Reply, Store, StoreError, Undurable,
};

use crate::support::{Applier, entry, log_id, raw_entry, store};

fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> pb::PutRequest {
    pb::PutRequest {
        key: key.into(),
        value: value.into(),
        ..pb::PutRequest::default()
    }
}

fn put_entries(count: u64) -> Vec<Entry> {
    let operation = |at: u64| Operation::Put(put(format!("key/{at:08}"), at.to_string()));
    (0..count).map(|at| entry(at, operation(at))).collect()
}

fn grant(id: i64, ttl: i64) -> Operation {
    Operation::LeaseGrant(pb::LeaseGrantRequest { id, ttl })
}

fn all() -> pb::RangeRequest {
    pb::RangeRequest {
        key: Bytes::from_static(&[0]),
        range_end: Bytes::from_static(&[0]),
        ..pb::RangeRequest::default()
    }
}

fn compact(revision: i64) -> Operation {
    Operation::Compaction(pb::CompactionRequest {
        revision,
        physical: false,
    })
}

#[test]
fn revisions_begin_at_one_and_the_first_write_is_two() {
    let mut applier = Applier::new();
    let reader = applier.store.reader();
    assert_eq!(reader.view().expect("a view").revision(), 1);
    let reply = applier.apply(Operation::Put(put("a", "1"))).expect("a put");
    let Reply::Put(reply) = reply else {
        panic!("not the answer to a put");
    };
    assert_eq!(reply.header.map(|header| header.revision), Some(2));
    assert_eq!(reader.view().expect("a view").revision(), 2);
}

#[test]
fn bytes_that_are_no_command_are_refused_and_the_next_entry_is_applied() {
    let mut store = store();
    let entries = [
        raw_entry(0, Bytes::from_static(b"\xff\xff\xff")),
        raw_entry(1, Bytes::new()),
        entry(2, Operation::Put(put("a", "1"))),
    ];
    let batch = store.apply(&entries).expect("the store works");
    let unknown = |place: usize| {
        let outcome = &batch.applied[place].outcome;
        matches!(outcome, Err(ApplyError::UnknownCommand(_)))
    };
    assert!(unknown(0) && unknown(1));
    assert!(batch.applied[2].outcome.is_ok());
}

#[test]
fn a_command_above_the_limit_is_refused_and_one_at_the_limit_is_applied() {
    let mut store = store();
    let mut sized = |index: u64, len: usize| {
        let overhead = 40;
        let value = vec![1; len - overhead];
        let mut at = entry(index, Operation::Put(put("k", value)));
        let Payload::Command(command) = &mut at.payload else {
            panic!("a command");
        };
        // An unknown field of protobuf pads to the byte.
        let mut bytes = command.to_vec();
        while bytes.len() < len {
            let rest = len - bytes.len();
            bytes.extend_from_slice(if rest == 3 {
                &[0x78, 0x81, 0]
            } else {
                &[0x78, 1]
            });
        }
        assert_eq!(bytes.len(), len);
        *command = Bytes::from(bytes);
        let batch = store.apply(&[at]).expect("the store works");
        batch.applied[0].outcome.clone().map(drop)
    };
    assert_eq!(sized(0, COMMAND_BYTES_MAX), Ok(()));
    let refused = sized(1, COMMAND_BYTES_MAX + 1);
    assert!(matches!(refused, Err(ApplyError::UnknownCommand(_))));
}

#[test]
fn transactions_nested_as_deep_as_they_decode_are_applied_or_refused_but_never_overflow() {
    let mut store = store();
    for (index, depth) in [10usize, 30, 60, 90, 200].into_iter().enumerate() {
        let mut txn = pb::TxnRequest::default();
        for _ in 0..depth {
            txn = pb::TxnRequest {
                success: vec![pb::RequestOp {
                    request: Some(Request::RequestTxn(txn)),
                }],
                ..pb::TxnRequest::default()
            };
        }
        let batch = store.apply(&[entry(index as u64, Operation::Txn(txn))]);
        assert_eq!(batch.expect("the store works").applied.len(), 1);
    }
}

#[test]
fn a_gap_in_the_log_is_refused() {
    let mut store = store();
    let entries = put_entries(5);
    store.apply(&entries[..2]).expect("the store works");
    let gap = store.apply(&entries[3..]);
    assert!(matches!(
        gap,
        Err(StoreError::Gap {
            expected: 2,
            found: 3
        })
    ));
    let gap = store.apply(&[entries[2].clone(), entries[4].clone()]);
    assert!(matches!(
        gap,
        Err(StoreError::Gap {
            expected: 3,
            found: 4
        })
    ));
    store.apply(&entries[2..]).expect("the store works");
}

#[test]
fn what_is_not_durable_is_counted_and_a_durable_commit_clears_it() {
    let mut store = store();
    let entries = put_entries(3);
    let bytes = entries
        .iter()
        .map(|entry| entry.payload.bytes() as u64)
        .sum();
    store.apply(&entries).expect("the store works");
    assert_eq!(store.undurable(), Undurable { entries: 3, bytes });
    assert_eq!(store.durable_log_id(), None);
    store.commit_durable().expect("the store works");
    assert_eq!(store.undurable(), Undurable::default());
    assert_eq!(store.durable_log_id(), Some(log_id(2)));
    store.apply(&entries).expect("the store works");
    assert_eq!(store.undurable(), Undurable::default());
}

#[test]
fn a_lease_lives_no_longer_than_the_limit() {
    let mut applier = Applier::new();
    let most = applier.apply(grant(1, LEASE_TTL_SECONDS_MAX));
    assert!(most.is_ok());
    let more = applier.apply(grant(2, LEASE_TTL_SECONDS_MAX + 1));
    assert_eq!(more, Err(ApplyError::LeaseTtlTooLarge));
    assert_eq!(applier.apply(grant(0, 1)), Err(ApplyError::LeaseNotFound));
    assert_eq!(applier.apply(grant(1, 1)), Err(ApplyError::LeaseExists));
}

#[test]
fn revoking_a_lease_deletes_its_keys_in_order_in_one_revision() {
    let mut store = store();
    let on_lease = |key: &'static str| {
        Operation::Put(pb::PutRequest {
            lease: 7,
            ..put(key, "")
        })
    };
    let operations = [
        grant(7, 60),
        on_lease("b"),
        on_lease("c"),
        on_lease("a"),
        Operation::LeaseCheckpoint(LeaseCheckpoint {
            leases: vec![Remaining { id: 7, seconds: 9 }],
        }),
        Operation::LeaseRevoke(LeaseRevoke {
            id: 7,
            expired: false,
        }),
    ];
    let entries = operations.into_iter().zip(0..);
    let entries: Vec<Entry> = entries.map(|(what, at)| entry(at, what)).collect();
    let batch = store.apply(&entries).expect("the store works");
    let last = batch.events.last().expect("events");
    let keys: Vec<Bytes> = last
        .events
        .iter()
        .filter_map(|event| event.kv.as_ref().map(|kv| kv.key.clone()))
        .collect();
    assert_eq!(
        (last.revision, keys),
        (5, vec!["a".into(), "b".into(), "c".into()])
    );
    let changes = [
        LeaseChange::Granted {
            id: 7,
            ttl_seconds: 60,
        },
        LeaseChange::Checkpointed {
            id: 7,
            remaining_seconds: 9,
        },
        LeaseChange::Revoked { id: 7 },
    ];
    assert_eq!(batch.lease_changes, changes);
}

#[test]
fn a_lease_that_is_gone_may_expire_again_but_not_be_revoked_again() {
    let mut applier = Applier::new();
    let revoke = |expired| Operation::LeaseRevoke(LeaseRevoke { id: 7, expired });
    assert!(applier.apply(revoke(true)).is_ok());
    assert_eq!(applier.apply(revoke(false)), Err(ApplyError::LeaseNotFound));
}

#[test]
fn deleting_more_keys_than_are_read_at_once_deletes_them_all_in_one_revision() {
    let keys = 2 * DELETE_STEP_KEYS_MAX as u64 + 1;
    let mut applier = Applier::new();
    applier
        .store
        .apply(&put_entries(keys))
        .expect("the store works");
    applier.skip_to(keys);
    let delete = |key: &'static str, end: &'static str| {
        Operation::DeleteRange(pb::DeleteRangeRequest {
            key: key.into(),
            range_end: end.into(),
            prev_kv: true,
        })
    };
    let reply = applier.apply(delete("key/", "key0")).expect("a deletion");
    let Reply::DeleteRange(reply) = reply else {
        panic!("not the answer to a deletion");
    };
    assert_eq!(reply.deleted, keys as i64);
    assert_eq!(reply.prev_kvs.len(), keys as usize);
    assert_eq!(
        reply.header.map(|header| header.revision),
        Some(keys as i64 + 2)
    );
    let view = applier.store.reader().view().expect("a view");
    assert_eq!(view.range(&all()).expect("a range").count, 0);
}

#[test]
fn compaction_gives_space_back_in_bounded_steps() {
    let puts = 3 * COMPACT_STEP_EVENTS_MAX as u64;
    let mut applier = Applier::new();
    let same_key = |at: u64| entry(at, Operation::Put(put("key", vec![0; 100])));
    let entries: Vec<Entry> = (0..puts).map(same_key).collect();
    applier.store.apply(&entries).expect("the store works");
    applier.skip_to(puts);
    let in_use = |store: &Store| {
        let view = store.reader().view().expect("a view");
        view.size_in_use_bytes()
    };
    assert!(!applier.store.compact_step().expect("the store works"));
    applier
        .apply(compact(puts as i64 + 1))
        .expect("a compaction");
    let before = in_use(&applier.store);
    assert!(applier.store.compact_step().expect("the store works"));
    let after = in_use(&applier.store);
    let each = before / puts;
    assert!(after < before);
    assert!(before - after <= 2 * each * COMPACT_STEP_EVENTS_MAX as u64);
    while applier.store.compact_step().expect("the store works") {}
    assert!(in_use(&applier.store) < 3 * each);
}

#[test]
fn watchers_still_see_a_deletion_at_the_revision_that_was_compacted() {
    let mut applier = Applier::new();
    for operation in [
        Operation::Put(put("a", "1")),
        Operation::DeleteRange(pb::DeleteRangeRequest {
            key: "a".into(),
            ..pb::DeleteRangeRequest::default()
        }),
        compact(3),
    ] {
        applier.apply(operation).expect("an answer");
    }
    while applier.store.compact_step().expect("the store works") {}
    let view = applier.store.reader().view().expect("a view");
    let history = view
        .events(3, &KeyRange::all(), usize::MAX)
        .expect("history");
    assert_eq!(history.revisions.len(), 1);
    let event = &history.revisions[0].events[0];
    assert_eq!(event.r#type, 1);
    assert_eq!(view.prev_kv(event).expect("a view"), None);
}

#[test]
fn history_is_read_in_bounded_pieces_even_where_nothing_matches() {
    let mut applier = Applier::new();
    let value = HISTORY_SCAN_BYTES_MAX / 4;
    let large = |at: u64| entry(at, Operation::Put(put("a", vec![0; value])));
    let entries: Vec<Entry> = (0..9).map(large).collect();
    applier.store.apply(&entries).expect("the store works");
    let view = applier.store.reader().view().expect("a view");
    let other = KeyRange::Key("b".into());
    let first = view.events(2, &other, usize::MAX).expect("history");
    assert!(first.revisions.is_empty());
    assert!(2 < first.next && first.next <= view.revision());
    let rest = view
        .events(first.next, &other, usize::MAX)
        .expect("history");
    assert!(rest.next > first.next);
}

#[test]
fn alarms_refuse_what_etcd_refuses_and_let_the_rest_through() {
    let alarm = |action: i32, alarm: i32| {
        Operation::Alarm(pb::AlarmRequest {
            action,
            member_id: 1,
            alarm,
        })
    };
    let delete = || Operation::DeleteRange(pb::DeleteRangeRequest::default());
    let puts = || {
        Operation::Txn(pb::TxnRequest {
            failure: vec![pb::RequestOp {
                request: Some(Request::RequestPut(put("a", "1"))),
            }],
            ..pb::TxnRequest::default()
        })
    };
    let reads = || Operation::Txn(pb::TxnRequest::default());
    let mut applier = Applier::new();
    applier.apply(alarm(1, 1)).expect("an alarm");
    for refused in [Operation::Put(put("a", "1")), puts(), grant(1, 9)] {
        assert_eq!(applier.apply(refused), Err(ApplyError::NoSpace));
    }
    for passed in [delete(), reads(), compact(1)] {
        assert!(applier.apply(passed).is_ok());
    }
    applier.apply(alarm(1, 2)).expect("an alarm");
    for refused in [Operation::Put(put("a", "1")), delete(), reads(), compact(1)] {
        assert_eq!(applier.apply(refused), Err(ApplyError::Corrupt));
    }
    applier.apply(alarm(2, 2)).expect("an alarm");
    applier.apply(alarm(2, 1)).expect("an alarm");
    assert!(applier.apply(Operation::Put(put("a", "1"))).is_ok());
    let unknown = applier.apply(alarm(7, 1));
    assert!(matches!(unknown, Err(ApplyError::UnknownCommand(_))));
}

#[test]
fn a_put_that_needs_the_old_value_is_refused_whole_when_its_transaction_deletes_it_first() {
    let mut applier = Applier::new();
    applier.apply(Operation::Put(put("a", "1"))).expect("a put");
    let operations = [
        Request::RequestDeleteRange(pb::DeleteRangeRequest {
            key: "a".into(),
            ..pb::DeleteRangeRequest::default()
        }),
        Request::RequestPut(pb::PutRequest {
            ignore_value: true,
            ..put("a", "")
        }),
    ];
    let operations = operations.map(|request| pb::RequestOp {
        request: Some(request),
    });
    let txn = pb::TxnRequest {
        success: operations.to_vec(),
        ..pb::TxnRequest::default()
    };
    assert_eq!(
        applier.apply(Operation::Txn(txn)),
        Err(ApplyError::KeyNotFound)
    );
    let view = applier.store.reader().view().expect("a view");
    assert_eq!(view.revision(), 2);
    assert!(view.get(b"a").expect("a view").is_some());
}

#[test]
fn a_view_does_not_change_while_more_is_applied() {
    let mut applier = Applier::new();
    applier.apply(Operation::Put(put("a", "1"))).expect("a put");
    let reader = applier.store.reader();
    let view = reader.view().expect("a view");
    applier.apply(Operation::Put(put("a", "2"))).expect("a put");
    applier.apply(compact(3)).expect("a compaction");
    while applier.store.compact_step().expect("the store works") {}
    let value = |view: &skerry_store::View| {
        let kv = view.get(b"a").expect("a view").expect("the key");
        kv.value
    };
    assert_eq!((view.revision(), value(&view)), (2, "1".into()));
    let newer = reader.view().expect("a view");
    assert_eq!((newer.revision(), value(&newer)), (3, "2".into()));
}

#[test]
fn readers_on_other_threads_see_whole_batches_and_never_go_back() {
    const BATCHES: u64 = 300;
    let mut store = store();
    let reader = store.reader();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = reader.clone();
            scope.spawn(move || {
                let mut newest = 1;
                while newest < 2 * BATCHES as i64 + 1 {
                    let told = reader.ring().newest();
                    let view = reader.view().expect("a view");
                    assert!(view.revision() >= told && view.revision() >= newest);
                    assert_eq!(view.revision() % 2, 1, "half a batch");
                    newest = view.revision();
                    let value = |key: &[u8]| view.get(key).expect("a view").map(|kv| kv.value);
                    assert_eq!(value(b"a"), value(b"b"));
                }
            });
        }
        for batch in 0..BATCHES {
            let value = batch.to_string();
            let entries = [
                entry(2 * batch, Operation::Put(put("a", value.clone()))),
                entry(2 * batch + 1, Operation::Put(put("b", value))),
            ];
            store.apply(&entries).expect("the store works");
        }
    });
}
