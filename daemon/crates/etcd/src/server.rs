//! The server that the daemon starts.

use std::future::Future;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::api::{Api, Options};
use crate::auth::{AuthOptions, Authority, KeyError};
use crate::dispatch::{ClientPort, MetricsPort};
use crate::grpc::Room;
use crate::leader::{self, ELECTIONS_WITHOUT_LEADER};
use crate::limits::{LARGE_ANSWERS_MAX, SNAPSHOTS_MAX};
use crate::metrics::Metrics;
use crate::quota::Quota;
use crate::watch::Hub;
use skerry_consensus::Handle;
use skerry_listen::{Stop, Transport};

/// The etcd API of one member. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    api: Arc<Api>,
}

impl Server {
    /// A server over a running member. Must be called within a tokio runtime, which then carries
    /// all of it.
    pub fn new(handle: Handle, options: Options) -> Server {
        let auth = AuthOptions::default();
        Server::with_auth(handle, options, &auth).expect("simple tokens need no key")
    }

    /// As [`Server::new`], with other tokens than etcd's simple ones, or other rules for
    /// certificates.
    pub fn with_auth(
        handle: Handle,
        options: Options,
        auth: &AuthOptions,
    ) -> Result<Server, KeyError> {
        let reader = handle.reader();
        let auth = Authority::open(auth, reader.auth().clone(), handle.watch_status())?;
        let watches = Hub::new(reader.clone());
        tokio::spawn(Arc::clone(&watches).run());
        let (lost, leaderless) = watch::channel(false);
        let status = handle.watch_status();
        let api = Arc::new(Api {
            handle,
            reader,
            auth,
            options,
            metrics: Metrics::default(),
            quota: Quota::default(),
            watches,
            stop: Stop::new(),
            room: Room::default(),
            large_answers: Arc::new(Semaphore::new(LARGE_ANSWERS_MAX)),
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS_MAX)),
            leaderless,
        });
        let counting = Arc::clone(&api);
        let patience = api.options.election_timeout * ELECTIONS_WITHOUT_LEADER;
        tokio::spawn(leader::watch(status, patience, lost, move |_| {
            counting.metrics.leader_changes.increment();
        }));
        Ok(Server { api })
    }

    /// Serves clients until [`Server::stop`]: gRPC, health, version, metrics.
    pub fn serve(
        &self,
        listener: TcpListener,
        transport: Transport,
    ) -> impl Future<Output = ()> + Send + use<> {
        skerry_listen::serve(
            listener,
            transport,
            ClientPort(Arc::clone(&self.api)),
            self.api.stop.clone(),
        )
    }

    /// Serves health, version and metrics in the clear, for a loopback port, until
    /// [`Server::stop`].
    pub fn serve_metrics(&self, listener: TcpListener) -> impl Future<Output = ()> + Send + use<> {
        let handler = MetricsPort(Arc::clone(&self.api));
        skerry_listen::serve(
            listener,
            Transport::Plaintext,
            handler,
            self.api.stop.clone(),
        )
    }

    /// Takes no more calls and ends all streams; what serves returns once the calls under way are
    /// answered, or after a few seconds.
    pub fn stop(&self) {
        self.api.stop.request();
    }
}
