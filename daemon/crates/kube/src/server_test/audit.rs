//! The audit trail of requests, as its file shows it.

use super::*;
use skerry_audit::{FileOptions, Mode, Policy};

struct Audited {
    server: Server,
    folder: tempfile::TempDir,
}

impl Audited {
    async fn start(rules: &str) -> Audited {
        Audited::start_in("audit.log", Mode::Blocking, rules).await
    }

    async fn start_in(path: &str, mode: Mode, rules: &str) -> Audited {
        let folder = tempfile::tempdir().unwrap();
        let policy = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rules}");
        let file = FileOptions {
            path: folder.path().join(path),
            bytes_max: 1 << 30,
            age_max: None,
            backups_max: None,
        };
        let audit = crate::Audit::start(Policy::parse(&policy).unwrap(), file, mode).unwrap();
        let server = Server::start_with(Some(Arc::new(audit))).await;
        Audited { server, folder }
    }

    /// What was recorded of a user.
    fn events(&self, user: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let of_user = |event: &Value| event["user"]["username"] == user;
        events.filter(of_user).collect()
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> http::Response<Body> {
        let body = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut peer = Peer::new("192.0.2.9:1".parse().unwrap(), None);
        peer.common_name = Some("auditor".into());
        peer.organizations = vec!["system:masters".into()];
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        self.server.api.answer(&peer, request).await
    }
}

#[tokio::test]
async fn a_request_is_recorded_before_it_is_answered_under_the_id_that_the_client_gave() {
    let audited =
        Audited::start("rules: [{level: RequestResponse, omitManagedFields: true}]").await;
    let headers = [
        ("content-type", "application/json"),
        ("audit-id", "my-id"),
        ("user-agent", "me/1"),
        ("x-forwarded-for", "198.51.100.7, nonsense"),
    ];
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    let response = audited.send("POST", MAPS, &headers, &body).await;
    assert_eq!(response.headers()["audit-id"], "my-id");
    let events = audited.events("auditor");
    let stages: Vec<_> = events.iter().map(|event| &event["stage"]).collect();
    assert_eq!(stages, ["RequestReceived", "ResponseComplete"]);
    let [first, last] = &events[..] else {
        unreachable!()
    };
    assert_eq!(first["stageTimestamp"], first["requestReceivedTimestamp"]);
    assert!(first.get("responseStatus").is_none() && first.get("annotations").is_none());
    assert_eq!(
        (&last["auditID"], &last["verb"]),
        (&json!("my-id"), &json!("create"))
    );
    assert_eq!(last["sourceIPs"], json!(["198.51.100.7", "192.0.2.9"]));
    assert_eq!(last["userAgent"], "me/1");
    assert_eq!(last["requestURI"], MAPS);
    assert_eq!(
        last["objectRef"],
        json!({"resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1"})
    );
    assert_eq!(last["responseStatus"], json!({"metadata": {}, "code": 201}));
    assert_eq!(last["requestObject"], body);
    assert_eq!(last["responseObject"]["data"], json!({"k": "v"}));
    assert!(last["responseObject"]["metadata"]["uid"].is_string());
    assert!(
        last["responseObject"]["metadata"]
            .get("managedFields")
            .is_none()
    );
    assert_eq!(
        last["annotations"]["authorization.k8s.io/decision"],
        "allow"
    );
}

