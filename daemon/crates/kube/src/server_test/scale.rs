//! Who owns the number of replicas, and how it changes hands through `scale`.

use super::*;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// Who owns the replicas: manager, operation, subresource.
async fn owners(server: &Server) -> Vec<[String; 3]> {
    let (_, object) = server.get(&format!("{DEPLOYMENTS}/d")).await;
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let owns = |entry: &&Value| entry["fieldsV1"]["f:spec"]["f:replicas"] == json!({});
    let said = |entry: &Value| {
        assert_eq!(entry["apiVersion"], "apps/v1");
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        [text("manager"), text("operation"), text("subresource")]
    };
    entries.iter().filter(owns).map(said).collect()
}

fn owner(manager: &str, operation: &str, subresource: &str) -> [String; 3] {
    [manager.into(), operation.into(), subresource.into()]
}

fn scale(replicas: i64) -> Value {
    json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {"replicas": replicas},
    })
}

#[tokio::test]
async fn replicas_change_hands_through_scale_and_a_conflict_names_their_owner() {
    let server = Server::start().await;
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    });
    let path = format!("{DEPLOYMENTS}/d?fieldManager=author");
    let (status, made) = server.patch(&path, "apply-patch+yaml", &deployment).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(owners(&server).await, [owner("author", "Apply", "")]);

    let path = format!("{DEPLOYMENTS}/d/scale?fieldManager=scaler");
    let (status, refused) = server.patch(&path, "apply-patch+yaml", &scale(3)).await;
    assert_eq!(
        (status, &refused["reason"]),
        (StatusCode::CONFLICT, &json!("Conflict"))
    );
    let cause = &refused["details"]["causes"][0];
    assert_eq!(
        (&cause["reason"], &cause["field"]),
        (&json!("FieldManagerConflict"), &json!(".spec.replicas"))
    );
    assert!(
        refused["message"].as_str().unwrap().contains("\"author\""),
        "{refused}"
    );
    let forced = format!("{path}&force=true");
    let (status, scaled) = server.patch(&forced, "apply-patch+yaml", &scale(3)).await;
    assert_eq!((status, &scaled["kind"]), (StatusCode::OK, &json!("Scale")));
    assert_eq!(scaled["spec"]["replicas"], 3);
    assert!(scaled["metadata"].get("managedFields").is_none());
    assert_eq!(owners(&server).await, [owner("scaler", "Apply", "scale")]);

    // The author still applies without the field, and takes nothing away.
    let mut without = deployment.clone();
    without["spec"].as_object_mut().unwrap().remove("replicas");
    let author = format!("{DEPLOYMENTS}/d?fieldManager=author");
    let (status, applied) = server.patch(&author, "apply-patch+yaml", &without).await;
    assert_eq!(
        (status, &applied["spec"]["replicas"]),
        (StatusCode::OK, &json!(3))
    );

    for (kind, body, replicas) in [
        ("merge-patch+json", json!({"spec": {"replicas": 4}}), 4),
        (
            "strategic-merge-patch+json",
            json!({"spec": {"replicas": 5}}),
            5,
        ),
        (
            "json-patch+json",
            json!([{"op": "replace", "path": "/spec/replicas", "value": 6}]),
            6,
        ),
    ] {
        let path = format!("{DEPLOYMENTS}/d/scale?fieldManager={}", &kind[..4]);
        let (status, scaled) = server.patch(&path, kind, &body).await;
        assert_eq!(
            (status, &scaled["spec"]["replicas"]),
            (StatusCode::OK, &json!(replicas)),
            "{kind}"
        );
        let last = owner(&kind[..4], "Update", "scale");
        assert_eq!(owners(&server).await, [last], "{kind}");
    }
    let path = format!("{DEPLOYMENTS}/d/scale?fieldManager=put");
    let (status, _) = server.call("PUT", &path, scale(7)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(owners(&server).await, [owner("put", "Update", "scale")]);
}
