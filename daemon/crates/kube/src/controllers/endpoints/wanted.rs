//! What a Service with a selector leads to, gathered Pod by Pod.
//!
//! Pure. Knows nothing about the store or about what is written already. Keeps endpoints, no Pods.
//! Invariant: the same Pods in any order make the same groups and subsets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::pod::{Pod, list, protocol, target_port};
use crate::object;

/// Endpoints that have the same ports.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Group {
    pub(super) ports: Vec<Value>,
    /// By what makes an endpoint the same one: see [`identity`].
    pub(super) endpoints: BTreeMap<String, Value>,
}

/// Groups by their ports.
pub(super) type Groups = BTreeMap<String, Group>;

/// `IPv4` or `IPv6`.
pub(super) type Family = &'static str;

/// The node that a Pod runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// Empty: in none.
    pub(super) zone: String,
}

/// See the module.
pub(super) struct Wanted {
    name: String,
    ports: Vec<Value>,
    publishes_not_ready: bool,
    headless: bool,
    zone_hints: bool,
    node_hints: bool,
    /// The family of the Service's own address.
    first: Family,
    pub(super) groups: BTreeMap<Family, Groups>,
    pub(super) addresses: Vec<Address>,
    /// Which of the addresses have a port; no port is an empty text.
    pub(super) by_port: BTreeMap<String, BTreeSet<usize>>,
    /// Nodes that Pods name and that are not there.
    pub(super) missing_nodes: BTreeSet<String>,
}

/// An address of an Endpoints object.
pub(super) struct Address {
    pub(super) address: Value,
    pub(super) ready: bool,
}

impl Wanted {
    pub(super) fn new(service: &Value) -> Wanted {
        let spec = service.get("spec").unwrap_or(&Value::Null);
        let text = |field: &str| spec.get(field).and_then(Value::as_str).unwrap_or_default();
        let distribution = text("trafficDistribution");
        let families = families(spec);
        Wanted {
            name: object::name(service).to_owned(),
            ports: list(spec, "/ports").cloned().collect(),
            publishes_not_ready: spec.get("publishNotReadyAddresses") == Some(&Value::Bool(true)),
            headless: is_headless(service),
            zone_hints: matches!(
                distribution,
                "PreferClose" | "PreferSameZone" | "PreferSameNode"
            ),
            node_hints: distribution == "PreferSameNode",
            first: families.first().copied().unwrap_or("IPv4"),
            groups: families
                .into_iter()
                .map(|family| (family, Groups::new()))
                .collect(),
            addresses: Vec::new(),
            by_port: BTreeMap::new(),
            missing_nodes: BTreeSet::new(),
        }
    }

    /// Takes in a Pod that the Service selects; `node` is none where the Pod's is not there.
    pub(super) fn add(&mut self, pod: &Value, read: &Pod, node: Option<&Node>) {
        if read.finished || read.addresses.is_empty() {
            return;
        }
        let reference = json!({
            "kind": "Pod",
            "namespace": object::namespace(pod),
            "name": object::name(pod),
            "uid": read.uid,
        });
        let ports: Vec<(&Value, i64)> = self
            .ports
            .iter()
            .filter_map(|port| Some((port, target_port(pod, port)?)))
            .collect();
        let slice_ports = sorted(ports.iter().map(|(port, number)| slice_port(port, *number)));
        let lines: Vec<String> = match self.ports.is_empty() && self.headless {
            true => vec![String::new()],
            false => ports
                .iter()
                .map(|(port, number)| subset_port(port, *number).to_string())
                .collect(),
        };
        self.add_address(read, &reference, lines);
        // Who has no node yet changes when it gets one.
        if node.is_none() && !read.node.is_empty() {
            self.missing_nodes.insert(read.node.clone());
        }
        let key = text_of(&slice_ports);
        for (family, groups) in &mut self.groups {
            let group = groups.entry(key.clone()).or_default();
            group.ports.clone_from(&slice_ports);
            if node.is_none() && !self.publishes_not_ready {
                continue;
            }
            let six = *family == "IPv6";
            let addresses = read.addresses.iter().filter(|ip| ip.is_ipv6() == six);
            let addresses: Vec<String> = addresses.map(ToString::to_string).collect();
            if addresses.is_empty() {
                continue;
            }
            let ready = self.publishes_not_ready || (read.ready && !read.terminating);
            let mut endpoint = json!({
                "addresses": addresses,
                "conditions": {
                    "ready": ready,
                    "serving": read.ready,
                    "terminating": read.terminating,
                },
                "targetRef": reference,
            });
            let zone = node.map_or("", |node| node.zone.as_str());
            for (field, value) in [
                ("nodeName", read.node.as_str()),
                ("zone", zone),
                ("hostname", read.hostname_in(&self.name).unwrap_or_default()),
            ] {
                if !value.is_empty() {
                    endpoint[field] = value.into();
                }
            }
            let mut hints = Map::new();
            if ready && self.zone_hints && !zone.is_empty() {
                hints.insert("forZones".into(), json!([{"name": zone}]));
            }
            if ready && self.node_hints && !read.node.is_empty() {
                hints.insert("forNodes".into(), json!([{"name": read.node}]));
            }
            if !hints.is_empty() {
                endpoint["hints"] = hints.into();
            }
            group.endpoints.insert(identity(&endpoint), endpoint);
        }
    }

