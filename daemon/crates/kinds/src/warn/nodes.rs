//! Labels of nodes that have newer names, wherever they are asked for.

use serde_json::Value;

use crate::path::Path;
use crate::value::{entries, is_set, list, text};

const LABELS: [(&str, &str); 8] = [
    (
        "beta.kubernetes.io/arch",
        "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
    ),
    (
        "beta.kubernetes.io/os",
        "deprecated since v1.14; use \"kubernetes.io/os\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    (
        "node-role.kubernetes.io/master",
        "use \"node-role.kubernetes.io/control-plane\" instead",
    ),
];

/// What is said of a label, if it is an old one.
pub(super) fn label(key: &str) -> Option<&'static str> {
    let found = LABELS.iter().find(|(label, _)| *label == key);
    found.map(|(_, message)| *message)
}

pub(super) fn node(spec: &Value, said: &mut Vec<String>) {
    if is_set(&spec["configSource"]) {
        said.push("spec.configSource: the feature is removed".into());
    }
    if !text(&spec["externalID"]).is_empty() {
        said.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".into());
    }
}

pub(super) fn storage_class(object: &Value, said: &mut Vec<String>) {
    let root = Path::root("allowedTopologies");
    for (i, term) in list(&object["allowedTopologies"]).iter().enumerate() {
        let path = root.index(i);
        let path = path.child("matchLabelExpressions");
        for (j, one) in list(&term["matchLabelExpressions"]).iter().enumerate() {
            if let Some(message) = label(text(&one["key"])) {
                said.push(format!("{}: {message}", path.index(j)));
            }
        }
    }
}

pub(super) fn runtime_class(object: &Value, said: &mut Vec<String>) {
    for (key, _) in entries(&object["scheduling"]["nodeSelector"]) {
        if let Some(message) = label(key) {
            said.push(format!("scheduling.nodeSelector: {message}"));
        }
    }
}

/// A label selector over nodes.
pub(super) fn selector(selector: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    expressions(selector, path, said);
    let path = path.child("matchLabels");
    for (key, _) in entries(&selector["matchLabels"]) {
        if let Some(message) = label(key) {
            said.push(format!("{}: {message}", path.child(key)));
        }
    }
}

/// Terms of a node selector.
pub(super) fn terms(terms: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    for (i, term) in list(terms).iter().enumerate() {
        expressions(term, &path.index(i), said);
    }
}

pub(super) fn expressions(term: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    let path = path.child("matchExpressions");
    for (i, one) in list(&term["matchExpressions"]).iter().enumerate() {
        let key = text(&one["key"]);
        if let Some(message) = label(key) {
            said.push(format!(
                "{}: {key} is {message}",
                path.index(i).child("key")
            ));
        }
    }
}
