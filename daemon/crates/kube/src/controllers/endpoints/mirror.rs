//! Endpoints that somebody wrote for a Service without a selector, as EndpointSlices.
//!
//! Pure. Invariant: of each subset there are at most [`MIRRORED_ADDRESSES_MAX`] endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::pod::list;
use super::wanted::{Family, Groups, identity, slice_port, sorted, text_of};
use crate::limits::MIRRORED_ADDRESSES_MAX;
use crate::object;

/// Written by clients that elect leaders with Endpoints: these lead nowhere.
pub(super) const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";

/// Whether these Endpoints are to be mirrored at all.
pub(super) fn is_wanted(endpoints: &Value) -> bool {
    let metadata = object::metadata(endpoints);
    let has = |field: &str, key: &str| metadata.get(field)?.get(key)?.as_str();
    has("labels", SKIP) != Some("true") && has("annotations", LEADER).is_none()
}

/// Annotations of Endpoints that their mirrors have too.
pub(super) fn annotations(endpoints: &Value) -> Map<String, Value> {
    let all = object::metadata(endpoints).get("annotations");
    let mut kept = all.and_then(Value::as_object).cloned().unwrap_or_default();
    kept.remove(super::TRIGGER_TIME);
    kept.remove("kubectl.kubernetes.io/last-applied-configuration");
    kept
}

/// The endpoints of each family, and how many had no room.
pub(super) fn groups(endpoints: &Value) -> (BTreeMap<Family, Groups>, usize) {
    let mut families: BTreeMap<Family, Groups> = BTreeMap::new();
    let mut skipped = 0;
    for subset in list(endpoints, "/subsets") {
        let ports = sorted(list(subset, "/ports").map(port));
        let key = text_of(&ports);
        let all = list(subset, "/addresses").map(|address| (address, true));
        let all = all.chain(list(subset, "/notReadyAddresses").map(|address| (address, false)));
        for (place, (address, ready)) in all.enumerate() {
            if place >= MIRRORED_ADDRESSES_MAX {
                skipped += 1;
                continue;
            }
            let Some((family, endpoint)) = endpoint(address, ready) else {
                skipped += 1;
                continue;
            };
            let groups = families.entry(family).or_default();
            let group = groups.entry(key.clone()).or_default();
            group.ports.clone_from(&ports);
            group
                .endpoints
                .entry(identity(&endpoint))
                .or_insert(endpoint);
        }
    }
    (families, skipped)
}

fn endpoint(address: &Value, ready: bool) -> Option<(Family, Value)> {
    let ip: IpAddr = address.get("ip")?.as_str()?.parse().ok()?;
    let mut endpoint = json!({"addresses": [ip.to_string()], "conditions": {"ready": ready}});
    for field in ["targetRef", "nodeName", "hostname"] {
        if let Some(value) = address.get(field).filter(|value| !value.is_null()) {
            endpoint[field] = value.clone();
        }
    }
    Some((if ip.is_ipv6() { "IPv6" } else { "IPv4" }, endpoint))
}

fn port(port: &Value) -> Value {
    slice_port(port, port.get("port").and_then(Value::as_i64).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_become_groups_of_their_family() {
        let (made, skipped) = groups(&json!({"subsets": [
            {"addresses": [{"ip": "10.0.0.1", "hostname": "h"}, {"ip": "fd00::1"}, {"ip": "x"}],
             "notReadyAddresses": [{"ip": "10.0.0.2"}],
             "ports": [{"port": 80, "name": "a"}]},
        ]}));
        assert_eq!(skipped, 1);
        let four: Vec<&Value> = made["IPv4"]
            .values()
            .flat_map(|one| one.endpoints.values())
            .collect();
        assert_eq!(four.len(), 2);
        assert_eq!(four[0]["hostname"], "h");
        assert_eq!(four[1]["conditions"], json!({"ready": false}));
        assert_eq!(made["IPv6"].len(), 1);
    }

    #[test]
    fn a_subset_is_mirrored_up_to_a_limit() {
        let addresses: Vec<Value> = (0..1100)
            .map(|n| json!({"ip": format!("10.0.{}.{}", n / 250, n % 250)}))
            .collect();
        let (made, skipped) = groups(&json!({"subsets": [{"addresses": addresses}]}));
        assert_eq!(skipped, 100);
        assert_eq!(made["IPv4"].values().next().unwrap().endpoints.len(), 1000);
    }

    #[test]
    fn what_elects_leaders_is_not_mirrored() {
        let with = |metadata: Value| is_wanted(&json!({"metadata": metadata}));
        assert!(with(json!({})));
        assert!(!with(json!({"labels": {SKIP: "true"}})));
        assert!(!with(json!({"annotations": {LEADER: "{}"}})));
    }
}
