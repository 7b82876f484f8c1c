//! A request's body, as JSON came in and as gRPC frames go on.
//!
//! Knows nothing about what the messages mean. Invariant: no more of a body is read ahead than
//! one JSON value, and none is longer than [`VALUE_BYTES_MAX`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tonic::Status;

use super::budget::Held;
use super::limits::VALUE_BYTES_MAX;
use super::schema::{MessageIndex, Schema};
use super::split::Splitter;
use super::to_proto;
use crate::errors;

/// Frames for a method that is called inside of this process.
pub(crate) type Frames = Pin<Box<dyn HttpBody<Data = Bytes, Error = Status> + Send>>;

/// Reads a whole body that holds one message, as unary methods want it.
pub(super) async fn single<B>(
    schema: &Schema,
    input: MessageIndex,
    body: B,
    time_max: Duration,
) -> Result<Frames, Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut held = Held::default();
    let read = tokio::time::timeout(time_max, read_whole(body, &mut held)).await;
    let read = read.map_err(|_| Status::cancelled("the body took too long"))??;
    let message = message(schema, input, &read)?;
    Ok(Box::pin(
        http_body_util::Full::new(frame(&message)).map_err(|never| match never {}),
    ))
}

async fn read_whole<B>(mut body: B, held: &mut Held) -> Result<BytesMut, Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::invalid_argument(error.to_string()))?;
        if let Ok(piece) = frame.into_data() {
            if read.len() + piece.len() > VALUE_BYTES_MAX {
                return Err(errors::REQUEST_TOO_LARGE.into());
            }
            held.add(piece.len())?;
            read.extend_from_slice(&piece);
        }
    }
    Ok(read)
}

/// A body that holds messages one after the other and may stay open, as streaming methods want
/// it. Waits for the first, so that one that does not decode is refused; later, a body that breaks
/// off or does not decode ends the client's side of the stream.
pub(super) async fn many<B>(
    schema: Arc<Schema>,
    input: MessageIndex,
    body: B,
) -> Result<Frames, Status>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
{
    let mut values = Values {
        body,
        splitter: Splitter::default(),
        held: Held::default(),
        ended: false,
    };
    let first = match std::future::poll_fn(|cx| values.poll_next(cx)).await {
        Some(value) => Some(frame(&message(&schema, input, &value?)?)),
        None => None,
    };
    Ok(Box::pin(Many {
        schema,
        input,
        first,
        values,
    }))
}

fn message(schema: &Schema, input: MessageIndex, json: &[u8]) -> Result<Vec<u8>, Status> {
    to_proto::encode(schema, input, json)
        .map_err(|error| Status::invalid_argument(format!("proto: {error}")))
}

/// A gRPC frame that is not compressed.
fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    // Bounded by the limit on the JSON it was made of.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// The JSON values of a body.
struct Values<B> {
    body: B,
    splitter: Splitter,
    held: Held,
    ended: bool,
}

impl<B: HttpBody<Data = Bytes> + Unpin> Values<B> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            match self.splitter.next(VALUE_BYTES_MAX) {
                Ok(Some(value)) => {
                    self.held.keep(self.splitter.pending_bytes());
                    return Poll::Ready(Some(Ok(value)));
                }
                Ok(None) if self.ended => {
                    // An unfinished value: whoever decodes it says so.
                    return Poll::Ready(self.splitter.rest().map(Ok));
                }
                Ok(None) => {}
                Err(error) => {
                    return Poll::Ready(Some(Err(Status::invalid_argument(error.to_string()))));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        if let Err(status) = self.held.add(piece.len()) {
                            return Poll::Ready(Some(Err(status)));
                        }
                        self.splitter.push(&piece);
                    }
                }
                Some(Err(_)) | None => self.ended = true,
            }
        }
    }
}

struct Many<B> {
    schema: Arc<Schema>,
    input: MessageIndex,
    /// The frame of the first value, until it is asked for.
    first: Option<Bytes>,
    values: Values<B>,
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Many<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(value) = ready!(this.values.poll_next(cx)) else {
            return Poll::Ready(None);
        };
        match value.and_then(|value| message(&this.schema, this.input, &value)) {
            Ok(message) => Poll::Ready(Some(Ok(Frame::data(frame(&message))))),
            Err(status) => {
                tracing::debug!(%status, "a stream of the gateway ends at a value it cannot read");
                this.values.ended = true;
                this.values.splitter = Splitter::default();
                Poll::Ready(None)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
