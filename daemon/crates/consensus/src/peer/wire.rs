//! The sending half of one connection: a queue of frames and the task that writes them.
//!
//! Knows nothing about what the frames carry. Invariant: frames leave in the order they were put
//! in; a wire that was closed takes no more.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use crate::limits::LINK_QUEUE_BYTES_MAX;

/// Small frames are written together, up to so many bytes.
const WRITE_BYTES: usize = 64 << 10;

/// The queue of one connection.
#[derive(Default)]
pub(crate) struct Wire {
    frames: RefCell<VecDeque<Bytes>>,
    bytes: Cell<usize>,
    filled: Notify,
    drained: Notify,
    closed: Cell<bool>,
    closing: Notify,
}

impl Wire {
    /// Queues a frame; false if the connection is closed.
    pub(crate) fn send(&self, frame: Bytes) -> bool {
        if self.closed.get() {
            return false;
        }
        self.bytes.set(self.bytes.get() + frame.len());
        self.frames.borrow_mut().push_back(frame);
        self.filled.notify_one();
        true
    }

    /// Whether more should be queued now.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.get() < LINK_QUEUE_BYTES_MAX
    }

    /// Waits until there is room, or the connection is closed.
    pub(crate) async fn room(&self) {
        while !self.has_room() && !self.closed.get() {
            let drained = self.drained.notified();
            if self.has_room() || self.closed.get() {
                return;
            }
            drained.await;
        }
    }

    /// Ends the connection; what is queued is lost.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.closing.notify_waiters();
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Returns once the connection is closed.
    pub(crate) async fn closed(&self) {
        while !self.closed.get() {
            let closing = self.closing.notified();
            if self.closed.get() {
                return;
            }
            closing.await;
        }
    }

    /// Writes what is queued until the connection is closed or breaks.
    pub(crate) async fn write(&self, mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut small = BytesMut::new();
        loop {
            while let Some(frame) = self.pop() {
                if self.closed.get() {
                    return Ok(());
                }
                let len = frame.len();
                if len >= WRITE_BYTES {
                    stream.write_all(&frame).await?;
                } else {
                    small.extend_from_slice(&frame);
                    while let Some(next) = self.pop_if_below(WRITE_BYTES - small.len()) {
                        small.extend_from_slice(&next);
                    }
                    stream.write_all(&small).await?;
                }
                let written = if len >= WRITE_BYTES { len } else { small.len() };
                self.bytes.set(self.bytes.get().saturating_sub(written));
                small.clear();
                if self.has_room() {
                    self.drained.notify_waiters();
                }
            }
            stream.flush().await?;
            if self.closed.get() {
                return Ok(());
            }
            self.filled.notified().await;
        }
    }

    fn pop(&self) -> Option<Bytes> {
        self.frames.borrow_mut().pop_front()
    }

    fn pop_if_below(&self, room: usize) -> Option<Bytes> {
        let mut frames = self.frames.borrow_mut();
        if frames.front().is_some_and(|frame| frame.len() <= room) {
            return frames.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    fn on_one_thread(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test);
    }

    #[test]
    fn frames_of_all_sizes_leave_in_order() {
        on_one_thread(async {
            let wire = Rc::new(Wire::default());
            let mut expected = Vec::new();
            for (n, size) in [1, 10, WRITE_BYTES, 3, WRITE_BYTES - 1, 2, 2 * WRITE_BYTES]
                .iter()
                .enumerate()
            {
                let frame = Bytes::from(vec![n as u8; *size]);
                expected.extend_from_slice(&frame);
                assert!(wire.send(frame));
            }
            let (here, mut there) = tokio::io::duplex(1 << 20);
            let writer = Rc::clone(&wire);
            let task = tokio::task::spawn_local(async move { writer.write(here).await });
            let mut got = vec![0; expected.len()];
            tokio::io::AsyncReadExt::read_exact(&mut there, &mut got)
                .await
                .unwrap();
            assert_eq!(got, expected);
            wire.close();
            task.await.unwrap().unwrap();
            assert!(!wire.send(Bytes::new()));
        });
    }

    #[test]
    fn who_sends_more_than_the_queue_holds_waits_until_it_drains() {
        on_one_thread(async {
            let wire = Rc::new(Wire::default());
            wire.send(Bytes::from(vec![0; LINK_QUEUE_BYTES_MAX]));
            let room = wire.room();
            tokio::pin!(room);
            assert!(futures_util::poll!(&mut room).is_pending());
            let (here, mut there) = tokio::io::duplex(1 << 20);
            let writer = Rc::clone(&wire);
            tokio::task::spawn_local(async move { writer.write(here).await });
            let mut got = vec![0; LINK_QUEUE_BYTES_MAX];
            tokio::io::AsyncReadExt::read_exact(&mut there, &mut got)
                .await
                .unwrap();
            room.await;
        });
    }
}
