//! The audit trail of one request: what is recorded of it as it goes from stage to stage.
//!
//! Knows the order of the stages, not where events go. Invariant: without an audit log every step
//! here is a look at a `None`; with one, nothing that is recorded changes what is answered, but for
//! the mode that asks for it.

mod objects;
mod trail;

use std::fmt;

use skerry_audit::{FileOptions, Mode, OpenError, Policy, Writer};

pub(crate) use trail::Trail;

/// An audit log and what goes into it. Dropping the last handle writes what still waits.
pub struct Audit {
    policy: Policy,
    writer: Writer,
}

impl Audit {
    /// Opens the log.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn start(policy: Policy, file: FileOptions, mode: Mode) -> Result<Audit, OpenError> {
        let writer = Writer::start(file, mode)?;
        Ok(Audit { policy, writer })
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}
