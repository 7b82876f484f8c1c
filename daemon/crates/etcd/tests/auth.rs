//! Promises of authentication: tokens, passwords, certificates, and what callers may do.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Authority, Member, get, in_time, put};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::pki_types::ServerName;
use skerry_etcd::rpc::etcdserverpb::auth_client::AuthClient;
use skerry_etcd::rpc::etcdserverpb::kv_client::KvClient;
use skerry_etcd::{AuthOptions, Options, Transport};
use skerry_proto::authpb::permission::Type;
use skerry_proto::authpb::{Permission, UserAddOptions};
use skerry_proto::etcdserverpb as pb;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// A request that shows a token.
fn with_token<M>(token: &str, message: M) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    request
        .metadata_mut()
        .insert("token", token.parse().unwrap());
    request
}

fn refusal(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}

/// `root` with the password `r` and its role; `alice` with the password `a`, who may read and
/// write the keys that begin with `a`.
async fn add_users(auth: &mut AuthClient<Channel>) {
    for (name, password) in [("root", "r"), ("alice", "a")] {
        auth.user_add(user(name, password)).await.unwrap();
    }
    auth.role_add(pb::AuthRoleAddRequest { name: "r".into() })
        .await
        .unwrap();
    let perm = Permission {
        perm_type: Type::Readwrite as i32,
        key: Bytes::from_static(b"a"),
        range_end: Bytes::from_static(b"b"),
    };
    auth.role_grant_permission(pb::AuthRoleGrantPermissionRequest {
        name: "r".into(),
        perm: Some(perm),
    })
    .await
    .unwrap();
    for (user, role) in [("root", "root"), ("alice", "r")] {
        auth.user_grant_role(pb::AuthUserGrantRoleRequest {
            user: user.into(),
            role: role.into(),
        })
        .await
        .unwrap();
    }
}

fn user(name: &str, password: &str) -> pb::AuthUserAddRequest {
    pb::AuthUserAddRequest {
        name: name.into(),
        password: password.into(),
        ..Default::default()
    }
}

async fn token(
    auth: &mut AuthClient<Channel>,
    name: &str,
    password: &str,
) -> Result<String, Status> {
    let request = pb::AuthenticateRequest {
        name: name.into(),
        password: password.into(),
    };
    let response = in_time(auth.authenticate(request)).await?;
    Ok(response.into_inner().token)
}

/// A member with users, and authentication on.
async fn guarded(options: &AuthOptions) -> (Member, AuthClient<Channel>, KvClient<Channel>) {
    let member = Member::start_with_auth(Options::default(), options).await;
    let mut auth = AuthClient::new(member.channel().await);
    add_users(&mut auth).await;
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
    let kv = member.kv().await;
    (member, auth, kv)
}

#[tokio::test]
async fn a_password_gets_a_token_and_the_token_opens_the_users_keys_only() {
    let (member, mut auth, mut kv) = guarded(&AuthOptions::default()).await;
    let alice = token(&mut auth, "alice", "a").await.unwrap();
    let (letters, index) = alice.split_once('.').unwrap();
    assert!(letters.len() == 16 && letters.bytes().all(|b| b.is_ascii_alphabetic()));
    assert!(index.parse::<u64>().is_ok());

    kv.put(with_token(&alice, put("a1", "v"))).await.unwrap();
    let range = kv.range(with_token(&alice, get("a1"))).await.unwrap();
    assert_eq!(range.into_inner().count, 1);
    let denied = kv.put(with_token(&alice, put("b", "v"))).await.unwrap_err();
    let permission_denied = (Code::PermissionDenied, "etcdserver: permission denied");
    assert_eq!(refusal(&denied), permission_denied);
    let denied = kv.range(with_token(&alice, get("b"))).await.unwrap_err();
    assert_eq!(refusal(&denied), permission_denied);

    let root = token(&mut auth, "root", "r").await.unwrap();
    kv.put(with_token(&root, put("b", "v"))).await.unwrap();

    let nobody = kv.put(put("a1", "v")).await.unwrap_err();
    assert_eq!(
        refusal(&nobody),
        (Code::InvalidArgument, "etcdserver: user name is empty")
    );
    for bad in ["abc", "abc.0", "abcdefghijklmnop.0"] {
        let refused = kv.range(with_token(bad, get("a1"))).await.unwrap_err();
        assert_eq!(
            refusal(&refused),
            (Code::Unauthenticated, "etcdserver: invalid auth token"),
            "{bad}"
        );
    }
    member.stop().await;
}

