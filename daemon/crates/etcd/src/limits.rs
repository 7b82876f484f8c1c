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

/// Operations in one level of a transaction, and what its nested transactions have to share.
pub const TXN_OPERATIONS_MAX: usize = 128;

/// Connections that have finished their handshake; others wait in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 2048;

/// Handshakes under way at once: strangers can hold no more than these.
pub const HANDSHAKES_MAX: usize = 64;

/// From accept to the first byte of HTTP.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// From the first to the last byte of the headers of an HTTP/1.1 request, and how long such a
/// connection may idle between two.
pub const HTTP1_HEADER_TIME_MAX: Duration = Duration::from_secs(30);

/// Headers of one request.
pub const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Read buffer of an HTTP/1.1 connection.
pub const HTTP1_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Streams of one HTTP/2 connection: calls under way and watches.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 4096;

/// Bytes that one stream may send before they are read.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Bytes that all streams of a connection together may send before they are read.
pub const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// Bytes of answers that one stream holds for a client that does not read.
pub const STREAM_SEND_BYTES_MAX: usize = 64 * 1024;

/// A connection that is silent this long is asked whether it still lives.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);

/// And has this long to answer.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long calls under way may take to finish once the server stops.
pub const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(5);

/// Bytes of the body of one HTTP request (the JSON gateway; base64 makes them longer).
pub const HTTP_BODY_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// Peer URLs of one member.
pub const MEMBER_URLS_MAX: usize = 16;

/// Bytes of a member's URL.
pub const MEMBER_URL_BYTES_MAX: usize = 512;

/// Bytes of one message of a snapshot stream.
pub const SNAPSHOT_MESSAGE_BYTES_MAX: usize = 64 * 1024;
