//! The consensus thread: openraft, the peers, and the tasks around them.
//!
//! One runtime of its own, on which nothing blocks: a heartbeat waits for nobody.

pub(crate) mod care;
pub(crate) mod dispatch;
pub(crate) mod leases;
pub(crate) mod members;
mod publish;
mod purge;
mod reach;
mod reads;
pub(crate) mod requests;
mod status;
mod transfer;
pub(crate) mod view;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::storage::RaftLogStorage as _;
use tokio::sync::{Notify, mpsc, watch};

use crate::apply::{Point, StoreHandle};
use crate::config::{Config, Start, StartError};
use crate::lessor::Lessor;
use crate::limits;
use crate::peer::Class;
use crate::peer::link::Dialer;
use crate::peer::listener;
use crate::peer::message::{MemberChange, Members, Refusal, Request as PeerRequest, answer};
use crate::peer::network::{Factory, Links};
use crate::raft::log_store::LogStore;
use crate::raft::state_machine::StateMachine;
use crate::raft::types::{Peer, Raft};
use crate::shared::Shared;
use crate::{ProposeError, Status};
use dispatch::Dispatch;
use requests::Request;
use view::{Places, View};

pub(crate) use status::initial as initial_status;

/// Time between two beats of the pulse.
const BEAT: Duration = Duration::from_millis(800);

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) heartbeat: Duration,
    pub(crate) election: Duration,
    pub(crate) learner_stall: Duration,
}

/// What the consensus thread is started with.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) start: Start,
    pub(crate) listener: std::net::TcpListener,
    pub(crate) log: skerry_log::Log,
    pub(crate) store: StoreHandle,
    pub(crate) store_failure: watch::Receiver<Option<String>>,
    pub(crate) point: Point,
    pub(crate) lessor: Arc<Mutex<Lessor>>,
    pub(crate) leases_changed: Arc<Notify>,
    pub(crate) members_changed: Arc<Notify>,
    pub(crate) purge_before: Arc<AtomicU64>,
    pub(crate) purge_due: Arc<Notify>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) status: watch::Sender<Arc<Status>>,
}

/// What the tasks of the consensus thread share.
pub(crate) struct Node {
    pub(crate) raft: Raft,
    pub(crate) view: Rc<View>,
    pub(crate) links: Rc<Links>,
    pub(crate) dispatch: Rc<Dispatch>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: skerry_log::Log,
    pub(crate) store: StoreHandle,
    pub(crate) timing: Timing,
    /// Where a received snapshot is kept until it is the state.
    pub(crate) incoming: PathBuf,
    /// Only one snapshot is received at a time.
    pub(crate) receiving: Arc<tokio::sync::Mutex<()>>,
    pub(crate) lessor: Arc<Mutex<Lessor>>,
    pub(crate) leases_changed: Arc<Notify>,
    /// Whether this member looks after the leases may have changed.
    pub(crate) lease_duty: Notify,
    pub(crate) handing_over: Cell<bool>,
    pub(crate) attributes: RefCell<members::Attributes>,
    pub(crate) members_changed: Arc<Notify>,
    pub(crate) attributes_read: Notify,
    /// Held while the membership is being changed.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) store_failure: watch::Receiver<Option<String>>,
    purge_before: Arc<AtomicU64>,
    purge_due: Arc<Notify>,
}

/// Runs a member until it is told to stop. `started` learns how the start went.
pub(crate) async fn run(setup: Setup, started: impl FnOnce(Result<(), StartError>)) {
    let shared = Arc::clone(&setup.shared);
    match begin(setup).await {
        Err(error) => started(Err(error)),
        Ok(node) => {
            started(Ok(()));
            let stopped = async {
                while !shared.stopping.load(Ordering::Acquire) {
                    shared.stop.notified().await;
                }
            };
            stopped.await;
            if let Err(error) = node.raft.shutdown().await {
                tracing::debug!(%error, "openraft did not stop cleanly");
            }
            shared.waiters.fail_all(&ProposeError::Stopped);
        }
    }
}

