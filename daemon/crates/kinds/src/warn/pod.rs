//! Pods and what they are made from.

use serde_json::Value;

use super::{OLD_VOLUMES, claim, fraction, nodes, overlaps};
use crate::path::Path;
use crate::value::{entries, int, is_set, list, text};

/// Annotations that do nothing any more, and the field that does.
const ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const NO_SELECTOR: &str = "a null labelSelector results in matching no pod";

/// A pod or a template.
pub(super) fn pod(object: &Value, path: &Path<'_>, metadata: &Path<'_>, said: &mut Vec<String>) {
    let spec = &object["spec"];
    placement(spec, path, said);
    let annotations = &object["metadata"]["annotations"];
    let annotations_path = metadata.child("annotations");
    for (key, message) in ANNOTATIONS {
        if is_set(&annotations[key]) {
            said.push(format!("{}: {message}", annotations_path.key(key)));
        }
    }
    volumes(spec, path, said);
    overlaps::volumes(&spec["volumes"], said);
    repeated(&spec["hostAliases"], "ip", &path.child("hostAliases"), said);
    let secrets = path.child("imagePullSecrets");
    repeated(&spec["imagePullSecrets"], "name", &secrets, said);
    for (i, secret) in list(&spec["imagePullSecrets"]).iter().enumerate() {
        if text(&secret["name"]).is_empty() {
            said.push(format!(
                "{}: invalid empty name \"\"",
                secrets.index(i).child("name")
            ));
        }
    }
    for name in ["memory", "ephemeral-storage"] {
        fraction(&spec["overhead"], name, &path.child("overhead"), said);
    }
    let security = &spec["securityContext"];
    if is_set(&annotations[SECCOMP_POD]) && !is_set(&security["seccompProfile"]) {
        said.push(format!("{}: {SECCOMP}", annotations_path.key(SECCOMP_POD)));
    }
    containers(spec, path, |one, path| {
        let own = &one["securityContext"];
        let key = format!("{SECCOMP_CONTAINER}{}", text(&one["name"]));
        if is_set(&annotations[&key]) && !is_set(&own["seccompProfile"]) {
            said.push(format!("{}: {SECCOMP}", annotations_path.key(&key)));
        }
        let key = format!("{APP_ARMOR}{}", text(&one["name"]));
        let has_field = is_set(&security["appArmorProfile"]) || is_set(&own["appArmorProfile"]);
        if is_set(&annotations[&key]) && !has_field {
            let path = annotations_path.key(&key);
            said.push(format!(
                "{path}: deprecated since v1.30; use the \"appArmorProfile\" field instead"
            ));
        }
        for name in ["memory", "ephemeral-storage"] {
            let path = path.child("resources");
            for field in ["limits", "requests"] {
                fraction(&one["resources"][field], name, &path.child(field), said);
            }
        }
        environment(&one["env"], &path.child("env"), said);
    });
    ports(spec, path, said);
    if int(&spec["terminationGracePeriodSeconds"]) < 0 {
        let path = path.child("terminationGracePeriodSeconds");
        said.push(format!(
            "{path}: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
    affinity(spec, path, said);
}

/// All containers, in upstream's order.
fn containers<'v>(spec: &'v Value, path: &Path<'_>, mut see: impl FnMut(&'v Value, &Path<'_>)) {
    for field in ["initContainers", "containers", "ephemeralContainers"] {
        let path = path.child(field);
        for (i, one) in list(&spec[field]).iter().enumerate() {
            see(one, &path.index(i));
        }
    }
}

/// Where it may run.
fn placement(spec: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    let selector = path.child("nodeSelector");
    for (key, _) in entries(&spec["nodeSelector"]) {
        if let Some(message) = nodes::label(key) {
            said.push(format!("{}: {message}", selector.key(key)));
        }
    }
    let affinity = &spec["affinity"]["nodeAffinity"];
    let affinity_path = path.child("affinity");
    let affinity_path = affinity_path.child("nodeAffinity");
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let required_path = affinity_path.child(required);
    let terms = &affinity[required]["nodeSelectorTerms"];
    nodes::terms(terms, &required_path.child("nodeSelectorTerms"), said);
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let preferred_path = affinity_path.child(preferred);
    for (i, term) in list(&affinity[preferred]).iter().enumerate() {
        let path = preferred_path.index(i);
        nodes::expressions(&term["preference"], &path.child("preference"), said);
    }
    let spread = path.child("topologySpreadConstraints");
    for (i, one) in list(&spec["topologySpreadConstraints"]).iter().enumerate() {
        let path = spread.index(i);
        let key = text(&one["topologyKey"]);
        if let Some(message) = nodes::label(key) {
            said.push(format!("{}: {key} is {message}", path.child("topologyKey")));
        }
        if !is_set(&one["labelSelector"]) {
            said.push(format!("{}: {NO_SELECTOR}", path.child("labelSelector")));
        }
    }
}

fn volumes(spec: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    let path = path.child("volumes");
    for (i, volume) in list(&spec["volumes"]).iter().enumerate() {
        let path = path.index(i);
        for (plugin, name, since) in OLD_VOLUMES {
            if is_set(&volume[plugin]) {
                said.push(format!("{}: {since}", path.child(name)));
            }
        }
        let template = &volume["ephemeral"]["volumeClaimTemplate"];
        let template_path = path.child("ephemeral");
        let template_path = template_path.child("volumeClaimTemplate");
        claim(&template["spec"], &template_path.child("spec"), said);
    }
}

/// Entries that name the same thing twice.
fn repeated(items: &Value, field: &str, path: &Path<'_>, said: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    for (i, item) in list(items).iter().enumerate() {
        let name = text(&item[field]);
        if !seen.insert(name) {
            let path = path.index(i);
            said.push(format!("{}: duplicate {field} {name:?}", path.child(field)));
        }
    }
}

/// Variables that hide earlier ones without building on them.
fn environment(variables: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    for (i, one) in list(variables).iter().enumerate() {
        let name = text(&one["name"]);
        if seen.insert(name) {
            continue;
        }
        let (value, own) = (text(&one["value"]), format!("$({name})"));
        let builds_on = !is_set(&one["valueFrom"]) && value != own && value.contains(&own);
        if !builds_on {
            said.push(format!(
                "{}: hides previous definition of {name:?}, which may be dropped when using apply",
                path.index(i)
            ));
        }
    }
}

/// A port, and where it stands.
type Seen<'v> = (String, &'v str, i64);

