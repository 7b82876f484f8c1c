//! Gathers what one turn of a connection writes, and sends it at the turn's end.
//!
//! HTTP/2 writes and flushes frame by frame; each would be a TLS record and a system call of its
//! own. Knows nothing about what is written. Invariant: whoever polls a connection over a
//! [`Gathered`] stream polls its [`Sending`] right after, so that nothing waits for another turn.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::{GATHERED_BYTES_KEPT, GATHERED_BYTES_MAX};

/// The stream that the connection speaks through.
pub(crate) struct Gathered<S>(Arc<Mutex<Held<S>>>);

/// What sends the bytes that were gathered.
pub(crate) struct Sending<S>(Arc<Mutex<Held<S>>>);

struct Held<S> {
    stream: S,
    gathered: Vec<u8>,
    /// How many of them the stream has taken.
    taken: usize,
    /// The stream has taken bytes and may not have sent them.
    unsent: bool,
    /// No turns end any more: what is flushed is sent at once.
    direct: bool,
}

/// Makes a stream one that gathers.
pub(crate) fn gather<S>(stream: S) -> (Gathered<S>, Sending<S>) {
    let held = Arc::new(Mutex::new(Held {
        stream,
        gathered: Vec::new(),
        taken: 0,
        unsent: false,
        direct: false,
    }));
    (Gathered(Arc::clone(&held)), Sending(held))
}

fn lock<S>(held: &Mutex<Held<S>>) -> MutexGuard<'_, Held<S>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncWrite + Unpin> Sending<S> {
    /// Sends what the stream takes now; of the rest the task hears when it takes more. What goes
    /// wrong is told by the next write.
    pub(crate) fn send(&self, cx: &mut Context<'_>) {
        let _ = lock(&self.0).poll_send(cx);
    }
}

/// Another protocol may go on with the stream (an upgrade): nobody ends turns then.
impl<S> Drop for Sending<S> {
    fn drop(&mut self) {
        lock(&self.0).direct = true;
    }
}

impl<S: AsyncWrite + Unpin> Held<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.taken < self.gathered.len() {
            let rest = &self.gathered[self.taken..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.taken += count,
            }
            self.unsent = true;
        }
        self.taken = 0;
        self.gathered.clear();
        // Idle connections are many and hold nothing.
        self.gathered.shrink_to(GATHERED_BYTES_KEPT);
        if self.unsent {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unsent = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.gathered.len() >= GATHERED_BYTES_MAX {
            ready!(self.poll_send(cx))?;
        }
        Poll::Ready(Ok(GATHERED_BYTES_MAX - self.gathered.len()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(from)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut held = lock(&self.0);
        let room = ready!(held.poll_room(cx))?;
        let mut left = room;
        for slice in from {
            let count = slice.len().min(left);
            held.gathered.extend_from_slice(&slice[..count]);
            left -= count;
        }
        Poll::Ready(Ok(room - left))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Done at once while there are turns: their end sends it.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = lock(&self.0);
        match held.direct {
            true => held.poll_send(cx),
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = lock(&self.0);
        ready!(held.poll_send(cx))?;
        Pin::new(&mut held.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn many_small_writes_arrive_whole_and_in_order_however_slowly_they_are_read() {
        let (ours, mut theirs) = tokio::io::duplex(100);
        let (mut gathered, sending) = gather(ours);
        let all: Vec<u8> = (0..GATHERED_BYTES_MAX * 3).map(|n| n as u8).collect();
        let expected = all.clone();
        let writer = async move {
            let mut writing = std::pin::pin!(async {
                for part in all.chunks(1_000) {
                    gathered.write_all(part).await?;
                    gathered.flush().await?;
                }
                gathered.shutdown().await
            });
            poll_fn(|cx| {
                let done = writing.as_mut().poll(cx);
                sending.send(cx);
                done
            })
            .await
        };
        let mut read = Vec::new();
        let (written, count) = tokio::join!(writer, theirs.read_to_end(&mut read));
        written.unwrap();
        assert_eq!((count.unwrap(), read), (expected.len(), expected));
    }

    #[tokio::test]
    async fn what_goes_on_after_the_last_turn_is_sent_when_it_is_flushed() {
        let (ours, mut theirs) = tokio::io::duplex(100);
        let (mut gathered, sending) = gather(ours);
        gathered.write_all(b"one").await.unwrap();
        drop(sending);
        gathered.write_all(b"two").await.unwrap();
        gathered.flush().await.unwrap();
        let mut read = [0; 6];
        theirs.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"onetwo");
    }

    #[tokio::test]
    async fn what_was_flushed_is_sent_at_the_end_of_the_turn() {
        let (ours, mut theirs) = tokio::io::duplex(100);
        let (mut gathered, sending) = gather(ours);
        gathered.write_all(b"one").await.unwrap();
        gathered.write_all(b"two").await.unwrap();
        gathered.flush().await.unwrap();
        let turn = |cx: &mut Context<'_>| {
            sending.send(cx);
            Poll::Ready(())
        };
        poll_fn(turn).await;
        let mut read = [0; 6];
        theirs.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"onetwo");
    }
}
