//! Protobuf at the front door: for those who ask for it, as far as it goes.

use skerry_wire::{Limits, MEDIA_TYPE, decode, encode};

use super::*;
use crate::limits::LIST_PROTOBUF_BYTES_MAX;

impl Server {
    /// The code, the media type and the bytes of an answer to one who likes protobuf better.
    async fn typed(&self, method: &str, path: &str, body: Vec<u8>) -> (StatusCode, String, Bytes) {
        let accept = "application/vnd.kubernetes.protobuf,application/json";
        self.typed_as(method, path, accept, body).await
    }

    /// An answer to one who takes only this.
    async fn accepting(&self, path: &str, accept: &str) -> (StatusCode, String, Bytes) {
        self.typed_as("GET", path, accept, Vec::new()).await
    }

    async fn typed_as(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        body: Vec<u8>,
    ) -> (StatusCode, String, Bytes) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", MEDIA_TYPE)
            .header("accept", accept)
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
async fn a_list_that_is_too_long_to_hold_is_measured_and_then_sent() {
    let server = Server::start().await;
    const TEXT: usize = 700 << 10;
    let mut sent = 0;
    while sent <= 2 * LIST_PROTOBUF_BYTES_MAX {
        let (status, _, _) = server
            .typed("POST", MAPS, map(&format!("m{sent}"), "x".repeat(TEXT)))
            .await;
        assert_eq!(status.as_u16(), 201);
        sent += TEXT;
    }
    let limits = Limits {
        bytes: 2 * sent,
        ..Limits::default()
    };
    for path in [
        MAPS.to_owned(),
        format!("{MAPS}?limit=2"),
        format!("{MAPS}?limit=3&fieldSelector=metadata.name!=m0"),
        format!("{MAPS}?fieldSelector=metadata.name!=m0"),
    ] {
        let (status, kind, list) = server.typed("GET", &path, Vec::new()).await;
        assert_eq!((status.as_u16(), kind.as_str()), (200, MEDIA_TYPE));
        let list = decode(&list, limits).unwrap().value;
        assert_eq!(list, server.get(&path).await.1, "{path}");
    }
}

/// The events in the answer to a watch, decoded.
fn events(mut frames: &[u8]) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while let Some((length, rest)) = frames.split_first_chunk() {
        let (frame, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        // Only objects have an envelope that says what they are.
        let mut unknown = vec![0x12];
        let mut length = frame.len();
        while length > 0x7f {
            unknown.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        unknown.push(length as u8);
        let bytes = [b"k8s\0", &unknown[..], frame].concat();
        let event = skerry_wire::decode_as(&bytes, Limits::default(), "v1", "WatchEvent");
        let event = event.unwrap().value;
        events.push((
            event["type"].as_str().unwrap().to_owned(),
            event["object"].clone(),
        ));
        frames = rest;
    }
    events
}

#[tokio::test]
async fn a_watch_tells_what_there_is_where_that_ends_and_what_changes() {
    let server = Server::start().await;
    server.typed("POST", MAPS, map("a", "x".into())).await;
    let path = format!(
        "{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1&fieldSelector=metadata.name=a"
    );
    let (status, kind, frames) = server.typed("GET", &path, Vec::new()).await;
    assert_eq!(
        (status.as_u16(), kind.as_str()),
        (200, skerry_wire::WATCH_MEDIA_TYPE)
    );
    let events = events(&frames);
    let (_, object) = server.get(&format!("{MAPS}/a")).await;
    assert_eq!(events[0], ("ADDED".to_owned(), object));
    let (kind, bookmark) = &events[1];
    assert_eq!(
        (kind.as_str(), &bookmark["kind"]),
        ("BOOKMARK", &json!("ConfigMap"))
    );
    let annotations = &bookmark["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");
}

#[tokio::test]
async fn what_cannot_be_streamed_or_read_is_refused_in_upstreams_words() {
    let server = Server::start().await;
    let watch = format!("{MAPS}?watch=1");
    let (status, _, bytes) = server.accepting(&watch, "application/yaml").await;
    assert_eq!(status.as_u16(), 406);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"), "{text}");

    let secret = encode(&json!({"metadata": {"name": "s"}}), "v1", "Secret").unwrap();
    let (status, _, error) = server.typed("POST", MAPS, secret).await;
    assert_eq!(status.as_u16(), 400);
    assert_eq!(
        read(&error)["message"],
        "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion"
    );
    // The envelope may leave it to the path.
    let (status, _, made) = server
        .typed("POST", MAPS, b"k8s\0\x12\x05\x0a\x03\x0a\x01u".to_vec())
        .await;
    assert_eq!(
        (status.as_u16(), &read(&made)["kind"]),
        (201, &json!("ConfigMap"))
    );
}

#[tokio::test]
async fn custom_objects_are_json_to_those_who_take_it_and_metadata_to_those_who_want_that() {
    let server = Server::start().await;
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.sea.example"},
        "spec": {"group": "sea.example", "scope": "Namespaced",
            "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}]},
    });
    let definition = encode(
        &definition,
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
    );
    let all = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (status, _, made) = server.typed("POST", all, definition.unwrap()).await;
    assert_eq!(status.as_u16(), 201, "{}", read(&made));
    let boats = "/apis/sea.example/v1/namespaces/default/boats";
    server
        .until(boats, |status, _| status == StatusCode::OK)
        .await;

    let (status, kind, _) = server.typed("GET", boats, Vec::new()).await;
    assert_eq!((status.as_u16(), kind.as_str()), (200, "application/json"));
    let (status, kind, refused) = server.accepting(boats, MEDIA_TYPE).await;
    assert_eq!((status.as_u16(), kind.as_str()), (406, MEDIA_TYPE));
    assert_eq!(
        read(&refused)["message"],
        "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"
    );
    let partial =
        "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let (status, kind, list) = server.accepting(boats, partial).await;
    assert_eq!((status.as_u16(), kind.as_str()), (200, MEDIA_TYPE));
    assert_eq!(read(&list)["kind"], "PartialObjectMetadataList");
    let body = b"k8s\0\x12\x05\x0a\x03\x0a\x01u".to_vec();
    let (status, _, refused) = server.typed("POST", boats, body).await;
    assert_eq!(status.as_u16(), 400);
    let refused = read(&refused);
    let message = refused["message"].as_str().unwrap();
    assert!(message.starts_with("Boat in version \"v1\" cannot be handled as a Boat: object *unstructured.Unstructured does not implement"), "{message}");
}
