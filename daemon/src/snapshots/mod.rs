//! Snapshots of the datastore that this server takes: on schedule, and by command.
//!
//! Each member takes its own, of the state that it has. Invariant: one at a time; what is taken is
//! whole on the disk before anybody is told of it, and what fails is told of too.

mod answer;
pub(crate) mod folder;
pub(crate) mod limits;
mod origin;
mod remote;
mod rounds;
mod secret;
mod take;

pub(crate) use answer::{BUCKET_ROUTE, ROUTE, routes};
pub(crate) use folder::Folder;
pub(crate) use origin::describe;
pub(crate) use remote::{Remote, created};
pub(crate) use rounds::rounds;
pub(crate) use take::Snapshots;
