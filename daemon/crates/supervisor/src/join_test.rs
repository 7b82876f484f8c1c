//! A node joins over real sockets and TLS, and what it is told when it cannot.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use skerry_consensus::ReadError;
use skerry_pki::{CLOCK_FLOOR, Clock, Identity, Password, Pki, Token, TokenFile};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::cluster::tests::{CLUSTER_ID, FakeCluster};
use crate::error::JoinError;
use crate::join::{Me, join};
use crate::limits::SERVERS_MAX;
use crate::message::JOIN_PATH;
use crate::server::Supervisor;
use crate::server_url::ServerUrl;

const PASSWORD: &str = "secret";

fn pki(folder: &Path) -> Pki {
    let identity = Identity::new("one", vec!["127.0.0.1".parse().unwrap()]);
    Pki::load_or_create(folder, identity, Arc::new(Clock::system())).unwrap()
}

struct Site {
    cluster: Arc<FakeCluster>,
    pki: Pki,
    token: Token,
    url: ServerUrl,
    requests: Arc<Mutex<Vec<Seen>>>,
    _folder: tempfile::TempDir,
}

/// A request as it arrived: its path, and whether it carried credentials.
type Seen = (String, bool);

/// Changes an answer on its way, or gives one of its own.
type Tamper = Arc<dyn Fn(&str, Response<Full<Bytes>>) -> Response<Full<Bytes>> + Send + Sync>;

async fn site() -> Site {
    site_with(Arc::new(|_, response| response)).await
}

async fn site_with(tamper: Tamper) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let pki = pki(folder.path());
    let cluster = FakeCluster::of_one();
    let token = Token::new(pki.ca_hash(), Password::new(PASSWORD).unwrap());
    let supervisor = Supervisor::new(Arc::clone(&cluster), &pki, &token).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let acceptor = TlsAcceptor::from(pki.server_config_api().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, supervisor) = (acceptor.clone(), supervisor.clone());
            let (seen, tamper) = (Arc::clone(&seen), Arc::clone(&tamper));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (supervisor, tamper) = (supervisor.clone(), Arc::clone(&tamper));
                    let path = request.uri().path().to_owned();
                    let secret = request.headers().contains_key("authorization");
                    seen.lock().unwrap().push((path.clone(), secret));
                    async move {
                        let response = supervisor.handle(request).await;
                        Ok::<_, std::convert::Infallible>(tamper(&path, response))
                    }
                });
                let http = hyper::server::conn::http1::Builder::new();
                _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Site {
        cluster,
        pki,
        token,
        url,
        requests,
        _folder: folder,
    }
}

impl Site {
    fn secrets_received(&self) -> usize {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, secret)| *secret)
            .count()
    }
}

fn me() -> Me {
    Me {
        name: "two".into(),
        peer_urls: vec!["https://127.0.0.2:2380".into()],
        client_urls: vec!["https://127.0.0.2:2379".into()],
        cluster_id: None,
        password: crate::NodePassword::generate().unwrap(),
        critical: crate::CriticalValues::default(),
    }
}

/// Nobody listens there.
async fn silent_url() -> ServerUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("https://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap()
}

async fn try_join(
    servers: &[ServerUrl],
    token: &Token,
    me: &Me,
    data_dir: &Path,
) -> Result<crate::Joined, JoinError> {
    let clock = Arc::new(Clock::system());
    join(servers, token, me, data_dir, &clock, Some(Duration::ZERO)).await
}

async fn refused(site: &Site, token: &Token, me: &Me) -> JoinError {
    let folder = tempfile::tempdir().unwrap();
    let error = try_join(std::slice::from_ref(&site.url), token, me, folder.path())
        .await
        .expect_err("the join should fail");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is written"
    );
    error
}

