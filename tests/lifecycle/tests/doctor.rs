//! `skerry doctor`, beside servers that are well, and beside every way in which they are not.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{
    Addresses, Cluster, Kind, Options, Signal, eventually, eventually_async,
};
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

#[tokio::test]
async fn it_says_by_how_much_the_clock_of_another_is_off() {
    let mut cluster = Cluster::prepare(Kind::Skerry, 2, &brisk()).unwrap();
    let offset = cluster.folder().join("offset");
    std::fs::write(&offset, "3600").unwrap();
    let variable = "SKERRY_TEST_CLOCK_OFFSET_FILE".to_owned();
    let shifted = vec![(variable, offset.display().to_string())];
    cluster.members[1].environment = shifted;
    cluster.form().await.unwrap();
    let ill = doctor(&cluster, 0);
    assert_eq!(ill.code, Some(1), "{}", ill.said);
    let mut lines = ill.said.lines();
    let line = lines.find(|line| line.starts_with("BAD  peer m2") && line.contains("clock"));
    let words = line.unwrap_or_else(|| panic!("{}", ill.said)).split(' ');
    let off: i64 = words.filter_map(|word| word.parse().ok()).next().unwrap();
    assert!((3590..3700).contains(&off), "{line:?}");
    assert!(line.unwrap().contains("s ahead of this node's"), "{line:?}");
}

#[tokio::test]
async fn when_leaders_change_often_the_log_names_the_likely_cause_with_numbers() {
    let cluster = Cluster::start(Kind::Skerry, 2, &brisk()).await.unwrap();
    let told = |member: usize| {
        let log = std::fs::read_to_string(&cluster.members[member].log).unwrap();
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains("times in ten minutes: "));
        line.map(str::to_owned)
    };
    let until = std::time::Instant::now() + DEADLINE;
    let line = loop {
        assert!(std::time::Instant::now() < until, "nothing is said");
        if let Some(line) = told(0) {
            break line;
        }
        let leader = cluster.leader().await.unwrap();
        let mut of_leader = cluster.client(leader).unwrap();
        let mut other = cluster.client(1 - leader).unwrap();
        let status = other.maintenance.status(pb::StatusRequest::default()).await;
        let target = status.unwrap().into_inner().header.unwrap().member_id;
        let request = pb::MoveLeaderRequest { target_id: target };
        // It may have changed by itself meanwhile.
        let _ = of_leader.maintenance.move_leader(request).await;
        eventually_async("the other leads, or it is said", DEADLINE, || async {
            let leads = cluster.leader().await?;
            anyhow::ensure!(leads != leader || told(0).is_some(), "m{} leads", leads + 1);
            Ok(())
        })
        .await
        .unwrap();
    };
    assert!(line.contains("leaders changed "), "{line}");
    assert!(
        line.contains("ms at worst; the heartbeat is 100 ms"),
        "{line}"
    );
}
