//! Promises of the Lease service.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Member, get, in_time, put};
use skerry_proto::etcdserverpb as pb;
use tokio_stream::StreamExt;
use tonic::Code;

fn grant(ttl: i64, id: i64) -> pb::LeaseGrantRequest {
    pb::LeaseGrantRequest { ttl, id }
}

#[tokio::test]
async fn a_lease_is_granted_under_its_own_id_or_a_chosen_positive_one() {
    let member = Member::start().await;
    let mut lease = member.lease().await;
    let own = lease.lease_grant(grant(60, 77)).await.unwrap().into_inner();
    assert_eq!((own.id, own.ttl), (77, 60));
    assert_ne!(own.header.unwrap().revision, 0);
    let chosen = lease.lease_grant(grant(60, 0)).await.unwrap().into_inner();
    assert!(chosen.id > 0);
    let status = lease.lease_grant(grant(60, 77)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.message(), "etcdserver: lease already exists");
    let status = lease
        .lease_grant(grant(9_000_000_001, 0))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::OutOfRange, "etcdserver: too large lease TTL")
    );
    let mut ids: Vec<i64> = lease
        .lease_leases(pb::LeaseLeasesRequest {})
        .await
        .unwrap()
        .into_inner()
        .leases
        .into_iter()
        .map(|lease| lease.id)
        .collect();
    ids.sort_unstable();
    let mut expected = [77, chosen.id];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    member.stop().await;
}

#[tokio::test]
async fn the_keys_of_a_lease_go_with_it() {
    let member = Member::start().await;
    let (mut lease, mut kv) = (member.lease().await, member.kv().await);
    lease.lease_grant(grant(60, 7)).await.unwrap();
    kv.put(pb::PutRequest {
        lease: 7,
        ..put("a", "1")
    })
    .await
    .unwrap();
    let ask = pb::LeaseTimeToLiveRequest { id: 7, keys: true };
    let left = lease.lease_time_to_live(ask).await.unwrap().into_inner();
    assert_eq!(left.granted_ttl, 60);
    assert_eq!(left.keys, ["a"]);
    assert!((58..=60).contains(&left.ttl), "{}", left.ttl);
    lease
        .lease_revoke(pb::LeaseRevokeRequest { id: 7 })
        .await
        .unwrap();
    assert_eq!(kv.range(get("a")).await.unwrap().into_inner().count, 0);
    let gone = lease.lease_time_to_live(ask).await.unwrap().into_inner();
    assert_eq!((gone.id, gone.ttl, gone.granted_ttl), (7, -1, 0));
    let status = lease
        .lease_revoke(pb::LeaseRevokeRequest { id: 7 })
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "etcdserver: requested lease not found")
    );
    let status = kv
        .put(pb::PutRequest {
            lease: 7,
            ..put("a", "1")
        })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    member.stop().await;
}

#[tokio::test]
async fn a_lease_that_nobody_keeps_alive_ends_with_its_keys() {
    let member = Member::start().await;
    let (mut lease, mut kv) = (member.lease().await, member.kv().await);
    lease.lease_grant(grant(1, 7)).await.unwrap();
    kv.put(pb::PutRequest {
        lease: 7,
        ..put("a", "1")
    })
    .await
    .unwrap();
    in_time(async {
        while kv.range(get("a")).await.unwrap().into_inner().count > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    member.stop().await;
}

#[tokio::test]
async fn renewals_are_answered_in_order_and_an_unknown_lease_has_no_life_left() {
    let member = Member::start().await;
    let mut lease = member.lease().await;
    for id in 1..=100 {
        lease.lease_grant(grant(60 + id, id)).await.unwrap();
    }
    let ids: Vec<i64> = (1..=100).chain([999]).collect();
    let requests = ids
        .clone()
        .into_iter()
        .map(|id| pb::LeaseKeepAliveRequest { id });
    let answers = lease
        .lease_keep_alive(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let answers: Vec<_> = in_time(answers.collect()).await;
    let answers: Vec<(i64, i64)> = answers
        .into_iter()
        .map(|answer| answer.unwrap())
        .map(|a| (a.id, a.ttl))
        .collect();
    let expected: Vec<(i64, i64)> = ids
        .iter()
        .map(|id| (*id, if *id == 999 { 0 } else { 60 + id }))
        .collect();
    assert_eq!(answers, expected);
    member.stop().await;
}
