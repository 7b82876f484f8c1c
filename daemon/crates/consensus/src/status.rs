//! What this member knows of the cluster, as one cheap value that is replaced when it changes.

use serde::{Deserialize, Serialize};

/// A member of the Raft group: openraft's node, and what etcd's clients see of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The node's name; empty until the member has started for the first time.
    pub name: String,
    /// `https://host:2380`
    pub peer_urls: Vec<String>,
    /// `https://host:2379`; empty until the member has started for the first time.
    pub client_urls: Vec<String>,
}

/// A new member that the leader has removed because it made no progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    /// Its Raft id.
    pub id: u64,
    /// Where it should have been reached.
    pub peer_urls: Vec<String>,
}

/// The part that this member plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Role {
    Leader,
    Follower,
    Candidate,
    Learner,
}

/// A picture of the cluster from this member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The cluster's id, the same on every member.
    pub cluster_id: u64,
    /// This member's Raft id; never reused.
    pub member_id: u64,
    /// This member's role.
    pub role: Role,
    /// Raft id of the leader, where one is known.
    pub leader: Option<u64>,
    /// The current term.
    pub term: u64,
    /// Index of the last entry known to be committed.
    pub committed_index: u64,
    /// Index of the last entry applied here.
    pub applied_index: u64,
    /// All members: id, what is known of it, and whether it is a learner. Ordered by id.
    pub members: Vec<(u64, Member, bool)>,
    /// No connection to a quorum of the members: there is none to wait for.
    pub out_of_reach: bool,
    /// Why this member cannot go on (a removed member, a disk that failed); `None` while it can.
    pub fatal: Option<String>,
}
