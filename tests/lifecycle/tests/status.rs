//! `skerry status`, asked beside servers that run, and beside one that does not.

#![allow(clippy::unwrap_used)]

use skerry_tests_harness::{Cluster, Kind};
use skerry_tests_lifecycle::{brisk, run, server_of};

fn status(cluster: &Cluster, member: usize) -> skerry_tests_lifecycle::Ran {
    let server = server_of(&cluster.members[member]);
    let words: Vec<&str> = ["status"]
        .into_iter()
        .chain(server.iter().map(String::as_str))
        .collect();
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
