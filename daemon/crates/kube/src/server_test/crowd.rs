//! More clients at once than are served: whom that concerns.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use skerry_listen::Peer;

use super::{Events, MAPS, Server, map};

/// More than the level has seats while nobody else wants any, and fewer than it lets wait.
const HANGING: usize = 150;
const LEVELS: &str = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations";

#[tokio::test]
async fn whose_requests_hang_keeps_its_watches_and_its_probes_and_nobody_else_waits() {
    let server = Server::start().await;
    for level in ["workload-high", "catch-all"] {
        let path = format!("{LEVELS}/{level}");
        server
            .until(&path, |status, _| status == StatusCode::OK)
            .await;
    }
    let server = &server;
    // This one may read everything.
    let user = "system:kube-controller-manager";
    let ask = |path: &str| {
        let path = path.to_owned();
        async move {
            let groups = ["system:authenticated"];
            let answer = server.send_as(user, &groups, "GET", &path, "", Vec::new());
            answer.await
        }
    };
    let watch = ask(&format!("{MAPS}?watch=1&resourceVersion=1")).await;
    assert_eq!(watch.status(), StatusCode::OK);
    let level = watch.headers()["x-kubernetes-pf-prioritylevel-uid"].clone();
    let (_, object) = server.get(&format!("{LEVELS}/workload-high")).await;
    assert_eq!(level.to_str().unwrap(), object["metadata"]["uid"]);

    let mut peer = Peer::new("127.0.0.1:1".parse().unwrap(), None);
    peer.common_name = Some(user.into());
    let mut under_way: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
    for _ in 0..HANGING {
        // Its body never comes.
        let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let request = Request::get(MAPS).body(body).unwrap();
        let mut answer = Box::pin(server.api.answer(&peer, request));
        assert!(futures_util::poll!(&mut answer).is_pending());
        under_way.push(answer);
    }
    let mut waits = Box::pin(ask(MAPS));
    assert!(futures_util::poll!(&mut waits).is_pending());
    assert_eq!(ask("/readyz").await.status(), StatusCode::OK);
    let mut events = Events {
        body: watch.into_body(),
        rest: Vec::new(),
    };
    server.create(MAPS, map("late")).await;
    while events.named().await.1 != "late" {}
    drop(under_way);
    assert_eq!(waits.await.status(), StatusCode::OK);
}
