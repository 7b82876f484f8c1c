//! Leases under a leader that comes and goes.

#![allow(clippy::unwrap_used)]

mod cluster;

use bytes::Bytes;
use cluster::*;
use skerry_consensus::{Handle, ProposeError};
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::{ApplyError, Reply};

fn grant(id: i64, ttl: i64) -> Operation {
    Operation::LeaseGrant(pb::LeaseGrantRequest { id, ttl })
}

fn put_with(key: &str, lease: i64) -> Operation {
    Operation::Put(pb::PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::from_static(b"v"),
        lease,
        ..pb::PutRequest::default()
    })
}

async fn granted(handle: &Handle, id: i64, ttl: i64) -> pb::LeaseGrantResponse {
    match settled(|| propose(handle, grant(id, ttl))).await {
        Reply::LeaseGrant(response) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lease_gets_an_id_and_at_least_the_life_that_survives_an_election() {
    run(async {
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        let response = granted(&handle, 0, 0).await;
        assert!(response.id > 0);
        assert_eq!(
            response.ttl,
            cluster.boxes[0].config.lease_ttl_seconds_min()
        );
        assert_eq!(granted(&handle, 7, 60).await.ttl, 60);
        drop(handle);
        cluster.stop_all().await;
    });
}

#[test]
fn a_lease_that_nobody_renews_ends_with_its_keys_although_the_leader_has_changed() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let follower = cluster.handle((leader + 1) % 3);
        granted(&follower, 7, 2).await;
        settled(|| propose(&follower, put_with("short", 7))).await;
        cluster.kill(leader).await;
        until("the key is gone", || get(&follower, "short").is_none()).await;
        let renewed = follower.lease_keep_alive(7).await;
        let gone = matches!(
            renewed,
            Err(ProposeError::Refused(ApplyError::LeaseNotFound))
        );
        assert!(gone, "{renewed:?}");
        drop(follower);
        cluster.stop_all().await;
    });
}

#[test]
fn a_lease_that_is_renewed_through_a_follower_outlives_leaders() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let follower = cluster.handle((leader + 1) % 3);
        granted(&follower, 7, 2).await;
        settled(|| propose(&follower, put_with("kept", 7))).await;
        granted(&follower, 8, 1).await;
        settled(|| propose(&follower, put_with("marks the time", 8))).await;
        cluster.kill(leader).await;
        // Another lease, of half the life and never renewed, says that enough time has passed.
        let mut marks = 0;
        while marks < 3 {
            assert_eq!(settled(|| follower.lease_keep_alive(7)).await, 2);
            if get(&follower, "marks the time").is_none() {
                marks += 1;
                granted(&follower, 8, 1).await;
                settled(|| propose(&follower, put_with("marks the time", 8))).await;
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
        assert!(get(&follower, "kept").is_some());
        drop(follower);
        cluster.stop_all().await;
    });
}

#[test]
fn what_is_left_of_a_lease_goes_with_leadership_and_is_forgotten_when_it_is_renewed() {
    run(async {
        let mut cluster = Cluster::of(3).await;
        let leader = cluster.leader().await;
        let handle = cluster.handle(leader);
        granted(&handle, 7, 1_000).await;
        settled(|| handle.transfer_leader(None)).await;
        let noted = |handle: &Handle| {
            let lease = handle.reader().view().unwrap().lease(7).unwrap().unwrap();
            lease.remaining_seconds
        };
        until("what is left is noted", || noted(&handle) > 0).await;
        assert!(noted(&handle) <= 1_000);
        let (left, ttl) = settled(|| handle.lease_remaining(7)).await;
        assert_eq!(ttl, 1_000);
        assert!(left <= 1_001, "{left}");
        assert_eq!(settled(|| handle.lease_keep_alive(7)).await, 1_000);
        until("the note is forgotten", || noted(&handle) == 0).await;
        let unknown = handle.lease_remaining(8).await;
        let missing = matches!(
            unknown,
            Err(ProposeError::Refused(ApplyError::LeaseNotFound))
        );
        assert!(missing, "{unknown:?}");
        drop(handle);
        cluster.stop_all().await;
    });
}
