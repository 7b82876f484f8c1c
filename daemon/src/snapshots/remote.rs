//! Snapshots in a bucket besides those of the directory.
//!
//! Everything here waits for a store that may be slow: it runs on a thread of its own, with a
//! runtime of its own, and never where the server's work is done.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use skerry_archive::{ArchiveError, name};
use skerry_bucket::{Bucket, BucketError, Settings};
use skerry_token::time::rfc3339;

use super::folder::{Folder, Found};

/// What a failure of the store leaves behind.
const LEFT: &str = "the snapshot is on this server's disk, and not in the bucket";

/// A bucket, for callers that wait.
pub(crate) struct Remote {
    bucket: Bucket,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Remote {
    pub(crate) fn open(settings: &Settings) -> anyhow::Result<Remote> {
        let bucket = Bucket::open(settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Remote {
            bucket,
            runtime: Some(runtime),
        })
    }

    /// `s3://bucket/folder/name`
    pub(crate) fn location(&self, name: &str) -> String {
        self.bucket.settings().location(name)
    }

    /// How many are kept there; 0: all.
    pub(crate) fn retention(&self) -> usize {
        self.bucket.settings().retention
    }

    /// Puts a snapshot's file there.
    pub(crate) fn put(
        &self,
        path: &Path,
        name: &str,
        bytes: u64,
        gave_up: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let putting = async {
            tokio::select! {
                put = self.bucket.put(name, file, bytes) => put.context(LEFT),
                () = gave_up => Err(anyhow::anyhow!("the server stops: {LEFT}")),
            }
        };
        self.wait(putting)
    }

    /// Copies a snapshot into a directory of this node's, in the place of one of that name; says
    /// where it is.
    pub(crate) fn fetch(&self, name: &str, folder: &Folder, node: &str) -> anyhow::Result<PathBuf> {
        let objects = self.wait(self.bucket.list(name))?;
        let Some(object) = objects.into_iter().find(|object| object.name == name) else {
            bail!(
                "{}: there is no such snapshot in the bucket; `skerry etcd-snapshot list` with the same --s3 flags names those that are",
                self.location(name)
            );
        };
        folder.save(node, name, object.bytes, |mut out| {
            let got = self.wait(self.bucket.get(name, &mut out));
            let got = got.map_err(|error| match error {
                BucketError::File { cause, .. } => cause,
                other => io::Error::other(other),
            })?;
            match got == object.bytes {
                true => Ok(out),
                false => {
                    let what = format!("{} of {} bytes came", got, object.bytes);
                    Err(ArchiveError::from(io::Error::other(what)))
                }
            }
        })?;
        Ok(folder.path_of(name))
    }

    /// All snapshots there, the oldest first.
    pub(crate) fn list(&self) -> Result<Vec<Found>, BucketError> {
        let objects = self.wait(self.bucket.list(""))?;
        let objects = objects.into_iter();
        let mut found: Vec<Found> = objects
            .filter(|object| name::is_name(&object.name) && object.bytes > 0)
            .map(|object| Found {
                time: name::time(&object.name).unwrap_or(object.time),
                name: object.name,
                bytes: object.bytes,
            })
            .collect();
        found.sort_unstable_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
        Ok(found)
    }

    /// Removes a snapshot; false where it is not there.
    pub(crate) fn delete(&self, name: &str) -> Result<bool, BucketError> {
        let objects = self.wait(self.bucket.list(name))?;
        if !objects.iter().any(|object| object.name == name) {
            return Ok(false);
        }
        self.wait(self.bucket.delete(name)).map(|()| true)
    }

    /// Removes the oldest of a base name and node, so that so many are left; says which. 0 keeps
    /// all.
    pub(crate) fn prune(
        &self,
        base: &str,
        node: &str,
        keep: usize,
    ) -> Result<Vec<String>, BucketError> {
        if keep == 0 {
            return Ok(Vec::new());
        }
        let found = self.list()?;
        let names = found.iter().map(|found| &found.name[..]);
        let mut removed = Vec::new();
        for name in name::excess(names, base, node, keep) {
            self.wait(self.bucket.delete(name))?;
            removed.push(name.to_owned());
        }
        Ok(removed)
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref();
        runtime
            .expect("it is there until this is dropped")
            .block_on(work)
    }
}

impl Drop for Remote {
    /// Looking up a host's name cannot be given up; nobody waits for it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A snapshot's time, as text.
pub(crate) fn created(found: &Found) -> String {
    rfc3339(i64::try_from(found.time).unwrap_or(i64::MAX))
}
