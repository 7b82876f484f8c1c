//! What a snapshot holds is what the state holds, in the words of etcd.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use prost::Message;
use skerry_archive::{
    ArchiveError, Member, Metadata, Origin, REVISIONS_BUMPED, Snapshot, open, restore,
};
use skerry_bbolt::{Database, Writer};
use skerry_proto::command::{Command, command::Operation};
use skerry_proto::{etcdserverpb as pb, mvccpb};
use skerry_store::{Entry, LogId, Options, Payload, Store};

struct State {
    store: Store,
    next: u64,
    _dir: tempfile::TempDir,
}

impl State {
    fn new() -> State {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state.redb"), Options::default()).unwrap();
        State {
            store,
            next: 0,
            _dir: dir,
        }
    }

    fn apply(&mut self, operation: Operation) {
        let command = Command {
            origin: 1,
            request: self.next,
            operation: Some(operation),
            ..Command::default()
        };
        let log_id = LogId {
            term: 3,
            node_id: 1,
            index: self.next,
        };
        self.next += 1;
        let payload = Payload::Command(command.encode_to_vec().into());
        let applied = self.store.apply(&[Entry { log_id, payload }]).unwrap();
        assert!(
            applied
                .applied
                .iter()
                .all(|applied| applied.outcome.is_ok())
        );
    }

    fn put(&mut self, key: &str, value: &str, lease: i64) {
        self.apply(Operation::Put(put(key, value, lease)));
    }

    fn file(&self, origin: Origin) -> Vec<u8> {
        let snapshot = Snapshot::of(self.store.reader().view().unwrap(), origin, || true).unwrap();
        let mut file = Vec::new();
        snapshot.write(&mut file).unwrap();
        assert_eq!(file.len() as u64, snapshot.bytes());
        file
    }
}

fn put(key: &str, value: &str, lease: i64) -> pb::PutRequest {
    pb::PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        lease,
        ..pb::PutRequest::default()
    }
}

/// Keys with a history, a transaction, a deletion, a lease.
fn filled() -> State {
    let mut state = State::new();
    state.apply(Operation::LeaseGrant(pb::LeaseGrantRequest {
        id: 7,
        ttl: 600,
    }));
    state.put("a", "1", 0);
    state.put("b", "2", 7);
    let puts = ["a", "c"].map(|key| pb::RequestOp {
        request: Some(pb::request_op::Request::RequestPut(put(key, "3", 0))),
    });
    state.apply(Operation::Txn(pb::TxnRequest {
        success: puts.to_vec(),
        ..pb::TxnRequest::default()
    }));
    state.apply(Operation::DeleteRange(pb::DeleteRangeRequest {
        key: "c".into(),
        ..pb::DeleteRangeRequest::default()
    }));
    state
}

fn rows(file: &[u8], bucket: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut database = Database::open(Cursor::new(file)).unwrap();
    let found = database.rows(bucket.as_bytes(), |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        Ok::<(), ArchiveError>(())
    });
    assert!(found.unwrap(), "no bucket {bucket}");
    rows
}

/// Revision, place in it, and whether it is a deletion, of every event.
fn events(file: &[u8]) -> Vec<(i64, i64, bool)> {
    let at = |row: &[u8], at: usize| i64::from_be_bytes(row[at..at + 8].try_into().unwrap());
    rows(file, "key")
        .iter()
        .map(|(row, _)| (at(row, 0), at(row, 9), row.get(17) == Some(&b't')))
        .collect()
}

#[test]
fn every_event_stands_at_its_revision_with_all_that_is_known_of_it() {
    let file = filled().file(Origin::default());
    let wanted = [(2, 0), (3, 0), (4, 0), (4, 1), (5, 0)];
    let wanted = wanted.map(|(main, sub)| (main, sub, main == 5));
    assert_eq!(events(&file), wanted);
    let rows = rows(&file, "key");
    let kv = |row: usize| mvccpb::KeyValue::decode(&rows[row].1[..]).unwrap();
    let leased = mvccpb::KeyValue {
        key: "b".into(),
        value: "2".into(),
        create_revision: 3,
        mod_revision: 3,
        version: 1,
        lease: 7,
    };
    assert_eq!(kv(1), leased);
    let second = kv(2);
    assert_eq!((second.create_revision, second.version), (2, 2));
    let deleted = mvccpb::KeyValue {
        key: "c".into(),
        ..mvccpb::KeyValue::default()
    };
    assert_eq!(kv(4), deleted);
}

