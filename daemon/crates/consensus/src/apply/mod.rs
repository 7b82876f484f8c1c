//! The store thread: the only one that writes the state.
//!
//! Committed entries come through a queue that is bounded in bytes; clients of this member are
//! answered here, as soon as their command is applied.

mod history;
mod queue;
mod thread;

pub(crate) use queue::{Closing, Point, Queue, StoreHandle};
pub(crate) use thread::{StoreThread, Subscribers};
