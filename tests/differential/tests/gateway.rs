//! The JSON gateway and the plain HTTP endpoints of the client port: Skerry's answers are etcd's.
#![allow(clippy::unwrap_used)]

use http::{Method, StatusCode};
use serde_json::{Value, json};
use skerry_tests_harness::{Answer, Authority, Cluster, Credentials, Https, Kind, Options};
use std::fmt::Write;

/// Values that are each server's own.
const OPAQUE: &[&str] = &[
    "cluster_id",
    "member_id",
    "raft_term",
    "ID",
    "token",
    "version",
    "dbSize",
    "dbSizeInUse",
    "leader",
    "raftIndex",
    "raftTerm",
    "raftAppliedIndex",
    "hash",
    "peerURLs",
    "clientURLs",
];

struct Pair {
    clusters: [Cluster; 2],
    credentials: [Option<Credentials>; 2],
    differences: String,
}

impl Pair {
    async fn start() -> Self {
        let kind = match std::env::var_os("SKERRY_TESTS_AGAINST_ETCD") {
            Some(_) => Kind::Etcd,
            None => Kind::Skerry,
        };
        let options = Options::default();
        let clusters = [
            Cluster::start(Kind::Etcd, 1, &options).await.unwrap(),
            Cluster::start(kind, 1, &options).await.unwrap(),
        ];
        let credentials = clusters
            .each_ref()
            .map(|cluster| cluster.credentials().cloned());
        Self {
            clusters,
            credentials,
            differences: String::new(),
        }
    }

    fn client(&self, side: usize) -> Https {
        let member = &self.clusters[side].members[0];
        Https::with(member, self.credentials[side].as_ref()).unwrap()
    }

    /// From here on certificates name nobody.
    fn be_nobody(&mut self) {
        for (side, cluster) in self.clusters.iter().enumerate() {
            let folder = cluster.folder().join("nobody");
            std::fs::create_dir_all(&folder).unwrap();
            let authority = match cluster.kind {
                Kind::Skerry => Authority::of_data_dir(&cluster.members[0].data_dir, &folder),
                Kind::Etcd => Authority::load(&cluster.folder().join("tls"), &folder),
            };
            self.credentials[side] = Some(authority.unwrap().issue("nobody", "", &[]).unwrap());
        }
    }

    async fn ask(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
        enough: fn(&str) -> bool,
    ) -> [Answer; 2] {
        // As curl does; without it etcd takes its gateway for a client with a certificate.
        let headers = [&[("accept", "*/*")], headers].concat();
        let mut answers = Vec::new();
        for side in [0, 1] {
            let client = self.client(side);
            let answer = client
                .send_until(method.clone(), path, &headers, body, enough)
                .await;
            answers.push(answer.unwrap());
        }
        answers.try_into().unwrap()
    }

    fn compare(&mut self, what: &str, told: &[String; 2]) {
        if told[0] != told[1] {
            let _ = writeln!(self.differences, "=== {what}\n-{}\n+{}", told[0], told[1]);
        }
    }

    /// Status, content type and JSON must be equal.
    async fn same(&mut self, path: &str, body: &str) -> [Answer; 2] {
        self.same_as(path, &[], body).await
    }

