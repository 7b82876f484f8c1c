//! Answers of a watch stream, encoded into gRPC frames one after another in one buffer.
//!
//! Events are encoded from where they lie, without a message being built around them first.

use bytes::{BufMut, BytesMut};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use skerry_proto::etcdserverpb as pb;
use skerry_proto::mvccpb;

use crate::grpc::FRAME_HEADER_BYTES;

/// `WatchResponse.fragment` and `WatchResponse.events`.
const FRAGMENT_TAG: u32 = 7;
const EVENTS_TAG: u32 = 11;

/// An answer without events.
pub(super) fn control(out: &mut BytesMut, response: &pb::WatchResponse) {
    let frame = Frame::begin(out, response);
    frame.end(out, false);
}

/// Events of one watcher, in one answer, or in several where it wants fragments of at most
/// `fragment_bytes_max`.
pub(super) fn events<'a>(
    out: &mut BytesMut,
    head: &pb::WatchResponse,
    events: impl Iterator<Item = &'a mvccpb::Event>,
    fragment_bytes_max: Option<usize>,
) {
    let mut frame = Frame::begin(out, head);
    let mut held = 0;
    for event in events {
        let length = event.encoded_len();
        if let Some(bytes_max) = fragment_bytes_max
            && held > 0
            && frame.message_bytes(out) + length >= bytes_max
        {
            frame.end(out, true);
            frame = Frame::begin(out, head);
            held = 0;
        }
        encode_key(EVENTS_TAG, WireType::LengthDelimited, out);
        encode_varint(length as u64, out);
        out.reserve(length);
        event.encode_raw(out);
        held += 1;
    }
    frame.end(out, false);
}

/// A gRPC frame whose length is not known yet.
struct Frame {
    start: usize,
}

impl Frame {
    fn begin(out: &mut BytesMut, head: &pb::WatchResponse) -> Frame {
        let start = out.len();
        out.reserve(FRAME_HEADER_BYTES + head.encoded_len());
        out.put_bytes(0, FRAME_HEADER_BYTES);
        head.encode_raw(out);
        Frame { start }
    }

    fn message_bytes(&self, out: &BytesMut) -> usize {
        out.len() - self.start - FRAME_HEADER_BYTES
    }

    fn end(self, out: &mut BytesMut, more_follows: bool) {
        if more_follows {
            encode_key(FRAGMENT_TAG, WireType::Varint, out);
            encode_varint(1, out);
        }
        // A revision holds a few megabytes at most, and history is read in bounded pieces.
        let length = u32::try_from(self.message_bytes(out)).unwrap_or(u32::MAX);
        out[self.start + 1..self.start + FRAME_HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(mut out: &[u8]) -> Vec<pb::WatchResponse> {
        let mut responses = Vec::new();
        while !out.is_empty() {
            let (head, rest) = out.split_at(FRAME_HEADER_BYTES);
            let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
            assert_eq!(head[0], 0);
            responses.push(pb::WatchResponse::decode(&rest[..length]).unwrap());
            out = &rest[length..];
        }
        responses
    }

    fn head() -> pb::WatchResponse {
        pb::WatchResponse {
            header: Some(pb::ResponseHeader {
                revision: 9,
                ..Default::default()
            }),
            watch_id: 3,
            ..Default::default()
        }
    }

    fn put(value_bytes: usize) -> mvccpb::Event {
        let kv = mvccpb::KeyValue {
            key: "key".into(),
            value: vec![b'v'; value_bytes].into(),
            mod_revision: 9,
            ..Default::default()
        };
        mvccpb::Event {
            kv: Some(kv),
            ..Default::default()
        }
    }

    #[test]
    fn events_are_encoded_as_the_message_would_be() {
        let sent = vec![put(1), put(200), put(0)];
        let mut out = BytesMut::new();
        control(
            &mut out,
            &pb::WatchResponse {
                created: true,
                ..head()
            },
        );
        events(&mut out, &head(), sent.iter(), None);
        let whole = pb::WatchResponse {
            events: sent,
            ..head()
        };
        assert_eq!(
            decode(&out),
            [
                pb::WatchResponse {
                    created: true,
                    ..head()
                },
                whole.clone()
            ]
        );
        assert_eq!(
            &out[out.len() - whole.encoded_len()..],
            whole.encode_to_vec()
        );
    }

    #[test]
    fn fragments_stay_below_the_limit_and_only_the_last_says_that_it_is() {
        let sent = vec![put(400); 10];
        let mut out = BytesMut::new();
        events(&mut out, &head(), sent.iter(), Some(1000));
        let responses = decode(&out);
        assert_eq!(responses.len(), 5);
        assert!(
            responses
                .iter()
                .all(|response| response.encoded_len() < 1000 + 3)
        );
        let flags: Vec<_> = responses.iter().map(|response| response.fragment).collect();
        assert_eq!(flags, [true, true, true, true, false]);
        assert_eq!(
            responses
                .into_iter()
                .flat_map(|response| response.events)
                .collect::<Vec<_>>(),
            sent
        );
    }

    #[test]
    fn an_event_over_the_limit_travels_alone() {
        let sent = [put(10), put(5000), put(10)];
        let mut out = BytesMut::new();
        events(&mut out, &head(), sent.iter(), Some(1000));
        assert_eq!(decode(&out).len(), 3);
    }
}
