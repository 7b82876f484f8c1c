//! A request's body, as JSON came in and as gRPC frames go on.
//!
//! Knows nothing about what the messages mean. Invariant: no more of a body is read ahead than
//! one JSON value, and none is longer than [`VALUE_BYTES_MAX`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use tonic::Status;

use super::limits::VALUE_BYTES_MAX;
use super::schema::{MessageIndex, Schema};
use super::split::Splitter;
use super::to_proto;

/// Frames for a method that is called inside of this process.
pub(crate) type Frames = Pin<Box<dyn HttpBody<Data = Bytes, Error = Status> + Send>>;

/// Reads a whole body that holds one message, as unary methods want it.
pub(super) async fn single<B>(
    schema: &Schema,
    input: MessageIndex,
    body: B,
) -> Result<Frames, Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = Limited::new(body, VALUE_BYTES_MAX).collect().await;
    let body = body.map_err(|error| Status::invalid_argument(error.to_string()))?;
    let message = message(schema, input, &body.to_bytes())?;
    Ok(Box::pin(
        http_body_util::Full::new(frame(&message)).map_err(|never| match never {}),
    ))
}

/// A body that holds messages one after the other and may stay open, as streaming methods want
/// it. A body that breaks off, or does not decode, ends the client's side of the stream.
pub(super) fn many<B>(schema: Arc<Schema>, input: MessageIndex, body: B, first: Bytes) -> Frames
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
{
    let mut values = Values::new(body);
    values.splitter.push(&first);
    Box::pin(Many {
        schema,
        input,
        values,
    })
}

/// Reads on until the first JSON value is whole, so that one that does not decode is refused
/// instead of ignored. Gives back all bytes that were read.
pub(super) async fn first_value<B>(
    schema: &Schema,
    input: MessageIndex,
    body: B,
) -> Result<(Bytes, B), Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut read = BytesMut::new();
    let mut values = Values::new(body);
    let value = std::future::poll_fn(|cx| values.poll_next(cx, &mut |piece| read.put_slice(piece)));
    match value.await {
        Some(Ok(value)) => message(schema, input, &value).map(drop)?,
        Some(Err(status)) => return Err(status),
        None => {}
    }
    Ok((read.freeze(), values.body))
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
    ended: bool,
}

impl<B: HttpBody<Data = Bytes> + Unpin> Values<B> {
    fn new(body: B) -> Values<B> {
        Values {
            body,
            splitter: Splitter::default(),
            ended: false,
        }
    }

    /// The next value; `seen` is shown every piece that is read for it.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        seen: &mut impl FnMut(&[u8]),
    ) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            match self.splitter.next(VALUE_BYTES_MAX) {
                Ok(Some(value)) => return Poll::Ready(Some(Ok(value))),
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
                        seen(&piece);
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
        let Some(Ok(value)) = ready!(this.values.poll_next(cx, &mut |_| ())) else {
            this.values.ended = true;
            return Poll::Ready(None);
        };
        Poll::Ready(match message(&this.schema, this.input, &value) {
            Ok(message) => Some(Ok(Frame::data(frame(&message)))),
            Err(status) => {
                tracing::debug!(%status, "a stream of the gateway ends at a value it cannot read");
                this.values.ended = true;
                this.values.splitter = Splitter::default();
                None
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
