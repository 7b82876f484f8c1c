//! What unary calls accept, and what they answer to what they do not.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::Frame;
use skerry_proto::etcdserverpb as pb;

use super::*;
use crate::limits::RECEIVING_BYTES_MAX;

/// A request body that arrives in the given pieces.
struct Pieces(VecDeque<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

fn receive_pieces(pieces: &[&[u8]], encoding: Option<&str>) -> Result<pb::PutRequest, Status> {
    let pieces = pieces
        .iter()
        .map(|piece| Bytes::copy_from_slice(piece))
        .collect();
    let mut headers = HeaderMap::new();
    if let Some(encoding) = encoding {
        headers.insert("grpc-encoding", HeaderValue::from_str(encoding).unwrap());
    }
    let received = runtime().block_on(receive(&headers, Pieces(pieces), &Room::default()));
    received.map(|received| received.message)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

fn put() -> pb::PutRequest {
    pb::PutRequest {
        key: Bytes::from_static(b"key"),
        value: Bytes::from_static(b"value"),
        ..Default::default()
    }
}

#[test]
fn a_message_is_read_whole_however_it_is_cut() {
    let whole = frame(&put());
    for cut in 0..=whole.len() {
        let (left, right) = whole.split_at(cut);
        assert_eq!(
            receive_pieces(&[left, right], None).unwrap(),
            put(),
            "cut at {cut}"
        );
    }
    let bytes: Vec<&[u8]> = whole.chunks(1).collect();
    assert_eq!(receive_pieces(&bytes, None).unwrap(), put());
}

#[test]
fn a_message_that_ends_early_is_refused() {
    let whole = frame(&put());
    for end in 0..whole.len() {
        let status = receive_pieces(&[&whole[..end]], None).unwrap_err();
        assert_eq!(status.code(), Code::Internal, "cut at {end}");
    }
}

#[test]
fn two_messages_in_a_unary_call_are_refused() {
    let whole = frame(&put());
    let twice = [whole.clone(), whole.clone()].concat();
    assert_eq!(
        receive_pieces(&[&twice], None).unwrap_err().code(),
        Code::Internal
    );
    assert_eq!(
        receive_pieces(&[&whole, &whole], None).unwrap_err().code(),
        Code::Internal
    );
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_is_read() {
    let mut head = vec![0];
    head.extend_from_slice(&u32::try_from(MESSAGE_BYTES_MAX + 1).unwrap().to_be_bytes());
    let status = receive_pieces(&[&head], None).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(
        status.message(),
        format!(
            "grpc: received message larger than max ({} vs. {MESSAGE_BYTES_MAX})",
            MESSAGE_BYTES_MAX + 1
        )
    );
}

#[test]
fn a_compressed_message_is_refused_with_the_reason() {
    let mut whole = frame(&put()).to_vec();
    whole[0] = 1;
    assert_eq!(
        receive_pieces(&[&whole], None).unwrap_err().code(),
        Code::Internal
    );
    let status = receive_pieces(&[&whole], Some("snappy")).unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(
        status.message(),
        "grpc: Decompressor is not installed for grpc-encoding \"snappy\""
    );
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let status = receive_pieces(&[&[0, 0, 0, 0, 2, 0xff, 0xff]], None).unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(
        status
            .message()
            .starts_with("grpc: error unmarshalling request: ")
    );
}

#[test]
fn an_unknown_method_is_named() {
    let cases = [
        (
            "/etcdserverpb.KV/Nope",
            true,
            "unknown method Nope for service etcdserverpb.KV",
        ),
        (
            "/nobody.Service/Nope",
            false,
            "unknown service nobody.Service",
        ),
    ];
    for (path, known, text) in cases {
        let status = unimplemented(path, known);
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unimplemented, text)
        );
    }
}

#[test]
fn only_a_message_that_is_still_on_its_way_takes_room_and_keeps_it_until_it_is_answered() {
    let room = Room::default();
    let request = pb::PutRequest {
        value: vec![b'v'; 100_000].into(),
        ..put()
    };
    let whole = frame(&request);
    let receive_cut = |cut: usize| {
        let pieces = [whole.slice(..cut), whole.slice(cut..)].into();
        let headers = HeaderMap::new();
        let received = receive::<pb::PutRequest, _>(&headers, Pieces(pieces), &room);
        runtime().block_on(received).unwrap()
    };
    let at_once = receive_cut(whole.len());
    assert_eq!(room.free_bytes(), RECEIVING_BYTES_MAX);
    let in_pieces = receive_cut(16_384);
    assert_eq!(at_once.message, in_pieces.message);
    assert!(room.free_bytes() <= RECEIVING_BYTES_MAX - 100_000);
    drop(in_pieces);
    assert_eq!(room.free_bytes(), RECEIVING_BYTES_MAX);
}