fn ports(spec: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    let mut all: std::collections::HashMap<(i64, &str), Vec<Seen<'_>>> = Default::default();
    containers(spec, path, |one, path| {
        let path = path.child("ports");
        for (i, port) in list(&one["ports"]).iter().enumerate() {
            let place = path.index(i).to_string();
            let (ip, host) = (text(&port["hostIP"]), int(&port["hostPort"]));
            let (number, protocol) = (int(&port["containerPort"]), text(&port["protocol"]));
            if !ip.is_empty() && host == 0 {
                let name = text(&port["name"]);
                said.push(format!("{place}: hostIP set without hostPort: {{Name:{name} HostPort:0 ContainerPort:{number} Protocol:{protocol} HostIP:{ip}}}"));
            }
            let others = all.entry((number, protocol)).or_default();
            for (other, other_ip, other_host) in &*others {
                let how = if (ip, host) == (*other_ip, *other_host) {
                    "duplicate"
                } else if host == 0 || *other_host == 0 {
                    "overlapping"
                } else if host == *other_host && ip.is_empty() != other_ip.is_empty() {
                    "dangerously ambiguous"
                } else {
                    continue;
                };
                // The first ones say it all, and there may be many.
                if said.len() < WARNINGS_MAX {
                    said.push(format!("{place}: {how} port definition with {other}"));
                }
            }
            others.push((place, ip, host));
        }
    });
}

/// Warnings about ports are not counted further: each pair of ports may make one.
const WARNINGS_MAX: usize = 256;

fn affinity(spec: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    let path = path.child("affinity");
    for kind in ["podAffinity", "podAntiAffinity"] {
        let path = path.child(kind);
        let terms = &spec["affinity"][kind];
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        let required_path = path.child(required);
        for (i, term) in list(&terms[required]).iter().enumerate() {
            if !is_set(&term["labelSelector"]) {
                let path = required_path.index(i);
                said.push(format!("{}: {NO_SELECTOR}", path.child("labelSelector")));
            }
        }
        let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
        let preferred_path = path.child(preferred);
        for (i, term) in list(&terms[preferred]).iter().enumerate() {
            if !is_set(&term["podAffinityTerm"]["labelSelector"]) {
                let path = preferred_path.index(i);
                let path = path.child("podAffinityTerm");
                said.push(format!("{}: {NO_SELECTOR}", path.child("labelSelector")));
            }
        }
    }
}
