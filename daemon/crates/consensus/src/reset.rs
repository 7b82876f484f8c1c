//! Making a member the only one of its cluster, from what its disk holds, while nothing runs: the
//! way out when the others are gone for good.
//!
//! One entry is appended to the log: a membership of this member alone, of a term that nobody has
//! led. Everything else stays as it is, and the next start goes on from there. Entries that the
//! others may not have had are kept: a client may have been told that they are written. Knows
//! nothing about the cluster's id, which whoever calls must change first. Invariant: a power cut
//! leaves the old membership or the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

use openraft::entry::RaftEntry as _;
use openraft::vote::RaftTerm as _;
use skerry_log::{Done, Log, LogError, RealDisk};
use skerry_store::Store;

use crate::Member;
use crate::raft::record;
use crate::raft::types::{Entry, LeaderId, LogId, Membership, Payload, Peer, Vote};

/// A member could not be made the only one.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ResetError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] skerry_store::StoreError),
    #[error("{path}: nothing of a member is here", path = path.display())]
    Nothing { path: PathBuf },
    #[error("{path}: member {id} was removed from its cluster, or never had a vote in it; reset one that had", path = path.display())]
    NoVoter { path: PathBuf, id: u64 },
    #[error("the log: {0}")]
    Malformed(String),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// What a reset has found and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Members that there were before.
    pub members: usize,
    /// The position of the last entry that is kept.
    pub last_index: u64,
}

/// Makes `id` the only member; `member` is what it says of itself. Blocks while the disk is read.
pub fn reset(db_dir: &Path, id: u64, member: &Member) -> Result<Kept, ResetError> {
    let nothing = || ResetError::Nothing {
        path: db_dir.to_owned(),
    };
    let state = db_dir.join("state.redb");
    if !state.exists() {
        return Err(nothing());
    }
    let (log, recovered, writer) = Log::open(
        Arc::new(RealDisk::new()),
        &db_dir.join("log"),
        skerry_log::Options::default(),
    )?;
    let (applied, stored) = {
        let store = Store::open(&state, skerry_store::Options::default())?;
        let view = store.reader().view()?;
        (view.applied(), view.membership()?)
    };
    let vote = recovered.vote.as_deref().ok_or_else(nothing)?;
    let vote = record::decode_vote(vote).map_err(malformed)?;
    let found = Found::read(&log, stored.as_deref())?;
    let applied = applied.map(|id| crate::raft::types::from_store(&id));
    let last = found.last.max(applied).ok_or_else(nothing)?;
    if !found.membership.voter_ids().any(|voter| voter == id) {
        return Err(ResetError::NoVoter {
            path: db_dir.to_owned(),
            id,
        });
    }
    let kept = Kept {
        members: found.membership.nodes().count(),
        last_index: last.index(),
    };
    let term = vote
        .leader_id
        .term
        .max(last.committed_leader_id().term)
        .next();
    let leader = LeaderId { term, node_id: id };
    let peer = Peer {
        member: member.clone(),
        auto_promote: false,
    };
    let alone = Membership::new(vec![BTreeSet::from([id])], BTreeMap::from([(id, peer)]))
        .map_err(malformed)?;
    let next = LogId::new(leader, last.index() + 1);
    let entry = Entry::new(next, Payload::Membership(alone));
    let vote = Vote {
        leader_id: leader,
        committed: true,
    };

    write(log, writer, |log| {
        durable(|done| log.save_vote(record::encode_vote(&vote), done))?;
        durable(|done| log.append(vec![(next.index(), record::encode_entry(&entry))], done))
    })?;
    Ok(kept)
}

/// Writes to a log, and closes it.
pub(crate) fn write(
    log: Log,
    writer: skerry_log::Writer,
    write: impl FnOnce(&Log) -> Result<(), LogError>,
) -> Result<(), ResetError> {
    let writing = std::thread::Builder::new()
        .name("log".into())
        .spawn(move || writer.run(|| {}))
        .map_err(ResetError::Thread)?;
    let written = write(&log);
    log.close();
    let ended = writing.join().unwrap_or(Err(LogError::Closed));
    written?;
    Ok(ended?)
}

/// What log and state say together.
struct Found {
    last: Option<LogId>,
    membership: Membership,
}

impl Found {
    /// The last membership counts, committed or not: it is the one that Raft goes by.
    fn read(log: &Log, stored: Option<&[u8]>) -> Result<Found, ResetError> {
        let mut found = Found {
            last: None,
            membership: Membership::default(),
        };
        if let Some(stored) = stored {
            let stored = record::decode_stored_membership(stored).map_err(malformed)?;
            found.membership = stored.membership().clone();
        }
        let mut next = log.first_index().unwrap_or_else(|| log.next_index());
        while next < log.next_index() {
            let read = log.read(next..log.next_index(), crate::limits::LOG_READ_BYTES_MAX)?;
            for (index, bytes) in &read {
                let entry = record::decode_entry(bytes).map_err(malformed)?;
                found.last = Some(entry.log_id());
                if let Payload::Membership(membership) = entry.payload {
                    found.membership = membership;
                }
                next = index + 1;
            }
            if read.is_empty() {
                return Err(malformed(format!("entry {next} is missing")));
            }
        }
        if found.last.is_none()
            && let Some((_, id)) = log.purged()
        {
            found.last = Some(record::decode_log_id(&id).map_err(malformed)?);
        }
        Ok(found)
    }
}

pub(crate) fn malformed(error: impl std::fmt::Display) -> ResetError {
    ResetError::Malformed(error.to_string())
}

/// Waits until the log says that it is on the disk.
pub(crate) fn durable(write: impl FnOnce(Done) -> Result<(), LogError>) -> Result<(), LogError> {
    let (done, outcome) = mpsc::channel();
    write(Box::new(move |result| {
        let _ = done.send(result);
    }))?;
    outcome.recv().unwrap_or(Err(LogError::Closed))
}
