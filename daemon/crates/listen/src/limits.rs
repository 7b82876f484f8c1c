//! Every bound on what a connection may cost, with its unit.

use std::time::Duration;

/// Connections of one port. At that number the one that has been idle longest makes room for the
/// next; where all are busy, others wait in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 2048;

/// Handshakes under way at once on one port; at that number the slowest is given up for the next.
pub const HANDSHAKES_MAX: usize = 64;

/// From accept to the first byte of HTTP.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// From the first to the last byte of the headers of an HTTP/1.1 request, and how long such a
/// connection may idle between two.
pub const HTTP1_HEADER_TIME_MAX: Duration = Duration::from_secs(30);

/// Headers of one request, in bytes.
pub const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Read buffer of an HTTP/1.1 connection, in bytes.
pub const HTTP1_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Streams of one HTTP/2 connection: calls under way and watches.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 4096;

/// Bytes that one stream may send before they are read.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Bytes that all streams of a connection together may send before they are read.
pub const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// The least of that, however short memory is: HTTP/2's own.
pub const CONNECTION_WINDOW_BYTES_MIN: u32 = 65_535;

/// The share of the memory that is left which one connection may send: one of so many.
pub const CONNECTION_WINDOW_SHARE: usize = 64;

/// Bytes of answers that one stream holds for a client that does not read, besides the piece that
/// goes beyond it.
pub const STREAM_SEND_BYTES_MAX: usize = 16 * 1024;

/// Bytes of frames that a connection gathers before it sends them: two TLS records, one system call.
pub const GATHERED_BYTES_MAX: usize = 32 * 1024;

/// Bytes of that buffer which a connection keeps while it has nothing to send.
pub const GATHERED_BYTES_KEPT: usize = 1024;

/// A connection that is silent this long is asked whether it still lives.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);

/// And has this long to answer.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection that makes room may take to say so.
pub const LEAVE_TIME_MAX: Duration = Duration::from_millis(200);

/// How long calls under way may take to finish once the server stops.
pub const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(5);
