//! Clusters of three, and members that come and go.

#![allow(clippy::unwrap_used)]

mod cluster;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cluster::*;
use skerry_consensus::{FlushPolicy, ProposeError, ReadError, Role};
use skerry_store::Reply;

#[test]
fn three_members_hold_the_same_and_a_follower_takes_writes() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        for place in 0..3 {
            let handle = cluster.handle(place);
            for number in 0..20 {
                let key = format!("{place}-{number}");
                let reply = propose(&handle, put(&key, "v")).await.unwrap();
                assert!(matches!(reply, Reply::Put(_)));
                assert!(
                    get(&handle, &key).is_some(),
                    "a member reads what it has written"
                );
            }
        }
        for place in 0..3 {
            let handle = cluster.handle(place);
            handle.linearize().await.unwrap();
            assert!((0..3).all(|by| get(&handle, &format!("{by}-19")).is_some()));
        }
        let hashes: Vec<u32> = (0..3)
            .map(|place| {
                cluster
                    .handle(place)
                    .reader()
                    .view()
                    .unwrap()
                    .hash_kv(0)
                    .unwrap()
            })
            .collect();
        assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
        assert_eq!(
            cluster.leader().await,
            leader,
            "nobody had a reason to take over"
        );
        cluster.stop_all().await;
    });
}

/// Writes numbered keys until told to stop; what was acknowledged is below the count.
async fn write_until(
    handle: skerry_consensus::Handle,
    name: &'static str,
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        match propose(
            &handle,
            put(&format!("{name}-{number}"), number.to_string()),
        )
        .await
        {
            Ok(_) => {
                number += 1;
                acknowledged.store(number, Ordering::Relaxed);
            }
            // The same key again: it may have been written or not.
            Err(ProposeError::Stopped) => return,
            Err(_) => {}
        }
    }
}

#[test]
fn when_the_leader_dies_another_takes_over_and_no_acknowledged_write_is_lost() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        for _ in 0..3 {
            let leader = cluster.leader().await;
            let stop = Arc::new(AtomicBool::new(false));
            let mut writers = Vec::new();
            let mut counts = Vec::new();
            for (place, name) in ["a", "b", "c"].into_iter().enumerate() {
                let count = Arc::new(AtomicUsize::new(0));
                counts.push((name, Arc::clone(&count)));
                let handle = cluster.handle(place);
                writers.push(tokio::spawn(write_until(
                    handle,
                    name,
                    count,
                    Arc::clone(&stop),
                )));
            }
            until("there are writes", || {
                counts
                    .iter()
                    .all(|(_, count)| count.load(Ordering::Relaxed) > 20)
            })
            .await;
            cluster.kill(leader).await;
            let before = counts.iter().map(|(_, c)| c.load(Ordering::Relaxed)).max();
            let new = cluster.leader().await;
            assert_ne!(new, leader);
            until("writes go on", || {
                let now = counts.iter().map(|(_, c)| c.load(Ordering::Relaxed)).max();
                now > before.map(|before| before + 20)
            })
            .await;
            stop.store(true, Ordering::Relaxed);
            for writer in writers {
                writer.await.unwrap();
            }
            cluster.restart(leader);
            for place in 0..3 {
                let handle = cluster.handle(place);
                while handle.linearize().await.is_err() {}
                for (name, count) in &counts {
                    let count = count.load(Ordering::Relaxed);
                    for number in 0..count {
                        let value = get(&handle, &format!("{name}-{number}"));
                        assert_eq!(value.unwrap(), number.to_string(), "{name} on {place}");
                    }
                }
            }
        }
        cluster.stop_all().await;
    });
}

#[test]
fn a_member_that_lags_behind_the_log_is_sent_the_whole_state() {
    run(async {
        let mut cluster = Cluster::form();
        cluster.stop(0).await;
        // Durable at every batch, so that the log is purged early.
        cluster.boxes[0].config.flush = FlushPolicy {
            entries: 1,
            ..FlushPolicy::default()
        };
        cluster.restart(0);
        let value = vec![7; 256 << 10];
        let handle = cluster.handle(0);
        for number in 0..400 {
            settled(|| propose(&handle, put(&format!("big-{}", number % 40), value.clone()))).await;
        }
        settled(|| propose(&handle, put("last", "written"))).await;
        drop(handle);
        let place = cluster.join().await;
        let handle = cluster.handle(place);
        while handle.linearize().await.is_err() {}
        assert_eq!(get(&handle, "last").unwrap(), "written");
        for number in 0..40 {
            assert_eq!(get(&handle, &format!("big-{number}")).unwrap(), value);
        }
        // It has the state, not the log: it holds after a restart, too.
        drop(handle);
        cluster.kill(place).await;
        cluster.restart(place);
        let handle = cluster.handle(place);
        while handle.linearize().await.is_err() {}
        assert_eq!(get(&handle, "last").unwrap(), "written");
        drop(handle);
        cluster.stop_all().await;
    });
}

