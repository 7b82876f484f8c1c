//! The answer to a range that is too large to be held twice.
//!
//! A unary answer is one message whose length goes ahead of it, so the keys have to be there
//! before the first byte; but they are encoded piece by piece, as the client takes them, and given
//! up as soon as they are.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use prost::Message;
use prost::encoding::message;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::mvccpb;
use tonic::Status;

use super::{FRAME_HEADER_BYTES, ok_trailers, wire_length};
use crate::limits::ANSWER_PIECE_BYTES;

/// `RangeResponse.kvs`.
const KVS_TAG: u32 = 2;

/// Tag and length in front of a key.
const KV_HEAD_BYTES_MAX: usize = 1 + 5;

/// The body of a large answer; `slot` is held until all of it is sent.
pub(crate) struct RangeAnswer<S> {
    /// What is encoded and not yet sent: at first, what goes before the keys.
    ready: BytesMut,
    kvs: vec::IntoIter<mvccpb::KeyValue>,
    /// What goes behind the keys.
    tail: Option<pb::RangeResponse>,
    trailers_sent: bool,
    _slot: S,
}

impl<S> RangeAnswer<S> {
    pub(crate) fn new(response: pb::RangeResponse, slot: S) -> RangeAnswer<S> {
        let length = wire_length(&response);
        let pb::RangeResponse {
            header,
            kvs,
            more,
            count,
        } = response;
        let head = pb::RangeResponse {
            header,
            ..Default::default()
        };
        let mut ready = BytesMut::with_capacity(FRAME_HEADER_BYTES + head.encoded_len());
        ready.put_u8(0);
        ready.put_u32(length);
        head.encode_raw(&mut ready);
        let tail = pb::RangeResponse {
            more,
            count,
            ..Default::default()
        };
        RangeAnswer {
            ready,
            kvs: kvs.into_iter(),
            tail: Some(tail),
            trailers_sent: false,
            _slot: slot,
        }
    }

    /// Encodes the next piece, into a buffer that need not grow.
    fn fill(&mut self) {
        self.ready.reserve(ANSWER_PIECE_BYTES);
        while let Some(kv) = self.kvs.as_slice().first() {
            let length = KV_HEAD_BYTES_MAX + kv.encoded_len();
            if !self.ready.is_empty() && self.ready.len() + length > ANSWER_PIECE_BYTES {
                return;
            }
            message::encode(KVS_TAG, kv, &mut self.ready);
            self.kvs.next();
        }
        if let Some(tail) = self.tail.take() {
            tail.encode_raw(&mut self.ready);
        }
    }
}

impl<S: Unpin> HttpBody for RangeAnswer<S> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        this.fill();
        if !this.ready.is_empty() {
            let piece = std::mem::take(&mut this.ready).freeze();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if std::mem::replace(&mut this.trailers_sent, true) {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::trailers(ok_trailers()))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn the_pieces_of_a_large_answer_are_the_message() {
        let kv = |number: usize| mvccpb::KeyValue {
            key: format!("key-{number}").into(),
            value: vec![b'v'; number * 37].into(),
            ..Default::default()
        };
        let response = pb::RangeResponse {
            header: Some(pb::ResponseHeader {
                revision: 7,
                ..Default::default()
            }),
            kvs: (0..200).map(kv).collect(),
            more: true,
            count: 1234,
        };
        let expected = super::super::frame(&response);
        assert!(expected.len() > 4 * ANSWER_PIECE_BYTES);
        let mut answer = RangeAnswer::new(response, ());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (mut sent, mut trailers) = (BytesMut::new(), None);
        while let Some(frame) = runtime.block_on(answer.frame()) {
            match frame.unwrap().into_data() {
                Ok(piece) => sent.extend_from_slice(&piece),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        assert_eq!(sent, expected);
        assert_eq!(trailers.unwrap()["grpc-status"], "0");
    }
}
