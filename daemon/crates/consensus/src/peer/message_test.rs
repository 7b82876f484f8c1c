//! Every message is read back as it was written, the bytes stay what they were in earlier
//! versions, and any other bytes are refused without harm.
//!
//! `corpus.txt` holds one message a line: its kind, a colon, and its body, in hexadecimal. A new kind of
//! message gets a line there; a changed line is a new version of the protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::*;
use openraft::entry::RaftEntry;

use crate::raft::types::{Data, Entry, Membership, Payload, StoredMembership};

const CORPUS: &str = include_str!("corpus.txt");
const SEED: u64 = 0x5eed_0001;
const ROUNDS: usize = 200_000;
/// The fuzzer stops here even on a slow machine; it is no assertion.
const TIME: Duration = Duration::from_secs(20);

fn id(term: u64, node_id: u64, index: u64) -> LogId {
    LogId::new(LeaderId { term, node_id }, index)
}

fn vote(committed: bool) -> Vote {
    Vote {
        leader_id: LeaderId {
            term: 5,
            node_id: 2,
        },
        committed,
    }
}

fn membership() -> Membership {
    let member = Member {
        name: "a".into(),
        peer_urls: vec!["https://a:2380".into()],
        client_urls: vec!["https://a:2379".into()],
    };
    let nodes = BTreeMap::from([(
        1,
        Peer {
            member,
            auto_promote: true,
        },
    )]);
    Membership::new(vec![BTreeSet::from([1])], nodes).unwrap()
}

fn samples() -> Vec<Request> {
    let entries = vec![
        Entry::new(
            id(4, 1, 8),
            Payload::Normal(Data(Bytes::from_static(b"command"))),
        ),
        Entry::new(id(5, 2, 9), Payload::Blank),
        Entry::new(id(5, 2, 10), Payload::Membership(membership())),
    ];
    let append = |prev_log_id, leader_commit, entries| {
        Request::Append(AppendEntriesRequest {
            vote: vote(true),
            prev_log_id,
            entries,
            leader_commit,
        })
    };
    let mut transfer = VoteRequest::new(vote(false), Some(id(5, 2, 9)));
    transfer.leadership_transfer = true;
    let meta = SnapshotMeta {
        last_log_id: Some(id(5, 2, 9)),
        last_membership: StoredMembership::new(Some(id(1, 1, 0)), membership()),
    };
    let member = Member {
        name: "b".into(),
        peer_urls: vec!["https://b:1".into()],
        ..Member::default()
    };
    vec![
        append(Some(id(4, 1, 7)), Some(id(4, 1, 6)), entries),
        append(None, None, vec![]),
        Request::Vote(transfer),
        Request::PreVote(VoteRequest::new(vote(false), None)),
        Request::TransferLeader(TransferLeaderRequest::new(vote(true), 3, Some(id(5, 2, 9)))),
        Request::ReadIndex,
        Request::Propose(vec![(7, Bytes::from_static(b"one")), (8, Bytes::new())]),
        Request::KeepAlive(-3),
        Request::Remaining(i64::MAX),
        Request::Member(MemberChange::Add {
            member,
            auto_promote: true,
        }),
        Request::Member(MemberChange::Remove(4)),
        Request::Member(MemberChange::Update {
            id: 4,
            peer_urls: vec!["https://c:2".into()],
        }),
        Request::Member(MemberChange::Promote(4)),
        Request::Member(MemberChange::RemoveSilent(4)),
        Request::SnapshotBegin {
            vote: vote(true),
            meta,
        },
        Request::SnapshotChunk(Bytes::from_static(b"chunk")),
        Request::SnapshotEnd,
        Request::Farewell(12),
        Request::Moved(5, "https://d:3".into()),
    ]
}

fn encoded(request: &Request) -> (u8, Bytes) {
    let mut body = BytesMut::new();
    request.encode(&mut body);
    (request.kind(), body.freeze())
}

fn corpus() -> Vec<(u8, Bytes)> {
    let byte = |hex: &str| u8::from_str_radix(hex, 16).unwrap();
    let line = |line: &str| {
        let (kind, body) = line.split_once(':').unwrap();
        let body = body
            .as_bytes()
            .chunks(2)
            .map(|two| byte(std::str::from_utf8(two).unwrap()));
        (byte(kind), Bytes::from(body.collect::<Vec<u8>>()))
    };
    CORPUS.lines().map(line).collect()
}

