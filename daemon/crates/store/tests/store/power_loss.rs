//! The power fails after any write: the state stands at a durable commit, none that was
//! acknowledged is lost, and applying the log again leads to the same state.
//!
//! The disk keeps what was synced. Of what was written since the last sync it keeps nothing,
//! everything, or any sectors of any of the writes.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;
use skerry_store::{Entry, Options, Store};

use crate::model::Model;
use crate::random::Random;
use crate::script::Script;
use crate::support::{entry, log_id};

const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone)]
enum Action {
    Write(usize, Vec<u8>),
    SetLen(usize),
    Sync,
}

#[derive(Debug, Default)]
struct Content {
    image: Vec<u8>,
    actions: Vec<Action>,
}

/// A disk that remembers all that was done to it.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Content>>);

impl Disk {
    fn with_image(image: Vec<u8>) -> Disk {
        Disk(Arc::new(Mutex::new(Content {
            image,
            actions: Vec::new(),
        })))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().expect("nobody panics with it")
    }

    fn actions(&self) -> usize {
        self.content().actions.len()
    }

    fn act(&self, action: Action) {
        let mut content = self.content();
        act(&mut content.image, &action);
        content.actions.push(action);
    }
}

fn act(image: &mut Vec<u8>, action: &Action) {
    match action {
        Action::Write(offset, bytes) => {
            let end = offset + bytes.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[*offset..end].copy_from_slice(bytes);
        }
        Action::SetLen(len) => image.resize(*len, 0),
        Action::Sync => {}
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content().image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = self.content();
        let start = offset as usize;
        let bytes = content.image.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.act(Action::SetLen(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.act(Action::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.act(Action::Write(offset as usize, data.to_vec()));
        Ok(())
    }
}

/// A durable commit of the run: between which actions it was made, and what it holds.
struct Commit {
    began: usize,
    ended: usize,
    entries: usize,
    hash: u32,
}

struct Run {
    entries: Vec<Entry>,
    actions: Vec<Action>,
    commits: Vec<Commit>,
    hash: u32,
}

fn options(cache_bytes: usize) -> Options {
    Options {
        cache_bytes,
        ..Options::default()
    }
}

fn open(disk: Disk, cache_bytes: usize) -> Store {
    let opened = Store::open_with_backend(disk, Path::new("state.redb"), options(cache_bytes));
    opened.expect("the state opens after any loss of power")
}

fn hash(store: &Store) -> u32 {
    let view = store.reader().view().expect("a view");
    view.hash().expect("the state can be read")
}

/// Runs a script and remembers every write.
fn run(seed: u64, cache_bytes: usize, batches: usize) -> Run {
    let disk = Disk::default();
    let mut script = Script::new(seed);
    let mut model = Model::new();
    let mut store = open(disk.clone(), cache_bytes);
    let mut entries = Vec::new();
    let mut commits = vec![Commit {
        began: 0,
        ended: disk.actions(),
        entries: 0,
        hash: hash(&store),
    }];
    for batch in 0..batches {
        let from = entries.len();
        for _ in 0..=script.random.below(8) {
            let operation = script.operation(model.revision);
            let _answer = model.apply(&operation);
            entries.push(entry(entries.len() as u64, operation));
        }
        store.apply(&entries[from..]).expect("the store works");
        if script.random.one_in(3) {
            store.compact_step().expect("the store works");
        }
        if batch % 5 == 4 {
            let began = disk.actions();
            store.commit_durable().expect("the store works");
            commits.push(Commit {
                began,
                ended: disk.actions(),
                entries: entries.len(),
                hash: hash(&store),
            });
        }
    }
    let hash = hash(&store);
    // What the store does when it is dropped happens too, or does not.
    drop(store);
    let actions = disk.content().actions.clone();
    Run {
        entries,
        actions,
        commits,
        hash,
    }
}

/// How much of what was not synced the disk still wrote.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Nothing,
    Everything,
    AnySectors(u64),
    /// All but the newest write, which is torn.
    TornLast,
}

/// What is on the disk when the power fails before the action of this number.
fn image(run: &Run, cut: usize, kept: Kept) -> Vec<u8> {
    let done = &run.actions[..cut];
    let synced = done
        .iter()
        .rposition(|action| matches!(action, Action::Sync))
        .unwrap_or(0);
    let mut image = Vec::new();
    for action in &done[..synced] {
        act(&mut image, action);
    }
    let pending = &done[synced..];
    match kept {
        Kept::Nothing => {}
        Kept::Everything => pending.iter().for_each(|action| act(&mut image, action)),
        Kept::AnySectors(seed) => {
            let mut random = Random::new(seed);
            pending
                .iter()
                .filter_map(|action| torn(action, &mut random))
                .for_each(|action| act_all(&mut image, action));
        }
        Kept::TornLast => {
            if let Some((last, before)) = pending.split_last() {
                before.iter().for_each(|action| act(&mut image, action));
                if let Action::Write(offset, bytes) = last {
                    let half = bytes[..bytes.len() / 2].to_vec();
                    act(&mut image, &Action::Write(*offset, half));
                }
            }
        }
    }
    image
}

/// Some sectors of a write, or a change of length that did or did not come through.
fn torn(action: &Action, random: &mut Random) -> Option<Vec<Action>> {
    match action {
        Action::Write(offset, bytes) => {
            let sectors = bytes.chunks(SECTOR_BYTES).enumerate();
            let kept = sectors
                .filter(|_| !random.one_in(3))
                .map(|(at, sector)| Action::Write(offset + at * SECTOR_BYTES, sector.to_vec()));
            Some(kept.collect())
        }
        other => random.one_in(2).then(|| vec![other.clone()]),
    }
}

fn act_all(image: &mut Vec<u8>, actions: Vec<Action>) {
    actions.iter().for_each(|action| act(image, action));
}

/// Opens what the disk has, checks where it stands, and applies the rest of the log.
fn recover(run: &Run, cut: usize, kept: Kept, cache_bytes: usize) {
    let place = format!("cut before action {cut} of {}, {kept:?}", run.actions.len());
    let mut store = open(Disk::with_image(image(run, cut, kept)), cache_bytes);
    let entries = store
        .durable_log_id()
        .map_or(0, |last| last.index as usize + 1);
    let commit = run.commits.iter().find(|commit| commit.entries == entries);
    let commit = commit.unwrap_or_else(|| panic!("{place}: {entries} entries were no commit"));
    assert_eq!(hash(&store), commit.hash, "{place}");
    let acknowledged = run.commits.iter().filter(|commit| commit.ended <= cut);
    let acknowledged = acknowledged.map(|commit| commit.entries).max();
    assert!(
        Some(entries) >= acknowledged,
        "{place}: an acknowledged commit is lost"
    );
    assert!(commit.began <= cut, "{place}: a commit of the future");
    if entries < run.entries.len() {
        store
            .apply(&run.entries[entries..])
            .expect("the store works");
    }
    store.commit_durable().expect("the store works");
    assert_eq!(hash(&store), run.hash, "{place}: applied again");
    let last = run.entries.len() as u64 - 1;
    assert_eq!(store.durable_log_id(), Some(log_id(last)), "{place}");
}

fn survives(seed: u64, cache_bytes: usize, batches: usize) {
    let run = run(seed, cache_bytes, batches);
    // A new file is made beside and renamed, so it is never seen before its first commit.
    let first = run.commits[0].ended;
    assert!(run.commits.len() > 2 && run.actions.len() > first + 50);
    for cut in first..=run.actions.len() {
        let random = Kept::AnySectors(seed * 1_000_003 + cut as u64);
        for kept in [Kept::Nothing, Kept::Everything, Kept::TornLast, random] {
            recover(&run, cut, kept, cache_bytes);
        }
    }
}

#[test]
fn no_acknowledged_commit_is_lost_when_the_power_fails_after_any_write() {
    survives(1, 8 << 20, 30);
}

#[test]
fn nor_where_a_small_cache_spills_what_is_not_durable_yet() {
    survives(2, 64 << 10, 30);
}

#[test]
fn a_recovered_file_passes_a_full_check() {
    let run = run(3, 8 << 20, 15);
    let first = run.commits[0].ended;
    for cut in (first..=run.actions.len()).step_by(7) {
        let kept = Kept::AnySectors(cut as u64);
        let disk = Disk::with_image(image(&run, cut, kept));
        drop(open(disk.clone(), 8 << 20));
        let again = Disk::with_image(disk.content().image.clone());
        let mut database = redb::Database::builder()
            .create_with_backend(again)
            .expect("the state opens");
        assert!(database.check_integrity().expect("a check"), "cut {cut}");
    }
}
