//! The settings of `skerry server`, typed and checked.
//!
//! Invariant: a [`Settings`] holds no value that start-up would have to refuse; every error names
//! the flag, the variable, or the file and line that said it.

mod admission;
mod audit;
mod changes;
mod critical;
mod datastore;
mod file;
mod k3s;
mod keys;
mod layers;
mod parse;
mod s3;
mod settings;
mod snapshots;

pub(crate) use audit::AuditSettings;
pub(crate) use changes::changes;
pub(crate) use datastore::ForeignEtcd;
pub(crate) use keys::{KEYS, Key, Kind};
pub(crate) use parse::duration;
pub(crate) use s3::{BucketOf, BucketSecret, of_secret};
pub(crate) use settings::Settings;
pub(crate) use snapshots::{SnapshotSettings, base_name};
