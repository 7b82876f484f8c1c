//! The messages between members and their bytes.
//!
//! Knows nothing about connections. Invariant: any bytes at all are either decoded or refused,
//! without a panic and without an allocation larger than a small multiple of their length.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use skerry_store::ApplyError;

use crate::raft::record::{self, Malformed};
use crate::raft::types::{LeaderId, LogId, Peer, SnapshotMeta, TypeConfig, Vote};
use crate::{Member, ProposeError};

/// What one member wants of another.
pub(crate) enum Request {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<TypeConfig>),
    PreVote(VoteRequest<TypeConfig>),
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// How far a linearizable read must wait.
    ReadIndex,
    /// Commands of clients: the number of the wait, and the encoded command.
    Propose(Vec<(u64, Bytes)>),
    KeepAlive(i64),
    Remaining(i64),
    Member(MemberChange),
    SnapshotBegin {
        vote: Vote,
        meta: SnapshotMeta,
    },
    SnapshotChunk(Bytes),
    SnapshotEnd,
    /// The committed membership at this position is without the receiver.
    Farewell(u64),
    /// Where another member says it is, for those whom it has not told yet.
    Moved(u64, String),
}

/// A change of the membership, for the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MemberChange {
    Add {
        member: Member,
        auto_promote: bool,
    },
    Remove(u64),
    Update {
        id: u64,
        peer_urls: Vec<String>,
    },
    Promote(u64),
    /// As `Remove`, for a member that nobody hears of.
    RemoveSilent(u64),
}

/// The members after a change, and the id of the one that it was about.
pub(crate) type Members = (u64, Vec<(u64, Member, bool)>);

/// Why the leader refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    NotLeader,
    Busy,
    Timeout,
    LeaseNotFound,
    MemberExists,
    PeerUrlExists,
    MemberNotFound,
    MemberNotLearner,
    LearnerNotReady,
    TooManyLearners,
    NotEnoughStartedMembers,
    Unhealthy,
    Stopped,
    MemberHeard,
    MemberName(u64),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct LogIdWire(u64, u64, u64);

#[derive(Clone, Copy, Serialize, Deserialize)]
struct VoteWire(u64, u64, bool);

#[derive(Serialize, Deserialize)]
struct VoteRequestWire {
    vote: VoteWire,
    last: Option<LogIdWire>,
    leadership_transfer: bool,
}

#[derive(Serialize, Deserialize)]
struct VoteResponseWire {
    vote: VoteWire,
    granted: bool,
    last: Option<LogIdWire>,
}

#[derive(Serialize, Deserialize)]
struct TransferWire {
    from: VoteWire,
    to: u64,
    last: Option<LogIdWire>,
}

