//! The MVCC key-value state machine over redb.
//!
//! Pure, synchronous, deterministic: no network, no clock, no randomness. It applies committed
//! entries of the Raft log in order, answers reads from consistent views, and streams its whole
//! state to a member that lags. The same entries give the same state, and the same hash, on every
//! member.

pub mod auth;
mod entry;
mod error;

pub use entry::{Applied, Entry, LogId, Payload, Reply};
pub use error::{ApplyError, StoreError};
