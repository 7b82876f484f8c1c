//! What the last words of the process are when an invariant does not hold.
//!
//! The release profile aborts on panic: systemd restarts the server, and the state, which a panic
//! may have met in damaged pages, is checked as a whole when it is opened again.

use std::path::PathBuf;

/// Sets the hook for the life of the process.
pub(crate) fn set(state: PathBuf) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(thread, "{panic}; this is a bug: the process cannot go on");
        if let Err(error) = skerry_store::mark_for_check(&state) {
            tracing::error!(%error, "the state could not be marked for a check");
        }
    }));
}
