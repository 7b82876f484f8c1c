//! Taking one snapshot, and saying what became of it: in the log, as an event of the node, as
//! gauges, to whoever asked.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context as _, bail};
use skerry_archive::limits::COMPRESSED_BYTES_MAX;
use skerry_archive::zip::ZipWriter;
use skerry_archive::{ArchiveError, Describe, Snapshot, name};
use skerry_bucket::Settings as BucketSettings;
use skerry_consensus::{Handle, Role};
use skerry_kube::{EventNote, Local};
use skerry_listen::Stop;
use skerry_pki::Pki;
use skerry_store::View;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::folder::{Folder, Steady};
use super::limits::COMPRESSED_PART;
use super::remote::Remote;
use super::secret;
use crate::config::{BucketOf, Settings, SnapshotSettings};
use crate::gauges::{self, Gauge};

const SUCCESS: Gauge = Gauge {
    name: "skerry_snapshot_last_success_timestamp_seconds",
    help: "When the newest snapshot of the datastore on this server was taken, in Unix seconds.",
};
const BYTES: Gauge = Gauge {
    name: "skerry_snapshot_last_success_bytes",
    help: "The size of that snapshot.",
};
const FAILURES: Gauge = Gauge {
    name: "skerry_snapshot_failures_since_success",
    help: "Snapshots that failed since one succeeded.",
};

/// The server's own snapshots. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Snapshots(Arc<Taker>);

struct Taker {
    pub(super) settings: SnapshotSettings,
    folder: Folder,
    node_name: String,
    handle: Handle,
    describe: Describe,
    pki: Arc<Pki>,
    local: Option<Local>,
    stop: Stop,
    /// One at a time.
    turn: Arc<Semaphore>,
    failures: AtomicU32,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// What its name begins with.
    pub(crate) base: String,
    pub(crate) folder: Folder,
    pub(crate) compress: bool,
    /// How many of its kind are kept; 0: all.
    pub(crate) retention: usize,
    /// The bucket that it goes to too, where as many are kept as its settings say unless all are
    /// kept here.
    pub(crate) s3: Option<BucketOf>,
}

/// A snapshot that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) revision: i64,
    /// Older ones that were removed for it.
    pub(crate) removed: Vec<String>,
    /// Where in a bucket it is too, or why it is not.
    pub(crate) remote: Option<Result<String, String>>,
}

impl Snapshots {
    pub(crate) fn of(
        settings: &Settings,
        handle: &Handle,
        describe: Describe,
        pki: &Arc<Pki>,
        local: Option<Local>,
        stop: &Stop,
    ) -> Snapshots {
        let taker = Taker {
            settings: settings.snapshots.clone(),
            folder: Folder::of(settings),
            node_name: settings.node_name.clone(),
            handle: handle.clone(),
            describe,
            pki: Arc::clone(pki),
            local,
            stop: stop.clone(),
            turn: Arc::new(Semaphore::new(1)),
            failures: AtomicU32::new(0),
        };
        let taker = Arc::new(taker);
        let measuring = Arc::clone(&taker);
        tokio::task::spawn_blocking(move || measuring.measure_newest());
        Snapshots(taker)
    }

    /// What the schedule asks for.
    pub(super) fn scheduled(&self) -> Order {
        let settings = &self.0.settings;
        Order {
            base: settings.name.clone(),
            folder: self.0.folder.clone(),
            compress: settings.compress,
            retention: settings.retention,
            s3: settings.s3.clone(),
        }
    }

    pub(super) fn settings(&self) -> &SnapshotSettings {
        &self.0.settings
    }

    pub(super) fn local(&self) -> Option<&Local> {
        self.0.local.as_ref()
    }

    /// Unix seconds of the server's clock.
    pub(super) fn now(&self) -> u64 {
        self.0.pki.clock().now()
    }

    pub(super) fn member_id(&self) -> u64 {
        self.0.handle.status().member_id
    }

