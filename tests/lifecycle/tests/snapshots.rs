//! Snapshots on a server's own disk: by command and on schedule, kept, compressed, pruned, and
//! never half of one.
//!
//! What the real etcd makes of them is in the tests of etcdctl.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{
    Cluster, Kind, Member, Options, etcdutl_binary, eventually, eventually_async, kubectl_binary,
};
use skerry_tests_lifecycle::{Ran, brisk, get_plain, run, server_of};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a server does by itself it does within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn snapshot(member: &Member, words: &[&str]) -> Ran {
    let server = server_of(member);
    let mut all = vec!["etcd-snapshot"];
    all.extend(words);
    all.extend(server.iter().map(String::as_str));
    all.extend(["--node-name", &member.name]);
    run(&all, &[]).unwrap()
}

fn folder(member: &Member) -> PathBuf {
    member.data_dir.join("snapshots")
}

/// All files of a directory, finished or not, by name.
fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort_unstable();
    names
}

/// Whether etcd's own tool takes it for a whole snapshot; its revision.
fn revision(path: &Path) -> Option<u64> {
    let mut command = Command::new(etcdutl_binary().unwrap());
    let command = command.env("ETCDCTL_API", "3");
    let ended = command.args(["snapshot", "status", "-w", "json"]).arg(path);
    let said = String::from_utf8(ended.output().unwrap().stdout).unwrap();
    let behind = said.split("\"revision\":").nth(1)?;
    behind.split([',', '}']).next()?.parse().ok()
}

/// What a restore needs besides the keys stands in the file: also which token opens the authorities
/// in it, by the first digits of that token's SHA-256.
fn says_where_it_is_from(path: &Path) {
    let file = std::fs::read(path).unwrap();
    let fingerprint = "\"token_fingerprint\":\"187522088270\"";
    let sealed = "SKBD\u{1}";
    for words in [
        "\"node_name\":\"m1\"",
        "\"cluster_id\":",
        fingerprint,
        sealed,
    ] {
        let mut places = file.windows(words.len());
        assert!(places.any(|place| place == words.as_bytes()), "no {words}");
    }
}

async fn put(cluster: &Cluster, keys: usize, bytes: usize) {
    let mut client = cluster.client(0).unwrap();
    for n in 0..keys {
        let request = pb::PutRequest {
            key: format!("key/{n}").into(),
            value: vec![n as u8; bytes].into(),
            ..Default::default()
        };
        client.kv.put(request).await.unwrap();
    }
}

#[tokio::test]
async fn snapshots_are_taken_listed_pruned_and_removed_by_command() {
    let options = Options {
        kubernetes: true,
        ..brisk()
    };
    let cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    put(&cluster, 20, 10_000).await;
    let member = &cluster.members[0];
    assert_eq!(snapshot(member, &["ls"]).succeeded().lines().count(), 1);
    for _ in 0..3 {
        let saved = snapshot(member, &["save"]);
        assert!(
            saved.succeeded().starts_with("Snapshot on-demand-m1-"),
            "{saved:?}"
        );
    }
    snapshot(member, &["save", "--name=before", "--snapshot-compress"]).succeeded();
    let names = files(&folder(member));
    let [before, oldest, second, newest] = &names[..] else {
        panic!("{names:?}");
    };
    assert!(before.starts_with("before-m1-") && before.ends_with(".zip"));
    for name in &names {
        let listed = snapshot(member, &["list"]);
        let location = format!(" file://{} ", folder(member).join(name).display());
        assert!(listed.succeeded().contains(&location), "{listed:?}");
    }
    let listed = snapshot(member, &["ls", "-o", "json"]);
    assert!(listed.succeeded().contains("\"kind\":\"ETCDSnapshotFile\""));
    assert!(revision(&folder(member).join(oldest)) > Some(20));
    says_where_it_is_from(&folder(member).join(oldest));
    // What any system opens: the file inside is named without the ending.
    let unzip = Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .arg(folder(member).join(before))
        .arg(cluster.folder())
        .status();
    assert!(unzip.unwrap().success());
    let inside = before.strip_suffix(".zip").unwrap();
    assert!(revision(&cluster.folder().join(inside)) > Some(20));

    let pruned = snapshot(member, &["prune", "--snapshot-retention=2"]);
    assert_eq!(pruned.succeeded(), format!("Snapshot {oldest} deleted.\n"));
    let deleted = snapshot(member, &["delete", second]);
    assert_eq!(deleted.succeeded(), format!("Snapshot {second} deleted.\n"));
    snapshot(member, &["delete", second]).refused(&["no such snapshot", second]);
    snapshot(member, &["delete", "../token"]).refused(&["is not the name of a snapshot"]);
    assert_eq!(files(&folder(member)), [before.clone(), newest.clone()]);

    snapshot(member, &["save", "--name=a/b"]).refused(&["--name", "'a/b'"]);
    let elsewhere = cluster.folder().join("not-mounted");
    let flag = format!("--dir={}", elsewhere.display());
    snapshot(member, &["save", &flag]).refused(&["there is no such directory"]);
    snapshot(member, &["save", "--snapshot-retention=x"]).refused(&["etcd-snapshot-retention"]);

    let measured = get_plain(member, "/metrics").await.unwrap().body;
    assert!(measured.contains("skerry_snapshot_last_success_timestamp_seconds 1"));
    let kubeconfig = cluster.folder().join("m1.kubeconfig");
    eventually("the node's events tell of it", DEADLINE, || {
        let mut events = Command::new(kubectl_binary()?);
        let events = events.arg("--kubeconfig").arg(&kubeconfig);
        let events = events
            .args(["get", "events", "-A", "-o", "wide"])
            .output()?;
        let said = String::from_utf8(events.stdout)?;
        for words in ["ETCDSnapshotCreated", "saved on m1", "ETCDSnapshotFailed"] {
            anyhow::ensure!(said.contains(words), "no {words}: {said}");
        }
        Ok(())
    })
    .unwrap();
}

