//! Versions of the API that extension servers answer for.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use skerry_tests_harness::{Credentials, Https};
use skerry_tests_kubectl::behind::{Answering, Behind, Reply, Signed, address_of_machine, reply};
use skerry_tests_kubectl::{DEADLINE, Servers};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const NAME: &str = "v1.fish.example";
const NAMES: [&str; 1] = ["ext.default.svc"];

fn tls(servers: &Servers, name: &str) -> PathBuf {
    servers.cluster.members[0].data_dir.join("tls").join(name)
}

/// A certificate of the first member's, by its files' name.
fn credentials(servers: &Servers, name: &str) -> Credentials {
    Credentials {
        server_ca: tls(servers, "server-ca.crt"),
        certificate: tls(servers, &format!("{name}.crt")),
        key: tls(servers, &format!("{name}.key")),
    }
}

fn api(servers: &Servers, member: usize) -> SocketAddr {
    (servers.cluster.members[member].client_address.ip(), 6443).into()
}

/// What the extension server says: 0: what it has; 1: that it has nothing.
fn fish(mood: &Arc<AtomicU8>) -> Answering {
    let mood = Arc::clone(mood);
    Arc::new(move |request| {
        let json = |value: Value| reply(200, "application/json", value.to_string());
        let path = request.uri().path().to_owned();
        if mood.load(Ordering::SeqCst) == 1 {
            return reply(404, "text/plain", "no");
        }
        let watches = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        match path.as_str() {
            "/apis/fish.example/v1" => json(json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "fish.example/v1",
                "resources": [{
                    "name": "fishes", "singularName": "fish", "namespaced": false, "kind": "Fish",
                    "verbs": ["get", "list", "watch"], "shortNames": ["fi"],
                }],
            })),
            "/apis/fish.example/v1/fishes/cod/echo" => echo(request),
            "/openapi/v2" => json(json!({
                "swagger": "2.0",
                "paths": {
                    "/apis/fish.example/v1/fishes": {"get": {"responses": {"200": {
                        "description": "OK", "schema": {"$ref": "#/definitions/sea.Fish"},
                    }}}},
                    "/apis/other.example/v1/none": {"get": {}},
                },
                "definitions": {"sea.Fish": {"type": "object", "description": "swims"}},
            })),
            "/apis/fish.example/v1/fishes" if watches => {
                let event = json!({"type": "ADDED", "object": cod()});
                let first = Bytes::from(format!("{event}\n"));
                let first = unended(first);
                hyper::Response::builder()
                    .header("Content-Type", "application/json")
                    .body(first.boxed())
                    .unwrap()
            }
            "/apis/fish.example/v1/fishes" => json(json!({
                "kind": "FishList", "apiVersion": "fish.example/v1", "metadata": {}, "items": [cod()],
            })),
            _ => reply(404, "text/plain", "404 page not found"),
        }
    })
}

/// Speaks another protocol from here on: says everything twice, until it is told to stop.
fn echo(mut request: Request<Incoming>) -> Reply {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgraded.await.unwrap());
        let mut word = [0; 4];
        while stream.read_exact(&mut word).await.is_ok() && word != *b"stop" {
            stream.write_all(&[word, word].concat()).await.unwrap();
            stream.flush().await.unwrap();
        }
        let _ = stream.shutdown().await;
    });
    hyper::Response::builder()
        .status(101)
        .header("Connection", "Upgrade")
        .header("Upgrade", "echo/1")
        .body(http_body_util::Empty::new().boxed())
        .unwrap()
}

fn cod() -> Value {
    json!({"kind": "Fish", "apiVersion": "fish.example/v1", "metadata": {"name": "cod"}})
}

/// This, and then nothing, without end.
fn unended(
    first: Bytes,
) -> impl hyper::body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync {
    use futures_util::StreamExt as _;
    let first = futures_util::stream::iter([Ok(Frame::data(first))]);
    StreamBody::new(first.chain(futures_util::stream::pending()))
}

fn service(address: Option<IpAddr>, port: u16) -> String {
    match address {
        None => json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "ext"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        })
        .to_string(),
        Some(_) => json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "ext"},
            "spec": {"ports": [{"port": port, "targetPort": port}]},
        })
        .to_string(),
    }
}

fn slice(address: IpAddr, port: u16, ready: bool) -> String {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "ext-1", "labels": {"kubernetes.io/service-name": "ext"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address.to_string()], "conditions": {"ready": ready}}],
        "ports": [{"name": "", "port": port}],
    })
    .to_string()
}

