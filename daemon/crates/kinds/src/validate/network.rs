//! What leads into the cluster and what may pass within it.

use serde_json::Value;

use super::rules::{
    PROTOCOLS, domain_prefixed_path, label, named_reference, port_number, required_text, subdomain,
    subdomain_if_any,
};
use crate::error::{Errors, quote};
use crate::format;
use crate::path::Path;
use crate::selector;
use crate::value::{int, is_set, list, text};

const CONTROLLER_BYTES_MAX: usize = 250;

pub(super) fn ingress(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    let rules = list(&spec["rules"]);
    if rules.is_empty() && !is_set(&spec["defaultBackend"]) {
        let message = "either `defaultBackend` or `rules` must be specified";
        errors.invalid(&path, spec["rules"].clone(), message);
    }
    if is_set(&spec["defaultBackend"]) {
        backend(
            &spec["defaultBackend"],
            &path.child("defaultBackend"),
            errors,
        );
    }
    let rules_path = path.child("rules");
    for (i, rule) in rules.iter().enumerate() {
        let path = rules_path.index(i);
        host(text(&rule["host"]), &path.child("host"), errors);
        if is_set(&rule["http"]) {
            http_paths(&rule["http"], &path.child("http"), errors);
        }
    }
    let tls = path.child("tls");
    for (i, entry) in list(&spec["tls"]).iter().enumerate() {
        let path = tls.index(i);
        let hosts = path.child("hosts");
        for (j, host) in list(&entry["hosts"]).iter().enumerate() {
            host_name(text(host), &hosts.index(j), errors);
        }
        subdomain_if_any(&entry["secretName"], &path.child("secretName"), errors);
    }
    if let Some(class) = spec["ingressClassName"].as_str() {
        subdomain(class, &path.child("ingressClassName"), errors);
        let annotation = "kubernetes.io/ingress.class";
        if let (None, Some(said)) = (old, object["metadata"]["annotations"][annotation].as_str())
            && said != class
        {
            let annotations = Path::root("annotations");
            let message = "must match `ingressClassName` when both are specified";
            errors.invalid(&annotations.child(annotation), said, message);
        }
    }
}

fn host(host: &str, path: &Path<'_>, errors: &mut Errors) {
    if host.is_empty() {
        return;
    }
    if format::parse_ip(host).is_some() {
        errors.invalid(path, host, "must be a DNS name, not an IP address");
    }
    host_name(host, path, errors);
}

fn host_name(host: &str, path: &Path<'_>, errors: &mut Errors) {
    let messages = match host.contains('*') {
        true => format::wildcard_subdomain(host),
        false => format::dns_subdomain(host),
    };
    errors.each(path, host, messages);
}

fn http_paths(http: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("paths");
    let paths = list(&http["paths"]);
    if paths.is_empty() {
        errors.required(&path, "");
    }
    for (i, each) in paths.iter().enumerate() {
        http_path(each, &path.index(i), errors);
    }
}

fn http_path(each: &Value, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("path");
    let value = text(&each["path"]);
    let absolute = "must be an absolute path";
    match each["pathType"].as_str() {
        None => return errors.required(&path.child("pathType"), "pathType must be specified"),
        Some("Exact" | "Prefix") => {
            if !value.starts_with('/') {
                errors.invalid(&at, value, absolute);
            }
            let lower_and_upper = ["//", "/./", "/../", "%2f", "%2F"];
            for part in lower_and_upper.iter().filter(|part| value.contains(**part)) {
                errors.invalid(&at, value, format!("must not contain '{part}'"));
            }
            for end in ["/..", "/."].iter().filter(|end| value.ends_with(**end)) {
                errors.invalid(&at, value, format!("cannot end with '{end}'"));
            }
        }
        Some("ImplementationSpecific") => {
            if !value.is_empty() && !value.starts_with('/') {
                errors.invalid(&at, value, absolute);
            }
        }
        Some(other) => {
            let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.not_supported(&path.child("pathType"), other, &kinds);
        }
    }
    backend(&each["backend"], &path.child("backend"), errors);
}