    /// A learner may not have all of the state yet.
    pub(super) fn is_learner(&self) -> bool {
        self.0.handle.status().role == Role::Learner
    }

    /// Takes a snapshot by command.
    pub(crate) async fn save(&self, order: Order) -> anyhow::Result<Taken> {
        let turn = Arc::clone(&self.0.turn).try_acquire_owned();
        let turn = turn.context("snapshot save already in progress")?;
        if self.is_learner() {
            bail!("this member is a learner yet: it may not have all of the state");
        }
        self.save_in_turn(order, turn).await
    }

    /// Takes what the schedule asks for, once what is under way is through. Whether it succeeds is
    /// told where it always is.
    pub(super) async fn save_scheduled(&self) {
        let turn = Arc::clone(&self.0.turn).acquire_owned().await;
        if let Ok(turn) = turn {
            let _ = self.save_in_turn(self.scheduled(), turn).await;
        }
    }

    /// Goes on where nobody waits for it any more.
    async fn save_in_turn(
        &self,
        order: Order,
        turn: OwnedSemaphorePermit,
    ) -> anyhow::Result<Taken> {
        let taker = Arc::clone(&self.0);
        let saving = tokio::spawn(async move {
            let view = taker.handle.reader().view()?;
            let (taking, order) = (Arc::clone(&taker), order.clone());
            let base = order.base.clone();
            let bucket = match order.s3.clone() {
                None => None,
                Some(BucketOf::Settings(settings)) => Some(Ok(*settings)),
                Some(BucketOf::Secret(name)) => {
                    Some(secret::read(taker.local.as_ref(), &name).await)
                }
            };
            let taking = move || taking.take(view, &order, bucket);
            let taken = tokio::task::spawn_blocking(taking).await;
            let taken = taken.context("the snapshot was given up")?;
            taker.tell(&base, &taken).await;
            drop(turn);
            taken
        });
        saving.await.context("the snapshot was given up")?
    }
}

impl Taker {
    /// Runs on a thread of its own.
    fn take(
        &self,
        view: View,
        order: &Order,
        bucket: Option<anyhow::Result<BucketSettings>>,
    ) -> anyhow::Result<Taken> {
        let origin = self.describe.origin(&view)?;
        let revision = origin.metadata.revision;
        let mut time = origin.metadata.time;
        let called = |time| name::name(&order.base, &self.node_name, time, order.compress);
        // Two in one second: the later one is called as if it came a second later.
        while order.folder.has(&called(time)) {
            time += 1;
        }
        let name = called(time);
        tracing::info!(name, "taking a snapshot of the datastore");
        let stop = self.stop.clone();
        let snapshot = Snapshot::of(view, origin, move || !stop.is_requested())?;
        let bytes = self.write(&snapshot, order, &name)?;
        let pruned = order
            .folder
            .prune(&order.base, &self.node_name, order.retention);
        let removed = pruned.unwrap_or_else(|error| {
            tracing::warn!(%error, "older snapshots could not be removed");
            Vec::new()
        });
        let mut taken = Taken {
            path: order.folder.path_of(&name),
            name,
            bytes,
            revision,
            removed,
            remote: None,
        };
        if let Some(settings) = bucket {
            let put = settings.and_then(|settings| self.put(&settings, order, &taken));
            taken.remote = Some(put.map_err(|error| format!("{error:#}")));
        }
        if !matches!(taken.remote, Some(Err(_))) {
            self.failures.store(0, Relaxed);
        }
        self.measure_newest();
        Ok(taken)
    }

    /// Puts what is whole on the disk into a bucket; says where.
    fn put(
        &self,
        settings: &BucketSettings,
        order: &Order,
        taken: &Taken,
    ) -> anyhow::Result<String> {
        let remote = Remote::open(settings)?;
        let location = remote.location(&taken.name);
        remote.put(&taken.path, &taken.name, taken.bytes, self.stop.requested())?;
        if order.retention > 0 {
            match remote.prune(&order.base, &self.node_name, settings.retention) {
                Ok(removed) => tracing::info!(location, ?removed, "a snapshot was uploaded"),
                Err(error) => {
                    tracing::warn!(%error, "older snapshots could not be removed from the bucket");
                }
            }
        }
        Ok(location)
    }

