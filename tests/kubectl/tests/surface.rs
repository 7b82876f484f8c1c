//! Every path and method of the API's stable versions is answered, with what upstream answers.
//!
//! `surface/paths.tsv` has, of the public OpenAPI document, a path, what can be asked there, and
//! the version and kind that it is about; `surface/objects.jsonl` has one small object of each
//! kind. What a kubelet would have to answer is only asked whether it is refused in order.

// A server that does not answer should stop the test where it happens.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skerry_tests_harness::{Credentials, Https};
use skerry_tests_kubectl::Servers;

const PATHS: &str = include_str!("../surface/paths.tsv");
const OBJECTS: &str = include_str!("../surface/objects.jsonl");

/// What kinds answer with that are asked and are not objects.
const ANSWERED_WITH_STATUS: [&str; 2] = ["Binding", "Eviction"];
/// Options of lists, all at once.
const LIST_OPTIONS: &str = "?limit=1&pretty=true&allowWatchBookmarks=true&timeoutSeconds=9&labelSelector=a%21%3Dno&fieldSelector=metadata.name%21%3Dno";
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

struct Row {
    path: &'static str,
    actions: Vec<&'static str>,
    api_version: &'static str,
    kind: &'static str,
}

impl Row {
    fn does(&self, action: &str) -> bool {
        self.actions.contains(&action)
    }

    /// What follows `{name}`.
    fn subresource(&self) -> &str {
        let rest = self.path.split_once("/{name}").map(|(_, rest)| rest);
        rest.unwrap_or_default().trim_start_matches('/')
    }

    /// The name of the object that is there: one for each version, as some show the same objects.
    fn kept(&self) -> String {
        let version: Vec<&str> = self.path.split('/').skip(2).take(2).collect();
        match self.path.starts_with("/api/") {
            true => "kept".to_owned(),
            false => format!("kept-{}", version.join("-").replace('.', "-")),
        }
    }

    fn is_collection(&self) -> bool {
        !self.path.contains("/{name}") && (self.does("list") || self.does("deletecollection"))
    }
}

fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        Row {
            path: next(),
            actions: next().split(',').collect(),
            api_version: next(),
            kind: next(),
        }
    };
    PATHS.lines().map(row).collect()
}

fn is_answered_with_status(row: &Row) -> bool {
    ANSWERED_WITH_STATUS.contains(&row.kind)
}

struct Surface {
    https: Https,
    objects: BTreeMap<(String, String), Value>,
    complaints: Vec<String>,
}

/// What came back: the status, and the body where it is JSON.
struct Got {
    code: u16,
    text: String,
    body: Value,
}

impl Surface {
    fn new(servers: &Servers) -> Surface {
        let tls = servers.cluster.members[0].data_dir.join("tls");
        let credentials = Credentials {
            server_ca: tls.join("server-ca.crt"),
            certificate: tls.join("client-admin.crt"),
            key: tls.join("client-admin.key"),
        };
        let address = format!("{}:6443", servers.cluster.addresses.hosts[0]);
        let parsed = OBJECTS.lines().map(|line| {
            let object: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| object[name].as_str().unwrap().to_owned();
            ((text("apiVersion"), text("kind")), object)
        });
        Surface {
            https: Https::at(address.parse().unwrap(), Some(&credentials)).unwrap(),
            objects: parsed.collect(),
            complaints: Vec::new(),
        }
    }

    /// One object of the row's kind; those whose name matters have it already.
    fn object(&self, row: &Row) -> Value {
        let key = (row.api_version.to_owned(), row.kind.to_owned());
        let mut object = self.objects[&key].clone();
        let metadata = &object["metadata"];
        if metadata.is_null() || metadata["name"] == "NAME" {
            object["metadata"] = json!({"name": row.kept()});
        }
        if row.path.ends_with("/bindings") {
            object["metadata"] = json!({"name": "other"});
        }
        object
    }

