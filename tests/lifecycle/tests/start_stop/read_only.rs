//! A root that cannot be written, and a data directory that cannot be written any more.
//!
//! Each server has mounts of its own, which end with it. Needs the right to mount; says so and
//! passes without it.

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Member, Options, eventually_async};
use skerry_tests_lifecycle::{ServiceManager, brisk, get};
use std::process::Command;
use std::time::Duration;

/// Long: nobody reads what the watchdog is told, and a full socket would hold the server up.
const WATCHDOG: Duration = Duration::from_secs(600);
const DEADLINE: Duration = Duration::from_secs(60);
const READ_ONLY: &str = "the file system of the data directory is read-only";

/// Makes all read-only but its first argument, and an empty /run; goes on as what follows it.
const READ_ONLY_ROOT: &str = r#"
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t tmpfs none /run
cut -d ' ' -f 5 /proc/self/mountinfo | while read -r point; do
  case $point in
    "$1" | /run* | /proc* | /sys* | /dev*) ;;
    *) mount -o remount,bind,ro "$point" ;;
  esac
done
shift
exec "$@"
"#;

fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .status();
    tried.is_ok_and(|status| status.success())
}

/// Runs a script among the mounts of a server; what it has printed.
fn beside(member: &Member, script: &str) -> String {
    let pid = member.pid().unwrap().to_string();
    let ran = Command::new("nsenter")
        .args(["-t", &pid, "-m", "sh", "-e", "-c", script, "sh"])
        .arg(&member.data_dir)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{script}: {ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

async fn put(member: &Member) -> Result<(), tonic::Status> {
    let request = pb::PutRequest {
        key: "k".into(),
        ..Default::default()
    };
    member.client().unwrap().kv.put(request).await.map(drop)
}

/// A server that has nothing to write to but its data directory and /run.
async fn on_a_read_only_root(systemd: &ServiceManager) -> Cluster {
    let options = Options {
        kubernetes: true,
        environment: systemd.environment(WATCHDOG),
        ..brisk()
    };
    let mut cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let member = &mut cluster.members[0];
    member.terminate(DEADLINE).unwrap();
    let data_dir = member.data_dir.display().to_string();
    let wrapper = ["unshare", "-m", "sh", "-c", READ_ONLY_ROOT, "sh", &data_dir];
    member.wrapper = wrapper.map(str::to_owned).to_vec();
    for word in &mut member.command {
        if word.to_string_lossy().starts_with("--write-kubeconfig=") {
            *word = "--write-kubeconfig=/etc/skerry/skerry.yaml".into();
        }
    }
    systemd.wait_for("STOPPING=1").unwrap();
    cluster.restart(0).await.unwrap();
    systemd.wait_for("READY=1").unwrap();
    cluster
}

#[tokio::test]
async fn with_a_read_only_root_credentials_go_to_run_and_nothing_else_is_missed() {
    if !may_mount() {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let systemd = ServiceManager::new().unwrap();
    let mut cluster = on_a_read_only_root(&systemd).await;
    let member = &mut cluster.members[0];
    put(member).await.unwrap();
    let kubeconfig = beside(member, "cat /run/skerry/skerry.yaml");
    assert!(kubeconfig.contains("kind: Config"), "{kubeconfig}");
    let written = beside(member, "find /run -type f | sort");
    for file in written.lines() {
        let is_own = file.starts_with("/run/skerry/") || file.starts_with("/run/mount/");
        assert!(is_own, "{written}");
    }
    // The root is read-only indeed.
    beside(
        member,
        "! touch /etc/x 2> /dev/null && ! touch /tmp/x 2> /dev/null",
    );
    let log = std::fs::read_to_string(&member.log).unwrap();
    assert!(log.contains("the folder of --write-kubeconfig is read-only"));
    assert!(log.contains("written=/run/skerry/skerry.yaml"));
    assert!(!log.contains(" ERROR "), "{}", member.log_tail());
    member.terminate(DEADLINE).unwrap();
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_any_more_is_read_and_told_of() {
    if !may_mount() {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let systemd = ServiceManager::new().unwrap();
    let mut cluster = on_a_read_only_root(&systemd).await;
    let member = &mut cluster.members[0];
    put(member).await.unwrap();
    // What is open stays open, as after an error that the kernel has met.
    beside(
        member,
        r#"mount --bind "$1" "$1"; mount -o remount,bind,ro "$1""#,
    );
    let refused = eventually_async("writes are refused", DEADLINE, async || {
        let refused = put(member).await.err();
        refused.ok_or_else(|| anyhow::anyhow!("it is written"))
    });
    let refused = refused.await.unwrap();
    assert!(refused.message().contains(READ_ONLY), "{refused:?}");
    let range = pb::RangeRequest {
        key: "k".into(),
        ..Default::default()
    };
    let read = member.client().unwrap().kv.range(range).await.unwrap();
    assert_eq!(read.into_inner().count, 1);
    let health = get(member, "/readyz?verbose").await.unwrap();
    assert_eq!(health.status, 500, "{health:?}");
    assert!(health.body.contains("[-]data-dir failed"), "{health:?}");
    assert_eq!(get(member, "/livez").await.unwrap().status, 200);

    beside(member, r#"umount "$1""#);
    eventually_async("it is written again", DEADLINE, async || {
        Ok(put(member).await?)
    })
    .await
    .unwrap();
    assert_eq!(get(member, "/readyz").await.unwrap().status, 200);
    let log = std::fs::read_to_string(&member.log).unwrap();
    let told = |line: &&str| line.contains(" ERROR ") && line.contains(READ_ONLY);
    assert_eq!(log.lines().filter(told).count(), 1);
    member.terminate(DEADLINE).unwrap();
}

#[tokio::test]
async fn a_start_asks_for_the_time_that_recovery_may_take() {
    let systemd = ServiceManager::new().unwrap();
    let options = Options {
        environment: systemd.environment(DEADLINE),
        ..brisk()
    };
    let mut cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    systemd.wait_for("READY=1").unwrap();
    cluster.members[0].kill().unwrap();
    cluster.members[0].start().unwrap();
    systemd.wait_for("STATUS=recovering").unwrap();
    let asked = systemd.wait_for("EXTEND_TIMEOUT_USEC=").unwrap();
    assert_eq!(asked, ["EXTEND_TIMEOUT_USEC=600000000"]);
    systemd.wait_for("READY=1").unwrap();
}