fn backend(backend: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    match (is_set(service), is_set(resource)) {
        (true, true) => {
            errors.invalid(path, "", "cannot set both resource and service backends");
        }
        (false, true) => {
            let path = path.child("resource");
            subdomain_if_any(&resource["apiGroup"], &path.child("apiGroup"), errors);
            named_reference(
                resource,
                &path,
                ["kind is required", "name is required"],
                errors,
            );
        }
        (true, false) => {
            let service_path = path.child("service");
            let at = service_path.child("name");
            if required_text(&service["name"], &at, errors) {
                label(text(&service["name"]), &at, errors);
            }
            let (name, number) = (
                text(&service["port"]["name"]),
                int(&service["port"]["number"]),
            );
            let port = service_path.child("port");
            match (name, number) {
                ("", 0) => errors.required(path, "port name or number is required"),
                ("", _) => port_number(&service["port"]["number"], &port.child("number"), errors),
                (name, 0) => errors.each(&port.child("name"), name, format::port_name(name)),
                _ => errors.invalid(path, "", "cannot set both port name & port number"),
            }
        }
        (false, false) => errors.invalid(path, "", "resource or service backend is required"),
    }
}

pub(super) fn ingress_class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    let controller = text(&spec["controller"]);
    let at = path.child("controller");
    if let Some(old) = old {
        errors.immutable(&at, &spec["controller"], &old["spec"]["controller"]);
    }
    if controller.len() > CONTROLLER_BYTES_MAX {
        errors.too_long(&at, CONTROLLER_BYTES_MAX);
    }
    domain_prefixed_path(controller, &at, errors);
    let parameters = &spec["parameters"];
    if !is_set(parameters) {
        return;
    }
    let path = path.child("parameters");
    subdomain_if_any(&parameters["apiGroup"], &path.child("apiGroup"), errors);
    named_reference(
        parameters,
        &path,
        ["kind is required", "name is required"],
        errors,
    );
    let namespace = parameters["namespace"].as_str();
    let at = path.child("namespace");
    match (parameters["scope"].as_str(), namespace) {
        (None, _) => errors.required(&path.child("scope"), ""),
        (Some("Namespace"), None) => {
            errors.required(&at, "`parameters.scope` is set to 'Namespace'");
        }
        (Some("Namespace"), Some(namespace)) => label(namespace, &at, errors),
        (Some("Cluster"), Some(_)) => {
            errors.forbidden(&at, "`parameters.scope` is set to 'Cluster'");
        }
        (Some("Cluster"), None) => {}
        (Some(other), _) => {
            errors.not_supported(&path.child("scope"), other, &["Cluster", "Namespace"]);
        }
    }
}

pub(super) fn network_policy(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    selector::validate(&spec["podSelector"], &path.child("podSelector"), errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let rules = path.child(direction);
        for (i, rule) in list(&spec[direction]).iter().enumerate() {
            let path = rules.index(i);
            let ports = path.child("ports");
            for (j, port) in list(&rule["ports"]).iter().enumerate() {
                policy_port(port, &ports.index(j), errors);
            }
            let peers_path = path.child(peers);
            for (j, peer) in list(&rule[peers]).iter().enumerate() {
                policy_peer(peer, &peers_path.index(j), errors);
            }
        }
    }
    let types = list(&spec["policyTypes"]);
    let path = path.child("policyTypes");
    if types.len() > 2 {
        let message = "may not specify more than two policyTypes";
        return errors.invalid(&path, spec["policyTypes"].clone(), message);
    }
    for (i, kind) in types.iter().enumerate() {
        let kind = text(kind);
        if !matches!(kind, "Ingress" | "Egress") {
            errors.not_supported(&path.index(i), kind, &["Ingress", "Egress"]);
        }
    }
}

fn policy_port(port: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(protocol) = port["protocol"].as_str()
        && !PROTOCOLS.contains(&protocol)
    {
        let protocols = ["TCP", "UDP", "SCTP"];
        errors.not_supported(&path.child("protocol"), protocol, &protocols);
    }
    let (at, end_at) = (path.child("port"), path.child("endPort"));
    let end = port["endPort"].as_i64();
    match &port["port"] {
        Value::Null => {
            if let Some(end) = end {
                let message = "may not be specified when `port` is not specified";
                errors.invalid(&end_at, end, message);
            }
        }
        Value::String(name) => {
            if let Some(end) = end {
                let message = "may not be specified when `port` is non-numeric";
                errors.invalid(&end_at, end, message);
            }
            errors.each(&at, name, format::port_name(name));
        }
        number => {
            port_number(number, &at, errors);
            if let Some(end) = end {
                if end < int(number) {
                    let message = "must be greater than or equal to `port`";
                    errors.invalid(&end_at, int(number), message);
                }
                port_number(&port["endPort"], &end_at, errors);
            }
        }
    }
}

