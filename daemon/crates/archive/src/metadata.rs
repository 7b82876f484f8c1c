//! What a snapshot says of itself: all that a restore needs besides the keys.
//!
//! Stands in the bucket `skerry`, which snapshots of etcd and K3s do not have. Knows nothing about
//! how the bootstrap data is sealed. Invariant: what is read is bounded, whatever the file says.
//!
//! ```text
//! "metadata"    -> Metadata (JSON)
//! "bootstrap"   -> authorities and service account key, sealed under the servers' token exactly
//!                  as they travel to a server that joins
//! ```

use std::fmt;
use std::io::{Read, Seek};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use skerry_bbolt::Database;
use skerry_store::View;

use crate::ArchiveError;
use crate::limits::{BOOTSTRAP_BYTES_MAX, METADATA_BYTES_MAX};

pub(crate) const BUCKET: &[u8] = b"skerry";
pub(crate) const BOOTSTRAP_ROW: &[u8] = b"bootstrap";
pub(crate) const METADATA_ROW: &[u8] = b"metadata";

/// The version of [`Metadata`]; a later one is refused.
pub const METADATA_VERSION: u32 = 1;

/// Where a snapshot is from. Fields that are added later have defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// [`METADATA_VERSION`] of who wrote it.
    pub version: u32,
    /// The program that wrote it.
    pub program: String,
    /// When, in Unix seconds.
    pub time: u64,
    /// The node that wrote it.
    pub node_name: String,
    /// The cluster, the same on every member.
    pub cluster_id: u64,
    /// The member that wrote it.
    pub member_id: u64,
    /// All members, by id.
    pub members: Vec<Member>,
    /// The revision of the keyspace.
    pub revision: i64,
    /// Says which token the bootstrap data is sealed under, without saying the token: the first
    /// hex digits of its SHA-256, as in the name of the copy that the cluster keeps.
    #[serde(default)]
    pub token_fingerprint: Option<String>,
}

/// A member of the cluster that a snapshot is from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its Raft id.
    pub id: u64,
    /// Its node.
    pub name: String,
    /// Where it hears its peers.
    pub peer_urls: Vec<String>,
    /// Where it hears clients of the datastore.
    pub client_urls: Vec<String>,
    /// It has no vote.
    #[serde(default)]
    pub is_learner: bool,
}

/// What stands in a snapshot's own bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Where it is from.
    pub metadata: Metadata,
    /// Sealed bootstrap data, where the writer had it.
    pub bootstrap: Option<Vec<u8>>,
}

impl Origin {
    /// Reads it; nothing where the snapshot is one of etcd or K3s.
    pub fn read<F: Read + Seek>(
        database: &mut Database<F>,
    ) -> Result<Option<Origin>, ArchiveError> {
        let (mut metadata, mut bootstrap) = (None, None);
        let found = database.rows(BUCKET, |key, value| {
            let (row, bytes_max) = match key {
                METADATA_ROW => (&mut metadata, METADATA_BYTES_MAX),
                BOOTSTRAP_ROW => (&mut bootstrap, BOOTSTRAP_BYTES_MAX),
                _ => return Ok(()),
            };
            if value.len() > bytes_max {
                let name = key.escape_ascii();
                return Err(ArchiveError::metadata(format!("its {name} is too long")));
            }
            *row = Some(value.to_vec());
            Ok(())
        })?;
        if !found {
            return Ok(None);
        }
        let metadata = metadata.ok_or_else(|| ArchiveError::metadata("it is missing"))?;
        let metadata: Metadata =
            serde_json::from_slice(&metadata).map_err(ArchiveError::metadata)?;
        if metadata.version > METADATA_VERSION {
            let version = metadata.version;
            return Err(ArchiveError::metadata(format!(
                "it is of version {version}, this program knows {METADATA_VERSION}"
            )));
        }
        Ok(Some(Origin {
            metadata,
            bootstrap,
        }))
    }

    /// The JSON of its metadata, no longer than what is read.
    pub(crate) fn metadata_row(&self) -> Result<Vec<u8>, ArchiveError> {
        let row = serde_json::to_vec(&self.metadata).map_err(ArchiveError::metadata)?;
        match row.len() {
            ..=METADATA_BYTES_MAX => Ok(row),
            _ => Err(ArchiveError::metadata("it is too long")),
        }
    }
}

type DescribeView = dyn Fn(&View) -> Result<Origin, ArchiveError> + Send + Sync;

/// Says where a snapshot of a state is from.
#[derive(Clone)]
pub struct Describe(Arc<DescribeView>);

impl Describe {
    /// What `origin` says.
    pub fn new(
        origin: impl Fn(&View) -> Result<Origin, ArchiveError> + Send + Sync + 'static,
    ) -> Describe {
        Describe(Arc::new(origin))
    }

    /// Where a snapshot of this state is from.
    pub fn origin(&self, view: &View) -> Result<Origin, ArchiveError> {
        (self.0)(view)
    }
}

impl fmt::Debug for Describe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Describe").finish_non_exhaustive()
    }
}
