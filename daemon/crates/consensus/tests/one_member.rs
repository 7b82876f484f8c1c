//! A cluster of one.

#![allow(clippy::unwrap_used)]

mod cluster;

use cluster::*;
use skerry_consensus::{Config, Consensus, Role, Start, StartError};
use skerry_store::Reply;

#[test]
fn what_one_member_acknowledged_is_there_after_a_power_cut_and_after_a_clean_stop() {
    run(async {
        let mut cluster = Cluster::form();
        let mut written = 0;
        for round in 0..3 {
            let handle = cluster.handle(0);
            for _ in 0..50 {
                let key = format!("key-{written}");
                let reply =
                    settled(|| propose(&handle, put(&key, format!("value-{written}")))).await;
                assert!(matches!(reply, Reply::Put(_)));
                written += 1;
            }
            handle.linearize().await.unwrap();
            drop(handle);
            if round == 1 {
                cluster.stop(0).await;
            } else {
                cluster.kill(0).await;
            }
            cluster.restart(0);
            let handle = cluster.handle(0);
            until("it leads again", || handle.status().role == Role::Leader).await;
            handle.linearize().await.unwrap();
            for number in 0..written {
                let value = get(&handle, &format!("key-{number}"));
                assert_eq!(value.unwrap(), format!("value-{number}"), "round {round}");
            }
        }
        cluster.stop_all().await;
    });
}

#[test]
fn a_member_publishes_its_name_and_client_urls() {
    run(async {
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        let wanted = cluster.boxes[0].config.member.clone();
        until("the name is known", || {
            handle.status().members == [(1, wanted.clone(), false)]
        })
        .await;
        drop(handle);
        cluster.stop_all().await;
    });
}

#[test]
fn the_pulses_of_all_threads_move_while_nothing_happens() {
    run(async {
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        let first = handle.pulse();
        until("all pulses have moved", || {
            let now = handle.pulse();
            now.consensus > first.consensus && now.log > first.log && now.store > first.store
        })
        .await;
        drop(handle);
        cluster.stop_all().await;
    });
}

#[test]
fn timing_that_cannot_work_is_refused() {
    let cluster = Cluster::form();
    let config = Config {
        heartbeat: ELECTION,
        ..cluster.config(9, free_address())
    };
    assert!(matches!(
        Consensus::start(config, Start::Form),
        Err(StartError::Timing { .. })
    ));
}
