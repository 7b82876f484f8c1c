//! Promises of the KV service.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Member, delete, get, put};
use skerry_etcd::limits::{LARGE_ANSWERS_MAX, MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX};
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::request_op::Request;
use tonic::Code;

fn operation(request: Request) -> pb::RequestOp {
    pb::RequestOp {
        request: Some(request),
    }
}

#[tokio::test]
async fn what_was_put_is_read_back_with_its_revisions() {
    let member = Member::start().await;
    let mut kv = member.kv().await;
    let first = kv
        .put(put("a", "1"))
        .await
        .unwrap()
        .into_inner()
        .header
        .unwrap();
    let again = pb::PutRequest {
        prev_kv: true,
        ..put("a", "2")
    };
    let second = kv.put(again).await.unwrap().into_inner();
    assert_eq!(second.prev_kv.unwrap().value, "1");
    let header = second.header.unwrap();
    assert_eq!(header.revision, first.revision + 1);
    assert_ne!(
        (header.cluster_id, header.member_id, header.raft_term),
        (0, 0, 0)
    );

    for serializable in [false, true] {
        let response = kv
            .range(pb::RangeRequest {
                serializable,
                ..get("a")
            })
            .await
            .unwrap();
        let response = response.into_inner();
        assert_eq!(response.count, 1);
        let kv = &response.kvs[0];
        assert_eq!((kv.version, &kv.value[..]), (2, &b"2"[..]));
        assert_eq!(
            (kv.create_revision, kv.mod_revision),
            (first.revision, header.revision)
        );
        assert_eq!(response.header.unwrap(), header);
    }

    let deleted = kv.delete_range(delete("a")).await.unwrap().into_inner();
    assert_eq!(
        (deleted.deleted, deleted.header.unwrap().revision),
        (1, header.revision + 1)
    );
    member.stop().await;
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused() {
    let member = Member::start().await;
    let mut kv = member.kv().await;
    kv.put(put("fits", vec![b'v'; REQUEST_BYTES_MAX - 1024]))
        .await
        .unwrap();
    let status = kv
        .put(put("k", vec![b'v'; REQUEST_BYTES_MAX]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "etcdserver: request is too large");
    let status = kv
        .put(put("k", vec![b'v'; MESSAGE_BYTES_MAX]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status
            .message()
            .starts_with("grpc: received message larger than max")
    );
    member.stop().await;
}

#[tokio::test]
async fn requests_are_checked_before_they_are_proposed() {
    let member = Member::start().await;
    let mut kv = member.kv().await;
    let revision = kv
        .range(get("x"))
        .await
        .unwrap()
        .into_inner()
        .header
        .unwrap()
        .revision;
    let cases = [
        (
            kv.put(put("", "v")).await.map(drop),
            "etcdserver: key is not provided",
        ),
        (
            kv.range(get("")).await.map(drop),
            "etcdserver: key is not provided",
        ),
        (
            kv.delete_range(delete("")).await.map(drop),
            "etcdserver: key is not provided",
        ),
    ];
    for (outcome, text) in cases {
        let status = outcome.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, text)
        );
    }
    let twice = pb::TxnRequest {
        success: vec![
            operation(Request::RequestPut(put("a", "1"))),
            operation(Request::RequestPut(put("a", "2"))),
        ],
        ..Default::default()
    };
    let status = kv.txn(twice).await.unwrap_err();
    assert_eq!(
        status.message(),
        "etcdserver: duplicate key given in txn request"
    );
    let after = kv
        .range(get("x"))
        .await
        .unwrap()
        .into_inner()
        .header
        .unwrap()
        .revision;
    assert_eq!(after, revision);
    member.stop().await;
}

#[tokio::test]
async fn a_transaction_that_only_reads_makes_no_revision() {
    let member = Member::start().await;
    let mut kv = member.kv().await;
    let revision = kv
        .put(put("a", "1"))
        .await
        .unwrap()
        .into_inner()
        .header
        .unwrap()
        .revision;
    let request = pb::TxnRequest {
        success: vec![operation(Request::RequestRange(get("a")))],
        ..Default::default()
    };
    let response = kv.txn(request).await.unwrap().into_inner();
    assert!(response.succeeded);
    assert_eq!(response.header.unwrap().revision, revision);
    assert_eq!(response.responses.len(), 1);
    member.stop().await;
}

#[tokio::test]
async fn what_is_compacted_cannot_be_read_and_a_physical_compaction_waits_for_the_end() {
    let member = Member::start().await;
    let mut kv = member.kv().await;
    let mut revision = 0;
    for value in 0..100 {
        let response = kv
            .put(put("a", value.to_string()))
            .await
            .unwrap()
            .into_inner();
        revision = response.header.unwrap().revision;
    }
    let request = pb::CompactionRequest {
        revision,
        physical: true,
    };
    kv.compact(request).await.unwrap();
    let old = pb::RangeRequest {
        revision: revision - 1,
        ..get("a")
    };
    let status = kv.range(old).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(
        status.message(),
        "etcdserver: mvcc: required revision has been compacted"
    );
    let future = pb::RangeRequest {
        revision: revision + 1,
        ..get("a")
    };
    let status = kv.range(future).await.unwrap_err();
    assert_eq!(
        status.message(),
        "etcdserver: mvcc: required revision is a future revision"
    );
    assert_eq!(
        kv.range(get("a")).await.unwrap().into_inner().kvs[0].value,
        "99"
    );
    member.stop().await;
}

#[tokio::test]
async fn a_large_range_arrives_whole_and_no_more_of_them_than_there_is_room_for_wait_forever() {
    let member = Member::start().await;
    let mut kv = member.kv().await;
    for number in 0..300 {
        kv.put(put(&format!("k{number:03}"), vec![b'v'; 2000]))
            .await
            .unwrap();
    }
    let all = pb::RangeRequest {
        range_end: common::prefix_end("k").into(),
        ..get("k")
    };
    let expected = kv.range(all.clone()).await.unwrap().into_inner();
    assert_eq!((expected.kvs.len(), expected.count), (300, 300));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..3 * LARGE_ANSWERS_MAX {
        let (mut kv, all) = (member.kv().await, all.clone());
        clients.spawn(async move { kv.range(all).await.unwrap().into_inner() });
    }
    while let Some(answer) = common::in_time(clients.join_next()).await {
        assert_eq!(answer.unwrap(), expected);
    }
    member.stop().await;
}