#[tokio::test]
async fn a_node_joins_with_the_full_token_and_starts_with_the_clusters_authorities() {
    let site = site().await;
    let folder = tempfile::tempdir().unwrap();
    let joined = try_join(
        std::slice::from_ref(&site.url),
        &site.token,
        &me(),
        folder.path(),
    )
    .await
    .unwrap();
    assert_eq!((joined.cluster_id, joined.member_id), (CLUSTER_ID, 2));
    assert_eq!(joined.members.len(), 2);
    let identity = Identity::new("two", vec!["127.0.0.2".parse().unwrap()]);
    let pki = Pki::load(folder.path(), identity, Arc::new(Clock::system())).unwrap();
    assert_eq!(pki.authority_files(), site.pki.authority_files());
    let token = TokenFile::of(folder.path()).load().unwrap().unwrap();
    assert_eq!(*token.expose(), *site.token.expose());
}

#[tokio::test]
async fn a_node_joins_with_the_short_password_and_then_holds_the_full_token() {
    let site = site().await;
    let folder = tempfile::tempdir().unwrap();
    let short = Token::parse(PASSWORD).unwrap();
    let joined = try_join(
        std::slice::from_ref(&site.url),
        &short,
        &me(),
        folder.path(),
    )
    .await
    .unwrap();
    assert_eq!(*joined.token.expose(), *site.token.expose());
}

#[tokio::test]
async fn a_join_cut_off_before_the_start_is_repeated_and_leaves_no_member_behind() {
    let site = site().await;
    let folder = tempfile::tempdir().unwrap();
    let servers = std::slice::from_ref(&site.url);
    let first = try_join(servers, &site.token, &me(), folder.path())
        .await
        .unwrap();
    let again = try_join(servers, &site.token, &me(), folder.path())
        .await
        .unwrap();
    assert_ne!(first.member_id, again.member_id);
    assert_eq!(again.members.len(), 2);
}