#[derive(Serialize, Deserialize)]
struct SnapshotWire {
    vote: VoteWire,
    last: Option<LogIdWire>,
    membership: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum AppendAnswer {
    Success,
    Partial(Option<LogIdWire>),
    Conflict,
    HigherVote(VoteWire),
}

impl From<&LogId> for LogIdWire {
    fn from(id: &LogId) -> Self {
        let leader = id.committed_leader_id();
        Self(leader.term, leader.node_id, id.index())
    }
}

impl From<LogIdWire> for LogId {
    fn from(LogIdWire(term, node_id, index): LogIdWire) -> Self {
        LogId::new(LeaderId { term, node_id }, index)
    }
}

impl From<&Vote> for VoteWire {
    fn from(vote: &Vote) -> Self {
        Self(vote.leader_id.term, vote.leader_id.node_id, vote.committed)
    }
}

impl From<VoteWire> for Vote {
    fn from(VoteWire(term, node_id, committed): VoteWire) -> Self {
        Vote {
            leader_id: LeaderId { term, node_id },
            committed,
        }
    }
}

fn log_id(id: Option<LogIdWire>) -> Option<LogId> {
    id.map(LogId::from)
}

fn wire_id(id: Option<&LogId>) -> Option<LogIdWire> {
    id.map(LogIdWire::from)
}

impl Request {
    /// The kind of its frame.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Append(_) => 1,
            Self::Vote(_) => 2,
            Self::PreVote(_) => 3,
            Self::TransferLeader(_) => 4,
            Self::ReadIndex => 5,
            Self::Propose(_) => 6,
            Self::KeepAlive(_) => 7,
            Self::Remaining(_) => 8,
            Self::Member(_) => 9,
            Self::SnapshotBegin { .. } => 10,
            Self::SnapshotChunk(_) => 11,
            Self::SnapshotEnd => 12,
            Self::Farewell(_) => 13,
            Self::Moved(..) => 14,
        }
    }

    /// About the size of the body.
    pub(crate) fn size_hint(&self) -> usize {
        match self {
            Self::Append(append) => {
                64 + append
                    .entries
                    .iter()
                    .map(|e| 4 + record::entry_len(e))
                    .sum::<usize>()
            }
            Self::Propose(commands) => commands.iter().map(|(_, c)| 12 + c.len()).sum(),
            Self::SnapshotChunk(chunk) => chunk.len(),
            _ => 64,
        }
    }

    /// Appends the body.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Append(append) => encode_append(append, out),
            Self::Vote(request) | Self::PreVote(request) => {
                let wire = VoteRequestWire {
                    vote: VoteWire::from(&request.vote),
                    last: wire_id(request.last_log_id.as_ref()),
                    leadership_transfer: request.leadership_transfer,
                };
                put(&wire, out);
            }
            Self::TransferLeader(request) => {
                let wire = TransferWire {
                    from: VoteWire::from(request.from_leader()),
                    to: *request.to_node_id(),
                    last: wire_id(request.last_log_id()),
                };
                put(&wire, out);
            }
            Self::ReadIndex | Self::SnapshotEnd => {}
            Self::Propose(commands) => {
                for (request, command) in commands {
                    out.put_u64_le(*request);
                    put_bytes(command, out);
                }
            }
            Self::KeepAlive(id) | Self::Remaining(id) => put(id, out),
            Self::Member(change) => put(change, out),
            Self::SnapshotBegin { vote, meta } => {
                let wire = SnapshotWire {
                    vote: VoteWire::from(vote),
                    last: wire_id(meta.last_log_id.as_ref()),
                    membership: record::encode_stored_membership(&meta.last_membership).to_vec(),
                };
                put(&wire, out);
            }
            Self::SnapshotChunk(chunk) => out.extend_from_slice(chunk),
            Self::Farewell(position) => put(position, out),
            Self::Moved(member, url) => put(&(member, url), out),
        }
    }

    /// Reads the body of a frame of this kind.
    pub(crate) fn decode(kind: u8, body: Bytes) -> Result<Self, Malformed> {
        Ok(match kind {
            1 => Self::Append(decode_append(body)?),
            2 => Self::Vote(decode_vote_request(&body)?),
            3 => Self::PreVote(decode_vote_request(&body)?),
            4 => {
                let TransferWire { from, to, last } = get(&body, "transfer of leadership")?;
                Self::TransferLeader(TransferLeaderRequest::new(from.into(), to, log_id(last)))
            }
            5 => nothing(&body, Self::ReadIndex)?,
            6 => Self::Propose(decode_commands(body)?),
            7 => Self::KeepAlive(get(&body, "keep-alive")?),
            8 => Self::Remaining(get(&body, "remaining life")?),
            9 => {
                let change = get(&body, "change of membership")?;
                check_change(&change)?;
                Self::Member(change)
            }
            10 => {
                let SnapshotWire {
                    vote,
                    last,
                    membership,
                } = get(&body, "snapshot")?;
                let last_membership = record::decode_stored_membership(&membership)?;
                let meta = SnapshotMeta {
                    last_log_id: log_id(last),
                    last_membership,
                };
                Self::SnapshotBegin {
                    vote: vote.into(),
                    meta,
                }
            }
            11 => Self::SnapshotChunk(body),
            12 => nothing(&body, Self::SnapshotEnd)?,
            13 => Self::Farewell(get(&body, "farewell")?),
            14 => {
                let (member, url) = get(&body, "place of a member")?;
                Self::Moved(member, url)
            }
            _ => return Err(Malformed("request: unknown kind")),
        })
    }
}

fn nothing(body: &Bytes, request: Request) -> Result<Request, Malformed> {
    if body.is_empty() {
        Ok(request)
    } else {
        Err(Malformed("request: more than its kind"))
    }
}

