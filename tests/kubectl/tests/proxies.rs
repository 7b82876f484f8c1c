//! What passes on to kubelets, pods and Services: logs, exec, port-forward, proxies.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, StreamBody};
use hyper::Request;
use hyper::body::{Bytes, Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::json;
use skerry_tests_kubectl::Servers;
use skerry_tests_kubectl::behind::{Answering, Behind, Reply, Signed, address_of_machine, reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Where the node of the test is: nobody else listens there.
const NODE: &str = "127.0.26.200";

fn tls(servers: &Servers, name: &str) -> PathBuf {
    servers.cluster.members[0].data_dir.join("tls").join(name)
}

/// A kubelet with one pod that says two lines and then nothing, and runs whatever it is told.
fn kubelet() -> Answering {
    Arc::new(|request| {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/containerLogs/default/p/c" => {
                use futures_util::{StreamExt as _, stream::pending};
                let follows = request.uri().query() == Some("follow=true");
                let lines = ["one\n", "two\n"].map(|line| Ok(Frame::data(Bytes::from(line))));
                let lines = futures_util::stream::iter(lines);
                let body = match follows {
                    true => BodyExt::boxed(StreamBody::new(lines.chain(pending()))),
                    false => BodyExt::boxed(StreamBody::new(lines)),
                };
                hyper::Response::new(body)
            }
            "/exec/default/p/c" => exec(request),
            "/healthz" => reply(200, "text/plain", "fine"),
            _ => reply(404, "text/plain", "404 page not found"),
        }
    })
}

/// `remotecommand` over a websocket, version 5: says what it was told to run, then what it reads.
fn exec(mut request: Request<Incoming>) -> Reply {
    let header = |name: &str| {
        let value = request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    if header("upgrade") != "websocket" {
        return reply(400, "text/plain", "only websockets");
    }
    let accept = format!(
        "{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
        header("sec-websocket-key")
    );
    let accept = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, accept.as_bytes());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgraded.await.unwrap());
        stream
            .write_all(&frame(1, format!("{query}\n").as_bytes()))
            .await
            .unwrap();
        if query.contains("input=1") {
            let line = read(&mut stream).await;
            stream.write_all(&frame(1, &line[1..])).await.unwrap();
        }
        let status = json!({"metadata": {}, "status": "Success"}).to_string();
        stream
            .write_all(&frame(3, status.as_bytes()))
            .await
            .unwrap();
        stream.write_all(&[0x88, 2, 3, 0xe8]).await.unwrap();
        stream.flush().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let mut response = reply(101, "text/plain", "");
    let headers = response.headers_mut();
    headers.clear();
    headers.insert("Upgrade", "websocket".parse().unwrap());
    headers.insert("Connection", "Upgrade".parse().unwrap());
    headers.insert(
        "Sec-WebSocket-Accept",
        STANDARD.encode(accept).parse().unwrap(),
    );
    headers.insert(
        "Sec-WebSocket-Protocol",
        "v5.channel.k8s.io".parse().unwrap(),
    );
    response
}

/// A binary message on a channel, as servers send it.
fn frame(channel: u8, text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len() + 1).unwrap();
    assert!(length < 126);
    [&[0x82, length, channel], text].concat()
}

/// The next binary message that a client sends: its channel, then what it says.
async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    loop {
        let mut head = [0; 6];
        stream.read_exact(&mut head).await.unwrap();
        let mut text = vec![0; usize::from(head[1] & 0x7f)];
        stream.read_exact(&mut text).await.unwrap();
        for (place, byte) in text.iter_mut().enumerate() {
            *byte ^= head[2 + place % 4];
        }
        if head[0] == 0x82 && text.len() > 1 {
            return text;
        }
    }
}

/// A pod on a node whose kubelet listens at this port.
fn place(servers: &Servers, port: u16) {
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": NODE}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
    });
    servers.ok_with(&["create", "-f", "-"], &node.to_string());
    servers.ok_with(&["create", "-f", "-"], &pod.to_string());
    let running = r#"{"status":{"phase":"Running"}}"#;
    servers.ok(&["patch", "pod", "p", "--subresource=status", "-p", running]);
}

