//! Defaults of services, volumes, namespaces and what else the cluster is made of.

use serde_json::{Value, json};

use super::pod::{claim_spec, source};
use super::{amounts, child, copy_missing, each, fill, fill_text, made, set};
use crate::value::{int, is_set, len, list, text};

const AFFINITY_SECONDS: i64 = 10_800;

pub(super) fn service(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    fill_text(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "None"
        && let Some(spec) = spec.as_object_mut()
    {
        spec.remove("sessionAffinityConfig");
    }
    if spec["sessionAffinity"] == "ClientIP"
        && !is_set(&spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"])
    {
        let config = json!({"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}});
        set(spec, "sessionAffinityConfig", config);
    }
    fill_text(spec, "type", "ClusterIP");
    for port in each(spec, "ports") {
        fill_text(port, "protocol", "TCP");
        let target = &port["targetPort"];
        if target.is_null() || target == 0 || target == "" {
            let number = port["port"].clone();
            set(port, "targetPort", number);
        }
    }
    let kind = text(&spec["type"]).to_owned();
    let is_external = matches!(kind.as_str(), "NodePort" | "LoadBalancer")
        || (kind == "ClusterIP" && len(&spec["externalIPs"]) > 0);
    if is_external {
        fill_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "ClusterIP" | "NodePort" | "LoadBalancer") {
        fill(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", json!(true));
        let balancer = child(object, "status").and_then(|status| child(status, "loadBalancer"));
        for ingress in balancer
            .into_iter()
            .flat_map(|balancer| each(balancer, "ingress"))
        {
            if !text(&ingress["ip"]).is_empty() {
                fill(ingress, "ipMode", json!("VIP"));
            }
        }
    }
}

pub(super) fn endpoints(object: &mut Value) {
    for subset in each(object, "subsets") {
        for port in each(subset, "ports") {
            fill_text(port, "protocol", "TCP");
        }
    }
}

pub(super) fn endpoint_slice(object: &mut Value) {
    for port in each(object, "ports") {
        fill(port, "name", json!(""));
        fill(port, "protocol", json!("TCP"));
    }
}

pub(super) fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    if !text(&name).is_empty()
        && let Some(labels) = child(object, "metadata").and_then(|m| made(m, "labels"))
    {
        set(labels, "kubernetes.io/metadata.name", name);
    }
    if let Some(status) = made(object, "status") {
        fill_text(status, "phase", "Active");
    }
}

pub(super) fn node(object: &mut Value) {
    if let Some(status) = child(object, "status") {
        amounts(status, "capacity");
        if is_set(&status["capacity"]) {
            let capacity = status["capacity"].clone();
            fill(status, "allocatable", capacity);
        }
        amounts(status, "allocatable");
    }
}

/// Texts become data, over data of the same key, and are themselves forgotten.
pub(super) fn secret(object: &mut Value) {
    fill_text(object, "type", "Opaque");
    let Some(secret) = object.as_object_mut() else {
        return;
    };
    let Some(Value::Object(texts)) = secret.remove("stringData") else {
        return;
    };
    if let Some(data) = made(object, "data") {
        for (key, value) in &texts {
            set(data, key, json!(base64(text(value).as_bytes())));
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            out.push(match place <= group.len() {
                true => char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]),
                false => '=',
            });
        }
    }
    out
}

pub(super) fn volume(object: &mut Value) {
    if let Some(status) = made(object, "status") {
        fill_text(status, "phase", "Pending");
    }
    if let Some(spec) = made(object, "spec") {
        fill_text(spec, "persistentVolumeReclaimPolicy", "Retain");
        fill(spec, "volumeMode", json!("Filesystem"));
        amounts(spec, "capacity");
        source(spec);
    }
}

pub(super) fn claim(object: &mut Value) {
    if let Some(status) = made(object, "status") {
        fill_text(status, "phase", "Pending");
        amounts(status, "capacity");
        amounts(status, "allocatedResources");
    }
    if let Some(spec) = made(object, "spec") {
        claim_spec(spec);
        // The older reference and the newer one say the same, unless a namespace is crossed.
        let (old, new) = (spec["dataSource"].clone(), spec["dataSourceRef"].clone());
        if is_set(&old) && !is_set(&new) {
            set(spec, "dataSourceRef", old);
        } else if is_set(&new) && !is_set(&old) && text(&new["namespace"]).is_empty() {
            let is_known = matches!(
                (text(&new["apiGroup"]), text(&new["kind"])),
                ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
            );
            if is_known {
                set(spec, "dataSource", new);
            }
        }
    }
}

/// Limits of containers: the most is the default, and the default is what is requested.
pub(super) fn limit_range(object: &mut Value) {
    let Some(spec) = child(object, "spec") else {
        return;
    };
    for item in each(spec, "limits") {
        for field in [
            "max",
            "min",
            "default",
            "defaultRequest",
            "maxLimitRequestRatio",
        ] {
            amounts(item, field);
        }
        if item["type"] != "Container" {
            continue;
        }
        let (max, min) = (item["max"].clone(), item["min"].clone());
        copy_missing(&max, item, "default");
        let default = item["default"].clone();
        copy_missing(&default, item, "defaultRequest");
        copy_missing(&min, item, "defaultRequest");
    }
}

pub(super) fn resource_quota(object: &mut Value) {
    if let Some(spec) = child(object, "spec") {
        amounts(spec, "hard");
    }
    if let Some(status) = child(object, "status") {
        amounts(status, "hard");
        amounts(status, "used");
    }
}

/// Fields that Go's encoder writes even where nothing was said.
pub(super) fn event(object: &mut Value) {
    fill(object, "source", json!({}));
    for field in ["reportingComponent", "reportingInstance"] {
        fill(object, field, json!(""));
    }
    for field in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        fill(object, field, Value::Null);
    }
}

pub(super) fn network_policy(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    fill(spec, "podSelector", json!({}));
    if len(&spec["policyTypes"]) == 0 {
        let types = match list(&spec["egress"]).is_empty() {
            true => json!(["Ingress"]),
            false => json!(["Ingress", "Egress"]),
        };
        set(spec, "policyTypes", types);
    }
    for direction in ["ingress", "egress"] {
        for rule in each(spec, direction) {
            for port in each(rule, "ports") {
                fill(port, "protocol", json!("TCP"));
            }
        }
    }
}

pub(super) fn ingress_class(object: &mut Value) {
    let parameters = child(object, "spec").and_then(|spec| child(spec, "parameters"));
    if let Some(parameters) = parameters {
        fill(parameters, "scope", json!("Cluster"));
    }
}

pub(super) fn storage_class(object: &mut Value) {
    fill(object, "reclaimPolicy", json!("Delete"));
    fill(object, "volumeBindingMode", json!("Immediate"));
}

pub(super) fn csi_driver(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    for (field, value) in [
        ("attachRequired", true),
        ("podInfoOnMount", false),
        ("storageCapacity", false),
        ("requiresRepublish", false),
        ("seLinuxMount", false),
    ] {
        fill(spec, field, json!(value));
    }
    fill(spec, "fsGroupPolicy", json!("ReadWriteOnceWithFSType"));
    if len(&spec["volumeLifecycleModes"]) == 0 {
        set(spec, "volumeLifecycleModes", json!(["Persistent"]));
    }
    if int(&spec["nodeAllocatableUpdatePeriodSeconds"]) == 0
        && let Some(spec) = spec.as_object_mut()
    {
        spec.remove("nodeAllocatableUpdatePeriodSeconds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;

    #[test]
    fn a_service_is_internal_unless_it_says_otherwise() {
        let mut object = json!({"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}});
        set_defaults("", "Service", &mut object);
        assert_eq!(
            object["spec"],
            json!({
                "internalTrafficPolicy": "Cluster", "selector": {"a": "b"},
                "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
                "sessionAffinity": "None", "type": "ClusterIP",
            })
        );
        let mut object = json!({"spec": {"type": "LoadBalancer", "sessionAffinity": "ClientIP"}});
        set_defaults("", "Service", &mut object);
        assert_eq!(
            object["spec"],
            json!({
                "allocateLoadBalancerNodePorts": true, "externalTrafficPolicy": "Cluster",
                "internalTrafficPolicy": "Cluster", "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
                "type": "LoadBalancer",
            })
        );
    }

    #[test]
    fn the_texts_of_a_secret_become_data() {
        let mut object =
            json!({"stringData": {"a": "x", "b": "secret!"}, "data": {"a": "b2xk", "c": ""}});
        set_defaults("", "Secret", &mut object);
        assert_eq!(
            object,
            json!({"type": "Opaque", "data": {"a": "eA==", "b": "c2VjcmV0IQ==", "c": ""}})
        );
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_namespace_carries_its_name_as_a_label() {
        let mut object = json!({"metadata": {"name": "n"}});
        set_defaults("", "Namespace", &mut object);
        assert_eq!(
            object["metadata"]["labels"],
            json!({"kubernetes.io/metadata.name": "n"})
        );
        assert_eq!(object["status"], json!({"phase": "Active"}));
    }

    #[test]
    fn limits_of_containers_give_each_other_defaults() {
        let mut object = json!({"spec": {"limits": [
            {"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "1024Ki"}},
            {"type": "Pod", "max": {"cpu": "2"}}]}});
        set_defaults("", "LimitRange", &mut object);
        assert_eq!(
            object["spec"]["limits"],
            json!([
                {"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "1Mi"},
                 "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1", "memory": "1Mi"}},
                {"type": "Pod", "max": {"cpu": "2"}}])
        );
    }

    #[test]
    fn policies_and_classes_are_filled_in() {
        let mut policy =
            json!({"spec": {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}});
        set_defaults("networking.k8s.io", "NetworkPolicy", &mut policy);
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        assert_eq!(policy["spec"]["egress"][0]["ports"][0]["protocol"], "TCP");
        let mut class = json!({"provisioner": "p"});
        set_defaults("storage.k8s.io", "StorageClass", &mut class);
        assert_eq!(
            class,
            json!({"provisioner": "p", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})
        );
        let mut claim = json!({"spec": {"resources": {"requests": {"storage": "1000Mi"}}}});
        set_defaults("", "PersistentVolumeClaim", &mut claim);
        assert_eq!(
            claim,
            json!({"spec": {"resources": {"requests": {"storage": "1000Mi"}},
                "volumeMode": "Filesystem"}, "status": {"phase": "Pending"}})
        );
    }
}