fn check_change(change: &MemberChange) -> Result<(), Malformed> {
    let member = match change {
        MemberChange::Add { member, .. } => member.clone(),
        MemberChange::Update { peer_urls, .. } => Member {
            peer_urls: peer_urls.clone(),
            ..Member::default()
        },
        MemberChange::Remove(_) | MemberChange::RemoveSilent(_) | MemberChange::Promote(_) => {
            return Ok(());
        }
    };
    let sound = record::is_sound(&Peer {
        member,
        auto_promote: false,
    });
    sound.then_some(()).ok_or(Malformed("change of membership"))
}

/// The answers, each with the request that it belongs to.
pub(crate) mod answer {
    use super::*;

    pub(crate) fn encode_append(answer: &AppendEntriesResponse<TypeConfig>, out: &mut BytesMut) {
        let wire = match answer {
            AppendEntriesResponse::Success => AppendAnswer::Success,
            AppendEntriesResponse::PartialSuccess(upto) => {
                AppendAnswer::Partial(wire_id(upto.as_ref()))
            }
            AppendEntriesResponse::Conflict => AppendAnswer::Conflict,
            AppendEntriesResponse::HigherVote(vote) => AppendAnswer::HigherVote(vote.into()),
        };
        put(&wire, out);
    }

    pub(crate) fn decode_append(
        body: &[u8],
    ) -> Result<AppendEntriesResponse<TypeConfig>, Malformed> {
        Ok(match get(body, "answer to an append")? {
            AppendAnswer::Success => AppendEntriesResponse::Success,
            AppendAnswer::Partial(upto) => AppendEntriesResponse::PartialSuccess(log_id(upto)),
            AppendAnswer::Conflict => AppendEntriesResponse::Conflict,
            AppendAnswer::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote.into()),
        })
    }

    pub(crate) fn encode_vote(answer: &VoteResponse<TypeConfig>, out: &mut BytesMut) {
        let wire = VoteResponseWire {
            vote: VoteWire::from(&answer.vote),
            granted: answer.vote_granted,
            last: wire_id(answer.last_log_id.as_ref()),
        };
        put(&wire, out);
    }

    pub(crate) fn decode_vote(body: &[u8]) -> Result<VoteResponse<TypeConfig>, Malformed> {
        let VoteResponseWire {
            vote,
            granted,
            last,
        } = get(body, "answer to a vote")?;
        Ok(VoteResponse::new(Vote::from(vote), log_id(last), granted))
    }

    pub(crate) fn encode_snapshot(answer: &SnapshotResponse<TypeConfig>, out: &mut BytesMut) {
        put(&VoteWire::from(&answer.vote), out);
    }

    pub(crate) fn decode_snapshot(body: &[u8]) -> Result<SnapshotResponse<TypeConfig>, Malformed> {
        let vote: VoteWire = get(body, "answer to a snapshot")?;
        Ok(SnapshotResponse::new(vote.into()))
    }

    /// What the leader did for a client of another member.
    pub(crate) fn encode<T: Serialize>(result: &Result<T, Refusal>, out: &mut BytesMut) {
        put(result, out);
    }

    pub(crate) fn decode<T: DeserializeOwned>(
        body: &[u8],
    ) -> Result<Result<T, Refusal>, Malformed> {
        get(body, "answer of the leader")
    }
}

/// Appends a value; all that is sent can be.
fn put(value: &impl Serialize, out: &mut BytesMut) {
    let bytes = postcard::to_stdvec(value).expect("messages can be serialised to memory");
    out.extend_from_slice(&bytes);
}

/// Reads a value, and nothing behind it.
fn get<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, Malformed> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(Malformed(what)),
    }
}

fn decode_vote_request(body: &[u8]) -> Result<VoteRequest<TypeConfig>, Malformed> {
    let VoteRequestWire {
        vote,
        last,
        leadership_transfer,
    } = get(body, "vote")?;
    let mut request = VoteRequest::new(vote.into(), log_id(last));
    request.leadership_transfer = leadership_transfer;
    Ok(request)
}

