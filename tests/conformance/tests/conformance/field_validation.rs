//! Fields that a kind does not have, or has twice.

use http::Method;
use serde_json::{Value, json};
use skerry_tests_conformance::World;
use skerry_tests_kube_rs::refusal;

const DEPLOYMENT: &str = r#"{
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "NAME", "labels": {"app": "web"}},
    "spec": {
        "unknown1": "val1", "unknownDupe": "valDupe", "unknownDupe": "valDupe2",
        "paused": true, "paused": false,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{
                "name": "main", "image": "example.test/web",
                "unknownNested": "val1", "imagePullPolicy": "Always", "imagePullPolicy": "Never"
            }]}
        }
    }
}"#;

const WRONG: [&str; 6] = [
    "unknown field \"spec.unknown1\"",
    "unknown field \"spec.unknownDupe\"",
    "duplicate field \"spec.paused\"",
    "unknown field \"spec.template.spec.containers[0].unknownNested\"",
    "duplicate field \"spec.template.spec.containers[0].imagePullPolicy\"",
    "duplicate field \"spec.unknownDupe\"",
];

/// What comes back, and the warnings with it.
async fn send(world: &World, method: Method, path: &str, content: &str, body: &str) -> Answer {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, content)
        .body(kube::client::Body::from(body.as_bytes().to_vec()))
        .unwrap();
    let response = world.client.send(request).await.unwrap();
    let (head, body) = response.into_parts();
    let warnings = head.headers.get_all(http::header::WARNING).iter();
    let warnings = warnings.map(|value| value.to_str().unwrap().to_owned());
    let warnings: Vec<String> = warnings.collect();
    let bytes = body.collect_bytes().await.unwrap();
    Answer {
        code: head.status.as_u16(),
        warnings,
        body: serde_json::from_slice(&bytes).unwrap(),
    }
}

#[derive(Debug)]
struct Answer {
    code: u16,
    warnings: Vec<String>,
    body: Value,
}

impl Answer {
    fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

#[tokio::test]
async fn unknown_and_duplicate_fields_are_refused_warned_of_or_ignored() {
    let world = World::new("fields").await;
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", world.namespace);
    let named = |name: &str| DEPLOYMENT.replace("NAME", name);
    let strict = format!("{path}?fieldValidation=Strict");
    let answer = send(
        &world,
        Method::POST,
        &strict,
        "application/json",
        &named("a"),
    )
    .await;
    assert_eq!(answer.code, 400, "{answer:?}");
    for wrong in WRONG {
        assert!(
            answer.message().contains(wrong),
            "{wrong}: {}",
            answer.message()
        );
    }
    for (name, query) in [("warned", "?fieldValidation=Warn"), ("default", "")] {
        let path = format!("{path}{query}");
        let answer = send(
            &world,
            Method::POST,
            &path,
            "application/json",
            &named(name),
        )
        .await;
        assert_eq!(answer.code, 201, "{answer:?}");
        let told = answer.warnings.join("\n").replace('\\', "");
        for wrong in WRONG {
            assert!(told.contains(wrong), "{wrong}: {told}");
        }
        assert_eq!(answer.body["spec"]["unknown1"], Value::Null);
    }
    let ignore = format!("{path}?fieldValidation=Ignore");
    let answer = send(
        &world,
        Method::POST,
        &ignore,
        "application/json",
        &named("ignored"),
    )
    .await;
    assert_eq!((answer.code, answer.warnings.len()), (201, 0), "{answer:?}");

    // As YAML, and as every type of patch.
    let own = format!("{path}/ignored?fieldValidation=Strict&fieldManager=test");
    let patch = r#"{"spec": {"unknown1": "val1", "paused": true, "paused": false}}"#;
    for content in [
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ] {
        let answer = send(&world, Method::PATCH, &own, content, patch).await;
        assert!([400, 422].contains(&answer.code), "{answer:?}");
        assert!(answer.message().contains("unknown field \"spec.unknown1\""));
        assert!(
            answer.message().contains("duplicate field \"spec.paused\""),
            "{answer:?}"
        );
    }
    let operation = r#"[{"op": "add", "path": "/spec/unknown1", "value": 1, "foo": "bar"}]"#;
    let answer = send(
        &world,
        Method::PATCH,
        &own,
        "application/json-patch+json",
        operation,
    )
    .await;
    assert!([400, 422].contains(&answer.code), "{answer:?}");
    assert!(answer.message().contains("unknown field \"spec.unknown1\""));
    assert!(
        answer
            .message()
            .contains("json patch unknown field \"[0].foo\""),
        "{answer:?}"
    );
    let own = format!("{own}&force=true");
    let content = "application/apply-patch+yaml";
    let start = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: ignored\nspec:\n";
    let twice = format!("{start}  paused: true\n  paused: false\n");
    let answer = send(&world, Method::PATCH, &own, content, &twice).await;
    assert_eq!(answer.code, 400, "{answer:?}");
    let line = "line 7: key \"paused\" already set in map";
    assert!(answer.message().contains(line), "{answer:?}");
    let unknown = format!("{start}  unknown1: val1\n");
    let answer = send(&world, Method::PATCH, &own, content, &unknown).await;
    let wrong = ".spec.unknown1: field not declared in schema";
    assert!(
        answer.code >= 400 && answer.message().contains(wrong),
        "{answer:?}"
    );
}

#[tokio::test]
async fn unknown_fields_of_metadata_are_refused() {
    let world = World::new("metadata-fields").await;
    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments?fieldValidation=Strict",
        world.namespace
    );
    let unknown = json!({"labels": {"app": "web"}, "unknownMeta": "metaVal", "name": "a"});
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": unknown,
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": unknown,
                "spec": {"containers": [{"name": "main", "image": "example.test/web"}]},
            },
        },
    });
    let refused = world
        .send(
            Method::POST,
            &path,
            "application/json",
            manifest.to_string(),
        )
        .await;
    let status = refusal(refused);
    assert_eq!((status.code, status.reason.as_str()), (400, "BadRequest"));
    for wrong in ["metadata.unknownMeta", "spec.template.metadata.unknownMeta"] {
        let wrong = format!("unknown field \"{wrong}\"");
        assert!(
            status.message.contains(&wrong),
            "{wrong}: {}",
            status.message
        );
    }
    let ended = world
        .kubectl_with(&["create", "-f", "-"], &manifest.to_string())
        .await;
    assert!(
        !ended.ok && ended.err.contains("strict decoding error"),
        "{ended:?}"
    );
}
