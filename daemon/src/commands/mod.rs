//! Commands beside `skerry server`: one file a command.
//!
//! Their flags are those of the server, whose data directory and address they need, and their own.

use std::io::Write as _;

use anyhow::Context as _;

mod bootstrap_token;
pub(crate) mod certificate;
pub(crate) mod check_config;
pub(crate) mod completion;
pub(crate) mod doctor;
pub(crate) mod etcd_snapshot;
pub(crate) mod footprint;
pub(crate) mod maintenance;
pub(crate) mod member;
pub(crate) mod ready;
pub(crate) mod secrets_encrypt;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod update;
mod yaml;

/// Writes what a command has to say.
fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("standard output")
}
