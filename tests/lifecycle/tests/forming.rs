//! One configuration file for all servers, and one cluster, in whatever order they start.
//!
//! `FORMING_ORDERS` says how many random orders are tried, `FORMING_SEED` where they begin.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::{Cluster, Kind, Random, eventually};
use skerry_tests_lifecycle::{brisk, last_words, one_cluster_of_three, three_of_one_file};
use std::time::Duration;

/// Something is said or done within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Orders that are tried where `FORMING_ORDERS` does not say.
const ORDERS: u64 = 3;
/// Longest pause between two starts, and before the crash, in milliseconds.
const PAUSE_MS_MAX: i64 = 1_000;

fn says(cluster: &Cluster, index: usize, words: &str) {
    eventually(words, DEADLINE, || {
        let log = cluster.members[index].log_tail();
        anyhow::ensure!(log.contains(words), "{log}");
        Ok(())
    })
    .unwrap();
}

/// What the schedule of a fault asks for: not a condition that could be waited for.
fn pause(random: &mut Random) {
    let pause = random.between(0, PAUSE_MS_MAX).unsigned_abs();
    std::thread::sleep(Duration::from_millis(pause));
}

async fn form_in_random_order(seed: u64) {
    let random = &mut Random::new(seed);
    let mut cluster = three_of_one_file(brisk());
    let mut order = vec![0, 1, 2];
    let mut victim = random.below(3);
    let at_once = random.chance(30);
    while !order.is_empty() {
        let next = order.remove(random.below(order.len()));
        cluster.members[next].start().unwrap();
        if next == victim && random.chance(50) {
            pause(random);
            cluster.members[next].kill().unwrap();
            cluster.members[next].start().unwrap();
            victim = 3;
        } else if !at_once {
            pause(random);
        }
    }
    if victim < 3 {
        cluster.members[victim].kill().unwrap();
        cluster.members[victim].start().unwrap();
    }
    one_cluster_of_three(&mut cluster).await;
}

#[tokio::test]
async fn one_cluster_forms_in_whatever_order_three_servers_start_and_whichever_crashes() {
    let of = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let orders: u64 = of("FORMING_ORDERS").unwrap_or(ORDERS);
    let first: u64 = of("FORMING_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    for seed in first..first + orders {
        println!("FORMING_SEED={seed}");
        form_in_random_order(seed).await;
    }
}

#[tokio::test]
async fn the_first_of_the_list_serves_alone_until_the_others_are_switched_on() {
    let mut cluster = three_of_one_file(brisk());
    cluster.restart(0).await.unwrap();
    for index in [2, 1] {
        cluster.restart(index).await.unwrap();
    }
    one_cluster_of_three(&mut cluster).await;
}

#[tokio::test]
async fn the_others_wait_for_the_first_however_long_it_takes() {
    let mut cluster = three_of_one_file(brisk());
    for index in [1, 2] {
        cluster.members[index].start().unwrap();
    }
    for index in [1, 2] {
        says(&cluster, index, "it waits for a cluster too");
        assert!(!cluster.members[index].data_dir.join("tls").exists());
    }
    cluster.members[0].start().unwrap();
    one_cluster_of_three(&mut cluster).await;
}

#[tokio::test]
async fn a_first_server_that_lost_its_disk_never_forms_a_second_cluster() {
    let mut cluster = three_of_one_file(brisk());
    for member in &mut cluster.members {
        member.start().unwrap();
    }
    one_cluster_of_three(&mut cluster).await;
    let identity = |cluster: &Cluster, index: usize| {
        let path = cluster.members[index].data_dir.join("db/identity.json");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let cluster_id = |cluster: &Cluster, index: usize| {
        let text = identity(cluster, index);
        let line = text.lines().find(|line| line.contains("cluster_id"));
        line.unwrap_or_default().to_owned()
    };
    let before = cluster_id(&cluster, 1);

    // One of the others is there and has no quorum: it can take nobody in, and is a cluster still.
    for index in [0, 2] {
        cluster.members[index].kill().unwrap();
    }
    std::fs::remove_dir_all(&cluster.members[0].data_dir).unwrap();
    cluster.members[0].start().unwrap();
    says(&cluster, 0, "no server yet, will retry");
    assert_eq!(identity(&cluster, 0), "");

    // With the quorum back it is what any server without a disk is.
    cluster.members[0].kill().unwrap();
    cluster.restart(2).await.unwrap();
    cluster.wait_ready(1).await.unwrap();
    cluster.restart(0).await.unwrap();
    one_cluster_of_three(&mut cluster).await;
    assert_eq!(cluster_id(&cluster, 0), before);
}

#[tokio::test]
async fn a_server_whose_critical_values_differ_is_told_the_key_its_place_and_both_values() {
    let mut cluster = Cluster::prepare(Kind::Skerry, 2, &brisk()).unwrap();
    cluster.restart(0).await.unwrap();
    let joiner = &mut cluster.members[1];
    let config = joiner.data_dir.with_extension("conf.yaml");
    std::fs::write(&config, "debug: false\nservice-cidr: 10.44.0.0/16\n").unwrap();
    joiner
        .command
        .retain(|word| !word.to_str().unwrap().starts_with("--config="));
    joiner
        .command
        .push(format!("--config={}", config.display()).into());
    let first = format!("https://{}:6443", cluster.addresses.hosts[0]);
    last_words(joiner).unwrap().refused(&[
        &format!("{}:2", config.display()),
        "critical configuration value mismatch between servers",
        &format!("'service-cidr' is '10.43.0.0/16' on {first} and '10.44.0.0/16' here"),
    ]);
    assert!(!joiner.data_dir.join("tls").exists());
}
