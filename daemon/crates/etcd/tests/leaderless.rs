//! What a member without a leader still does, and how it refuses the rest.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Member, get, in_time, put};
use skerry_proto::etcdserverpb as pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Request, Status};

fn with_leader<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("hasleader", "true".parse().unwrap());
    request
}

fn refused(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}

#[tokio::test]
async fn whoever_wants_a_leader_is_refused_at_once() {
    let member = Member::start_alone().await;
    let expected = (Code::Unavailable, "etcdserver: no leader");
    let serializable = pb::RangeRequest {
        serializable: true,
        ..get("a")
    };
    let mut kv = member.kv().await;
    let status = kv
        .range(with_leader(serializable.clone()))
        .await
        .unwrap_err();
    assert_eq!(refused(&status), expected);
    let requests = with_leader(tokio_stream::pending());
    let status = member.watch().await.watch(requests).await.unwrap_err();
    assert_eq!(refused(&status), expected);
    assert_eq!(kv.range(serializable).await.unwrap().into_inner().count, 0);
    member.stop().await;
}

#[tokio::test]
async fn writes_and_linearizable_reads_fail_in_bounded_time_and_status_says_why() {
    let member = Member::start_alone().await;
    let mut kv = member.kv().await;
    let (write, read) = tokio::join!(
        in_time(async { kv.clone().put(put("a", "1")).await.unwrap_err() }),
        in_time(async { kv.clone().range(get("a")).await.unwrap_err() }),
    );
    for status in [write, read] {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().starts_with("etcdserver: "), "{status:?}");
    }
    let serializable = pb::RangeRequest {
        serializable: true,
        ..get("a")
    };
    kv.range(serializable).await.unwrap();
    let status = member
        .maintenance()
        .await
        .status(pb::StatusRequest {})
        .await
        .unwrap();
    let status = status.into_inner();
    assert_eq!(
        (status.leader, status.errors),
        (0, vec!["etcdserver: no leader".to_owned()])
    );
    member.stop().await;
}

#[tokio::test]
async fn probes_tell_a_member_without_a_leader_from_one_that_is_dead() {
    let member = Member::start_alone().await;
    let ask = async |path: &str| {
        let mut stream = TcpStream::connect(member.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        in_time(stream.read_to_string(&mut answer)).await.unwrap();
        answer
    };
    let health = ask("/health").await;
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
    assert!(
        health.contains("{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}"),
        "{health}"
    );
    assert!(
        ask("/health?serializable=true")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(ask("/livez").await.starts_with("HTTP/1.1 200 "));
    member.stop().await;
}
