//! `skerry doctor`, beside servers that are well, and beside every way in which they are not.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use skerry_tests_harness::{Addresses, Cluster, Kind, Options, Signal, eventually};
use skerry_tests_lifecycle::{Ran, brisk, run, server_of};

const DEADLINE: Duration = Duration::from_secs(60);

fn doctor(cluster: &Cluster, member: usize) -> Ran {
    let server = server_of(&cluster.members[member]);
    let flags = server.iter().map(String::as_str);
    let words: Vec<&str> = ["doctor"].into_iter().chain(flags).collect();
    run(&words, &[]).unwrap()
}

fn has_line(said: &Ran, start: &str, words: &[&str]) -> bool {
    let mut lines = said.said.lines();
    lines.any(|line| line.starts_with(start) && words.iter().all(|word| line.contains(word)))
}

fn has(said: &Ran, start: &str, words: &[&str]) {
    assert!(
        has_line(said, start, words),
        "{start} {words:?} in: {}",
        said.said
    );
}

#[tokio::test]
async fn it_names_each_port_that_cannot_be_reached_and_why_also_with_its_own_server_down() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    // How fast the disk is does not matter here: it is the machine's that runs the tests.
    let well = eventually("all say the same", DEADLINE, || {
        let said = doctor(&cluster, 0);
        anyhow::ensure!(!said.said.contains("BAD  peer"), "{}", said.said);
        Ok(said)
    })
    .unwrap();
    for (what, words) in [
        ("ok   server", ["it runs", "of 3 members"]),
        ("ok   leader", ["m", "leads, in term"]),
        ("ok   quota", ["MB are used", "%"]),
        ("ok   peer m2", ["reached on 6443", "2380"]),
        ("ok   peer m3", ["reached on 6443", "2379"]),
        ("ok   certificates", ["days left", ".crt"]),
    ] {
        has(&well, what, &words);
    }
    assert!(
        well.said.contains("a durable write takes "),
        "{}",
        well.said
    );

    // One is gone, one does not answer.
    let gone = cluster.members[2].client_address.ip();
    cluster.members[2].kill().unwrap();
    cluster.members[1].signal(Signal::SIGSTOP).unwrap();
    let ill = doctor(&cluster, 0);
    assert_eq!(ill.code, Some(1), "{}", ill.said);
    for port in ["6443", "2379", "2380"] {
        let there = format!("{gone}:{port}: ");
        has(&ill, "BAD  peer m3", &[&there, "refused"]);
        has(&ill, "BAD  peer m2", &[port, "timed out after 3 s"]);
    }
    cluster.members[1].signal(Signal::SIGCONT).unwrap();

    // Somebody else is where the one was that is gone.
    let other = Options {
        addresses: Some(Addresses {
            hosts: vec![gone],
            ..cluster.addresses.clone()
        }),
        ..brisk()
    };
    let stranger = Cluster::start(Kind::Skerry, 1, &other).await.unwrap();
    cluster.members[0].kill().unwrap();
    let ill = doctor(&cluster, 0);
    assert_eq!(ill.code, Some(1), "{}", ill.said);
    has(&ill, "BAD  server", &["cannot reach this node's server"]);
    has(&ill, "BAD  peer m3", &["another cluster"]);
    has(&ill, "ok   peer m2", &["reached on 6443"]);
    drop(stranger);
}
