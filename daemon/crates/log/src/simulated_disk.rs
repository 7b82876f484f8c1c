//! A disk in memory that keeps only what was synced, for tests.
//!
//! Counts every operation that changes something and can end at any of them: the operation is
//! then half done, every later one fails, and [`SimulatedDisk::restart`] brings the machine back
//! with what a real one might have kept. Of a block in flight that is the old bytes, the new ones,
//! zeros, or a mixture; of a name in flight, the old or the new one. All chosen from one seed.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, SegmentFile};
use crate::limits::SECTOR_BYTES;

/// How the run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process dies; what it handed to the kernel is seen by the next one, but not durable.
    Kill,
    /// The machine dies; only what was synced is sure to be there.
    Power,
}

/// A small generator, so that a seed means the same everywhere.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number (SplitMix64).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    block_bytes: usize,
    random: Random,
    files: BTreeMap<u64, Content>,
    next_file: u64,
    /// Names as a process sees them.
    names: BTreeMap<PathBuf, u64>,
    /// Names as of the last sync of the directory.
    durable_names: BTreeMap<PathBuf, u64>,
    /// Changes of names since.
    renames: Vec<NameChange>,
    operations: u64,
    end_at: Option<u64>,
    fail_at: Option<(u64, i32)>,
    dead: bool,
    /// Counts restarts: a file opened before one is of no use after it.
    life: u64,
    locked: bool,
    written_bytes: u64,
}

#[derive(Debug, Default, Clone)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Blocks whose bytes in `seen` are not known to be durable.
    dirty: BTreeSet<usize>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Create(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            NameChange::Create(path, file) => {
                names.insert(path.clone(), *file);
            }
            NameChange::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

/// How an operation is to go.
enum Turn {
    /// As it should.
    Whole,
    /// It is the last one, and half done.
    Last,
}

impl SimulatedDisk {
    /// An empty disk with blocks of `block_bytes`.
    pub fn new(seed: u64, block_bytes: usize) -> SimulatedDisk {
        let state = State {
            block_bytes,
            random: Random::new(seed),
            files: BTreeMap::new(),
            next_file: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renames: Vec::new(),
            operations: 0,
            end_at: None,
            fail_at: None,
            dead: false,
            life: 0,
            locked: false,
            written_bytes: 0,
        };
        SimulatedDisk {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Operations so far that changed something.
    pub fn operations(&self) -> u64 {
        self.lock_state().operations
    }

    /// Bytes handed to durable writes so far.
    pub fn written_bytes(&self) -> u64 {
        self.lock_state().written_bytes
    }

    /// Ends the run at the operation with this number, counted from 1.
    pub fn end_at(&self, operation: u64) {
        self.lock_state().end_at = Some(operation);
    }

    /// Lets the operation with this number fail with a code of the system, half done.
    pub fn fail_at(&self, operation: u64, code: i32) {
        self.lock_state().fail_at = Some((operation, code));
    }

    /// Whether the run has ended.
    pub fn is_dead(&self) -> bool {
        self.lock_state().dead
    }

    /// Brings the disk back after the run has ended, here and now if it has not.
    pub fn restart(&self, crash: Crash) {
        let mut state = self.lock_state();
        state.dead = false;
        state.end_at = None;
        state.fail_at = None;
        state.locked = false;
        state.life += 1;
        if crash == Crash::Power {
            state.lose_what_was_not_synced();
        }
    }

    /// Changes the size of a block, as moving the files to another device does.
    pub fn set_block_bytes(&self, block_bytes: usize) {
        self.lock_state().block_bytes = block_bytes;
    }

    /// The files by path, as a process sees them.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.lock_state();
        let seen = |file: &u64| state.files.get(file).map(|content| content.seen.clone());
        state
            .names
            .iter()
            .filter_map(|(path, file)| Some((path.clone(), seen(file)?)))
            .collect()
    }

    /// Puts a file there, durably.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.lock_state();
        let file = state.next_file;
        state.next_file += 1;
        let content = Content {
            seen: bytes.clone(),
            durable: bytes,
            dirty: BTreeSet::new(),
        };
        state.files.insert(file, content);
        state.names.insert(path.to_path_buf(), file);
        state.durable_names.insert(path.to_path_buf(), file);
    }

    /// Changes one byte of a file where it lies.
    pub fn flip(&self, path: &Path, offset: usize, mask: u8) {
        let mut state = self.lock_state();
        if let Some(file) = state.names.get(path).copied()
            && let Some(content) = state.files.get_mut(&file)
        {
            content.seen[offset] ^= mask;
            content.durable[offset] ^= mask;
        }
    }
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead {
            Err(io::Error::other("the run has ended"))
        } else {
            Ok(())
        }
    }

    /// Counts an operation. `Err` after the end.
    fn begin(&mut self) -> io::Result<Turn> {
        self.alive()?;
        self.operations += 1;
        let last = self.end_at == Some(self.operations);
        let fails = self.fail_at.is_some_and(|(at, _)| at == self.operations);
        Ok(if last || fails {
            Turn::Last
        } else {
            Turn::Whole
        })
    }

    /// What the last operation answers.
    fn end(&mut self) -> io::Error {
        match self.fail_at {
            Some((at, code)) if at == self.operations => io::Error::from_raw_os_error(code),
            _ => {
                self.dead = true;
                io::Error::other("the run ends here")
            }
        }
    }

    fn change_name(&mut self, change: NameChange, turn: &Turn) {
        if matches!(turn, Turn::Whole) || self.random.below(2) == 0 {
            change.apply(&mut self.names);
            self.renames.push(change);
        }
    }

    fn file(&mut self, path: &Path) -> io::Result<u64> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn lose_what_was_not_synced(&mut self) {
        let mut names = std::mem::take(&mut self.durable_names);
        for change in std::mem::take(&mut self.renames) {
            if self.random.below(2) == 0 {
                change.apply(&mut names);
            }
        }
        self.names = names.clone();
        self.durable_names = names;
        for content in self.files.values_mut() {
            content.lose(&mut self.random, SECTOR_BYTES);
        }
    }
}

