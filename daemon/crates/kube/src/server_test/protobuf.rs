//! Protobuf at the front door: for those who ask for it, as far as it goes.

use skerry_wire::{Limits, MEDIA_TYPE, decode, encode};

use super::*;
use crate::limits::LIST_PROTOBUF_BYTES_MAX;

impl Server {
    /// The code, the media type and the bytes of an answer to one who likes protobuf better.
    async fn typed(&self, method: &str, path: &str, body: Vec<u8>) -> (StatusCode, String, Bytes) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", MEDIA_TYPE)
            .header(
                "accept",
                "application/vnd.kubernetes.protobuf,application/json",
            )
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let mut peer = Peer::new("127.0.0.1:1".parse().unwrap(), None);
        peer.common_name = Some("admin".into());
        peer.organizations = vec!["system:masters".into()];
        let response = self.api.answer(&peer, request).await;
        let (status, kind) = (
            response.status(),
            response.headers()["content-type"].clone(),
        );
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, kind.to_str().unwrap().to_owned(), bytes)
    }
}

fn map(name: &str, text: String) -> Vec<u8> {
    let map = json!({"metadata": {"name": name}, "data": {"text": text}});
    encode(&map, "v1", "ConfigMap").unwrap()
}

fn read(bytes: &[u8]) -> Value {
    decode(bytes, Limits::default()).unwrap().value
}

#[tokio::test]
async fn what_is_sent_as_protobuf_is_kept_as_json_and_answered_as_protobuf() {
    let server = Server::start().await;
    let (status, kind, made) = server.typed("POST", MAPS, map("a", "x".into())).await;
    assert_eq!((status.as_u16(), kind.as_str()), (201, MEDIA_TYPE));
    let path = format!("{MAPS}/a");
    let (_, json) = server.get(&path).await;
    assert_eq!(read(&made), json);

    let (status, kind, twice) = server.typed("POST", MAPS, map("a", "x".into())).await;
    assert_eq!((status.as_u16(), kind.as_str()), (409, MEDIA_TYPE));
    assert_eq!(read(&twice)["reason"], "AlreadyExists");

    let (status, kind, list) = server.typed("GET", MAPS, Vec::new()).await;
    assert_eq!((status.as_u16(), kind.as_str()), (200, MEDIA_TYPE));
    assert_eq!(read(&list), server.get(MAPS).await.1);

    let (status, _, error) = server.typed("POST", MAPS, b"{}".to_vec()).await;
    assert_eq!(status.as_u16(), 400);
    assert_eq!(read(&error)["reason"], "BadRequest");

    let options = json!({"preconditions": {"uid": "another"}});
    let options = encode(&options, "v1", "DeleteOptions").unwrap();
    let (status, _, _) = server.typed("DELETE", &path, options).await;
    assert_eq!(status.as_u16(), 409);
}

#[tokio::test]
async fn a_list_that_is_too_long_to_hold_is_sent_as_json() {
    let server = Server::start().await;
    const TEXT: usize = 900 << 10;
    let mut sent = 0;
    while sent <= LIST_PROTOBUF_BYTES_MAX {
        let (status, _, _) = server
            .typed("POST", MAPS, map(&format!("m{sent}"), "x".repeat(TEXT)))
            .await;
        assert_eq!(status.as_u16(), 201);
        sent += TEXT;
    }
    let (status, kind, list) = server.typed("GET", MAPS, Vec::new()).await;
    assert_eq!((status.as_u16(), kind.as_str()), (200, "application/json"));
    let list: Value = serde_json::from_slice(&list).unwrap();
    assert!(list["items"].as_array().unwrap().len() >= sent / TEXT);
}
