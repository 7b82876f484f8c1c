//! The front door over a store without a cluster: what clients are promised.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use skerry_listen::Peer;

mod audit;
mod crowd;
mod documents;
mod events;
mod local;
mod networks;
mod protobuf;
mod scale;
mod shapes;

use crate::storage::Leadership;
use crate::storage::local::Local;
use crate::{Api, Body, Options};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PATIENCE: Duration = Duration::from_secs(10);

struct Server {
    api: Api,
    store: Arc<Local>,
}

/// What a server of these tests is told.
pub(crate) fn options(health: skerry_health::Health) -> Options {
    Options {
        port: 6443,
        services: crate::ServiceNetwork::parse("10.43.0.0/16").unwrap(),
        node_ports: crate::NodePorts::default(),
        server_address: "127.0.0.1:6443".into(),
        service_key: None,
        sealing_key: None,
        signer: None,
        outgoing: None,
        authority: String::new(),
        memory_budget: 64 << 20,
        health,
        audit: None,
        more_metrics: |_| {},
        guards_owners: false,
        encrypted: Vec::new(),
    }
}

impl Server {
    /// Serves, with all that the leader makes at the start.
    async fn start() -> Server {
        Server::start_with(None).await
    }

    async fn start_with(audit: Option<Arc<crate::Audit>>) -> Server {
        let store = Local::new();
        let options = Options {
            audit,
            ..options(skerry_health::Health::default())
        };
        let api = Api::start(Arc::clone(&store) as _, options).unwrap();
        let server = Server { api, store };
        let last = "/api/v1/namespaces/kube-node-lease/serviceaccounts/default";
        server
            .until(last, |status, _| status == StatusCode::OK)
            .await;
        server
    }