    fn add_address(&mut self, read: &Pod, reference: &Value, lines: Vec<String>) {
        if lines.is_empty() || (read.terminating && !self.publishes_not_ready) {
            return;
        }
        let Some(ip) = read.address(self.first == "IPv6") else {
            return;
        };
        let mut address =
            json!({"ip": ip.to_string(), "nodeName": read.node, "targetRef": reference});
        if let Some(hostname) = read.hostname_in(&self.name) {
            address["hostname"] = hostname.into();
        }
        let place = self.addresses.len();
        self.addresses.push(Address {
            address,
            ready: self.publishes_not_ready || read.ready,
        });
        for line in lines {
            self.by_port.entry(line).or_default().insert(place);
        }
    }
}

/// Whether a Service has no address of its own.
pub(super) fn is_headless(service: &Value) -> bool {
    let address = service.pointer("/spec/clusterIP").and_then(Value::as_str);
    matches!(address, None | Some("" | "None"))
}

fn families(spec: &Value) -> Vec<Family> {
    let known = |name: &str| match name {
        "IPv4" => Some("IPv4"),
        "IPv6" => Some("IPv6"),
        _ => None,
    };
    let named = list(spec, "/ipFamilies").filter_map(Value::as_str);
    let named: Vec<Family> = named.filter_map(known).collect();
    if !named.is_empty() {
        return named;
    }
    match spec.get("clusterIP").and_then(Value::as_str) {
        None | Some("" | "None") => vec!["IPv4", "IPv6"],
        Some(address) if address.contains(':') => vec!["IPv6"],
        Some(_) => vec!["IPv4"],
    }
}

/// What makes an endpoint the same one as another: addresses, host name and what it refers to.
pub(super) fn identity(endpoint: &Value) -> String {
    let part = |path: &str| endpoint.pointer(path).unwrap_or(&Value::Null).to_string();
    let mut addresses: Vec<&str> = list(endpoint, "/addresses")
        .filter_map(Value::as_str)
        .collect();
    addresses.sort_unstable();
    format!(
        "{} {} {} {}",
        addresses.join(","),
        part("/hostname"),
        part("/targetRef/namespace"),
        part("/targetRef/name")
    )
}

/// A port as slices have it.
pub(super) fn slice_port(port: &Value, number: i64) -> Value {
    let name = port.get("name").and_then(Value::as_str).unwrap_or_default();
    let mut made = json!({"name": name, "port": number, "protocol": protocol(port)});
    if let Some(protocol) = port.get("appProtocol").filter(|one| one.is_string()) {
        made["appProtocol"] = protocol.clone();
    }
    made
}

fn subset_port(port: &Value, number: i64) -> Value {
    let mut made = slice_port(port, number);
    if made["name"] == ""
        && let Some(fields) = made.as_object_mut()
    {
        fields.remove("name");
    }
    made
}

/// Ports in an order that does not depend on the Service's.
pub(super) fn sorted(ports: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut ports: Vec<Value> = ports.collect();
    ports.sort_by_cached_key(Value::to_string);
    ports
}

