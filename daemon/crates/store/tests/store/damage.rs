//! A damaged state file stops the member with an error that names it; it is never believed.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::{Entry, Options, Store, StoreError, mark_for_check};

use crate::random::Random;
use crate::support::entry;

struct State {
    dir: tempfile::TempDir,
    good: Vec<u8>,
    /// Hashes of the states that were durable once.
    hashes: Vec<u32>,
}

impl State {
    fn new() -> State {
        let dir = tempfile::tempdir().expect("a directory");
        let mut state = State {
            dir,
            good: Vec::new(),
            hashes: Vec::new(),
        };
        let mut store = state.open().expect("a new state");
        state.hashes.push(hash(&store).expect("a good state"));
        for from in [0u64, 100, 200] {
            let entries: Vec<Entry> = (from..from + 100).map(put).collect();
            store.apply(&entries).expect("the store works");
            store.commit_durable().expect("the store works");
            state.hashes.push(hash(&store).expect("a good state"));
        }
        // As after a kill: what is on the disk while the store is open.
        state.good = fs::read(state.path()).expect("the file");
        drop(store);
        state
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("state.redb")
    }

    fn mark(&self) -> PathBuf {
        self.dir.path().join("state.redb.check")
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.path(), Options::default())
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).expect("the file");
    }
}

fn put(index: u64) -> Entry {
    let put = pb::PutRequest {
        key: Bytes::from(format!("key/{}", index % 70)),
        value: Bytes::from(vec![index as u8; 300]),
        ..pb::PutRequest::default()
    };
    entry(index, Operation::Put(put))
}

fn hash(store: &Store) -> Result<u32, StoreError> {
    store.reader().view()?.hash()
}

fn names_the_file(error: &StoreError, path: &Path) -> bool {
    let text = error.to_string();
    matches!(error, StoreError::Corrupt { .. })
        && text.contains(&path.display().to_string())
        && text.contains("rejoin")
}

/// Overwrites some bytes somewhere.
fn damage(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let at = random.below(bytes.len() as u64) as usize;
    match random.below(3) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => {
            let end = (at + 512).min(bytes.len());
            bytes[at..end].fill(0);
        }
        _ => {
            let page = at / 4096 * 4096;
            let end = (page + 4096).min(bytes.len());
            bytes[page..end]
                .iter_mut()
                .for_each(|byte| *byte = random.next() as u8);
        }
    }
    bytes
}

#[test]
fn a_full_check_finds_any_damage_and_names_the_file() {
    let state = State::new();
    let mut found = 0;
    for seed in 0..400 {
        state.write(&damage(&state.good, &mut Random::new(seed)));
        mark_for_check(&state.path()).expect("a mark");
        match state.open() {
            // Where nothing was, or where the last commit but one is still whole.
            Ok(store) => {
                let hash = hash(&store).expect("what passed the check can be read");
                assert!(
                    state.hashes.contains(&hash),
                    "seed {seed}: a wrong state is believed"
                );
                assert!(!state.mark().exists());
            }
            Err(error) => {
                assert!(
                    names_the_file(&error, &state.path()),
                    "seed {seed}: {error}"
                );
                assert!(state.mark().exists(), "seed {seed}");
                found += 1;
            }
        }
    }
    assert!(found > 50, "only {found}");
}

#[test]
fn damage_that_kills_the_process_is_found_at_the_next_start() {
    let state = State::new();
    let (mut died, mut refused, mut believed) = (0, 0, Vec::new());
    for seed in 0..400 {
        state.write(&damage(&state.good, &mut Random::new(seed)));
        let _none = fs::remove_file(state.mark());
        let attempt = catch_unwind(AssertUnwindSafe(|| hash(&state.open()?)));
        match attempt {
            Ok(Ok(hash)) if state.hashes.contains(&hash) => {}
            Ok(Ok(_)) => believed.push(seed),
            Ok(Err(error)) => {
                assert!(
                    names_the_file(&error, &state.path()),
                    "seed {seed}: {error}"
                );
                assert!(state.mark().exists(), "seed {seed}");
                refused += 1;
            }
            Err(_) => {
                // What the panic hook of the process does; while opening it has been done.
                mark_for_check(&state.path()).expect("a mark");
                state.write(&damage(&state.good, &mut Random::new(seed)));
                match state.open() {
                    Ok(store) => {
                        let hash = hash(&store).expect("what passed the check can be read");
                        assert!(state.hashes.contains(&hash), "seed {seed}");
                    }
                    Err(error) => assert!(names_the_file(&error, &state.path()), "seed {seed}"),
                }
                died += 1;
            }
        }
    }
    eprintln!("{died} would have died, {refused} were refused, believed: {believed:?}");
    assert!(refused > 50);
}

#[test]
fn a_flipped_bit_in_a_value_is_found_when_it_is_read() {
    let state = State::new();
    let value = [299u64 as u8; 300];
    let mut bytes = state.good.clone();
    let mut flipped = 0;
    // redb leaves older copies of pages behind.
    for place in 0..bytes.len() - value.len() {
        if bytes[place..place + value.len()] == value {
            bytes[place + 150] ^= 4;
            flipped += 1;
        }
    }
    assert!(flipped > 0);
    state.write(&bytes);
    let _none = fs::remove_file(state.mark());
    let store = state.open().expect("the header is good");
    assert!(!state.mark().exists());
    let view = store.reader().view().expect("a view");
    let error = view.get(b"key/19").expect_err("the value is damaged");
    assert!(names_the_file(&error, &state.path()), "{error}");
    assert!(state.mark().exists(), "the next start checks all of it");
    drop((view, store));
    let error = state.open().expect_err("the full check finds it");
    assert!(names_the_file(&error, &state.path()), "{error}");
}

#[test]
fn a_file_that_is_empty_short_or_something_else_is_refused() {
    let state = State::new();
    for bytes in [
        &b""[..],
        b"x",
        &[0; 8192],
        &state.good[..100],
        &state.good[..4096],
    ] {
        state.write(bytes);
        let error = state.open().expect_err("not a state");
        assert!(names_the_file(&error, &state.path()), "{error}");
    }
}

#[test]
fn a_stop_while_the_file_is_made_leaves_nothing_in_the_way() {
    let state = State::new();
    fs::remove_file(state.path()).expect("the file");
    fs::write(state.dir.path().join("state.redb.new"), &state.good[..5000]).expect("a file");
    let store = state.open().expect("a new state");
    assert_eq!(hash(&store).ok(), state.hashes.first().copied());
    assert!(!state.dir.path().join("state.redb.new").exists());
}

#[test]
fn a_second_process_is_told_that_the_state_is_open_and_asks_for_no_check() {
    let state = State::new();
    let first = state.open().expect("a good state");
    let error = state.open().expect_err("it is open");
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    assert!(error.to_string().contains("state.redb"));
    assert!(!state.mark().exists());
    drop(first);
    state.open().expect("it is free again");
}
