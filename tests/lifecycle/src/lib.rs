//! The life of a server, as its administrator lives it: first start, restart, planned stop, crash,
//! joining, removal, loss of the quorum, a full disk, and every mistake that is answered with a
//! clear word.
//!
//! Drives the binary and the real etcdctl from outside; knows nothing of what is inside.

#![allow(clippy::unwrap_used)]

mod binary;
mod http;
mod kubectl;
mod one_file;
mod removal;
mod service_manager;

pub use binary::{Ran, config_of, last_words, run, server_of};
pub use http::{Answer, get, get_as, get_plain};
pub use kubectl::kubectl;
pub use one_file::{one_cluster_of_three, three_of, three_of_one_file};
pub use removal::remove;
pub use service_manager::ServiceManager;

use skerry_tests_harness::Options;

/// Elections that take a second, so that tests that wait for one are short.
pub fn brisk() -> Options {
    Options {
        flags: vec![
            "--heartbeat-interval=100ms".into(),
            "--election-timeout=1000ms".into(),
        ],
        ..Options::default()
    }
}
