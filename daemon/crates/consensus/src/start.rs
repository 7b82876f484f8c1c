//! Puts a member together: opens its disks, starts its threads.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use skerry_log::{Log, RealDisk};
use skerry_store::Store;
use tokio::sync::{Notify, mpsc, watch};

use crate::apply::{Point, Queue, StoreHandle, StoreThread, Subscribers};
use crate::config::{Config, Start, StartError};
use crate::handle::{Ends, Handle};
use crate::lessor::Lessor;
use crate::limits::REQUESTS_MAX;
use crate::node::{self, Setup};
use crate::shared::{Inbox, Pulses, Reads, Shared};
use crate::waiters::Waiters;

/// Longest election timeout, as in etcd.
const ELECTION_MAX: Duration = Duration::from_secs(50);

/// The consensus of a cluster, as far as this member is concerned.
#[derive(Debug)]
pub struct Consensus;

impl Consensus {
    /// Starts a member. Blocks while its disks are opened and what is not yet in the state is
    /// applied from the log.
    pub fn start(config: Config, start: Start) -> Result<Handle, StartError> {
        check_timing(&config)?;
        let directory = |source| StartError::Directory {
            path: config.db_dir.clone(),
            source,
        };
        make_directory(&config.db_dir).map_err(directory)?;
        let listener = listen(&config)?;
        remove_incoming(&config).map_err(directory)?;
        let (log, recovered, writer) = Log::open(
            Arc::new(RealDisk::new()),
            &config.db_dir.join("log"),
            // No more of the newest entries than of the state's pages.
            skerry_log::Options {
                cache_bytes: config
                    .cache_bytes
                    .min(skerry_log::limits::CACHE_BYTES_DEFAULT),
                ..skerry_log::Options::default()
            },
        )?;
        let state = config.db_dir.join("state.redb");
        let options = skerry_store::Options {
            cache_bytes: config.cache_bytes,
            quota_bytes: config.quota_bytes,
        };
        let store = Store::open(&state, options)?;
        let view = store.reader().view()?;
        let point = Point {
            applied: view.applied(),
            membership: view.membership()?,
        };
        drop(view);
        check_hole(
            &state,
            recovered.purged.as_ref().map(|(index, _)| *index),
            &point,
        )?;
        check_memory(&config, start, &recovered, &point)?;
        assemble(config, start, listener, log, writer, store, point)
    }
}

fn check_timing(config: &Config) -> Result<(), StartError> {
    let Config {
        heartbeat,
        election,
        ..
    } = *config;
    if heartbeat.is_zero() || election < 5 * heartbeat || election > ELECTION_MAX {
        return Err(StartError::Timing {
            heartbeat,
            election,
        });
    }
    Ok(())
}

