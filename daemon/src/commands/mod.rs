//! Commands beside `skerry server`: one file a command.
//!
//! Their flags are those of the server, whose data directory and address they need, and their own.

mod bootstrap_token;
pub(crate) mod certificate;
pub(crate) mod check_config;
pub(crate) mod completion;
pub(crate) mod doctor;
pub(crate) mod etcd_snapshot;
pub(crate) mod member;
pub(crate) mod secrets_encrypt;
pub(crate) mod status;
pub(crate) mod token;
mod yaml;
