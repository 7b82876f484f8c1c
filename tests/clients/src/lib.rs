//! Clients that others wrote, against Skerry: of etcd the `etcd-client` crate and the Python client,
//! of Kubernetes the Python client and, in `operators`, what runs the operators that others wrote.
//! Each scenario asserts what the client's own documentation promises.
//!
//! With `SKERRY_TESTS_AGAINST_ETCD` the scenarios of etcd run against the real etcd, to see that
//! they ask for nothing it does not do.

#![allow(clippy::unwrap_used)]

pub mod operators;

use etcd_client::{Channel, Client, ConnectOptions};
use skerry_tests_harness::{Cluster, Kind, Options};

/// A cluster of the server under test.
pub async fn cluster(members: usize) -> Cluster {
    let kind = match std::env::var_os("SKERRY_TESTS_AGAINST_ETCD") {
        Some(_) => Kind::Etcd,
        None => Kind::Skerry,
    };
    Cluster::start(kind, members, &Options::default())
        .await
        .unwrap()
}

/// The crate's client over mutual TLS to one member, as `user` if there is one.
pub async fn client(cluster: &Cluster, member: usize, user: Option<(&str, &str)>) -> Client {
    connect(cluster, member, user).await.unwrap()
}

/// As [`client`], for a user who may be refused.
pub async fn connect(
    cluster: &Cluster,
    member: usize,
    user: Option<(&str, &str)>,
) -> Result<Client, etcd_client::Error> {
    let channel = Channel::Tonic(cluster.members[member].channel().unwrap());
    let options = user.map(|(name, password)| ConnectOptions::new().with_user(name, password));
    Client::from_channel(channel, options).await
}
