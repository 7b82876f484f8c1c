//! Writing a snapshot: all buckets that etcd's database has, and one more.
//!
//! Invariant: what is written is the state of one moment; memory does not grow with the state.

use std::fmt;
use std::io::{self, Write};

use ring::digest::{Context, SHA256};
use serde_json::json;
use skerry_bbolt::{Layout, Writer};
use skerry_store::{Bucket, View};

use crate::metadata::{BOOTSTRAP_ROW, BUCKET, METADATA_ROW};
use crate::{ArchiveError, Origin};

/// The version of etcd that the cluster says it is of, in whose database a snapshot is written.
const CLUSTER_VERSION: &[u8] = b"3.5.0";

/// Bytes of the checksum behind the database.
pub(crate) const CHECKSUM_BYTES: u64 = 32;

/// A state that is about to be written.
pub struct Snapshot {
    source: Source,
    layout: Layout,
}

/// What is written.
struct Source {
    view: View,
    origin: Origin,
    is_wanted: Box<dyn Fn() -> bool + Send>,
}

impl Snapshot {
    /// Measures what will be written: reads all of the state. `is_wanted` is asked all the time,
    /// now and while it is written: where it says no, that fails with [`ArchiveError::GivenUp`].
    pub fn of(
        view: View,
        origin: Origin,
        is_wanted: impl Fn() -> bool + Send + 'static,
    ) -> Result<Snapshot, ArchiveError> {
        let source = Source {
            view,
            origin,
            is_wanted: Box::new(is_wanted),
        };
        let mut writer = Writer::measuring();
        source.fill(&mut writer)?;
        let layout = writer.finish()?;
        Ok(Snapshot { source, layout })
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.layout.bytes() + CHECKSUM_BYTES
    }

    /// Writes the file.
    pub fn write(&self, out: impl Write) -> Result<(), ArchiveError> {
        let mut out = Summing {
            out,
            digest: Context::new(&SHA256),
        };
        let mut writer = Writer::new(&mut out, self.layout)?;
        self.source.fill(&mut writer)?;
        writer.finish()?;
        let Summing { mut out, digest } = out;
        out.write_all(digest.finish().as_ref())?;
        out.flush()?;
        Ok(())
    }
}

/// Digests what passes.
struct Summing<W> {
    out: W,
    digest: Context,
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Source {
    /// Shows the writer every row: buckets in the order of their names, rows in that of their keys.
    fn fill<W: Write>(&self, writer: &mut Writer<W>) -> Result<(), ArchiveError> {
        self.state(writer, "alarm", Bucket::Alarm)?;
        self.state(writer, "auth", Bucket::Auth)?;
        self.state(writer, "authRoles", Bucket::AuthRoles)?;
        self.state(writer, "authUsers", Bucket::AuthUsers)?;
        writer.bucket(b"cluster")?;
        writer.put(b"clusterVersion", CLUSTER_VERSION)?;
        self.state(writer, "key", Bucket::Key)?;
        self.state(writer, "lease", Bucket::Lease)?;
        self.members(writer)?;
        writer.bucket(b"members_removed")?;
        self.meta(writer)?;
        writer.bucket(BUCKET)?;
        if let Some(bootstrap) = &self.origin.bootstrap {
            writer.put(BOOTSTRAP_ROW, bootstrap)?;
        }
        writer.put(METADATA_ROW, &self.origin.metadata_row()?)?;
        Ok(())
    }

    fn state<W: Write>(
        &self,
        writer: &mut Writer<W>,
        name: &str,
        bucket: Bucket,
    ) -> Result<(), ArchiveError> {
        writer.bucket(name.as_bytes())?;
        self.view
            .export(bucket, |key, value| match (self.is_wanted)() {
                true => Ok(writer.put(key, value)?),
                false => Err(ArchiveError::GivenUp),
            })
    }

    fn members<W: Write>(&self, writer: &mut Writer<W>) -> Result<(), ArchiveError> {
        writer.bucket(b"members")?;
        // etcd writes an id in as many hex digits as it has; so the order is that of the text.
        let mut rows: Vec<(String, String)> = Vec::new();
        for member in &self.origin.metadata.members {
            let mut row = json!({
                "id": member.id,
                "peerURLs": member.peer_urls,
                "name": member.name,
                "clientURLs": member.client_urls,
            });
            if member.is_learner {
                row["isLearner"] = true.into();
            }
            rows.push((format!("{:x}", member.id), row.to_string()));
        }
        rows.sort_unstable();
        for (id, row) in rows {
            writer.put(id.as_bytes(), row.as_bytes())?;
        }
        Ok(())
    }

    /// No `storageVersion`: without it etcd takes the database for one of 3.5, which both 3.5 and 3.6
    /// go on with.
    fn meta<W: Write>(&self, writer: &mut Writer<W>) -> Result<(), ArchiveError> {
        let view = &self.view;
        let of_kind = |is_learner: bool| -> Vec<u64> {
            let members = self.origin.metadata.members.iter();
            let members = members.filter(|member| member.is_learner == is_learner);
            members.map(|member| member.id).collect()
        };
        let mut conf_state = json!({ "voters": of_kind(false), "auto_leave": false });
        let learners = of_kind(true);
        if !learners.is_empty() {
            conf_state["learners"] = learners.into();
        }
        // 0 would say that nothing is known, and without a term etcd takes the database for an older one.
        let (index, term) = view.applied().map_or((1, 1), |applied| {
            (applied.index.max(1), applied.term.max(1))
        });
        let compacted = (view.compact_revision() > 0).then(|| revision(view.compact_revision()));
        writer.bucket(b"meta")?;
        writer.put(b"confState", conf_state.to_string().as_bytes())?;
        writer.put(b"consistent_index", &index.to_be_bytes())?;
        if let Some(compacted) = &compacted {
            writer.put(b"finishedCompactRev", compacted)?;
            writer.put(b"scheduledCompactRev", compacted)?;
        }
        writer.put(b"term", &term.to_be_bytes())?;
        Ok(())
    }
}

/// A revision as the key of an event.
fn revision(main: i64) -> [u8; 17] {
    let mut row = [0; 17];
    row[..8].copy_from_slice(&main.to_be_bytes());
    row[8] = b'_';
    row
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("origin", &self.source.origin.metadata)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}
