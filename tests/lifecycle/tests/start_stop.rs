//! First start, restart, planned stop, crash.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "start_stop/read_only.rs"]
mod read_only;
#[path = "start_stop/reload.rs"]
mod reload;

use anyhow::ensure;
use skerry_tests_etcdctl::Ctl;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Options};
use skerry_tests_lifecycle::{brisk, get, get_plain};
use std::time::Duration;

/// A planned stop takes no longer, on a machine that is busy with other tests.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_new_server_answers_on_its_ports_and_starts_again_with_its_data() {
    let mut cluster = Cluster::start(Kind::Skerry, 1, &Options::default())
        .await
        .unwrap();
    let ctl = Ctl::new(&cluster).unwrap();
    assert_eq!(ctl.run(&["put", "k", "v"], "").unwrap().stdout, "OK\n");
    for life in 0..2 {
        let member = &cluster.members[0];
        for (path, body) in [
            ("/readyz", "ok"),
            ("/livez", "ok"),
            ("/ping", "pong"),
            ("/cacerts", "-----BEGIN CERTIFICATE-----"),
        ] {
            let answer = get(member, path).await.unwrap();
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            assert!(answer.body.starts_with(body), "{path}: {answer:?}");
        }
        let health = get_plain(member, "/health").await.unwrap();
        assert_eq!(health.body, r#"{"health":"true","reason":""}"#);
        assert_eq!(get_plain(member, "/metrics").await.unwrap().status, 200);
        let kept = ctl.run(&["get", "k"], "").unwrap();
        assert_eq!(kept.stdout, "k\nv\n", "life {life}: {kept:?}");

        let status = cluster.members[0].terminate(STOP_DEADLINE).unwrap();
        assert_eq!(status.code(), Some(0), "{}", cluster.members[0].log_tail());
        cluster.restart(0).await.unwrap();
    }
}

#[tokio::test]
async fn three_servers_on_one_machine_share_their_port_numbers() {
    let cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    for member in &cluster.members {
        assert_eq!(get(member, "/readyz").await.unwrap().body, "ok");
        let metrics = get_plain(member, "/metrics").await.unwrap();
        assert!(metrics.body.contains("etcd_server_has_leader 1"));
    }
    let ended = Ctl::new(&cluster)
        .unwrap()
        .run(&["endpoint", "health"], "")
        .unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_leader_that_is_stopped_as_planned_hands_over_before_it_goes() {
    // Elections that take long: who leads right after the stop was handed it.
    let mut cluster = Cluster::start(Kind::Skerry, 3, &Options::default())
        .await
        .unwrap();
    let leader = cluster.leader().await.unwrap();
    let status = cluster.members[leader].terminate(STOP_DEADLINE).unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(
        cluster.members[leader]
            .log_tail()
            .contains("leadership was handed over"),
        "{}",
        cluster.members[leader].log_tail()
    );
    let other = (leader + 1) % 3;
    let request = pb::PutRequest {
        key: "k".into(),
        ..Default::default()
    };
    let mut client = cluster.client(other).unwrap();
    client.kv.put(request).await.unwrap();
    cluster.restart(leader).await.unwrap();
}

#[tokio::test]
async fn three_members_come_back_in_every_order() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    let ctl = Ctl::new(&cluster).unwrap();
    for (round, order) in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ]
    .into_iter()
    .enumerate()
    {
        let value = round.to_string();
        let put = ctl.run(&["put", "round", &value], "").unwrap();
        assert_eq!(put.code, Some(0), "{put:?}");
        for index in order {
            // Both kinds of end, in turn.
            if round % 2 == 0 {
                cluster.members[index].kill().unwrap();
            } else {
                let status = cluster.members[index].terminate(STOP_DEADLINE).unwrap();
                assert_eq!(status.code(), Some(0));
            }
        }
        for (place, index) in order.into_iter().enumerate() {
            cluster.members[index].start().unwrap();
            // The second makes the quorum; the third finds one.
            if place == 1 {
                cluster.wait_ready(index).await.unwrap();
            }
        }
        for index in 0..3 {
            cluster.wait_ready(index).await.unwrap();
        }
        let got = ctl
            .run(&["get", "round", "--print-value-only"], "")
            .unwrap();
        assert_eq!(got.stdout.trim(), value, "{order:?}: {got:?}");
    }
}

#[tokio::test]
async fn a_server_that_crashes_again_and_again_loses_nothing_it_acknowledged() {
    let mut cluster = Cluster::start(Kind::Skerry, 1, &brisk()).await.unwrap();
    for life in 0..8_i64 {
        let mut client = cluster.client(0).unwrap();
        for n in 0..10 {
            let request = pb::PutRequest {
                key: format!("{life}/{n}").into(),
                ..Default::default()
            };
            client.kv.put(request).await.unwrap();
        }
        cluster.members[0].kill().unwrap();
        cluster.restart(0).await.unwrap();
        let request = pb::RangeRequest {
            key: "0".into(),
            range_end: "9".into(),
            count_only: true,
            ..Default::default()
        };
        let mut client = cluster.client(0).unwrap();
        let count = client.kv.range(request).await.unwrap().into_inner().count;
        assert_eq!(count, 10 * (life + 1));
    }
}

#[tokio::test]
async fn the_administrators_kubeconfig_is_written_where_it_can_be() {
    let options = Options {
        kubernetes: true,
        ..brisk()
    };
    let cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let path = cluster.folder().join("m1.kubeconfig");
    let check = || {
        let text = std::fs::read_to_string(&path)?;
        let server = format!("https://{}:6443", cluster.addresses.hosts[0]);
        ensure!(text.contains(&server), "{text}");
        Ok(())
    };
    skerry_tests_harness::eventually("it is there", STOP_DEADLINE, check).unwrap();
}