    /// Writes the state into a file; says how long it is.
    fn write(&self, snapshot: &Snapshot, order: &Order, name: &str) -> anyhow::Result<u64> {
        let (folder, node) = (&order.folder, &self.node_name);
        if !order.compress {
            let plain = |file: Steady| -> Result<Steady, ArchiveError> {
                let mut out = BufWriter::new(file);
                snapshot.write(&mut out)?;
                out.into_inner().map_err(|error| error.into_error().into())
            };
            return Ok(folder.save(node, name, snapshot.bytes(), plain)?);
        }
        if snapshot.bytes() > COMPRESSED_BYTES_MAX {
            bail!(
                "the state is too large to be compressed: save it without --etcd-snapshot-compress"
            );
        }
        let inner = name.strip_suffix(name::COMPRESSED).unwrap_or(name);
        let zipped = |file: Steady| -> Result<Steady, ArchiveError> {
            let mut out = ZipWriter::new(BufWriter::new(file), inner)?;
            snapshot.write(&mut out)?;
            let mut out = out.finish()?;
            out.flush()?;
            out.into_inner().map_err(|error| error.into_error().into())
        };
        Ok(folder.save(node, name, snapshot.bytes() / COMPRESSED_PART, zipped)?)
    }

    async fn tell(&self, base: &str, taken: &anyhow::Result<Taken>) {
        let node = &self.node_name;
        let (reason, message) = match taken {
            Ok(Taken {
                name,
                path,
                bytes,
                revision,
                removed,
                remote,
            }) => {
                let (path, removed) = (path.display(), removed.join(","));
                tracing::info!(%path, bytes, revision, removed, "a snapshot was taken");
                let message = format!("Snapshot {name} saved on {node}");
                match remote {
                    Some(Ok(location)) => {
                        self.event(
                            false,
                            "ETCDSnapshotCreated",
                            &format!("Snapshot {name} saved at {location}"),
                        )
                        .await
                    }
                    Some(Err(error)) => {
                        tracing::error!("a snapshot was not uploaded: {error}");
                        let failures = self.failures.fetch_add(1, Relaxed) + 1;
                        gauges::set(&FAILURES, &[], failures.into());
                        let message = format!("Failed to save snapshot {name} on S3: {error}");
                        self.event(true, "ETCDSnapshotFailed", &message).await;
                    }
                    None => {}
                }
                ("ETCDSnapshotCreated", message)
            }
            Err(error) => {
                tracing::error!("a snapshot failed: {error:#}");
                let failures = self.failures.fetch_add(1, Relaxed) + 1;
                gauges::set(&FAILURES, &[], failures.into());
                let message = format!("Failed to save snapshot {base} on {node}: {error:#}");
                ("ETCDSnapshotFailed", message)
            }
        };
        self.event(taken.is_err(), reason, &message).await;
    }

    async fn event(&self, warning: bool, reason: &'static str, message: &str) {
        if let Some(local) = &self.local {
            let note = EventNote {
                kind: "Node",
                namespace: "",
                name: &self.node_name,
                reason,
                warning,
                message,
            };
            local.event(&note).await;
        }
    }

    /// The newest may be from before the server was started.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of a date and sizes of files are far below 2^53"
    )]
    fn measure_newest(&self) {
        if let Some(newest) = self.folder.list().unwrap_or_default().pop() {
            gauges::set(&SUCCESS, &[], newest.time as f64);
            gauges::set(&BYTES, &[], newest.bytes as f64);
        }
        let failures = self.failures.load(Relaxed);
        gauges::set(&FAILURES, &[], failures.into());
    }
}
