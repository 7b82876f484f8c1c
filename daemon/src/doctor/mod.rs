//! What is wrong with a server and its cluster, in plain words: for a command beside the server,
//! and, as metrics, events and a line of the log, for whoever looks later.
//!
//! Knows nothing about how anything is mended. Invariant: every look is bounded in time, and needs
//! no server that runs.

pub(crate) mod disk;
pub(crate) mod peers;
pub(crate) mod probe;
pub(crate) mod round;
