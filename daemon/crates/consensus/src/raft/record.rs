//! The bytes of entries, votes, log ids and memberships, on disk and between members.
//!
//! Our own, so that a new openraft cannot change what stands on a disk. Integers are little
//! endian. Invariant: any bytes at all are either decoded or refused, without a panic and without
//! an allocation larger than a small multiple of their length.
//!
//! ```text
//! log id      term u64 | node id u64 | index u64
//! vote        term u64 | node id u64 | committed u8
//! entry       kind u8 | term u64 | node id u64 | index u64 | body
//!             0 blank: no body; 1 command: the encoded command; 2 membership: a membership
//! membership  version u8 | postcard of MembershipRecord
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use openraft::entry::RaftEntry;
use serde::{Deserialize, Serialize};

use super::types::{
    Data, Entry, LeaderId, LogId, Membership, Payload, Peer, StoredMembership, Vote,
};
use crate::limits::{MEMBER_TEXT_BYTES_MAX, MEMBERS_MAX, PEER_URLS_MAX};

/// Bytes of a log id.
pub(crate) const LOG_ID_BYTES: usize = 24;
/// Bytes in front of an entry's body.
pub(crate) const ENTRY_HEAD_BYTES: usize = 1 + LOG_ID_BYTES;
/// Bytes of a vote.
pub(crate) const VOTE_BYTES: usize = 17;
const MEMBERSHIP_VERSION: u8 = 1;

const BLANK: u8 = 0;
const COMMAND: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

#[derive(Serialize, Deserialize)]
struct MembershipRecord {
    log_id: Option<(u64, u64, u64)>,
    configs: Vec<Vec<u64>>,
    nodes: Vec<(u64, Peer)>,
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Appends a log id.
pub(crate) fn put_log_id(id: &LogId, out: &mut impl BufMut) {
    let leader = id.committed_leader_id();
    out.put_u64_le(leader.term);
    out.put_u64_le(leader.node_id);
    out.put_u64_le(id.index());
}

/// A log id by itself.
pub(crate) fn encode_log_id(id: &LogId) -> Bytes {
    let mut out = BytesMut::with_capacity(LOG_ID_BYTES);
    put_log_id(id, &mut out);
    out.freeze()
}

/// Reads what [`encode_log_id`] wrote.
pub(crate) fn decode_log_id(bytes: &[u8]) -> Result<LogId, Malformed> {
    let malformed = Malformed("log id");
    if bytes.len() != LOG_ID_BYTES {
        return Err(malformed);
    }
    let number = |at| u64_at(bytes, at).ok_or(malformed);
    let leader = LeaderId {
        term: number(0)?,
        node_id: number(8)?,
    };
    Ok(LogId::new(leader, number(16)?))
}

/// A vote by itself.
pub(crate) fn encode_vote(vote: &Vote) -> Bytes {
    let mut out = BytesMut::with_capacity(VOTE_BYTES);
    out.put_u64_le(vote.leader_id.term);
    out.put_u64_le(vote.leader_id.node_id);
    out.put_u8(u8::from(vote.committed));
    out.freeze()
}

/// Reads what [`encode_vote`] wrote.
pub(crate) fn decode_vote(bytes: &[u8]) -> Result<Vote, Malformed> {
    let malformed = Malformed("vote");
    if bytes.len() != VOTE_BYTES || bytes[16] > 1 {
        return Err(malformed);
    }
    let number = |at| u64_at(bytes, at).ok_or(malformed);
    let leader_id = LeaderId {
        term: number(0)?,
        node_id: number(8)?,
    };
    Ok(Vote {
        leader_id,
        committed: bytes[16] == 1,
    })
}

/// Bytes of an encoded entry.
pub(crate) fn entry_len(entry: &Entry) -> usize {
    let body = match &entry.payload {
        Payload::Blank => 0,
        Payload::Normal(data) => data.0.len(),
        // A bound is enough where it is used.
        Payload::Membership(_) => 1_024,
    };
    ENTRY_HEAD_BYTES + body
}

/// Appends an entry.
pub(crate) fn put_entry(entry: &Entry, out: &mut BytesMut) {
    let id = entry.log_id();
    match &entry.payload {
        Payload::Blank => {
            out.put_u8(BLANK);
            put_log_id(&id, out);
        }
        Payload::Normal(data) => {
            out.put_u8(COMMAND);
            put_log_id(&id, out);
            out.extend_from_slice(&data.0);
        }
        Payload::Membership(membership) => {
            out.put_u8(MEMBERSHIP);
            put_log_id(&id, out);
            out.extend_from_slice(&encode_membership(None, membership));
        }
    }
}

/// An entry by itself.
pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    let mut out = BytesMut::with_capacity(entry_len(entry));
    put_entry(entry, &mut out);
    out.freeze()
}

