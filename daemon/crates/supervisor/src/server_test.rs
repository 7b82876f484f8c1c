//! What callers of 6443 can rely on, with a cluster that is played.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use skerry_consensus::{ProposeError, ReadError};
use skerry_pki::{Clock, Identity, Password, Pki, Token};

use crate::bootstrap::Bootstrap;
use crate::cluster::tests::{CLUSTER_ID, FakeCluster, member};
use crate::limits::{
    JOIN_REQUEST_BYTES_MAX, JOINS_IN_FLIGHT_MAX, UNREAD_BODY_BYTES_MAX, WRONG_PASSWORDS_BURST,
};
use crate::message::tests::request as join_request;
use crate::message::{JOIN_PATH, JoinAnswer, JoinRequest, RefusalAnswer};
use crate::reply::Reply;
use crate::server::Supervisor;

const PASSWORD: &str = "secret";

struct Desk {
    cluster: Arc<FakeCluster>,
    pki: Pki,
    supervisor: Supervisor<Arc<FakeCluster>>,
    _folder: tempfile::TempDir,
}

fn pki(folder: &Path) -> Pki {
    let identity = Identity::new("one", vec!["127.0.0.1".parse().unwrap()]);
    Pki::load_or_create(folder, identity, Arc::new(Clock::system())).unwrap()
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let pki = pki(folder.path());
    let cluster = FakeCluster::of_one();
    let token = Token::new(pki.ca_hash(), Password::new(PASSWORD).unwrap());
    let supervisor = Supervisor::new(Arc::clone(&cluster), &pki, &token).unwrap();
    Desk {
        cluster,
        pki,
        supervisor,
        _folder: folder,
    }
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

fn join(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(JOIN_PATH)
        .header(AUTHORIZATION, basic(&format!("server:{PASSWORD}")))
        .body(Full::new(body.into()))
        .unwrap()
}

fn join_as(request: &JoinRequest) -> Request<Full<Bytes>> {
    join(serde_json::to_vec(request).unwrap())
}

fn call(method: &str, path: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Full::default())
        .unwrap()
}

async fn body(response: Reply) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn refusal(response: Reply) -> (StatusCode, RefusalAnswer) {
    let status = response.status();
    (status, serde_json::from_str(&body(response).await).unwrap())
}

async fn joined(response: Reply) -> JoinAnswer {
    let status = response.status();
    let body = body(response).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn anybody_may_read_the_ca_and_the_health() {
    let desk = desk();
    let cases = [
        ("/cacerts", desk.pki.ca_bundle()),
        ("/ping", "pong"),
        ("/healthz", "ok"),
        ("/livez", "ok"),
        ("/readyz", "ok"),
    ];
    for (path, text) in cases {
        for method in ["GET", "HEAD"] {
            let response = desk.supervisor.handle(call(method, path)).await;
            assert_eq!(response.status(), StatusCode::OK, "{method} {path}");
            assert_eq!(body(response).await, text, "{path}");
        }
        let response = desk.supervisor.handle(call("POST", path)).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()[ALLOW], "GET, HEAD");
    }
}

#[tokio::test]
async fn a_path_of_the_kubernetes_api_is_not_found_in_its_own_words() {
    let desk = desk();
    for path in ["/version", "/api/v1/pods", "/", "/cacerts/", "/v1-skerry"] {
        let response = desk.supervisor.handle(call("GET", path)).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let status: serde_json::Value = serde_json::from_str(&body(response).await).unwrap();
        assert_eq!(status["kind"], "Status");
        assert_eq!(status["reason"], "NotFound");
        assert_eq!(status["code"], 404);
        assert_eq!(
            status["message"],
            "the server could not find the requested resource"
        );
    }
}

