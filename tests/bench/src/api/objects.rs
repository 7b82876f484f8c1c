//! What is written: ConfigMaps of a given size and pods as a Deployment makes them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::client::Call;

/// Bytes of the value of a ConfigMap.
pub(crate) const VALUE_BYTES: usize = 1_024;

/// Where what is read and changed lives.
pub(crate) const NAMESPACE: &str = "bench";

const JSON: &str = "application/json";

pub(crate) fn path(namespace: &str, name: &str) -> String {
    match name {
        "" => format!("/api/v1/namespaces/{namespace}/configmaps"),
        name => format!("/api/v1/namespaces/{namespace}/configmaps/{name}"),
    }
}

pub(crate) fn name(number: usize) -> String {
    format!("c-{number:08}")
}

fn text(bytes: usize, turn: usize) -> String {
    format!("{turn:016}{}", "x".repeat(bytes.saturating_sub(16)))
}

fn config_map(name: &str, value: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "data": {"value": value},
    })
}

fn call(method: &'static str, path: String, content_type: &'static str, body: &Value) -> Call {
    Call {
        method,
        path,
        content_type,
        accept: JSON,
        body: Bytes::from(body.to_string()),
    }
}

pub(crate) fn namespace(name: &str) -> Call {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    call("POST", "/api/v1/namespaces".into(), JSON, &body)
}

pub(crate) fn create(namespace: &str, name: &str, bytes: usize) -> Call {
    let body = config_map(name, text(bytes, 0).into());
    call("POST", path(namespace, ""), JSON, &body)
}

/// Replaces the value by one that is another each turn.
pub(crate) fn update(namespace: &str, name: &str, bytes: usize, turn: usize) -> Call {
    let body = config_map(name, text(bytes, turn).into());
    call("PUT", path(namespace, name), JSON, &body)
}

pub(crate) fn json_patch(name: &str, turn: usize) -> Call {
    let value = text(VALUE_BYTES, turn);
    let body = json!([{"op": "replace", "path": "/data/value", "value": value}]);
    let content_type = "application/json-patch+json";
    call("PATCH", path(NAMESPACE, name), content_type, &body)
}

pub(crate) fn merge_patch(name: &str, turn: usize) -> Call {
    let body = json!({"data": {"value": text(VALUE_BYTES, turn)}});
    let content_type = "application/merge-patch+json";
    call("PATCH", path(NAMESPACE, name), content_type, &body)
}

pub(crate) fn strategic_patch(name: &str, turn: usize) -> Call {
    Call {
        content_type: "application/strategic-merge-patch+json",
        ..merge_patch(name, turn)
    }
}

pub(crate) fn apply(name: &str, turn: usize) -> Call {
    let body = config_map(name, text(VALUE_BYTES, turn).into());
    let path = path(NAMESPACE, name) + "?fieldManager=bench-apply&force=true";
    call("PATCH", path, "application/apply-patch+yaml", &body)
}

/// A pod as a Deployment's: owner, probes, a volume, a token.
pub(crate) fn pod(name: &str) -> Call {
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10});
    let body = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app": "web", "pod-template-hash": "7d4b9c8f6d"},
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{
                "name": "web", "image": "registry.example/web:1.2.3",
                "ports": [{"containerPort": 8080}],
                "env": [{"name": "MODE", "value": "production"}],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "64Mi"},
                    "limits": {"memory": "128Mi"},
                },
                "livenessProbe": probe, "readinessProbe": probe,
                "volumeMounts": [{"name": "settings", "mountPath": "/etc/web"}],
            }],
            "volumes": [{"name": "settings", "configMap": {"name": "web"}}],
        },
    });
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    call("POST", path, JSON, &body)
}
