//! Every bound of this crate, with its unit. Each has a test that reaches it.

use std::time::Duration;

/// Proposals of this member's clients that may be under way at once.
pub const PROPOSALS_MAX: usize = 8_192;

/// Bytes of encoded commands that this member's clients may have under way at once.
pub const PROPOSAL_BYTES_MAX: usize = 32 << 20;

/// Bytes of encoded commands that the leader has inside openraft at once, its own and forwarded
/// ones, but for a larger single one. What comes on top waits outside.
pub const RAFT_BYTES_MAX: usize = 8 << 20;

/// Linearizable reads that may wait for a round at once.
pub const READS_MAX: usize = 16_384;

/// Other requests (membership, leases) that may wait for the consensus thread.
pub const REQUESTS_MAX: usize = 4_096;

/// Largest encoded command, unless the settings say otherwise: etcd's request limit, and room for
/// what surrounds the request.
pub const COMMAND_BYTES_DEFAULT: usize = 1_536 << 10;

/// Bytes of committed entries that wait for the store thread before consensus waits for it.
pub const APPLY_QUEUE_BYTES_MAX: usize = 8 << 20;

/// Entries that are applied in one transaction of the state.
pub const APPLY_BATCH_ENTRIES_MAX: usize = 1_024;

/// Bytes of entries that are applied in one transaction of the state, but for a larger single one.
pub const APPLY_BATCH_BYTES_MAX: usize = 4 << 20;

/// Bytes of entries in one append message to a follower, but for a larger single one.
pub const APPEND_BYTES_MAX: usize = 1 << 20;

/// Entries in one append message to a follower.
pub const APPEND_ENTRIES_MAX: u64 = 4_096;

/// Append messages to one follower that may be under way at once.
pub const APPENDS_IN_FLIGHT_MAX: usize = 4;

/// Bytes of entries that are read back from the log at once when they are applied.
pub const LOG_READ_BYTES_MAX: usize = 4 << 20;

/// Largest message between members.
pub const FRAME_BYTES_MAX: usize = 20 << 20;

/// Bytes of messages that may wait in the queue of one connection before its users wait.
pub const LINK_QUEUE_BYTES_MAX: usize = 4 << 20;

/// Requests of one peer connection that are served at once.
pub const PEER_REQUESTS_MAX: usize = 256;

/// Peer connections that are served at once.
pub const PEER_CONNECTIONS_MAX: usize = 128;

/// TLS handshakes of peers that are under way at once.
pub const PEER_HANDSHAKES_MAX: usize = 64;

/// TLS handshakes under way at once from one address, so that no single one keeps members out.
pub const PEER_HANDSHAKES_PER_ADDRESS_MAX: usize = 16;

/// Time that a peer has for TCP, TLS and the greeting.
pub const PEER_HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);

/// Addresses of refused peers that are remembered, so that each is logged once.
pub const REFUSED_PEERS_MAX: usize = 64;

/// Pause before a peer that could not be reached is tried again, at first and at most.
pub const RECONNECT_PAUSE: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_millis(1_000));

/// Time for one chunk of a snapshot to go to the peer.
pub const SNAPSHOT_STALL_TIME_MAX: Duration = Duration::from_secs(30);

/// Time for the receiver of a snapshot to put it in place once it has arrived.
pub const SNAPSHOT_INSTALL_TIME_MAX: Duration = Duration::from_secs(300);

/// Applied entries after which the log may be purged.
pub const PURGE_EVERY_ENTRIES: u64 = 5_000;

/// Bytes of applied entries after which the log may be purged.
pub const PURGE_EVERY_BYTES: u64 = 32 << 20;

/// Applied entries that are kept in the log for followers that lag.
pub const KEEP_ENTRIES: u64 = 5_000;

/// Time without any progress after which a learner that should become a voter is removed, unless
/// the settings say otherwise.
pub const LEARNER_STALL_TIME_DEFAULT: Duration = Duration::from_secs(300);

/// Learners that clients may have in the cluster at once (etcd's `--max-learners`).
pub const LEARNERS_MAX: usize = 1;

/// Members of a cluster, voters and learners.
pub const MEMBERS_MAX: usize = 64;

/// Peer URLs of one member.
pub const PEER_URLS_MAX: usize = 16;

/// Bytes of one URL or name of a member.
pub const MEMBER_TEXT_BYTES_MAX: usize = 1_024;

/// Lease revocations that the leader proposes in half a second (etcd's rate).
pub const LEASE_EXPIRIES_PER_ROUND_MAX: usize = 500;

/// Time between two looks at expired leases.
pub const LEASE_ROUND: Duration = Duration::from_millis(500);

/// Time after which the remaining life of a long lease is written to the log (etcd's interval).
pub const LEASE_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(300);

/// Leases in one checkpoint.
pub const LEASE_CHECKPOINT_LEASES_MAX: usize = 1_000;

/// Entries in a follower's log that may wait to be applied before it takes more from the leader.
pub const APPLY_LAG_ENTRIES_MAX: u64 = 50_000;

/// Orders to apply that openraft may have waiting. It would stand still if there were more; the
/// commands under way and the lag of followers are bounded far below.
pub const APPLY_COMMANDS_MAX: u64 = 65_536;

/// How long a leader that stops waits for another to take over. Whoever has been asked by then
/// takes over without it.
pub const HAND_OVER_TIME_MAX: Duration = Duration::from_secs(2);

/// Time before a whole state is sent again to a member that could not take it, at first.
pub const SNAPSHOT_PAUSE_MIN: Duration = Duration::from_secs(1);

/// The same after many failures: a full disk is seldom emptied sooner.
pub const SNAPSHOT_PAUSE_MAX: Duration = Duration::from_secs(60);
