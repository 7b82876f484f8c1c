//! Members of the cluster as the Kubernetes API shows them: by their Nodes, and by events.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Member, Options, eventually};
use skerry_tests_kubectl::Servers;

/// Anything that is waited for comes within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

async fn names(servers: &Servers, through: usize) -> Vec<String> {
    let mut client = servers.cluster.client(through).unwrap();
    let list = client
        .cluster
        .member_list(pb::MemberListRequest { linearizable: true });
    let members = list.await.unwrap().into_inner().members;
    // Their ids are in the order in which they joined, which is any.
    let mut names: Vec<String> = members.into_iter().map(|member| member.name).collect();
    names.sort();
    names
}

/// Makes a Node under the name of each member, as a kubelet would.
fn make_nodes(servers: &Servers, through: usize) {
    for member in &servers.cluster.members {
        let node = format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: {}}}}}",
            member.name
        );
        let made = servers.run_on(through, &["create", "-f", "-"], &node);
        assert!(made.ok, "{made:?}");
        let marked = ["get", "node", &member.name, "-o", "yaml"];
        servers.until(through, &marked, |node| {
            node.out.contains("etcd.k3s.cattle.io/node-name")
                && node.out.contains("skerry.io/member")
        });
    }
}

fn with_flag(member: &mut Member, name: &str, value: &str) {
    let start = format!("--{name}=");
    let command = &mut member.command;
    command.retain(|word| !word.to_str().unwrap().starts_with(&start));
    command.push(format!("{start}{value}").into());
}

#[tokio::test]
async fn whose_node_is_deleted_is_removed_from_the_cluster_even_where_it_leads() {
    let mut servers = Servers::start(3).await;
    let leader = servers.cluster.leader().await.unwrap();
    let through = (leader + 1) % 3;
    make_nodes(&servers, through);
    let name = servers.cluster.members[leader].name.clone();
    let shown = servers.run_on(through, &["get", "node", &name, "--show-labels"], "");
    assert!(
        shown.out.contains("node-role.kubernetes.io/etcd=true"),
        "{shown:?}"
    );

    let deleted = servers.run_on(through, &["delete", "node", &name, "--timeout=60s"], "");
    assert!(deleted.ok, "{deleted:?}");
    let gone = &mut servers.cluster.members[leader];
    assert_eq!(gone.wait_for_exit(DEADLINE).unwrap().code(), Some(1));
    let log = gone.log_tail();
    assert!(
        log.contains("this server was removed from its cluster"),
        "{log}"
    );
    let left = names(&servers, through).await;
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&name), "{left:?}");
}

#[tokio::test]
async fn a_node_waits_for_its_member_while_the_quorum_would_go_with_it_and_the_last_member_stays() {
    let mut servers = Servers::start(3).await;
    make_nodes(&servers, 0);
    servers.cluster.members[2].kill().unwrap();
    servers.ok(&["delete", "node", "m2", "--wait=false"]);
    servers.until(0, &["get", "events", "-o", "json"], |events| {
        events.out.contains("MemberNotRemoved") && events.out.contains("whose Node is to go")
    });
    servers.ok(&["get", "node", "m2"]);
    assert_eq!(names(&servers, 0).await, ["m1", "m2", "m3"]);

    // The dead one may go, and then the other has to.
    servers.ok(&["delete", "node", "m3", "--timeout=60s"]);
    servers.until(0, &["get", "node", "m2"], |gone| {
        gone.err.contains("NotFound")
    });
    let removed = &mut servers.cluster.members[1];
    assert_eq!(removed.wait_for_exit(DEADLINE).unwrap().code(), Some(1));
    assert_eq!(names(&servers, 0).await, ["m1"]);
    servers.ok(&["delete", "node", "m1", "--timeout=60s"]);
    assert_eq!(names(&servers, 0).await, ["m1"]);
}

#[tokio::test]
async fn a_new_member_that_never_catches_up_is_removed_with_an_event_and_can_come_again() {
    let flags = [
        "--heartbeat-interval=100ms",
        "--election-timeout=1000ms",
        "--learner-timeout=3s",
    ];
    let options = Options {
        kubernetes: true,
        flags: flags.map(str::to_owned).to_vec(),
        ..Options::default()
    };
    let mut cluster = Cluster::prepare(Kind::Skerry, 2, &options).unwrap();
    cluster.restart(0).await.unwrap();
    let mut servers = Servers::of(cluster);
    // It listens elsewhere than it says.
    let spare = Cluster::prepare(Kind::Skerry, 1, &options).unwrap();
    let joiner = &mut servers.cluster.members[1];
    let own = joiner.peer_address.ip().to_string();
    with_flag(
        joiner,
        "bind-address",
        &spare.addresses.hosts[0].to_string(),
    );
    joiner.start().unwrap();
    servers.until(0, &["get", "events", "-o", "json"], |events| {
        let words = [
            "\"reason\": \"MemberRemoved\"",
            "the new member 2 at",
            "made no progress for 3 s and was removed",
            "--rejoin",
        ];
        words.iter().all(|word| events.out.contains(word))
    });
    assert_eq!(names(&servers, 0).await, ["m1"]);

    // It cannot be told, and says what it sees.
    let joiner = &mut servers.cluster.members[1];
    eventually("it says that nobody reaches it", DEADLINE, || {
        let log = joiner.log_tail();
        let words = [
            "no member of the cluster has sent this new one anything",
            "--rejoin",
        ];
        anyhow::ensure!(words.iter().all(|word| log.contains(word)), "{log}");
        Ok(())
    })
    .unwrap();
    joiner.kill().unwrap();
    with_flag(joiner, "bind-address", &own);
    joiner.command.push("--rejoin".into());
    servers.cluster.restart(1).await.unwrap();
    servers.cluster.wait_voters(2).await.unwrap();
}
