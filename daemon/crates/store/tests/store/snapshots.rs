//! Snapshots: the whole state, or nothing.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::limits::SNAPSHOT_CHUNK_BYTES_MAX;
use skerry_store::{Entry, Options, Payload, Since, SnapshotWriter, Store, StoreError};

use crate::model::Model;
use crate::random::Random;
use crate::script::Script;
use crate::support::{entry, log_id};

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).expect("the store opens")
}

fn put(index: u64, key: &str, value: Vec<u8>) -> Entry {
    let put = pb::PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::from(value),
        ..pb::PutRequest::default()
    };
    entry(index, Operation::Put(put))
}

/// A state with some of everything: a script, a large value, a membership.
fn filled(path: &Path) -> Store {
    let mut store = open(path);
    let mut script = Script::new(11);
    let mut model = Model::new();
    let mut entries = Vec::new();
    for index in 0..300 {
        let operation = script.operation(model.revision);
        let _answer = model.apply(&operation);
        entries.push(entry(index, operation));
    }
    entries.push(Entry {
        log_id: log_id(300),
        payload: Payload::Membership(Bytes::from_static(b"members")),
    });
    for index in 301..380 {
        let large = vec![index as u8; SNAPSHOT_CHUNK_BYTES_MAX / 8];
        entries.push(put(index, &format!("large/{index}"), large));
    }
    entries.push(put(380, "huge", vec![7; 3 * SNAPSHOT_CHUNK_BYTES_MAX]));
    store.apply(&entries).expect("the store works");
    store.compact_step().expect("the store works");
    store
}

fn frames(store: &Store) -> Vec<Bytes> {
    let frames = store.reader().snapshot().expect("a snapshot");
    frames.map(|frame| frame.expect("a frame")).collect()
}

fn hash(store: &Store) -> u32 {
    let view = store.reader().view().expect("a view");
    view.hash().expect("the store works")
}

#[test]
fn a_snapshot_carries_the_whole_state_in_bounded_frames() {
    let dir = Dir::new();
    let leader = filled(&dir.path("leader"));
    let frames = frames(&leader);
    assert!(frames.len() > 5);
    let mut writer = SnapshotWriter::create(&dir.path("follower.snapshot")).expect("a file");
    for frame in &frames {
        assert!(frame.len() <= SNAPSHOT_CHUNK_BYTES_MAX + 64);
        writer.write(frame).expect("a good frame");
    }
    assert_eq!(
        writer.meta().and_then(|meta| meta.applied),
        Some(log_id(380))
    );
    let meta = writer.finish().expect("a whole stream");
    assert_eq!(meta.applied, Some(log_id(380)));
    assert_eq!(meta.membership.as_deref(), Some(&b"members"[..]));

    let mut follower = open(&dir.path("follower"));
    follower
        .replace_with(&dir.path("follower.snapshot"))
        .expect("the store works");
    assert_eq!(hash(&follower), hash(&leader));
    assert_eq!(follower.durable_log_id(), Some(log_id(380)));

    // Both go on from here alike, and the follower's file is its state from now on.
    let mut leader = leader;
    let more = [put(381, "a", b"new".to_vec())];
    leader.apply(&more).expect("the store works");
    follower.apply(&more).expect("the store works");
    follower.commit_durable().expect("the store works");
    assert_eq!(hash(&follower), hash(&leader));
    drop(follower);
    assert_eq!(hash(&open(&dir.path("follower"))), hash(&leader));
    assert!(!dir.path("follower.snapshot").exists());
}

#[test]
fn a_stream_may_be_cut_anywhere_on_its_way() {
    let dir = Dir::new();
    let leader = filled(&dir.path("leader"));
    let stream: Vec<u8> = frames(&leader).concat();
    let mut random = Random::new(3);
    let mut writer = SnapshotWriter::create(&dir.path("copy")).expect("a file");
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let count = 1 + random.below(rest.len().min(100_000) as u64) as usize;
        writer.write(&rest[..count]).expect("a good piece");
        rest = &rest[count..];
    }
    writer.finish().expect("a whole stream");
    assert_eq!(hash(&open(&dir.path("copy"))), hash(&leader));
}

#[test]
fn a_view_of_a_snapshot_stays_as_it_was_while_the_leader_goes_on() {
    let dir = Dir::new();
    let mut leader = filled(&dir.path("leader"));
    let before = hash(&leader);
    let snapshot = leader.reader().snapshot().expect("a snapshot");
    let mut writer = SnapshotWriter::create(&dir.path("copy")).expect("a file");
    for (index, frame) in (381..).zip(snapshot) {
        writer
            .write(&frame.expect("a frame"))
            .expect("a good frame");
        leader
            .apply(&[put(index, "a", vec![1])])
            .expect("the store works");
        leader.commit_durable().expect("the store works");
    }
    writer.finish().expect("a whole stream");
    assert_eq!(hash(&open(&dir.path("copy"))), before);
}

