//! The audit log of a server that kubectl talks to.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use skerry_tests_kubectl::Servers;

const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  resources: [{group: '', resources: [secrets]}]
  namespaces: [default]
- level: RequestResponse
  omitManagedFields: true
  resources: [{group: '', resources: [configmaps]}]
  verbs: [create, patch, delete]
  userGroups: ['system:masters']
- level: None
";

/// What kubectl has done, in its order; none of what the server does itself.
fn events(folder: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("audit.log")).unwrap();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
    events
        .filter(|event: &Value| {
            let agent = event["userAgent"].as_str().unwrap_or_default();
            agent.starts_with("kubectl/")
        })
        .collect()
}

#[tokio::test]
async fn what_the_policy_wants_is_recorded_as_upstream_does_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.yaml");
    std::fs::write(&policy, POLICY).unwrap();
    let log = folder.path().join("audit.log");
    let flags = [
        format!("--audit-policy-file={}", policy.display()),
        format!("--kube-apiserver-arg=audit-log-path={}", log.display()),
    ];
    let servers = Servers::start_with(1, &[&flags[0], &flags[1]]).await;
    assert!(events(folder.path()).is_empty());

    servers.ok(&[
        "create",
        "secret",
        "generic",
        "s",
        "--from-literal=password=hidden",
    ]);
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {a: b}}";
    servers.ok_with(&["apply", "--server-side", "-f", "-"], manifest);
    servers.ok(&["get", "configmap", "m"]);
    servers.ok(&["delete", "configmap", "m"]);
    servers.fails(&["get", "secrets", "--as=bob"]);

    let events = events(folder.path());
    let said: Vec<String> = events
        .iter()
        .map(|event| {
            let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {} {}",
                text(&event["level"]),
                text(&event["verb"]),
                text(&event["objectRef"]["name"]),
                event["responseStatus"]["code"],
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            "Metadata create s 201",
            "RequestResponse patch m 201",
            "RequestResponse delete m 200",
            "Metadata list  403",
        ]
    );
    let [secret, applied, deleted, refused] = &events[..] else {
        unreachable!()
    };
    assert!(!secret.to_string().contains("hidden") && secret.get("requestObject").is_none());
    assert_eq!(applied["requestObject"]["data"]["a"], "b");
    assert_eq!(applied["responseObject"]["data"]["a"], "b");
    assert!(
        applied["responseObject"]["metadata"]
            .get("managedFields")
            .is_none()
    );
    assert_eq!(deleted["responseStatus"]["status"], "Success");
    assert_eq!(refused["impersonatedUser"]["username"], "bob");
    assert_eq!(refused["user"]["username"], "system:admin");
}
