//! openraft, filled in: its types, and the log and the state machine as it wants to see them.

pub(crate) mod log_store;
pub(crate) mod record;
pub(crate) mod state_machine;
pub(crate) mod types;