/// What groups are told apart by.
pub(super) fn text_of(ports: &[Value]) -> String {
    let lines: Vec<String> = ports.iter().map(Value::to_string).collect();
    lines.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(spec: Value) -> Value {
        json!({"metadata": {"name": "web", "namespace": "n"}, "spec": spec})
    }

    fn pod(name: &str, ips: &[&str], ready: bool) -> Value {
        let ips: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
        let status = if ready { "True" } else { "False" };
        json!({
            "metadata": {"name": name, "namespace": "n", "uid": name},
            "spec": {"nodeName": "a", "hostname": "h", "subdomain": "web"},
            "status": {"podIPs": ips, "conditions": [{"type": "Ready", "status": status}]},
        })
    }

    fn wanted(spec: Value, pods: &[Value], node: Option<&Node>) -> Wanted {
        let mut wanted = Wanted::new(&service(spec));
        for pod in pods {
            wanted.add(pod, &Pod::read(pod), node);
        }
        wanted
    }

    fn only(wanted: &Wanted, family: Family) -> Vec<&Value> {
        let groups = wanted.groups[family].values();
        groups.flat_map(|group| group.endpoints.values()).collect()
    }

    const ZONE: &str = "z";

    fn node() -> Node {
        Node { zone: ZONE.into() }
    }

    #[test]
    fn an_endpoint_says_where_it_is_and_how_it_does() {
        let spec = json!({"clusterIP": "10.0.0.9", "ipFamilies": ["IPv4", "IPv6"],
            "trafficDistribution": "PreferSameNode", "ports": [{"port": 80}]});
        let made = wanted(
            spec,
            &[pod("p", &["10.0.0.1", "fd00::1"], true)],
            Some(&node()),
        );
        let four = only(&made, "IPv4");
        assert_eq!(
            *four[0],
            json!({
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "hostname": "h", "nodeName": "a", "zone": "z",
                "hints": {"forZones": [{"name": "z"}], "forNodes": [{"name": "a"}]},
                "targetRef": {"kind": "Pod", "namespace": "n", "name": "p", "uid": "p"},
            })
        );
        assert_eq!(only(&made, "IPv6")[0]["addresses"], json!(["fd00::1"]));
        let key = made.groups["IPv4"].keys().next().unwrap();
        assert_eq!(key, r#"{"name":"","port":80,"protocol":"TCP"}"#);
    }

    #[test]
    fn who_goes_is_not_ready_but_may_serve() {
        let mut leaving = pod("p", &["10.0.0.1"], true);
        leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let spec = json!({"clusterIP": "10.0.0.9", "ports": [{"port": 80}]});
        let made = wanted(spec.clone(), std::slice::from_ref(&leaving), Some(&node()));
        let conditions = &only(&made, "IPv4")[0]["conditions"];
        assert_eq!(
            *conditions,
            json!({"ready": false, "serving": true, "terminating": true})
        );
        assert!(made.addresses.is_empty());
        let mut spec = spec;
        spec["publishNotReadyAddresses"] = true.into();
        let made = wanted(spec, &[leaving], Some(&node()));
        assert_eq!(only(&made, "IPv4")[0]["conditions"]["ready"], true);
        assert!(made.addresses[0].ready);
    }

    #[test]
    fn pods_without_address_or_node_or_at_their_end_are_left_out() {
        let spec = json!({"clusterIP": "10.0.0.9", "ports": [{"port": 80}]});
        let mut done = pod("done", &["10.0.0.2"], true);
        done["status"]["phase"] = "Succeeded".into();
        let pods = [pod("none", &[], true), done, pod("p", &["10.0.0.1"], true)];
        let made = wanted(spec, &pods, None);
        assert!(only(&made, "IPv4").is_empty());
        assert_eq!(made.missing_nodes.len(), 1);
        // The older kind of object does not look at nodes.
        assert_eq!(made.addresses.len(), 1);
    }

    #[test]
    fn a_headless_service_needs_no_ports() {
        let made = wanted(
            json!({"clusterIP": "None", "ipFamilies": ["IPv4"]}),
            &[pod("p", &["10.0.0.1"], false)],
            Some(&node()),
        );
        assert_eq!(only(&made, "IPv4").len(), 1);
        assert_eq!(made.by_port.keys().collect::<Vec<_>>(), [""]);
        assert!(!made.addresses[0].ready);
    }
}
