//! openraft over the log, the store and the peer transport: the only crate that names openraft.
//!
//! Runs on threads of its own; the rest of the process holds a [`Handle`].
//!
//! ```text
//! handle ── commands, reads ──> consensus ── entries ──> log (durable)
//!    ^                              │ committed
//!    └──────── answers ────────── store (applies, answers, commits)
//! ```

mod apply;
mod config;
mod error;
mod founding;
mod handle;
mod lessor;
pub mod limits;
mod node;
mod peer;
mod raft;
mod reset;
mod shared;
mod start;
mod status;
mod waiters;

pub use config::{Config, FlushPolicy, Start, StartError};
pub use error::{ProposeError, ReadError};
pub use founding::{Founding, begin_log, founding};
pub use handle::{Caller, Handle};
pub use reset::{Kept, ResetError, reset};
pub use shared::Pulse;
pub use start::Consensus;
pub use status::{Abandoned, Member, Role, Status};