fn raft_config(config: &Config) -> Result<openraft::Config, StartError> {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let election = ms(config.election);
    let raft = openraft::Config {
        cluster_name: format!("{:016x}", config.cluster_id),
        // A follower campaigns when its leader's lease, which is the upper bound, and a random time
        // between the bounds have passed: one and a quarter to one and a half election timeouts in
        // all. The lower bound is also how long a voter may take to make its vote durable, which
        // worn flash makes long.
        election_timeout_min: election / 2,
        election_timeout_max: election * 3 / 4,
        heartbeat_interval: ms(config.heartbeat),
        install_snapshot_timeout: ms(limits::SNAPSHOT_INSTALL_TIME_MAX),
        max_payload_entries: limits::APPEND_ENTRIES_MAX,
        // When the log is purged is decided by the store thread.
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 1 << 48,
        purge_batch_size: 1,
        // Commands are bounded before they come here; a full channel would block the core.
        api_channel_size: Some(2 * limits::PROPOSALS_MAX as u64),
        state_machine_channel_size: Some(limits::APPLY_COMMANDS_MAX),
        enable_pre_vote: Some(true),
        // The committed position is written lazily, so a restarted leader may know less than it
        // has acknowledged: it has to be elected again.
        enable_leader_restore: Some(false),
        ..openraft::Config::default()
    };
    raft.validate()
        .map_err(|error| StartError::Raft(error.to_string()))
}

async fn begin(setup: Setup) -> Result<Rc<Node>, StartError> {
    let Setup {
        config,
        start,
        listener,
        log,
        store,
        store_failure,
        point,
        lessor,
        leases_changed,
        members_changed,
        purge_before,
        purge_due,
        shared,
        requests,
        status,
    } = setup;
    let timing = Timing {
        heartbeat: config.heartbeat,
        election: config.election,
        learner_stall: config.learner_stall,
    };
    let places = Places {
        own: config.member.peer_urls.clone(),
        hints: config.peer_hints.clone(),
    };
    let view = View::new(config.cluster_id, config.member_id, config.election, places);
    let dialer = Rc::new(Dialer {
        tls: tokio_rustls::TlsConnector::from(Arc::clone(&config.peer_client_tls)),
        view: Rc::clone(&view),
        silence: config.election,
        on_rejected: RefCell::default(),
        changed: Rc::clone(&view.changed),
    });
    let links = Links::new(Rc::clone(&dialer));
    let factory = Factory {
        links: Rc::clone(&links),
        append_time: config.election,
    };
    let failed = |error: &dyn std::fmt::Display| StartError::Raft(error.to_string());
    let mut log_store = LogStore::new(log.clone(), store.clone());
    let log_state = log_store
        .get_log_state()
        .await
        .map_err(|error| failed(&error))?;
    let pristine = log_state.last_log_id.is_none() && point.applied.is_none();
    let machine = StateMachine::new(store.clone(), &point);
    let machine = machine.map_err(|error| failed(&error))?;
    let raft_config = Arc::new(raft_config(&config)?);
    let raft = Raft::new(config.member_id, raft_config, factory, log_store, machine);
    let raft = raft.await.map_err(|error| failed(&error))?;
    if pristine && start == Start::Form {
        let peer = Peer {
            member: config.member.clone(),
            auto_promote: false,
        };
        let members = std::collections::BTreeMap::from([(config.member_id, peer)]);
        raft.initialize(members)
            .await
            .map_err(|error| failed(&error))?;
    }
    let dispatch = Dispatch::new(
        raft.clone(),
        log.clone(),
        Rc::clone(&view),
        Rc::clone(&links),
        Arc::clone(&shared),
    );
    // Weak, or the circle would outlive the member and keep its files open.
    let handed_back = Rc::downgrade(&dispatch);
    *dialer.on_rejected.borrow_mut() = Some(Rc::new(move |request| {
        if let Some(dispatch) = handed_back.upgrade() {
            dispatch.handed_back(request);
        }
    }));
    let attributes = members::read_attributes(&shared.reader);
    let node = Rc::new(Node {
        raft,
        view,
        links,
        dispatch,
        shared: Arc::clone(&shared),
        log: log.clone(),
        store: store.clone(),
        timing,
        incoming: config.incoming(),
        receiving: Arc::default(),
        lessor,
        leases_changed,
        lease_duty: Notify::new(),
        handing_over: Cell::new(false),
        attributes: RefCell::new(attributes),
        members_changed,
        attributes_read: Notify::new(),
        changing: tokio::sync::Mutex::default(),
        store_failure,
        purge_before,
        purge_due,
    });
    let listener = tokio::net::TcpListener::from_std(listener);
    let address = config.peer_address;
    let listener = listener.map_err(|source| StartError::Listen { address, source })?;
    let tls = tokio_rustls::TlsAcceptor::from(Arc::clone(&config.peer_server_tls));
    let spawn = tokio::task::spawn_local::<std::pin::Pin<Box<dyn Future<Output = ()>>>>;
    spawn(Box::pin(listener::run(Rc::clone(&node), listener, tls)));
    spawn(Box::pin(Rc::clone(&node.dispatch).run()));
    spawn(Box::pin(reads::run(Rc::clone(&node))));
    spawn(Box::pin(status::run(Rc::clone(&node), status)));
    spawn(Box::pin(purge::run(Rc::clone(&node))));
    spawn(Box::pin(leases::run(Rc::clone(&node))));
    spawn(Box::pin(care::run(Rc::clone(&node))));
    spawn(Box::pin(publish::run(
        Rc::clone(&node),
        config.member.clone(),
        config.password_hash.clone(),
    )));
    spawn(Box::pin(serve_handles(Rc::clone(&node), requests)));
    spawn(Box::pin(beat(Rc::clone(&node))));
    Ok(node)
}