#[test]
fn a_planned_stop_hands_leadership_over_first() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let term = cluster.handle(leader).status().term;
        let others: Vec<_> = (0..3)
            .filter(|place| *place != leader)
            .map(|p| cluster.handle(p))
            .collect();
        cluster.stop(leader).await;
        let old = cluster.boxes[leader].config.member_id;
        let new = |leader: Option<u64>| leader.is_some_and(|leader| leader != old);
        until("another leads", || new(others[0].status().leader)).await;
        let now = others[0].status();
        assert_eq!(now.term, term + 1, "one election, not several");
        propose(&others[0], put("k", "v")).await.unwrap();
        drop(others);
        cluster.stop_all().await;
    });
}

#[test]
fn leadership_moves_where_it_is_told_to() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let target = (leader + 1) % 3;
        let follower = cluster.handle(target);
        let refused = follower.transfer_leader(None).await;
        assert!(
            matches!(refused, Err(ProposeError::NotLeader)),
            "{refused:?}"
        );
        let id = cluster.boxes[target].config.member_id;
        let leading = cluster.handle(leader);
        let refused = leading.transfer_leader(Some(99)).await;
        assert!(
            matches!(refused, Err(ProposeError::BadTransferee)),
            "{refused:?}"
        );
        assert_eq!(leading.transfer_leader(Some(id)).await.unwrap(), id);
        assert_eq!(cluster.leader().await, target);
        propose(&leading, put("k", "v")).await.unwrap();
        drop((follower, leading));
        cluster.stop_all().await;
    });
}

#[test]
fn without_a_quorum_writes_and_linearizable_reads_fail_in_time_and_go_on_when_it_is_back() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let others: Vec<usize> = (0..3).filter(|place| *place != leader).collect();
        let handle = cluster.handle(leader);
        propose(&handle, put("before", "v")).await.unwrap();
        for other in &others {
            cluster.kill(*other).await;
        }
        until("it knows that nobody leads", || {
            handle.status().leader.is_none()
        })
        .await;
        let (write, read) = tokio::join!(propose(&handle, put("k", "v")), handle.linearize());
        assert!(matches!(write, Err(ProposeError::NoLeader)), "{write:?}");
        assert!(matches!(read, Err(ReadError::NoLeader)), "{read:?}");
        assert!(get(&handle, "before").is_some(), "serializable reads go on");
        for other in &others {
            cluster.restart(*other);
        }
        settled(|| propose(&handle, put("after", "v"))).await;
        while handle.linearize().await.is_err() {}
        drop(handle);
        cluster.stop_all().await;
    });
}

#[test]
fn members_are_added_as_learners_promoted_updated_and_removed_and_learn_of_it() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let handle = cluster.any();
        let address = free_address();
        let urls = vec![format!("https://{address}")];
        let (id, members) = handle.member_add(urls.clone(), true).await.unwrap();
        assert!(
            members
                .iter()
                .any(|(member, _, learner)| *member == id && *learner)
        );
        let again = handle.member_add(urls.clone(), true).await;
        assert!(
            matches!(again, Err(ProposeError::PeerUrlExists)),
            "{again:?}"
        );
        let other = handle
            .member_add(vec!["https://127.0.0.1:1".into()], true)
            .await;
        assert!(
            matches!(other, Err(ProposeError::TooManyLearners)),
            "{other:?}"
        );
        let unready = handle.member_promote(id).await;
        assert!(
            matches!(unready, Err(ProposeError::LearnerNotReady)),
            "{unready:?}"
        );
        let config = cluster.config(id, address);
        let learner =
            skerry_consensus::Consensus::start(config.clone(), skerry_consensus::Start::Join)
                .unwrap();
        until("it has caught up", || learner.status().members.len() == 4).await;
        assert_eq!(learner.status().role, Role::Learner);
        settled(|| handle.member_promote(id)).await;
        until("it votes", || learner.status().role == Role::Follower).await;
        let voter = handle.member_promote(id).await;
        assert!(
            matches!(voter, Err(ProposeError::MemberNotLearner)),
            "{voter:?}"
        );
        let unknown = handle.member_remove(99).await;
        assert!(
            matches!(unknown, Err(ProposeError::MemberNotFound)),
            "{unknown:?}"
        );
        let moved = vec![urls[0].clone(), "https://127.0.0.1:2".to_owned()];
        let (_, members) = handle.member_update(id, moved.clone()).await.unwrap();
        assert!(
            members
                .iter()
                .any(|(member, what, _)| *member == id && what.peer_urls == moved)
        );
        let (_, members) = settled(|| handle.member_remove(id)).await;
        assert_eq!(members.len(), 3);
        until("it knows that it was removed", || {
            learner.status().fatal.is_some()
        })
        .await;
        drop((learner, handle));
        cluster.stop_all().await;
    });
}