#[tokio::test]
async fn a_token_of_another_cluster_is_noticed_before_anything_secret_is_sent() {
    let site = site().await;
    let other = tempfile::tempdir().unwrap();
    let token = Token::new(pki(other.path()).ca_hash(), site.token.password().clone());
    let error = refused(&site, &token, &me()).await;
    assert!(matches!(error, JoinError::CaHash { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("token CA hash does not match the Cluster CA certificate hash"),
        "{error}"
    );
    assert_eq!(site.secrets_received(), 0);
}

#[tokio::test]
async fn somebody_who_serves_the_right_ca_without_its_key_gets_nothing_secret() {
    let real = site().await;
    let bundle = real.pki.ca_bundle().to_owned();
    let site = site_with(Arc::new(move |path, response| match path {
        "/cacerts" => Response::new(Full::new(Bytes::from(bundle.clone()))),
        _ => response,
    }))
    .await;
    let error = refused(&site, &real.token, &me()).await;
    assert!(matches!(error, JoinError::Certificate { .. }), "{error}");
    assert_eq!(site.secrets_received(), 0);
}

#[tokio::test]
async fn a_wrong_password_is_called_one() {
    let site = site().await;
    for text in [
        "wrong".to_owned(),
        format!("K10{}::server:wrong", site.pki.ca_hash()),
    ] {
        let error = refused(&site, &Token::parse(&text).unwrap(), &me()).await;
        assert!(matches!(error, JoinError::WrongPassword { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_name_that_is_taken_and_a_cluster_that_is_another_are_called_so() {
    let site = site().await;
    let error = refused(
        &site,
        &site.token,
        &Me {
            name: "one".into(),
            ..me()
        },
    )
    .await;
    assert!(matches!(error, JoinError::DuplicateName { .. }), "{error}");
    assert!(
        error.to_string().contains("duplicate node name found"),
        "{error}"
    );
    let error = refused(
        &site,
        &site.token,
        &Me {
            cluster_id: Some(7),
            ..me()
        },
    )
    .await;
    let JoinError::ClusterId { ours, theirs, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((ours, theirs), (7, CLUSTER_ID));
    let error = refused(
        &site,
        &site.token,
        &Me {
            peer_urls: vec![],
            ..me()
        },
    )
    .await;
    assert!(matches!(error, JoinError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn servers_are_tried_in_turn_until_one_takes_the_node_in() {
    let site = site().await;
    let folder = tempfile::tempdir().unwrap();
    let servers = [silent_url().await, site.url.clone()];
    let joined = try_join(&servers, &site.token, &me(), folder.path())
        .await
        .unwrap();
    assert_eq!(joined.server, site.url);
}

#[tokio::test]
async fn a_cluster_without_a_leader_is_asked_again_until_it_has_one() {
    let site = site().await;
    site.cluster
        .change(|fake| fake.linearize = Err(ReadError::NoLeader));
    let requests = Arc::clone(&site.requests);
    let cluster = Arc::clone(&site.cluster);
    let healed = tokio::spawn(async move {
        // The first try has come and gone when the leader appears.
        while requests
            .lock()
            .unwrap()
            .iter()
            .filter(|(path, _)| path == JOIN_PATH)
            .count()
            < 1
        {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        cluster.change(|fake| fake.linearize = Ok(()));
    });
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Clock::system());
    let servers = std::slice::from_ref(&site.url);
    let joined = join(servers, &site.token, &me(), folder.path(), &clock, None)
        .await
        .unwrap();
    assert_eq!(joined.member_id, 2);
    healed.await.unwrap();
}

#[tokio::test]
async fn when_nobody_answers_the_last_reason_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let token = Token::parse(PASSWORD).unwrap();
    let servers = [silent_url().await];
    let error = try_join(&servers, &token, &me(), folder.path())
        .await
        .unwrap_err();
    assert!(matches!(error, JoinError::Unreachable { .. }), "{error}");
    assert!(
        error.to_string().contains(&servers[0].to_string()),
        "{error}"
    );
    let error = try_join(&[], &token, &me(), folder.path())
        .await
        .unwrap_err();
    assert!(matches!(error, JoinError::NoServers));
    let many = vec![servers[0].clone(); SERVERS_MAX + 1];
    let error = try_join(&many, &token, &me(), folder.path())
        .await
        .unwrap_err();
    assert!(matches!(error, JoinError::TooManyServers { .. }), "{error}");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_refused_by_name() {
    let cases: &[(&str, &str, StatusCode, &str)] = &[
        (
            "/cacerts",
            "not a certificate",
            StatusCode::OK,
            "no usable certificate authority",
        ),
        (JOIN_PATH, "{}", StatusCode::OK, "not understood"),
        (JOIN_PATH, "<html>", StatusCode::BAD_GATEWAY, "502"),
        (
            JOIN_PATH,
            r#"{"cluster_id":1,"member_id":2,"members":[],"bootstrap":"AAAA"}"#,
            StatusCode::OK,
            "not an encrypted envelope",
        ),
        (
            JOIN_PATH,
            r#"{"reason":"unheard of","message":"two\nlines"}"#,
            StatusCode::CONFLICT,
            "two lines",
        ),
    ];
    for (tampered, text, status, said) in cases {
        let site = site_with(Arc::new(move |path, response| {
            if path != *tampered {
                return response;
            }
            let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
            *response.status_mut() = *status;
            response
        }))
        .await;
        let error = refused(&site, &site.token, &me()).await.to_string();
        assert!(error.contains(said), "{text}: {error}");
        assert!(error.contains(&site.url.to_string()), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let huge = Bytes::from(vec![b' '; crate::limits::ANSWER_BYTES_MAX + 1]);
    let site = site_with(Arc::new(move |_, _| Response::new(Full::new(huge.clone())))).await;
    let error = refused(&site, &site.token, &me()).await;
    assert!(matches!(error, JoinError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("length limit"), "{error}");
}

#[tokio::test]
async fn a_board_without_a_clock_joins_and_learns_the_time() {
    let site = site().await;
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Clock::reading(|| 60));
    assert_eq!(clock.now(), CLOCK_FLOOR);
    let servers = std::slice::from_ref(&site.url);
    join(
        servers,
        &site.token,
        &me(),
        folder.path(),
        &clock,
        Some(Duration::ZERO),
    )
    .await
    .unwrap();
    assert!(clock.now() > CLOCK_FLOOR);
}
