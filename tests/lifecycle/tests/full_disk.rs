//! A disk that is full: nothing acknowledged is lost, and space is all it takes to go on.
//!
//! Needs the right to mount a tmpfs; says so and passes without it.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Options};
use skerry_tests_lifecycle::brisk;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Room for a fresh state and its log.
const DISK_BYTES: u64 = 24 << 20;
const VALUE_BYTES: usize = 64 << 10;
/// Far more than fits.
const PUTS_MAX: usize = 1_000;

/// A small disk, for as long as it lives.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_BYTES}"), "none"])
            .arg(folder.path())
            .status();
        status
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_space_is_all_it_takes_to_go_on() {
    let Some(disk) = Disk::mount() else {
        eprintln!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    let options = Options {
        folder: Some(disk.path().to_owned()),
        ..brisk()
    };
    let mut cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![1; 8 << 20]).unwrap();

    let mut acknowledged = 0;
    let mut refusal = None;
    let mut client = cluster.client(0).unwrap();
    for n in 0..PUTS_MAX {
        let request = pb::PutRequest {
            key: format!("key/{n:04}").into(),
            value: vec![n as u8; VALUE_BYTES].into(),
            ..Default::default()
        };
        match client.kv.put(request).await {
            Ok(_) => acknowledged = n + 1,
            Err(status) => {
                refusal = Some(status);
                break;
            }
        }
    }
    let refusal = refusal.expect("the disk is full before");
    eprintln!("{acknowledged} puts, then: {refusal:?}");
    assert!(acknowledged > 0);
    let member = &mut cluster.members[0];
    if member.is_running() {
        // It goes on with what needs no space, and can be stopped.
        member.terminate(Duration::from_secs(30)).unwrap();
    }
    let log = member.log_tail();
    assert!(log.contains("No space left on device"), "{log}");

    std::fs::remove_file(&filler).unwrap();
    cluster.restart(0).await.unwrap();
    let mut client = cluster.client(0).unwrap();
    let request = pb::RangeRequest {
        key: "key/".into(),
        range_end: "key0".into(),
        count_only: true,
        ..Default::default()
    };
    let count = client.kv.range(request).await.unwrap().into_inner().count;
    // The one that was refused may have been written all the same.
    assert!(count as usize >= acknowledged, "{count} of {acknowledged}");
    assert!(
        count as usize <= acknowledged + 1,
        "{count} of {acknowledged}"
    );
    let request = pb::PutRequest {
        key: "after".into(),
        ..Default::default()
    };
    client.kv.put(request).await.unwrap();
}
