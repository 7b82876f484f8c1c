//! The first member of a cluster whose state was made from elsewhere, while nothing runs.
//!
//! Such a state is in no log. So the log begins behind it, as if what led there had been purged:
//! members that join are sent the state and not the log. Knows nothing about what is in the state.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use skerry_log::{Log, RealDisk};
use skerry_store::LogId;

use crate::Member;
use crate::raft::record;
use crate::raft::types::{LeaderId, Membership, Peer, StoredMembership, Vote, from_store};
use crate::reset::{ResetError, durable, malformed, write};

/// Where the log begins.
const BASE_INDEX: u64 = 1;
/// The term in which the state counts as made.
const BASE_TERM: u64 = 1;

/// What the state must say of itself.
#[derive(Debug, Clone)]
pub struct Founding {
    /// The entry that it counts as having applied last.
    pub applied: LogId,
    /// The membership in force, of one member.
    pub membership: Bytes,
}

/// What the state of a cluster's first member says; `member` is what it says of itself.
pub fn founding(id: u64, member: &Member) -> Result<Founding, ResetError> {
    let applied = LogId {
        term: BASE_TERM,
        node_id: id,
        index: BASE_INDEX,
    };
    let peer = Peer {
        member: member.clone(),
        auto_promote: false,
    };
    let alone = Membership::new(vec![BTreeSet::from([id])], BTreeMap::from([(id, peer)]))
        .map_err(malformed)?;
    let stored = StoredMembership::new(Some(from_store(&applied)), alone);
    Ok(Founding {
        applied,
        membership: record::encode_stored_membership(&stored),
    })
}

/// Makes the log that goes with the state, below `db_dir`, where none may be.
pub fn begin_log(db_dir: &Path, founding: &Founding) -> Result<(), ResetError> {
    let applied = from_store(&founding.applied);
    let vote = Vote {
        leader_id: LeaderId {
            term: founding.applied.term,
            node_id: founding.applied.node_id,
        },
        committed: true,
    };
    let (log, _, writer) = Log::open(
        Arc::new(RealDisk::new()),
        &db_dir.join("log"),
        skerry_log::Options::default(),
    )?;
    write(log, writer, |log| {
        durable(|done| log.save_vote(record::encode_vote(&vote), done))?;
        let id = record::encode_log_id(&applied);
        durable(|done| log.purge_upto(applied.index(), id, done))
    })
}
