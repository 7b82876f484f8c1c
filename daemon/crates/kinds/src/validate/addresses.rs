//! Addresses: of Services' ranges, taken one by one, and of what stands behind a Service.

use std::net::IpAddr;

use serde_json::Value;

use super::network::canonical_cidr;
use super::rules::{
    PROTOCOLS, choice, label, port_number, qualified_name, subdomain, subdomain_if_any,
};
use crate::error::Errors;
use crate::format;
use crate::limits::{ENDPOINT_ADDRESSES_MAX, SLICE_ENDPOINTS_MAX, SLICE_PORTS_MAX};
use crate::path::Path;
use crate::selector;
use crate::value::{is_set, list, same, text};

const TOPOLOGY_LABELS_MAX: usize = 16;
const ZONE_HINTS_MAX: usize = 8;

pub(super) fn service_cidr(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = Path::root("spec");
    let path = spec.child("cidrs");
    let ranges = &object["spec"]["cidrs"];
    if let Some(old) = old {
        return errors.immutable(&path, ranges, &old["spec"]["cidrs"]);
    }
    let parsed: Vec<_> = list(ranges)
        .iter()
        .map(|r| format::parse_cidr(text(r)))
        .collect();
    let is_v6 = |range: &Option<(IpAddr, u32)>| range.map(|(address, _)| address.is_ipv6());
    match parsed.as_slice() {
        [] => return errors.required(&path, "at least one CIDR required"),
        [_] => {}
        [a, b] if is_v6(a).is_some() && is_v6(b).is_some() && is_v6(a) != is_v6(b) => {}
        [_, _] => {
            let message = "may specify no more than one IP for each IP family, i.e \
                           192.168.0.0/24 and 2001:db8::/64";
            return errors.invalid(&path, object["spec"].clone(), message);
        }
        _ => {
            let message = "may only hold up to 2 values";
            return errors.invalid(&path, object["spec"].clone(), message);
        }
    }
    for (i, range) in list(ranges).iter().enumerate() {
        canonical_cidr(text(range), &path.index(i), errors);
    }
}

pub(super) fn ip_address(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = Path::root("spec");
    let path = spec.child("parentRef");
    let parent = &object["spec"]["parentRef"];
    if let Some(old) = old {
        return errors.immutable(&path, parent, &old["spec"]["parentRef"]);
    }
    if !is_set(parent) {
        return errors.required(&path, "");
    }
    subdomain_if_any(&parent["group"], &path.child("group"), errors);
    for field in ["resource", "name", "namespace"] {
        let value = text(&parent[field]);
        if value.is_empty() && field != "namespace" {
            errors.required(&path.child(field), "");
        } else if !value.is_empty() {
            errors.each(&path.child(field), value, format::path_segment(value));
        }
    }
}

pub(super) fn endpoints(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let subsets = &object["subsets"];
    if old.is_some_and(|old| same(&old["subsets"], subsets)) {
        return;
    }
    let path = Path::root("subsets");
    for (i, subset) in list(subsets).iter().enumerate() {
        let path = path.index(i);
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|field| list(&subset[*field]).is_empty()) {
            errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
        }
        for field in lists {
            let path = path.child(field);
            for (j, address) in list(&subset[field]).iter().enumerate() {
                endpoint_address(address, &path.index(j), errors);
            }
        }
        let ports = list(&subset["ports"]);
        let path = path.child("ports");
        for (j, port) in ports.iter().enumerate() {
            let path = path.index(j);
            let name = text(&port["name"]);
            if !name.is_empty() {
                label(name, &path.child("name"), errors);
            } else if ports.len() > 1 {
                errors.required(&path.child("name"), "");
            }
            port_number(&port["port"], &path.child("port"), errors);
            choice(
                &port["protocol"],
                PROTOCOLS,
                &path.child("protocol"),
                errors,
            );
            if let Some(protocol) = port["appProtocol"].as_str() {
                qualified_name(protocol, &path.child("appProtocol"), errors);
            }
        }
    }
}

fn endpoint_address(address: &Value, path: &Path<'_>, errors: &mut Errors) {
    let ip = text(&address["ip"]);
    errors.each(&path.child("ip"), ip, format::ip(ip));
    if !text(&address["hostname"]).is_empty() {
        label(text(&address["hostname"]), &path.child("hostname"), errors);
    }
    if let Some(node) = address["nodeName"].as_str() {
        subdomain(node, &path.child("nodeName"), errors);
    }
    errors.each(&path.child("ip"), ip, format::endpoint_ip(ip));
}

