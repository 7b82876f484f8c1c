//! Streaming answers: messages as they become ready, several to a frame of HTTP/2.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http_body::{Body as HttpBody, Frame};
use prost::Message;
use tonic::Status;

use super::{put_frame, trailers};

/// Bytes of answers after which they are handed to HTTP/2.
const YIELD_BYTES: usize = 32 * 1024;

/// Called with the status that a stream ended with, or `None` where the client went away.
type OnEnd = Box<dyn FnOnce(Option<&Status>) + Send>;

/// The body of a streaming answer.
pub(crate) struct Answers<S> {
    messages: Pin<Box<S>>,
    /// Completes when the server ends the stream.
    ends: Pin<Box<dyn Future<Output = Status> + Send>>,
    /// With what the stream ends, once everything before it is sent.
    ending: Option<Status>,
    on_end: Option<OnEnd>,
}

impl<S, M> Answers<S>
where
    S: Stream<Item = Result<M, Status>> + Send,
    M: Message,
{
    pub(crate) fn new(
        messages: S,
        ends: impl Future<Output = Status> + Send + 'static,
        on_end: impl FnOnce(Option<&Status>) + Send + 'static,
    ) -> Answers<S> {
        Answers {
            messages: Box::pin(messages),
            ends: Box::pin(ends),
            ending: None,
            on_end: Some(Box::new(on_end)),
        }
    }

    fn gather(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) {
        if let Poll::Ready(status) = self.ends.as_mut().poll(cx) {
            self.ending = Some(status);
            return;
        }
        while out.len() < YIELD_BYTES {
            match self.messages.as_mut().poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(message))) => put_frame(out, &message),
                Poll::Ready(Some(Err(status))) => {
                    self.ending = Some(status);
                    return;
                }
                Poll::Ready(None) => {
                    self.ending = Some(Status::ok(""));
                    return;
                }
            }
        }
    }
}

impl<S, M> HttpBody for Answers<S>
where
    S: Stream<Item = Result<M, Status>> + Send,
    M: Message,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.on_end.is_none() {
            return Poll::Ready(None);
        }
        let mut out = BytesMut::new();
        if this.ending.is_none() {
            this.gather(cx, &mut out);
        }
        if !out.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
        }
        let Some(status) = this.ending.take() else {
            return Poll::Pending;
        };
        if let Some(on_end) = this.on_end.take() {
            on_end(Some(&status));
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))))
    }
}

impl<S> Drop for Answers<S> {
    fn drop(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end(None);
        }
    }
}
