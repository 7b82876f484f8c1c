//! The disk of the machine: direct, synchronous writes where the file system takes them, buffered
//! ones with a sync behind each where it does not.
//!
//! Knows nothing about records. Direct writes go to the device past the page cache in its own
//! logical blocks, which costs flash the least; a buffered write costs a whole page each time.

use std::any::Any;
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};

use skerry_metrics::wear::LOG;

use crate::aligned::AlignedBuf;
use crate::disk::{Disk, SegmentFile};
use crate::limits::{FILL_BYTES, PAGE_BYTES, SECTOR_BYTES};

/// Files of the machine.
#[derive(Debug, Clone, Default)]
pub struct RealDisk {
    buffered: bool,
}

impl RealDisk {
    /// Direct writes wherever they are possible.
    pub fn new() -> RealDisk {
        RealDisk::default()
    }

    /// Never direct writes.
    pub fn buffered() -> RealDisk {
        RealDisk { buffered: true }
    }

    fn open_direct(&self, path: &Path) -> io::Result<Option<File>> {
        if self.buffered {
            return Ok(None);
        }
        let flags = OFlag::O_DIRECT | OFlag::O_DSYNC;
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(flags.bits());
        match options.open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_refusal(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// How a file system says that it has no direct I/O, or not in this unit.
fn is_refusal(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let codes = [Errno::EINVAL as i32, Errno::EOPNOTSUPP as i32];
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

fn open_buffered(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut at = dir;
        while !at.try_exists()? {
            missing.push(at);
            let Some(parent) = at.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
                break;
            };
            at = parent;
        }
        for dir in missing.into_iter().rev() {
            match std::fs::create_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            self.sync_dir(parent.unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let file = File::open(dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(dir)?;
        names
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, path: &Path, zeroed: u64) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        // Small writes leave small pages in the cache, so that a later buffered write of one
        // block does not drag a large folio along.
        let zeros = [0u8; PAGE_BYTES];
        let mut at = 0;
        while at < zeroed {
            let count = zeros.len().min((zeroed - at) as usize);
            file.write_all_at(&zeros[..count], at)?;
            LOG.wrote(count);
            at += count as u64;
        }
        LOG.synced();
        file.sync_all()?;
        drop(file);
        self.open(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        if let Some(file) = self.open_direct(path)?
            && let Some(block_bytes) = probe(&file)?
        {
            return Ok(Box::new(DirectFile {
                file,
                path: path.to_path_buf(),
                block_bytes,
            }));
        }
        let file = open_buffered(path)?;
        // What a failed sync left behind in the page cache must not be taken for what is on the
        // disk: write out what is dirty, and forget the rest.
        LOG.synced();
        file.sync_data()?;
        let forget = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
        posix_fadvise(&file, 0, 0, forget).map_err(io::Error::from)?;
        Ok(Box::new(BufferedFile { file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        LOG.synced();
        File::open(dir)?.sync_all()
    }

    fn salt(&self) -> u64 {
        // The standard library seeds its hash maps from the system's randomness.
        RandomState::new().hash_one(std::process::id())
    }
}

/// The unit of direct I/O on `file`: a read in that unit is the proof, since units are the same
/// for reads and writes. `None` where not even a page goes.
fn probe(file: &File) -> io::Result<Option<usize>> {
    for block_bytes in [SECTOR_BYTES, PAGE_BYTES] {
        let mut buffer = AlignedBuf::with_capacity(PAGE_BYTES);
        buffer.resize(block_bytes);
        // At the second sector, since any device reads a sector at the start of a page.
        let offset = (block_bytes % PAGE_BYTES) as u64;
        match file.read_at(buffer.as_mut_slice(), offset) {
            Ok(_) => return Ok(Some(block_bytes)),
            Err(error) if is_refusal(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Opened with `O_DIRECT` and `O_DSYNC`.
struct DirectFile {
    file: File,
    path: PathBuf,
    block_bytes: usize,
}

impl DirectFile {
    fn is_aligned(&self, offset: u64, bytes: &[u8]) -> bool {
        let block = self.block_bytes;
        (bytes.as_ptr() as usize).is_multiple_of(PAGE_BYTES)
            && bytes.len().is_multiple_of(block)
            && offset.is_multiple_of(block as u64)
    }
}

impl SegmentFile for DirectFile {
    fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    fn length_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if self.is_aligned(offset, into) {
            return read_full(&self.file, offset, into, self.block_bytes);
        }
        let start = offset - offset % self.block_bytes as u64;
        let skip = (offset - start) as usize;
        let mut buffer = AlignedBuf::with_capacity(FILL_BYTES as usize);
        buffer.resize((skip + into.len()).next_multiple_of(self.block_bytes));
        let read = read_full(&self.file, start, buffer.as_mut_slice(), self.block_bytes)?;
        let count = read.saturating_sub(skip).min(into.len());
        into[..count].copy_from_slice(&buffer.as_slice()[skip..skip + count]);
        Ok(count)
    }

    fn write_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<()> {
        LOG.wrote(blocks.len());
        LOG.synced();
        let written = if self.is_aligned(offset, blocks) {
            self.file.write_all_at(blocks, offset)
        } else {
            let mut buffer = AlignedBuf::with_capacity(blocks.len());
            buffer.extend(blocks);
            self.file.write_all_at(buffer.as_slice(), offset)
        };
        match written {
            // A file system may take a direct read of this unit and refuse the write. A refusal
            // is no failed write: nothing was begun.
            Err(error) if is_refusal(&error) => {
                let file = open_buffered(&self.path)?;
                BufferedFile { file }.write_durable(offset, blocks)
            }
            written => written,
        }
    }

    fn sync(&self) -> io::Result<()> {
        LOG.synced();
        self.file.sync_all()
    }
}

/// Through the page cache, with a sync behind every write.
struct BufferedFile {
    file: File,
}

impl SegmentFile for BufferedFile {
    fn block_bytes(&self) -> usize {
        PAGE_BYTES
    }

    fn length_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        read_full(&self.file, offset, into, 1)
    }

    fn write_durable(&self, offset: u64, blocks: &[u8]) -> io::Result<()> {
        for (at, page) in (offset..)
            .step_by(PAGE_BYTES)
            .zip(blocks.chunks(PAGE_BYTES))
        {
            self.file.write_all_at(page, at)?;
            LOG.wrote(page.len());
        }
        LOG.synced();
        self.file.sync_data()
    }

    fn sync(&self) -> io::Result<()> {
        LOG.synced();
        self.file.sync_all()
    }
}

/// Reads until `into` is full or the file ends; a direct read goes on only from a whole block.
fn read_full(file: &File, offset: u64, into: &mut [u8], unit: usize) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => {
                done += count;
                if !count.is_multiple_of(unit) {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_direct_write_goes_through_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = RealDisk::new().create(&path, 64 * 1024).unwrap();
        // No device takes direct writes in this unit.
        file.write_durable(100, &[7; 5000]).unwrap();
        let mut read = [0; 5002];
        assert_eq!(file.read_at(99, &mut read).unwrap(), 5002);
        assert_eq!((read[0], read[5001]), (0, 0));
        assert!(read[1..5001].iter().all(|byte| *byte == 7));
    }
}
