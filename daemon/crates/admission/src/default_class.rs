//! DefaultStorageClass, DefaultIngressClass and PersistentVolumeClaimResize: which class an object
//! has that names none, and what a class allows.

use serde_json::Value;

use crate::Refused;
use crate::value::{annotated, below, fields, text};

const STORAGE_DEFAULTS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];
const STORAGE_BETA: &str = "volume.beta.kubernetes.io/storage-class";
const INGRESS_DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
const INGRESS_LEGACY: &str = "kubernetes.io/ingress.class";

/// Whether a claim waits for the default class.
#[must_use]
pub fn claim_wants_class(claim: &Value) -> bool {
    let named = claim.pointer("/spec/storageClassName");
    let legacy = claim
        .pointer("/metadata/annotations")
        .is_some_and(|all| all.get(STORAGE_BETA).is_some());
    named.is_none_or(Value::is_null) && !legacy
}

/// Gives a claim the default class, where there is one.
pub fn claim(claim: &mut Value, classes: &[Value]) {
    let is_default = |class: &Value| {
        let mut names = STORAGE_DEFAULTS.iter();
        names.any(|name| annotated(class, name, "true"))
    };
    if let Some(name) = newest(classes, is_default) {
        fields(below(claim, "spec")).insert("storageClassName".into(), name.into());
    }
}

/// Whether an ingress waits for the default class.
#[must_use]
pub fn ingress_wants_class(ingress: &Value) -> bool {
    let named = ingress.pointer("/spec/ingressClassName");
    let legacy = ingress
        .pointer("/metadata/annotations")
        .is_some_and(|all| all.get(INGRESS_LEGACY).is_some());
    named.is_none_or(Value::is_null) && !legacy
}

/// Gives an ingress the default class, where there is one.
pub fn ingress(ingress: &mut Value, classes: &[Value]) {
    let is_default = |class: &Value| annotated(class, INGRESS_DEFAULT, "true");
    if let Some(name) = newest(classes, is_default) {
        fields(below(ingress, "spec")).insert("ingressClassName".into(), name.into());
    }
}

/// The name of the newest default; of several as new the first by name.
fn newest(classes: &[Value], is_default: impl Fn(&Value) -> bool) -> Option<&str> {
    let defaults = classes.iter().filter(|class| is_default(class));
    let newest = defaults.min_by_key(|class| {
        let made = text(class, "/metadata/creationTimestamp");
        (std::cmp::Reverse(made), text(class, "/metadata/name"))
    });
    newest.map(|class| text(class, "/metadata/name"))
}

/// Refuses to make a bound claim larger than its class lets it; `class` is the one it names.
pub fn resize(next: &Value, old: &Value, class: Option<&Value>) -> Result<(), Refused> {
    const SIZE: &str = "/spec/resources/requests/storage";
    let amount = |claim: &Value| {
        let value = claim.pointer(SIZE)?;
        skerry_kinds::quantity::Quantity::of(value).ok()
    };
    let grows = match (amount(next), amount(old)) {
        (Some(next), Some(old)) => next > old,
        _ => false,
    };
    if !grows || text(old, "/status/phase") != "Bound" {
        return Ok(());
    }
    let allows = class.and_then(|class| class.get("allowVolumeExpansion")?.as_bool());
    if allows == Some(true) {
        return Ok(());
    }
    Err(Refused("only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize".into()))
}

/// The class that a claim names.
#[must_use]
pub fn class_of(claim: &Value) -> &str {
    match text(claim, "/spec/storageClassName") {
        "" => {
            let annotations = claim.pointer("/metadata/annotations");
            let legacy = annotations.and_then(|all| all.get(STORAGE_BETA));
            legacy.and_then(Value::as_str).unwrap_or_default()
        }
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn class(name: &str, made: &str, default: &str) -> Value {
        json!({"metadata": {"name": name, "creationTimestamp": made, "annotations": {STORAGE_DEFAULTS[0]: default}}})
    }

    #[test]
    fn the_newest_default_is_taken_and_an_empty_name_means_none() {
        let classes = [
            class("old", "2026-01-01T00:00:00Z", "true"),
            class("b", "2026-01-02T00:00:00Z", "true"),
            class("a", "2026-01-02T00:00:00Z", "true"),
            class("newest", "2026-01-03T00:00:00Z", "false"),
        ];
        let mut one = json!({"spec": {}});
        assert!(claim_wants_class(&one));
        claim(&mut one, &classes);
        assert_eq!(one["spec"]["storageClassName"], "a");
        assert!(!claim_wants_class(
            &json!({"spec": {"storageClassName": ""}})
        ));
    }

    #[test]
    fn a_bound_claim_grows_only_if_its_class_lets_it() {
        let of = |size: &str| json!({"spec": {"resources": {"requests": {"storage": size}}}, "status": {"phase": "Bound"}});
        let (small, large) = (of("1Gi"), of("2Gi"));
        assert!(resize(&large, &small, None).is_err());
        assert!(resize(&small, &small, None).is_ok());
        assert!(resize(&large, &small, Some(&json!({"allowVolumeExpansion": true}))).is_ok());
    }
}
