//! Random scripts, compared with the model answer by answer and state by state.

use bytes::Bytes;
use skerry_proto::mvccpb;
use skerry_store::{ApplyError, Entry, KeyRange, Lease, QueryError, Since, Store, View};

use crate::model::Model;
use crate::script::Script;
use crate::support::{entry, rounds, store};

const SEEDS: u64 = 60;
const BATCHES: usize = 60;

#[test]
fn every_answer_and_every_read_is_what_etcd_would_give() {
    for seed in 0..SEEDS * rounds() {
        run(seed, store());
    }
}

fn run(seed: u64, mut store: Store) {
    let mut script = Script::new(seed);
    let mut model = Model::new();
    let reader = store.reader();
    let mut index = 0;
    for batch in 0..BATCHES {
        let place = format!("seed {seed} batch {batch}");
        let count = 1 + script.random.below(6);
        let mut entries: Vec<Entry> = Vec::new();
        let mut wanted = Vec::new();
        for _ in 0..count {
            let operation = script.operation(model.revision);
            wanted.push((operation.clone(), model.apply(&operation)));
            entries.push(entry(index, operation));
            index += 1;
        }
        let applied = store.apply(&entries).expect("the store works");
        assert_eq!(applied.applied.len(), wanted.len());
        for (applied, (operation, wanted)) in applied.applied.iter().zip(&wanted) {
            let mut wanted = wanted.clone();
            if let Ok(reply) = &mut wanted {
                reply.header_mut();
            }
            assert_eq!(applied.outcome, wanted, "{place}: {operation:?}");
        }
        if script.random.one_in(3) {
            store.compact_step().expect("the store works");
        }
        if script.random.one_in(5) {
            store.commit_durable().expect("the store works");
        }
        let view = reader.view().expect("the store works");
        compare_reads(&place, &mut script, &model, &view);
        compare_state(&place, &model, &view);
        compare_history(&place, &mut script, &model, &view);
        compare_ring(&place, &model, reader.ring().since(2, usize::MAX));
    }
}

fn compare_reads(place: &str, script: &mut Script, model: &Model, view: &View) {
    for _ in 0..10 {
        let request = script.range(model.revision);
        let wanted = model.range(&request);
        let got = refused(view.range(&request));
        assert_eq!(got, wanted, "{place}: {request:?}");

        let keys = KeyRange::new(&request.key, &request.range_end);
        let got = chunks(
            view,
            keys,
            request.revision,
            script.random.below(20) as usize,
        );
        let wanted = model.range(&skerry_proto::etcdserverpb::RangeRequest {
            key: request.key.clone(),
            range_end: request.range_end.clone(),
            revision: request.revision,
            ..Default::default()
        });
        assert_eq!(
            got,
            wanted.map(|response| response.kvs),
            "{place}: {request:?}"
        );
    }
}

fn chunks(
    view: &View,
    keys: KeyRange,
    revision: i64,
    bytes: usize,
) -> Result<Vec<mvccpb::KeyValue>, ApplyError> {
    let mut chunks = refused(view.range_chunks(keys, revision))?;
    let mut all = Vec::new();
    loop {
        let chunk = chunks.next_chunk(bytes).expect("the store works");
        if chunk.is_empty() {
            return Ok(all);
        }
        all.extend(chunk);
    }
}

fn compare_state(place: &str, model: &Model, view: &View) {
    assert_eq!(view.revision(), model.revision, "{place}");
    assert_eq!(view.compact_revision(), model.compacted, "{place}");
    let leases: Vec<Lease> = model
        .leases
        .iter()
        .map(|(id, (ttl, remaining))| Lease {
            id: *id,
            ttl_seconds: *ttl,
            remaining_seconds: *remaining,
        })
        .collect();
    let mut got = view.leases().expect("the store works");
    got.sort_by_key(|lease| lease.id);
    assert_eq!(got, leases, "{place}");
    for id in -1..5 {
        let lease = leases.iter().find(|lease| lease.id == id).cloned();
        assert_eq!(view.lease(id).expect("the store works"), lease, "{place}");
        let keys = match lease {
            Some(_) => model.lease_keys(id),
            None => Vec::new(),
        };
        assert_eq!(
            view.lease_keys(id).expect("the store works"),
            keys,
            "{place}"
        );
    }
    let alarms = view.alarms().expect("the store works");
    let alarms: Vec<(i32, u64)> = alarms.iter().map(|a| (a.alarm, a.member_id)).collect();
    assert_eq!(alarms, Vec::from_iter(model.alarms.clone()), "{place}");
    let members = view.members().expect("the store works");
    assert_eq!(
        members,
        Vec::from_iter(model.members.values().cloned()),
        "{place}"
    );
    for member in &members {
        assert_eq!(
            view.member(member.id).expect("the store works").as_ref(),
            Some(member)
        );
    }
}

