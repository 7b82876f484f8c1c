//! How members talk to each other: our own framed protocol over mutual TLS.
//!
//! Each pair of members has a few connections, one for each [`Class`], so that heartbeats and votes
//! never queue behind entries, forwarded requests or snapshots. Who opened a connection asks, the
//! other side answers; answers may overtake each other.

pub(crate) mod address;
pub(crate) mod frame;
pub(crate) mod greeting;
pub(crate) mod link;
pub(crate) mod listener;
pub(crate) mod message;
pub(crate) mod network;
pub(crate) mod refused;
pub(crate) mod retry;
pub(crate) mod serve;
pub(crate) mod snapshot;
mod socket;
pub(crate) mod wire;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Heartbeats, votes, read positions.
    Control = 0,
    /// Entries of the log.
    Append = 1,
    /// What clients of another member want of the leader.
    Forward = 2,
    /// A whole state.
    Snapshot = 3,
}

impl Class {
    pub(crate) fn decode(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Control,
            1 => Self::Append,
            2 => Self::Forward,
            3 => Self::Snapshot,
            _ => return None,
        })
    }
}