fn policy_peer(peer: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut count = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if is_set(&peer[field]) {
            count += 1;
            selector::validate(&peer[field], &path.child(field), errors);
        }
    }
    let block = &peer["ipBlock"];
    if is_set(block) {
        ip_block(block, &path.child("ipBlock"), errors);
        if count > 0 {
            errors.forbidden(path, "may not specify both ipBlock and another peer");
        }
    } else if count == 0 {
        errors.required(path, "must specify a peer");
    }
}

fn ip_block(block: &Value, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("cidr");
    if !required_text(&block["cidr"], &at, errors) {
        return;
    }
    let range = text(&block["cidr"]);
    errors.each(&at, range, format::cidr(range));
    let Some(outer) = format::parse_cidr(range) else {
        return;
    };
    let except = path.child("except");
    for (i, range) in list(&block["except"]).iter().enumerate() {
        let range = text(range);
        errors.each(&except.index(i), range, format::cidr(range));
        if let Some(inner) = format::parse_cidr(range)
            && (!format::cidr_contains(outer, inner) || outer.1 >= inner.1)
        {
            errors.invalid(&except.index(i), range, "must be a strict subset of `cidr`");
        }
    }
}

/// A range or an address as it would be printed.
pub(super) fn canonical_cidr(range: &str, path: &Path<'_>, errors: &mut Errors) {
    let messages = format::cidr(range);
    if let (true, Some((address, bits))) = (messages.is_empty(), format::parse_cidr(range)) {
        let canonical = format!("{address}/{bits}");
        if canonical != range {
            let message = format!("must be in canonical form ({})", quote(&canonical));
            errors.invalid(path, range, message);
        }
    }
    errors.each(path, range, messages);
}
#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::validate::validate_create;
    use serde_json::json;

    const GROUP: &str = "networking.k8s.io";

    pub(in crate::validate) fn created(group: &str, kind: &str, mut object: Value) -> String {
        let namespaced = !matches!(kind, "IngressClass" | "ServiceCIDR" | "IPAddress");
        object["metadata"] = json!({"name": "a"});
        if namespaced {
            object["metadata"]["namespace"] = json!("n");
        }
        set_defaults(group, kind, &mut object);
        summary(&validate_create(group, kind, namespaced, &object))
    }

    #[test]
    fn an_ingress_leads_somewhere() {
        let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
        let rule =
            |path: Value| json!({"spec": {"rules": [{"host": "a.b", "http": {"paths": [path]}}]}});
        let good = json!({"path": "/", "pathType": "Prefix", "backend": backend});
        assert_eq!(created(GROUP, "Ingress", rule(good)), "[]");
        assert_eq!(
            created(GROUP, "Ingress", json!({"spec": {}})),
            "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"
        );
        assert_eq!(
            created(GROUP, "Ingress", rule(json!({ "backend": backend }))),
            "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"
        );
        assert_eq!(
            created(
                GROUP,
                "Ingress",
                rule(json!({"path": "a", "pathType": "Exact", "backend": {}}))
            ),
            "[spec.rules[0].http.paths[0].path: Invalid value: \"a\": must be an absolute path, \
             spec.rules[0].http.paths[0].backend: Invalid value: \"\": resource or service backend \
             is required]"
        );
    }

    #[test]
    fn a_policy_names_peers_and_ports() {
        let rule = |rule: Value| json!({"spec": {"podSelector": {}, "ingress": [rule]}});
        assert_eq!(
            created(GROUP, "NetworkPolicy", rule(json!({"from": [{}]}))),
            "spec.ingress[0].from[0]: Required value: must specify a peer"
        );
        let block =
            json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]});
        assert_eq!(
            created(GROUP, "NetworkPolicy", rule(block)),
            "spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a \
             strict subset of `cidr`"
        );
        assert_eq!(
            created(
                GROUP,
                "NetworkPolicy",
                rule(json!({"ports": [{"port": "http", "endPort": 90}]}))
            ),
            "spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when \
             `port` is non-numeric"
        );
    }

    #[test]
    fn a_class_has_a_controller() {
        assert_eq!(
            created(GROUP, "IngressClass", json!({"spec": {"controller": "x"}})),
            "spec.controller: Invalid value: \"x\": must be a domain-prefixed path (such as \
             \"acme.io/foo\")"
        );
    }
}
