//! The bounds of a run, with their units.

use std::time::Duration;

/// Configurations the checker holds for one key at one moment before it gives up.
pub const CHECKER_CONFIGURATIONS_MAX: usize = 200_000;

/// Steps of one search of the checker before it gives up.
pub const CHECKER_STEPS_MAX: usize = 200_000;

/// How long a client waits for one answer before it records an unknown outcome.
pub const OPERATION_DEADLINE: Duration = Duration::from_secs(4);

/// How long a cluster may take to serve writes on every member once all faults are healed.
pub const RECOVERY_DEADLINE: Duration = Duration::from_secs(60);

/// How long a cluster may take from its first start until every member serves.
pub const START_DEADLINE: Duration = Duration::from_secs(60);

/// How long a watcher may take to see the last write once all faults are healed.
pub const WATCH_DEADLINE: Duration = Duration::from_secs(60);

/// How long a connection attempt may take.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// Pause between two looks at a condition that is waited for.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a stopping member may take after SIGTERM.
pub const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// How long a write without a quorum may take to fail. etcd's own bound is
/// 5 s + 2 x election timeout; the rest is for a busy machine.
pub const QUORUM_LOSS_DEADLINE: Duration = Duration::from_secs(25);

/// Bytes that fill up a written value, so that entries are not all tiny.
pub const VALUE_PADDING: usize = 200;

/// Keys in use at one time: few, so that clients meet.
pub const KEYS_IN_USE: u32 = 4;

/// Members of the cluster.
pub const MEMBERS: usize = 3;

/// How long after its last keep-alive an expired lease may still be there: a leader that
/// lost its clock grants the whole time once more, and an election comes before.
pub const LEASE_EXPIRY_DEADLINE: Duration = Duration::from_secs(60);

/// Writes after which no member's log reaches back to the first of them: Skerry keeps 5,000
/// entries and purges after 5,000 more.
pub const BULK_WRITES: usize = 12_000;

/// How long these writes may take.
pub const BULK_DEADLINE: Duration = Duration::from_secs(60);

/// Bytes of resident memory that a member may take on while watchers do not read: its ring of
/// events, its caches, and what a few hundred connections have in their buffers.
pub const SLOW_WATCH_MEMORY_MAX: usize = 48 << 20;
