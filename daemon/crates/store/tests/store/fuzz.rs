//! Bytes from outside, mutated from a corpus with fixed seeds: commands of the log and snapshot
//! streams. Nothing panics, nothing stops the store, and members agree on every outcome.
//!
//! `SKERRY_ROUNDS` multiplies the work. The corpus is in `tests/corpus`; after a change of a
//! format, `cargo test -p skerry-store -- --ignored write_the_corpus` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use skerry_proto::etcdserverpb as pb;
use skerry_store::{Options, Payload, SnapshotWriter, Store, StoreError};

use crate::model::Model;
use crate::random::Random;
use crate::script::Script;
use crate::support::{entry, raw_entry, rounds, store};

const COMMAND_MUTATIONS: u64 = 60;
const STREAM_MUTATIONS: u64 = 150;
const FRAME_HEAD_BYTES: usize = 13;

fn corpus(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(kind)
}

fn samples(kind: &str) -> Vec<Vec<u8>> {
    let dir = fs::read_dir(corpus(kind)).expect("the corpus");
    let mut paths: Vec<PathBuf> = dir.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| fs::read(path).expect("a file");
    let samples: Vec<Vec<u8>> = paths.iter().map(read).collect();
    assert!(!samples.is_empty());
    samples
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let len = bytes.len() as u64;
        let at = random.below(len + 1) as usize;
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.next() as u8),
            2 if at < bytes.len() => {
                bytes.remove(at);
            }
            3 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
            4 if at < bytes.len() => {
                let copy = bytes[at..].to_vec();
                bytes.extend_from_slice(&copy[..copy.len().min(64)]);
            }
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
}

#[test]
fn no_command_stops_the_store_and_members_agree_on_every_outcome() {
    let samples = samples("command");
    for round in 0..rounds() {
        let (mut one, mut other) = (store(), store());
        let mut random = Random::new(round);
        let mut index = 0;
        let mut known = 0;
        for _ in 0..COMMAND_MUTATIONS {
            let mut entries = Vec::new();
            for sample in &samples {
                let mut bytes = sample.clone();
                if !random.one_in(4) {
                    mutate(&mut bytes, &mut random);
                }
                entries.push(raw_entry(index, Bytes::from(bytes)));
                index += 1;
            }
            let applied = one.apply(&entries).expect("the store works").applied;
            let again: Vec<_> = entries
                .iter()
                .flat_map(|entry| {
                    let batch = other.apply(std::slice::from_ref(entry));
                    batch.expect("the store works").applied
                })
                .collect();
            assert_eq!(format!("{applied:?}"), format!("{again:?}"));
            known += applied
                .iter()
                .filter(|applied| applied.outcome.is_ok())
                .count();
        }
        assert!(known > 100, "the corpus is of another format");
        assert_eq!(hash(&one).ok(), hash(&other).ok());
    }
}

fn hash(store: &Store) -> Result<u32, StoreError> {
    store.reader().view()?.hash()
}

fn receive(path: &Path, stream: &[u8]) -> Result<(), StoreError> {
    let mut writer = SnapshotWriter::create(path)?;
    writer.write(stream)?;
    writer.finish().map(drop)
}

#[test]
fn no_snapshot_stream_is_believed_that_was_changed_on_its_way() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("copy");
    for (number, sample) in samples("snapshot").iter().enumerate() {
        receive(&path, sample).expect("the corpus is of this format");
        for round in 0..rounds() * STREAM_MUTATIONS {
            let mut stream = sample.clone();
            mutate(&mut stream, &mut Random::new(round));
            if stream != *sample {
                let outcome = receive(&path, &stream);
                assert!(
                    matches!(outcome, Err(StoreError::Snapshot { .. })),
                    "sample {number} round {round}: {outcome:?}"
                );
            }
        }
    }
}

/// Gives every frame of a stream the checksum and number that its bytes need, so that mutations
/// reach what lies behind them.
fn repair(stream: &mut [u8]) {
    let mut at = 0;
    let mut rows = 0;
    let mut number: u32 = 0;
    while let Some(head) = stream.get(at..at + FRAME_HEAD_BYTES) {
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = head[12];
        let Some(end) = (at + FRAME_HEAD_BYTES).checked_add(len) else {
            return;
        };
        let Some(frame) = stream.get_mut(at..end) else {
            return;
        };
        if kind == 2 {
            rows = crc32c::crc32c_append(rows, &frame[FRAME_HEAD_BYTES..]);
        }
        if kind == 3 && len == 12 {
            frame[FRAME_HEAD_BYTES + 8..].copy_from_slice(&rows.to_le_bytes());
        }
        frame[8..12].copy_from_slice(&number.to_le_bytes());
        let sum = crc32c::crc32c(&frame[8..]);
        frame[4..8].copy_from_slice(&sum.to_le_bytes());
        number += 1;
        at = end;
    }
}

#[test]
fn a_forged_snapshot_stream_gives_an_error_or_a_state_that_can_be_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("copy");
    let (mut accepted, mut opened) = (0, 0);
    for sample in &samples("snapshot") {
        for round in 0..rounds() * STREAM_MUTATIONS {
            let mut stream = sample.clone();
            let mut random = Random::new(round);
            for _ in 0..=random.below(3) {
                let at = random.below(stream.len() as u64) as usize;
                stream[at] ^= 1 << random.below(8);
            }
            repair(&mut stream);
            if receive(&path, &stream).is_err() {
                continue;
            }
            accepted += 1;
            let Ok(store) = Store::open(&path, Options::default()) else {
                continue;
            };
            opened += 1;
            let Ok(view) = store.reader().view() else {
                continue;
            };
            let _any = (view.hash(), view.leases(), view.members(), view.alarms());
            let all = pb::RangeRequest {
                key: Bytes::from_static(&[0]),
                range_end: Bytes::from_static(&[0]),
                revision: view.compact_revision().max(1),
                ..pb::RangeRequest::default()
            };
            let _any = view.range(&all);
        }
    }
    assert!(accepted > 20 && opened > 20, "{accepted} {opened}");
}

#[test]
#[ignore = "writes into the source tree"]
fn write_the_corpus() {
    for kind in ["command", "snapshot"] {
        fs::create_dir_all(corpus(kind)).expect("a directory");
    }
    for seed in 0..2 {
        let mut script = Script::new(seed);
        let mut model = Model::new();
        let mut store = store();
        let mut kinds = Vec::new();
        for index in 0..60 {
            let operation = script.operation(model.revision);
            let _answer = model.apply(&operation);
            let entry = entry(index, operation.clone());
            let Payload::Command(command) = &entry.payload else {
                panic!("a command");
            };
            let kind = std::mem::discriminant(&operation);
            let seen = kinds.iter().filter(|other| **other == kind).count();
            if seen < 3 && command.len() < 1_000 {
                kinds.push(kind);
                let name = format!("{seed}-{index:02}");
                fs::write(corpus("command").join(name), command).expect("a file");
            }
            store.apply(&[entry]).expect("the store works");
        }
        let frames = store.reader().snapshot().expect("a snapshot");
        let frames: Vec<Bytes> = frames.map(|frame| frame.expect("a frame")).collect();
        let name = format!("{seed}");
        fs::write(corpus("snapshot").join(name), frames.concat()).expect("a file");
    }
}
