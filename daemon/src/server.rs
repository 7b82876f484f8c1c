//! `skerry server`, from settings to a member that serves, and back down again.
//!
//! The order is the one in which things can fail with a clear word: data directory, ports, then
//! certificates and membership, then the datastore, then serving. Stopping runs it backwards.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use sd_notify::NotifyState;
use skerry_consensus::{Config, Consensus, Handle, Role, Status};
use skerry_listen::{Stop, Transport};
use skerry_supervisor::Supervisor;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::Routes;
use crate::alone::{self, Alone};
use crate::config::Settings;
use crate::doctor::round::Rounds;
use crate::flash::Flash;
use crate::manifests::{Manifests, Report};
use crate::membership::{self, Membership};
use crate::reload::Hangups;
use crate::renewal::{Orders, Renewal};
use crate::snapshots::Snapshots;
use crate::strangers::{Met, Strangers};
use crate::{
    abandoned, api, api_port, cluster_reset, commands, data_dir, farewell, foreign, ground,
    kubeconfig, logging, member_nodes, panic_hook, renewal, restore, returning, server_token,
    service_manager, snapshots, strangers, succession,
};

/// How much of the memory budget redb's page cache may take: one eighth, 8 MB of the default.
const CACHE_SHARE: u64 = 8;
/// redb needs some pages to work with, however small the budget.
const CACHE_BYTES_MIN: u64 = 1 << 20;
/// etcd's word for a server that takes no more calls.
const GIVING_WAY: &str = "etcdserver: server stopped";
/// How long opening the log and the state may take before systemd gives up on it.
const RECOVERY_TIME_MAX: Duration = Duration::from_secs(600);