/// Reads what [`encode_entry`] wrote. The command is a slice of `bytes`.
pub(crate) fn decode_entry(bytes: &Bytes) -> Result<Entry, Malformed> {
    let malformed = Malformed("entry");
    if bytes.len() < ENTRY_HEAD_BYTES {
        return Err(malformed);
    }
    let log_id = decode_log_id(&bytes[1..ENTRY_HEAD_BYTES])?;
    let body = bytes.slice(ENTRY_HEAD_BYTES..);
    let payload = match bytes[0] {
        BLANK if body.is_empty() => Payload::Blank,
        COMMAND => Payload::Normal(Data(body)),
        MEMBERSHIP => {
            let (_, membership) = decode_parts(&body)?;
            Payload::Membership(membership)
        }
        _ => return Err(malformed),
    };
    Ok(Entry::new(log_id, payload))
}

/// A membership with the position of the entry it came with.
pub(crate) fn encode_stored_membership(stored: &StoredMembership) -> Bytes {
    encode_membership(stored.log_id().as_ref(), stored.membership())
}

/// Reads what [`encode_stored_membership`] wrote.
pub(crate) fn decode_stored_membership(bytes: &[u8]) -> Result<StoredMembership, Malformed> {
    let (log_id, membership) = decode_parts(bytes)?;
    Ok(StoredMembership::new(log_id, membership))
}

fn encode_membership(log_id: Option<&LogId>, membership: &Membership) -> Bytes {
    let record = MembershipRecord {
        log_id: log_id.map(|id| {
            let leader = id.committed_leader_id();
            (leader.term, leader.node_id, id.index())
        }),
        configs: membership
            .get_joint_config()
            .iter()
            .map(|config| config.iter().copied().collect())
            .collect(),
        nodes: membership
            .nodes()
            .map(|(id, node)| (*id, node.clone()))
            .collect(),
    };
    let out = vec![MEMBERSHIP_VERSION];
    let out = postcard::to_extend(&record, out).expect("a membership can be serialised to memory");
    Bytes::from(out)
}

fn decode_parts(bytes: &[u8]) -> Result<(Option<LogId>, Membership), Malformed> {
    let malformed = Malformed("membership");
    let (version, rest) = bytes.split_first().ok_or(malformed)?;
    if *version != MEMBERSHIP_VERSION {
        return Err(Malformed("membership: unknown version"));
    }
    let record: MembershipRecord = postcard::from_bytes(rest).map_err(|_| malformed)?;
    let MembershipRecord {
        log_id,
        configs,
        nodes,
    } = record;
    let sound = configs.len() <= MEMBERS_MAX
        && nodes.len() <= MEMBERS_MAX
        && nodes.iter().all(|(_, node)| is_sound(node));
    if !sound {
        return Err(malformed);
    }
    let nodes: BTreeMap<u64, Peer> = nodes.into_iter().collect();
    let configs: Vec<BTreeSet<u64>> = configs
        .into_iter()
        .map(|config| config.into_iter().collect())
        .collect();
    let membership = Membership::new(configs, nodes).map_err(|_| malformed)?;
    let log_id = log_id.map(|(term, node_id, index)| LogId::new(LeaderId { term, node_id }, index));
    Ok((log_id, membership))
}

/// Whether what a member says of itself is within bounds.
pub(crate) fn is_sound(peer: &Peer) -> bool {
    let member = &peer.member;
    let mut texts = member
        .peer_urls
        .iter()
        .chain(&member.client_urls)
        .chain([&member.name]);
    member.peer_urls.len() <= PEER_URLS_MAX
        && member.client_urls.len() <= PEER_URLS_MAX
        && texts.all(|text| text.len() <= MEMBER_TEXT_BYTES_MAX)
}

#[cfg(test)]
#[path = "record_test.rs"]
mod tests;
