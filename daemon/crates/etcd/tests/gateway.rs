//! Promises of the JSON gateway, over a real port; the forms of its JSON have tests beside it.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;

use bytes::Bytes;
use common::{Member, in_time, put};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Sends one HTTP/1.1 request on a connection of its own.
async fn send<B>(address: SocketAddr, request: Request<B>) -> Response<Incoming>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    in_time(sender.send_request(request)).await.unwrap()
}

async fn ask(address: SocketAddr, request: Request<Full<Bytes>>) -> (u16, HeaderMap, String) {
    let response = send(address, request).await;
    let (parts, body) = response.into_parts();
    let body = in_time(body.collect()).await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (parts.status.as_u16(), parts.headers, text)
}

fn request(path: &str, body: &Value) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_string()));
    Request::post(path).header("host", "x").body(body).unwrap()
}

async fn post(member: &Member, path: &str, body: Value) -> (u16, Value) {
    let (status, _, text) = ask(member.address, request(path, &body)).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// The next line of a stream.
async fn line(body: &mut Incoming, read: &mut Vec<u8>) -> Value {
    loop {
        if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = read.drain(..=end).collect();
            return serde_json::from_slice(&line).unwrap();
        }
        let frame = in_time(body.frame()).await.unwrap().unwrap();
        read.extend_from_slice(&frame.into_data().unwrap());
    }
}

