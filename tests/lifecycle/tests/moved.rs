//! Boxes that come back under another address: nobody has to tell the cluster.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Addresses, Cluster, Kind, Member, eventually_async};
use skerry_tests_lifecycle::{brisk, run, server_of};
use std::time::Duration;

/// All know where everybody is within this time, on a busy machine.
const SETTLE_DEADLINE: Duration = Duration::from_secs(60);

/// Gives a member that does not run another address.
fn move_to(member: &mut Member, host: IpAddr) {
    for name in ["bind-address", "node-ip", "advertise-address"] {
        let start = format!("--{name}=");
        let words = &mut member.command;
        words.retain(|word| !word.to_str().unwrap().starts_with(&start));
        words.push(format!("{start}{host}").into());
    }
    member.client_address = SocketAddr::new(host, member.client_address.port());
    member.peer_address = SocketAddr::new(host, member.peer_address.port());
}

/// Peer and client URLs, as a member lists them.
async fn urls(member: &Member) -> anyhow::Result<Vec<(Vec<String>, Vec<String>)>> {
    let request = pb::MemberListRequest { linearizable: true };
    let answer = member.client()?.cluster.member_list(request).await?;
    let members = answer.into_inner().members;
    let urls = members
        .into_iter()
        .map(|member| (member.peer_ur_ls, member.client_ur_ls));
    let mut urls: Vec<_> = urls.collect();
    urls.sort();
    Ok(urls)
}

async fn come_back_elsewhere(movers: &[usize], told: bool) {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    let put = pb::PutRequest {
        key: "before".into(),
        ..Default::default()
    };
    cluster.client(0).unwrap().kv.put(put).await.unwrap();
    let elsewhere = Addresses::free(3).unwrap();
    for index in movers {
        cluster.members[*index].kill().unwrap();
        move_to(&mut cluster.members[*index], elsewhere.hosts[*index]);
    }
    if told {
        let servers: Vec<String> = elsewhere
            .hosts
            .iter()
            .map(|host| format!("https://{host}:6443"))
            .collect();
        for member in &mut cluster.members {
            member
                .command
                .retain(|word| !word.to_str().unwrap().starts_with("--server="));
            member
                .command
                .push(format!("--server={}", servers.join(",")).into());
        }
    }
    for index in movers {
        cluster.members[*index].start().unwrap();
    }
    cluster.wait_all_ready().await.unwrap();
    let mut expected: Vec<_> = cluster
        .members
        .iter()
        .map(|member| {
            let url = |address: SocketAddr| vec![format!("https://{address}")];
            (url(member.peer_address), url(member.client_address))
        })
        .collect();
    expected.sort();
    for member in &cluster.members {
        eventually_async("all know where everybody is", SETTLE_DEADLINE, || async {
            let known = urls(member).await?;
            anyhow::ensure!(known == expected, "{known:?} but not {expected:?}");
            Ok(())
        })
        .await
        .unwrap();
    }
    // What was written is there, and its certificates are good for the new address.
    let moved = &cluster.members[movers[0]];
    let request = pb::RangeRequest {
        key: "before".into(),
        ..Default::default()
    };
    let found = moved.client().unwrap().kv.range(request).await.unwrap();
    assert_eq!(found.into_inner().kvs.len(), 1);
    let server = server_of(moved);
    let words: Vec<&str> = ["status"]
        .into_iter()
        .chain(server.iter().map(String::as_str))
        .collect();
    let said = run(&words, &[]).unwrap();
    assert!(said.succeeded().contains(&moved.peer_address.to_string()));
}

#[tokio::test]
async fn one_that_comes_back_elsewhere_tells_the_others() {
    come_back_elsewhere(&[1], false).await;
}

#[tokio::test]
async fn the_one_that_formed_the_cluster_may_move_with_another() {
    come_back_elsewhere(&[0, 2], false).await;
}

#[tokio::test]
async fn all_may_move_at_once_where_their_settings_name_the_new_places() {
    come_back_elsewhere(&[0, 1, 2], true).await;
}