fn compare_history(place: &str, script: &mut Script, model: &Model, view: &View) {
    let request = script.range(model.revision);
    let keys = KeyRange::new(&request.key, &request.range_end);
    let mut from = request.revision.max(0);
    if from < model.compacted {
        let got = refused(view.events(from, &keys, 1));
        assert_eq!(got, Err(ApplyError::Compacted), "{place}");
        return;
    }
    let mut wanted = model.events.range(from..).flat_map(|(_, events)| events);
    let mut wanted_next = || wanted.find(|event| keys.contains(&kv(event).key));
    loop {
        let history = view.events(from, &keys, script.random.below(100) as usize);
        let history = history.expect("the store works");
        for event in history.revisions.iter().flat_map(|r| &r.events) {
            assert_eq!(Some(event), wanted_next(), "{place}");
            let before = kv(event).mod_revision - 1;
            let previous = match before < model.compacted {
                true => None,
                false => model.at(&kv(event).key, before).cloned(),
            };
            let got = view.prev_kv(event).expect("the store works");
            assert_eq!(got, previous, "{place}: {event:?}");
        }
        assert!(
            history.next > from || history.next > model.revision,
            "{place}"
        );
        from = history.next;
        if from > model.revision {
            break;
        }
    }
    assert_eq!(wanted_next(), None, "{place}");
}

fn compare_ring(place: &str, model: &Model, since: Since) {
    let Since::Revisions(revisions) = since else {
        panic!("{place}: the ring lost what it has room for");
    };
    let got = revisions.iter().map(|r| (&r.revision, &r.events));
    let same = got.eq(model.events.iter());
    assert!(same, "{place}: the ring differs");
}

fn kv(event: &mvccpb::Event) -> &mvccpb::KeyValue {
    event.kv.as_ref().expect("every event has a key")
}

/// The refusal, where the store itself works.
pub(crate) fn refused<R>(result: Result<R, QueryError>) -> Result<R, ApplyError> {
    result.map_err(|error| match error {
        QueryError::Refused(refused) => refused,
        QueryError::Store(error) => panic!("{error}"),
    })
}

#[test]
fn a_key_with_a_long_history_is_read_at_every_revision() {
    let mut model = Model::new();
    let mut store = store();
    let reader = store.reader();
    let mut entries = Vec::new();
    for at in 0..200u64 {
        let key = match at % 50 {
            0 => Bytes::from_static(b"a"),
            1 => Bytes::from_static(b"c"),
            _ => Bytes::from_static(b"b"),
        };
        let operation = match at % 37 {
            36 => skerry_proto::command::command::Operation::DeleteRange(
                skerry_proto::etcdserverpb::DeleteRangeRequest {
                    key,
                    ..Default::default()
                },
            ),
            _ => skerry_proto::command::command::Operation::Put(
                skerry_proto::etcdserverpb::PutRequest {
                    key,
                    value: Bytes::from(at.to_string()),
                    ..Default::default()
                },
            ),
        };
        let _answer = model.apply(&operation);
        entries.push(entry(at, operation));
    }
    store.apply(&entries).expect("the store works");
    let view = reader.view().expect("the store works");
    for revision in 1..=model.revision {
        let request = skerry_proto::etcdserverpb::RangeRequest {
            key: Bytes::from_static(b"a"),
            range_end: Bytes::from_static(b"d"),
            revision,
            ..Default::default()
        };
        assert_eq!(
            refused(view.range(&request)),
            model.range(&request),
            "revision {revision}"
        );
    }
}
