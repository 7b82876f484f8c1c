//! Every sub-command of the real etcdctl, against Skerry and against etcd: what it prints and
//! how it ends must be the same, apart from ids, terms, sizes, times and addresses.
//!
//! `etcdutl` is not compared: it works on the files of a stopped etcd, which Skerry has not; it reads
//! snapshots of Skerry.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod both;
mod ctl;
mod plain;

pub use both::{Background, Both};
pub use ctl::{Ctl, Ended, Running};
pub use plain::Plain;

/// Tests that hold with one member and with three.
#[macro_export]
macro_rules! with_one_and_with_three_members {
    ($($name:ident,)*) => {
        mod one_member {
            $(#[tokio::test]
            async fn $name() {
                super::$name(1).await;
            })*
        }
        mod three_members {
            $(#[tokio::test]
            async fn $name() {
                super::$name(3).await;
            })*
        }
    };
}
