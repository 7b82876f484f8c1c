//! A thread that writes lines, so that no request waits on the disk with the server's own thread.
//!
//! Invariant: what waits is bounded in events and in bytes; what does not fit or cannot be written
//! is dropped, counted and told of, and never stops the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::file::{FileOptions, OpenError, RotatedFile};
use crate::limits::{
    BATCH_BYTES_MAX, QUEUE_BYTES_MAX, QUEUED_BYTES_MIN, TELL_INTERVAL, WRITE_TIME_MAX,
};

/// Whether a request waits for its events (upstream's `--audit-log-mode`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does not.
    Batch,
    /// It does, and goes on without where one cannot be written.
    #[default]
    Blocking,
    /// It does, and is refused where the first one cannot be written.
    BlockingStrict,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is in the file, as far as the system says.
    Yes,
    /// It waits in the queue, or did when nobody wanted to wait longer.
    Unknown,
    /// It is lost.
    No,
}

/// A line on its way.
struct Line {
    bytes: Vec<u8>,
    told: Option<oneshot::Sender<bool>>,
    /// Its place in the queue, free again once it is written.
    _place: OwnedSemaphorePermit,
}

/// See the module. What waits is written before it is gone.
pub struct Writer {
    mode: Mode,
    /// Bytes that may still be queued.
    room: Arc<Semaphore>,
    dropped: Arc<AtomicU64>,
    lines: Option<Sender<Line>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// The log cannot be written, or there can be no thread.
    pub fn start(options: FileOptions, mode: Mode) -> Result<Writer, OpenError> {
        let path = options.path.clone();
        let file = RotatedFile::open(options)?;
        let dropped = Arc::new(AtomicU64::new(0));
        let (lines, queue) = channel();
        let counter = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || write_all(file, &queue, &counter))
            .map_err(|source| OpenError { path, source })?;
        Ok(Writer {
            mode,
            room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            dropped,
            lines: Some(lines),
            thread: Some(thread),
        })
    }

    /// Whether requests wait.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Events that are lost since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes a line; waits for that where the mode says so, but never for long.
    pub async fn write(&self, line: Vec<u8>) -> Written {
        if self.mode == Mode::Batch {
            return self.queue(line);
        }
        let (told, outcome) = oneshot::channel();
        let waited = tokio::time::timeout(WRITE_TIME_MAX, async {
            let room = Arc::clone(&self.room);
            let place = room.acquire_many_owned(cost(&line)).await;
            if !self.send(line, Some(told), place.ok()) {
                return None;
            }
            Some(outcome.await)
        });
        match waited.await {
            Ok(Some(Ok(true))) => Written::Yes,
            // Counted by who could not write it.
            Ok(_) => Written::No,
            Err(_) => Written::Unknown,
        }
    }

    /// Writes a line once there is time.
    pub fn queue(&self, line: Vec<u8>) -> Written {
        let place = Arc::clone(&self.room).try_acquire_many_owned(cost(&line));
        match self.send(line, None, place.ok()) {
            true => Written::Unknown,
            false => Written::No,
        }
    }

    fn send(
        &self,
        bytes: Vec<u8>,
        told: Option<oneshot::Sender<bool>>,
        place: Option<OwnedSemaphorePermit>,
    ) -> bool {
        let sent = match (&self.lines, place) {
            (Some(lines), Some(place)) => {
                let line = Line {
                    bytes,
                    told,
                    _place: place,
                };
                lines.send(line).is_ok()
            }
            _ => false,
        };
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }
}

/// What a line takes of the queue.
fn cost(line: &[u8]) -> u32 {
    let bytes = line.len().clamp(QUEUED_BYTES_MIN, QUEUE_BYTES_MAX);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the audit log has failed");
        }
    }
}

fn write_all(mut file: RotatedFile, queue: &Receiver<Line>, dropped: &AtomicU64) {
    let mut teller = Teller::default();
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        let mut bytes = std::mem::take(&mut batch[0].bytes);
        while bytes.len() < BATCH_BYTES_MAX
            && let Ok(mut next) = queue.try_recv()
        {
            bytes.append(&mut next.bytes);
            batch.push(next);
        }
        let written = file.append(&bytes);
        let is_written = written.is_ok();
        if !is_written {
            dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        for told in batch.into_iter().filter_map(|line| line.told) {
            // Whoever has gone needs not be told.
            let _ = told.send(is_written);
        }
        teller.tell(&file, dropped.load(Ordering::Relaxed), written.err());
    }
}

/// Tells of what was lost, now and then.
#[derive(Default)]
struct Teller {
    told: u64,
    last: Option<Instant>,
}

impl Teller {
    fn tell(&mut self, file: &RotatedFile, dropped: u64, error: Option<std::io::Error>) {
        let is_early = self.last.is_some_and(|last| last.elapsed() < TELL_INTERVAL);
        if dropped == self.told || is_early {
            return;
        }
        let why = error.map_or_else(
            || "more came than could be written".to_owned(),
            |error| error.to_string(),
        );
        tracing::error!(
            path = %file.path().display(),
            dropped = dropped - self.told,
            dropped_total = dropped,
            why,
            "audit events are lost"
        );
        (self.told, self.last) = (dropped, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(path: std::path::PathBuf) -> FileOptions {
        FileOptions {
            path,
            bytes_max: 1 << 30,
            age_max: None,
            backups_max: None,
        }
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn a_line_that_was_waited_for_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/audit.log");
        let writer = Writer::start(options(path.clone()), Mode::Blocking).unwrap();
        for n in 0..10 {
            let line = format!("{n}\n").into_bytes();
            assert_eq!(wait(writer.write(line)), Written::Yes);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.ends_with(&format!("{n}\n")), "{text}");
        }
        assert_eq!(writer.dropped(), 0);
    }

    #[test]
    fn what_waits_is_written_before_the_writer_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let writer = Writer::start(options(path.clone()), Mode::Batch).unwrap();
        for _ in 0..1000 {
            assert_eq!(wait(writer.write(b"line\n".to_vec())), Written::Unknown);
        }
        drop(writer);
        assert_eq!(std::fs::read(&path).unwrap().len(), 5000);
    }

    #[test]
    fn a_full_disk_loses_events_counts_them_and_stops_nothing() {
        let writer = Writer::start(options("/dev/full".into()), Mode::Blocking).unwrap();
        assert_eq!(wait(writer.write(b"a\n".to_vec())), Written::No);
        assert_eq!(wait(writer.write(b"b\n".to_vec())), Written::No);
        assert_eq!(writer.dropped(), 2);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_in_events() {
        // A queue whose other end is held, as by a disk that does not answer.
        let queued = |bytes: usize| {
            let (lines, held) = channel();
            let writer = Writer {
                mode: Mode::Batch,
                room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
                dropped: Arc::default(),
                lines: Some(lines),
                thread: None,
            };
            let mut queued = 0;
            while wait(writer.write(vec![b'x'; bytes])) == Written::Unknown {
                queued += 1;
            }
            assert_eq!(writer.dropped(), 1);
            drop(held);
            queued
        };
        assert_eq!(queued(16), QUEUE_BYTES_MAX / QUEUED_BYTES_MIN);
        assert_eq!(queued(512 << 10), QUEUE_BYTES_MAX / (512 << 10));
    }
}
