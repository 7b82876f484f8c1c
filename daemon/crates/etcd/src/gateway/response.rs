//! A method's answer, as gRPC frames came out and as JSON goes on.
//!
//! Knows nothing about what the messages mean. Invariant: of a stream, no more than one message
//! is held; of one answer no more than [`ANSWER_BYTES_MAX`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use tonic::Status;

use super::budget::{self, LongAnswer};
use super::limits::{ANSWER_BYTES_MAX, INLINE_BYTES_MAX};
use super::refusal::{self, JSON};
use super::schema::{MessageIndex, Schema};
use super::to_json::{self, Malformed};
use crate::grpc::Body;

const METADATA_CONTENT_TYPE: HeaderName = HeaderName::from_static("grpc-metadata-content-type");

/// The answer to a unary call.
pub(super) async fn single(
    schema: Arc<Schema>,
    output: MessageIndex,
    response: Response<Body>,
) -> Response<Body> {
    let message = match receive(response).await {
        Ok(message) => message,
        Err(status) => return refusal::answer(&status),
    };
    let length = message.len();
    let convert = move || -> Result<Bytes, Malformed> {
        let mut json = Vec::with_capacity(message.len() + message.len() / 2);
        to_json::write(&schema, output, &message, &mut json)?;
        Ok(json.into())
    };
    let outcome = if length <= INLINE_BYTES_MAX {
        convert().map(Body::full)
    } else {
        let room = budget::room_for_answer(length).await;
        match tokio::task::spawn_blocking(convert).await {
            Ok(json) => json.map(|json| Body::stream(LongAnswer { json, room })),
            Err(_) => return refusal::answer(&crate::errors::STOPPED.into()),
        }
    };
    match outcome {
        Ok(body) => begin(body),
        Err(error) => refusal::answer(&Status::internal(error.to_string())),
    }
}

/// The answer to a call that streams: a line of JSON for every message. Waits for the first, as a
/// call that fails before it is answered with the HTTP status of its code.
pub(super) async fn many(
    schema: Arc<Schema>,
    output: MessageIndex,
    response: Response<Body>,
) -> Response<Body> {
    if let Some(status) = refused(response.headers()) {
        return refusal::stream_answer(&status);
    }
    let mut lines = Lines {
        schema,
        output,
        body: response.into_body(),
        pending: BytesMut::new(),
        ended: false,
    };
    match std::future::poll_fn(|cx| lines.poll_line(cx)).await {
        Some(Ok(first)) => {
            let first = futures_util::stream::iter([Ok(Frame::data(first))]);
            begin(Body::stream(StreamBody::new(
                first.chain(BodyStream::new(lines)),
            )))
        }
        Some(Err(status)) => refusal::stream_answer(&status),
        None => begin(Body::Empty),
    }
}

fn begin(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(
        METADATA_CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    response
}

/// The status in headers or trailers, unless it is the one of success.
fn refused(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers).filter(|status| status.code() != tonic::Code::Ok)
}

/// Reads the one message of a unary answer.
async fn receive(response: Response<Body>) -> Result<Bytes, Status> {
    if let Some(status) = refused(response.headers()) {
        return Err(status);
    }
    let mut body = response.into_body();
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(piece) => {
                read.extend_from_slice(&piece);
                if read.len() > ANSWER_BYTES_MAX {
                    return Err(too_long(read.len()));
                }
            }
            Err(frame) => {
                if let Some(status) = frame.trailers_ref().and_then(refused) {
                    return Err(status);
                }
            }
        }
    }
    next_message(&mut read)?.ok_or_else(|| Status::internal("the method gave no answer"))
}

/// Takes a whole message off the front of what was read.
fn next_message(read: &mut BytesMut) -> Result<Option<Bytes>, Status> {
    const HEADER_BYTES: usize = 5;
    let Some((&[compressed, a, b, c, d], rest)) = read.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if compressed != 0 {
        return Err(Status::internal("the method gave a compressed answer"));
    }
    if length > ANSWER_BYTES_MAX {
        return Err(too_long(length));
    }
    if rest.len() < length {
        return Ok(None);
    }
    read.advance(HEADER_BYTES);
    Ok(Some(read.split_to(length).freeze()))
}

fn too_long(length: usize) -> Status {
    Status::resource_exhausted(format!(
        "grpc: received message larger than max ({length} vs. {ANSWER_BYTES_MAX})"
    ))
}

/// `{"result":...}` for every message, `{"error":...}` where the stream fails.
struct Lines {
    schema: Arc<Schema>,
    output: MessageIndex,
    body: Body,
    pending: BytesMut,
    ended: bool,
}

impl Lines {
    /// The next line, or why there are no more.
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        let line = ready!(self.poll_message(cx)).map(|message| self.line(&message?));
        self.ended = !matches!(line, Some(Ok(_)));
        Poll::Ready(line)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if let Some(message) = next_message(&mut self.pending).transpose() {
                return Poll::Ready(Some(message));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => self.pending.extend_from_slice(&piece),
                    Err(frame) => {
                        if let Some(status) = frame.trailers_ref().and_then(refused) {
                            return Poll::Ready(Some(Err(status)));
                        }
                    }
                },
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn line(&self, message: &[u8]) -> Result<Bytes, Status> {
        let mut json = b"{\"result\":".to_vec();
        to_json::write(&self.schema, self.output, message, &mut json)
            .map_err(|error| Status::internal(error.to_string()))?;
        json.extend_from_slice(b"}\n");
        Ok(json.into())
    }
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let line = ready!(self.poll_line(cx));
        // A failure is the last line of a body that goes well as far as HTTP can tell.
        let line =
            line.map(|line| line.unwrap_or_else(|status| refusal::stream_chunk(&status).into()));
        Poll::Ready(line.map(|line| Ok(Frame::data(line))))
    }
}
