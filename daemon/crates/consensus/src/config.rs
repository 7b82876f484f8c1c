//! What a member is started with.
//!
//! Knows nothing about files of settings: the daemon reads those.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::Member;
use crate::limits;

/// How a member comes to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The first member of a new cluster. Repeating it on a directory that already holds a member
    /// restarts that member.
    Form,
    /// The cluster has handed out this member's id: wait to be contacted. May be repeated.
    Join,
    /// Go on from what the directory holds; it must hold something.
    Restart,
}

/// When the state is written to the disk for good. What is applied and not yet written is applied
/// again from the log after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushPolicy {
    /// At least this often while there is something to write.
    pub interval: Duration,
    /// After so many applied entries.
    pub entries: u64,
    /// After so many bytes of applied entries.
    pub bytes: u64,
}

impl Default for FlushPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            entries: 5_000,
            bytes: 4 << 20,
        }
    }
}

/// The settings of a member.
#[derive(Debug, Clone)]
pub struct Config {
    /// The same on every member; peers of another cluster are refused.
    pub cluster_id: u64,
    /// This member's Raft id. The first member of a cluster has
    /// [`skerry_store::FIRST_MEMBER_ID`]; all others are handed out by the cluster.
    pub member_id: u64,
    /// What this member says of itself. The name and the client URLs are published to the cluster
    /// at every start.
    pub member: Member,
    /// What is published with them: a hash of the password that this node keeps; may be empty.
    pub password_hash: String,
    /// Holds `log/` and `state.redb`.
    pub db_dir: PathBuf,
    /// Memory for pages of the state.
    pub cache_bytes: usize,
    /// Space that keys, values and history may take.
    pub quota_bytes: u64,
    /// Largest encoded command.
    pub command_bytes_max: usize,
    /// When the state is written for good.
    pub flush: FlushPolicy,
    /// Time between two signs of life of the leader.
    pub heartbeat: Duration,
    /// Time without a sign of life of the leader after which another member takes over; it takes
    /// up to half as long again.
    pub election: Duration,
    /// Time without any progress after which this member, while it leads, removes a learner that
    /// should become a voter.
    pub learner_stall: Duration,
    /// Peer URLs at which members may be found that are not where the membership has them.
    pub peer_hints: Vec<String>,
    /// Where the other members are awaited.
    pub peer_address: SocketAddr,
    /// Demands a client certificate of this cluster.
    pub peer_server_tls: Arc<rustls::ServerConfig>,
    /// Presents a certificate of this cluster and accepts no other.
    pub peer_client_tls: Arc<rustls::ClientConfig>,
}

/// The defaults of settings that have one.
impl Config {
    /// K3s's heartbeat, made for slow flash.
    pub const HEARTBEAT_DEFAULT: Duration = Duration::from_millis(500);
    /// K3s's election timeout, made for slow flash.
    pub const ELECTION_DEFAULT: Duration = Duration::from_millis(5_000);
    /// K3s's time for a learner that makes no progress.
    pub const LEARNER_STALL_DEFAULT: Duration = limits::LEARNER_STALL_TIME_DEFAULT;
    /// See [`limits::COMMAND_BYTES_DEFAULT`].
    pub const COMMAND_BYTES_DEFAULT: usize = limits::COMMAND_BYTES_DEFAULT;

    /// Time that a request may take before it fails, as in etcd: 5 s for queues and disks, and
    /// two elections.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(5) + 2 * self.election
    }

    /// Where a received snapshot is kept until it is the state.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.db_dir.join("state.incoming")
    }

    /// The least life of a lease, in seconds: as in etcd one and a half elections, rounded up, so
    /// that no lease ends because of a change of leader.
    #[must_use]
    pub fn lease_ttl_seconds_min(&self) -> i64 {
        let ms = self.election.as_millis() * 3 / 2;
        i64::try_from(ms.div_ceil(1_000)).unwrap_or(i64::MAX).max(1)
    }
}

/// A member could not be started.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StartError {
    #[error(
        "the election timeout ({election:?}) must be at least five heartbeats ({heartbeat:?}) and not over 50 s"
    )]
    Timing {
        heartbeat: Duration,
        election: Duration,
    },
    #[error("{path}: {source}", path = path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot listen for peers on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(transparent)]
    Log(#[from] skerry_log::LogError),
    #[error(transparent)]
    Store(#[from] skerry_store::StoreError),
    #[error("{path}: the log begins after entry {first} but the state ends at entry {applied:?}; move the data directory aside and rejoin as a new member", path = path.display())]
    Hole {
        path: PathBuf,
        first: u64,
        applied: Option<u64>,
    },
    #[error("{path}: the state is there but its log is not, so this member cannot know what it promised to the others; move the data directory aside and rejoin as a new member", path = path.display())]
    LogLost { path: PathBuf },
    #[error("{path}: neither log nor state is there, though this is a member already; restore them, or remove this member from the cluster and rejoin as a new one", path = path.display())]
    NothingLeft { path: PathBuf },
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("cannot start consensus: {0}")]
    Raft(String),
}
