//! What clients keep of discovery and of OpenAPI, and how they learn that it is still so.

use http::HeaderMap;

use super::*;

const EVERYTHING: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const PROTOBUF_BEFORE: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

impl Server {
    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap) {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let mut peer = Peer::new("127.0.0.1:1".parse().unwrap(), None);
        peer.common_name = Some("admin".into());
        peer.organizations = vec!["system:masters".into()];
        let response = self.api.answer(&peer, request).await;
        (response.status(), response.headers().clone())
    }
}

#[tokio::test]
async fn discovery_is_sent_again_only_when_it_has_changed() {
    let server = Server::start().await;
    for path in ["/api", "/apis"] {
        let (status, headers) = server.ask(path, &[("accept", EVERYTHING)]).await;
        assert_eq!(
            (status, &headers["vary"]),
            (StatusCode::OK, &"Accept".parse().unwrap())
        );
        assert_eq!(headers["cache-control"], "public");
        let tag = headers["etag"].to_str().unwrap();
        let again = [("accept", EVERYTHING), ("if-none-match", tag)];
        let (status, headers) = server.ask(path, &again).await;
        assert_eq!(status, StatusCode::NOT_MODIFIED);
        assert_eq!(headers["etag"], tag);
    }
}

#[tokio::test]
async fn a_document_that_is_asked_for_by_its_hash_may_be_kept_for_good() {
    let server = Server::start().await;
    let (_, index) = server.get("/openapi/v3").await;
    let url = index["paths"]["apis/batch/v1"]["serverRelativeURL"].as_str();
    let url = url.unwrap();
    let (status, headers) = server.ask(url, &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["cache-control"], "public, immutable");
    assert!(headers["expires"].to_str().unwrap().ends_with(" GMT"));

    let (status, headers) = server.ask("/openapi/v3/apis/batch/v1?hash=00", &[]).await;
    assert_eq!(status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(headers["location"], url);
    let (status, headers) = server.ask("/openapi/v3/apis/batch/v1", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!headers.contains_key("expires"));
}

#[tokio::test]
async fn the_old_document_is_protobuf_to_those_who_ask_by_either_name() {
    let server = Server::start().await;
    for name in [PROTOBUF, PROTOBUF_BEFORE] {
        let (_, headers) = server.ask("/openapi/v2", &[("accept", name)]).await;
        assert_eq!(headers["content-type"], PROTOBUF);
    }
    let (_, headers) = server.ask("/openapi/v2", &[]).await;
    assert_eq!(headers["content-type"], "application/json");
    let tag = headers["etag"].to_str().unwrap();
    let (status, _) = server.ask("/openapi/v2", &[("if-none-match", tag)]).await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);
}
