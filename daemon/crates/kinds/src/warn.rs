//! What is taken but should not be written so any more, in upstream's words: what clients read in
//! `Warning` headers.
//!
//! Pure. Knows nothing about what is wrong. Runs on objects that have their defaults.

mod addresses;
mod nodes;
mod overlaps;
mod pod;

use serde_json::Value;

use self::addresses::{address, addresses, range};
use crate::format;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::value::{entries, int, is_set, list, same, text};

const BETA_STORAGE_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
const MOUNTABLE_SECRETS: &str = "kubernetes.io/enforce-mountable-secrets";
const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const POD_NAMES: &str = "metadata.name: this is used in Pod names and hostnames";

/// What a client is told that asks for a version of a kind, whatever it does with it.
#[must_use]
pub fn deprecated(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    match (group, version, kind) {
        ("", "v1", "Endpoints") => {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        }
        _ => None,
    }
}

/// What a client is told of an object that it has created, or that has replaced an old one.
#[must_use]
pub fn warnings(group: &str, kind: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
    let mut said = Vec::new();
    let spec = &object["spec"];
    let annotations = &object["metadata"]["annotations"];
    let is_new = old.is_none();
    // Templates are looked at where they have changed.
    let differs = old.is_none_or(|old| !same(spec, &old["spec"]));
    match (group, kind) {
        // Nobody writes pods but to create them.
        ("", "Pod") if is_new => {
            let what = "metadata.name: this is used in the Pod's hostname";
            name(object, what, &mut said);
            pod::pod(
                object,
                &Path::root("spec"),
                &Path::root("metadata"),
                &mut said,
            );
        }
        ("", "PodTemplate") => template(&object["template"], &Path::root("template"), &mut said),
        ("", "ReplicationController") | ("apps", "ReplicaSet" | "Deployment") => {
            if is_new {
                name(object, POD_NAMES, &mut said);
            }
            if differs {
                in_spec(spec, &mut said);
            }
        }
        ("apps", "DaemonSet") if differs => in_spec(spec, &mut said),
        ("apps", "StatefulSet") => {
            if differs {
                in_spec(spec, &mut said);
            }
            stateful_set(spec, &mut said);
        }
        ("batch", "Job") => {
            if is_new {
                name(object, POD_NAMES, &mut said);
            }
            if differs {
                job(spec, &Path::root("spec"), &mut said);
            }
        }
        ("batch", "CronJob") => {
            if is_new {
                name(object, POD_NAMES, &mut said);
            }
            if differs {
                let spec_path = Path::root("spec");
                let template_path = spec_path.child("jobTemplate");
                job(
                    &spec["jobTemplate"]["spec"],
                    &template_path.child("spec"),
                    &mut said,
                );
            }
            if !is_new && text(&spec["schedule"]).contains("TZ") {
                // The path is upstream's.
                said.push("cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details".into());
            }
        }
        ("", "Service") => service(spec, annotations, &mut said),
        ("", "Endpoints") => endpoints(object, &mut said),
        ("discovery.k8s.io", "EndpointSlice") => slice(object, &mut said),
        ("", "Node") => nodes::node(spec, &mut said),
        ("", "PersistentVolume") => volume(spec, annotations, &mut said),
        ("", "PersistentVolumeClaim") => {
            beta_class(annotations, &mut said);
            claim(spec, &Path::root("spec"), &mut said);
        }
        ("", "ServiceAccount") => {
            let had =
                old.is_some_and(|old| is_set(&old["metadata"]["annotations"][MOUNTABLE_SECRETS]));
            if !had && is_set(&annotations[MOUNTABLE_SECRETS]) {
                said.push(format!("metadata.annotations[{MOUNTABLE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"));
            }
        }
        ("networking.k8s.io", "NetworkPolicy") => addresses::policy(spec, &mut said),
        ("networking.k8s.io", "Ingress")
            if is_new
                && is_set(&annotations[INGRESS_CLASS])
                && !is_set(&spec["ingressClassName"]) =>
        {
            said.push(format!("annotation {INGRESS_CLASS:?} is deprecated, please use 'spec.ingressClassName' instead"));
        }
        ("storage.k8s.io", "StorageClass") => nodes::storage_class(object, &mut said),
        ("storage.k8s.io", "CSIStorageCapacity") => {
            nodes::selector(
                &object["nodeTopology"],
                &Path::root("nodeTopology"),
                &mut said,
            );
        }
        ("node.k8s.io", "RuntimeClass") => nodes::runtime_class(object, &mut said),
        _ => {}
    }
    said
}

/// A name that becomes part of host names.
fn name(object: &Value, what: &str, said: &mut Vec<String>) {
    let name = text(&object["metadata"]["name"]);
    let messages = format::dns_label(name);
    // A name that is still to be made up is not known here.
    if !name.is_empty() && !messages.is_empty() {
        said.push(format!(
            "{what}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            messages.join(" ")
        ));
    }
}

fn in_spec(spec: &Value, said: &mut Vec<String>) {
    template(
        &spec["template"],
        &Path::root("spec").child("template"),
        said,
    );
}

fn template(template: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    pod::pod(template, &path.child("spec"), &path.child("metadata"), said);
}

fn stateful_set(spec: &Value, said: &mut Vec<String>) {
    let spec_path = Path::root("spec");
    let path = spec_path.child("volumeClaimTemplates");
    for (i, one) in list(&spec["volumeClaimTemplates"]).iter().enumerate() {
        claim(&one["spec"], &path.index(i), said);
    }
    if int(&spec["revisionHistoryLimit"]) < 0 {
        said.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".into());
    }
}