#[tokio::test]
async fn logs_are_read_and_commands_run_where_the_pod_is() {
    let servers = Servers::start(1).await;
    let signed = Signed::by(&tls(&servers, "server-ca.crt"), &[NODE]);
    let callers = tls(&servers, "client-ca.crt");
    let node = Behind::start(0, &signed, &callers, kubelet());
    place(&servers, node.port);
    assert_eq!(servers.ok(&["logs", "p"]), "one\ntwo\n");
    let follow = servers.background(&["logs", "-f", "p"]);
    assert_eq!((follow.line(), follow.line()), ("one".into(), "two".into()));
    drop(follow);
    assert_eq!(
        servers.ok(&["exec", "p", "--", "echo", "a b"]),
        "output=1&error=1&command=echo&command=a%20b\n"
    );
    let said = servers.ok_with(&["exec", "-i", "p", "--", "cat"], "from here\n");
    assert!(said.ends_with("command=cat\nfrom here\n"), "{said}");
    assert_eq!(
        servers.ok(&["get", "--raw", "/api/v1/nodes/n/proxy/healthz"]),
        "fine"
    );
    let asked = node.asked("GET /healthz").pop().unwrap();
    assert!(asked.all("authorization").is_empty());

    // Nobody but the kubelet of the cluster is believed to be one.
    let port = node.port;
    drop(node);
    let get = format!("Get \"https://{NODE}:{port}/containerLogs/default/p/c\"");
    let down = servers.fails(&["logs", "p"]);
    let why = format!("{get}: dial tcp {NODE}:{port}: connect: connection refused");
    assert!(down.contains(&why), "{down}");
    let down = servers.fails(&["exec", "p", "--", "true"]);
    let why = format!("error dialing backend: dial tcp {NODE}:{port}: connect: connection refused");
    assert!(down.contains(&why), "{down}");
    let _other = Behind::start(port, &Signed::by_itself(&[NODE]), &callers, kubelet());
    let refused = servers.fails(&["logs", "p"]);
    let why = format!(
        "{get}: tls: failed to verify certificate: x509: certificate signed by unknown authority"
    );
    assert!(refused.contains(&why), "{refused}");
}

/// A server of plain HTTP that tells the first line of what it is asked, and redirects.
fn plain(address: IpAddr) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let line = head.lines().next().unwrap_or_default();
            let moved = match line.contains("/old") {
                true => "302 Found\r\nLocation: /new?a=1",
                false => "200 OK",
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {moved}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{line}",
                line.len()
            );
        }
    });
    port
}

#[tokio::test]
async fn pods_and_services_are_reached_through_the_server() {
    let Some(address) = address_of_machine() else {
        // Pods at the server's own addresses are refused.
        return;
    };
    let servers = Servers::start(1).await;
    let port = plain(address);
    place(&servers, 1);
    let status = json!({"status": {"podIP": address.to_string()}}).to_string();
    servers.ok(&["patch", "pod", "p", "--subresource=status", "-p", &status]);
    let base = format!("/api/v1/namespaces/default/pods/p:{port}/proxy");
    let get = |path: &str| servers.ok(&["get", "--raw", path]);
    assert_eq!(
        get(&format!("{base}/a%20b/?x=1&y=%2F")),
        "GET /a%20b/?x=1&y=%2F HTTP/1.1"
    );
    assert_eq!(get(&base), "GET / HTTP/1.1");
    // A place below what is proxied is one below the proxy.
    assert_eq!(get(&format!("{base}/old")), "GET /new?a=1 HTTP/1.1");
    let nobody = servers.fails(&["get", "--raw", "/api/v1/namespaces/default/pods/p:1/proxy/"]);
    let why =
        format!("error trying to reach service: dial tcp {address}:1: connect: connection refused");
    assert!(nobody.contains(&why), "{nobody}");

    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"ports": [{"name": "web", "port": 80, "targetPort": port}]},
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4", "endpoints": [{"addresses": [address.to_string()]}],
        "ports": [{"name": "web", "port": port}],
    });
    servers.ok_with(&["create", "-f", "-"], &service.to_string());
    servers.ok_with(&["create", "-f", "-"], &slice.to_string());
    let base = "/api/v1/namespaces/default/services";
    for name in ["s:web", "s:80", "http:s:web"] {
        assert_eq!(get(&format!("{base}/{name}/proxy/x")), "GET /x HTTP/1.1");
    }
    let none = servers.fails(&["get", "--raw", &format!("{base}/s:81/proxy/x")]);
    let why = "no service port 81 found for service \"s\"";
    assert!(none.contains(why), "{none}");
}