impl Content {
    /// What is left of `seen` after a power cut becomes both.
    fn lose(&mut self, random: &mut Random, block_bytes: usize) {
        let (shorter, longer) = (self.durable.len(), self.seen.len());
        let mut length = shorter;
        if longer > shorter {
            length += random.below((longer - shorter) as u64 + 1) as usize;
        }
        self.durable.resize(longer.max(shorter), 0);
        for block in std::mem::take(&mut self.dirty) {
            let start = (block * block_bytes).min(self.durable.len());
            let end = (start + block_bytes).min(self.durable.len());
            let seen = self
                .seen
                .get(start..end)
                .map(<[u8]>::to_vec)
                .unwrap_or_default();
            let kept = &mut self.durable[start..start + seen.len()];
            let torn = random.below(seen.len().max(1) as u64) as usize;
            match random.below(6) {
                0 | 1 => {}
                2 => kept.fill(0),
                3 => kept[..torn].copy_from_slice(&seen[..torn]),
                _ => kept.copy_from_slice(&seen),
            }
        }
        self.durable.truncate(length);
        self.seen = self.durable.clone();
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        let blocks = offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        self.dirty.extend(blocks);
    }

    fn sync(&mut self, blocks: std::ops::Range<usize>) {
        self.durable.resize(self.seen.len(), 0);
        for block in blocks {
            if self.dirty.remove(&block) {
                let start = block * SECTOR_BYTES;
                let end = (start + SECTOR_BYTES).min(self.seen.len());
                self.durable[start..end].copy_from_slice(&self.seen[start..end]);
            }
        }
    }
}