#[test]
fn how_far_the_compaction_has_come_is_not_to_be_seen() {
    let mut state = filled();
    state.apply(Operation::Compaction(pb::CompactionRequest {
        revision: 4,
        physical: false,
    }));
    let before = state.file(Origin::default());
    while state.store.compact_step().unwrap() {}
    let after = state.file(Origin::default());
    assert!(before == after);
    let left = events(&before);
    assert_eq!(
        left[0],
        (3, 0, false),
        "what was replaced is gone: {left:?}"
    );
    let meta = rows(&before, "meta");
    let names: Vec<_> = meta
        .iter()
        .map(|(name, _)| name.escape_ascii().to_string())
        .collect();
    let wanted = [
        "confState",
        "consistent_index",
        "finishedCompactRev",
        "scheduledCompactRev",
        "term",
    ];
    assert_eq!(names, wanted);
    assert_eq!(meta[1].1, (state.next - 1).to_be_bytes());
}

#[test]
fn leases_and_members_are_written_as_etcd_does() {
    let member = |id, is_learner| Member {
        id,
        name: format!("m{id}"),
        peer_urls: vec!["https://127.0.0.1:2380".into()],
        client_urls: vec!["https://127.0.0.1:2379".into()],
        is_learner,
    };
    let origin = Origin {
        metadata: Metadata {
            members: vec![member(2, false), member(16, true)],
            ..Metadata::default()
        },
        bootstrap: None,
    };
    let file = filled().file(origin);
    let lease = (7_i64.to_be_bytes().to_vec(), vec![0x08, 7, 0x10, 0xd8, 4]);
    assert_eq!(rows(&file, "lease"), [lease]);
    let members = rows(&file, "members");
    let names: Vec<_> = members.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, [&b"10"[..], b"2"]);
    let learner: serde_json::Value = serde_json::from_slice(&members[0].1).unwrap();
    assert_eq!(learner["isLearner"], true);
    let (_, state) = &rows(&file, "meta")[0];
    let state: serde_json::Value = serde_json::from_slice(state).unwrap();
    let wanted = serde_json::json!({"voters": [2], "learners": [16], "auto_leave": false});
    assert_eq!(state, wanted);
}

/// The entry that a restored state counts as having applied.
const BASE: LogId = LogId {
    term: 1,
    node_id: 1,
    index: 1,
};

/// The state that is made of a snapshot.
fn restored(file: &[u8], dir: &std::path::Path) -> Result<Store, ArchiveError> {
    let path = dir.join("restored.redb");
    let mut database = Database::open(Cursor::new(file))?;
    let mut as_it_is = |_: &[u8], value| Ok(Some(value));
    let made = restore(&mut database, &path, &mut as_it_is, (BASE, &"alone".into()))?;
    assert_eq!(made.bumped, made.revision + REVISIONS_BUMPED);
    Ok(Store::open(&path, Options::default()).unwrap())
}

#[test]
fn a_restored_state_has_every_live_key_as_it_was_and_forgets_all_revisions_before() {
    let mut state = filled();
    // More than is written at once, and a value that spans pages.
    for n in 0..200 {
        state.put(&format!("many/{n:03}"), &"v".repeat(10_000), 0);
    }
    state.put("many/000", "again", 7);
    let dir = tempfile::tempdir().unwrap();
    let store = restored(&state.file(Origin::default()), dir.path()).unwrap();
    let all = pb::RangeRequest {
        key: "a".into(),
        range_end: "z".into(),
        ..pb::RangeRequest::default()
    };
    let range = |store: &Store, request| store.reader().view().unwrap().range(request);
    let (before, after) = (range(&state.store, &all), range(&store, &all));
    let (before, after) = (before.unwrap(), after.unwrap());
    assert_eq!(before.kvs, after.kvs);
    assert_eq!(after.kvs.len(), 202);
    let revision = before.header.unwrap().revision;
    let bumped = after.header.unwrap().revision;
    assert_eq!(bumped, revision + REVISIONS_BUMPED);
    let earlier = pb::RangeRequest {
        revision,
        ..all.clone()
    };
    assert!(range(&store, &earlier).is_err(), "it is compacted");
    let view = store.reader().view().unwrap();
    assert_eq!(view.applied(), Some(BASE));
    assert_eq!(view.membership().unwrap().unwrap(), "alone");
    assert_eq!(view.lease_keys(7).unwrap(), ["b", "many/000"]);
    assert_eq!(view.leases().unwrap()[0].ttl_seconds, 600);
}

