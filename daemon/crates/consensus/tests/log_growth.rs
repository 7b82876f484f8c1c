//! The log stays small whatever becomes of the other members.

#![allow(clippy::unwrap_used)]

mod cluster;

use std::path::Path;

use cluster::*;
use skerry_consensus::FlushPolicy;

fn bytes_of(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap();
    files
        .map(|file| file.unwrap().metadata().map_or(0, |meta| meta.len()))
        .sum()
}

#[test]
fn a_member_that_is_off_does_not_keep_the_log_of_the_others_from_being_purged() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let off = (leader + 1) % 3;
        for place in 0..3 {
            cluster.stop(place).await;
            // Durable at every batch, so that the log is purged as early as it can be.
            cluster.boxes[place].config.flush = FlushPolicy {
                entries: 1,
                ..FlushPolicy::default()
            };
            cluster.restart(place);
        }
        let handle = cluster.handle(leader);
        settled(|| propose(&handle, put("k", "v"))).await;
        cluster.kill(off).await;
        let value = vec![7; 1 << 20];
        for number in 0..140 {
            settled(|| propose(&handle, put(&format!("k-{}", number % 10), value.clone()))).await;
        }
        drop(handle);
        for place in (0..3).filter(|place| *place != off) {
            let dir = cluster.boxes[place].config.db_dir.join("log");
            let mut bytes = 0;
            until("the log is purged", || {
                bytes = bytes_of(&dir);
                bytes < 100 << 20
            })
            .await;
        }
        cluster.restart(off);
        let back = cluster.handle(off);
        while back.linearize().await.is_err() {}
        assert_eq!(get(&back, "k-9").unwrap(), value);
        drop(back);
        cluster.stop_all().await;
    });
}
