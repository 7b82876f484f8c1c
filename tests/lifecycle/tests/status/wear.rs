//! What a server writes to its disk, as it counts it and as the kernel does, and what it makes of it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Member, Options, eventually_async};
use skerry_tests_lifecycle::{brisk, get_plain};

use crate::ask;

const DEADLINE: Duration = Duration::from_secs(60);

/// The value of a series of a server's metrics.
async fn series(member: &Member, name: &str) -> f64 {
    let text = get_plain(member, "/metrics").await.unwrap().body;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.map_or(0.0, |value| value.trim().parse().unwrap())
}

async fn part(member: &Member, what: &str, part: &str) -> f64 {
    series(
        member,
        &format!("skerry_disk_{what}_total{{part=\"{part}\"}}"),
    )
    .await
}

fn kernels(member: &Member) -> f64 {
    let io = std::fs::read_to_string(format!("/proc/{}/io", member.pid().unwrap())).unwrap();
    let line = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes:"));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn bytes_and_syncs_are_counted_where_they_are_written_and_as_the_kernel_does() {
    let cluster = Cluster::start(Kind::Skerry, 1, &brisk()).await.unwrap();
    let member = &cluster.members[0];
    let (bytes, syncs) = (
        part(member, "written_bytes", "log").await,
        part(member, "syncs", "log").await,
    );
    let process = kernels(member);
    let mut client = cluster.client(0).unwrap();
    for n in 0..100 {
        let request = pb::PutRequest {
            key: format!("wear/{n}").into(),
            value: vec![7; 4096].into(),
            ..pb::PutRequest::default()
        };
        client.kv.put(request).await.unwrap();
    }
    let bytes = part(member, "written_bytes", "log").await - bytes;
    let syncs = part(member, "syncs", "log").await - syncs;
    assert!(bytes >= 100.0 * 4096.0, "{bytes} bytes");
    assert!(syncs >= 100.0, "{syncs} syncs");
    // The state follows within its flush interval.
    eventually_async("the state is synced", DEADLINE, || async {
        let bytes = part(member, "written_bytes", "state").await;
        anyhow::ensure!(bytes >= 100.0 * 4096.0, "{bytes} bytes");
        Ok(())
    })
    .await
    .unwrap();
    let told = series(member, "skerry_process_written_bytes_total ").await;
    let wrote = kernels(member) - process;
    // Where the test's directory is in memory the kernel counts nothing.
    if wrote > 0.0 {
        assert!(wrote >= bytes, "{wrote} of {bytes}");
        assert!(told > process && told <= kernels(member), "{told}");
    }
}

#[tokio::test]
async fn what_was_written_in_a_servers_life_outlives_it_and_a_worn_card_is_told_of() {
    let options = Options {
        // 100 KB: a start alone writes more.
        flags: vec!["--flash-endurance-tbw=0.0000001".into()],
        ..Options::default()
    };
    let mut cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    cluster.members[0].terminate(DEADLINE).unwrap();
    let folder = cluster.members[0].data_dir.clone();
    let kept = std::fs::read_to_string(folder.join("flash.json")).unwrap();
    let (_, written) = kept.split_once("\"written\":").unwrap();
    let written: f64 = written.split(',').next().unwrap().parse().unwrap();
    assert!(written > 100_000.0, "{kept}");
    cluster.restart(0).await.unwrap();
    let member = &cluster.members[0];
    eventually_async("the gauges are there", DEADLINE, || async {
        let bytes = series(member, "skerry_flash_written_bytes ").await;
        anyhow::ensure!(bytes >= written, "{bytes} of {written}");
        Ok(())
    })
    .await
    .unwrap();
    assert!(series(member, "skerry_flash_left_days ").await < 1.0);
    let ill = ask(&["doctor"], &cluster, 0);
    ill.refused(&["BAD  flash", "0 days are left of it"]);
    let said = ask(&["footprint"], &cluster, 0);
    let said = said.succeeded();
    for line in [
        "budget",
        "resident",
        "log",
        "syncs",
        "in this server's life",
    ] {
        assert!(said.contains(line), "no {line} in: {said}");
    }
}

#[tokio::test]
async fn a_cluster_of_three_that_nobody_uses_writes_nothing() {
    const QUIET: Duration = Duration::from_secs(15);
    let options = Options {
        kubernetes: true,
        ..Options::default()
    };
    let cluster = Cluster::start(Kind::Skerry, 3, &options).await.unwrap();
    let members = &cluster.members;
    // What a start has to write is written at some time; leases and heartbeats would never end.
    let last = Mutex::new((Vec::new(), Instant::now()));
    eventually_async("nothing is written", 2 * DEADLINE, || async {
        let mut written = Vec::new();
        for member in members {
            let text = get_plain(member, "/metrics").await?.body;
            let lines = text.lines();
            let bytes = lines.filter(|line| line.starts_with("skerry_disk_written_bytes_total"));
            written.extend(bytes.map(str::to_owned));
        }
        anyhow::ensure!(written.len() == 9, "{written:?}");
        let mut last = last.lock().unwrap();
        if last.0 != written {
            *last = (written, Instant::now());
        }
        let quiet = last.1.elapsed();
        anyhow::ensure!(quiet >= QUIET, "for {quiet:?} only: {:?}", last.0);
        Ok(())
    })
    .await
    .unwrap();
}