fn api_service(port: u16, authority: &str) -> String {
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": NAME},
        "spec": {
            "group": "fish.example", "version": "v1",
            "groupPriorityMinimum": 1000, "versionPriority": 15,
            "service": {"namespace": "default", "name": "ext", "port": port},
            "caBundle": STANDARD.encode(authority),
        },
    })
    .to_string()
}

/// Waits until the condition says this.
fn until_said(servers: &Servers, reason: &str, words: &str) {
    let path = "jsonpath={.status.conditions[0].reason}: {.status.conditions[0].message}";
    servers.until(0, &["get", "apiservice", NAME, "-o", path], |ended| {
        ended.out.starts_with(reason) && ended.out.contains(words)
    });
}

#[tokio::test]
async fn what_an_extension_server_has_is_served_by_every_member_in_the_name_of_who_asks() {
    let servers = Servers::start(3).await;
    let signed = Signed::by_itself(&NAMES);
    let callers = tls(&servers, "request-header-ca.crt");
    let behind = Behind::start(0, &signed, &callers, fish(&Arc::default()));
    let address = address_of_machine();
    servers.ok_with(&["apply", "-f", "-"], &service(address, behind.port));
    if let Some(address) = address {
        servers.ok_with(&["apply", "-f", "-"], &slice(address, behind.port, true));
    }
    let object = api_service(behind.port, &signed.authority);
    servers.ok_with(&["apply", "-f", "-"], &object);
    until_said(&servers, "Passed", "all checks passed");
    for member in 0..3 {
        let listed = servers.until(member, &["get", "fi"], |ended| ended.ok);
        assert!(listed.out.contains("cod"), "{listed:?}");
        let resources = ["api-resources", "--api-group=fish.example", "--no-headers"];
        let found = servers.until(member, &resources, |ended| ended.ok);
        assert!(found.out.starts_with("fishes"), "{found:?}");
        let document = ["get", "--raw", "/openapi/v2"];
        let has_it = |text: &str| text.contains("\"/apis/fish.example/v1/fishes\":{");
        let document = servers.until(member, &document, |ended| has_it(&ended.out));
        let document: Value = serde_json::from_str(&document.out).unwrap();
        assert_eq!(document["definitions"]["sea.Fish"]["description"], "swims");
        assert!(document["paths"]["/apis/apps/v1/"].is_object());
        assert!(document["paths"]["/apis/other.example/v1/none"].is_null());
    }
    // As client-go asks for it.
    let admin = credentials(&servers, "client-admin");
    let https = Https::at(api(&servers, 0), Some(&admin)).unwrap();
    let protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let headers = [("Accept", protobuf)];
    let answer = https.send(Method::GET, "/openapi/v2", &headers, "").await;
    let answer = answer.unwrap();
    for name in ["sea.Fish", "swims", "io.k8s.api.apps.v1.Deployment"] {
        assert!(answer.body.contains(name), "{name}");
    }
    let tag = answer.headers["etag"].to_str().unwrap();
    let headers = [("Accept", protobuf), ("If-None-Match", tag)];
    let answer = https.send(Method::GET, "/openapi/v2", &headers, "").await;
    assert_eq!(answer.unwrap().status, 304);
    let raw = servers.ok(&["get", "--raw", "/apis/fish.example/v1/fishes"]);
    assert!(raw.contains("\"FishList\""), "{raw}");
    let watch = ["get", "--raw", "/apis/fish.example/v1/fishes?watch=true"];
    let watch = servers.background(&watch);
    assert!(watch.line().contains("ADDED"));
    drop(watch);

    // Who asks is told, whatever the client says; what it has shown is not.
    let lists = "GET /apis/fish.example/v1/fishes";
    let asked = behind.asked(lists).pop().unwrap();
    assert_eq!(asked.all("x-remote-user"), ["system:admin"]);
    assert_eq!(
        asked.all("x-remote-group"),
        ["system:masters", "system:authenticated"]
    );
    assert!(!asked.all("x-forwarded-for").is_empty());
    let token = servers.token_of_admin();
    let https = Https::at(
        api(&servers, 1),
        Some(&credentials(&servers, "client-auth-proxy")),
    )
    .unwrap();
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("X-Remote-Group", "system:masters"),
    ];
    let path = "/apis/fish.example/v1/fishes";
    let answer = https.send(Method::GET, path, &headers, "").await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = behind.asked(lists).pop().unwrap();
    assert_eq!(
        asked.all("x-remote-user"),
        ["system:serviceaccount:default:admin"]
    );
    assert!(asked.all("authorization").is_empty());

    // One connection serves all that ends; a watch has its own.
    let before = behind.connections();
    for _ in 0..20 {
        let path = "/apis/fish.example/v1/fishes";
        servers.ok(&["get", "--raw", path]);
    }
    assert!(
        behind.connections() <= before + 1,
        "{before} connections became {}",
        behind.connections()
    );

    // Whoever may not ask here is not passed on.
    let before = behind.asked(lists).len();
    let refused = servers.fails(&["get", "fi", "--as=jane"]);
    assert!(
        refused.contains("cannot list resource \"fishes\" in API group"),
        "{refused}"
    );
    assert_eq!(behind.asked(lists).len(), before);
    let groups = servers.ok(&["get", "--raw", "/apis/fish.example"]);
    assert!(groups.contains("\"preferredVersion\""), "{groups}");
}

