//! openraft over the log, the store and the peer transport: the only crate that names openraft.
//!
//! Runs on threads of its own; the rest of the process holds a [`Handle`].

mod error;
mod status;

pub use error::{ProposeError, ReadError};
pub use status::{Member, Role, Status};
