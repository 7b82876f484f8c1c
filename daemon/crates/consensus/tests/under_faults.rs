//! Commands that cannot be taken just now, or not at all.

#![allow(clippy::unwrap_used)]

mod cluster;

use cluster::*;
use skerry_consensus::{Consensus, ProposeError, Start};

#[test]
fn a_command_that_is_handed_back_during_a_failed_transfer_is_offered_again() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let (off, other) = ((leader + 1) % 3, (leader + 2) % 3);
        let (leading, following) = (cluster.handle(leader), cluster.handle(other));
        settled(|| propose(&following, put("k", "v"))).await;
        cluster.kill(off).await;
        // The member that is off lacks this: nothing is taken until its time is over.
        settled(|| propose(&leading, put("k", "w"))).await;
        let target = cluster.boxes[off].config.member_id;
        let transfer = leading.transfer_leader(Some(target));
        let write = async {
            tokio::time::sleep(HEARTBEAT).await;
            propose(&following, put("k", "x")).await
        };
        let (transfer, write) = tokio::join!(transfer, write);
        assert!(transfer.is_err(), "{transfer:?}");
        write.unwrap();
        drop((leading, following));
        cluster.stop_all().await;
    });
}

#[test]
fn a_command_that_no_log_could_hold_is_refused_whatever_the_settings_say() {
    run(async {
        let cluster = Cluster::form();
        let mut config = cluster.config(1, free_address());
        config.db_dir = cluster.directory.path().join("large");
        config.command_bytes_max = 64 << 20;
        let handle = Consensus::start(config, Start::Form).unwrap();
        settled(|| propose(&handle, put("k", "v"))).await;
        let refused = propose(&handle, put("k", vec![0; 5 << 20])).await;
        assert!(
            matches!(refused, Err(ProposeError::TooLarge)),
            "{refused:?}"
        );
        settled(|| propose(&handle, put("k", vec![0; 3 << 20]))).await;
        assert_eq!(handle.status().fatal, None);
        handle.shutdown().await;
    });
}