impl Disk for SimulatedDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.lock_state().alive()
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut state = self.lock_state();
        state.alive()?;
        if state.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locked = true;
        Ok(Box::new(Unlock {
            disk: self.clone(),
            life: state.life,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.lock_state();
        state.alive()?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        Ok(inside.filter_map(name).collect())
    }

    fn create(&self, path: &Path, zeroed: u64) -> io::Result<Box<dyn SegmentFile>> {
        let mut state = self.lock_state();
        let turn = state.begin()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.next_file;
        state.next_file += 1;
        let mut length = zeroed as usize;
        if matches!(turn, Turn::Last) {
            length = state.random.below(zeroed + 1) as usize;
        }
        let zeros = vec![0; length];
        let content = Content {
            seen: zeros.clone(),
            durable: zeros,
            dirty: BTreeSet::new(),
        };
        state.files.insert(file, content);
        state.change_name(NameChange::Create(path.to_path_buf(), file), &turn);
        if matches!(turn, Turn::Last) {
            return Err(state.end());
        }
        drop(state);
        self.open(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let mut state = self.lock_state();
        state.alive()?;
        let file = state.file(path)?;
        let (block_bytes, life) = (state.block_bytes, state.life);
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            file,
            block_bytes,
            life,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        let turn = state.begin()?;
        state.file(from)?;
        state.change_name(
            NameChange::Rename(from.to_path_buf(), to.to_path_buf()),
            &turn,
        );
        if matches!(turn, Turn::Last) {
            Err(state.end())
        } else {
            Ok(())
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        let turn = state.begin()?;
        state.file(path)?;
        state.change_name(NameChange::Remove(path.to_path_buf()), &turn);
        if matches!(turn, Turn::Last) {
            Err(state.end())
        } else {
            Ok(())
        }
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        let turn = state.begin()?;
        if matches!(turn, Turn::Last) {
            return Err(state.end());
        }
        state.durable_names = state.names.clone();
        state.renames.clear();
        Ok(())
    }

    fn salt(&self) -> u64 {
        self.lock_state().random.number()
    }
}

struct Unlock {
    disk: SimulatedDisk,
    life: u64,
}

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut state = self.disk.lock_state();
        if state.life == self.life {
            state.locked = false;
        }
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    file: u64,
    block_bytes: usize,
    life: u64,
}

impl SimulatedFile {
    fn lock(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock_state();
        state.alive()?;
        if state.life != self.life {
            return Err(io::Error::other("the file was opened before the restart"));
        }
        Ok(state)
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl SegmentFile for SimulatedFile {
    fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    fn length_bytes(&self) -> io::Result<u64> {
        let state = self.lock()?;
        Ok(state.files.get(&self.file).ok_or_else(gone)?.seen.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let state = self.lock()?;
        let seen = &state.files.get(&self.file).ok_or_else(gone)?.seen;
        let from = (offset as usize).min(seen.len());
        let count = into.len().min(seen.len() - from);
        into[..count].copy_from_slice(&seen[from..from + count]);
        Ok(count)
    }

    fn write_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<()> {
        let mut state = self.lock()?;
        let block = self.block_bytes;
        if !offset.is_multiple_of(block as u64) || !blocks.len().is_multiple_of(block) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let turn = state.begin()?;
        let state = &mut *state;
        let content = state.files.get_mut(&self.file).ok_or_else(gone)?;
        let offset = offset as usize;
        if matches!(turn, Turn::Last) {
            // Some of the blocks have reached the kernel, none is sure to have reached the disk.
            let all = state.random.below(2) == 0;
            for (at, bytes) in (offset..)
                .step_by(SECTOR_BYTES)
                .zip(blocks.chunks(SECTOR_BYTES))
            {
                if all || state.random.below(2) == 0 {
                    content.write(at, bytes);
                }
            }
            return Err(state.end());
        }
        content.write(offset, blocks);
        content.sync(offset / SECTOR_BYTES..(offset + blocks.len()).div_ceil(SECTOR_BYTES));
        state.written_bytes += blocks.len() as u64;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.lock()?;
        let turn = state.begin()?;
        if matches!(turn, Turn::Last) {
            return Err(state.end());
        }
        let content = state.files.get_mut(&self.file).ok_or_else(gone)?;
        let blocks = content.seen.len().div_ceil(SECTOR_BYTES);
        content.sync(0..blocks);
        Ok(())
    }
}
