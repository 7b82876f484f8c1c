//! How fast it is: printed, never asserted. `cargo test --profile bench-dev --test throughput --
//! --ignored --nocapture`; the benchmarks proper are in tests/ of the project.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod cluster;

use std::time::{Duration, Instant};

use cluster::*;
use skerry_consensus::Handle;

const TIME: Duration = Duration::from_secs(3);

/// CPU that the threads of this process have used, by name, in microseconds.
fn cpu_by_thread() -> std::collections::BTreeMap<String, u64> {
    let mut used = std::collections::BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let Ok(name) = std::fs::read_to_string(path.join("comm")) else {
            continue;
        };
        let Ok(schedule) = std::fs::read_to_string(path.join("schedstat")) else {
            continue;
        };
        let nanoseconds: u64 = schedule.split(' ').next().unwrap().parse().unwrap();
        *used.entry(name.trim().to_owned()).or_default() += nanoseconds / 1_000;
    }
    used
}

async fn writes(handle: &Handle, clients: usize) {
    let before = cpu_by_thread();
    let started = Instant::now();
    let mut tasks = Vec::new();
    for client in 0..clients {
        let handle = handle.clone();
        tasks.push(tokio::spawn(async move {
            let value = vec![7u8; 1024];
            let mut latencies = Vec::new();
            while started.elapsed() < TIME {
                let key = format!("{client}-{}", latencies.len() % 1000);
                let one = Instant::now();
                propose(&handle, put(&key, value.clone())).await.unwrap();
                latencies.push(one.elapsed());
            }
            latencies
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort_unstable();
    let rate = all.len() as f64 / started.elapsed().as_secs_f64();
    let at = |p: usize| all[(all.len() - 1) * p / 100];
    println!(
        "{clients:>4} clients: {rate:>8.0} puts/s, p50 {:?}, p99 {:?}",
        at(50),
        at(99)
    );
    for (thread, now) in cpu_by_thread() {
        let used = now - before.get(&thread).copied().unwrap_or(0);
        let each = used as f64 / all.len() as f64;
        if each > 0.5 {
            println!("      {thread}: {each:.1} us of CPU a put");
        }
    }
}

async fn reads(handle: &Handle, clients: usize) {
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let handle = handle.clone();
        tasks.push(tokio::spawn(async move {
            let mut count = 0u64;
            while started.elapsed() < TIME {
                handle.linearize().await.unwrap();
                count += 1;
            }
            count
        }));
    }
    let mut count = 0;
    for task in tasks {
        count += task.await.unwrap();
    }
    println!(
        "{clients:>4} clients: {:>8.0} read indexes/s",
        count as f64 / started.elapsed().as_secs_f64()
    );
}

#[test]
#[ignore = "a measurement"]
fn one_and_three_members() {
    run(async {
        for members in [1, 3] {
            let mut cluster = Cluster::of(members).await;
            let leader = cluster.leader().await;
            println!("{members} members, at the leader");
            for clients in [1, 64, 256] {
                writes(&cluster.handle(leader), clients).await;
            }
            reads(&cluster.handle(leader), 64).await;
            if members > 1 {
                println!("{members} members, at a follower");
                writes(&cluster.handle((leader + 1) % 3), 64).await;
                reads(&cluster.handle((leader + 1) % 3), 64).await;
            }
            cluster.stop_all().await;
        }
    });
}

#[test]
#[ignore = "a measurement"]
fn three_idle_members_with_the_default_timing() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        cluster.stop_all().await;
        for place in 0..3 {
            let config = &mut cluster.boxes[place].config;
            config.heartbeat = skerry_consensus::Config::HEARTBEAT_DEFAULT;
            config.election = skerry_consensus::Config::ELECTION_DEFAULT;
            cluster.restart(place);
        }
        cluster.leader().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (before, seconds) = (cpu_by_thread(), 20);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        for (thread, now) in cpu_by_thread() {
            let used = now - before.get(&thread).copied().unwrap_or(0);
            let percent = used as f64 / (seconds * 10_000) as f64;
            println!("{thread}: {percent:.3} % of a core for all three");
        }
        cluster.stop_all().await;
    });
}
