//! Pods, and the templates that pods are made from.

mod container;
mod environment;
mod probes;
mod scheduling;
mod security;
mod update;
mod volume;

use serde_json::Value;

use super::resources::{self, Whose};
use super::rules::{choice, choice_if_set, label, qualified_name, subdomain, subdomain_if_any};
use crate::error::Errors;
use crate::format;
use crate::limits::{DNS_NAMESERVERS_MAX, DNS_SEARCH_LIST_BYTES_MAX, DNS_SEARCHES_MAX};
use crate::metadata;
use crate::path::Path;
use crate::selector;
use crate::value::{int, is_set, is_true, len, list, text};

pub(super) use scheduling::{node_selector, taints, tolerations};
pub(super) use update::{difference, ephemeral_update, resize, update};
pub(super) use volume::{driver_name, host_path, nfs};

/// What a spec belongs to.
#[derive(Clone, Copy)]
pub(super) enum Within<'a> {
    Pod { name: &'a str },
    Template,
}

/// A pod that is to be created, or that replaces another.
pub(super) fn pod(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    whole(object, errors);
    match old {
        Some(old) => update(object, old, errors),
        None => only_on_create(&object["spec"], &Path::root("spec"), errors),
    }
}

/// All that must hold for a pod however it came to be.
fn whole(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    let metadata = Path::root("metadata");
    let annotations = &object["metadata"]["annotations"];
    deletion_cost(annotations, &metadata.child("annotations"), errors);
    let name = text(&object["metadata"]["name"]);
    pod_spec(spec, Within::Pod { name }, &path, errors);
    if text(&spec["serviceAccountName"]).is_empty() {
        tokens_without_account(spec, &path, errors);
    }
    for field in ["containers", "initContainers"] {
        let path = path.child(field);
        for (i, container) in list(&spec[field]).iter().enumerate() {
            container::image_without_padding(container, &path.index(i), errors);
        }
    }
}

fn only_on_create(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    if len(&spec["ephemeralContainers"]) > 0 {
        errors.forbidden(
            &path.child("ephemeralContainers"),
            "cannot be set on create",
        );
    }
    if !text(&spec["nodeName"]).is_empty() && len(&spec["schedulingGates"]) > 0 {
        let message = "cannot be set until all schedulingGates have been cleared";
        errors.forbidden(&path.child("nodeName"), message);
    }
}

fn deletion_cost(annotations: &Value, path: &Path<'_>, errors: &mut Errors) {
    let key = "controller.kubernetes.io/pod-deletion-cost";
    if let Some(cost) = annotations[key].as_str() {
        let is_plain = !cost.starts_with('+') && (cost == "0" || !cost.starts_with('0'));
        if !is_plain || cost.parse::<i32>().is_err() {
            errors.invalid(&path.key(key), cost, "must be a 32bit integer");
        }
    }
}

fn tokens_without_account(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let volumes = path.child("volumes");
    for (i, volume) in list(&spec["volumes"]).iter().enumerate() {
        let volume_path = volumes.index(i);
        let projected = volume_path.child("projected");
        let sources = projected.child("sources");
        for (j, source) in list(&volume["projected"]["sources"]).iter().enumerate() {
            if is_set(&source["serviceAccountToken"]) {
                let message = "must not be specified when serviceAccountName is not set";
                errors.forbidden(&sources.index(j).child("serviceAccountToken"), message);
            }
        }
    }
}

/// A template within another kind; its labels and annotations are named without `metadata`, as
/// upstream names them.
pub(super) fn template(template: &Value, path: &Path<'_>, errors: &mut Errors) {
    template_metadata(template, path, errors);
    let spec_path = path.child("spec");
    let spec = &template["spec"];
    pod_spec(spec, Within::Template, &spec_path, errors);
    if len(&spec["ephemeralContainers"]) > 0 {
        let message = "ephemeral containers not allowed in pod template";
        errors.forbidden(&spec_path.child("ephemeralContainers"), message);
    }
}

pub(super) fn template_metadata(template: &Value, path: &Path<'_>, errors: &mut Errors) {
    let metadata = &template["metadata"];
    selector::labels(&metadata["labels"], &path.child("labels"), errors);
    let annotations = path.child("annotations");
    metadata::annotations(&metadata["annotations"], &annotations, errors);
    deletion_cost(&metadata["annotations"], &annotations, errors);
}

