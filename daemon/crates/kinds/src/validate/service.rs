//! Services: their ports, addresses and policies, and what of it stays once it is given.
//!
//! Addresses and ports are given out before this runs, so that none that is missing is an error.

mod addresses;

use serde_json::Value;

use super::rules::{
    PROTOCOLS, choice, choice_if_set, label, port, port_number, qualified_name, subdomain,
};
use addresses::{addresses, addresses_stay, external_ips, families_stay};

use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::selector;
use crate::value::{int, is_set, len, list, text};

const AFFINITY_SECONDS_MAX: i64 = 86_400;
const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const FAMILIES: &[&str] = &["IPv4", "IPv6"];

fn kind(spec: &Value) -> &str {
    text(&spec["type"])
}

fn is_headless(spec: &Value) -> bool {
    matches!(list(&spec["clusterIPs"]), [only] if only == "None")
}

fn is_external(spec: &Value) -> bool {
    matches!(kind(spec), "NodePort" | "LoadBalancer")
        || (kind(spec) == "ClusterIP" && len(&spec["externalIPs"]) > 0)
}

fn has_health_port(spec: &Value) -> bool {
    kind(spec) == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

pub(super) fn service(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let old = old.map(|old| &old["spec"]);
    let path = Path::root("spec");
    if let Some(old) = old {
        addresses_stay(spec, old, &path, errors);
        families_stay(spec, old, &path, errors);
        let class = path.child("loadBalancerClass");
        let is_balancer = |spec: &Value| kind(spec) == "LoadBalancer";
        if is_balancer(old)
            && is_balancer(spec)
            && old["loadBalancerClass"] != spec["loadBalancerClass"]
        {
            let value = spec["loadBalancerClass"].clone();
            errors.invalid(&class, value, "may not change once set");
        }
        if has_health_port(old)
            && has_health_port(spec)
            && int(&old["healthCheckNodePort"]) != int(&spec["healthCheckNodePort"])
        {
            errors.forbidden(&path.child("healthCheckNodePort"), "field is immutable");
        }
    }
    of_type(spec, &path, errors);
    ports(spec, &path, errors);
    selector::labels(&spec["selector"], &path.child("selector"), errors);
    affinity(spec, &path, errors);
    if kind(spec) != "ExternalName" {
        addresses(spec, old, &path, errors);
    }
    external_ips(spec, old, &path.child("externalIPs"), errors);
    choice(&spec["type"], TYPES, &path.child("type"), errors);
    port_numbers(spec, &path.child("ports"), errors);
    balancer(object, old, &path, errors);
    traffic(spec, &path, errors);
}

fn of_type(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kind = kind(spec);
    if len(&spec["ports"]) == 0 && !is_headless(spec) && kind != "ExternalName" {
        errors.required(&path.child("ports"), "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if is_headless(spec) => {
            let message = format!("may not be set to 'None' for {kind} services");
            errors.invalid(&path.child("clusterIPs").index(0), "None", message);
        }
        "ExternalName" => {
            for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if len(&spec[field]) > 0 || spec[field].is_string() {
                    let message = "may not be set for ExternalName services";
                    errors.forbidden(&path.child(field), message);
                }
            }
            let name = text(&spec["externalName"]);
            let path = path.child("externalName");
            match name.strip_suffix('.').unwrap_or(name) {
                "" => errors.required(&path, ""),
                name => subdomain(name, &path, errors),
            }
        }
        _ => {}
    }
}

fn ports(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("ports");
    let ports = list(&spec["ports"]);
    let mut names: Vec<&str> = Vec::new();
    for (i, each) in ports.iter().enumerate() {
        let path = path.index(i);
        let name = text(&each["name"]);
        if !name.is_empty() {
            label(name, &path.child("name"), errors);
            if names.contains(&name) {
                errors.duplicate(&path.child("name"), name);
            }
            names.push(name);
        } else if ports.len() > 1 {
            errors.required(&path.child("name"), "");
        }
        port_number(&each["port"], &path.child("port"), errors);
        choice(
            &each["protocol"],
            PROTOCOLS,
            &path.child("protocol"),
            errors,
        );
        port(&each["targetPort"], &path.child("targetPort"), errors);
        if let Some(protocol) = each["appProtocol"].as_str() {
            qualified_name(protocol, &path.child("appProtocol"), errors);
        }
    }
}

