//! Promises of the Maintenance and Cluster services.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Cursor;

use common::{Member, in_time, put};
use prost::Message;
use ring::digest::{SHA256, digest};
use skerry_bbolt::{BboltError, Database};
use skerry_etcd::Options;
use skerry_etcd::limits::SNAPSHOTS_MAX;
use skerry_proto::etcdserverpb::downgrade_request::DowngradeAction;
use skerry_proto::{etcdserverpb as pb, mvccpb};

use tonic::Code;

#[tokio::test]
async fn status_tells_who_leads_and_how_far_the_log_has_come() {
    let member = Member::start().await;
    member.kv().await.put(put("a", "1")).await.unwrap();
    let mut maintenance = member.maintenance().await;
    let status = maintenance
        .status(pb::StatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(status.version.starts_with("3.5."));
    assert_eq!(status.leader, status.header.unwrap().member_id);
    assert!(status.db_size >= status.db_size_in_use && status.db_size_in_use > 0);
    assert!(status.errors.is_empty() && !status.is_learner);
    let list = pb::MemberListRequest { linearizable: true };
    let members = member
        .cluster()
        .await
        .member_list(list)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(members.members.len(), 1);
    assert_eq!(members.members[0].id, status.leader);
    assert_eq!(members.header.unwrap().revision, 0);
    member.stop().await;
}

#[tokio::test]
async fn a_snapshot_ends_with_the_checksum_of_whole_sectors_and_holds_the_state() {
    let member = Member::start().await;
    let mut kv = member.kv().await;
    for number in 0..300 {
        kv.put(put(&format!("k{number}"), vec![b'v'; 3000]))
            .await
            .unwrap();
    }
    let mut maintenance = member.maintenance().await;
    let mut pieces = maintenance
        .snapshot(pb::SnapshotRequest {})
        .await
        .unwrap()
        .into_inner();
    let mut file = Vec::new();
    let mut remaining = Vec::new();
    while let Some(piece) = in_time(pieces.message()).await.unwrap() {
        file.extend_from_slice(&piece.blob);
        remaining.push(piece.remaining_bytes);
    }
    assert_eq!(file.len() % 512, 32);
    assert_eq!(remaining.pop(), Some(0));
    assert!(remaining.iter().all(|bytes| *bytes > 0));
    let (content, checksum) = file.split_at(file.len() - 32);
    assert_eq!(digest(&SHA256, content).as_ref(), checksum);
    assert!(content.len() > 900_000);

    let mut database = Database::open(Cursor::new(content)).unwrap();
    let mut revision = 2_i64;
    let found = database.rows(b"key", |row, value| {
        let kv = mvccpb::KeyValue::decode(value).unwrap();
        assert_eq!(row[..8], revision.to_be_bytes());
        assert_eq!(kv.key, format!("k{}", revision - 2).as_bytes());
        revision += 1;
        Ok::<(), BboltError>(())
    });
    assert!(found.unwrap() && revision == 302);
    member.stop().await;
}

#[tokio::test]
async fn a_full_quota_raises_the_alarm_and_refuses_writes_until_it_is_disarmed() {
    let member = Member::start_with(Options {
        quota_bytes: 100_000,
        ..Options::default()
    })
    .await;
    let (mut kv, mut maintenance) = (member.kv().await, member.maintenance().await);
    let refused = loop {
        if let Err(status) = kv.put(put("a", vec![b'v'; 10_000])).await {
            break status;
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(
        refused.message(),
        "etcdserver: mvcc: database space exceeded"
    );
    let get = pb::AlarmRequest::default();
    let alarms = maintenance.alarm(get).await.unwrap().into_inner().alarms;
    assert_eq!(alarms.len(), 1);
    assert_eq!(alarms[0].alarm(), pb::AlarmType::Nospace);
    let status = maintenance
        .status(pb::StatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        status.errors,
        [format!("memberID:{} alarm:NOSPACE ", alarms[0].member_id)]
    );

    // Even a small one is refused by the state machine now, and deletions are not.
    assert!(kv.put(put("b", "1")).await.is_err());
    kv.delete_range(common::delete("a")).await.unwrap();
    let revision = kv
        .range(common::get("a"))
        .await
        .unwrap()
        .into_inner()
        .header
        .unwrap()
        .revision;
    kv.compact(pb::CompactionRequest {
        revision,
        physical: true,
    })
    .await
    .unwrap();
    let disarm = pb::AlarmRequest {
        action: pb::alarm_request::AlarmAction::Deactivate.into(),
        ..pb::AlarmRequest {
            member_id: alarms[0].member_id,
            alarm: alarms[0].alarm,
            action: 0,
        }
    };
    maintenance.alarm(disarm).await.unwrap();
    kv.put(put("b", "1")).await.unwrap();
    member.stop().await;
}

#[tokio::test]
async fn hashes_change_with_the_state_and_say_at_which_revision() {
    let member = Member::start().await;
    let (mut kv, mut maintenance) = (member.kv().await, member.maintenance().await);
    let mut hashes = Vec::new();
    for value in ["1", "2"] {
        let revision = kv
            .put(put("a", value))
            .await
            .unwrap()
            .into_inner()
            .header
            .unwrap()
            .revision;
        let newest = maintenance
            .hash_kv(pb::HashKvRequest { revision: 0 })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(newest.header.unwrap().revision, revision);
        let same = maintenance
            .hash_kv(pb::HashKvRequest { revision })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(newest.hash, same.hash);
        maintenance.hash(pb::HashRequest {}).await.unwrap();
        hashes.push(newest.hash);
    }
    assert_ne!(hashes[0], hashes[1]);
    let future = maintenance
        .hash_kv(pb::HashKvRequest { revision: 99 })
        .await
        .unwrap_err();
    assert_eq!(future.code(), Code::OutOfRange);
    member.stop().await;
}

#[tokio::test]
async fn a_downgrade_is_refused_as_etcd_refuses_one_that_cannot_be() {
    let member = Member::start().await;
    let mut maintenance = member.maintenance().await;
    let cases = [
        (
            DowngradeAction::Validate,
            "nonsense",
            Code::InvalidArgument,
            "etcdserver: wrong downgrade target version format",
        ),
        (
            DowngradeAction::Enable,
            "3.3",
            Code::InvalidArgument,
            "etcdserver: invalid downgrade target version",
        ),
        (
            DowngradeAction::Cancel,
            "",
            Code::FailedPrecondition,
            "etcdserver: no inflight downgrade job",
        ),
    ];
    for (action, version, code, text) in cases {
        let request = pb::DowngradeRequest {
            action: action.into(),
            version: version.into(),
        };
        let status = maintenance.downgrade(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, text));
    }
    maintenance
        .defragment(pb::DefragmentRequest {})
        .await
        .unwrap();
    member.stop().await;
}

#[tokio::test]
async fn urls_that_cannot_be_a_members_are_refused() {
    let member = Member::start().await;
    let mut cluster = member.cluster().await;
    for urls in [vec![], vec!["nonsense".to_owned()]] {
        let request = pb::MemberAddRequest {
            peer_ur_ls: urls,
            is_learner: false,
        };
        let status = cluster.member_add(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(
            status.message(),
            "etcdserver: given member URLs are invalid"
        );
    }
    member.stop().await;
}

#[tokio::test]
async fn only_so_many_clients_take_snapshots_at_once() {
    let member = Member::start().await;
    let mut kv = member.kv().await;
    for number in 0..40 {
        kv.put(put(&format!("k{number}"), vec![b'v'; 200_000]))
            .await
            .unwrap();
    }
    let mut taken = Vec::new();
    for _ in 0..SNAPSHOTS_MAX {
        let snapshot = member
            .maintenance()
            .await
            .snapshot(pb::SnapshotRequest {})
            .await
            .unwrap();
        taken.push(snapshot.into_inner());
    }
    let mut maintenance = member.maintenance().await;
    let status = maintenance
        .snapshot(pb::SnapshotRequest {})
        .await
        .unwrap_err();
    assert_eq!(status.message(), "etcdserver: too many requests");
    drop(taken);
    in_time(async {
        while maintenance.snapshot(pb::SnapshotRequest {}).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    member.stop().await;
}