pub(super) fn endpoint_slice(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let kind = text(&object["addressType"]);
    let kind_path = Path::root("addressType");
    choice(
        &object["addressType"],
        &["FQDN", "IPv4", "IPv6"],
        &kind_path,
        errors,
    );
    if let Some(old) = old {
        errors.immutable(&kind_path, &object["addressType"], &old["addressType"]);
    }
    slice_endpoints(object, kind, errors);
    let path = Path::root("ports");
    let ports = list(&object["ports"]);
    if ports.len() > SLICE_PORTS_MAX {
        return errors.too_many(&path, ports.len(), SLICE_PORTS_MAX);
    }
    let mut names: Vec<&str> = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let path = path.index(i);
        let name = text(&port["name"]);
        if !name.is_empty() {
            label(name, &path.child("name"), errors);
        }
        if names.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        names.push(name);
        choice(
            &port["protocol"],
            PROTOCOLS,
            &path.child("protocol"),
            errors,
        );
        if let Some(protocol) = port["appProtocol"].as_str() {
            qualified_name(protocol, &path.child("appProtocol"), errors);
        }
    }
}

fn slice_endpoints(object: &Value, kind: &str, errors: &mut Errors) {
    let path = Path::root("endpoints");
    let endpoints = list(&object["endpoints"]);
    if endpoints.len() > SLICE_ENDPOINTS_MAX {
        return errors.too_many(&path, endpoints.len(), SLICE_ENDPOINTS_MAX);
    }
    for (i, endpoint) in endpoints.iter().enumerate() {
        let path = path.index(i);
        let at = path.child("addresses");
        let addresses = list(&endpoint["addresses"]);
        if addresses.is_empty() {
            errors.required(&at, "must contain at least 1 address");
        } else if addresses.len() > ENDPOINT_ADDRESSES_MAX {
            errors.too_many(&at, addresses.len(), ENDPOINT_ADDRESSES_MAX);
        }
        for (j, address) in addresses.iter().enumerate() {
            slice_address(text(address), kind, &at.index(j), errors);
        }
        if let Some(node) = endpoint["nodeName"].as_str() {
            subdomain(node, &path.child("nodeName"), errors);
        }
        let topology = &endpoint["deprecatedTopology"];
        let topology_path = path.child("deprecatedTopology");
        let count = crate::value::len(topology);
        if count > TOPOLOGY_LABELS_MAX {
            errors.too_many(&topology_path, count, TOPOLOGY_LABELS_MAX);
        }
        selector::labels(topology, &topology_path, errors);
        if let Some(hostname) = endpoint["hostname"].as_str() {
            label(hostname, &path.child("hostname"), errors);
        }
        zone_hints(&endpoint["hints"], &path.child("hints"), errors);
    }
}

fn zone_hints(hints: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("forZones");
    let zones = list(&hints["forZones"]);
    if zones.len() > ZONE_HINTS_MAX {
        return errors.too_many(&path, zones.len(), ZONE_HINTS_MAX);
    }
    for (i, zone) in zones.iter().enumerate() {
        let item = path.index(i);
        let path = item.child("name");
        let name = text(&zone["name"]);
        if zones[..i].iter().any(|other| other["name"] == zone["name"]) {
            errors.duplicate(&path, name);
        }
        errors.each(&path, name, format::label_value(name));
    }
}

fn slice_address(address: &str, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let parsed = format::parse_ip(address);
    match kind {
        "IPv4" | "IPv6" => {
            let is_right = parsed.is_some_and(|ip| ip.is_ipv4() == (kind == "IPv4"));
            if !is_right {
                errors.invalid(path, address, format!("must be a valid {kind} address"));
            } else {
                errors.each(path, address, format::ip(address));
            }
            errors.each(path, address, format::endpoint_ip(address));
        }
        "FQDN" => {
            let name = address.strip_suffix('.').unwrap_or(address);
            let wrong = format::dns_subdomain(name);
            if name.is_empty() {
                errors.required(path, "");
            } else if !wrong.is_empty() {
                errors.invalid(path, name, wrong.join(","));
            } else if !name.contains('.') {
                let message = "should be a domain with at least two segments separated by dots";
                errors.invalid(path, name, message);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::created;
    use serde_json::json;

    #[test]
    fn endpoints_are_addresses_of_their_kind() {
        let slice = json!({"addressType": "IPv4", "endpoints": [{"addresses": ["fd00::1"]}, {}]});
        assert_eq!(
            created("discovery.k8s.io", "EndpointSlice", slice),
            "[endpoints[0].addresses[0]: Invalid value: \"fd00::1\": must be a valid IPv4 \
             address, endpoints[1].addresses: Required value: must contain at least 1 address]"
        );
        assert_eq!(
            created(
                "",
                "Endpoints",
                json!({"subsets": [{"ports": [{"port": 80}]}]})
            ),
            "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"
        );
    }

    #[test]
    fn a_range_begins_at_its_first_address() {
        assert_eq!(
            created(
                "networking.k8s.io",
                "ServiceCIDR",
                json!({"spec": {"cidrs": ["10.0.0.1/8"]}})
            ),
            "spec.cidrs[0]: Invalid value: \"10.0.0.1/8\": must not have bits set beyond the \
             prefix length"
        );
    }
}
