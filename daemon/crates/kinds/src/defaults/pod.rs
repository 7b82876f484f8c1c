//! Defaults of pods and of the templates that pods are made from.

use serde_json::{Value, json};

use super::{amount, amounts, child, copy_missing, each, fill, fill_number, fill_text, made, set};
use crate::value::{int, is_set, is_true, list, text};

const FILE_MODE: i64 = 0o644;
const TOKEN_SECONDS: i64 = 3600;

pub(super) fn pod(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    fill(spec, "enableServiceLinks", json!(true));
    for field in ["containers", "initContainers"] {
        for container in each(spec, field) {
            requests_from_limits(container);
        }
    }
    pod_level_requests(spec);
    if is_true(&spec["hostNetwork"]) {
        host_ports(spec);
    }
    pod_spec(spec);
}

/// A field that holds a template: metadata and the spec of a pod.
pub(super) fn template(object: &mut Value, field: &str) {
    let template = made(object, field);
    if let Some(spec) = template.and_then(|template| made(template, "spec")) {
        pod_spec(spec);
    }
}

fn pod_spec(spec: &mut Value) {
    if text(&spec["serviceAccountName"]).is_empty() && is_set(&spec["serviceAccount"]) {
        set(spec, "serviceAccountName", spec["serviceAccount"].clone());
    }
    if !text(&spec["serviceAccountName"]).is_empty() {
        set(spec, "serviceAccount", spec["serviceAccountName"].clone());
    }
    fill_text(spec, "dnsPolicy", "ClusterFirst");
    fill_text(spec, "restartPolicy", "Always");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", json!(30));
    fill_text(spec, "schedulerName", "default-scheduler");
    amounts(spec, "overhead");
    if let Some(resources) = child(spec, "resources") {
        amounts(resources, "limits");
        amounts(resources, "requests");
    }
    for field in ["containers", "initContainers", "ephemeralContainers"] {
        for each in each(spec, field) {
            container(each);
        }
    }
    for each in each(spec, "volumes") {
        volume(each);
    }
}

fn container(container: &mut Value) {
    if text(&container["imagePullPolicy"]).is_empty() {
        let policy = pull_policy(text(&container["image"]));
        fill_text(container, "imagePullPolicy", policy);
    }
    fill_text(container, "terminationMessagePath", "/dev/termination-log");
    fill_text(container, "terminationMessagePolicy", "File");
    fill(container, "resources", json!({}));
    if let Some(resources) = child(container, "resources") {
        amounts(resources, "limits");
        amounts(resources, "requests");
    }
    for port in each(container, "ports") {
        fill_text(port, "protocol", "TCP");
    }
    for variable in each(container, "env") {
        if let Some(source) = child(variable, "valueFrom") {
            field_reference(source);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = child(container, name) {
            fill_number(probe, "timeoutSeconds", 1);
            fill_number(probe, "periodSeconds", 10);
            fill_number(probe, "successThreshold", 1);
            fill_number(probe, "failureThreshold", 3);
            if let Some(grpc) = child(probe, "grpc") {
                fill(grpc, "service", json!(""));
            }
            http_get(probe);
        }
    }
    if let Some(lifecycle) = child(container, "lifecycle") {
        for moment in ["postStart", "preStop"] {
            if let Some(handler) = child(lifecycle, moment) {
                http_get(handler);
            }
        }
    }
}

fn http_get(handler: &mut Value) {
    if let Some(http) = child(handler, "httpGet") {
        fill_text(http, "path", "/");
        fill_text(http, "scheme", "HTTP");
    }
}

fn field_reference(source: &mut Value) {
    if let Some(field) = child(source, "fieldRef") {
        fill_text(field, "apiVersion", "v1");
    }
    if let Some(resource) = child(source, "resourceFieldRef") {
        fill(resource, "divisor", json!("0"));
        amount(resource, "divisor");
    }
}

/// `Always` where the image's tag is, or would be, `latest`.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let path_at = name.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match name[path_at..].split_once(':') {
        Some((last, tag)) => (&name[..path_at + last.len()], Some(tag)),
        None => (name, None),
    };
    let repository = match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => path,
    };
    let is_name = !repository.is_empty()
        && repository.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'/')
        });
    match (is_name, tag, digest) {
        (true, Some("latest"), _) | (true, None, None) => "Always",
        _ => "IfNotPresent",
    }
}

fn requests_from_limits(container: &mut Value) {
    let limits = container["resources"]["limits"].clone();
    if let Some(resources) = child(container, "resources") {
        copy_missing(&limits, resources, "requests");
    }
}

/// Where the pod as a whole has limits, it requests no less than that, unless its containers say
/// what they need.
fn pod_level_requests(spec: &mut Value) {
    let limits = spec["resources"]["limits"].clone();
    for name in ["cpu", "memory"] {
        let is_said = list(&spec["containers"])
            .iter()
            .chain(list(&spec["initContainers"]))
            .any(|container| is_set(&container["resources"]["requests"][name]));
        let limit = limits[name].clone();
        if is_said || limit.is_null() {
            continue;
        }
        if let Some(resources) = child(spec, "resources") {
            copy_missing(&json!({ name: limit }), resources, "requests");
        }
    }
}

fn host_ports(spec: &mut Value) {
    for field in ["containers", "initContainers"] {
        for container in each(spec, field) {
            for port in each(container, "ports") {
                let number = int(&port["containerPort"]);
                fill_number(port, "hostPort", number);
            }
        }
    }
}

