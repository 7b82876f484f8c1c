//! Where a pod may run: affinities, tolerations, spreading, and the taints they answer to.

use serde_json::Value;

use crate::error::{ErrorKind, Errors};
use crate::format;
use crate::path::Path;
use crate::selector;
use crate::validate::rules::{POSITIVE, choice_if_set, label, qualified_name};
use crate::value::{entries, int, is_set, len, list, text};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn affinity(affinity: &Value, path: &Path<'_>, errors: &mut Errors) {
    let nodes = &affinity["nodeAffinity"];
    let nodes_path = path.child("nodeAffinity");
    if is_set(&nodes[REQUIRED]) {
        node_selector(&nodes[REQUIRED], true, &nodes_path.child(REQUIRED), errors);
    }
    let preferred = nodes_path.child(PREFERRED);
    for (i, term) in list(&nodes[PREFERRED]).iter().enumerate() {
        let path = preferred.index(i);
        weight(term, &path, errors);
        node_term(
            &term["preference"],
            false,
            &path.child("preference"),
            errors,
        );
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let path = path.child(kind);
        let required = path.child(REQUIRED);
        for (i, term) in list(&affinity[kind][REQUIRED]).iter().enumerate() {
            pod_term(term, &required.index(i), errors);
        }
        let preferred = path.child(PREFERRED);
        for (i, term) in list(&affinity[kind][PREFERRED]).iter().enumerate() {
            let path = preferred.index(i);
            weight(term, &path, errors);
            pod_term(
                &term["podAffinityTerm"],
                &path.child("podAffinityTerm"),
                errors,
            );
        }
    }
}

fn weight(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    let weight = int(&term["weight"]);
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), weight, "must be in the range 1-100");
    }
}

/// Terms of which a node must meet one.
pub(in crate::validate) fn node_selector(
    selector: &Value,
    checks_values: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let path = path.child("nodeSelectorTerms");
    let terms = list(&selector["nodeSelectorTerms"]);
    if terms.is_empty() {
        errors.required(&path, "must have at least one node selector term");
    }
    for (i, term) in terms.iter().enumerate() {
        node_term(term, checks_values, &path.index(i), errors);
    }
}

fn node_term(term: &Value, checks_values: bool, path: &Path<'_>, errors: &mut Errors) {
    let expressions = path.child("matchExpressions");
    for (i, requirement) in list(&term["matchExpressions"]).iter().enumerate() {
        node_expression(requirement, checks_values, &expressions.index(i), errors);
    }
    let fields = path.child("matchFields");
    for (i, requirement) in list(&term["matchFields"]).iter().enumerate() {
        node_field(requirement, &fields.index(i), errors);
    }
}

fn node_expression(requirement: &Value, checks_values: bool, path: &Path<'_>, errors: &mut Errors) {
    let count = len(&requirement["values"]);
    let values = path.child("values");
    match text(&requirement["operator"]) {
        "In" | "NotIn" if count == 0 => {
            errors.required(
                &values,
                "must be specified when `operator` is 'In' or 'NotIn'",
            );
        }
        "Exists" | "DoesNotExist" if count > 0 => errors.forbidden(
            &values,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        "Gt" | "Lt" if count != 1 => errors.required(
            &values,
            "must be specified single value when `operator` is 'Lt' or 'Gt'",
        ),
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(
            &path.child("operator"),
            other,
            "not a valid selector operator",
        ),
    }
    qualified_name(text(&requirement["key"]), &path.child("key"), errors);
    for (i, value) in list(&requirement["values"])
        .iter()
        .enumerate()
        .filter(|_| checks_values)
    {
        errors.each(
            &values.index(i),
            text(value),
            format::label_value(text(value)),
        );
    }
}

fn node_field(requirement: &Value, path: &Path<'_>, errors: &mut Errors) {
    match text(&requirement["operator"]) {
        "In" | "NotIn" if len(&requirement["values"]) != 1 => errors.required(
            &path.child("values"),
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        ),
        "In" | "NotIn" => {}
        other => errors.invalid(
            &path.child("operator"),
            other,
            "not a valid selector operator",
        ),
    }
    let key = text(&requirement["key"]);
    if key != "metadata.name" {
        return errors.invalid(&path.child("key"), key, "not a valid field selector key");
    }
    let values = path.child("values");
    for (i, value) in list(&requirement["values"]).iter().enumerate() {
        errors.each(
            &values.index(i),
            text(value),
            format::dns_subdomain(text(value)),
        );
    }
}

fn pod_term(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    for field in ["labelSelector", "namespaceSelector"] {
        selector::validate(&term[field], &path.child(field), errors);
    }
    for namespace in list(&term["namespaces"]) {
        label(text(namespace), &path.child("namespace"), errors);
    }
    label_keys(term, path, errors);
    let key = text(&term["topologyKey"]);
    if key.is_empty() {
        errors.required(&path.child("topologyKey"), "can not be empty");
    }
    qualified_name(key, &path.child("topologyKey"), errors);
}

/// Keys whose values are taken from the pod itself.
fn label_keys(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let keys = list(&term[field]);
        let path = path.child(field);
        if keys.is_empty() {
            continue;
        }
        if !is_set(&term["labelSelector"]) {
            let message = "must not be specified when labelSelector is not set";
            errors.forbidden(&path, message);
            continue;
        }
        for (i, key) in keys.iter().enumerate() {
            qualified_name(text(key), &path.index(i), errors);
        }
    }
    let matched = list(&term["matchLabelKeys"]);
    let selector = &term["labelSelector"];
    let mut seen: Vec<&str> = entries(&selector["matchLabels"])
        .map(|(key, _)| key.as_str())
        .collect();
    for expression in list(&selector["matchExpressions"]) {
        let key = text(&expression["key"]);
        if let Some(i) = matched.iter().position(|matched| matched == key)
            && seen.contains(&key)
        {
            let message = "exists in both matchLabelKeys and labelSelector";
            errors.invalid(&path.index(i), key, message);
        }
        seen.push(key);
    }
    let at = path.child("matchLabelKeys");
    for (i, key) in matched.iter().enumerate() {
        if list(&term["mismatchLabelKeys"]).contains(key) {
            let message = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(&at.index(i), text(key), message);
        }
    }
}

