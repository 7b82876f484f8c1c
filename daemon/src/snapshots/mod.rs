//! Snapshots of the datastore that this server takes.

mod origin;

pub(crate) use origin::describe;
