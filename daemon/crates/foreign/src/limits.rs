//! Bounds on what is asked of a foreign etcd, and how long it may take.

use std::time::Duration;

/// What a request may take before it counts as lost.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(7);
/// What a probe, and a connection's set-up, may take.
pub const PROBE_TIME_MAX: Duration = Duration::from_secs(2);
/// What an open watch may take to answer: less than a request waits for it.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(4);
/// Between two probes.
pub const PROBE_PAUSE: Duration = Duration::from_secs(2);
/// Before a probe that somebody asks for whose request failed.
pub const DOUBT_PAUSE: Duration = Duration::from_millis(50);
/// Before a broken watch is opened again.
pub const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Between two requests for the watch's progress, while somebody waits for a revision.
pub const NUDGE_PAUSE: Duration = Duration::from_millis(20);
/// Keys read at once for a base, where they are small.
pub const PAGE_KEYS_MAX: i64 = 512;
/// The next page asks for half as many keys where one had more bytes than these, and for twice as
/// many where it had less than a quarter of them.
pub const PAGE_BYTES: usize = 1 << 20;
/// A message of etcd's; a page that is larger is asked for in smaller ones. etcd takes objects of
/// 1.5 MB, unless it is told to take larger ones.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// A connection that is silent for this long is asked whether it is there. etcd ends connections
/// that ask more often than every 5 s.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long the replica keeps what was.
pub const HISTORY_TIME: Duration = Duration::from_secs(300);
/// Between two looks at how old the history is.
pub const HISTORY_PAUSE: Duration = Duration::from_secs(30);
/// The lease of a server, in seconds.
pub const LEASE_SECONDS: i64 = 15;
/// Between two times that the lease is kept.
pub const LEASE_PAUSE: Duration = Duration::from_secs(3);
/// Whoever leads stops believing so when etcd was silent for this long.
pub const LEADS_TIME_MAX: Duration = Duration::from_secs(9);
/// Servers whose addresses are told.
pub const SERVERS_MAX: i64 = 64;
