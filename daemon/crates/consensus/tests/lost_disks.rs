//! A member that has lost what it wrote does not take part as if nothing had happened.

#![allow(clippy::unwrap_used)]

mod cluster;

use cluster::*;
use skerry_consensus::{Consensus, Start, StartError};

#[test]
fn a_state_without_its_log_is_refused() {
    run(async {
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        settled(|| propose(&handle, put("k", "v"))).await;
        drop(handle);
        cluster.stop(0).await;
        let config = cluster.boxes[0].config.clone();
        std::fs::remove_dir_all(config.db_dir.join("log")).unwrap();
        for start in [Start::Restart, Start::Join, Start::Form] {
            let refused = Consensus::start(config.clone(), start);
            assert!(matches!(refused, Err(StartError::LogLost { .. })));
        }
    });
}

#[test]
fn a_member_of_which_nothing_is_left_is_not_restarted_as_an_empty_one() {
    run(async {
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        settled(|| propose(&handle, put("k", "v"))).await;
        drop(handle);
        cluster.stop(0).await;
        let config = cluster.boxes[0].config.clone();
        std::fs::remove_dir_all(&config.db_dir).unwrap();
        let refused = Consensus::start(config, Start::Restart);
        assert!(matches!(refused, Err(StartError::NothingLeft { .. })));
    });
}

#[test]
fn a_state_that_was_lost_is_made_again_from_a_log_that_holds_everything() {
    run(async {
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        for number in 0..100 {
            settled(|| propose(&handle, put(&format!("k-{number}"), "v"))).await;
        }
        drop(handle);
        cluster.stop(0).await;
        let config = cluster.boxes[0].config.clone();
        std::fs::remove_file(config.db_dir.join("state.redb")).unwrap();
        cluster.restart(0);
        let handle = cluster.handle(0);
        while handle.linearize().await.is_err() {}
        assert!((0..100).all(|number| get(&handle, &format!("k-{number}")).is_some()));
        drop(handle);
        cluster.stop_all().await;
    });
}

#[test]
fn a_voter_that_comes_back_empty_under_its_old_id_neither_votes_nor_acknowledges() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let (empty, other) = ((leader + 1) % 3, (leader + 2) % 3);
        let handle = cluster.handle(leader);
        settled(|| propose(&handle, put("k", "v"))).await;
        cluster.kill(empty).await;
        std::fs::remove_dir_all(&cluster.boxes[empty].config.db_dir).unwrap();
        let config = cluster.boxes[empty].config.clone();
        let lost = Consensus::start(config, Start::Join).unwrap();
        until("it knows that it has lost its data", || {
            lost.status().fatal.is_some()
        })
        .await;
        settled(|| propose(&handle, put("k", "w"))).await;
        assert!(handle.status().fatal.is_none());
        // With one true voter of three there must be no leader, whatever the empty one could do.
        cluster.kill(leader).await;
        drop(handle);
        let handle = cluster.handle(other);
        until("nobody leads", || handle.status().leader.is_none()).await;
        tokio::time::sleep(5 * ELECTION).await;
        assert_eq!(handle.status().leader, None);
        assert!(lost.reader().view().unwrap().applied().is_none());
        lost.shutdown().await;
        cluster.restart(leader);
        settled(|| propose(&handle, put("k", "x"))).await;
        drop((handle, lost));
        cluster.stop_all().await;
    });
}