    async fn same_as(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> [Answer; 2] {
        let answers = self
            .ask(&Method::POST, path, headers, body, |_| false)
            .await;
        let told = answers.each_ref().map(|answer| {
            let kind = answer
                .headers
                .get("content-type")
                .map(|kind| kind.to_str().unwrap());
            match answer.status {
                // What has no method at all is told in plain words or in JSON.
                StatusCode::NOT_FOUND if !answer.body.contains("etcdserver") => {
                    "no such path".into()
                }
                status => format!("{status} {kind:?} {}", plain(&answer.body)),
            }
        });
        self.compare(&format!("POST {path} {body}"), &told);
        answers
    }

    /// Only that it is refused alike: the words are those of a JSON library.
    async fn same_refusal(&mut self, path: &str, body: &str) {
        let answers = self.ask(&Method::POST, path, &[], body, |_| false).await;
        let told = answers.each_ref().map(|answer| {
            let code = serde_json::from_str::<Value>(&answer.body)
                .ok()
                .map(|json| json["code"].clone());
            format!("{} {code:?}", answer.status)
        });
        self.compare(&format!("POST {path} {body}"), &told);
    }

    async fn get(&mut self, method: Method, path: &str, with_body: bool) {
        let answers = self.ask(&method, path, &[], "", |_| false).await;
        let told = answers.each_ref().map(|answer| match answer.status {
            // One release of the gateway etcd uses says this, the next one that.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => "refused".into(),
            status if with_body => format!("{status} {}", plain(&answer.body)),
            status => status.to_string(),
        });
        self.compare(&format!("{method} {path}"), &told);
    }

    fn conclude(self) {
        assert!(self.differences.is_empty(), "{}", self.differences);
    }
}

fn plain(body: &str) -> String {
    let line = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(mut value) => {
            hide(&mut value);
            value.to_string()
        }
        Err(_) => line.to_owned(),
    };
    body.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(members) => {
            // The first release of the gateway etcd uses tells the message twice.
            members.remove("error");
            for (name, value) in members {
                if OPAQUE.contains(&name.as_str()) {
                    *value = json!("SOME");
                } else {
                    hide(value);
                }
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn keys_and_transactions_in_json() {
    let mut pair = Pair::start().await;
    for (path, body) in [
        ("/v3/kv/put", r#"{"key":"Zm9v","value":"YmFy"}"#),
        (
            "/v3/kv/put",
            r#"{"key":"Zm9v","value":"YmF6","prev_kv":true}"#,
        ),
        (
            "/v3/kv/put",
            r#"{"key":"Zm9v","prevKv":true,"ignore_value":true}"#,
        ),
        ("/v3/kv/range", r#"{"key":"Zm9v"}"#),
        (
            "/v3/kv/range",
            r#"{"key":"AA==","range_end":"AA==","limit":"1","sort_order":"DESCEND","sort_target":"MOD"}"#,
        ),
        (
            "/v3/kv/range",
            r#"{"key":"AA==","range_end":"AA==","limit":1,"sort_order":2,"sort_target":3}"#,
        ),
        (
            "/v3/kv/range",
            r#"{"key":"Zm9v","revision":"1","serializable":true,"keys_only":true}"#,
        ),
        ("/v3/kv/range", r#"{"key":"Zm9v","revision":"100"}"#),
        ("/v3/kv/range", r#"{"key":"Zm9v","count_only":true}"#),
        ("/v3/kv/range", r#"{"key":"YQ=="}"#),
        ("/v3/kv/range", "{}"),
        ("/v3/kv/range", ""),
        (
            "/v3/kv/txn",
            r#"{"compare":[{"target":"VALUE","key":"Zm9v","value":"YmF6"}],"success":[{"requestPut":{"key":"Zm9v","value":"eA=="}},{"request_range":{"key":"Zm9v"}},{"request_delete_range":{"key":"YQ=="}}],"failure":[]}"#,
        ),
        (
            "/v3/kv/txn",
            r#"{"compare":[{"target":"CREATE","result":"GREATER","key":"Zm9v","create_revision":"5"}],"failure":[{"request_txn":{"success":[{"request_range":{"key":"Zm9v"}}]}}]}"#,
        ),
        (
            "/v3/kv/txn",
            r#"{"success":[{"request_put":{"key":"YQ=="}},{"request_put":{"key":"YQ=="}}]}"#,
        ),
        ("/v3/kv/deleterange", r#"{"key":"Zm9v","prev_kv":true}"#),
        ("/v3/kv/deleterange", r#"{"key":"Zm9v"}"#),
        ("/v3/kv/compaction", r#"{"revision":"2","physical":true}"#),
        ("/v3/kv/compaction", r#"{"revision":"2"}"#),
        ("/v3beta/kv/range", r#"{"key":"Zm9v"}"#),
        ("/v3/kv/nothing", "{}"),
        ("/v3/nothing", "{}"),
    ] {
        pair.same(path, body).await;
    }
    for body in [
        "{",
        "[]",
        "null",
        "5",
        r#"{"key":5}"#,
        r#"{"key":"%%"}"#,
        r#"{"limit":"x"}"#,
        r#"{"unknown":1}"#,
        r#"{"sort_order":"UP"}"#,
    ] {
        pair.same_refusal("/v3/kv/range", body).await;
    }
    for (method, path) in [
        (Method::GET, "/v3/kv/range"),
        (Method::PUT, "/v3/kv/put"),
        (Method::DELETE, "/v3/kv/deleterange"),
    ] {
        pair.get(method, path, false).await;
    }
    pair.conclude();
}

#[tokio::test]
async fn leases_members_and_maintenance_in_json() {
    let mut pair = Pair::start().await;
    for (path, body) in [
        ("/v3/lease/grant", r#"{"ID":"77","TTL":"600"}"#),
        ("/v3/lease/grant", r#"{"ID":77,"TTL":600}"#),
        ("/v3/kv/put", r#"{"key":"Zm9v","lease":"77"}"#),
        ("/v3/lease/timetolive", r#"{"ID":"78","keys":true}"#),
        ("/v3/kv/lease/timetolive", r#"{"ID":"78","keys":true}"#),
        ("/v3/lease/leases", "{}"),
        ("/v3/kv/lease/leases", "{}"),
        ("/v3/lease/keepalive", r#"{"ID":"77"}"#),
        ("/v3/lease/keepalive", r#"{"ID":"78"}"#),
        ("/v3/lease/revoke", r#"{"ID":"77"}"#),
        ("/v3/lease/revoke", r#"{"ID":"77"}"#),
        ("/v3/kv/lease/revoke", r#"{"ID":"77"}"#),
        ("/v3/cluster/member/list", "{}"),
        ("/v3/cluster/member/list", r#"{"linearizable":true}"#),
        ("/v3/cluster/member/remove", r#"{"ID":"4711"}"#),
        ("/v3/cluster/member/add", r#"{"peerURLs":["nonsense"]}"#),
        ("/v3/maintenance/status", "{}"),
        ("/v3/maintenance/alarm", r#"{"action":"GET"}"#),
        ("/v3/maintenance/hashkv", r#"{"revision":"100"}"#),
        ("/v3/maintenance/defragment", "{}"),
        (
            "/v3/maintenance/transfer-leadership",
            r#"{"targetID":"4711"}"#,
        ),
        ("/v3/lease/grant", r#"{"ID":"88","TTL":"600"}"#),
        ("/v3/lock/lock", r#"{"name":"Zm9v","lease":"88"}"#),
        ("/v3/lock/unlock", r#"{"key":"Zm9vLzU4"}"#),
        (
            "/v3/election/campaign",
            r#"{"name":"Zm9v","lease":"88","value":"YmFy"}"#,
        ),
        ("/v3/election/leader", r#"{"name":"Zm9v"}"#),
        ("/v3/election/leader", r#"{"name":"bm9uZQ=="}"#),
    ] {
        pair.same(path, body).await;
    }
    pair.conclude();
}

#[tokio::test]
async fn a_watch_streams_lines_of_json() {
    let mut pair = Pair::start().await;
    pair.same("/v3/kv/put", r#"{"key":"Zm9v","value":"MQ=="}"#)
        .await;
    pair.same("/v3/kv/put", r#"{"key":"Zm9v","value":"Mg=="}"#)
        .await;
    let body = r#"{"create_request":{"key":"Zm9v","start_revision":"1"}}"#;
    let enough = |text: &str| text.contains("Mg==") && text.ends_with('\n');
    let answers = pair
        .ask(&Method::POST, "/v3/watch", &[], body, enough)
        .await;
    let told = answers.each_ref().map(|answer| plain(&answer.body));
    pair.compare("POST /v3/watch", &told);
    pair.conclude();
}

#[tokio::test]
async fn users_authenticate_with_a_token_in_a_header() {
    let mut pair = Pair::start().await;
    for (path, body) in [
        ("/v3/auth/user/add", r#"{"name":"root","password":"pw"}"#),
        ("/v3/auth/role/add", r#"{"name":"root"}"#),
        ("/v3/auth/user/grant", r#"{"user":"root","role":"root"}"#),
        ("/v3/auth/role/add", r#"{"name":"r"}"#),
        (
            "/v3/auth/role/grant",
            r#"{"name":"r","perm":{"permType":"READWRITE","key":"YQ==","range_end":"Yg=="}}"#,
        ),
        ("/v3/auth/role/get", r#"{"role":"r"}"#),
        ("/v3/auth/user/get", r#"{"name":"root"}"#),
        ("/v3/auth/user/list", "{}"),
        ("/v3/auth/role/list", "{}"),
        ("/v3/auth/status", "{}"),
        ("/v3/auth/enable", "{}"),
        // The gateway cannot pass a certificate's name on, and says so.
        ("/v3/kv/range", r#"{"key":"YQ=="}"#),
        (
            "/v3/auth/authenticate",
            r#"{"name":"root","password":"wrong"}"#,
        ),
    ] {
        pair.same(path, body).await;
    }
    pair.be_nobody();
    pair.same("/v3/kv/range", r#"{"key":"YQ=="}"#).await;
    pair.same(
        "/v3/auth/authenticate",
        r#"{"name":"root","password":"wrong"}"#,
    )
    .await;
    let body = r#"{"name":"root","password":"pw"}"#;
    let answers = pair.same("/v3/auth/authenticate", body).await;
    let mut told = Vec::new();
    for (side, answer) in answers.iter().enumerate() {
        let token =
            serde_json::from_str::<Value>(&answer.body).expect(&answer.body)["token"].clone();
        let token = token.as_str().unwrap().to_owned();
        let client = pair.client(side);
        for headers in [
            [("accept", "*/*"), ("authorization", token.as_str())],
            [("accept", "*/*"), ("grpc-metadata-token", token.as_str())],
        ] {
            let body = r#"{"key":"YQ=="}"#;
            let answer = client
                .send(Method::POST, "/v3/kv/put", &headers, body)
                .await
                .unwrap();
            told.push(format!("{} {}", answer.status, plain(&answer.body)));
        }
    }
    let told: [String; 4] = told.try_into().unwrap();
    let [one, two, three, four] = told;
    pair.compare(
        "with a token",
        &[format!("{one} {two}"), format!("{three} {four}")],
    );
    pair.same_as(
        "/v3/kv/put",
        &[("authorization", "forged.1")],
        r#"{"key":"YQ=="}"#,
    )
    .await;
    pair.conclude();
}

#[tokio::test]
async fn health_version_and_metrics_are_where_they_are_with_etcd() {
    let mut pair = Pair::start().await;
    for (path, with_body) in [
        ("/health", true),
        ("/health?serializable=true", true),
        ("/health?serializable=x", false),
        ("/health?exclude=NOSPACE", true),
        ("/livez", true),
        ("/readyz", true),
        ("/livez?verbose", false),
        ("/readyz?verbose", false),
        ("/readyz?exclude=data_corruption", true),
        ("/metrics", false),
        ("/version", false),
        ("/nothing", false),
        ("/", false),
    ] {
        pair.get(Method::GET, path, with_body).await;
    }
    pair.get(Method::POST, "/health", false).await;
    pair.get(Method::POST, "/version", false).await;
    let versions = pair.ask(&Method::GET, "/version", &[], "", |_| false).await;
    for answer in &versions {
        let json = serde_json::from_str::<Value>(&answer.body).unwrap();
        assert!(
            json["etcdserver"].as_str().unwrap().starts_with("3.5."),
            "{json}"
        );
        assert_eq!(json["etcdcluster"], "3.5.0", "{json}");
    }
    let metrics = pair.ask(&Method::GET, "/metrics", &[], "", |_| false).await;
    for name in [
        "etcd_server_has_leader",
        "etcd_server_is_leader",
        "etcd_server_leader_changes_seen_total",
        "etcd_server_proposals_committed_total",
        "etcd_server_proposals_applied_total",
        "etcd_server_proposals_pending",
        "etcd_server_proposals_failed_total",
        "etcd_mvcc_db_total_size_in_bytes",
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "etcd_server_quota_backend_bytes",
        "etcd_debugging_mvcc_watcher_total",
        "etcd_debugging_mvcc_current_revision",
        "etcd_debugging_mvcc_compact_revision",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        let has = metrics.each_ref().map(|answer| {
            let has = answer
                .body
                .lines()
                .any(|line| line.split([' ', '{']).next() == Some(name));
            has.to_string()
        });
        pair.compare(&format!("metric {name}"), &has);
    }
    pair.conclude();
}