#[tokio::test]
async fn another_protocol_is_spoken_with_an_extension_server_until_one_side_ends() {
    let servers = Servers::start(1).await;
    let signed = Signed::by_itself(&NAMES);
    let callers = tls(&servers, "request-header-ca.crt");
    let behind = Behind::start(0, &signed, &callers, fish(&Arc::default()));
    let address = address_of_machine();
    servers.ok_with(&["apply", "-f", "-"], &service(address, behind.port));
    if let Some(address) = address {
        servers.ok_with(&["apply", "-f", "-"], &slice(address, behind.port, true));
    }
    let object = api_service(behind.port, &signed.authority);
    servers.ok_with(&["apply", "-f", "-"], &object);
    until_said(&servers, "Passed", "all checks passed");

    let admin = credentials(&servers, "client-admin");
    let path = "/apis/fish.example/v1/fishes/cod/echo";
    for who_ends in ["server", "client"] {
        let https = Https::at(api(&servers, 0), Some(&admin)).unwrap();
        let mut stream = https.upgrade(path, "echo/1").await.unwrap();
        for word in [b"fish", b"cod!"] {
            stream.write_all(word).await.unwrap();
            let mut twice = [0; 8];
            stream.read_exact(&mut twice).await.unwrap();
            assert_eq!(twice, *[*word, *word].concat());
        }
        if who_ends == "server" {
            stream.write_all(b"stop").await.unwrap();
        } else {
            stream.shutdown().await.unwrap();
        }
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest));
        // However it ends: without a word more.
        let _ = ended.await.expect("the tunnel ends");
        assert!(rest.is_empty(), "{who_ends}: {rest:?}");
    }
    let asked = behind.asked(&format!("GET {path}")).pop().unwrap();
    assert_eq!(asked.all("x-remote-user"), ["system:admin"]);
    assert_eq!(asked.all("upgrade"), ["echo/1"]);
}

#[tokio::test]
async fn an_extension_server_that_does_not_answer_is_said_not_to_and_holds_up_nobody() {
    let servers = Servers::start(1).await;
    let signed = Signed::by_itself(&NAMES);
    let callers = tls(&servers, "request-header-ca.crt");
    let mood = Arc::new(AtomicU8::new(0));
    let behind = Behind::start(0, &signed, &callers, fish(&mood));
    let port = behind.port;
    let object = api_service(port, &signed.authority);
    servers.ok_with(&["apply", "-f", "-"], &object);
    until_said(
        &servers,
        "ServiceNotFound",
        "service/ext in \"default\" is not present",
    );
    let unavailable = "the server is currently unable to handle the request";
    let refused = servers.fails(&["get", "--raw", "/apis/fish.example/v1/fishes"]);
    assert!(refused.contains(unavailable), "{refused}");

    let address = address_of_machine();
    if let Some(address) = address {
        servers.ok_with(
            &["apply", "-f", "-"],
            &service(Some(address), port.wrapping_add(1).max(1)),
        );
        let words = format!("service/ext in \"default\" is not listening on port {port}");
        until_said(&servers, "ServicePortError", &words);
        servers.ok(&["delete", "service", "ext"]);
        servers.ok_with(&["apply", "-f", "-"], &service(Some(address), port));
        let words = "cannot find endpointslices for service/ext in \"default\"";
        until_said(&servers, "EndpointsNotFound", words);
        servers.ok_with(&["apply", "-f", "-"], &slice(address, port, false));
        let words =
            "endpointslices for service/ext in \"default\" have no addresses with port name \"\"";
        until_said(&servers, "MissingEndpoints", words);
        servers.ok_with(&["apply", "-f", "-"], &slice(address, port, true));
    } else {
        servers.ok_with(&["apply", "-f", "-"], &service(None, port));
    }
    until_said(&servers, "Passed", "");
    servers.until(0, &["get", "fi"], |ended| ended.ok);

    // It lies: what its version is to be is not there.
    mood.store(1, Ordering::SeqCst);
    let touch = ["annotate", "service", "ext", "--overwrite"];
    servers.ok(&[touch.as_slice(), &["now=1"]].concat());
    until_said(&servers, "FailedDiscoveryCheck", "bad status from https://");
    mood.store(0, Ordering::SeqCst);
    servers.ok(&[touch.as_slice(), &["now=2"]].concat());
    until_said(&servers, "Passed", "");

    // It is down; everything else goes on.
    drop(behind);
    servers.ok(&[touch.as_slice(), &["now=3"]].concat());
    until_said(
        &servers,
        "FailedDiscoveryCheck",
        "connect: connection refused",
    );
    let begun = Instant::now();
    servers.ok(&["get", "namespaces"]);
    assert!(begun.elapsed() < DEADLINE / 3);

    // Somebody else answers in its place.
    let other = Signed::by_itself(&NAMES);
    let behind = Behind::start(port, &other, &callers, fish(&mood));
    servers.ok(&[touch.as_slice(), &["now=4"]].concat());
    let words = "x509: certificate signed by unknown authority";
    until_said(&servers, "FailedDiscoveryCheck", words);
    drop(behind);

    // Somebody takes connections and says nothing.
    let silent = TcpListener::bind(("0.0.0.0", port)).unwrap();
    servers.ok(&[touch.as_slice(), &["now=5"]].concat());
    until_said(
        &servers,
        "FailedDiscoveryCheck",
        "context deadline exceeded",
    );
    servers.ok(&["get", "namespaces"]);
    drop(silent);
    let _behind = Behind::start(port, &signed, &callers, fish(&mood));
    servers.ok(&[touch.as_slice(), &["now=6"]].concat());
    until_said(&servers, "Passed", "");
    servers.ok(&["delete", "apiservice", NAME]);
    servers.until(0, &["get", "--raw", "/apis/fish.example/v1"], |ended| {
        ended.err.contains("NotFound")
    });
}