#[test]
fn a_member_that_was_removed_while_it_was_off_learns_of_it_when_it_comes_back() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let gone = (leader + 1) % 3;
        cluster.kill(gone).await;
        let id = cluster.boxes[gone].config.member_id;
        let handle = cluster.handle(leader);
        settled(|| handle.member_remove(id)).await;
        cluster.restart(gone);
        let removed = cluster.handle(gone);
        until("it knows that it was removed", || {
            removed.status().fatal.is_some()
        })
        .await;
        propose(&handle, put("k", "v")).await.unwrap();
        drop((removed, handle));
        cluster.stop_all().await;
    });
}

#[test]
fn the_leader_may_be_removed_and_another_takes_over() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let id = cluster.boxes[leader].config.member_id;
        let other = cluster.handle((leader + 1) % 3);
        settled(|| other.member_remove(id)).await;
        let removed = cluster.handle(leader);
        until("it knows that it was removed", || {
            removed.status().fatal.is_some()
        })
        .await;
        until("another leads", || {
            other.status().leader.is_some_and(|leader| leader != id)
        })
        .await;
        settled(|| propose(&other, put("k", "v"))).await;
        drop((removed, other));
        cluster.stop_all().await;
    });
}

#[test]
fn a_peer_with_a_foreign_certificate_or_of_another_cluster_gets_nowhere() {
    run(async {
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        // Invited by mistake: the cluster has its address, but its certificate is foreign.
        let address = free_address();
        let (id, _) = settled(|| handle.member_add(vec![format!("https://{address}")], true)).await;
        let mut config = cluster.config(id, address);
        let foreign = Authority::new();
        config.peer_server_tls = foreign.server();
        config.peer_client_tls = foreign.client();
        let stranger =
            skerry_consensus::Consensus::start(config.clone(), skerry_consensus::Start::Join)
                .unwrap();
        for number in 0..50 {
            settled(|| propose(&handle, put(&format!("secret-{number}"), "v"))).await;
        }
        tokio::time::sleep(2 * ELECTION).await;
        assert_eq!(stranger.status().members, [], "it was sent something");
        stranger.shutdown().await;
        drop(stranger);
        // The right certificate, but another cluster.
        config.peer_server_tls = cluster.authority.server();
        config.peer_client_tls = cluster.authority.client();
        config.cluster_id = CLUSTER + 1;
        let stranger =
            skerry_consensus::Consensus::start(config.clone(), skerry_consensus::Start::Join)
                .unwrap();
        tokio::time::sleep(2 * ELECTION).await;
        assert_eq!(stranger.status().members, [], "it was sent something");
        stranger.shutdown().await;
        drop(stranger);
        config.cluster_id = CLUSTER;
        let member =
            skerry_consensus::Consensus::start(config, skerry_consensus::Start::Join).unwrap();
        until("the right one is served", || {
            member.status().members.len() == 2
        })
        .await;
        member.shutdown().await;
        drop(handle);
        cluster.stop_all().await;
    });
}

#[test]
fn more_writes_than_the_budget_are_refused_and_too_large_ones_too() {
    run(async {
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        settled(|| propose(&handle, put("k", "v"))).await;
        let large = propose(&handle, put("k", vec![0; 2 << 20])).await;
        assert!(matches!(large, Err(ProposeError::TooLarge)), "{large:?}");
        let value = vec![0u8; 1 << 20];
        let many = futures_util::future::join_all(
            (0..200).map(|number| propose(&handle, put(&format!("k{number}"), value.clone()))),
        )
        .await;
        let refused = many
            .iter()
            .filter(|r| matches!(r, Err(ProposeError::TooManyRequests)))
            .count();
        assert!(refused > 0 && refused < 200, "{refused}");
        assert!(
            many.iter()
                .all(|r| matches!(r, Ok(_) | Err(ProposeError::TooManyRequests)))
        );
        propose(&handle, put("k", "v")).await.unwrap();
        drop(handle);
        cluster.stop_all().await;
        let _ = Duration::ZERO;
    });
}
