//! What a service keeps that was given to it, and what it loses when it becomes of another type.
//!
//! Addresses and ports themselves are given out elsewhere, after this.

use serde_json::{Value, json};

use super::put;
use crate::value::{int, len, list, object_at, same, text};

pub(super) fn create(object: &mut Value) {
    let spec = &object["spec"];
    if len(&spec["clusterIPs"]) == 0 && !text(&spec["clusterIP"]).is_empty() {
        let address = spec["clusterIP"].clone();
        if let Some(spec) = object_at(object, "spec") {
            spec.insert("clusterIPs".to_owned(), json!([address]));
        }
    }
}

pub(super) fn update(new: &mut Value, old: &Value) {
    let old = &old["spec"];
    keep_allocated(new, old);
    sync_addresses(new, old);
    drop_what_belongs_to_the_old_type(new, old);
}

fn kind(spec: &Value) -> &str {
    text(&spec["type"])
}

fn has_address(spec: &Value) -> bool {
    matches!(kind(spec), "ClusterIP" | "NodePort" | "LoadBalancer")
}

fn has_node_ports(spec: &Value) -> bool {
    match kind(spec) {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

fn has_health_port(spec: &Value) -> bool {
    kind(spec) == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

fn is_external(spec: &Value) -> bool {
    matches!(kind(spec), "NodePort" | "LoadBalancer")
        || (kind(spec) == "ClusterIP" && len(&spec["externalIPs"]) > 0)
}

/// Whoever leaves out what was given to the service means to keep it.
fn keep_allocated(new: &mut Value, old: &Value) {
    let wanted = new["spec"].clone();
    let Some(spec) = object_at(new, "spec") else {
        return;
    };
    if has_address(old) && has_address(&wanted) {
        if text(&wanted["clusterIP"]).is_empty() {
            put(spec, "clusterIP", &old["clusterIP"]);
        }
        let is_same = spec.get("clusterIP") == old.get("clusterIP");
        if len(&wanted["clusterIPs"]) == 0 && is_same {
            put(spec, "clusterIPs", &old["clusterIPs"]);
        }
    }
    if has_node_ports(old) && has_node_ports(&wanted) {
        keep_node_ports(spec.get_mut("ports"), old);
    }
    if has_health_port(old) && has_health_port(&wanted) && int(&wanted["healthCheckNodePort"]) == 0
    {
        put(spec, "healthCheckNodePort", &old["healthCheckNodePort"]);
    }
}

fn keep_node_ports(ports: Option<&mut Value>, old: &Value) {
    let Some(ports) = ports.and_then(Value::as_array_mut) else {
        return;
    };
    let taken: Vec<i64> = ports.iter().map(|port| int(&port["nodePort"])).collect();
    for port in ports {
        if int(&port["nodePort"]) != 0 {
            continue;
        }
        let before = list(&old["ports"]).iter().find(|before| {
            before["port"] == port["port"]
                && before["protocol"] == port["protocol"]
                && !taken.contains(&int(&before["nodePort"]))
        });
        if let (Some(before), Some(port)) = (before, port.as_object_mut()) {
            put(port, "nodePort", &before["nodePort"]);
        }
    }
}

/// Old clients write `clusterIP` and know no `clusterIPs`: the one that was changed counts.
fn sync_addresses(new: &mut Value, old: &Value) {
    let Some(spec) = object_at(new, "spec") else {
        return;
    };
    let old_first = text(&old["clusterIP"]);
    let first = spec
        .get("clusterIP")
        .map(text)
        .unwrap_or_default()
        .to_owned();
    let all = spec.get("clusterIPs").unwrap_or(&Value::Null);
    let is_all_same = same(all, &old["clusterIPs"]);
    if !old_first.is_empty() && first.is_empty() && is_all_same {
        spec.remove("clusterIPs");
    } else if !first.is_empty() && (len(all) == 0 || (first != old_first && is_all_same)) {
        spec.insert("clusterIPs".to_owned(), json!([first]));
    }
}

fn drop_what_belongs_to_the_old_type(new: &mut Value, old: &Value) {
    let wanted = new["spec"].clone();
    let Some(spec) = object_at(new, "spec") else {
        return;
    };
    let lost = |has: fn(&Value) -> bool| has(old) && !has(&wanted);
    let is_same = |field: &str| same(&wanted[field], &old[field]);
    if lost(has_address) {
        if is_same("clusterIPs") {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        for field in ["ipFamilies", "ipFamilyPolicy"] {
            if is_same(field) {
                spec.remove(field);
            }
        }
    }
    let node_ports = |spec: &Value| -> Vec<i64> {
        list(&spec["ports"])
            .iter()
            .map(|port| int(&port["nodePort"]))
            .collect()
    };
    if lost(has_node_ports) && node_ports(&wanted) == node_ports(old) {
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            port.remove("nodePort");
        }
    }
    let is_balancer = |spec: &Value| kind(spec) == "LoadBalancer";
    for (field, is_lost) in [
        ("healthCheckNodePort", lost(has_health_port)),
        ("allocateLoadBalancerNodePorts", lost(is_balancer)),
        ("loadBalancerClass", lost(is_balancer)),
        ("externalTrafficPolicy", lost(is_external)),
    ] {
        if is_lost && is_same(field) {
            spec.remove(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::strategy::{prepare_create, prepare_update};

    #[test]
    fn what_was_given_stays_when_it_is_left_out() {
        let old = json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
            "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}]}});
        let mut new =
            json!({"spec": {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP"}]}});
        prepare_update("", "Service", "", &mut new, &old);
        assert_eq!(new["spec"], old["spec"]);
    }

    #[test]
    fn what_belongs_to_the_old_type_goes_with_it() {
        let old = json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "externalTrafficPolicy": "Cluster",
            "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}]}});
        let mut new = old.clone();
        new["spec"]["type"] = json!("ClusterIP");
        prepare_update("", "Service", "", &mut new, &old);
        assert_eq!(
            new["spec"]["ports"],
            json!([{"port": 80, "protocol": "TCP"}])
        );
        assert!(new["spec"].get("externalTrafficPolicy").is_none());
        let mut new = old.clone();
        new["spec"]["type"] = json!("ExternalName");
        prepare_update("", "Service", "", &mut new, &old);
        assert_eq!(
            new["spec"],
            json!({"type": "ExternalName", "ports": [{"port": 80, "protocol": "TCP"}]})
        );
    }

    #[test]
    fn one_address_is_a_list_of_one() {
        let mut object = json!({"spec": {"clusterIP": "None"}});
        prepare_create("", "Service", &mut object);
        assert_eq!(object["spec"]["clusterIPs"], json!(["None"]));
    }
}
