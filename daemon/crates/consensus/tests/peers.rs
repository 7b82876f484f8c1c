//! What the peer port says to those who are no members, or do not behave like one.

#![allow(clippy::unwrap_used)]

mod cluster;

use std::sync::Arc;
use std::time::Duration;

use cluster::*;
use skerry_consensus::limits::{PEER_CONNECTIONS_MAX, PEER_HANDSHAKES_PER_ADDRESS_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The greeting as `peer/greeting.rs` draws it, of a member that knows of no membership.
/// The protocol's.
const VERSION: u8 = 2;

fn hello(version: u8, cluster: u64, to: u64) -> Vec<u8> {
    let mut hello = b"SKRY".to_vec();
    hello.extend([version, 0]);
    for number in [cluster, 99, to, 0] {
        hello.extend(number.to_le_bytes());
    }
    // Whether the asked votes, and no URL.
    hello.extend([0, 0]);
    hello
}

async fn connect(cluster: &Cluster) -> TlsStream<TcpStream> {
    let address = cluster.boxes[0].config.peer_address;
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    let connector = TlsConnector::from(Arc::clone(&cluster.boxes[0].config.peer_client_tls));
    connector.connect(name, stream).await.unwrap()
}

async fn verdict(cluster: &Cluster, hello: &[u8]) -> (TlsStream<TcpStream>, u8) {
    let mut stream = connect(cluster).await;
    stream.write_all(hello).await.unwrap();
    let mut verdict = [0; 6];
    stream.read_exact(&mut verdict).await.unwrap();
    assert_eq!(verdict[..5], *b"SKRY\x02");
    (stream, verdict[5])
}

/// Waits until the other side has ended a connection.
async fn ended(mut stream: impl tokio::io::AsyncRead + Unpin) -> bool {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await;
    end.is_ok()
}

#[test]
fn whoever_is_of_another_version_cluster_or_looks_for_another_member_is_told() {
    run(async {
        let mut cluster = Cluster::form();
        assert_eq!(verdict(&cluster, &hello(VERSION, CLUSTER, 1)).await.1, 0);
        assert_eq!(
            verdict(&cluster, &hello(VERSION + 1, CLUSTER, 1)).await.1,
            1
        );
        assert_eq!(
            verdict(&cluster, &hello(VERSION, CLUSTER + 1, 1)).await.1,
            2
        );
        assert_eq!(verdict(&cluster, &hello(VERSION, CLUSTER, 2)).await.1, 3);
        cluster.stop_all().await;
    });
}

#[test]
fn bytes_that_are_no_message_end_the_connection_and_nothing_else() {
    run(async {
        let mut cluster = Cluster::form();
        let handle = cluster.handle(0);
        let bad: [&[u8]; 4] = [
            // A frame beyond all limits, one too short to be one, an unknown kind, and an append
            // that is none.
            &[0xff; 13],
            &[0; 13],
            &[9, 0, 0, 0, 77, 1, 0, 0, 0, 0, 0, 0, 0],
            &[10, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0xff],
        ];
        for bytes in bad {
            let (mut stream, welcome) = verdict(&cluster, &hello(VERSION, CLUSTER, 1)).await;
            assert_eq!(welcome, 0);
            stream.write_all(bytes).await.unwrap();
            assert!(ended(stream).await, "{bytes:?}");
            settled(|| propose(&handle, put("k", "v"))).await;
        }
        drop(handle);
        cluster.stop_all().await;
    });
}

#[test]
fn connections_are_bounded_and_whoever_is_over_the_bound_is_told() {
    run(async {
        let mut cluster = Cluster::form();
        let mut held = Vec::new();
        for _ in 0..PEER_CONNECTIONS_MAX {
            let (stream, welcome) = verdict(&cluster, &hello(VERSION, CLUSTER, 1)).await;
            assert_eq!(welcome, 0);
            held.push(stream);
        }
        assert_eq!(verdict(&cluster, &hello(VERSION, CLUSTER, 1)).await.1, 5);
        drop(held);
        let deadline = std::time::Instant::now() + PATIENCE;
        while verdict(&cluster, &hello(VERSION, CLUSTER, 1)).await.1 != 0 {
            assert!(
                std::time::Instant::now() < deadline,
                "the places are not given back"
            );
        }
        cluster.stop_all().await;
    });
}

#[test]
fn who_connects_and_says_nothing_keeps_nobody_out_for_long() {
    run(async {
        let mut cluster = Cluster::form();
        let address = cluster.boxes[0].config.peer_address;
        let mut silent = Vec::new();
        for _ in 0..PEER_HANDSHAKES_PER_ADDRESS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let one_more = TcpStream::connect(address).await.unwrap();
        assert!(ended(one_more).await, "it is turned away at once");
        for stream in silent {
            assert!(ended(stream).await, "it had its time");
        }
        assert_eq!(verdict(&cluster, &hello(VERSION, CLUSTER, 1)).await.1, 0);
        cluster.stop_all().await;
    });
}
