//! `skerry server --cluster-reset --cluster-reset-restore-path FILE`: this server begins a cluster
//! of one with what a snapshot holds, of Skerry, of K3s or of etcd.
//!
//! All is made beside what is there, in one folder, which then gets the name of what is done; from
//! there on every start puts the new in the place of the old, until it is through. Invariants: a
//! power cut leaves the old server or the new one; nothing of the old one is deleted; the cluster's
//! id is one that no cluster has.

mod k3s;
mod limits;
mod objects;
mod swap;
mod trust;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use skerry_archive::{ArchiveError, zip};
use skerry_store::FIRST_MEMBER_ID;

pub(crate) use swap::finish;

use crate::cluster_reset::{self, another_id};
use crate::config::{BucketOf, Settings};
use crate::identity::{Identity, Stage};
use crate::snapshots::{Folder, Remote};
use objects::Objects;
use swap::Making;

/// Restores, says what is to be done now, and returns.
pub(crate) fn run(settings: &Settings, given: &Path) -> anyhow::Result<()> {
    let data_dir = &settings.data_dir;
    cluster_reset::refuse_repetition(data_dir)?;
    let path = find(settings, given)?;
    let named = || format!("restore of {}", path.display());
    let making = Making::begin(data_dir)?;
    let file = plain(&path, &making).with_context(named)?;
    let mut opened = skerry_archive::open(file).with_context(named)?;
    if !opened.is_proved && !settings.skip_hash_check {
        bail!(
            "{}: the snapshot has no checksum, as a copy of etcd's file has none; give --skip-hash-check to take it as it is",
            named()
        );
    }
    let mut objects = Objects::default();
    let state = making.folder().join("db/state.redb");
    let mut convert = |key: &[u8], value| objects.convert(key, value);
    let founding = skerry_consensus::founding(FIRST_MEMBER_ID, &cluster_reset::member(settings))?;
    let base = (founding.applied, &founding.membership);
    let made = skerry_archive::restore(&mut opened.database, &state, &mut convert, base);
    let made = made.with_context(named)?;
    let is_own = opened.origin.is_some();
    objects.check(is_own).with_context(named)?;
    skerry_consensus::begin_log(&making.folder().join("db"), &founding)?;
    let clock = Arc::new(crate::clock::of(data_dir));
    trust::take(
        settings,
        opened.origin.as_ref(),
        &objects,
        making.folder(),
        &clock,
    )
    .with_context(named)?;
    Identity {
        cluster_id: another_id()?,
        member_id: FIRST_MEMBER_ID,
        node_name: settings.node_name.clone(),
        stage: Stage::Member,
    }
    .save(making.folder())?;
    cluster_reset::mark(making.folder())?;
    let aside = making.commit()?;
    finish(data_dir)?;
    tracing::info!(
        keys = made.keys,
        revision = made.revision,
        now_at = made.bumped,
        kept = %aside.display(),
        "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. Start each other server with --rejoin, which keeps the datastore it has aside, to have it join again"
    );
    Ok(())
}

/// The file itself, or a snapshot of this name in this node's directory, to which one in a bucket is
/// copied first.
fn find(settings: &Settings, given: &Path) -> anyhow::Result<PathBuf> {
    if let Some(bucket) = &settings.snapshots.s3 {
        let BucketOf::Settings(bucket) = bucket else {
            bail!(
                "cannot use S3 config secret when restoring snapshot; configuration must be set in CLI or config file"
            );
        };
        let name = given.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{}: no snapshot's name", given.display()))?;
        let folder = Folder::of(settings);
        let fetch = || Remote::open(bucket)?.fetch(name, &folder, &settings.node_name);
        // It waits with a runtime of its own, and this thread may be driving one.
        return std::thread::scope(|scope| scope.spawn(fetch).join())
            .map_err(|_| anyhow::anyhow!("reading from the bucket ended in a panic"))?;
    }
    let is_name = given.components().count() == 1;
    let listed = Folder::of(settings).path().join(given);
    for path in [given.to_owned(), listed.clone()] {
        if path.is_file() {
            return Ok(path);
        }
    }
    match is_name {
        true => bail!(
            "etcd: snapshot path does not exist: {}, nor {}",
            given.display(),
            listed.display()
        ),
        false => bail!("etcd: snapshot path does not exist: {}", given.display()),
    }
}

/// The snapshot as it is, or what is in it where it is compressed.
fn plain(path: &Path, making: &Making) -> anyhow::Result<File> {
    let mut file = File::open(path)?;
    if !zip::is_zip(&mut file)? {
        return Ok(file);
    }
    let unzipped = making.folder().join("snapshot");
    let mut out = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&unzipped)
        .with_context(|| unzipped.display().to_string())?;
    zip::unzip(&mut file, &mut out).map_err(|error| match error {
        ArchiveError::Zip { what } => anyhow::anyhow!("zip file: {what}"),
        other => other.into(),
    })?;
    // It has no name any more, and goes when it is closed.
    std::fs::remove_file(&unzipped)?;
    Ok(out)
}