/// Each port and each node's port is there once for a protocol.
fn port_numbers(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let ports = list(&spec["ports"]);
    if kind(spec) == "ClusterIP" {
        for (i, port) in ports.iter().enumerate() {
            if int(&port["nodePort"]) != 0 {
                let message = "may not be used when `type` is 'ClusterIP'";
                errors.forbidden(&path.index(i).child("nodePort"), message);
            }
        }
    }
    let is_taken = |i: usize, field: &str| {
        ports[..i].iter().any(|other| {
            other[field] == ports[i][field] && other["protocol"] == ports[i]["protocol"]
        })
    };
    for (i, port) in ports.iter().enumerate() {
        if int(&port["nodePort"]) != 0 && is_taken(i, "nodePort") {
            errors.duplicate(&path.index(i).child("nodePort"), int(&port["nodePort"]));
        }
    }
    for (i, port) in ports.iter().enumerate() {
        if is_taken(i, "port") {
            let key = serde_json::json!({
                "Name": "", "Protocol": port["protocol"], "AppProtocol": null,
                "Port": port["port"], "TargetPort": 0, "NodePort": 0,
            });
            errors.duplicate(&path.index(i), key);
        }
    }
}

fn affinity(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let words = ["ClientIP", "None"];
    choice(
        &spec["sessionAffinity"],
        &words,
        &path.child("sessionAffinity"),
        errors,
    );
    let config = &spec["sessionAffinityConfig"];
    let path = path.child("sessionAffinityConfig");
    let client = path.child("clientIP");
    let seconds = &config["clientIP"]["timeoutSeconds"];
    let message = "when session affinity type is ClientIP";
    match text(&spec["sessionAffinity"]) {
        "ClientIP" if !is_set(config) => errors.required(&path, message),
        "ClientIP" if !is_set(&config["clientIP"]) => errors.required(&client, message),
        "ClientIP" => match seconds.as_i64() {
            None => errors.required(&client.child("timeoutSeconds"), message),
            Some(seconds) if !(1..=AFFINITY_SECONDS_MAX).contains(&seconds) => {
                let message =
                    format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
                errors.invalid(&client.child("timeoutSeconds"), seconds, message);
            }
            Some(_) => {}
        },
        "None" if is_set(config) => {
            errors.forbidden(&path, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

fn balancer(object: &Value, old: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    let spec = &object["spec"];
    let is_balancer = kind(spec) == "LoadBalancer";
    let message = "may only be used when `type` is 'LoadBalancer'";
    let ranges = list(&spec["loadBalancerSourceRanges"]);
    let ranges_path = path.child("LoadBalancerSourceRanges");
    if !ranges.is_empty() && !is_balancer {
        errors.forbidden(&ranges_path, message);
    }
    for (i, range) in ranges.iter().enumerate() {
        let was_good =
            old.is_some_and(|old| list(&old["loadBalancerSourceRanges"]).contains(range));
        let range = text(range).trim();
        if !was_good {
            errors.each(&ranges_path.index(i), range, format::cidr(range));
        }
    }
    if !is_balancer && is_set(&spec["allocateLoadBalancerNodePorts"]) {
        errors.forbidden(&path.child("allocateLoadBalancerNodePorts"), message);
    }
    if let Some(class) = spec["loadBalancerClass"].as_str() {
        let path = path.child("loadBalancerClass");
        match is_balancer {
            true => qualified_name(class, &path, errors),
            false => errors.forbidden(&path, message),
        }
    }
}

fn traffic(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let words = ["Cluster", "Local"];
    let external = text(&spec["externalTrafficPolicy"]);
    let at = path.child("externalTrafficPolicy");
    if is_external(spec) {
        choice(&spec["externalTrafficPolicy"], &words, &at, errors);
    } else if !external.is_empty() {
        let message = "may only be set for externally-accessible services";
        errors.invalid(&at, external, message);
    }
    let health = int(&spec["healthCheckNodePort"]);
    let at = path.child("healthCheckNodePort");
    if health != 0 && !has_health_port(spec) {
        let message = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` \
                       is 'Local'";
        errors.invalid(&at, health, message);
    } else if health != 0 {
        port_number(&spec["healthCheckNodePort"], &at, errors);
    }
    let internal = &spec["internalTrafficPolicy"];
    let at = path.child("internalTrafficPolicy");
    if !is_set(internal) && matches!(kind(spec), "NodePort" | "LoadBalancer" | "ClusterIP") {
        errors.required(&at, "");
    }
    choice_if_set(internal, &words, &at, errors);
    let distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    let at = path.child("trafficDistribution");
    choice_if_set(&spec["trafficDistribution"], &distributions, &at, errors);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::strategy::{prepare_create, prepare_update};
    use crate::validate::{validate_create, validate_update};
    use serde_json::json;

    fn service(spec: Value) -> Value {
        let mut object = json!({
            "metadata": {"name": "s", "namespace": "n", "resourceVersion": "1"}, "spec": spec});
        set_defaults("", "Service", &mut object);
        prepare_create("", "Service", &mut object);
        object
    }

    fn created(spec: Value) -> String {
        summary(&validate_create("", "Service", true, &service(spec)))
    }

    fn updated(new: Value, old: Value) -> String {
        let old = service(old);
        let mut new = service(new);
        prepare_update("", "Service", "", &mut new, &old);
        summary(&validate_update("", "Service", "", &new, &old))
    }

    #[test]
    fn a_service_has_ports_and_they_are_told_apart() {
        assert_eq!(created(json!({"ports": [{"port": 80}]})), "[]");
        assert_eq!(created(json!({})), "spec.ports: Required value");
        assert_eq!(
            created(json!({"ports": [{"port": 80, "name": "a"}, {"port": 81}]})),
            "spec.ports[1].name: Required value"
        );
        assert_eq!(
            created(json!({"ports": [{"port": 0, "targetPort": "Web"}]})),
            "[spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, \
             spec.ports[0].targetPort: Invalid value: \"Web\": must contain only alpha-numeric \
             characters (a-z, 0-9), and hyphens (-)]"
        );
        assert_eq!(
            created(json!({"ports": [{"port": 80, "nodePort": 30000}]})),
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"
        );
    }

    #[test]
    fn a_type_is_one_of_four() {
        assert_eq!(
            created(json!({"type": "Cluster", "ports": [{"port": 80}]})),
            "spec.type: Unsupported value: \"Cluster\": supported values: \"ClusterIP\", \
             \"ExternalName\", \"LoadBalancer\", \"NodePort\""
        );
        assert_eq!(
            created(json!({"type": "ExternalName"})),
            "spec.externalName: Required value"
        );
        assert_eq!(
            created(json!({"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}]})),
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort \
             services"
        );
    }

    #[test]
    fn an_address_stays() {
        let ports = json!([{"port": 80}]);
        assert_eq!(
            updated(
                json!({"clusterIP": "10.0.0.2", "ports": ports}),
                json!({"clusterIP": "10.0.0.1", "ports": ports})
            ),
            "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"
        );
        assert_eq!(
            updated(
                json!({ "ports": ports }),
                json!({"clusterIP": "10.0.0.1", "ports": ports})
            ),
            "[]"
        );
        assert_eq!(
            created(json!({"clusterIP": "10.0.0.300", "ports": ports})),
            "spec.clusterIPs[0]: Invalid value: \"10.0.0.300\": must be a valid IP address, (e.g. \
             10.9.8.7 or 2001:db8::ffff)"
        );
    }

    #[test]
    fn policies_go_with_types() {
        assert_eq!(
            created(json!({"ports": [{"port": 80}], "externalTrafficPolicy": "Local"})),
            "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for \
             externally-accessible services"
        );
        assert_eq!(
            created(json!({"ports": [{"port": 80}], "externalIPs": ["127.0.0.1"]})),
            "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range \
             (127.0.0.0/8, ::1/128)"
        );
        assert_eq!(
            created(json!({"ports": [{"port": 80}], "loadBalancerSourceRanges": ["10.0.0.0/8"]})),
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is \
             'LoadBalancer'"
        );
    }
}
