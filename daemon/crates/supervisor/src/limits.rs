//! Every limit of this crate, with its unit.

use std::time::Duration;

/// Largest body of a join request, in bytes.
pub const JOIN_REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Largest answer that a joining server reads, in bytes: eleven PEM files of a few KB each.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Most URLs of one kind that a member may name.
pub const URLS_MAX: usize = 8;
/// Longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 512;
/// Most characters of a server's refusal that are shown.
pub const MESSAGE_CHARACTERS_MAX: usize = 1024;
/// Most servers that a joining server tries.
pub const SERVERS_MAX: usize = 64;
/// Time within which a join request must have arrived.
pub const JOIN_REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a body nobody asked for that are read and forgotten before the answer is sent.
pub const UNREAD_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Join requests that are looked at or wait, at once.
pub const JOINS_IN_FLIGHT_MAX: usize = 8;
/// Wrong passwords that are let through in a row.
pub const WRONG_PASSWORDS_BURST: u32 = 10;
/// One more wrong password is let through after this.
pub const WRONG_PASSWORD_EVERY: Duration = Duration::from_secs(2);
/// Time that a readiness probe waits for the cluster.
pub const READY_WAIT_MAX: Duration = Duration::from_secs(1);

/// How long a thread may make no step until the member counts as dead: less than a disk that
/// answers at all ever takes.
pub const STILL_TIME_MAX: Duration = Duration::from_secs(30);

/// Rounds of PBKDF2-HMAC-SHA256 for new envelopes.
///
/// A generated password has 128 random bits and would need none; passwords chosen by hand do. At
/// this count a 1 GHz Cortex-A7 takes a quarter of a second, once per process.
pub const PBKDF2_ROUNDS: u32 = 100_000;
/// Fewest rounds that an envelope may ask for: fewer would be a downgrade.
pub const PBKDF2_ROUNDS_MIN: u32 = 10_000;
/// Most rounds that an envelope may ask for: more would keep a small board busy for long.
pub const PBKDF2_ROUNDS_MAX: u32 = 1_000_000;
/// Largest text in an envelope, in bytes.
pub const ENVELOPE_BYTES_MAX: usize = 512 * 1024;

/// Time for each half of the question whether a server is of a cluster.
pub const WAITING_ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// Connections that a server without a cluster answers at once.
pub const WAITING_CONNECTIONS_MAX: usize = 16;
/// Configuration values that a joining server may name, and the bytes of all of them.
pub const CRITICAL_VALUES_MAX: usize = 64;
/// Longest of them, in bytes.
pub const CRITICAL_VALUE_BYTES_MAX: usize = 512;

/// Time for the host of a member to say that nobody listens there.
pub const VACANT_ANSWER_TIME_MAX: Duration = Duration::from_secs(2);

/// Time to connect to a server, and to agree on TLS.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Time for a server to answer: adding a member waits for the quorum's disks.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Pause after the first round of servers none of which could help.
pub const RETRY_PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause between rounds.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(3);
/// Time that storing the bootstrap data waits for a leader.
pub const STORE_BOOTSTRAP_TIME_MAX: Duration = Duration::from_secs(60);
/// Pause after the first try to store it; later ones are longer.
pub const STORE_BOOTSTRAP_PAUSE_MIN: Duration = Duration::from_millis(50);
