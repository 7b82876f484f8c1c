//! Promises of the plain HTTP that is served beside gRPC.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;

use common::{Member, in_time, put};
use skerry_etcd::Options;
use skerry_proto::etcdserverpb as pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Status and body of the answer to one request.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

async fn get(member: &Member, path: &str) -> (u16, String) {
    ask(member.address, "GET", path).await
}

#[tokio::test]
async fn a_member_that_serves_says_so_in_every_way_that_probes_ask() {
    let member = Member::start().await;
    let healthy = (200, "{\"health\":\"true\",\"reason\":\"\"}".to_owned());
    for path in [
        "/health",
        "/health?serializable=true",
        "/health?exclude=NOSPACE",
    ] {
        assert_eq!(get(&member, path).await, healthy, "{path}");
    }
    for path in [
        "/livez",
        "/readyz",
        "/livez/serializable_read",
        "/readyz/linearizable_read",
    ] {
        assert_eq!(get(&member, path).await, (200, "ok\n".to_owned()), "{path}");
    }
    let (status, report) = get(&member, "/readyz?verbose&exclude=non_learner").await;
    assert_eq!(status, 200);
    assert_eq!(
        report,
        "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\nok\n"
    );
    let (status, version) = get(&member, "/version").await;
    assert_eq!(status, 200);
    assert!(version.starts_with("{\"etcdserver\":\"3.5."), "{version}");
    assert!(version.ends_with("\"etcdcluster\":\"3.5.0\"}"), "{version}");
    member.stop().await;
}

#[tokio::test]
async fn an_alarm_makes_a_member_unhealthy_unless_it_is_excluded() {
    let member = Member::start_with(Options {
        quota_bytes: 1000,
        ..Options::default()
    })
    .await;
    member
        .kv()
        .await
        .put(put("a", vec![0; 2000]))
        .await
        .unwrap_err();
    let (status, body) = get(&member, "/health").await;
    assert_eq!(status, 503);
    assert_eq!(
        body,
        "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n"
    );
    assert_eq!(get(&member, "/health?exclude=NOSPACE").await.0, 200);
    assert_eq!(get(&member, "/readyz").await.0, 200);

    let corrupt = pb::AlarmRequest {
        action: pb::alarm_request::AlarmAction::Activate.into(),
        member_id: 1,
        alarm: pb::AlarmType::Corrupt.into(),
    };
    member.maintenance().await.alarm(corrupt).await.unwrap();
    let (status, body) = get(&member, "/readyz").await;
    assert_eq!(status, 503);
    assert!(
        body.contains("[-]data_corruption failed: alarm activated: CORRUPT\n"),
        "{body}"
    );
    member.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_only_get_is_allowed() {
    let member = Member::start().await;
    for path in ["/", "/nope", "/livez/nope", "/health/nope"] {
        assert_eq!(get(&member, path).await.0, 404, "{path}");
    }
    assert_eq!(ask(member.address, "POST", "/health").await.0, 405);
    member.stop().await;
}

#[tokio::test]
async fn metrics_carry_etcds_names_and_count_what_happens() {
    let member = Member::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics_port = listener.local_addr().unwrap();
    let serving = tokio::spawn(member.server.serve_metrics(listener));
    for _ in 0..3 {
        member.kv().await.put(put("a", "1")).await.unwrap();
    }
    member.kv().await.put(put("", "1")).await.unwrap_err();
    let (status, text) = ask(metrics_port, "GET", "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "etcd_server_has_leader 1",
        "etcd_server_is_leader 1",
        "etcd_server_proposals_pending 0",
        "etcd_server_proposals_failed_total 0",
        "etcd_debugging_mvcc_current_revision 4",
        "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"} 3",
        "grpc_server_handled_total{grpc_code=\"InvalidArgument\",grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"} 1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in\n{text}"
        );
    }
    for name in [
        "etcd_server_leader_changes_seen_total",
        "etcd_server_proposals_committed_total",
        "etcd_server_proposals_applied_total",
        "etcd_mvcc_db_total_size_in_bytes",
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "etcd_network_client_grpc_received_bytes_total",
        "etcd_network_client_grpc_sent_bytes_total",
        "process_resident_memory_bytes",
    ] {
        assert!(
            text.contains(&format!("\n# TYPE {name} ")),
            "{name} is missing"
        );
    }
    let (status, _) = ask(metrics_port, "GET", "/health").await;
    assert_eq!(status, 200);
    member.stop().await;
    in_time(serving).await.unwrap();
}