#[tokio::test]
async fn a_wrong_password_gets_nothing() {
    let (member, mut auth, _kv) = guarded(&AuthOptions::default()).await;
    let root = token(&mut auth, "root", "r").await.unwrap();
    let no_password = pb::AuthUserAddRequest {
        name: "cert".into(),
        options: Some(UserAddOptions { no_password: true }),
        ..Default::default()
    };
    auth.user_add(with_token(&root, no_password)).await.unwrap();
    let failed = (
        Code::InvalidArgument,
        "etcdserver: authentication failed, invalid user ID or password",
    );
    let not_with_a_password = (
        Code::Unknown,
        "auth: authentication failed, password was given for no password user",
    );
    for (name, password, expected) in [
        ("alice", "b", failed),
        ("alice", "", failed),
        ("nobody", "a", failed),
        ("", "", failed),
        ("cert", "", not_with_a_password),
    ] {
        let refused = token(&mut auth, name, password).await.unwrap_err();
        assert_eq!(refusal(&refused), expected, "{name} {password}");
    }
    let too_long = user("long", &"x".repeat(73));
    let refused = auth
        .user_add(with_token(&root, too_long))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::Unknown, "bcrypt: password length exceeds 72 bytes")
    );
    let too_long = user(&"x".repeat(4097), "x");
    let refused = auth
        .user_add(with_token(&root, too_long))
        .await
        .unwrap_err();
    assert_eq!(refused.message(), "etcdserver: request is too large");
    member.stop().await;
}

#[tokio::test]
async fn tokens_end_with_the_password_with_the_user_and_with_authentication() {
    let (member, mut auth, mut kv) = guarded(&AuthOptions::default()).await;
    let root = token(&mut auth, "root", "r").await.unwrap();
    let invalid = (Code::Unauthenticated, "etcdserver: invalid auth token");

    let alice = token(&mut auth, "alice", "a").await.unwrap();
    let change = pb::AuthUserChangePasswordRequest {
        name: "alice".into(),
        password: "new".into(),
        ..Default::default()
    };
    auth.user_change_password(with_token(&root, change))
        .await
        .unwrap();
    let refused = kv.range(with_token(&alice, get("a"))).await.unwrap_err();
    assert_eq!(refusal(&refused), invalid);
    assert!(token(&mut auth, "alice", "a").await.is_err());

    let alice = token(&mut auth, "alice", "new").await.unwrap();
    kv.range(with_token(&alice, get("a"))).await.unwrap();
    let delete = pb::AuthUserDeleteRequest {
        name: "alice".into(),
    };
    auth.user_delete(with_token(&root, delete)).await.unwrap();
    let refused = kv.range(with_token(&alice, get("a"))).await.unwrap_err();
    assert_eq!(refusal(&refused), invalid);

    auth.auth_disable(with_token(&root, pb::AuthDisableRequest {}))
        .await
        .unwrap();
    kv.range(with_token(&alice, get("a"))).await.unwrap();
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
    let refused = kv.range(with_token(&root, get("a"))).await.unwrap_err();
    assert_eq!(refusal(&refused), invalid);
    member.stop().await;
}