#[tokio::test]
async fn snapshots_come_on_schedule_on_every_member_and_the_oldest_go() {
    let mut options = brisk();
    options.flags.extend(
        [
            "--etcd-snapshot-schedule-cron=@every 1s",
            "--etcd-snapshot-retention=2",
            "--etcd-snapshot-name=often",
        ]
        .map(str::to_owned),
    );
    let mut cluster = Cluster::start(Kind::Skerry, 3, &options).await.unwrap();
    for member in &cluster.members {
        let folder = folder(member);
        let taken = || {
            files(&folder)
                .into_iter()
                .filter(|name| !name.starts_with('.'))
        };
        let first = eventually("a first one", DEADLINE, || {
            taken().next().ok_or_else(|| anyhow::anyhow!("none yet"))
        });
        let first = first.unwrap();
        assert!(first.starts_with(&format!("often-{}-", member.name)));
        eventually("two later ones", DEADLINE, || {
            let names: Vec<_> = taken().collect();
            anyhow::ensure!(names.len() == 2 && !names.contains(&first), "{names:?}");
            Ok(())
        })
        .unwrap();
    }

    // Without a quorum each member still keeps what it has.
    cluster.members[1].kill().unwrap();
    cluster.members[2].kill().unwrap();
    let folder = folder(&cluster.members[0]);
    let before = files(&folder);
    eventually("others without a quorum", DEADLINE, || {
        let now = files(&folder);
        anyhow::ensure!(!now.is_empty() && now.iter().all(|name| !before.contains(name)));
        Ok(())
    })
    .unwrap();
}

#[tokio::test]
async fn a_server_that_dies_while_it_writes_leaves_no_half_snapshot() {
    let mut options = brisk();
    let schedule = "--etcd-snapshot-schedule-cron=@every 1s";
    let few = "--etcd-snapshot-retention=2";
    options.flags.extend([schedule, few].map(str::to_owned));
    let mut cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    put(&cluster, 8, 1 << 20).await;
    let folder = folder(&cluster.members[0]);
    let is_partial = |name: &String| name.starts_with('.');
    let died_writing = |cluster: &mut Cluster| {
        eventually("it is writing one", DEADLINE, || {
            anyhow::ensure!(files(&folder).iter().any(is_partial));
            Ok(())
        })
        .unwrap();
        cluster.members[0].kill().unwrap();
        files(&folder).iter().any(is_partial)
    };
    let mut left = false;
    for _ in 0..5 {
        left = died_writing(&mut cluster);
        let listed = snapshot(&cluster.members[0], &["ls"]);
        for name in files(&folder).iter().filter(|name| !is_partial(name)) {
            assert!(listed.succeeded().contains(name.as_str()));
            assert!(revision(&folder.join(name)).is_some(), "{name}");
        }
        assert!(!listed.said.contains(".partial"), "{}", listed.said);
        if left {
            break;
        }
        cluster.restart(0).await.unwrap();
    }
    assert!(left, "it was never met while it wrote");
    let remains: Vec<_> = files(&folder).into_iter().filter(is_partial).collect();
    cluster.restart(0).await.unwrap();
    eventually_async("what was left is gone", DEADLINE, || async {
        let files = files(&folder);
        anyhow::ensure!(
            remains.iter().all(|name| !files.contains(name)),
            "{files:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_schedule_is_that_of_k3s_by_the_clock_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // A day of the year 2040, at three in the morning.
    let then = 2_208_999_600 - now.as_secs();
    std::fs::write(&offset, then.to_string()).unwrap();
    let variable = "SKERRY_TEST_CLOCK_OFFSET_FILE".to_owned();
    let mut options = Options {
        environment: vec![(variable, offset.display().to_string())],
        ..brisk()
    };
    // What it is without this flag, which tests are run with otherwise.
    let on = "--etcd-disable-snapshots=false".to_owned();
    options.flags.push(on);
    let cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let member = &cluster.members[0];
    eventually("the log says when the next is due", DEADLINE, || {
        let log = std::fs::read_to_string(&member.log)?;
        let line = "schedule=0 */12 * * * next=\"2040-01-01T12:00:00Z\"";
        anyhow::ensure!(log.contains(line), "{}", member.log_tail());
        Ok(())
    })
    .unwrap();
    snapshot(member, &["save"]).succeeded();
    let names = files(&self::folder(member));
    assert!(names[0].starts_with("on-demand-m1-22089"), "{names:?}");
}

/// A small disk, for as long as it lives.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", "size=1048576", "none"]);
        let status = mount.arg(folder.path()).status();
        let is_mounted = status.is_ok_and(|status| status.success());
        is_mounted.then_some(Disk(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_disk_without_room_is_told_and_nothing_is_left_on_it() {
    let Some(disk) = Disk::mount() else {
        eprintln!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    let cluster = Cluster::start(Kind::Skerry, 1, &brisk()).await.unwrap();
    put(&cluster, 4, 1 << 20).await;
    let flag = format!("--dir={}", disk.0.path().display());
    let failed = snapshot(&cluster.members[0], &["save", &flag]);
    failed.refused(&["no room on the disk", &disk.0.path().display().to_string()]);
    assert!(files(disk.0.path()).is_empty());
    // The server has its own disk, and goes on.
    snapshot(&cluster.members[0], &["save"]).succeeded();
}
