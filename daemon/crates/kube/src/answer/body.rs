//! The body of every answer, as one type.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::error::ApiError;
use crate::metrics::Measured;
use crate::proxy::Place;

/// Bytes as they come.
pub(crate) type Parts = Pin<Box<dyn Stream<Item = Result<Bytes, ApiError>> + Send>>;

/// What an answer carries.
#[derive(Default)]
pub enum Body {
    /// Nothing more to send.
    #[default]
    Empty,
    /// All of it.
    Full(Bytes),
    /// What is made while it is sent.
    Parts(Streamed),
    /// What another server sends, and its place in a connection that others use too.
    Passed(Incoming, Option<Place>),
    /// What is counted once it was sent.
    Measured(Box<Measured>),
}

/// See [`Body::Parts`].
pub struct Streamed(pub(crate) Parts);

impl Body {
    pub(crate) fn parts(
        parts: impl Stream<Item = Result<Bytes, ApiError>> + Send + 'static,
    ) -> Body {
        Body::Parts(Streamed(Box::pin(parts)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = ApiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        match &mut *self {
            Body::Empty => Poll::Ready(None),
            Body::Full(content) => {
                let content = std::mem::take(content);
                *self = Body::Empty;
                Poll::Ready(Some(Ok(Frame::data(content))))
            }
            Body::Parts(Streamed(parts)) => parts
                .as_mut()
                .poll_next(cx)
                .map(|next| next.map(|part| part.map(Frame::data))),
            Body::Passed(body, _) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(ApiError::internal))),
            Body::Measured(measured) => measured.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Full(_) | Body::Parts(_) => false,
            Body::Passed(body, _) => body.is_end_stream(),
            Body::Measured(measured) => measured.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(content) => SizeHint::with_exact(content.len() as u64),
            Body::Parts(_) => SizeHint::default(),
            Body::Passed(body, _) => body.size_hint(),
            Body::Measured(measured) => measured.size_hint(),
        }
    }
}