/// Runs a server until it is told to stop.
pub(crate) fn run(settings: Settings) -> anyhow::Result<()> {
    logging::start(settings.debug);
    tracing::info!(
        version = crate::command_line::version().trim_end(),
        node = settings.node_name,
        "starting"
    );
    crate::memory::hold(settings.memory_limit);
    for line in &settings.without_effect {
        tracing::warn!("{line}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the API runtime")?;
    runtime.block_on(serve(settings))
}

/// The sockets of the ports that this thread serves.
struct Ports {
    api: TcpListener,
    etcd: TcpListener,
    metrics: TcpListener,
}

async fn serve(mut settings: Settings) -> anyhow::Result<()> {
    ground::tell(&settings.data_dir);
    let hangups = Hangups::new()?;
    let _lock = data_dir::lock(&settings.data_dir)?;
    restore::finish(&settings.data_dir)?;
    foreign::refuse_change(&settings)?;
    if let Some(etcd) = &settings.foreign {
        return foreign::serve(&settings, etcd, hangups).await;
    }
    if let Some(snapshot) = &settings.restore_path {
        return restore::run(&settings, snapshot);
    }
    if settings.cluster_reset {
        return cluster_reset::run(&settings);
    }
    returning::prepare(&mut settings).await?;
    farewell::refuse(&settings.data_dir)?;
    panic_hook::set(settings.data_dir.join("db/state.redb"));
    let ports = Ports {
        api: bind(settings.listen(settings.https_port)).await?,
        etcd: bind(settings.listen(settings.etcd_client_port)).await?,
        metrics: bind(settings.metrics_listen()).await?,
    };
    let mut stopping = stop_signal()?;

    let member = tokio::select! {
        member = membership::establish(&settings, &ports.api) => member?,
        () = &mut stopping => return Ok(()),
        () = service_manager::keep_starting() => return Ok(()),
    };
    service_manager::status("recovering the datastore");
    service_manager::extend_start(RECOVERY_TIME_MAX);
    let handle = start_datastore(&settings, &member)?;
    cluster_reset::is_over(&settings.data_dir)?;
    let stop = Stop::new();
    let alone = Alone::of(&settings.data_dir)?;
    let flash = Flash::of(&settings.data_dir, settings.flash_endurance);
    let (serving, orders) =
        start_serving(&settings, &member, &handle, ports, &stop, &alone, &flash)?;
    kubeconfig::write(&settings, &member.pki)?;

    let renewal = Renewal {
        settings: &settings,
        pki: &member.pki,
        local: serving.local.clone(),
    };
    let strangers = Strangers {
        settings: &settings,
        clock: member.pki.clock(),
        handle: &handle,
        supervisor: &serving.supervisor,
        alone: &alone,
        local: serving.local.clone(),
        met: serving.met.clone(),
    };
    service_manager::tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    let mut again = false;
    let outcome = tokio::select! {
        outcome = strangers.run() => {
            again = outcome.is_ok();
            outcome
        }
        () = stopping => Ok(()),
        fatal = failure(&handle, &settings.data_dir) => Err(anyhow::anyhow!(fatal)),
        Err(error) = server_token::prove(&serving.supervisor, &handle, &settings.data_dir, member.claimed.as_ref()) => Err(error),
        Err(error) = member.settle(&settings.data_dir, &handle) => Err(error),
        // The rest goes on for as long as the server runs.
        () = service_manager::feed_watchdog(|| pulses(&handle)) => Ok(()),
        () = report_status(&handle) => Ok(()),
        () = flash.run() => Ok(()),
        () = ground::watch(&settings.data_dir) => Ok(()),
        () = server_token::follow(&serving.supervisor, &settings.data_dir, !settings.disable_apiserver) => Ok(()),
        () = succession::follow(&serving.supervisor, &settings, &member.pki, serving.local.clone()) => Ok(()),
        () = renewal.run(orders) => Ok(()),
        () = hangups.follow(&settings, &member.pki) => Ok(()),
    };
    tracing::info!("stopping");
    if !again {
        service_manager::tell(&[NotifyState::Stopping]);
    }
    stop.request();
    serving.stopped().await;
    let removed = farewell::was_removed(&handle.status());
    handle.shutdown().await;
    flash.keep();
    tracing::info!("stopped");
    if removed {
        farewell::mark(&settings.data_dir)?;
    }
    if again {
        return Err(alone::start_again())
            .context("cannot start again; start this server once more");
    }
    outcome
}

pub(crate) async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// Memory for the pages of the state.
pub(crate) fn cache_bytes(settings: &Settings) -> usize {
    let cache = (settings.memory_budget / CACHE_SHARE).max(CACHE_BYTES_MIN);
    usize::try_from(cache).unwrap_or(usize::MAX)
}

fn start_datastore(settings: &Settings, member: &Membership) -> anyhow::Result<Handle> {
    let (peer_server_tls, peer_client_tls) = member.pki.peer_configs()?;
    let config = Config {
        cluster_id: member.identity.cluster_id,
        member_id: member.identity.member_id,
        member: member.member.clone(),
        password_hash: member.password_hash.clone(),
        db_dir: settings.data_dir.join("db"),
        cache_bytes: cache_bytes(settings),
        quota_bytes: settings.quota_bytes,
        command_bytes_max: Config::COMMAND_BYTES_DEFAULT,
        flush: settings.flush,
        heartbeat: settings.heartbeat,
        election: settings.election,
        learner_stall: settings.learner_stall,
        peer_hints: settings.peer_hints(),
        peer_address: settings.listen(settings.etcd_peer_port),
        peer_server_tls,
        peer_client_tls,
    };
    Consensus::start(config, member.start).context("datastore")
}

/// The tasks that answer clients.
struct Serving {
    etcd: skerry_etcd::Server,
    tasks: tokio::task::JoinSet<()>,
    supervisor: Supervisor<Handle>,
    local: Option<skerry_kube::Local>,
    met: Met,
}

impl Serving {
    /// Ends all streams and waits for the calls under way, a few seconds at most.
    async fn stopped(mut self) {
        self.etcd.stop();
        while self.tasks.join_next().await.is_some() {}
    }
}

fn start_serving(
    settings: &Settings,
    member: &Membership,
    handle: &Handle,
    ports: Ports,
    stop: &Stop,
    alone: &Alone,
    flash: &Flash,
) -> anyhow::Result<(Serving, Orders)> {
    let etcd_tls = member.pki.server_config_etcd()?;
    let auth = skerry_etcd::AuthOptions {
        tokens: settings.auth_token.clone(),
        ..skerry_etcd::AuthOptions::default()
    };
    let supervisor = Supervisor::new(handle.clone(), &member.pki, &member.token)?;
    let describe = snapshots::describe(handle, &supervisor, &member.pki);
    let etcd = skerry_etcd::Server::with_auth(
        handle.clone(),
        skerry_etcd::Options {
            quota_bytes: settings.quota_bytes,
            election_timeout: settings.election,
            more_metrics: crate::gauges::write,
            describe: Some(describe.clone()),
            gate: Some(gate(alone)),
            ..skerry_etcd::Options::default()
        },
        &auth,
    )
    .context("auth-token")?;
    supervisor.expect(settings.critical.values());
    let told = alone.clone();
    supervisor.tell_alone(move || told.told());
    api::tell_of_stop(&supervisor.health(), stop);
    let api = (!settings.disable_apiserver)
        .then(|| {
            let store = Arc::new(handle.clone());
            api::start(settings, &member.pki, store, supervisor.health())
        })
        .transpose()?;
    api::tell_of_ground(&supervisor.health());
    let manifests = Report::default();
    let admin = server_token::routes(routes(handle, &manifests), &supervisor);
    let (admin, orders) = renewal::routes(admin);
    let met = Met::default();
    let admin = succession::routes(strangers::routes(admin, &met), &supervisor);
    let local = api.as_ref().map(|api| api.local("certificates"));
    let admin = commands::doctor::routes(admin, handle, member.pki.clock());
    let reader = handle.reader();
    let ring = move || reader.ring().bytes();
    let admin = commands::footprint::routes(admin, settings, flash, ring);
    let admin = match &api {
        Some(api) => commands::secrets_encrypt::routes(admin, &api.encryption()),
        None => admin,
    };
    let teller = api.as_ref().map(|api| api.local("skerry"));
    let snapshots = Snapshots::of(settings, handle, describe, &member.pki, teller, stop);
    let admin = snapshots::routes(admin, &snapshots);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(snapshots::rounds(snapshots, stop.clone()));
    match Rounds::of(settings, api.as_ref().map(|api| api.local("skerry"))) {
        Ok(rounds) => {
            let looking = rounds.run(handle.clone());
            let stop = stop.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = looking => {}
                    () = stop.requested() => {}
                }
            });
        }
        Err(error) => tracing::warn!(%error, "peers and the disk are not looked at"),
    }
    if let Some(api) = &api {
        let telling = abandoned::tell(
            handle.clone(),
            api.local("skerry"),
            settings.node_name.clone(),
            settings.learner_stall,
        );
        let following = member_nodes::run(handle.clone(), api.local("members"));
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = telling => {}
                () = following => {}
                () = stop.requested() => {}
            }
        });
    }
    if let Some(api) = &api {
        let local = api.local("deploy");
        let applying = Manifests::of(settings, local, manifests).run();
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = applying => {}
                () = stop.requested() => {}
            }
        });
    }
    tasks.spawn(etcd.serve(
        ports.etcd,
        Transport::Tls(Arc::new(move || Arc::clone(&etcd_tls))),
    ));
    tasks.spawn(etcd.serve_metrics(ports.metrics));
    tasks.spawn(skerry_listen::serve(
        ports.api,
        api::transport(&member.pki)?,
        api_port::ApiPort::new(supervisor.clone(), admin, api, alone.clone()),
        stop.clone(),
    ));
    let serving = Serving {
        etcd,
        tasks,
        supervisor,
        local,
        met,
    };
    Ok((serving, orders))
}