#[tokio::test]
async fn a_node_is_ready_while_a_majority_answers_and_its_store_serves() {
    let desk = desk();
    let ready = async |query: &str| {
        let path = format!("/readyz?{query}");
        desk.supervisor.handle(call("GET", &path)).await
    };
    assert_eq!(ready("").await.status(), StatusCode::OK);
    desk.cluster
        .change(|fake| fake.linearize = Err(ReadError::NoLeader));
    let response = ready("").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = body(response).await;
    assert!(
        text.contains("[+]etcd ok\n[-]etcd-readiness failed: reason withheld\n"),
        "{text}"
    );
    assert!(text.ends_with("readyz check failed\n"), "{text}");
    // It still serves reads, to those who ask for no more.
    let reads = ready("exclude=etcd-readiness").await;
    assert_eq!(reads.status(), StatusCode::OK);
    let live = desk.supervisor.handle(call("GET", "/livez")).await;
    assert_eq!(live.status(), StatusCode::OK, "a restart would not help");

    desk.cluster.change(|fake| fake.linearize = Ok(()));
    assert_eq!(ready("").await.status(), StatusCode::OK);
    desk.cluster
        .change(|fake| fake.store = Err("closed".into()));
    assert_eq!(ready("").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let live = desk.supervisor.handle(call("GET", "/livez")).await;
    assert_eq!(live.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_readiness_probe_does_not_wait_longer_than_its_limit() {
    let desk = desk();
    desk.cluster.change(|fake| fake.hang = true);
    let response = desk.supervisor.handle(call("GET", "/readyz")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_member_that_cannot_go_on_is_not_live() {
    let desk = desk();
    desk.cluster
        .change(|fake| fake.status.fatal = Some("the disk failed".into()));
    for path in ["/livez", "/healthz", "/readyz"] {
        let response = desk.supervisor.handle(call("GET", path)).await;
        assert_eq!(
            response.status(),
            StatusCode::INTERNAL_SERVER_ERROR,
            "{path}"
        );
        // A probe of anybody is not told why.
        assert!(!body(response).await.contains("disk"));
    }
}

#[tokio::test]
async fn health_lists_its_checks_when_asked_to() {
    let desk = desk();
    for query in ["verbose", "verbose=true", "x=1&verbose"] {
        let path = format!("/readyz?{query}");
        let text = body(desk.supervisor.handle(call("GET", &path)).await).await;
        assert_eq!(
            text,
            "[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]etcd-readiness ok\nreadyz check passed\n"
        );
    }
}

#[tokio::test]
async fn a_server_with_the_token_is_taken_in_and_gets_what_it_needs() {
    let desk = desk();
    let answer = joined(desk.supervisor.handle(join_as(&join_request())).await).await;
    assert_eq!(answer.cluster_id, CLUSTER_ID);
    assert_eq!(answer.members.len(), 2);
    let new = answer
        .members
        .iter()
        .find(|member| member.id == answer.member_id)
        .unwrap();
    assert_eq!(new.peer_urls, join_request().peer_urls);
    assert!(new.learner);
    let envelope = STANDARD.decode(&answer.bootstrap).unwrap();
    let bootstrap = Bootstrap::open(&envelope, &Password::new(PASSWORD).unwrap()).unwrap();
    assert_eq!(bootstrap.files, desk.pki.authority_files());
    assert!(
        !answer
            .bootstrap
            .contains(&STANDARD.encode("PRIVATE KEY")[..8])
    );
}

#[tokio::test]
async fn asking_again_before_the_first_start_leaves_one_member_under_a_new_id() {
    let desk = desk();
    let first = joined(desk.supervisor.handle(join_as(&join_request())).await).await;
    let second = joined(desk.supervisor.handle(join_as(&join_request())).await).await;
    assert_ne!(first.member_id, second.member_id);
    let ids: Vec<u64> = second.members.iter().map(|member| member.id).collect();
    assert_eq!(ids, [1, second.member_id]);
}

#[tokio::test]
async fn a_follower_that_lags_behind_the_leader_still_names_the_new_member() {
    let desk = desk();
    desk.cluster.change(|fake| fake.lags = true);
    let answer = joined(desk.supervisor.handle(join_as(&join_request())).await).await;
    let new = answer
        .members
        .iter()
        .find(|member| member.id == answer.member_id)
        .unwrap();
    assert_eq!(new.peer_urls, join_request().peer_urls);
}

#[tokio::test]
async fn two_requests_at_once_of_one_node_leave_one_member() {
    let desk = desk();
    let request = join_request();
    let (one, two) = tokio::join!(
        desk.supervisor.handle(join_as(&request)),
        desk.supervisor.handle(join_as(&request)),
    );
    assert_ne!(joined(one).await.member_id, joined(two).await.member_id);
    desk.cluster
        .change(|fake| assert_eq!(fake.status.members.len(), 2));
}

#[tokio::test]
async fn the_name_of_a_running_member_is_refused_in_k3s_words() {
    let desk = desk();
    let request = JoinRequest {
        name: "one".into(),
        ..join_request()
    };
    let (status, refusal) = refusal(desk.supervisor.handle(join_as(&request)).await).await;
    assert_eq!(
        (status, refusal.reason.as_str()),
        (StatusCode::CONFLICT, "duplicate_name")
    );
    assert!(
        refusal
            .message
            .starts_with("duplicate node name found, please use a unique name for this node"),
        "{}",
        refusal.message
    );
}

#[tokio::test]
async fn a_member_that_is_heard_of_keeps_its_place_though_nobody_listens_where_it_was() {
    let desk = desk();
    let vacant = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut request = join_request();
    request.peer_urls = vec![format!("https://{}", vacant.local_addr().unwrap())];
    drop(vacant);
    let moved = (2, member("two", &request.peer_urls[0]), false);
    desk.cluster.change(|fake| {
        fake.status.members.push(moved);
        fake.last_id = 2;
        fake.heard = Some(2);
    });
    let response = desk.supervisor.handle(join_as(&request)).await;
    let (status, refused) = refusal(response).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.reason, "unavailable", "it may ask again");
    assert!(refused.message.contains("was heard of lately"));

    // Who has kept another password is another node; who has none any more may be this one.
    desk.cluster.change(|fake| {
        fake.heard = None;
        let own = crate::NodePassword::generate().unwrap();
        fake.password_hashes.insert(2, own.hash());
    });
    let mut password = crate::NodePassword::generate().unwrap();
    password.is_new = false;
    request.password = Some(password.shown());
    let (status, refused) = refusal(desk.supervisor.handle(join_as(&request)).await).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        refused
            .message
            .starts_with("Node password rejected, duplicate hostname")
    );
    password.is_new = true;
    request.password = Some(password.shown());
    let answer = joined(desk.supervisor.handle(join_as(&request)).await).await;
    assert_eq!(answer.member_id, 3);
}

#[tokio::test]
async fn one_name_from_two_places_is_let_in_once() {
    let desk = desk();
    joined(desk.supervisor.handle(join_as(&join_request())).await).await;
    let twin = JoinRequest {
        peer_urls: vec!["https://127.0.0.3:2380".into()],
        ..join_request()
    };
    let (status, refusal) = refusal(desk.supervisor.handle(join_as(&twin)).await).await;
    assert_eq!(
        (status, refusal.reason.as_str()),
        (StatusCode::CONFLICT, "duplicate_name")
    );
}

#[tokio::test]
async fn one_name_from_two_places_is_let_in_once_though_two_servers_are_asked() {
    let desk = desk();
    let token = Token::new(desk.pki.ca_hash(), Password::new(PASSWORD).unwrap());
    let other = Supervisor::new(Arc::clone(&desk.cluster), &desk.pki, &token).unwrap();
    joined(desk.supervisor.handle(join_as(&join_request())).await).await;
    let twin = JoinRequest {
        peer_urls: vec!["https://127.0.0.3:2380".into()],
        ..join_request()
    };
    let (status, refused) = refusal(other.handle(join_as(&twin)).await).await;
    assert_eq!(
        (status, refused.reason.as_str()),
        (StatusCode::CONFLICT, "duplicate_name")
    );
    // Once that member is gone, its name is free.
    desk.cluster.change(|fake| fake.status.members.truncate(1));
    joined(other.handle(join_as(&twin)).await).await;
}

#[tokio::test]
async fn peer_urls_of_another_member_are_refused() {
    let desk = desk();
    desk.cluster.change(|fake| {
        fake.status
            .members
            .push((9, member("nine", "https://127.0.0.2:2380"), false));
        fake.add = Err(ProposeError::PeerUrlExists);
    });
    let (status, refusal) = refusal(desk.supervisor.handle(join_as(&join_request())).await).await;
    assert_eq!(
        (status, refusal.reason.as_str()),
        (StatusCode::CONFLICT, "peer_url_in_use")
    );
    assert!(
        refusal.message.contains("https://127.0.0.2:2380"),
        "{}",
        refusal.message
    );
}

#[tokio::test]
async fn what_time_heals_is_told_apart_from_what_it_does_not() {
    let cases = [
        (
            ProposeError::NoLeader,
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
        ),
        (
            ProposeError::TooManyLearners,
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
        ),
        (
            ProposeError::Timeout,
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
        ),
        (
            ProposeError::MemberExists,
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed",
        ),
    ];
    let desk = desk();
    for (error, code, reason) in cases {
        desk.cluster.change(|fake| fake.add = Err(error.clone()));
        let response = desk.supervisor.handle(join_as(&join_request())).await;
        let wait = response.headers().contains_key(RETRY_AFTER);
        let (status, refusal) = refusal(response).await;
        assert_eq!((status, refusal.reason.as_str()), (code, reason), "{error}");
        assert_eq!(wait, reason == "unavailable");
        assert!(
            refusal.message.contains(&error.to_string()),
            "{}",
            refusal.message
        );
    }
    desk.cluster
        .change(|fake| fake.linearize = Err(ReadError::NoLeader));
    let (status, _) = refusal(desk.supervisor.handle(join_as(&join_request())).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn without_the_password_nothing_is_said_and_nobody_is_let_in() {
    let valid = serde_json::to_vec(&join_request()).unwrap();
    let cases = [
        None,
        Some(basic("server:wrong")),
        Some(basic("server:")),
        Some(basic("node:secret")),
        Some(basic("secret")),
        Some("Basic !!!".to_owned()),
        Some("Basic".to_owned()),
        Some(format!("Bearer {PASSWORD}")),
    ];
    let desk = desk();
    for credentials in cases {
        let mut request = join(valid.clone());
        request.headers_mut().remove(AUTHORIZATION);
        if let Some(credentials) = &credentials {
            request
                .headers_mut()
                .insert(AUTHORIZATION, credentials.parse().unwrap());
        }
        let response = desk.supervisor.handle(request).await;
        assert!(
            response.headers().contains_key(WWW_AUTHENTICATE),
            "{credentials:?}"
        );
        let (status, refusal) = refusal(response).await;
        assert_eq!(
            (status, refusal.reason.as_str()),
            (StatusCode::UNAUTHORIZED, "wrong_password"),
            "{credentials:?}"
        );
    }
    desk.cluster
        .change(|fake| assert_eq!(fake.status.members.len(), 1));
}

#[tokio::test]
async fn guessing_is_slowed_down_and_the_right_password_alone_is_not() {
    let desk = desk();
    for _ in 0..3 * WRONG_PASSWORDS_BURST {
        joined(desk.supervisor.handle(join_as(&join_request())).await).await;
    }
    let guess = || {
        Request::post(JOIN_PATH)
            .header(AUTHORIZATION, basic("server:guess"))
            .body(Full::<Bytes>::default())
            .unwrap()
    };
    for _ in 0..WRONG_PASSWORDS_BURST {
        let status = desk.supervisor.handle(guess()).await.status();
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    // From here on not even the right one is looked at, or guessing would go on.
    for request in [guess(), join_as(&join_request())] {
        let status = desk.supervisor.handle(request).await.status();
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let desk = desk();
    let mut body = serde_json::to_vec(&join_request()).unwrap();
    body.resize(JOIN_REQUEST_BYTES_MAX, b' ');
    joined(desk.supervisor.handle(join(body.clone())).await).await;
    body.push(b' ');
    let (status, refusal) = refusal(desk.supervisor.handle(join(body)).await).await;
    assert_eq!(
        (status, refusal.reason.as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "malformed")
    );
}

#[tokio::test]
async fn a_request_that_is_not_understood_is_refused_with_the_reason() {
    let desk = desk();
    for text in ["", "[]", "{", "{\"version\":1}", "\u{0}"] {
        let (status, refusal) = refusal(desk.supervisor.handle(join(text)).await).await;
        assert_eq!(
            (status, refusal.reason.as_str()),
            (StatusCode::BAD_REQUEST, "malformed")
        );
    }
    let response: Response<_> = desk.supervisor.handle(call("GET", JOIN_PATH)).await;
    assert_eq!(response.headers()[ALLOW], "POST");
}

/// A body that never comes.
struct Silence;

impl hyper::body::Body for Silence {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Pending
    }
}

fn silent() -> Request<Silence> {
    let credentials = basic(&format!("server:{PASSWORD}"));
    Request::post(JOIN_PATH)
        .header(AUTHORIZATION, credentials)
        .body(Silence)
        .unwrap()
}

#[tokio::test]
async fn a_request_that_never_arrives_is_given_up() {
    let Desk { cluster, pki, .. } = desk();
    let token = Token::new(pki.ca_hash(), Password::new(PASSWORD).unwrap());
    let hasty = Supervisor::patient(cluster, &pki, &token, Duration::from_millis(1)).unwrap();
    let (status, _) = refusal(hasty.handle(silent()).await).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn joins_beyond_the_limit_are_turned_away_at_once() {
    let desk = desk();
    let mut waiting = Vec::new();
    for _ in 0..JOINS_IN_FLIGHT_MAX {
        let mut held = Box::pin(desk.supervisor.handle(silent()));
        let first_step = std::future::poll_fn(|context| {
            std::task::Poll::Ready(held.as_mut().poll(context).is_pending())
        });
        assert!(first_step.await);
        waiting.push(held);
    }
    let status = desk
        .supervisor
        .handle(join_as(&join_request()))
        .await
        .status();
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    waiting.pop();
    joined(desk.supervisor.handle(join_as(&join_request())).await).await;
}

/// A body of frames of 64 KiB without end, that counts those taken.
struct Endless(Arc<std::sync::atomic::AtomicUsize>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let frame = hyper::body::Frame::data(Bytes::from_static(&[0; 65536]));
        std::task::Poll::Ready(Some(Ok(frame)))
    }
}

#[tokio::test]
async fn a_body_that_nobody_asked_for_is_read_up_to_a_limit() {
    let desk = desk();
    let taken = Arc::default();
    let body = Endless(Arc::clone(&taken));
    let request = Request::post("/api/v1/namespaces").body(body).unwrap();
    let response = desk.supervisor.handle(request).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let taken = taken.load(std::sync::atomic::Ordering::Relaxed) * 65536;
    assert!(
        (UNREAD_BODY_BYTES_MAX..=UNREAD_BODY_BYTES_MAX + 65536).contains(&taken),
        "{taken}"
    );
}

/// curl gives up on an HTTP/2 stream that is answered and closed while it still sends.
#[tokio::test]
async fn a_refusal_is_sent_after_the_body_has_arrived() {
    let desk = desk();
    for path in [JOIN_PATH, "/api/v1/namespaces", "/cacerts"] {
        let mut body = Full::new(Bytes::from_static(b"{}"));
        let request = Request::post(path).body(&mut body).unwrap();
        let response = desk.supervisor.handle(request).await;
        assert!(response.status().is_client_error(), "{path}");
        assert!(hyper::body::Body::is_end_stream(&body), "{path}");
    }
}
