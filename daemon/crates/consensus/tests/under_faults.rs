//! Commands that cannot be taken just now, or not at all.

#![allow(clippy::unwrap_used)]

mod cluster;

use cluster::*;
use skerry_consensus::{Consensus, FlushPolicy, ProposeError, Start};

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

/// A leader that is cut off takes entries that nobody else gets; the others go on without it for
/// `rounds` large writes, and it comes back. Its entries must go, whether it is sent the log or the
/// whole state, and also after one more power cut.
async fn an_old_leader_comes_back(rounds: usize) {
    let mut cluster = Cluster::of(3).await;
    for place in 0..3 {
        cluster.stop(place).await;
        // Durable at every batch, so that the log is purged as early as it can be.
        cluster.boxes[place].config.flush = FlushPolicy {
            entries: 1,
            ..FlushPolicy::default()
        };
        cluster.restart(place);
    }
    let old = cluster.leader().await;
    let others: Vec<usize> = (0..3).filter(|place| *place != old).collect();
    let handle = cluster.handle(old);
    settled(|| propose(&handle, put("k", "before"))).await;
    for other in &others {
        cluster.kill(*other).await;
    }
    let lost = (0..20).map(|number| {
        let handle = handle.clone();
        async move { propose(&handle, put(&format!("lost-{number}"), "v")).await }
    });
    let lost = tokio::spawn(futures_util::future::join_all(lost));
    let dir = cluster.boxes[old].config.db_dir.clone();
    until("nobody leads", || handle.status().leader.is_none()).await;
    drop(handle);
    cluster.kill(old).await;
    assert!(lost.await.unwrap().iter().all(Result::is_err));
    for other in &others {
        cluster.restart(*other);
    }
    let handle = cluster.handle(others[0]);
    let value = vec![7; 1 << 20];
    for number in 0..rounds {
        settled(|| propose(&handle, put(&format!("k-{}", number % 10), value.clone()))).await;
    }
    settled(|| propose(&handle, put("k", "after"))).await;
    for _ in 0..2 {
        cluster.restart(old);
        let back = cluster.handle(old);
        while back.linearize().await.is_err() {}
        assert_eq!(get(&back, "k").unwrap(), "after");
        assert!((0..20).all(|number| get(&back, &format!("lost-{number}")).is_none()));
        while handle.linearize().await.is_err() {}
        let hashes = [&back, &handle].map(|h| h.reader().view().unwrap().hash_kv(0).unwrap());
        assert_eq!(hashes[0], hashes[1]);
        assert_eq!(back.status().fatal, None);
        drop(back);
        cluster.kill(old).await;
    }
    assert!(!dir.join("state.incoming").exists());
    drop(handle);
    cluster.stop_all().await;
}

#[test]
fn what_an_old_leader_could_not_commit_is_overwritten_by_the_log() {
    run(an_old_leader_comes_back(1));
}

#[test]
fn what_an_old_leader_could_not_commit_is_overwritten_by_a_whole_state() {
    run(an_old_leader_comes_back(90));
}
