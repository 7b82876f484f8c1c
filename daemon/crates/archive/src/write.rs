//! Writing a snapshot: all buckets that etcd's database has, and one more.
//!
//! Invariant: what is written is the state of one moment; memory does not grow with the state.

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
const CHECKSUM_BYTES: u64 = 32;

/// A state that is about to be written.
#[derive(Debug)]
pub struct Snapshot {
    view: View,
    origin: Origin,
    layout: Layout,
}

impl Snapshot {
    /// Measures what will be written: reads all of the state.
    pub fn of(view: View, origin: Origin) -> Result<Snapshot, ArchiveError> {
        let mut writer = Writer::measuring();
        fill(&mut writer, &view, &origin)?;
        Ok(Snapshot {
            layout: writer.finish()?,
            view,
            origin,
        })
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.layout.bytes() + CHECKSUM_BYTES
    }

    /// What the snapshot says of itself.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Writes the file.
    pub fn write(&self, out: impl Write) -> Result<(), ArchiveError> {
        let mut out = Summing {
            out,
            digest: Context::new(&SHA256),
        };
        let mut writer = Writer::new(&mut out, self.layout)?;
        fill(&mut writer, &self.view, &self.origin)?;
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

/// Shows the writer every row: buckets in the order of their names, rows in that of their keys.
fn fill<W: Write>(
    writer: &mut Writer<W>,
    view: &View,
    origin: &Origin,
) -> Result<(), ArchiveError> {
    let state = |writer: &mut Writer<W>, name: &str, bucket| -> Result<(), ArchiveError> {
        writer.bucket(name.as_bytes())?;
        view.export(bucket, |key, value| Ok(writer.put(key, value)?))
    };
    state(writer, "alarm", Bucket::Alarm)?;
    state(writer, "auth", Bucket::Auth)?;
    state(writer, "authRoles", Bucket::AuthRoles)?;
    state(writer, "authUsers", Bucket::AuthUsers)?;
    writer.bucket(b"cluster")?;
    writer.put(b"clusterVersion", CLUSTER_VERSION)?;
    state(writer, "key", Bucket::Key)?;
    state(writer, "lease", Bucket::Lease)?;
    members(writer, origin)?;
    writer.bucket(b"members_removed")?;
    meta(writer, view, origin)?;
    writer.bucket(BUCKET)?;
    if let Some(bootstrap) = &origin.bootstrap {
        writer.put(BOOTSTRAP_ROW, bootstrap)?;
    }
    writer.put(METADATA_ROW, &origin.metadata_row()?)?;
    Ok(())
}

fn members<W: Write>(writer: &mut Writer<W>, origin: &Origin) -> Result<(), ArchiveError> {
    writer.bucket(b"members")?;
    // etcd writes an id in as many hex digits as it has; so the order is that of the text.
    let mut rows: Vec<(String, String)> = Vec::new();
    for member in &origin.metadata.members {
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
fn meta<W: Write>(
    writer: &mut Writer<W>,
    view: &View,
    origin: &Origin,
) -> Result<(), ArchiveError> {
    let of_kind = |is_learner: bool| -> Vec<u64> {
        let members = origin.metadata.members.iter();
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

/// A revision as the key of an event.
fn revision(main: i64) -> [u8; 17] {
    let mut row = [0; 17];
    row[..8].copy_from_slice(&main.to_be_bytes());
    row[8] = b'_';
    row
}
