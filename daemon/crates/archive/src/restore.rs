//! Making a new state of a snapshot: of Skerry, of K3s, or of etcd.
//!
//! Knows nothing about what becomes of the state, and nothing of Kubernetes. Invariant: memory does
//! not grow with the file; a file of which any page or row is wrong makes no state.

use std::io::{Read, Seek};
use std::path::Path;

use bytes::Bytes;
use skerry_bbolt::Database;
use skerry_store::{Bucket, Convert, Import, Imported, LogId};

use crate::ArchiveError;

/// Leases come before the keys that hold them.
const BUCKETS: [(&str, Bucket); 5] = [
    ("lease", Bucket::Lease),
    ("key", Bucket::Key),
    ("auth", Bucket::Auth),
    ("authRoles", Bucket::AuthRoles),
    ("authUsers", Bucket::AuthUsers),
];

/// How far the revision leaps, so that no client has seen a later one of what is lost: what etcd's
/// documentation advises, weeks of a thousand writes a second.
pub const REVISIONS_BUMPED: i64 = 1_000_000_000;

/// Makes a state at `path`, where nothing may be; `convert` sees every value before it is kept. The
/// state counts as having applied an entry last, with this membership in force.
pub fn restore<'c, F: Read + Seek>(
    database: &mut Database<F>,
    path: &Path,
    convert: &'c mut Convert<'c>,
    (applied, membership): (LogId, &Bytes),
) -> Result<Imported, ArchiveError> {
    let mut import = Import::create(path, convert)?;
    for (name, bucket) in BUCKETS {
        let found = database.rows(name.as_bytes(), |key, value| {
            import
                .row(bucket, key, value)
                .map_err(|source| ArchiveError::Row {
                    bucket: name,
                    source,
                })
        })?;
        if !found && bucket == Bucket::Key {
            return Err(ArchiveError::NotEtcd);
        }
    }
    Ok(import.finish(REVISIONS_BUMPED, applied, membership)?)
}