#[test]
fn messages_are_read_back_as_they_were_written_and_have_the_bytes_of_earlier_versions() {
    let text: Vec<String> = samples()
        .iter()
        .map(|request| {
            let (kind, body) = encoded(request);
            let again = Request::decode(kind, body.clone()).unwrap();
            assert_eq!(encoded(&again), (kind, body.clone()));
            let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{kind:02x}:{hex}")
        })
        .collect();
    assert_eq!(
        text.join("\n") + "\n",
        CORPUS,
        "the protocol between members has changed"
    );
}

#[test]
fn answers_are_read_back_as_they_were_written() {
    let appended = [
        AppendEntriesResponse::Success,
        AppendEntriesResponse::PartialSuccess(None),
        AppendEntriesResponse::PartialSuccess(Some(id(1, 2, 3))),
        AppendEntriesResponse::Conflict,
        AppendEntriesResponse::HigherVote(vote(true)),
    ];
    for one in appended {
        let mut body = BytesMut::new();
        answer::encode_append(&one, &mut body);
        assert_eq!(answer::decode_append(&body).unwrap(), one);
    }
    let voted = VoteResponse::new(vote(false), Some(id(1, 2, 3)), true);
    let mut body = BytesMut::new();
    answer::encode_vote(&voted, &mut body);
    assert_eq!(answer::decode_vote(&body).unwrap(), voted);
    for result in [Ok(7u64), Err(Refusal::NotLeader)] {
        let mut body = BytesMut::new();
        answer::encode(&result, &mut body);
        assert_eq!(answer::decode::<u64>(&body).unwrap(), result);
    }
}

#[test]
fn entries_with_a_gap_or_from_the_future_are_refused() {
    let append = |entries: Vec<Entry>| {
        let request = AppendEntriesRequest {
            vote: vote(true),
            prev_log_id: Some(id(4, 1, 7)),
            entries,
            leader_commit: None,
        };
        let (kind, body) = encoded(&Request::Append(request));
        Request::decode(kind, body).map(drop)
    };
    let blank = |id| Entry::new(id, Payload::Blank);
    assert!(append(vec![blank(id(4, 1, 8)), blank(id(5, 2, 9))]).is_ok());
    assert!(append(vec![blank(id(4, 1, 9))]).is_err(), "a gap");
    assert!(
        append(vec![blank(id(5, 2, 8)), blank(id(4, 1, 9))]).is_err(),
        "an older leader"
    );
    assert!(
        append(vec![blank(id(6, 1, 8))]).is_err(),
        "a leader yet to come"
    );
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Changes a few bytes, cuts the end off, repeats a piece, or makes it all up.
fn mutate(body: &[u8], random: &mut Random) -> Vec<u8> {
    let mut body = body.to_vec();
    match random.below(8) {
        0 => body.truncate(random.below(body.len() + 1)),
        1 => {
            let at = random.below(body.len() + 1);
            let piece = body[at..].to_vec();
            body.extend(piece);
        }
        2 => {
            body = (0..random.below(200))
                .map(|_| random.next() as u8)
                .collect()
        }
        _ => {
            for _ in 0..=random.below(4) {
                if !body.is_empty() {
                    let at = random.below(body.len());
                    body[at] = match random.below(3) {
                        0 => 0xff,
                        1 => body[at].wrapping_add(1),
                        _ => random.next() as u8,
                    };
                }
            }
        }
    }
    body
}

#[test]
fn any_bytes_are_decoded_or_refused_without_harm() {
    let corpus = corpus();
    let mut random = Random(SEED);
    let started = Instant::now();
    let (mut round, mut decoded) = (0, 0);
    while round < ROUNDS && started.elapsed() < TIME {
        let (kind, body) = &corpus[random.below(corpus.len())];
        let kind = if random.below(10) == 0 {
            random.next() as u8
        } else {
            *kind
        };
        let body = Bytes::from(mutate(body, &mut random));
        if let Ok(request) = Request::decode(kind, body.clone()) {
            decoded += 1;
            let (_, again) = encoded(&request);
            assert!(
                Request::decode(kind, again).is_ok(),
                "seed {SEED:#x}, round {round}"
            );
        }
        let _ = answer::decode_append(&body);
        let _ = answer::decode_vote(&body);
        let _ = answer::decode_snapshot(&body);
        let _ = answer::decode::<Members>(&body);
        round += 1;
    }
    assert!(decoded > 0, "seed {SEED:#x}");
}
