//! Where a call's messages come from: the network, or the JSON gateway in this process.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;

use crate::gateway::Frames;

/// The body of a call.
pub(crate) enum RequestBody {
    /// As HTTP/2 reads it.
    Network(Incoming),
    /// As the gateway writes it.
    Process(Frames),
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut *self {
            RequestBody::Network(body) => Pin::new(body).poll_frame(cx).map(|frame| {
                frame.map(|read| read.map_err(|error| Status::cancelled(error.to_string())))
            }),
            RequestBody::Process(frames) => frames.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Network(body) => body.is_end_stream(),
            RequestBody::Process(frames) => frames.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Network(body) => body.size_hint(),
            RequestBody::Process(frames) => frames.size_hint(),
        }
    }
}