    async fn until(&self, path: &str, wanted: impl Fn(StatusCode, &Value) -> bool) -> Value {
        let looking = async {
            loop {
                let (status, value) = self.get(path).await;
                if wanted(status, &value) {
                    return value;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap()
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> http::Response<Body> {
        self.send_as("admin", &["system:masters"], method, path, kind, body)
            .await
    }

    async fn send_as(
        &self,
        name: &str,
        groups: &[&str],
        method: &str,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> http::Response<Body> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let mut peer = Peer::new("127.0.0.1:1".parse().unwrap(), None);
        peer.common_name = Some(name.to_owned());
        peer.organizations = groups.iter().map(|group| (*group).to_owned()).collect();
        self.api.answer(&peer, request).await
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let body = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        whole(self.send(method, path, "application/json", body).await).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call("GET", path, Value::Null).await
    }

    async fn create(&self, path: &str, body: Value) -> Value {
        let (status, object) = self.call("POST", path, body).await;
        assert_eq!(status, StatusCode::CREATED, "{object}");
        object
    }

    async fn patch(&self, path: &str, kind: &str, body: &Value) -> (StatusCode, Value) {
        let kind = format!("application/{kind}");
        whole(
            self.send("PATCH", path, &kind, body.to_string().into_bytes())
                .await,
        )
        .await
    }

    async fn watch(&self, path: &str) -> Events {
        let response = self.send("GET", path, "", Vec::new()).await;
        assert_eq!(response.status(), StatusCode::OK);
        Events {
            body: response.into_body(),
            rest: Vec::new(),
        }
    }
}

async fn whole(response: http::Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

struct Events {
    body: Body,
    rest: Vec<u8>,
}

impl Events {
    /// The next event: its type, and its object.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line).unwrap();
                let kind = event["type"].as_str().unwrap().to_owned();
                return Some((kind, event["object"].clone()));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame())
                .await
                .unwrap()?;
            self.rest
                .extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    }

    async fn named(&mut self) -> (String, String) {
        let (kind, object) = self.next().await.unwrap();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        (kind, name.to_owned())
    }
}

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_write_over_a_state_that_nobody_has_seen_is_a_conflict() {
    let server = Server::start().await;
    let mut first = server.create(MAPS, map("a")).await;
    let path = format!("{MAPS}/a");
    first["data"] = json!({"x": "1"});
    let (status, second) = server.call("PUT", &path, first.clone()).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(
        first["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
    first["data"] = json!({"x": "2"});
    let (status, refused) = server.call("PUT", &path, first).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(
        refused["message"],
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
    // What changes nothing is not written.
    let (_, third) = server.call("PUT", &path, second.clone()).await;
    assert_eq!(
        third["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn an_object_with_finalizers_goes_when_the_last_one_is_taken_off() {
    let server = Server::start().await;
    let object = json!({"metadata": {"name": "a", "finalizers": ["example.com/f"]}});
    server.create(MAPS, object).await;
    let path = format!("{MAPS}/a");
    let (status, marked) = server.call("DELETE", &path, Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        marked["metadata"]["deletionTimestamp"].is_string(),
        "{marked}"
    );
    assert_eq!(server.get(&path).await.0, StatusCode::OK);
    let (status, refused) = server.call("POST", MAPS, map("a")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.starts_with("object is being deleted: "),
        "{message}"
    );
    let none = json!({"metadata": {"finalizers": null}});
    let (status, _) = server.patch(&path, "merge-patch+json", &none).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(server.get(&path).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn preconditions_and_dry_runs_delete_nothing() {
    let server = Server::start().await;
    server.create(MAPS, map("a")).await;
    let path = format!("{MAPS}/a");
    let other = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "x"}});
    let (status, refused) = server.call("DELETE", &path, other).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let (status, _) = server
        .call("DELETE", &format!("{path}?dryRun=All"), Value::Null)
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(server.get(&path).await.0, StatusCode::OK);
    let (status, _) = server
        .call("DELETE", &format!("{path}?dryRun=Some"), Value::Null)
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn pages_are_of_one_revision_and_tokens_that_are_too_old_expire() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.create(MAPS, map(name)).await;
    }
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .filter(|name| name != "kube-root-ca.crt")
            .collect()
    };
    let (_, first) = server.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    let (_, _) = server
        .call("DELETE", &format!("{MAPS}/c"), Value::Null)
        .await;
    let (_, second) = server
        .get(&format!("{MAPS}?limit=2&continue={token}"))
        .await;
    assert_eq!(names(&second), ["c"], "as it was when the list began");
    assert!(second["metadata"].get("continue").is_none());
    assert_eq!(
        first["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );

    let (_, now) = server.get(MAPS).await;
    let now: i64 = now["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    server.store.compact(now);
    let (status, expired) = server
        .get(&format!("{MAPS}?limit=2&continue={token}"))
        .await;
    assert_eq!(
        (status, &expired["reason"]),
        (StatusCode::GONE, &json!("Expired"))
    );
    let first = first["metadata"]["resourceVersion"].as_str().unwrap();
    let mut events = server
        .watch(&format!("{MAPS}?watch=1&resourceVersion={first}"))
        .await;
    let response = events.next().await;
    assert_eq!(response.unwrap().1["code"], 410);
    let (status, _) = server.get(&format!("{MAPS}?resourceVersion=999999")).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn a_selector_turns_updates_into_additions_and_deletions() {
    let server = Server::start().await;
    server
        .create(
            MAPS,
            json!({"metadata": {"name": "a", "labels": {"in": "1"}}}),
        )
        .await;
    server.create(MAPS, map("b")).await;
    let mut events = server
        .watch(&format!("{MAPS}?watch=1&labelSelector=in%3D1"))
        .await;
    assert_eq!(events.named().await, pair("ADDED", "a"));
    let label = |value: Value| json!({"metadata": {"labels": {"in": value}}});
    let merge = "merge-patch+json";
    server
        .patch(&format!("{MAPS}/b"), merge, &label(json!("1")))
        .await;
    assert_eq!(events.named().await, pair("ADDED", "b"));
    server
        .patch(&format!("{MAPS}/b"), merge, &json!({"data": {"x": "y"}}))
        .await;
    assert_eq!(events.named().await, pair("MODIFIED", "b"));
    server
        .patch(&format!("{MAPS}/a"), merge, &label(Value::Null))
        .await;
    let (kind, object) = events.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &object["metadata"]["labels"]["in"]),
        ("DELETED", &json!("1"))
    );
    server
        .call("DELETE", &format!("{MAPS}/b"), Value::Null)
        .await;
    assert_eq!(events.named().await, pair("DELETED", "b"));
}

#[tokio::test]
async fn a_watch_that_asks_for_initial_events_is_told_where_they_end() {
    let server = Server::start().await;
    server.create(MAPS, map("a")).await;
    let wish = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&fieldSelector=metadata.name%3Da&timeoutSeconds=1";
    let mut events = server.watch(&format!("{MAPS}?{wish}")).await;
    assert_eq!(events.named().await, pair("ADDED", "a"));
    let (kind, bookmark) = events.next().await.unwrap();
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(
        bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert!(
        events.next().await.is_none(),
        "it ends when its time is over"
    );
    let (status, _) = server
        .get(&format!("{MAPS}?watch=1&sendInitialEvents=true"))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_watcher_that_lags_reads_history_and_loses_nothing() {
    let server = Server::start().await;
    let mut events = server
        .watch(&format!("{MAPS}?watch=1&fieldSelector=metadata.name%3Da"))
        .await;
    server.create(MAPS, map("a")).await;
    let filler = "x".repeat(200_000);
    let changes = 40;
    for change in 0..changes {
        let data = json!({"data": {"n": change.to_string(), "x": filler}});
        server
            .patch(&format!("{MAPS}/a"), "merge-patch+json", &data)
            .await;
    }
    assert_eq!(events.named().await, pair("ADDED", "a"));
    for change in 0..changes {
        let (_, object) = events.next().await.unwrap();
        assert_eq!(object["data"]["n"], change.to_string());
    }
}

#[tokio::test]
async fn without_a_quorum_writes_fail_at_once_and_reads_carry_a_warning() {
    let server = Server::start().await;
    server.store.set_leadership(Leadership::Nobody);
    let response = server.send("GET", MAPS, "", Vec::new()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let warning = response.headers()["warning"].to_str().unwrap();
    assert!(
        warning.starts_with("299 - \"the cluster has no quorum"),
        "{warning}"
    );
    let (status, refused) = server.call("POST", MAPS, map("a")).await;
    assert_eq!(
        (status, &refused["reason"]),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            &json!("ServiceUnavailable")
        )
    );
}

#[tokio::test]
async fn names_are_made_up_and_bad_ones_are_refused_with_their_field() {
    let server = Server::start().await;
    let made = server
        .create(MAPS, json!({"metadata": {"generateName": "a-"}}))
        .await;
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("a-") && name.len() == 7, "{name}");
    let (status, refused) = server.call("POST", MAPS, map("Not A Name")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["details"]["causes"][0]["field"], "metadata.name");
    let elsewhere = json!({"metadata": {"name": "a", "namespace": "other"}});
    assert_eq!(
        server.call("POST", MAPS, elsewhere).await.0,
        StatusCode::BAD_REQUEST
    );
    let missing = "/api/v1/namespaces/none/configmaps";
    let (status, refused) = server.call("POST", missing, map("a")).await;
    assert_eq!(
        (status, &refused["message"]),
        (
            StatusCode::NOT_FOUND,
            &json!("namespaces \"none\" not found")
        )
    );
}

#[tokio::test]
async fn dependents_follow_their_owner_unless_they_are_orphaned() {
    let server = Server::start().await;
    for (policy, left) in [
        ("Background", false),
        ("Foreground", false),
        ("Orphan", true),
    ] {
        let owner = server.create(MAPS, map("owner")).await;
        let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true}]);
        let owned = json!({"metadata": {"name": "owned", "ownerReferences": reference}});
        server.create(MAPS, owned).await;
        let (status, _) = server
            .call(
                "DELETE",
                &format!("{MAPS}/owner?propagationPolicy={policy}"),
                Value::Null,
            )
            .await;
        assert_eq!(status, StatusCode::OK, "{policy}");
        server
            .until(&format!("{MAPS}/owner"), |status, _| {
                status == StatusCode::NOT_FOUND
            })
            .await;
        let path = format!("{MAPS}/owned");
        let done = |status, object: &Value| match left {
            true => status == StatusCode::OK && object["metadata"].get("ownerReferences").is_none(),
            false => status == StatusCode::NOT_FOUND,
        };
        server.until(&path, done).await;
        server.call("DELETE", &path, Value::Null).await;
    }
}

#[tokio::test]
async fn nobody_gives_away_rights_that_they_have_not() {
    let server = Server::start().await;
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let allow = json!({"metadata": {"name": "roles"}, "rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["create"]}]});
    server.create(&format!("{roles}/roles"), allow).await;
    let bind = json!({"metadata": {"name": "roles"}, "subjects": [{"kind": "User", "name": "eve"}], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "roles"}});
    server.create(&format!("{roles}/rolebindings"), bind).await;
    let wish = json!({"metadata": {"name": "more"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    let send = || async {
        let path = format!("{roles}/roles");
        let body = wish.to_string().into_bytes();
        whole(
            server
                .send_as("eve", &[], "POST", &path, "application/json", body)
                .await,
        )
        .await
    };
    let refused = async {
        loop {
            let (status, refused) = send().await;
            assert_eq!(status, StatusCode::FORBIDDEN);
            let message = refused["message"].as_str().unwrap().to_owned();
            // Until the binding counts she may not create roles at all.
            if message.contains("attempting to grant RBAC permissions") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
}

#[tokio::test]
async fn bodies_that_are_too_large_too_deep_or_of_no_known_kind_are_refused() {
    let server = Server::start().await;
    let send = |kind: &'static str, body: Vec<u8>| async {
        whole(server.send("POST", MAPS, kind, body).await).await.0
    };
    let json = "application/json";
    assert_eq!(
        send(json, vec![b' '; 4 << 20]).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        send(json, b"[".repeat(100_000)).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        send("image/png", Vec::new()).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(send(json, b"5".to_vec()).await, StatusCode::BAD_REQUEST);
    let odd = br#"{"metadata": 5}"#.to_vec();
    assert_eq!(send(json, odd).await, StatusCode::BAD_REQUEST);
    let yaml = b"metadata:\n  name: z\ndata:\n  a: \"1\"\n".to_vec();
    assert_eq!(send("application/yaml", yaml).await, StatusCode::CREATED);
}

#[tokio::test]
async fn watchers_of_the_same_objects_are_told_the_same() {
    let server = Server::start().await;
    let (_, now) = server.get(MAPS).await;
    let now = now["metadata"]["resourceVersion"].as_str().unwrap();
    let path = format!("{MAPS}?watch=1&resourceVersion={now}");
    let mut watchers = Vec::new();
    for _ in 0..20 {
        watchers.push(server.watch(&path).await);
    }
    server.create(MAPS, map("a")).await;
    server
        .call("DELETE", &format!("{MAPS}/a"), Value::Null)
        .await;
    let mut told = Vec::new();
    for events in &mut watchers {
        told.push((events.next().await.unwrap(), events.next().await.unwrap()));
    }
    assert_eq!(told[0].0.0, "ADDED");
    assert_eq!(told[0].1.0, "DELETED");
    assert!(told.iter().all(|one| *one == told[0]));
}

#[tokio::test]
async fn a_pod_is_bound_once_and_evicted_where_its_budget_allows() {
    let server = Server::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"name": "p", "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    server.create(pods, pod).await;
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    server
        .create(&format!("{pods}/p/binding"), binding.clone())
        .await;
    let (status, refused) = server
        .call("POST", &format!("{pods}/p/binding"), binding)
        .await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let running = json!({"status": {"phase": "Running"}});
    let (status, pod) = server
        .patch(&format!("{pods}/p/status"), "merge-patch+json", &running)
        .await;
    assert_eq!(status, StatusCode::OK, "{pod}");
    assert_eq!(
        (&pod["spec"]["nodeName"], &pod["status"]["phase"]),
        (&json!("n"), &json!("Running"))
    );
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}});
    server.create(budgets, budget).await;
    let eviction = json!({"metadata": {"name": "p"}, "deleteOptions": {"gracePeriodSeconds": 0}});
    let evict = format!("{pods}/p/eviction");
    let (status, _) = server.call("POST", &evict, eviction.clone()).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let (status, _) = server
        .call("DELETE", &format!("{budgets}/b"), Value::Null)
        .await;
    assert_eq!(status, StatusCode::OK);
    server.create(&evict, eviction).await;
    assert_eq!(
        server.get(&format!("{pods}/p")).await.0,
        StatusCode::NOT_FOUND
    );
    let (status, refused) = server.get(&format!("{pods}/q/log")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{refused}");
}