/// Moves the pulse while openraft's core answers; a core that is gone is the end of the member.
async fn beat(node: Rc<Node>) {
    loop {
        if let Err(error) = node.raft.with_raft_state(|_| ()).await
            && !node.shared.is_stopping()
        {
            node.view.fail(&error.to_string());
            return;
        }
        node.shared.pulses.consensus.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(BEAT).await;
    }
}

async fn serve_handles(node: Rc<Node>, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        let node = Rc::clone(&node);
        tokio::task::spawn_local(async move {
            match request {
                Request::Member(change, reply) => {
                    let _ = reply.send(node.change_membership(change).await);
                }
                Request::Transfer(target, reply) => {
                    let _ = reply.send(transfer::run(&node, target).await);
                }
                Request::KeepAlive(id, reply) => {
                    let _ = reply.send(leases::keep_alive(&node, id).await);
                }
                Request::Remaining(id, reply) => {
                    let _ = reply.send(leases::remaining(&node, id).await);
                }
                Request::HandOver(reply) => {
                    if node.view.leads() {
                        let handed = transfer::run(&node, None);
                        let _ = tokio::time::timeout(limits::HAND_OVER_TIME_MAX, handed).await;
                    }
                    let _ = reply.send(Ok(()));
                }
            }
        });
    }
}

impl Node {
    /// Changes the membership, here or at the leader.
    async fn change_membership(
        self: &Rc<Self>,
        change: MemberChange,
    ) -> Result<Members, ProposeError> {
        let deadline = tokio::time::Instant::now() + self.shared.request_timeout;
        loop {
            let outcome = match self.view.leader() {
                Some(leader) if leader == self.view.member_id => {
                    members::change(self, change.clone()).await
                }
                Some(leader) => {
                    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
                    let link = self.links.get(leader, Class::Forward);
                    if link.connect().await.is_ok() {
                        let asked = link.ask(PeerRequest::Member(change.clone()), left).await;
                        let body = asked.map_err(|_| ProposeError::TimeoutConnectionLost)?;
                        answer::decode(&body).map_err(|_| ProposeError::TimeoutConnectionLost)?
                    } else {
                        Err(Refusal::NotLeader)
                    }
                }
                None => Err(Refusal::NotLeader),
            };
            match outcome {
                Err(Refusal::NotLeader) => {}
                done => return done.map_err(ProposeError::from),
            }
            let changed = self.view.changed.notified();
            if tokio::time::Instant::now() >= deadline {
                return Err(ProposeError::Timeout);
            }
            let _ = tokio::time::timeout(self.timing.heartbeat, changed).await;
        }
    }

    /// Lets a removed member know, so that it need not find out by itself.
    pub(crate) fn say_farewell(self: &Rc<Self>, id: u64) {
        if id == self.view.member_id {
            return;
        }
        let node = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let position = node.view.membership().log_id().map_or(0, |id| id.index());
            let link = node.links.get(id, Class::Control);
            if let Err(error) = link
                .ask(PeerRequest::Farewell(position), node.timing.election)
                .await
            {
                tracing::info!(member = id, %error, "the removed member could not be told");
            }
            let membership = node.view.membership();
            let is_member = |id| membership.membership().get_node(&id).is_some();
            node.links.retain(is_member);
        });
    }
}
