//! What of a Pod concerns the Services that select it.
//!
//! Pure. Knows nothing about the store. Invariant: two Pods that read alike here give the same
//! endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::object;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) uid: String,
    pub(super) node: String,
    pub(super) hostname: String,
    pub(super) subdomain: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ready: bool,
    /// When that became so; empty: it never did.
    pub(super) ready_since: String,
    pub(super) terminating: bool,
    /// It has run to its end, and will not run again.
    pub(super) finished: bool,
}

impl Pod {
    pub(super) fn read(pod: &Value) -> Pod {
        let text = |path: &str| {
            let found = pod.pointer(path).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let ready = list(pod, "/status/conditions")
            .find(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"));
        let of_ready = |field: &str| {
            let found = ready.and_then(|condition| condition.get(field)?.as_str());
            found.unwrap_or_default()
        };
        Pod {
            labels: texts(object::metadata(pod).get("labels")),
            uid: object::uid(pod).to_owned(),
            node: text("/spec/nodeName"),
            hostname: text("/spec/hostname"),
            subdomain: text("/spec/subdomain"),
            addresses: addresses(pod),
            ready: of_ready("status") == "True",
            ready_since: of_ready("lastTransitionTime").to_owned(),
            terminating: object::is_terminating(pod),
            finished: matches!(text("/status/phase").as_str(), "Succeeded" | "Failed"),
        }
    }

    /// The first address of a family.
    pub(super) fn address(&self, six: bool) -> Option<IpAddr> {
        let mut all = self.addresses.iter();
        all.find(|address| address.is_ipv6() == six).copied()
    }

    /// The name that this Pod has below a Service's, if any.
    pub(super) fn hostname_in(&self, service: &str) -> Option<&str> {
        let named = !self.hostname.is_empty() && self.subdomain == service;
        named.then_some(self.hostname.as_str())
    }
}

fn addresses(pod: &Value) -> Vec<IpAddr> {
    let listed = list(pod, "/status/podIPs").filter_map(|one| one.get("ip")?.as_str());
    let mut all: Vec<IpAddr> = listed.filter_map(|ip| ip.parse().ok()).collect();
    if all.is_empty() {
        let single = pod.pointer("/status/podIP").and_then(Value::as_str);
        all.extend(single.and_then(|ip| ip.parse::<IpAddr>().ok()));
    }
    all
}

/// The port of a Pod that a Service's port leads to; none where the Pod has none of that name.
pub(super) fn target_port(pod: &Value, service_port: &Value) -> Option<i64> {
    let own = service_port.get("port").and_then(Value::as_i64);
    let name = match service_port.get("targetPort") {
        Some(Value::String(name)) if !name.is_empty() => name,
        Some(Value::Number(number)) if number.as_i64() != Some(0) => return number.as_i64(),
        _ => return own,
    };
    let protocol = protocol(service_port);
    // Containers that start first and then stay have ports like all others.
    let stays = |one: &&Value| one.get("restartPolicy").and_then(Value::as_str) == Some("Always");
    let containers =
        list(pod, "/spec/containers").chain(list(pod, "/spec/initContainers").filter(stays));
    containers
        .flat_map(|container| list(container, "/ports"))
        .find(|port| {
            port.get("name").and_then(Value::as_str) == Some(name)
                && self::protocol(port) == protocol
        })
        .and_then(|port| port.get("containerPort")?.as_i64())
}

pub(super) fn protocol(port: &Value) -> &str {
    let found = port.get("protocol").and_then(Value::as_str);
    found.unwrap_or("TCP")
}

pub(super) fn list<'o>(object: &'o Value, path: &str) -> impl Iterator<Item = &'o Value> {
    let found = object.pointer(path).and_then(Value::as_array);
    found.into_iter().flatten()
}

/// A map of texts; whatever is none is left out.
pub(super) fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let map = map.and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_found_by_number_and_by_name_and_protocol() {
        let pod = json!({"spec": {
            "containers": [{"ports": [
                {"name": "dns", "protocol": "UDP", "containerPort": 53},
                {"name": "web", "containerPort": 8080},
            ]}],
            "initContainers": [
                {"ports": [{"name": "first", "containerPort": 1}]},
                {"restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 2}]},
            ],
        }});
        let find = |port: Value| target_port(&pod, &port);
        assert_eq!(find(json!({"port": 80, "targetPort": "web"})), Some(8080));
        assert_eq!(find(json!({"port": 80, "targetPort": 9})), Some(9));
        assert_eq!(find(json!({"port": 80})), Some(80));
        assert_eq!(find(json!({"port": 53, "targetPort": "dns"})), None);
        let udp = json!({"port": 53, "protocol": "UDP", "targetPort": "dns"});
        assert_eq!(find(udp), Some(53));
        assert_eq!(find(json!({"port": 1, "targetPort": "first"})), None);
        assert_eq!(find(json!({"port": 1, "targetPort": "side"})), Some(2));
    }

    #[test]
    fn a_pod_is_read_whatever_its_shape() {
        let pod = Pod::read(&json!({"metadata": {"deletionTimestamp": "x"}, "status": {
            "podIPs": [{"ip": "fd00::1"}, {"ip": "10.0.0.1"}, {"ip": "x"}, 5],
            "phase": "Failed",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "t"}],
        }}));
        assert!(pod.terminating && pod.finished && pod.ready && pod.ready_since == "t");
        assert_eq!(pod.address(false), "10.0.0.1".parse().ok());
        assert_eq!(pod.address(true), "fd00::1".parse().ok());
        let one = Pod::read(&json!({"status": {"podIP": "10.0.0.2"}}));
        assert_eq!(one.addresses.len(), 1);
        assert!(
            Pod::read(&json!({"spec": 1, "status": []}))
                .addresses
                .is_empty()
        );
    }
}
