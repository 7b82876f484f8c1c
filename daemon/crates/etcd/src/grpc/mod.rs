//! gRPC over HTTP/2, the server's side of unary calls: one frame in, one frame out.
//!
//! A unary call is the hot path of the whole server, so it is written out here: the message is
//! decoded from the very bytes that HTTP/2 read, the answer is encoded into one buffer of its
//! exact size, and nothing else is allocated on the way. Streams go through tonic's codecs.
//! Texts of protocol errors are grpc-go's, which is what etcd's clients are used to.

mod body;
mod range;
mod request_body;
mod room;
mod stream;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use prost::Message;
use tonic::{Code, Status};

pub(crate) use body::Body;
pub(crate) use range::RangeAnswer;
pub(crate) use request_body::RequestBody;
pub(crate) use room::{Room, Share};
pub(crate) use stream::Answers;

use crate::limits::{MESSAGE_BYTES_MAX, RECEIVE_TIME_MAX};

/// Said to a client that took too long to send its message.
const TOO_SLOW: &str = "grpc: the message did not arrive in time";

/// Compression flag and length in front of every message.
pub(crate) const FRAME_HEADER_BYTES: usize = 5;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: http::HeaderName = http::HeaderName::from_static("grpc-status");

/// Whether this request is gRPC's.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// A message as it was received.
pub(crate) struct Received<M> {
    pub(crate) message: M,
    /// Its length.
    pub(crate) bytes: usize,
    /// To be held until the message is answered.
    pub(crate) _share: Option<Share>,
}

/// Reads the one message of a unary call, or the only one that a client sends to a stream.
pub(crate) async fn receive<M, B>(
    headers: &HeaderMap,
    mut body: B,
    room: &Room,
) -> Result<Received<M>, Status>
where
    M: Message + Default,
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let (encoded, share) = read_frame(headers, &mut body, room).await?;
    let bytes = encoded.len();
    let message = M::decode(encoded)
        .map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))?;
    Ok(Received {
        message,
        bytes,
        _share: share,
    })
}

async fn read_frame<B>(
    headers: &HeaderMap,
    body: &mut B,
    room: &Room,
) -> Result<(Bytes, Option<Share>), Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut first = Bytes::new();
    while first.len() < FRAME_HEADER_BYTES {
        let Some(more) = next_data(body).await? else {
            return Err(if first.is_empty() {
                Status::internal("grpc: no message in a unary call")
            } else {
                unexpected_end()
            });
        };
        first = if first.is_empty() {
            more
        } else {
            [first, more].concat().into()
        };
    }

    let compressed = first.get_u8();
    let length = first.get_u32() as usize;
    if compressed != 0 {
        return Err(refuse_compressed(headers));
    }
    if length > MESSAGE_BYTES_MAX {
        return Err(Status::resource_exhausted(format!(
            "grpc: received message larger than max ({length} vs. {MESSAGE_BYTES_MAX})"
        )));
    }

    let (message, share) = if first.len() >= length {
        (first, None)
    } else {
        let share = room.take(length).await?;
        let rest = tokio::time::timeout(RECEIVE_TIME_MAX, read_rest(first, length, body));
        let whole = rest
            .await
            .map_err(|_| Status::deadline_exceeded(TOO_SLOW))??;
        (whole, Some(share))
    };
    if message.len() > length {
        return Err(Status::internal(
            "grpc: more than one message in a unary call",
        ));
    }
    // The client's side must be closed before the answer, or HTTP/2 would reset the stream.
    if !body.is_end_stream() && next_data(body).await?.is_some() {
        return Err(Status::internal(
            "grpc: more than one message in a unary call",
        ));
    }
    Ok((message, share))
}

async fn read_rest<B>(first: Bytes, length: usize, body: &mut B) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut whole = BytesMut::with_capacity(length);
    whole.put(first);
    while whole.len() < length {
        whole.put(next_data(body).await?.ok_or_else(unexpected_end)?);
    }
    Ok(whole.freeze())
}

/// The next data of the body that is not empty; trailers end it.
async fn next_data<B>(body: &mut B) -> Result<Option<Bytes>, Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::cancelled(error.to_string()))?;
        match frame.into_data() {
            Ok(bytes) if bytes.is_empty() => {}
            Ok(bytes) => return Ok(Some(bytes)),
            Err(_trailers) => return Ok(None),
        }
    }
    Ok(None)
}

fn unexpected_end() -> Status {
    Status::internal("unexpected EOF")
}

fn refuse_compressed(headers: &HeaderMap) -> Status {
    match headers
        .get("grpc-encoding")
        .and_then(|value| value.to_str().ok())
    {
        None | Some("" | "identity") => {
            Status::internal("grpc: compressed flag set with identity or empty encoding")
        }
        Some(encoding) => Status::unimplemented(format!(
            "grpc: Decompressor is not installed for grpc-encoding \"{encoding}\""
        )),
    }
}

/// The messages that a client streams.
pub(crate) fn requests<M>(body: RequestBody) -> tonic::Streaming<M>
where
    M: Message + Default + Send + 'static,
{
    let decoder = crate::codec::Prost::<M>::default();
    tonic::Streaming::new_request(decoder, body, None, Some(MESSAGE_BYTES_MAX))
}

/// Encodes the one message of an answer.
pub(crate) fn frame<M: Message>(message: &M) -> Bytes {
    let mut frame = BytesMut::new();
    put_frame(&mut frame, message);
    frame.freeze()
}

/// Adds a message to others.
fn put_frame<M: Message>(out: &mut BytesMut, message: &M) {
    let length = wire_length(message);
    out.reserve(FRAME_HEADER_BYTES + length as usize);
    out.put_u8(0);
    out.put_u32(length);
    message.encode_raw(out);
}

/// The length of a message as a frame says it.
fn wire_length<M: Message>(message: &M) -> u32 {
    let length = message.encoded_len();
    u32::try_from(length).expect("answers longer than ANSWER_BYTES_MAX are refused before")
}

/// The answer to a unary call.
pub(crate) fn respond(frame: Bytes) -> Response<Body> {
    begin(Body::unary(frame))
}

/// An answer that begins well and may still end otherwise.
pub(crate) fn begin(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

/// An answer that is nothing but a status.
pub(crate) fn refuse(status: Status) -> Response<Body> {
    status.into_http()
}

/// The trailers of a call that went well.
fn ok_trailers() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    trailers
}

/// The trailers of a stream that ends with this status.
pub(crate) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    if let Err(unfit) = status.add_header(&mut trailers) {
        // Its text is no header, even escaped: the code alone has to do.
        trailers.insert(GRPC_STATUS, HeaderValue::from(unfit.code() as i32));
    }
    trailers
}

/// A method that nobody serves; grpc-go's text.
pub(crate) fn unimplemented(path: &str, service_known: bool) -> Status {
    match path.trim_start_matches('/').rsplit_once('/') {
        Some((service, method)) if service_known => {
            Status::unimplemented(format!("unknown method {method} for service {service}"))
        }
        Some((service, _)) => Status::unimplemented(format!("unknown service {service}")),
        None => Status::new(
            Code::Unimplemented,
            format!("malformed method name: \"{path}\""),
        ),
    }
}

#[cfg(test)]
mod tests;