#[tokio::test]
async fn a_front_proxy_asks_for_whom_it_says_and_for_nobody_else() {
    let servers = Servers::start(1).await;
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let ask = async |who: &str, headers: &[(&str, &str)]| {
        let https = Https::at(api(&servers, 0), Some(&credentials(&servers, who))).unwrap();
        let headers = [headers, &[("Content-Type", "application/json")]].concat();
        let review = review.to_string();
        let asked = https.send(Method::POST, path, &headers, &review);
        let answer = asked.await.unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        (answer.status.as_u16(), body["status"]["userInfo"].clone())
    };
    let jane = [
        ("X-Remote-User", "jane"),
        ("X-Remote-Group", "dev"),
        ("X-Remote-Extra-Acme.com%2fproject", "x"),
    ];
    let said = json!({
        "username": "jane",
        "groups": ["dev", "system:authenticated"],
        "extra": {"acme.com/project": ["x"]},
    });
    assert_eq!(ask("client-auth-proxy", &jane).await, (201, said));
    assert_eq!(ask("client-auth-proxy", &[]).await.0, 401);
    // What a user says of others is nothing.
    let (code, said) = ask("client-admin", &jane).await;
    assert_eq!((code, &said["username"]), (201, &json!("system:admin")));
    let map = [
        "configmap",
        "-n",
        "kube-system",
        "extension-apiserver-authentication",
    ];
    let map = servers.json(&[&["get"], map.as_slice()].concat());
    assert_eq!(
        map["data"]["requestheader-allowed-names"],
        "[\"system:auth-proxy\"]"
    );
}

#[tokio::test]
async fn every_version_that_is_served_here_has_its_api_service() {
    let servers = Servers::start(1).await;
    let names = ["get", "apiservices", "-o", "name"];
    servers.until(0, &names, |ended| ended.out.lines().count() == 21);
    let table = servers.ok(&["get", "apiservices", "v1.apps", "--no-headers"]);
    assert!(
        table
            .split_whitespace()
            .take(3)
            .eq(["v1.apps", "Local", "True"]),
        "{table}"
    );
    let apps = servers.json(&["get", "apiservice", "v1.apps"]);
    assert_eq!(
        apps["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"],
        "onstart"
    );
    assert_eq!(apps["spec"]["groupPriorityMinimum"], 17_800);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.harbour.example"},
        "spec": {
            "group": "harbour.example", "scope": "Namespaced",
            "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    });
    servers.ok_with(&["create", "-f", "-"], &definition.to_string());
    let custom = [
        "get",
        "apiservice",
        "v1.harbour.example",
        "-o",
        "jsonpath={.metadata.labels}",
    ];
    servers.until(0, &custom, |ended| {
        ended.out.contains("automanaged\":\"true\"")
    });
    servers.ok(&["delete", "crd", "boats.harbour.example"]);
    servers.until(0, &custom, |ended| ended.err.contains("NotFound"));
}
