//! Watching: streams of events, in order, each once, from any revision that is not compacted.
//!
//! ```text
//!   store thread        API thread
//!   ring of revisions -> hub: which watchers? -> mailbox of a stream -> the stream's answer body
//! ```
//!
//! A watcher is a cursor. While it keeps up, the hub tells its stream the number of each revision
//! that concerns it, and the events are read from the ring when the client takes them. When the
//! ring no longer has them, or a stream has too many such numbers waiting, its watchers fall
//! behind: they read history from the state until they have caught up. So memory grows neither
//! with slow watchers nor with events, and an event costs the watchers that it concerns, not all.

mod deliver;
mod encode;
mod hub;
#[cfg(test)]
mod hub_test;
mod lagging;
mod mailbox;
mod previous;
mod progress;
mod requests;
mod stream;
mod watcher;

pub(crate) use hub::{Hub, Signal};