/// Of the etcd API, where this server may give way to another cluster, or stand on what cannot be
/// written.
fn gate(alone: &Alone) -> skerry_etcd::Gate {
    let alone = alone.clone();
    skerry_etcd::Gate(Arc::new(move || {
        let gives_way = || (!alone.may_write()).then_some(GIVING_WAY);
        ground::refusal().or_else(gives_way)
    }))
}

/// What administrators' commands may ask of this server.
fn routes(handle: &Handle, manifests: &Report) -> Routes {
    let status = handle.clone();
    let manifests = manifests.clone();
    Routes::default()
        .at(Method::GET, commands::status::ROUTE, move |_| {
            let status = commands::status::answer(&status.status());
            async move { Ok(status) }
        })
        .at(Method::GET, "manifests", move |_| {
            let report = manifests.get();
            async move { Ok(report) }
        })
}

/// Ends once the process is asked to stop.
pub(crate) fn stop_signal() -> anyhow::Result<std::pin::Pin<Box<impl Future<Output = ()>>>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }))
}

/// Ends with the reason once this member cannot go on.
async fn failure(handle: &Handle, data_dir: &Path) -> String {
    let mut status = handle.watch_status();
    loop {
        let fatal = status.borrow_and_update().fatal.clone();
        if let Some(fatal) = fatal {
            ground::outlives(data_dir).await;
            return fatal;
        }
        if status.changed().await.is_err() {
            return "consensus has stopped".to_owned();
        }
    }
}

/// Tells systemd, and the log, who leads whenever that changes.
async fn report_status(handle: &Handle) {
    let mut watched = handle.watch_status();
    let mut told = String::new();
    loop {
        let line = status_line(&watched.borrow_and_update());
        if line != told {
            tracing::info!("{line}");
            service_manager::status(&line);
            told = line;
        }
        if watched.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn status_line(status: &Status) -> String {
    if status.members.is_empty() {
        return "waiting to hear from the cluster".into();
    }
    let role = match status.role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
    };
    let leader = match status.leader {
        Some(_) => "",
        None => ", no leader: read-only",
    };
    let (count, plural) = match status.members.len() {
        1 => (1, ""),
        count => (count, "s"),
    };
    format!(
        "{role} of {count} member{plural}, term {}{leader}",
        status.term
    )
}

fn pulses(handle: &Handle) -> service_manager::Pulses {
    let pulse = handle.pulse();
    [pulse.consensus, pulse.log, pulse.store]
}
