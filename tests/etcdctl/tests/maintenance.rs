//! alarm, defrag, snapshot save, check, make-mirror, version.
#![allow(clippy::unwrap_used)]

use skerry_tests_etcdctl::{Both, Ctl};
use skerry_tests_harness::{Cluster, Kind, Options};

skerry_tests_etcdctl::with_one_and_with_three_members! {
    maintenance_commands_print_what_they_print_with_etcd,
}

async fn maintenance_commands_print_what_they_print_with_etcd(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    for command in [
        "put k v",
        "alarm list",
        "alarm disarm",
        "defrag",
        "version",
        "version -w json",
        "help",
    ] {
        both.same(command);
    }
    both.conclude();
}

#[tokio::test]
async fn a_snapshot_is_saved_whole() {
    let mut both = Both::start(1, [&[], &[]]).await.unwrap();
    both.same("put k v");
    for side in [0, 1] {
        let path = both.clusters[side].folder().join("snapshot.db");
        let ended = both.run(side, &format!("snapshot save {}", path.display()), "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.starts_with("Snapshot saved at"), "{ended:?}");
        // The last 32 bytes are the SHA-256 of all before: etcdctl has checked that there are.
        assert!(std::fs::metadata(&path).unwrap().len() > 32);
    }
    both.conclude();
}

#[tokio::test]
async fn a_full_quota_raises_the_alarm_that_forbids_writes() {
    let quota = "--quota-backend-bytes=1048576";
    let mut both = Both::start(1, [&[quota], &[quota]]).await.unwrap();
    // Sizes on disk differ: fill until refused.
    let value = "x".repeat(100_000);
    for side in [0, 1] {
        let refused = (0..200).find(|n| {
            let ended = both.run(side, &format!("put big/{n} {value}"), "");
            ended.code != Some(0)
        });
        assert!(refused.is_some(), "side {side} was never full");
    }
    both.same("put k v");
    both.ends_the_same("get big/0");
    both.same("alarm list");
    both.ends_the_same("endpoint status");
    both.same("endpoint health");
    both.ends_the_same("del big/ --prefix");
    for side in [0, 1] {
        let revision = both.run(side, "get k -w json", "").stdout;
        let revision = revision.split("\"revision\":").nth(1).unwrap();
        let revision = revision.split([',', '}']).next().unwrap().to_owned();
        let ended = both.run(side, &format!("compaction {revision} --physical"), "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    both.ends_the_same("defrag");
    both.same("alarm disarm");
    both.same("put k v");
    both.same("alarm list");
    both.conclude();
}

/// `make-mirror` copies from either kind of server to the other.
#[tokio::test]
async fn make_mirror_copies_to_and_from_etcd() {
    let both = Both::start(1, [&[], &[]]).await.unwrap();
    for (from, to) in [(0, 1), (1, 0)] {
        for n in 0..20 {
            both.run(from, &format!("put mirror-{from}/{n} {n}"), "");
        }
        let prefix = format!("mirror-{from}/");
        let flags = both.ctls[to].mirror_flags();
        let mut arguments = vec!["make-mirror", "--prefix", prefix.as_str()];
        arguments.extend(flags.iter().map(String::as_str));
        let _mirror = both.ctls[from].start(&arguments, "").unwrap();
        let copied = |count: usize| {
            skerry_tests_harness::eventually(
                "all is copied",
                std::time::Duration::from_secs(30),
                || {
                    let list = both
                        .run(to, &format!("get {prefix} --prefix --keys-only"), "")
                        .stdout;
                    anyhow::ensure!(list.split_whitespace().count() == count, "{list}");
                    Ok(())
                },
            )
        };
        copied(20).unwrap();
        both.run(from, &format!("put {prefix}late x"), "");
        copied(21).unwrap();
    }
}

/// Sixty seconds of load: that it ends and judges, not how fast this machine is.
#[tokio::test]
async fn check_perf_runs_to_its_end() {
    let kind = match std::env::var_os("SKERRY_TESTS_AGAINST_ETCD") {
        Some(_) => Kind::Etcd,
        None => Kind::Skerry,
    };
    let cluster = Cluster::start(kind, 1, &Options::default()).await.unwrap();
    let ctl = Ctl::new(&cluster).unwrap();
    let mut running = ctl.start(&["check", "perf", "--load=s"], "").unwrap();
    let judged = |text: &str| text.contains("Slowest request") && text.contains("Stddev");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while let Err(error) = running.wait_for("check perf", judged) {
        assert!(std::time::Instant::now() < until, "{error:#}");
    }
    let left = ctl.run(
        &[
            "get",
            "/etcdctl-check-perf/",
            "--prefix",
            "--count-only",
            "-w",
            "json",
        ],
        "",
    );
    assert!(
        !left.unwrap().stdout.contains("count"),
        "what it wrote is gone"
    );
}