#[tokio::test]
async fn what_is_put_as_json_is_read_as_json_and_as_grpc() {
    let member = Member::start().await;
    let (status, answer) = post(
        &member,
        "/v3/kv/put",
        json!({"key": "Zm9v", "value": "YmFy"}),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(answer["header"]["revision"], "2");
    assert_eq!(answer["header"]["cluster_id"], 0x5eed.to_string());
    let (_, answer) = post(&member, "/v3/kv/range", json!({"key": "Zm9v"})).await;
    assert_eq!(
        answer["kvs"],
        json!([{
            "key": "Zm9v", "create_revision": "2", "mod_revision": "2", "version": "1",
            "value": "YmFy",
        }])
    );
    let range = member.kv().await.range(common::get("foo")).await.unwrap();
    assert_eq!(range.into_inner().kvs[0].value, "bar");
    let (status, answer) = post(&member, "/v3/kv/range", json!({})).await;
    assert_eq!(status, 400);
    assert_eq!(
        answer,
        json!({
            "error": "etcdserver: key is not provided", "code": 3,
            "message": "etcdserver: key is not provided",
        })
    );
    let (status, answer) = post(&member, "/v3/lease/revoke", json!({"ID": "7"})).await;
    assert_eq!((status, &answer["code"]), (404, &json!(5)));
    member.stop().await;
}

#[tokio::test]
async fn a_watch_gives_a_line_for_every_change_while_it_lasts() {
    let member = Member::start().await;
    let mut kv = member.kv().await;
    kv.put(put("foo", "1")).await.unwrap();
    let create = json!({"create_request": {"key": "Zm9v", "start_revision": "2"}});
    let response = send(member.address, request("/v3/watch", &create)).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let (mut body, mut read) = (response.into_body(), Vec::new());
    let created = line(&mut body, &mut read).await;
    assert_eq!(created["result"]["created"], true);
    for value in ["MQ==", "Mg==", "Mw=="] {
        let event = line(&mut body, &mut read).await;
        assert_eq!(event["result"]["events"][0]["kv"]["value"], value);
        kv.put(put("foo", if value == "MQ==" { "2" } else { "3" }))
            .await
            .unwrap();
    }
    drop(body);
    member.stop().await;
}

#[tokio::test]
async fn requests_of_a_stream_may_follow_while_answers_come() {
    let member = Member::start().await;
    let (sender, pieces) = tokio::sync::mpsc::channel::<Bytes>(4);
    let pieces = ReceiverStream::new(pieces);
    let body = StreamBody::new(pieces.map(|piece| Ok::<_, std::io::Error>(Frame::data(piece))));
    let create = Bytes::from_static(br#"{"create_request":{"key":"Zm9v"}}{"create_"#);
    sender.send(create).await.unwrap();
    let request = Request::post("/v3/watch").header("host", "x").body(body);
    let response = send(member.address, request.unwrap()).await;
    let (mut body, mut read) = (response.into_body(), Vec::new());
    let created = line(&mut body, &mut read).await;
    assert_eq!(created["result"]["created"], true);
    let rest = Bytes::from_static(br#"request":{"key":"YmFy"}}"#);
    sender.send(rest).await.unwrap();
    let created = line(&mut body, &mut read).await;
    assert_eq!(created["result"]["watch_id"], "1");
    let cancel = Bytes::from_static(br#"{"cancel_request":{"watch_id":1}}"#);
    sender.send(cancel).await.unwrap();
    let cancelled = line(&mut body, &mut read).await;
    assert_eq!(cancelled["result"]["canceled"], true);
    drop((sender, body));
    member.stop().await;
}

#[tokio::test]
async fn a_keep_alive_answers_each_request_and_ends_with_them() {
    let member = Member::start().await;
    let (_, granted) = post(&member, "/v3/lease/grant", json!({"TTL": 60, "ID": 7})).await;
    assert_eq!(granted["TTL"], "60");
    let both = Bytes::from_static(br#"{"ID":"7"} {"ID":8}"#);
    let request = Request::post("/v3/lease/keepalive")
        .header("host", "x")
        .body(Full::new(both));
    let (status, _, text) = ask(member.address, request.unwrap()).await;
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((status, lines.len()), (200, 2));
    assert_eq!(lines[0]["result"]["TTL"], "60");
    assert_eq!(lines[1]["result"]["TTL"], Value::Null);
    member.stop().await;
}

#[tokio::test]
async fn tokens_come_in_the_authorization_header() {
    let member = Member::start().await;
    for (path, body) in [
        ("user/add", json!({"name": "root", "password": "r"})),
        ("user/grant", json!({"user": "root", "role": "root"})),
        ("enable", json!({})),
    ] {
        let (status, answer) = post(&member, &format!("/v3/auth/{path}"), body).await;
        assert_eq!(status, 200, "{path}: {answer}");
    }
    let (status, answer) = post(&member, "/v3/kv/range", json!({"key": "Zm9v"})).await;
    assert_eq!(
        (status, &answer["message"]),
        (400, &json!("etcdserver: user name is empty"))
    );
    let credentials = json!({"name": "root", "password": "r"});
    let (_, answer) = post(&member, "/v3/auth/authenticate", credentials).await;
    let token = answer["token"].as_str().unwrap();
    for (header, expected) in [
        (token.to_owned(), 200),
        (format!("Bearer {token}"), 200),
        ("wrong".to_owned(), 401),
    ] {
        let mut request = request("/v3/kv/range", &json!({"key": "Zm9v"}));
        let value = header.parse().unwrap();
        request.headers_mut().insert("authorization", value);
        assert_eq!(ask(member.address, request).await.0, expected, "{header}");
    }
    // A stream that is refused before its first line has the status of its refusal.
    let (status, _) = post(&member, "/v3/lease/keepalive", json!({"ID": 7})).await;
    assert_eq!(status, 400);
    member.stop().await;
}

#[tokio::test]
async fn pages_of_any_origin_may_ask() {
    let member = Member::start().await;
    let options = Request::options("/v3/kv/range").header("host", "x");
    let options = options.body(Full::new(Bytes::new())).unwrap();
    let (status, headers, body) = ask(member.address, options).await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert_eq!(headers["access-control-allow-origin"], "*");
    let (status, headers, _) = ask(member.address, request("/v3/kv/nothing", &json!({}))).await;
    assert_eq!(status, 404);
    assert_eq!(
        headers["access-control-allow-headers"],
        "accept, content-type, authorization"
    );
    member.stop().await;
}