/// The spec, in upstream's order.
fn pod_spec(spec: &Value, within: Within<'_>, path: &Path<'_>, errors: &mut Errors) {
    let grace = &spec["terminationGracePeriodSeconds"];
    if !is_set(grace) {
        errors.required(&path.child("terminationGracePeriodSeconds"), "");
    }
    let volumes = volume::volumes(&spec["volumes"], within, &path.child("volumes"), errors);
    let claims = resource_claims(
        &spec["resourceClaims"],
        &path.child("resourceClaims"),
        errors,
    );
    let context = container::Context {
        spec,
        volumes: &volumes,
        claims: &claims,
        grace: grace.as_i64(),
    };
    container::containers(&context, path, errors);
    if is_set(&spec["resources"]) {
        let path = path.child("resources");
        resources::requirements(&spec["resources"], Whose::Pod, &claims, &path, errors);
    }
    host_ports(spec, within, path, errors);
    let restart = ["Always", "OnFailure", "Never"];
    choice(
        &spec["restartPolicy"],
        &restart,
        &path.child("restartPolicy"),
        errors,
    );
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    choice(&spec["dnsPolicy"], &dns, &path.child("dnsPolicy"), errors);
    selector::labels(&spec["nodeSelector"], &path.child("nodeSelector"), errors);
    security::pod(spec, &path.child("securityContext"), errors);
    scheduling::affinity(&spec["affinity"], &path.child("affinity"), errors);
    dns_config(spec, &path.child("dnsConfig"), errors);
    gates(spec, path, errors);
    let spread = path.child("topologySpreadConstraints");
    scheduling::spread(&spec["topologySpreadConstraints"], &spread, errors);
    user_namespace(spec, path, errors);
    names(spec, path, errors);
    if let Some(seconds) = spec["activeDeadlineSeconds"].as_i64()
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        let message = format::inclusive_range(1, i64::from(i32::MAX));
        errors.invalid(&path.child("activeDeadlineSeconds"), seconds, message);
    }
    scheduling::tolerations(&spec["tolerations"], &path.child("tolerations"), errors);
    host_aliases(&spec["hostAliases"], &path.child("hostAliases"), errors);
    let preemption = ["PreemptLowerPriority", "Never"];
    let preemption_path = path.child("preemptionPolicy");
    choice_if_set(
        &spec["preemptionPolicy"],
        &preemption,
        &preemption_path,
        errors,
    );
    if is_set(&spec["overhead"]) {
        let overhead = serde_json::json!({ "limits": spec["overhead"] });
        let path = path.child("overhead");
        resources::requirements(&overhead, Whose::Container, &[], &path, errors);
    }
    if is_set(&spec["os"]) {
        let path = path.child("os");
        match text(&spec["os"]["name"]) {
            "" => errors.required(&path.child("name"), ""),
            "linux" | "windows" => {}
            other => errors.not_supported(&path, other, &["linux", "windows"]),
        }
    }
}

fn resource_claims<'v>(claims: &'v Value, path: &Path<'_>, errors: &mut Errors) -> Vec<&'v str> {
    let mut names: Vec<&str> = Vec::new();
    for (i, claim) in list(claims).iter().enumerate() {
        let path = path.index(i);
        let name = text(&claim["name"]);
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if names.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        } else {
            label(name, &path.child("name"), errors);
            names.push(name);
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"];
        match sources
            .iter()
            .filter(|source| is_set(&claim[**source]))
            .count()
        {
            0 => errors.invalid(
                &path,
                claim.clone(),
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            ),
            1 => {}
            _ => errors.invalid(
                &path,
                claim.clone(),
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be \
                 specified",
            ),
        }
        for source in sources {
            if let Some(name) = claim[source].as_str() {
                subdomain(name, &path.child(source), errors);
            }
        }
    }
    names
}

/// On the host's network a port is the host's.
fn host_ports(spec: &Value, within: Within<'_>, path: &Path<'_>, errors: &mut Errors) {
    if !is_true(&spec["hostNetwork"]) {
        return;
    }
    let is_pod = matches!(within, Within::Pod { .. });
    let containers = path.child("containers");
    for (i, container) in list(&spec["containers"]).iter().enumerate() {
        let container_path = containers.index(i);
        let ports = container_path.child("ports");
        for (j, port) in list(&container["ports"]).iter().enumerate() {
            let (host, own) = (int(&port["hostPort"]), int(&port["containerPort"]));
            if (is_pod || host != 0) && host != own {
                let message = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&ports.index(j).child("hostPort"), host, message);
            }
        }
    }
}