fn volume(volume: &mut Value) {
    let has_source = volume
        .as_object()
        .is_none_or(|volume| volume.iter().any(|(k, v)| k != "name" && is_set(v)));
    if !has_source {
        set(volume, "emptyDir", json!({}));
    }
    for name in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = child(volume, name) {
            fill(source, "defaultMode", json!(FILE_MODE));
        }
    }
    if let Some(source) = child(volume, "downwardAPI") {
        each(source, "items").for_each(field_reference);
    }
    if let Some(projected) = child(volume, "projected") {
        for source in each(projected, "sources") {
            if let Some(token) = child(source, "serviceAccountToken") {
                fill(token, "expirationSeconds", json!(TOKEN_SECONDS));
            }
            if let Some(source) = child(source, "downwardAPI") {
                each(source, "items").for_each(field_reference);
            }
        }
    }
    if let Some(source) = child(volume, "emptyDir") {
        amount(source, "sizeLimit");
    }
    if let Some(image) = child(volume, "image") {
        let policy = pull_policy(text(&image["reference"]));
        fill_text(image, "pullPolicy", policy);
    }
    if let Some(claim) = child(volume, "ephemeral").and_then(|e| child(e, "volumeClaimTemplate"))
        && let Some(spec) = child(claim, "spec")
    {
        claim_spec(spec);
    }
    source(volume);
}

pub(super) fn claim_spec(spec: &mut Value) {
    fill(spec, "volumeMode", json!("Filesystem"));
    fill(spec, "resources", json!({}));
    if let Some(resources) = child(spec, "resources") {
        amounts(resources, "limits");
        amounts(resources, "requests");
    }
}

/// What a pod's volume and a persistent one have in common.
pub(super) fn source(volume: &mut Value) {
    if let Some(source) = child(volume, "hostPath") {
        fill(source, "type", json!(""));
    }
    if let Some(source) = child(volume, "iscsi") {
        fill_text(source, "iscsiInterface", "default");
    }
    if let Some(source) = child(volume, "rbd") {
        fill_text(source, "pool", "rbd");
        fill_text(source, "user", "admin");
        fill_text(source, "keyring", "/etc/ceph/keyring");
    }
    if let Some(source) = child(volume, "azureDisk") {
        fill(source, "cachingMode", json!("ReadWrite"));
        fill(source, "kind", json!("Shared"));
        fill(source, "fsType", json!("ext4"));
        fill(source, "readOnly", json!(false));
    }
    if let Some(source) = child(volume, "scaleIO") {
        fill_text(source, "storageMode", "ThinProvisioned");
        fill_text(source, "fsType", "xfs");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;

    fn defaulted(mut object: Value) -> Value {
        set_defaults("", "Pod", &mut object);
        object
    }

    #[test]
    fn a_pod_that_says_little_runs_as_upstream_would_run_it() {
        let pod = defaulted(json!({"spec": {"containers": [{"name": "a", "image": "nginx"}]}}));
        assert_eq!(
            pod["spec"],
            json!({
                "containers": [{
                    "name": "a", "image": "nginx", "imagePullPolicy": "Always", "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }],
                "dnsPolicy": "ClusterFirst",
                "enableServiceLinks": true,
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "terminationGracePeriodSeconds": 30,
            })
        );
    }

    #[test]
    fn an_image_is_always_pulled_only_where_its_tag_is_latest() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("registry:5000/a/nginx", "Always"),
            ("localhost/nginx:latest@sha256:ab", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("registry:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:ab", "IfNotPresent"),
            ("", "IfNotPresent"),
            ("Nginx", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn limits_become_requests_in_a_pod_but_not_in_a_template() {
        let spec = json!({"containers": [{"resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}, "requests": {"cpu": 0.1}}}]});
        let pod = defaulted(json!({ "spec": spec.clone() }));
        assert_eq!(
            pod["spec"]["containers"][0]["resources"],
            json!({
                "limits": {"cpu": "500m", "memory": "1Gi"},
                "requests": {"cpu": "100m", "memory": "1Gi"},
            })
        );
        let mut object = json!({"spec": {"template": {"spec": spec}}});
        set_defaults("apps", "Deployment", &mut object);
        let resources = &object["spec"]["template"]["spec"]["containers"][0]["resources"];
        assert_eq!(resources["requests"], json!({"cpu": "100m"}));
    }

    #[test]
    fn probes_ports_and_volumes_are_filled_in() {
        let pod = defaulted(json!({"spec": {
            "hostNetwork": true,
            "serviceAccount": "sa",
            "containers": [{
                "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}},
                "env": [{"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            }],
            "volumes": [{"name": "e"}, {"name": "s", "secret": {"secretName": "x"}},
                {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
                {"name": "h", "hostPath": {"path": "/"}}],
        }}));
        let spec = &pod["spec"];
        let container = &spec["containers"][0];
        assert_eq!(
            container["ports"][0],
            json!({"containerPort": 80, "hostPort": 80, "protocol": "TCP"})
        );
        assert_eq!(
            container["readinessProbe"],
            json!({
                "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
                "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
            })
        );
        assert_eq!(
            container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"],
            "v1"
        );
        assert_eq!(spec["serviceAccountName"], "sa");
        assert_eq!(
            spec["volumes"],
            json!([
                {"name": "e", "emptyDir": {}},
                {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}},
                {"name": "p", "projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}},
                {"name": "h", "hostPath": {"path": "/", "type": ""}},
            ])
        );
    }
}
