//! Clients that are many, silent or slow: they cost little, and everybody else goes on.

#![allow(clippy::unwrap_used)]

#[path = "crowds/memory.rs"]
mod memory;

use std::time::{Duration, Instant};

use skerry_tests_kubectl::{Answer, DEADLINE, Port, Servers, Stream, Streams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// More than one port lets in at once.
const MORE_THAN_ALL: usize = 2200;
/// What a watch may cost the server at most. It is about 14 KiB, HTTP/2 included.
const WATCH_BYTES_MAX: usize = 32 << 10;

/// How many watches; the long form takes them from its environment.
fn watches() -> usize {
    let wanted = std::env::var("SKERRY_LIMITS_WATCHES").ok();
    wanted.map_or(2000, |wanted| wanted.parse().unwrap())
}

/// Bytes that the first member holds.
fn resident(servers: &Servers) -> usize {
    let pid = servers.cluster.members[0].pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

/// The port, for somebody who may do everything and is no administrator.
fn port(servers: &Servers) -> Port {
    servers.ok(&["create", "serviceaccount", "bot"]);
    let binding = [
        "create",
        "clusterrolebinding",
        "bot",
        "--clusterrole=cluster-admin",
    ];
    servers.ok(&[&binding[..], &["--serviceaccount=default:bot"]].concat());
    let token = servers.ok(&["create", "token", "bot"]);
    let asks = [
        "auth",
        "can-i",
        "*",
        "*",
        "--as=system:serviceaccount:default:bot",
    ];
    servers.until(0, &asks, |ended| ended.ok);
    Port::of(servers, 0, Some(token.trim()))
}

fn map(name: &str, data: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"a":"{data}"}}}}"#
    )
}

async fn watch(streams: &mut Streams) -> Stream {
    // Nothing is there yet to begin with.
    let path = format!("{MAPS}?watch=true&labelSelector=&fieldSelector=metadata.name%3Dnews");
    let stream = streams.ask("GET", &path, String::new()).await.unwrap();
    assert_eq!(stream.status(), 200);
    stream
}

#[tokio::test]
async fn thousands_of_idle_watches_cost_little_and_all_hear_of_a_change() {
    let servers = Servers::start(1).await;
    let port = port(&servers);
    let mut first = port.streams().await.unwrap();
    // What the first watch makes for all is not the watches' cost.
    let mut all = vec![watch(&mut first).await];
    let before = resident(&servers);
    let mut connections = Vec::new();
    while all.len() < watches() {
        let mut streams = port.streams().await.unwrap();
        for _ in 0..(watches() - all.len()).min(1000) {
            all.push(watch(&mut streams).await);
        }
        connections.push(streams);
    }
    let each = resident(&servers).saturating_sub(before) / all.len();
    println!("{} watches: {each} bytes each", all.len());
    assert!(each < WATCH_BYTES_MAX, "{each} bytes each");

    let made = first.ask("POST", MAPS, map("news", "b")).await.unwrap();
    assert_eq!(made.status(), 201);
    for stream in &mut all {
        let piece = tokio::time::timeout(DEADLINE, stream.piece()).await;
        let piece = piece.unwrap().unwrap().unwrap();
        assert!(piece.starts_with(b"{\"type\":\"ADDED\""), "{piece:?}");
    }
    drop((all, connections));
    assert_eq!(servers.ok(&["get", "--raw=/livez"]), "ok");
}