fn dns_config(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let config = &spec["dnsConfig"];
    let servers = list(&config["nameservers"]);
    if spec["dnsPolicy"] == "None" {
        if !is_set(config) {
            return errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.is_empty() {
            let message = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return errors.required(&path.child("nameservers"), message);
        }
    }
    let servers_path = path.child("nameservers");
    if servers.len() > DNS_NAMESERVERS_MAX {
        let message = format!("must not have more than {DNS_NAMESERVERS_MAX} nameservers");
        errors.invalid(&servers_path, config["nameservers"].clone(), message);
    }
    for (i, server) in servers.iter().enumerate() {
        errors.each(
            &servers_path.index(i),
            text(server),
            format::ip(text(server)),
        );
    }
    let searches: Vec<&str> = list(&config["searches"]).iter().map(text).collect();
    let searches_path = path.child("searches");
    if searches.len() > DNS_SEARCHES_MAX {
        let message = format!("must not have more than {DNS_SEARCHES_MAX} search paths");
        errors.invalid(&searches_path, config["searches"].clone(), message);
    }
    if searches.join(" ").len() > DNS_SEARCH_LIST_BYTES_MAX {
        let message = format!(
            "must not have more than {DNS_SEARCH_LIST_BYTES_MAX} characters (including spaces) in \
             the search list"
        );
        errors.invalid(&searches_path, config["searches"].clone(), message);
    }
    for (i, search) in searches
        .iter()
        .enumerate()
        .filter(|(_, search)| **search != ".")
    {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.each(&searches_path.index(i), search, format::dns_search(search));
    }
    let options = path.child("options");
    for (i, option) in list(&config["options"]).iter().enumerate() {
        if text(&option["name"]).is_empty() {
            errors.required(&options.index(i), "must not be empty");
        }
    }
}

fn gates(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let readiness = path.child("readinessGates");
    for (i, gate) in list(&spec["readinessGates"]).iter().enumerate() {
        let path = readiness.index(i);
        qualified_name(
            text(&gate["conditionType"]),
            &path.child("conditionType"),
            errors,
        );
    }
    let scheduling = path.child("schedulingGates");
    let mut seen = Vec::new();
    for (i, gate) in list(&spec["schedulingGates"]).iter().enumerate() {
        let name = text(&gate["name"]);
        qualified_name(name, &scheduling.index(i), errors);
        if seen.contains(&name) {
            errors.duplicate(&scheduling.index(i), name);
        }
        seen.push(name);
    }
}

/// Users of its own do not go together with the host's namespaces.
fn user_namespace(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    if spec["hostUsers"] != false {
        return;
    }
    let message = "when `hostUsers` is false";
    for (field, shown) in [
        ("hostNetwork", "hostNetwork"),
        ("hostPID", "HostPID"),
        ("hostIPC", "HostIPC"),
    ] {
        if is_true(&spec[field]) {
            errors.forbidden(&path.child(shown), message);
        }
    }
}

/// The names of the pod itself and of what it refers to.
fn names(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(hostname) = spec["hostnameOverride"].as_str() {
        let path = path.child("hostnameOverride");
        for (field, value) in [
            ("setHostnameAsFQDN", "setHostnameAsFQDN"),
            ("hostNetwork", "hostNetwork"),
        ] {
            if is_true(&spec[field]) {
                errors.forbidden(&path, format!("may not be specified when {value} is true"));
            }
        }
        if hostname.len() > 64 {
            errors.too_long(&path, 64);
        }
        subdomain(hostname, &path, errors);
    }
    for field in ["serviceAccountName", "nodeName"] {
        subdomain_if_any(&spec[field], &path.child(field), errors);
    }
    for field in ["hostname", "subdomain"] {
        if !text(&spec[field]).is_empty() {
            label(text(&spec[field]), &path.child(field), errors);
        }
    }
    subdomain_if_any(
        &spec["priorityClassName"],
        &path.child("priorityClassName"),
        errors,
    );
    if let Some(class) = spec["runtimeClassName"].as_str() {
        subdomain(class, &path.child("runtimeClassName"), errors);
    }
}

fn host_aliases(aliases: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (i, alias) in list(aliases).iter().enumerate() {
        let path = path.index(i);
        let ip = text(&alias["ip"]);
        errors.each(&path.child("ip"), ip, format::ip(ip));
        let hostnames = path.child("hostnames");
        for (j, hostname) in list(&alias["hostnames"]).iter().enumerate() {
            subdomain(text(hostname), &hostnames.index(j), errors);
        }
    }
}

#[cfg(test)]
mod tests;