#[tokio::test]
async fn a_refusal_is_recorded_with_its_status_and_with_whom_the_user_acted_as() {
    let audited = Audited::start("omitStages: [RequestReceived]\nrules: [{level: Metadata}]").await;
    let as_bob = [("impersonate-user", "bob"), ("impersonate-group", "g")];
    let response = audited.send("GET", MAPS, &as_bob, &Value::Null).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    audited
        .send("GET", &format!("{MAPS}/none"), &[], &Value::Null)
        .await;
    let events = audited.events("auditor");
    let [forbidden, missing] = &events[..] else {
        panic!("{events:?}")
    };
    let groups = json!(["g", "system:authenticated"]);
    assert_eq!(
        forbidden["impersonatedUser"],
        json!({"username": "bob", "groups": groups})
    );
    assert_eq!(
        forbidden["annotations"]["authorization.k8s.io/decision"],
        "forbid"
    );
    assert_eq!(forbidden["responseStatus"]["code"], 403);
    let status = &missing["responseStatus"];
    assert_eq!(
        (&status["reason"], &status["code"]),
        (&json!("NotFound"), &json!(404))
    );
    assert_eq!(status["details"]["name"], "none");
    assert!(missing.get("impersonatedUser").is_none());
    assert!(missing.get("responseObject").is_none());
}

#[tokio::test]
async fn a_watch_is_recorded_when_it_starts_and_when_it_ends_and_a_list_when_it_is_sent() {
    let audited = Audited::start("rules: [{level: RequestResponse, users: [auditor]}]").await;
    let watch = audited
        .send("GET", &format!("{MAPS}?watch=1"), &[], &Value::Null)
        .await;
    let stages = || {
        let events = audited.events("auditor");
        let stage = |event: &Value| event["stage"].as_str().unwrap().to_owned();
        events.iter().map(stage).collect::<Vec<_>>()
    };
    assert_eq!(stages(), ["RequestReceived", "ResponseStarted"]);
    drop(watch);
    let list = audited.send("GET", MAPS, &[], &Value::Null).await;
    whole(list).await;
    // Ends are written by the writer in its own time.
    let looking = async {
        while stages().len() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap();
    let events = audited.events("auditor");
    let ended = |verb: &str| {
        let is = |event: &&Value| event["verb"] == verb && event["stage"] == "ResponseComplete";
        events.iter().find(is).unwrap()
    };
    assert_eq!(ended("watch")["responseStatus"]["code"], 200);
    assert!(ended("watch").get("responseObject").is_none());
    assert_eq!(ended("list")["responseObject"]["kind"], "ConfigMapList");
    assert!(audited.events("admin").is_empty());
}

#[tokio::test]
async fn whoever_cannot_prove_a_name_is_recorded_as_nobody() {
    let audited = Audited::start("rules: [{level: Metadata}]").await;
    let request = Request::builder()
        .uri(MAPS)
        .header("authorization", "Bearer wrong")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let peer = Peer::new("192.0.2.9:1".parse().unwrap(), None);
    let response = audited.server.api.answer(&peer, request).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let text = std::fs::read_to_string(audited.folder.path().join("audit.log")).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["user"], &last["stage"]),
        (&json!({}), &json!("ResponseStarted"))
    );
    let status =
        json!({"metadata": {}, "code": 401, "message": "Authentication failed, attempted: bearer"});
    assert_eq!(last["responseStatus"], status);
}

#[tokio::test]
async fn a_full_disk_stops_requests_only_where_that_was_asked_for() {
    let rules = "rules: [{level: Metadata, users: [auditor]}]";
    for (mode, wanted) in [
        (Mode::Batch, StatusCode::OK),
        (Mode::Blocking, StatusCode::OK),
        (Mode::BlockingStrict, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let audited = Audited::start_in("/dev/full", mode, rules).await;
        let response = audited.send("GET", MAPS, &[], &Value::Null).await;
        assert_eq!(response.status(), wanted, "{mode:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_larger_than_an_event_is_left_out_and_that_is_said() {
    let audited = Audited::start("rules: [{level: Request}]").await;
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "v".repeat(600 << 10)}});
    let headers = [("content-type", "application/json")];
    let response = audited.send("POST", MAPS, &headers, &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let events = audited.events("auditor");
    let last = events.last().unwrap();
    assert_eq!(last["annotations"]["audit.k8s.io/truncated"], "true");
    assert!(last.get("requestObject").is_none());
}