#[test]
fn readers_see_a_replaced_state_at_once_and_old_views_stay_whole() {
    let dir = Dir::new();
    let leader = filled(&dir.path("leader"));
    let mut follower = open(&dir.path("follower"));
    follower
        .apply(&[put(0, "old", b"old".to_vec())])
        .expect("the store works");
    let reader = follower.reader();
    let old = reader.view().expect("a view");
    assert!(matches!(reader.ring().since(2, 9), Since::Revisions(found) if found.len() == 1));

    let mut writer = SnapshotWriter::create(&dir.path("copy")).expect("a file");
    for frame in frames(&leader) {
        writer.write(&frame).expect("a good frame");
    }
    let meta = writer.finish().expect("a whole stream");
    follower
        .replace_with(&dir.path("copy"))
        .expect("the store works");

    let new = reader.view().expect("a view");
    assert_eq!(new.applied(), meta.applied);
    assert_eq!(new.revision(), meta.revision);
    assert_eq!(new.membership().expect("a view"), meta.membership);
    assert_eq!(reader.ring().since(2, 9), Since::FellOff);
    assert_eq!(reader.ring().newest(), meta.revision);
    let kv = old.get(b"old").expect("the old file").expect("the old key");
    assert_eq!(&kv.value[..], b"old");
}

#[test]
fn a_stream_that_is_cut_changed_or_out_of_order_is_refused_and_leaves_no_file() {
    let dir = Dir::new();
    let leader = filled(&dir.path("leader"));
    let frames = frames(&leader);
    let attempt = |frames: &[Bytes]| -> Result<(), StoreError> {
        let mut writer = SnapshotWriter::create(&dir.path("copy"))?;
        for frame in frames {
            writer.write(frame)?;
        }
        writer.finish().map(drop)
    };
    let refused = |frames: &[Bytes], what: &str| {
        let error = attempt(frames).expect_err(what);
        assert!(
            matches!(error, StoreError::Snapshot { .. }),
            "{what}: {error}"
        );
        assert!(!dir.path("copy").exists(), "{what}");
    };
    for count in 0..frames.len() {
        refused(&frames[..count], "cut between frames");
        let half = frames[count].slice(..frames[count].len() / 2);
        let torn = [&frames[..count], &[half]].concat();
        refused(&torn, "cut within a frame");
    }
    for place in 0..frames.len() {
        let mut without = frames.clone();
        without.remove(place);
        refused(&without, "a frame is missing");
        let mut twice = frames.clone();
        twice.insert(place, frames[place].clone());
        refused(&twice, "a frame comes twice");
        for _ in 0..4 {
            let mut random = Random::new(place as u64);
            let mut flipped = frames.clone();
            let mut bytes = frames[place].to_vec();
            let bit = random.below(bytes.len() as u64 * 8) as usize;
            bytes[bit / 8] ^= 1 << (bit % 8);
            flipped[place] = Bytes::from(bytes);
            refused(&flipped, "a bit is flipped");
        }
    }
    let mut longer = frames.clone();
    longer.push(frames[1].clone());
    refused(&longer, "something follows the end");
    attempt(&frames).expect("the stream itself is good");
}

#[test]
fn a_receiver_that_stops_early_leaves_the_state_alone() {
    let dir = Dir::new();
    let leader = filled(&dir.path("leader"));
    let mut follower = open(&dir.path("follower"));
    follower
        .apply(&[put(0, "a", b"1".to_vec())])
        .expect("the store works");
    let before = hash(&follower);
    let mut writer = SnapshotWriter::create(&dir.path("copy")).expect("a file");
    writer.write(&frames(&leader)[0]).expect("a good frame");
    drop(writer);
    assert!(!dir.path("copy").exists());
    assert!(follower.replace_with(&dir.path("copy")).is_err());
    assert_eq!(hash(&follower), before);
}

#[test]
fn defragmenting_gives_space_back_and_changes_nothing_else() {
    let dir = Dir::new();
    let mut store = filled(&dir.path("state"));
    store.commit_durable().expect("the store works");
    let reader = store.reader();
    let delete = pb::DeleteRangeRequest {
        key: Bytes::from_static(b"large/"),
        range_end: Bytes::from_static(b"large0"),
        ..pb::DeleteRangeRequest::default()
    };
    let revision = reader.view().expect("a view").revision() + 1;
    let compaction = pb::CompactionRequest {
        revision,
        ..pb::CompactionRequest::default()
    };
    let entries = [
        entry(381, Operation::DeleteRange(delete)),
        entry(382, Operation::Compaction(compaction)),
    ];
    store.apply(&entries).expect("the store works");
    while store.compact_step().expect("the store works") {}
    let before = reader.view().expect("a view");
    store.defragment(|| ()).expect("the store works");
    let after = reader.view().expect("a view");
    assert!(after.size_bytes() < before.size_bytes() / 2);
    assert_eq!(after.hash().ok(), before.hash().ok());
    assert_eq!(store.durable_log_id(), Some(log_id(382)));
    assert!(
        matches!(reader.ring().since(revision, 9), Since::Revisions(found) if found.len() == 1)
    );
    store
        .apply(&[put(383, "a", b"new".to_vec())])
        .expect("the store works");
    store.commit_durable().expect("the store works");
    let hash_before = hash(&store);
    drop((before, after, reader, store));
    assert_eq!(hash(&open(&dir.path("state"))), hash_before);
}