    /// The path of the object that is kept, or of another.
    fn path(&self, row: &Row, name: &str) -> String {
        let fixed = self.objects.iter().find_map(|((version, kind), object)| {
            let of_row = version == row.api_version && kind == row.kind;
            object["metadata"]["name"].as_str().filter(|_| of_row)
        });
        let name = match (name, fixed) {
            ("kept", Some(fixed)) if fixed != "NAME" => fixed.to_owned(),
            ("kept", _) => row.kept(),
            _ => name.to_owned(),
        };
        row.path
            .replace("{namespace}", "surface")
            .replace("{name}", &name)
            .replace("{path}", "p")
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Got {
        let content = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let headers = [("content-type", content)];
        let watches = path.contains("/watch/");
        let method = method.parse().unwrap();
        let sent = self.https.send_until(method, path, &headers, body, |text| {
            watches && text.contains('\n')
        });
        let answer = sent.await.unwrap();
        let first = answer.body.lines().next().unwrap_or_default();
        let text = if watches { first } else { &answer.body };
        Got {
            code: answer.status.as_u16(),
            body: serde_json::from_str(text).unwrap_or_default(),
            text: text.to_owned(),
        }
    }

    /// Asks, and notes an answer that has not this code and this kind.
    async fn want(&mut self, method: &str, path: &str, body: &str, code: u16, kind: &str) -> Got {
        let got = self.ask(method, path, body).await;
        let found = got.body["kind"].as_str().unwrap_or_default();
        if got.code != code || (!kind.is_empty() && found != kind) {
            self.complaints.push(format!(
                "{method} {path}: wanted {code} {kind}, got {} {}",
                got.code, got.text
            ));
        }
        got
    }

    async fn want_reason(&mut self, method: &str, path: &str, code: u16, reason: &str) {
        let got = self.want(method, path, "", code, "").await;
        // What answers a HEAD has no body.
        if method != "HEAD" && got.body["reason"] != reason {
            let complaint = format!("{method} {path}: wanted {reason}, got {}", got.text);
            self.complaints.push(complaint);
        }
    }

    async fn create(&mut self, row: &Row) {
        let (path, object) = (self.path(row, "kept"), self.object(row));
        let kind = match is_answered_with_status(row) {
            true => "Status",
            false => row.kind,
        };
        self.want("POST", &path, &object.to_string(), 201, kind)
            .await;
    }

    async fn list(&mut self, row: &Row) {
        let path = self.path(row, "kept");
        let kind = format!("{}List", row.kind);
        self.want("GET", &path, "", 200, &kind).await;
        self.want("GET", &format!("{path}{LIST_OPTIONS}"), "", 200, &kind)
            .await;
    }

    /// What can be asked of an object or a part of it, but for its end.
    async fn item(&mut self, row: &Row) {
        let of_kubelet = |action: &&str| METHODS.contains(action);
        if row.subresource() == "log" || row.actions.iter().any(of_kubelet) {
            return self.connect(row).await;
        }
        let path = self.path(row, "kept");
        let kept = row.kind != "ComponentStatus";
        let (code, kind) = match kept {
            true => (200, row.kind),
            false => (404, "Status"),
        };
        let mut seen = Value::Null;
        for option in ["", "?pretty=true"] {
            if row.does("get") {
                let got = self
                    .want("GET", &format!("{path}{option}"), "", code, kind)
                    .await;
                seen = got.body;
            }
        }
        if row.does("patch") {
            let patch = r#"{"metadata":{"labels":{"patched":"yes"}}}"#;
            self.want("PATCH", &path, patch, code, kind).await;
        }
        if row.does("put") {
            match seen["metadata"].as_object_mut() {
                Some(metadata) if kept => drop(metadata.remove("resourceVersion")),
                _ => seen = self.object_or_nothing(row),
            }
            self.want("PUT", &path, &seen.to_string(), code, kind).await;
        }
        if row.does("post") {
            self.create(row).await;
        }
        for (action, method) in [("get", "GET"), ("delete", "DELETE")] {
            if row.does(action) {
                let path = self.path(row, "missing");
                self.want_reason(method, &path, 404, "NotFound").await;
            }
        }
    }

    fn object_or_nothing(&self, row: &Row) -> Value {
        let key = (row.api_version.to_owned(), row.kind.to_owned());
        match self.objects.contains_key(&key) {
            true => self.object(row),
            false => json!({}),
        }
    }

    /// What another would have to answer: refused, but not as if there were no such thing.
    async fn connect(&mut self, row: &Row) {
        let path = self.path(row, "kept");
        for method in row.actions.iter().map(|action| match *action {
            "get" => "GET",
            method => method,
        }) {
            let got = self.ask(method, &path, "").await;
            if row.subresource() == "log" && got.code == 204 {
                // A pod on no node has said nothing.
                continue;
            }
            if matches!(got.code, 200..400 | 404 | 405) {
                let complaint = format!("{method} {path}: got {} {}", got.code, got.text);
                self.complaints.push(complaint);
            }
        }
    }

    async fn watch(&mut self, row: &Row) {
        let path = self.path(row, "kept") + "?timeoutSeconds=2";
        let got = self.want("GET", &path, "", 200, "").await;
        if got.body["type"] != "ADDED" || got.body["object"]["kind"] != row.kind {
            let complaint = format!("GET {path}: wanted an event, got {}", got.text);
            self.complaints.push(complaint);
        }
    }

    /// What a path does not take.
    async fn refusals(&mut self, row: &Row) {
        let takes = |method: &str| {
            row.actions.iter().any(|action| match *action {
                "read" | "list" | "get" | "watch" | "watchlist" => method == "GET",
                "post" => method == "POST",
                "put" => method == "PUT",
                "patch" => method == "PATCH",
                "delete" | "deletecollection" => method == "DELETE",
                other => method == other,
            })
        };
        let path = self.path(row, "kept");
        for method in METHODS.into_iter().filter(|method| !takes(method)) {
            self.want_reason(method, &path, 405, "MethodNotAllowed")
                .await;
        }
    }

    async fn end(&mut self, row: &Row) {
        let path = self.path(row, "kept");
        if row.does("delete") {
            self.want("DELETE", &path, "", 200, "").await;
        }
        if row.does("deletecollection") {
            let all = path + "?labelSelector=patched%3Dyes";
            self.want("DELETE", &all, "", 200, &format!("{}List", row.kind))
                .await;
        }
    }
}

#[tokio::test]
async fn every_path_and_method_of_the_stable_api_is_answered() {
    let servers = Servers::start(1).await;
    servers.ok(&["create", "namespace", "surface"]);
    let mut surface = Surface::new(&servers);
    let rows = rows();
    for row in rows.iter().filter(|row| row.does("post")) {
        if row.subresource().is_empty() && row.kind != "Binding" {
            surface.create(row).await;
        }
    }
    servers.ok(&["run", "-n", "surface", "other", "--image=i"]);
    for row in &rows {
        if row.does("read") {
            surface.want("GET", row.path, "", 200, "").await;
            let bare = row.path.trim_end_matches('/');
            surface.want("GET", bare, "", 200, "").await;
        } else if row.does("list") {
            surface.list(row).await;
        } else if row.path.contains("/watch/") {
            surface.watch(row).await;
        } else if row.path.contains("/{name}") && !is_answered_with_status(row) {
            surface.item(row).await;
        }
        surface.refusals(row).await;
    }
    for row in &rows {
        if is_answered_with_status(row) {
            surface.create(row).await;
        }
    }
    for deleted in [true, false] {
        for row in rows.iter().filter(|row| row.is_collection() != deleted) {
            if row.path.contains("watch") {
                continue;
            }
            surface.end(row).await;
        }
    }
    let complaints = &surface.complaints;
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