#[tokio::test]
async fn rules_that_change_hold_at_once_for_tokens_that_live() {
    let (member, mut auth, mut kv) = guarded(&AuthOptions::default()).await;
    let root = token(&mut auth, "root", "r").await.unwrap();
    let alice = token(&mut auth, "alice", "a").await.unwrap();
    kv.put(with_token(&alice, put("a", "v"))).await.unwrap();
    let revoke = pb::AuthUserRevokeRoleRequest {
        name: "alice".into(),
        role: "r".into(),
    };
    auth.user_revoke_role(with_token(&root, revoke))
        .await
        .unwrap();
    let refused = kv.put(with_token(&alice, put("a", "v"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let status = auth
        .auth_status(with_token(&root, pb::AuthStatusRequest {}))
        .await
        .unwrap()
        .into_inner();
    // One for the first start, two users, a role, its permission, two grants, one taken back.
    assert_eq!((status.enabled, status.auth_revision), (true, 8));
    member.stop().await;
}

#[tokio::test]
async fn administration_is_for_administrators_and_users_see_themselves() {
    let (member, mut auth, _kv) = guarded(&AuthOptions::default()).await;
    let alice = token(&mut auth, "alice", "a").await.unwrap();
    let denied = (Code::PermissionDenied, "etcdserver: permission denied");
    let refused = auth
        .user_add(with_token(&alice, user("bob", "b")))
        .await
        .unwrap_err();
    assert_eq!(refusal(&refused), denied);
    let refused = auth
        .user_list(with_token(&alice, pb::AuthUserListRequest {}))
        .await
        .unwrap_err();
    assert_eq!(refusal(&refused), denied);
    let own = pb::AuthUserGetRequest {
        name: "alice".into(),
    };
    let own = auth.user_get(with_token(&alice, own)).await.unwrap();
    assert_eq!(own.into_inner().roles, ["r"]);
    let own = pb::AuthRoleGetRequest { role: "r".into() };
    let own = auth.role_get(with_token(&alice, own)).await.unwrap();
    assert_eq!(own.into_inner().perm.len(), 1);
    let other = pb::AuthUserGetRequest {
        name: "root".into(),
    };
    let refused = auth.user_get(with_token(&alice, other)).await.unwrap_err();
    assert_eq!(refusal(&refused), denied);

    // etcd does not translate the refusals of these.
    let mut maintenance = member.maintenance().await;
    let refused = maintenance
        .defragment(with_token(&alice, pb::DefragmentRequest {}))
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::Unknown, "auth: permission denied")
    );
    let refused = maintenance.hash(pb::HashRequest {}).await.unwrap_err();
    assert_eq!(
        refusal(&refused),
        (Code::Unknown, "auth: user name is empty")
    );
    member.stop().await;
}

#[tokio::test]
async fn a_watch_needs_the_right_to_read() {
    let (member, mut auth, _kv) = guarded(&AuthOptions::default()).await;
    let alice = token(&mut auth, "alice", "a").await.unwrap();
    let mut watch = member.watch().await;
    for (key, token, reason) in [
        ("a", alice.as_str(), ""),
        (
            "b",
            alice.as_str(),
            "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
        ),
        (
            "a",
            "bad",
            "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
        ),
    ] {
        let create = pb::WatchCreateRequest {
            key: Bytes::copy_from_slice(key.as_bytes()),
            ..Default::default()
        };
        let create = pb::WatchRequest {
            request_union: Some(pb::watch_request::RequestUnion::CreateRequest(create)),
        };
        let requests = tokio_stream::iter([create]);
        let answers = watch.watch(with_token(token, requests)).await.unwrap();
        let first = in_time(answers.into_inner().message())
            .await
            .unwrap()
            .unwrap();
        assert!(first.created);
        assert_eq!(first.canceled, !reason.is_empty(), "{key}");
        assert_eq!(first.cancel_reason, reason);
    }
    member.stop().await;
}

#[tokio::test]
async fn json_web_tokens_carry_the_revision_at_which_they_were_given() {
    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("hmac.key");
    std::fs::write(&secret, "correct horse battery staple").unwrap();
    let options = AuthOptions {
        tokens: format!("jwt,sign-method=HS256,priv-key={}", secret.display())
            .parse()
            .unwrap(),
        ..AuthOptions::default()
    };
    let (member, mut auth, mut kv) = guarded(&options).await;
    let root = token(&mut auth, "root", "r").await.unwrap();
    assert_eq!(root.split('.').count(), 3);
    let alice = token(&mut auth, "alice", "a").await.unwrap();
    kv.put(with_token(&alice, put("a", "v"))).await.unwrap();
    let forged = format!("{}x", &alice[..alice.len() - 1]);
    let refused = kv.range(with_token(&forged, get("a"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    // The rules change: what was signed before is of an old revision, until the next password.
    auth.role_add(with_token(
        &root,
        pb::AuthRoleAddRequest { name: "x".into() },
    ))
    .await
    .unwrap();
    let refused = kv.put(with_token(&alice, put("a", "v"))).await.unwrap_err();
    assert_eq!(
        refusal(&refused),
        (
            Code::InvalidArgument,
            "etcdserver: revision of auth store is old"
        )
    );
    let alice = token(&mut auth, "alice", "a").await.unwrap();
    kv.put(with_token(&alice, put("a", "v"))).await.unwrap();
    member.stop().await;
}

#[tokio::test]
async fn a_password_in_the_clear_reaches_no_file() {
    const SECRET: &str = "the clear text of a password";
    let (member, mut auth, _kv) = guarded(&AuthOptions::default()).await;
    let root = token(&mut auth, "root", "r").await.unwrap();
    auth.user_add(with_token(&root, user("bob", SECRET)))
        .await
        .unwrap();
    let no_password = pb::AuthUserAddRequest {
        options: Some(UserAddOptions { no_password: true }),
        ..user("carol", SECRET)
    };
    auth.user_add(with_token(&root, no_password)).await.unwrap();
    let change = pb::AuthUserChangePasswordRequest {
        name: "alice".into(),
        password: SECRET.into(),
        ..Default::default()
    };
    auth.user_change_password(with_token(&root, change))
        .await
        .unwrap();
    let bob = token(&mut auth, "bob", SECRET).await.unwrap();
    assert!(token(&mut auth, "alice", SECRET).await.is_ok());

    let Member {
        dir,
        server,
        handle,
        ..
    } = member;
    server.stop();
    in_time(handle.shutdown()).await;
    let mut files = vec![dir.path().to_owned()];
    let (mut bytes_read, mut names_seen) = (0, 0);
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(&path).unwrap();
            files.extend(inside.map(|entry| entry.unwrap().path()));
            continue;
        }
        let content = std::fs::read(&path).unwrap();
        bytes_read += content.len();
        let holds = |text: &str| {
            content
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        assert!(!holds(SECRET), "{}", path.display());
        assert!(!holds(&bob), "{}: a whole token", path.display());
        names_seen += usize::from(holds("carol"));
    }
    assert!(
        names_seen > 0,
        "{bytes_read} bytes were read and no user was in them"
    );
}

/// One HTTP/2 connection over TLS with a certificate of its own.
struct TlsClient(hyper::client::conn::http2::SendRequest<Full<Bytes>>);

impl TlsClient {
    async fn connect(
        address: std::net::SocketAddr,
        authority: &Authority,
        name: Option<&str>,
    ) -> TlsClient {
        let mut config = (*authority.client_named(name)).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let server = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(server, stream)
            .await
            .unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        TlsClient(sender)
    }

    /// The gRPC code of a put of `key`.
    async fn put(&mut self, key: &str, metadata: &[(&str, &str)]) -> String {
        let message = put(key, "v").encode_to_vec();
        let mut body = vec![0];
        body.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&message);
        let mut request = Request::post("https://127.0.0.1/etcdserverpb.KV/Put")
            .header("content-type", "application/grpc");
        for (name, value) in metadata {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = in_time(self.0.send_request(request)).await.unwrap();
        let headers = response.headers().clone();
        let body = in_time(response.into_body().collect()).await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or(headers);
        trailers["grpc-status"].to_str().unwrap().to_owned()
    }

    /// Status and body of the answer to a put through the gateway.
    async fn put_json(&mut self, token: &str) -> (u16, String) {
        let request = Request::post("https://127.0.0.1/v3/kv/put")
            .header("authorization", token)
            .body(Full::new(Bytes::from_static(br#"{"key":"YTE="}"#)))
            .unwrap();
        let response = in_time(self.0.send_request(request)).await.unwrap();
        let status = response.status().as_u16();
        let body = in_time(response.into_body().collect()).await.unwrap();
        (status, String::from_utf8(body.to_bytes().to_vec()).unwrap())
    }
}

async fn serve_tls(member: &Member) -> (std::net::SocketAddr, Authority) {
    let authority = Authority::new();
    let mut config = (*authority.server()).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let transport = Transport::Tls(Arc::new(move || Arc::clone(&config)));
    tokio::spawn(member.server.serve(listener, transport));
    (address, authority)
}

const OK: &str = "0";
const INVALID_ARGUMENT: &str = "3";
const PERMISSION_DENIED: &str = "7";

#[tokio::test]
async fn a_certificate_names_the_user_where_no_token_does() {
    let (member, mut auth, _kv) = guarded(&AuthOptions::default()).await;
    let (address, authority) = serve_tls(&member).await;
    let mut alice = TlsClient::connect(address, &authority, Some("alice")).await;
    assert_eq!(alice.put("a1", &[]).await, OK);
    assert_eq!(alice.put("b", &[]).await, PERMISSION_DENIED);
    let root = token(&mut auth, "root", "r").await.unwrap();
    assert_eq!(alice.put("b", &[("token", &root)]).await, OK);
    // A gateway's certificate says nothing of who asks through it.
    let gateway = [("grpcgateway-accept", "*/*")];
    assert_eq!(alice.put("a1", &gateway).await, INVALID_ARGUMENT);

    let mut stranger = TlsClient::connect(address, &authority, Some("mallory")).await;
    assert_eq!(stranger.put("a1", &[]).await, PERMISSION_DENIED);
    let mut nameless = TlsClient::connect(address, &authority, None).await;
    assert_eq!(nameless.put("a1", &[]).await, INVALID_ARGUMENT);
    member.stop().await;
}

#[tokio::test]
async fn the_gateway_uses_no_name_of_a_certificate() {
    let (member, mut auth, _kv) = guarded(&AuthOptions::default()).await;
    let (address, authority) = serve_tls(&member).await;
    let token = token(&mut auth, "alice", "a").await.unwrap();
    let mut alice = TlsClient::connect(address, &authority, Some("alice")).await;
    let (status, text) = alice.put_json(&token).await;
    assert_eq!(status, 400);
    assert_eq!(
        text,
        "CommonName of client sending a request against gateway will be ignored and not used as \
         expected\n"
    );
    let mut nameless = TlsClient::connect(address, &authority, None).await;
    assert_eq!(nameless.put_json(&token).await.0, 200);
    assert_eq!(nameless.put_json("").await.0, 401);
    member.stop().await;
}

#[tokio::test]
async fn names_of_certificates_count_for_nothing_where_that_is_set() {
    let options = AuthOptions {
        client_cert_auth: false,
        ..AuthOptions::default()
    };
    let (member, mut auth, _kv) = guarded(&options).await;
    let (address, authority) = serve_tls(&member).await;
    let mut alice = TlsClient::connect(address, &authority, Some("alice")).await;
    assert_eq!(alice.put("a1", &[]).await, INVALID_ARGUMENT);
    let token = token(&mut auth, "alice", "a").await.unwrap();
    assert_eq!(alice.put_json(&token).await.0, 200);
    member.stop().await;
}
