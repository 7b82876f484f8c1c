//! The life of a server, as its administrator lives it: first start, restart, planned stop, crash,
//! joining, removal, loss of the quorum, a full disk, and every mistake that is answered with a
//! clear word.
//!
//! Drives the binary and the real etcdctl from outside; knows nothing of what is inside.

#![allow(clippy::unwrap_used)]

mod binary;
mod http;
mod removal;

pub use binary::{Ran, last_words, run, server_of};
pub use http::{Answer, get, get_plain};
pub use removal::remove;
mod one_file;

pub use one_file::{one_cluster_of_three, three_of_one_file};

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