fn job(spec: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    let is_large = int(&spec["completions"]) > 100_000 && int(&spec["parallelism"]) > 10_000;
    if text(&spec["completionMode"]) == "Indexed" && is_large {
        said.push(format!("{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"));
    }
    template(&spec["template"], &path.child("template"), said);
}

fn service(spec: &Value, annotations: &Value, said: &mut Vec<String>) {
    if is_set(&annotations[TOPOLOGY_HINTS]) {
        said.push(format!("annotation {TOPOLOGY_HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"));
    }
    let path = Path::root("spec");
    let (kind, cluster_ip) = (text(&spec["type"]), text(&spec["clusterIP"]));
    let is_headless = kind == "ClusterIP" && cluster_ip == "None";
    let has_external = !list(&spec["externalIPs"]).is_empty();
    if !is_headless && !cluster_ip.is_empty() {
        addresses(&spec["clusterIPs"], &path.child("clusterIPs"), said);
    }
    if is_headless {
        let is_sticky = !matches!(text(&spec["sessionAffinity"]), "" | "None");
        for (field, ignored) in [
            ("loadBalancerIP", !text(&spec["loadBalancerIP"]).is_empty()),
            ("externalIPs", has_external),
            ("SessionAffinity", is_sticky),
        ] {
            if ignored {
                said.push(format!("spec.{field} is ignored for headless services"));
            }
        }
    }
    addresses(&spec["externalIPs"], &path.child("externalIPs"), said);
    let is_name = kind == "ExternalName";
    if has_external && !is_headless && !is_name {
        said.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
                .into(),
        );
    }
    address(
        text(&spec["loadBalancerIP"]),
        &path.child("loadBalancerIP"),
        said,
    );
    let path = path.child("loadBalancerSourceRanges");
    for (i, one) in list(&spec["loadBalancerSourceRanges"]).iter().enumerate() {
        range(text(one), &path.index(i), said);
    }
    if is_name && has_external {
        said.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
    }
    if !is_name && !text(&spec["externalName"]).is_empty() {
        said.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if text(&spec["trafficDistribution"]) == "PreferClose" {
        said.push(
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\""
                .into(),
        );
    }
}

fn endpoints(object: &Value, said: &mut Vec<String>) {
    let root = Path::root("subsets");
    for (i, subset) in list(&object["subsets"]).iter().enumerate() {
        let path = root.index(i);
        for field in ["addresses", "notReadyAddresses"] {
            let path = path.child(field);
            for (j, one) in list(&subset[field]).iter().enumerate() {
                address(text(&one["ip"]), &path.index(j).child("ip"), said);
            }
        }
    }
}

fn slice(object: &Value, said: &mut Vec<String>) {
    if text(&object["addressType"]) == "FQDN" {
        said.push("spec.addressType: FQDN endpoints are deprecated".into());
        return;
    }
    let root = Path::root("endpoints");
    for (i, one) in list(&object["endpoints"]).iter().enumerate() {
        addresses(&one["addresses"], &root.index(i).child("addresses"), said);
    }
}

fn volume(spec: &Value, annotations: &Value, said: &mut Vec<String>) {
    beta_class(annotations, said);
    if is_set(&annotations[MOUNT_OPTIONS]) {
        said.push(format!("metadata.annotations[{MOUNT_OPTIONS}]: deprecated since v1.31; use \"mountOptions\" attribute instead"));
    }
    let path = Path::root("spec");
    if text(&spec["persistentVolumeReclaimPolicy"]) == "Recycle" {
        said.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".into());
    }
    let affinity_path = path.child("nodeAffinity");
    let required = affinity_path.child("required");
    let terms = &spec["nodeAffinity"]["required"]["nodeSelectorTerms"];
    nodes::terms(terms, &required.child("nodeSelectorTerms"), said);
    for (plugin, name, since) in OLD_VOLUMES {
        let only_pods = matches!(plugin, "gitRepo" | "flocker" | "quobyte");
        if is_set(&spec[plugin]) && !only_pods {
            said.push(format!("spec.{name}: {since}"));
        }
    }
}

/// Volume plugins that are going or gone: the field, and what upstream calls it here.
const OLD_VOLUMES: [(&str, &str, &str); 9] = [
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    ("gitRepo", "gitRepo", "deprecated in v1.11"),
    (
        "scaleIO",
        "scaleIO",
        "deprecated in v1.16, non-functional in v1.22+",
    ),
    (
        "flocker",
        "flocker",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "storageos",
        "storageOS",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "quobyte",
        "quobyte",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "glusterfs",
        "glusterfs",
        "deprecated in v1.25, non-functional in v1.26+",
    ),
    (
        "cephfs",
        "cephfs",
        "deprecated in v1.28, non-functional in v1.31+",
    ),
    (
        "rbd",
        "rbd",
        "deprecated in v1.28, non-functional in v1.31+",
    ),
];

fn beta_class(annotations: &Value, said: &mut Vec<String>) {
    if is_set(&annotations[BETA_STORAGE_CLASS]) {
        said.push(format!("metadata.annotations[{BETA_STORAGE_CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"));
    }
}

fn claim(spec: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    let path = path.child("resources");
    for field in ["requests", "limits"] {
        let amounts = &spec["resources"][field];
        fraction(amounts, "storage", &path.child(field), said);
    }
}

/// An amount of bytes that is no whole number.
fn fraction(amounts: &Value, name: &str, path: &Path<'_>, said: &mut Vec<String>) {
    let Some((_, amount)) = entries(amounts).find(|(key, _)| *key == name) else {
        return;
    };
    if let Ok(amount) = Quantity::of(amount)
        && amount.milli_value() % 1000 != 0
    {
        let path = path.key(name);
        said.push(format!(
            "{path}: fractional byte value \"{amount}\" is invalid, must be an integer"
        ));
    }
}

#[cfg(test)]
mod tests;
