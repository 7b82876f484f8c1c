//! What the other tests rely on: clusters start, members die and come back, nothing is left.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Options};
use std::path::Path;

async fn a_member_comes_back_with_what_it_had(kind: Kind, size: usize, options: &Options) {
    let mut cluster = Cluster::start(kind, size, options).await.unwrap();
    let put = pb::PutRequest {
        key: "k".into(),
        value: "v".into(),
        ..Default::default()
    };
    cluster.client(0).unwrap().kv.put(put).await.unwrap();

    cluster.members[0].kill().unwrap();
    cluster.restart(0).await.unwrap();

    let range = pb::RangeRequest {
        key: "k".into(),
        ..Default::default()
    };
    let response = cluster
        .client(0)
        .unwrap()
        .kv
        .range(range)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.kvs[0].value, "v");
    cluster.leader().await.unwrap();

    let pids = cluster
        .members
        .iter()
        .map(|member| member.pid().unwrap())
        .collect::<Vec<_>>();
    drop(cluster);
    for pid in pids {
        assert!(
            !Path::new(&format!("/proc/{pid}")).exists(),
            "{pid} still runs"
        );
    }
}

#[tokio::test]
async fn one_member_of_etcd_over_tls() {
    a_member_comes_back_with_what_it_had(Kind::Etcd, 1, &Options::default()).await;
}

#[tokio::test]
async fn three_members_of_etcd_in_the_clear() {
    let options = Options {
        tls: false,
        ..Default::default()
    };
    a_member_comes_back_with_what_it_had(Kind::Etcd, 3, &options).await;
}

#[tokio::test]
async fn one_member_of_skerry() {
    a_member_comes_back_with_what_it_had(Kind::Skerry, 1, &Options::default()).await;
}

#[tokio::test]
async fn three_members_of_skerry() {
    a_member_comes_back_with_what_it_had(Kind::Skerry, 3, &Options::default()).await;
}