#[tokio::test]
async fn a_watcher_that_does_not_read_costs_little_and_misses_nothing() {
    const CHANGES: usize = 1000;
    let servers = Servers::start(1).await;
    let port = port(&servers);
    let mut writer = port.streams().await.unwrap();
    let mut slow = port.streams().await.unwrap();
    let mut slow = watch(&mut slow).await;
    let data = "x".repeat(12 << 10);
    let made = writer.ask("POST", MAPS, map("news", &data)).await.unwrap();
    assert_eq!(made.status(), 201);
    let path = format!("{MAPS}/news");
    let before = resident(&servers);
    for change in 0..CHANGES {
        let body = map("news", &format!("{change} {data}"));
        let answer = writer.ask("PUT", &path, body).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    // The ring of history, the log and redb's cache are in it, and are bounded.
    let grown = resident(&servers).saturating_sub(before);
    println!("{CHANGES} changes of 12 KiB: {} KiB more", grown >> 10);
    assert!(grown < 24 << 20, "{grown} bytes more");

    let (mut text, mut heard) = (String::new(), 0);
    while heard <= CHANGES {
        let piece = tokio::time::timeout(DEADLINE, slow.piece()).await;
        let piece = piece.unwrap().unwrap().expect("the watch goes on");
        text.push_str(std::str::from_utf8(&piece).unwrap());
        while let Some((event, rest)) = text.split_once('\n') {
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            if event["type"] == "ERROR" {
                // What it had not heard was forgotten meanwhile, and it is told so.
                assert_eq!(event["object"]["code"], 410, "{event}");
                return;
            }
            let value = event["object"]["data"]["a"].as_str().unwrap();
            let wanted = match heard {
                0 => data.clone(),
                change => format!("{} {data}", change - 1),
            };
            assert_eq!(value, wanted);
            heard += 1;
            text = rest.to_owned();
        }
    }
}

#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let servers = Servers::start(1).await;
    let port = port(&servers);
    let address = (servers.cluster.members[0].client_address.ip(), 6443);
    let mut busy = port.streams().await.unwrap();
    let mut busy = watch(&mut busy).await;
    let mut silent = Vec::new();
    // Some say nothing at all, others nothing after the handshake.
    for _ in 0..200 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut shaken = Vec::new();
    for _ in 0..MORE_THAN_ALL {
        shaken.push(port.silent().await.unwrap());
    }
    let begun = Instant::now();
    assert_eq!(servers.ok(&["get", "--raw=/readyz"]), "ok");
    servers.ok(&["create", "configmap", "news"]);
    assert!(begun.elapsed() < DEADLINE);
    // Whoever was busy has not been sent away.
    let piece = tokio::time::timeout(DEADLINE, busy.piece()).await;
    assert!(piece.unwrap().unwrap().unwrap().starts_with(b"{\"type\""));
}

#[tokio::test]
async fn headers_that_never_end_end_the_connection() {
    let servers = Servers::start(1).await;
    let port = port(&servers);
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = port.silent_http1().await.unwrap();
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\nx")
            .await
            .unwrap();
        slow.push(stream);
    }
    assert_eq!(servers.ok(&["get", "--raw=/livez"]), "ok");
    for mut stream in slow {
        let mut answer = Vec::new();
        let patience = Duration::from_secs(90);
        let read = tokio::time::timeout(patience, stream.read_to_end(&mut answer)).await;
        // An end without TLS's own is an end.
        let _ = read.expect("the server ends it");
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn headers_that_are_too_long_or_too_many_are_refused() {
    let servers = Servers::start(1).await;
    let port = port(&servers);
    let long = "x".repeat(2 << 20);
    let refused = |answer: anyhow::Result<Answer>| {
        // Or the connection ends before all of it was sent.
        let status = answer.map_or(431, |answer| answer.status);
        assert_eq!(status, 431);
    };
    refused(port.get("/livez", &[("x-long", &long)]).await);
    let many: Vec<(String, &str)> = (0..500).map(|one| (format!("x-{one}"), "y")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, y)| (name.as_str(), *y)).collect();
    refused(port.get("/livez", &many).await);

    let mut streams = port.streams().await.unwrap();
    let long = "x".repeat(17 << 10);
    let headers = [("x-long", long.as_str())];
    let answer = streams
        .ask_with("GET", "/livez", String::new(), &headers)
        .await;
    assert!(answer.map_or(true, |answer| answer.status() == 431));
    assert_eq!(servers.ok(&["get", "--raw=/livez"]), "ok");
}
