//! The audit log: which request is recorded how ([`Policy`]), as what ([`Event`]), and where
//! ([`Writer`], a rotated file).
//!
//! Policy and event are pure. Knows nothing about HTTP, nor about how a user is found or judged.

mod event;
mod file;
pub mod limits;
mod node;
mod policy;
mod read;
mod time;
mod writer;

pub use event::{Event, ObjectRef, Stage, Who};
pub use file::{FileOptions, OpenError};
pub use policy::{Asked, Level, Policy, Recording, Target};
pub use read::PolicyError;
pub use writer::{Mode, Writer, Written};
