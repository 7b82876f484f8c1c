//! The bodies of all answers, gRPC's and HTTP's, as one type.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// A stream of frames of its own.
type Stream = Pin<Box<dyn HttpBody<Data = Bytes, Error = tonic::Status> + Send>>;

/// What an answer carries.
#[derive(Default)]
pub(crate) enum Body {
    /// Nothing more to send.
    #[default]
    Empty,
    /// One gRPC message, then the trailers of success.
    Unary(Bytes),
    /// Only the trailers of success are left.
    Trailers,
    /// The whole body of an HTTP answer.
    Full(Bytes),
    /// A streaming call.
    Stream(Stream),
}

impl Body {
    pub(crate) fn unary(frame: Bytes) -> Body {
        Body::Unary(frame)
    }

    pub(crate) fn full(content: impl Into<Bytes>) -> Body {
        Body::Full(content.into())
    }

    pub(crate) fn stream<B>(body: B) -> Body
    where
        B: HttpBody<Data = Bytes, Error = tonic::Status> + Send + 'static,
    {
        Body::Stream(Box::pin(body))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        match &mut *self {
            Body::Empty => Poll::Ready(None),
            Body::Unary(frame) => {
                let frame = std::mem::take(frame);
                *self = Body::Trailers;
                Poll::Ready(Some(Ok(Frame::data(frame))))
            }
            Body::Trailers => {
                *self = Body::Empty;
                Poll::Ready(Some(Ok(Frame::trailers(super::ok_trailers()))))
            }
            Body::Full(content) => {
                let content = std::mem::take(content);
                *self = Body::Empty;
                Poll::Ready((!content.is_empty()).then(|| Ok(Frame::data(content))))
            }
            Body::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Full(content) => content.is_empty(),
            Body::Unary(_) | Body::Trailers => false,
            Body::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(content) => SizeHint::with_exact(content.len() as u64),
            // gRPC answers carry no content-length: trailers follow.
            Body::Unary(_) | Body::Trailers => SizeHint::default(),
            Body::Stream(stream) => stream.size_hint(),
        }
    }
}
