//! A server whose state is in a foreign etcd: the Kubernetes API without a member.
//!
//! ```text
//! settings -> TLS -> replica follows etcd -> authorities and token (bootstrap) -> serve, stand
//! ```
//!
//! Nothing listens on 2379 and 2380. Invariant: nothing is served before the replica holds all that
//! etcd does and the authorities are those that etcd holds.

mod bootstrap;
mod front;
mod mark;
mod neighbours;
mod status;
mod store;
mod tls;

use std::sync::Arc;

use anyhow::Context as _;
use http::Method;
use sd_notify::NotifyState;
use skerry_foreign::{Broken, Candidate, Foreign, Members};
use skerry_listen::Stop;
use skerry_pki::Pki;
use skerry_supervisor::Supervisor;
use tokio::task::{JoinError, JoinSet};

use crate::admin::Routes;
use crate::alone::Alone;
use crate::api_port::ApiPort;
use crate::commands;
use crate::config::{ForeignEtcd, Settings};
use crate::flash::Flash;
use crate::manifests::{Manifests, Report};
use crate::reload::Hangups;
use crate::renewal::{self, Orders, Renewal};
use crate::server::{bind, cache_bytes, stop_signal};
use crate::{api, ground, kubeconfig, panic_hook, server_token, service_manager};

pub(crate) use front::WithoutMember;
pub(crate) use mark::{refuse_change, refuse_command};
pub(crate) use status::{finding, table};
use store::OnEtcd;

/// Said of what only a member can do.
const NO_MEMBER: &str = "it has no embedded member, for its datastore is a foreign etcd";

/// Runs the server until it is told to stop.
pub(crate) async fn serve(
    settings: &Settings,
    etcd: &ForeignEtcd,
    hangups: Hangups,
) -> anyhow::Result<()> {
    let port = bind(settings.listen(settings.https_port)).await?;
    let mut stopping = stop_signal()?;
    let clock = Arc::new(crate::clock::of(&settings.data_dir));
    let replica = settings.data_dir.join("db/replica.redb");
    panic_hook::set(replica.clone());
    let members = Members::new(&etcd.endpoints, &tls::of(etcd, &clock)?)?;
    let options = skerry_store::Options {
        cache_bytes: cache_bytes(settings),
        quota_bytes: settings.quota_bytes,
    };
    let foreign = Foreign::new(members, &replica, options).context("datastore")?;
    let store = OnEtcd::new(foreign);
    let mut following = tokio::spawn({
        let store = store.clone();
        async move { store.foreign().run().await }
    });
    let end = |broken: Result<Broken, JoinError>| match broken {
        Ok(broken) => anyhow::Error::new(broken).context("datastore"),
        Err(error) => anyhow::Error::new(error).context("datastore"),
    };

    tracing::info!(
        endpoints = etcd.endpoints.join(","),
        "the datastore is a foreign etcd"
    );
    service_manager::status("waiting for the datastore");
    let (pki, token) = tokio::select! {
        established = bootstrap::establish(settings, &store, clock) => established?,
        broken = &mut following => return Err(end(broken)),
        () = &mut stopping => return Ok(()),
        () = service_manager::keep_starting() => return Ok(()),
    };
    neighbours::look(settings, &store)?;
    let me = Candidate {
        name: settings.node_name.clone(),
        address: settings.advertise,
        notes: neighbours::notes(settings),
    };
    let standing = tokio::spawn({
        let store = store.clone();
        async move { store.foreign().stand(&me).await }
    });

    let supervisor = Supervisor::new(store.clone(), &pki, &token)?;
    let stop = Stop::new();
    let serving = start_serving(settings, etcd, &store, &pki, &supervisor, port, &stop)?;
    kubeconfig::write(settings, &pki)?;
    let renewal = Renewal {
        settings,
        pki: &pki,
        local: Some(serving.local),
    };
    service_manager::tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    let outcome = tokio::select! {
        () = stopping => Ok(()),
        broken = &mut following => Err(end(broken)),
        error = neighbours::watch(settings, &store) => Err(error),
        // The rest goes on for as long as the server runs.
        () = service_manager::feed_watchdog(|| [store.foreign().pulse(); 3]) => Ok(()),
        () = server_token::follow(&supervisor, &settings.data_dir, true) => Ok(()),
        () = renewal.run(serving.orders) => Ok(()),
        () = hangups.follow(settings, &pki) => Ok(()),
        () = ground::watch(&settings.data_dir) => Ok(()),
        () = status::report(&store) => Ok(()),
    };
    tracing::info!("stopping");
    service_manager::tell(&[NotifyState::Stopping]);
    // First of all another server leads.
    standing.abort();
    let _ = standing.await;
    store.foreign().retire().await;
    stop.request();
    let mut tasks = serving.tasks;
    while tasks.join_next().await.is_some() {}
    following.abort();
    tracing::info!("stopped");
    outcome
}

/// The tasks that answer clients, and what goes on beside them.
struct Serving {
    tasks: JoinSet<()>,
    local: skerry_kube::Local,
    orders: Orders,
}

fn start_serving(
    settings: &Settings,
    etcd: &ForeignEtcd,
    store: &OnEtcd,
    pki: &Arc<Pki>,
    supervisor: &Supervisor<OnEtcd>,
    port: tokio::net::TcpListener,
    stop: &Stop,
) -> anyhow::Result<Serving> {
    api::tell_of_stop(&supervisor.health(), stop);
    let api = api::start(settings, pki, Arc::new(store.clone()), supervisor.health())?;
    let manifests = Report::default();
    let applied = manifests.clone();
    let admin = Routes::or_say(NO_MEMBER).at(Method::GET, "manifests", move |_| {
        let report = applied.get();
        async move { Ok(report) }
    });
    let admin = status::routes(admin, store, etcd);
    let admin = server_token::routes(admin, supervisor);
    let (admin, orders) = renewal::routes(admin);
    let admin = commands::secrets_encrypt::routes(admin, &api.encryption());
    let flash = Flash::of(&settings.data_dir, settings.flash_endurance);
    let reader = store.foreign().reader();
    let ring = move || reader.ring().bytes();
    let admin = commands::footprint::routes(admin, settings, &flash, ring);
    let local = api.local("certificates");
    let applying = Manifests::of(settings, api.local("deploy"), manifests).run();
    let mut tasks = JoinSet::new();
    let stops = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = applying => {}
            () = stops.requested() => {}
        }
    });
    let stops = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = flash.run() => {}
            () = stops.requested() => flash.keep(),
        }
    });
    tasks.spawn(skerry_listen::serve(
        port,
        api::transport(pki)?,
        ApiPort::new(
            WithoutMember::of(pki),
            admin,
            Some(api),
            Alone::of(&settings.data_dir)?,
        ),
        stop.clone(),
    ));
    Ok(Serving {
        tasks,
        local,
        orders,
    })
}
