//! Counts what redb does to its storage: length, bytes written, syncs.
//!
//! Passes everything through. Invariant: the length is the storage's own, so that asking for it
//! costs no system call.

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{BackendError, StorageBackend};
use skerry_metrics::wear::STATE;

/// What has been counted since the storage was opened.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    len: AtomicU64,
    written: AtomicU64,
    syncs: AtomicU64,
}

impl Gauge {
    /// Length of the storage in bytes.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    /// Bytes written since the storage was opened.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Syncs since the storage was opened.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

/// A storage that is counted.
#[derive(Debug)]
pub(crate) struct Gauged<B> {
    inner: B,
    gauge: Arc<Gauge>,
}

impl<B: StorageBackend> Gauged<B> {
    pub(crate) fn new(inner: B) -> (Gauged<B>, Arc<Gauge>) {
        let gauge = Arc::new(Gauge::default());
        let shared = Arc::clone(&gauge);
        (Gauged { inner, gauge }, shared)
    }
}

impl<B: StorageBackend> StorageBackend for Gauged<B> {
    fn len(&self) -> io::Result<u64> {
        let len = self.inner.len()?;
        self.gauge.len.store(len, Ordering::Relaxed);
        Ok(len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)?;
        self.gauge.len.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gauge.syncs.fetch_add(1, Ordering::Relaxed);
        STATE.synced();
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let written = data.len() as u64;
        self.gauge.written.fetch_add(written, Ordering::Relaxed);
        STATE.wrote(data.len());
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
