//! Servers with the Kubernetes API for tests that drive them with the `kube` crate.
//!
//! Knows nothing about what the tests assert.

#![allow(clippy::unwrap_used)]

mod checker;
mod events;
mod http2;
mod place;

pub use checker::{Checker, End, Version, list};
pub use events::{Event, Events};
pub use http2::http2_client;
pub use place::Place;

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Options, eventually_async};

/// Asks for the metadata only.
pub const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Asks for rows, as kubectl shows them.
pub const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";

/// How long anything may take.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Starts `size` members and waits until each serves what every cluster has.
pub async fn servers(size: usize) -> Cluster {
    let options = Options {
        kubernetes: true,
        flags: vec![
            "--heartbeat-interval=100ms".into(),
            "--election-timeout=1000ms".into(),
        ],
        ..Options::default()
    };
    let cluster = Cluster::start(Kind::Skerry, size, &options).await.unwrap();
    for member in 0..size {
        let client = client(&cluster, member).await;
        eventually_async("a namespace is complete", DEADLINE, || async {
            let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
            Ok(maps.get("kube-root-ca.crt").await.map(drop)?)
        })
        .await
        .unwrap();
    }
    cluster
}

/// How one member is reached as its administrator.
pub async fn config(cluster: &Cluster, member: usize) -> Config {
    let path = cluster.folder().join(format!("m{}.kubeconfig", member + 1));
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap()
}

/// The administrator's client of one member, as the crate makes it.
pub async fn client(cluster: &Cluster, member: usize) -> Client {
    Client::try_from(config(cluster, member).await).unwrap()
}

/// As [`client`], but what is refused is not tried again behind the test's back.
pub async fn plain_client(cluster: &Cluster, member: usize) -> Client {
    let mut config = config(cluster, member).await;
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// A namespace of one's own, once it has what every namespace gets.
pub async fn namespace(client: &Client, name: &str) -> String {
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), name);
    eventually_async("the namespace is complete", DEADLINE, || async {
        Ok(maps.get("kube-root-ca.crt").await.map(drop)?)
    })
    .await
    .unwrap();
    name.to_owned()
}

/// A ConfigMap with one entry.
pub fn config_map(name: &str, key: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        data: Some([(key.to_owned(), value.to_owned())].into()),
        ..ConfigMap::default()
    }
}

/// The `Status` that a request was refused with.
pub fn refusal<T: std::fmt::Debug>(answer: kube::Result<T>) -> kube::core::Status {
    match answer {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("not refused: {other:?}"),
    }
}

/// Forgets the history up to now, as every five minutes; the revision.
pub async fn compact(cluster: &Cluster, member: usize) -> i64 {
    let mut client = cluster.client(member).unwrap();
    let range = pb::RangeRequest {
        key: "any".into(),
        ..Default::default()
    };
    let answer = client.kv.range(range).await.unwrap().into_inner();
    let revision = answer.header.unwrap().revision;
    let compaction = pb::CompactionRequest {
        revision,
        physical: true,
    };
    match client.kv.compact(compaction).await {
        Ok(_) => revision,
        // The server's own came first.
        Err(status) if status.message().contains("has been compacted") => revision,
        Err(status) => panic!("{status}"),
    }
}
