//! The few operations the log asks of a disk.
//!
//! Knows nothing about records. A write has happened for good when it returns; the names in a
//! directory are there for good only after [`Disk::sync_dir`].

use std::any::Any;
use std::io;
use std::path::Path;

/// A directory's worth of segment files.
pub trait Disk: Send + Sync + 'static {
    /// Makes `dir` and what is missing above it, durably.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes `dir` for this process until the answer is dropped. `WouldBlock`: another has it.
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;

    /// The names in `dir`, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes a file that must not exist, with `zeroed` bytes of zeros that are on the disk when
    /// this returns. The name is durable only after [`Disk::sync_dir`].
    fn create(&self, path: &Path, zeroed: u64) -> io::Result<Box<dyn SegmentFile>>;

    /// Opens a file that exists.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;

    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// A number no client can guess, chosen once in a log's life.
    fn salt(&self) -> u64;
}

/// One open file. Several threads may read while one writes.
pub trait SegmentFile: Send + Sync {
    /// The unit of durable writes here: a power of two, 512 to 4096.
    fn block_bytes(&self) -> usize;

    /// Length in bytes.
    fn length_bytes(&self) -> io::Result<u64>;

    /// Fills `into` from `offset`, any alignment; fewer bytes only at the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes whole blocks at a multiple of the block size. When it returns without an error all
    /// of them are durable. When it fails, or never returns, any part of them may be.
    fn write_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<()>;

    /// Makes durable whatever an earlier process wrote.
    fn sync(&self) -> io::Result<()>;
}
