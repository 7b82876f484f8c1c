//! Promises of the Election and Lock services.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Member, get, in_time};
use skerry_proto::etcdserverpb as pb;
use skerry_proto::v3electionpb as epb;
use skerry_proto::v3lockpb as lpb;
use tonic::Code;

async fn leases(member: &Member, ids: &[i64]) {
    let mut lease = member.lease().await;
    for id in ids {
        lease
            .lease_grant(pb::LeaseGrantRequest { ttl: 60, id: *id })
            .await
            .unwrap();
    }
}

fn lock(lease: i64) -> lpb::LockRequest {
    lpb::LockRequest {
        name: "name".into(),
        lease,
    }
}

async fn count(member: &Member, prefix: &str) -> i64 {
    let all = pb::RangeRequest {
        range_end: common::prefix_end(prefix).into(),
        ..get(prefix)
    };
    member
        .kv()
        .await
        .range(all)
        .await
        .unwrap()
        .into_inner()
        .count
}

#[tokio::test]
async fn a_lock_is_handed_on_in_the_order_of_asking() {
    let member = Member::start().await;
    leases(&member, &[1, 2, 3]).await;
    let first = member
        .lock()
        .await
        .lock(lock(1))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first.key, "name/1");
    let mut waiting = Vec::new();
    for lease in [2, 3] {
        let mut client = member.lock().await;
        waiting.push(tokio::spawn(async move { client.lock(lock(lease)).await }));
        in_time(async {
            while count(&member, "name/").await < lease {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    let mut unlock = member.lock().await;
    let mut key = first.key;
    for (waiter, expected) in waiting.into_iter().zip(["name/2", "name/3"]) {
        assert!(!waiter.is_finished());
        unlock.unlock(lpb::UnlockRequest { key }).await.unwrap();
        let held = in_time(waiter).await.unwrap().unwrap().into_inner();
        assert_eq!(held.key, expected);
        assert_ne!(held.header.unwrap().revision, 0);
        key = held.key;
    }
    member.stop().await;
}

#[tokio::test]
async fn a_client_that_stops_waiting_leaves_no_place_behind() {
    let member = Member::start().await;
    leases(&member, &[1, 2]).await;
    member.lock().await.lock(lock(1)).await.unwrap();
    let mut client = member.lock().await;
    let waiting = tokio::spawn(async move { client.lock(lock(2)).await });
    in_time(async {
        while count(&member, "name/").await < 2 {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        while count(&member, "name/").await > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    member.stop().await;
}

#[tokio::test]
async fn a_lock_without_its_lease_is_refused_as_etcd_refuses_it() {
    let member = Member::start().await;
    let status = member.lock().await.lock(lock(12345)).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unknown, "etcdserver: requested lease not found")
    );
    let own = member
        .lock()
        .await
        .lock(lock(0))
        .await
        .unwrap()
        .into_inner();
    assert!(own.key.starts_with(b"name/"));
    member.stop().await;
}

#[tokio::test]
async fn one_candidate_leads_and_observers_see_every_leader_and_proclamation() {
    let member = Member::start().await;
    leases(&member, &[1, 2]).await;
    let mut election = member.election().await;
    let name = epb::LeaderRequest { name: "e".into() };
    let status = election.leader(name.clone()).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unknown, "election: no leader")
    );
    let mut observed = election.observe(name.clone()).await.unwrap().into_inner();

    let campaign = |lease: i64| epb::CampaignRequest {
        name: "e".into(),
        lease,
        value: format!("v{lease}").into(),
    };
    let leader = election
        .campaign(campaign(1))
        .await
        .unwrap()
        .into_inner()
        .leader
        .unwrap();
    assert_eq!((&leader.key[..], leader.lease), (&b"e/1"[..], 1));
    let mut rival = member.election().await;
    let second = tokio::spawn(async move { rival.campaign(campaign(2)).await });
    let proclaim = epb::ProclaimRequest {
        leader: Some(leader.clone()),
        value: "new".into(),
    };
    election.proclaim(proclaim).await.unwrap();
    let now = election
        .leader(name)
        .await
        .unwrap()
        .into_inner()
        .kv
        .unwrap();
    assert_eq!(now.value, "new");
    election
        .resign(epb::ResignRequest {
            leader: Some(leader.clone()),
        })
        .await
        .unwrap();
    let new_leader = in_time(second)
        .await
        .unwrap()
        .unwrap()
        .into_inner()
        .leader
        .unwrap();
    assert_eq!(new_leader.key, "e/2");
    let mut values = Vec::new();
    while values.last().is_none_or(|last| *last != "v2") {
        let seen = in_time(observed.message()).await.unwrap().unwrap();
        values.push(String::from_utf8(seen.kv.unwrap().value.to_vec()).unwrap());
    }
    assert_eq!(values, ["v1", "new", "v2"]);

    let stale = epb::ProclaimRequest {
        leader: Some(leader),
        value: "x".into(),
    };
    let status = election.proclaim(stale).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unknown, "election: not leader")
    );
    let status = election
        .resign(epb::ResignRequest { leader: None })
        .await
        .unwrap_err();
    assert_eq!(status.message(), "\"leader\" field must be provided");
    member.stop().await;
}
