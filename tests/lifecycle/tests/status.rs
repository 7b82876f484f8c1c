//! `skerry status` and `skerry ready`, asked beside servers that run, and beside one that does not.

#![allow(clippy::unwrap_used)]

#[path = "status/wear.rs"]
mod wear;

use skerry_tests_harness::{Cluster, Kind};
use skerry_tests_lifecycle::{Ran, brisk, run, server_of};

/// How long a lost quorum may go unnoticed on a busy machine.
const NOT_READY_DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

fn status(cluster: &Cluster, member: usize) -> Ran {
    ask(&["status"], cluster, member)
}

fn ask(command: &[&str], cluster: &Cluster, member: usize) -> Ran {
    let server = server_of(&cluster.members[member]);
    let flags = server.iter().map(String::as_str);
    let words: Vec<&str> = command.iter().copied().chain(flags).collect();
    run(&words, &[]).unwrap()
}

#[tokio::test]
async fn it_says_who_leads_and_without_a_server_where_none_was_found() {
    let mut cluster = Cluster::start(Kind::Skerry, 2, &brisk()).await.unwrap();
    for member in 0..2 {
        let said = status(&cluster, member);
        let lines: Vec<&str> = said.succeeded().lines().collect();
        assert_eq!(lines.len(), 3, "{}", said.said);
        let own = format!("  m{}  ", member + 1);
        for line in &lines[1..] {
            assert_eq!(line.ends_with("self"), line.contains(&own), "{}", said.said);
        }
        let leaders = lines.iter().filter(|line| line.contains("leader")).count();
        // The line of the cluster says it too, where the leader itself is asked.
        assert!((1..=2).contains(&leaders), "{}", said.said);
    }
    cluster.members[1].kill().unwrap();
    status(&cluster, 1).refused(&["cannot reach this node's server at "]);
}

#[tokio::test]
async fn a_server_is_ready_while_it_has_a_quorum_and_says_what_is_missing_otherwise() {
    let mut cluster = Cluster::start(Kind::Skerry, 2, &brisk()).await.unwrap();
    ask(&["ready", "--wait", "20"], &cluster, 0).succeeded();
    cluster.members[1].kill().unwrap();
    // It is known some seconds after the other's connections have gone.
    skerry_tests_harness::eventually("it is not ready", NOT_READY_DEADLINE, || {
        let said = ask(&["ready"], &cluster, 0);
        anyhow::ensure!(said.code != Some(0), "{}", said.said);
        Ok(said)
    })
    .unwrap()
    .refused(&["[-]etcd-readiness failed", "readyz check failed"]);
    ask(&["ready"], &cluster, 1).refused(&["cannot reach this node's server at "]);
    run(&["ready", "--wait", "5m"], &[])
        .unwrap()
        .refused(&["--wait 5m: a number of seconds is wanted"]);
}