#[test]
fn what_a_restore_cannot_keep_as_it_is_it_refuses_by_name() {
    let file = filled().file(Origin::default());
    let dir = tempfile::tempdir().unwrap();
    let mut database = open(Cursor::new(&file)).unwrap().database;
    let mut refuse = |key: &[u8], value| match key {
        b"b" => Err("cannot be read".to_owned()),
        _ => Ok(Some(value)),
    };
    let path = dir.path().join("a");
    let refused = restore(&mut database, &path, &mut refuse, (BASE, &"alone".into()));
    let said = refused.unwrap_err().to_string();
    assert_eq!(said, "bucket key: row b: cannot be read");

    let broken = |key: &[u8], value: &mvccpb::KeyValue| {
        let file = written(|rows| {
            rows.bucket(b"key")?;
            rows.put(key, &value.encode_to_vec())
        });
        let file = file.unwrap();
        let dir = tempfile::tempdir().unwrap();
        restored(&file, dir.path()).unwrap_err().to_string()
    };
    let kv = mvccpb::KeyValue {
        key: "k".into(),
        version: 1,
        create_revision: 9,
        mod_revision: 8,
        ..mvccpb::KeyValue::default()
    };
    let at = |revision: i64| [&revision.to_be_bytes()[..], b"_", &[0; 8]].concat();
    assert!(broken(&at(8), &kv).contains("row k: its revisions contradict"));
    assert!(broken(&at(-8), &kv).contains("row k: its key is not"));
    assert!(broken(b"8", &kv).contains("row k: its key is not"));
    let file = written(|rows| rows.bucket(b"other")).unwrap();
    assert!(matches!(
        restored(&file, dir.path()),
        Err(ArchiveError::NotEtcd)
    ));
}

#[test]
fn a_snapshot_says_where_it_is_from_and_one_of_etcd_says_nothing() -> Result<()> {
    let origin = Origin {
        metadata: Metadata {
            version: 1,
            node_name: "one".into(),
            cluster_id: u64::MAX,
            revision: 5,
            token_fingerprint: Some("2bb80d537b1d".into()),
            ..Metadata::default()
        },
        bootstrap: Some(b"sealed".to_vec()),
    };
    let file = filled().file(origin.clone());
    let read = Origin::read(&mut Database::open(Cursor::new(&file))?)?;
    ensure!(read == Some(origin.clone()));
    ensure!(read_back(|writer| writer.bucket(b"key"))?.is_none());
    let mut later = origin.metadata;
    later.version += 1;
    let later = serde_json::to_vec(&later)?;
    for row in [&later[..], b"{}", b"no JSON", &vec![b' '; 2 << 20]] {
        let refused = read_back(|writer| {
            writer.bucket(b"skerry")?;
            writer.put(b"metadata", row)
        });
        ensure!(matches!(refused, Err(ArchiveError::Metadata { .. })));
    }
    Ok(())
}

fn read_back(
    fill: impl Fn(&mut dyn Rows) -> Result<(), skerry_bbolt::BboltError>,
) -> Result<Option<Origin>, ArchiveError> {
    Origin::read(&mut Database::open(Cursor::new(&written(fill)?))?)
}

/// A database with these rows.
fn written(
    fill: impl Fn(&mut dyn Rows) -> Result<(), skerry_bbolt::BboltError>,
) -> Result<Vec<u8>, skerry_bbolt::BboltError> {
    let mut measuring = Writer::measuring();
    fill(&mut measuring)?;
    let layout = measuring.finish()?;
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, layout)?;
    fill(&mut writer)?;
    writer.finish()?;
    Ok(file)
}

/// Either of the two writers.
trait Rows {
    fn bucket(&mut self, name: &[u8]) -> Result<(), skerry_bbolt::BboltError>;
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), skerry_bbolt::BboltError>;
}

impl<W: std::io::Write> Rows for Writer<W> {
    fn bucket(&mut self, name: &[u8]) -> Result<(), skerry_bbolt::BboltError> {
        Writer::bucket(self, name)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), skerry_bbolt::BboltError> {
        Writer::put(self, key, value)
    }
}

#[test]
fn a_snapshot_is_read_only_where_its_checksum_is_right() -> Result<()> {
    let file = filled().file(Origin::default());
    let opened = open(Cursor::new(&file))?;
    ensure!(opened.is_proved && opened.origin == Some(Origin::default()));
    let mut broken = file.clone();
    for at in [0, 5_000, file.len() - 1] {
        broken[at] ^= 1;
        ensure!(matches!(
            open(Cursor::new(&broken)),
            Err(ArchiveError::Checksum)
        ));
        broken[at] ^= 1;
    }
    // As it lies in the folder of a stopped etcd.
    let bare = open(Cursor::new(&file[..file.len() - 32]))?;
    ensure!(!bare.is_proved && bare.origin.is_some());
    for cut in (0..file.len()).step_by(701) {
        ensure!(open(Cursor::new(&file[..cut])).is_err(), "cut at {cut}");
    }
    Ok(())
}

#[test]
fn a_snapshot_that_nobody_wants_is_given_up() {
    let state = filled();
    let view = || state.store.reader().view().unwrap();
    let measured = Snapshot::of(view(), Origin::default(), || false);
    assert!(matches!(measured, Err(ArchiveError::GivenUp)));
    let left = AtomicUsize::new(15);
    let snapshot = Snapshot::of(view(), Origin::default(), move || {
        let left = left.fetch_sub(1, Ordering::Relaxed);
        left > 0
    });
    let written = snapshot.unwrap().write(std::io::sink());
    assert!(matches!(written, Err(ArchiveError::GivenUp)), "{written:?}");
}
