//! Every bound on what comes from outside, with its unit.
//!
//! A limit is reached with backpressure or with an error that etcd's clients know; nothing grows
//! without one.

use std::time::Duration;

/// Bytes of one encoded proposal (`etcdserver: request is too large`).
pub const REQUEST_BYTES_MAX: usize = 3 * 512 * 1024;

/// What a gRPC message may be longer than a proposal: etcd's own allowance.
pub const GRPC_OVERHEAD_BYTES: usize = 512 * 1024;

/// Bytes of one gRPC message from a client.
pub const MESSAGE_BYTES_MAX: usize = REQUEST_BYTES_MAX + GRPC_OVERHEAD_BYTES;

/// Bytes of messages that arrive in pieces, of all clients together.
pub const RECEIVING_BYTES_MAX: usize = 16 * MESSAGE_BYTES_MAX;

/// How long such a message may wait for room, and take to arrive.
pub const RECEIVE_TIME_MAX: Duration = Duration::from_secs(30);

/// Operations in one level of a transaction, and what its nested transactions have to share.
pub const TXN_OPERATIONS_MAX: usize = 128;

/// Bytes of the body of one HTTP request (the JSON gateway; base64 makes them longer).
pub const HTTP_BODY_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// Peer URLs of one member.
pub const MEMBER_URLS_MAX: usize = 16;

/// Bytes of a member's URL.
pub const MEMBER_URL_BYTES_MAX: usize = 512;

/// Bytes of one message of a snapshot stream.
pub const SNAPSHOT_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Watchers of all streams together.
pub const WATCHERS_MAX: usize = 32_768;

/// Revisions that one stream has yet to send, over all its watchers; beyond, they read history.
pub const WATCH_MAIL_MAX: usize = 4096;

/// Revisions that watchers are told of before other work gets its turn.
pub const PUMP_REVISIONS_MAX: usize = 256;

/// Bytes of events that a watcher which is behind reads at once.
pub const CATCH_UP_BYTES: usize = 128 * 1024;

/// Revisions that a watcher which is behind takes from the ring at once.
pub const CATCH_UP_REVISIONS: usize = 256;

/// Bytes of answers after which a watch stream hands them to HTTP/2.
pub const WATCH_YIELD_BYTES: usize = 32 * 1024;

/// Values before events that are held for other watchers of the same events.
pub const PREVIOUS_VALUES_MAX: usize = 64;

/// Bytes of such values.
pub const PREVIOUS_BYTES_MAX: usize = 1024 * 1024;

/// Renewals of one stream that are under way at once; the answers keep their order.
pub const KEEP_ALIVES_AT_ONCE: usize = 64;

/// Pieces of a snapshot that are read ahead of the client.
pub const SNAPSHOT_PIECES_AHEAD: usize = 4;

/// Snapshots that are sent to clients at once.
pub const SNAPSHOTS_MAX: usize = 2;

/// How long a client may leave a piece of its snapshot untaken.
pub const SNAPSHOT_STALL_TIME_MAX: Duration = Duration::from_secs(60);

/// Bytes of one answer: what gRPC's other implementations send at most.
pub const ANSWER_BYTES_MAX: usize = i32::MAX as usize;

/// Bytes of a large answer that are encoded at once.
pub const ANSWER_PIECE_BYTES: usize = 64 * 1024;

/// Ranges whose answers may be large that are held in memory at once.
pub const LARGE_ANSWERS_MAX: usize = 16;

/// How long a range waits for others to be sent.
pub const LARGE_ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// Bytes of a long range that are read before other clients get their turn.
pub const READ_PIECE_BYTES: usize = 256 * 1024;

/// Keys that are read at once where a client asks for no more.
pub const READ_AT_ONCE_KEYS: i64 = 1000;