pub(super) fn spread(constraints: &Value, path: &Path<'_>, errors: &mut Errors) {
    let constraints = list(constraints);
    for (i, constraint) in constraints.iter().enumerate() {
        let path = path.index(i);
        let skew = int(&constraint["maxSkew"]);
        if skew <= 0 {
            errors.invalid(&path.child("maxSkew"), skew, POSITIVE);
        }
        let key = text(&constraint["topologyKey"]);
        if key.is_empty() {
            errors.required(&path.child("topologyKey"), "can not be empty");
        }
        let action = text(&constraint["whenUnsatisfiable"]);
        if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
            let words = ["DoNotSchedule", "ScheduleAnyway"];
            errors.not_supported(&path.child("whenUnsatisfiable"), action, &words);
        }
        let is_same = |other: &Value| {
            text(&other["topologyKey"]) == key && text(&other["whenUnsatisfiable"]) == action
        };
        if constraints[i + 1..].iter().any(is_same) {
            let path = path.child("{topologyKey, whenUnsatisfiable}");
            errors.duplicate(&path, format!("{{{key}, {action}}}"));
        }
        if let Some(domains) = constraint["minDomains"].as_i64() {
            let path = path.child("minDomains");
            if domains <= 0 {
                errors.invalid(&path, domains, POSITIVE);
            }
            if action != "DoNotSchedule" {
                let message = format!(
                    "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                );
                errors.invalid(&path, domains, message);
            }
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            choice_if_set(
                &constraint[field],
                &["Honor", "Ignore"],
                &path.child(field),
                errors,
            );
        }
        label_keys(constraint, &path, errors);
        selector::validate(
            &constraint["labelSelector"],
            &path.child("labelSelector"),
            errors,
        );
    }
}

pub(in crate::validate) fn tolerations(tolerations: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (i, toleration) in list(tolerations).iter().enumerate() {
        let path = path.index(i);
        let (key, operator) = (text(&toleration["key"]), text(&toleration["operator"]));
        let (value, effect) = (text(&toleration["value"]), text(&toleration["effect"]));
        let operator_path = path.child("operator");
        if !key.is_empty() {
            qualified_name(key, &path.child("key"), errors);
        } else if operator != "Exists" {
            let message = "operator must be Exists when `key` is empty, which means \"match all \
                           values and all keys\"";
            errors.invalid(&operator_path, operator, message);
        }
        if is_set(&toleration["tolerationSeconds"]) && effect != "NoExecute" {
            let message = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&path.child("effect"), effect, message);
        }
        match operator {
            "" | "Equal" => {
                let wrong = format::label_value(value);
                if !wrong.is_empty() {
                    errors.invalid(&operator_path, value, wrong.join(";"));
                }
            }
            "Exists" if value.is_empty() => {}
            "Exists" => {
                let message = "value must be empty when `operator` is 'Exists'";
                errors.invalid(&operator_path, value, message);
            }
            other => errors.not_supported(&operator_path, other, &["Equal", "Exists"]),
        }
        if !effect.is_empty() && !EFFECTS.contains(&effect) {
            errors.not_supported(&path.child("effect"), effect, EFFECTS);
        }
    }
}

/// The taints of a node.
pub(in crate::validate) fn taints(taints: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (i, taint) in list(taints).iter().enumerate() {
        let path = path.index(i);
        let (key, effect) = (text(&taint["key"]), text(&taint["effect"]));
        qualified_name(key, &path.child("key"), errors);
        let wrong = format::label_value(text(&taint["value"]));
        if !wrong.is_empty() {
            errors.invalid(&path.child("value"), text(&taint["value"]), wrong.join(";"));
        }
        match effect {
            "" => errors.required(&path.child("effect"), ""),
            effect if EFFECTS.contains(&effect) => {}
            effect => errors.not_supported(&path.child("effect"), effect, EFFECTS),
        }
        if seen.contains(&(key, effect)) {
            let detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(ErrorKind::Duplicate, &path, taint.clone(), detail);
        }
        seen.push((key, effect));
    }
}
