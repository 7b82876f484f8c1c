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
use crate::limits::REQUESTS_MAX;

#[tokio::test]
async fn a_watch_begins_and_goes_on_while_there_is_no_room_for_another_request() {
    let server = Server::start().await;
    let mut peer = Peer::new("127.0.0.1:1".parse().unwrap(), None);
    peer.common_name = Some("admin".into());
    peer.organizations = vec!["system:masters".into()];
    let mut under_way: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
    for _ in 0..REQUESTS_MAX {
        // Its body never comes.
        let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let request = Request::get(MAPS).body(body).unwrap();
        let mut answer = Box::pin(server.api.answer(&peer, request));
        assert!(futures_util::poll!(&mut answer).is_pending());
        under_way.push(answer);
    }
    // Administrators have no limit; this one may read everything.
    let server = &server;
    let ask = |path: String| async move {
        let user = "system:kube-controller-manager";
        let groups = ["system:authenticated"];
        server
            .send_as(user, &groups, "GET", &path, "", Vec::new())
            .await
    };
    let refused = ask(MAPS.to_owned()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let watch = ask(format!("{MAPS}?watch=1")).await;
    assert_eq!(watch.status(), StatusCode::OK);
    let mut events = Events {
        body: watch.into_body(),
        rest: Vec::new(),
    };
    drop(under_way);
    server.create(MAPS, map("late")).await;
    while events.named().await.1 != "late" {}
}