fn listen(config: &Config) -> Result<TcpListener, StartError> {
    let address = config.peer_address;
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Makes it so that it is there after a power cut: with it all that is promised from it would go.
/// What is made in it is synced by who makes it.
fn make_directory(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => std::fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// What is left of a snapshot that was being received is of no use.
fn remove_incoming(config: &Config) -> io::Result<()> {
    match std::fs::remove_file(config.incoming()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The log must go on where the state ends, or before.
fn check_hole(state: &Path, purged: Option<u64>, point: &Point) -> Result<(), StartError> {
    let applied = point.applied.map(|id| id.index);
    if purged > applied {
        let first = purged.map_or(0, |purged| purged.saturating_add(1));
        return Err(StartError::Hole {
            path: state.to_path_buf(),
            first,
            applied,
        });
    }
    Ok(())
}

/// A member that has forgotten its votes, or entries it has acknowledged, must not take part under
/// its old id: it could vote twice in a term, or help to lose what others were told is safe.
fn check_memory(
    config: &Config,
    start: Start,
    recovered: &skerry_log::Recovered,
    point: &Point,
) -> Result<(), StartError> {
    // Whoever has applied anything has voted for or followed somebody before.
    if point.applied.is_some() && recovered.vote.is_none() {
        let path = config.db_dir.join("log");
        return Err(StartError::LogLost { path });
    }
    let empty = recovered.vote.is_none() && recovered.last_index.is_none();
    if start == Start::Restart && empty {
        let path = config.db_dir.clone();
        return Err(StartError::NothingLeft { path });
    }
    Ok(())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(StartError::Thread)
}

fn assemble(
    config: Config,
    start: Start,
    listener: TcpListener,
    log: Log,
    writer: skerry_log::Writer,
    store: Store,
    point: Point,
) -> Result<Handle, StartError> {
    let end = point.applied.map_or(0, |id| id.index + 1);
    let (requests, requests_received) = mpsc::channel(REQUESTS_MAX);
    let (applied_end, applied_received) = watch::channel(end);
    let initial = node::initial_status(config.cluster_id, config.member_id);
    let (status, status_received) = watch::channel(initial);
    let (failure, store_failure) = watch::channel(None);
    let waiters = Waiters::new(config.member_id);
    let pulses = Pulses::default();
    let log_pulse = Arc::clone(&pulses.log);
    let lessor = Arc::new(Mutex::new(Lessor::default()));
    let leases_changed = Arc::new(Notify::new());
    let members_changed = Arc::new(Notify::new());
    let purge_before = Arc::new(AtomicU64::new(0));
    let purge_due = Arc::new(Notify::new());
    let subscribers = Subscribers {
        waiters: Arc::clone(&waiters),
        applied_end,
        lessor: Arc::clone(&lessor),
        leases_changed: Arc::clone(&leases_changed),
        members_changed: Arc::clone(&members_changed),
        purge_before: Arc::clone(&purge_before),
        purge_due: Arc::clone(&purge_due),
        failure,
        pulse: Arc::clone(&pulses.store),
    };
    let shared = Arc::new(Shared {
        member_id: config.member_id,
        command_bytes_max: (config.command_bytes_max)
            .min(log.entry_bytes_max() - crate::raft::record::ENTRY_HEAD_BYTES),
        request_timeout: config.request_timeout(),
        lease_ttl_seconds_min: config.lease_ttl_seconds_min(),
        waiters,
        inbox: Inbox::default(),
        reads: Reads::default(),
        requests,
        budget: Arc::default(),
        applied_end: applied_received,
        committed_end: AtomicU64::new(0),
        elected_at: Mutex::new(None),
        status: status_received,
        abandoned: watch::Sender::default(),
        reader: store.reader(),
        pulses,
        stopping: AtomicBool::new(false),
        stop: Notify::new(),
    });
    let queue = Queue::new(end);
    let handle = StoreHandle::new(Arc::clone(&queue));
    let applying = StoreThread::new(
        store,
        queue,
        config.flush,
        config.election,
        subscribers,
        &point,
    );
    let ends = Ends {
        shared: Arc::clone(&shared),
        store: handle.clone(),
        log: log.clone(),
        lessor: Arc::clone(&lessor),
        consensus: Mutex::new(None),
        workers: Mutex::new(vec![
            spawn("log", move || {
                let outcome = writer.run(|| {
                    log_pulse.fetch_add(1, Ordering::Relaxed);
                });
                // openraft learns of it from the write that failed.
                if let Err(error) = outcome {
                    tracing::error!(%error, "the log cannot be written");
                }
            })?,
            spawn("store", move || applying.run())?,
        ]),
    };
    let setup = Setup {
        config,
        start,
        listener,
        log,
        store: handle,
        store_failure,
        point,
        lessor,
        leases_changed,
        members_changed,
        purge_before,
        purge_due,
        shared,
        requests: requests_received,
        status,
    };
    let (started, outcome) = std::sync::mpsc::channel();
    let thread = spawn("consensus", move || run(setup, &started))?;
    *ends
        .consensus
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(thread);
    match outcome.recv() {
        Ok(Ok(())) => Ok(Handle::new(ends)),
        // Dropping the ends stops what has been started.
        Ok(Err(error)) => Err(error),
        Err(_) => Err(StartError::Raft("its thread ended".into())),
    }
}

/// The consensus thread.
fn run(setup: Setup, started: &std::sync::mpsc::Sender<Result<(), StartError>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(StartError::Thread(error)));
            return;
        }
    };
    let tell = |outcome| {
        let _ = started.send(outcome);
    };
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, node::run(setup, tell));
    drop(tasks);
    // What is still on its blocking threads (a snapshot's file) must not hold the end up.
    runtime.shutdown_background();
}