/// `flags u8 (1 previous, 2 committed) | vote | [previous] | [committed] | (length u32 | entry)*`
fn encode_append(append: &AppendEntriesRequest<TypeConfig>, out: &mut BytesMut) {
    let flags =
        u8::from(append.prev_log_id.is_some()) | u8::from(append.leader_commit.is_some()) << 1;
    out.put_u8(flags);
    out.extend_from_slice(&record::encode_vote(&append.vote));
    for id in [&append.prev_log_id, &append.leader_commit]
        .into_iter()
        .flatten()
    {
        record::put_log_id(id, out);
    }
    for entry in &append.entries {
        let at = out.len();
        out.put_u32_le(0);
        record::put_entry(entry, out);
        let len = u32::try_from(out.len() - at - 4).expect("entries are far below 4 GiB");
        out[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }
}

fn decode_append(mut body: Bytes) -> Result<AppendEntriesRequest<TypeConfig>, Malformed> {
    let malformed = Malformed("append");
    let flags = take(&mut body, 1, malformed)?[0];
    if flags > 3 {
        return Err(malformed);
    }
    let vote = record::decode_vote(&take(&mut body, record::VOTE_BYTES, malformed)?)?;
    if !vote.committed {
        return Err(malformed);
    }
    let mut id = |present: bool| -> Result<Option<LogId>, Malformed> {
        if !present {
            return Ok(None);
        }
        record::decode_log_id(&take(&mut body, record::LOG_ID_BYTES, malformed)?).map(Some)
    };
    let prev_log_id = id(flags & 1 != 0)?;
    let leader_commit = id(flags & 2 != 0)?;
    let mut entries: Vec<crate::raft::types::Entry> = Vec::new();
    let mut expected = match &prev_log_id {
        Some(id) => id.index().checked_add(1).ok_or(malformed)?,
        None => 0,
    };
    while !body.is_empty() {
        let entry = record::decode_entry(&take_sized(&mut body, malformed)?)?;
        // A gap, a step back or an entry from the future would break what openraft takes for
        // granted.
        let leader = entry.log_id.committed_leader_id();
        let before = entries.last().map(|entry| entry.log_id).or(prev_log_id);
        let in_order = before.is_none_or(|before| before.committed_leader_id() <= leader);
        if entry.log_id.index() != expected || !in_order || *leader > vote.leader_id {
            return Err(malformed);
        }
        expected = expected.checked_add(1).ok_or(malformed)?;
        entries.push(entry);
    }
    Ok(AppendEntriesRequest {
        vote,
        prev_log_id,
        entries,
        leader_commit,
    })
}

fn decode_commands(mut body: Bytes) -> Result<Vec<(u64, Bytes)>, Malformed> {
    let malformed = Malformed("forwarded commands");
    let mut commands = Vec::new();
    while !body.is_empty() {
        let request = take(&mut body, 8, malformed)?.get_u64_le();
        commands.push((request, take_sized(&mut body, malformed)?));
    }
    Ok(commands)
}

fn put_bytes(bytes: &Bytes, out: &mut BytesMut) {
    out.put_u32_le(u32::try_from(bytes.len()).expect("commands are far below 4 GiB"));
    out.extend_from_slice(bytes);
}

fn take(body: &mut Bytes, len: usize, malformed: Malformed) -> Result<Bytes, Malformed> {
    if body.len() < len {
        return Err(malformed);
    }
    Ok(body.split_to(len))
}

fn take_sized(body: &mut Bytes, malformed: Malformed) -> Result<Bytes, Malformed> {
    let len = take(body, 4, malformed)?.get_u32_le() as usize;
    take(body, len, malformed)
}

impl From<Refusal> for ProposeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotLeader => Self::NotLeader,
            Refusal::Busy => Self::TooManyRequests,
            Refusal::Timeout => Self::Timeout,
            Refusal::LeaseNotFound => Self::Refused(ApplyError::LeaseNotFound),
            Refusal::MemberExists => Self::MemberExists,
            Refusal::PeerUrlExists => Self::PeerUrlExists,
            Refusal::MemberNotFound => Self::MemberNotFound,
            Refusal::MemberNotLearner => Self::MemberNotLearner,
            Refusal::LearnerNotReady => Self::LearnerNotReady,
            Refusal::TooManyLearners => Self::TooManyLearners,
            Refusal::NotEnoughStartedMembers => Self::NotEnoughStartedMembers,
            Refusal::Unhealthy => Self::Unhealthy,
            Refusal::Stopped => Self::Stopped,
            Refusal::MemberHeard => Self::MemberHeard,
            Refusal::MemberName(id) => Self::MemberName(id),
        }
    }
}

#[cfg(test)]
#[path = "message_test.rs"]
mod tests;
