//! When a job has failed, and when it has succeeded before its end.

use serde_json::Value;

use super::super::rules::{nonnegative, qualified_name};
use crate::error::Errors;
use crate::path::Path;
use crate::value::{int, is_set, list, text};

const FAILURE_RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const CONDITION_PATTERNS_MAX: usize = 20;
const SUCCESS_RULES_MAX: usize = 20;

pub(super) fn failure_policy(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let rules = list(&spec["podFailurePolicy"]["rules"]);
    let rules_path = path.child("rules");
    if rules.len() > FAILURE_RULES_MAX {
        errors.too_many(&rules_path, rules.len(), FAILURE_RULES_MAX);
    }
    for (i, rule) in rules.iter().enumerate() {
        failure_rule(spec, rule, &rules_path.index(i), errors);
    }
}

fn failure_rule(spec: &Value, rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    let actions = ["Count", "FailIndex", "FailJob", "Ignore"];
    let at = path.child("action");
    match text(&rule["action"]) {
        "" => errors.required(
            &at,
            "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]",
        ),
        "FailIndex" if !is_set(&spec["backoffLimitPerIndex"]) => {
            let message = "requires the backoffLimitPerIndex to be set";
            errors.invalid(&at, "FailIndex", message);
        }
        action if actions.contains(&action) => {}
        action => errors.not_supported(&at, action, &actions),
    }
    let (codes, conditions) = (&rule["onExitCodes"], list(&rule["onPodConditions"]));
    if is_set(codes) {
        exit_codes(spec, codes, &path.child("onExitCodes"), errors);
    }
    let at = path.child("onPodConditions");
    if conditions.len() > CONDITION_PATTERNS_MAX {
        errors.too_many(&at, conditions.len(), CONDITION_PATTERNS_MAX);
    }
    for (i, pattern) in conditions.iter().enumerate() {
        let path = at.index(i);
        qualified_name(text(&pattern["type"]), &path.child("type"), errors);
        let words = ["False", "True", "Unknown"];
        match text(&pattern["status"]) {
            "" => errors.required(
                &path.child("status"),
                "valid values: [\"False\" \"True\" \"Unknown\"]",
            ),
            word if words.contains(&word) => {}
            word => errors.not_supported(&path.child("status"), word, &words),
        }
    }
    let message = match (is_set(codes), conditions.is_empty()) {
        (true, false) => "specifying both OnExitCodes and OnPodConditions is not supported",
        (false, true) => "specifying one of OnExitCodes and OnPodConditions is required",
        _ => return,
    };
    errors.invalid(path, Value::Object(serde_json::Map::new()), message);
}

fn exit_codes(spec: &Value, codes: &Value, path: &Path<'_>, errors: &mut Errors) {
    let operator = text(&codes["operator"]);
    match operator {
        "" => errors.required(&path.child("operator"), "valid values: [\"In\" \"NotIn\"]"),
        "In" | "NotIn" => {}
        other => errors.not_supported(&path.child("operator"), other, &["In", "NotIn"]),
    }
    if let Some(name) = codes["containerName"].as_str() {
        let template = &spec["template"]["spec"];
        let is_known = ["containers", "initContainers"]
            .iter()
            .flat_map(|field| list(&template[*field]))
            .any(|container| text(&container["name"]) == name);
        if !is_known {
            let message = "must be one of the container or initContainer names in the pod template";
            errors.invalid(&path.child("containerName"), name, message);
        }
    }
    let values = list(&codes["values"]);
    let values_path = path.child("values");
    if values.is_empty() {
        let message = "at least one value is required";
        errors.invalid(&values_path, codes["values"].clone(), message);
    } else if values.len() > EXIT_CODES_MAX {
        errors.too_many(&values_path, values.len(), EXIT_CODES_MAX);
    }
    for (i, value) in values.iter().enumerate() {
        if operator == "In" && int(value) == 0 {
            let message = "must not be 0 for the In operator";
            errors.invalid(&values_path.index(i), 0, message);
        }
        if values[..i].contains(value) {
            errors.duplicate(&values_path.index(i), int(value));
        }
    }
    if values.windows(2).any(|pair| int(&pair[0]) > int(&pair[1])) {
        errors.invalid(&values_path, codes["values"].clone(), "must be ordered");
    }
}

pub(super) fn success_policy(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let policy = &spec["successPolicy"];
    if spec["completionMode"] != "Indexed" {
        return errors.invalid(path, policy.clone(), "requires indexed completion mode");
    }
    let rules = list(&policy["rules"]);
    let rules_path = path.child("rules");
    if rules.is_empty() {
        let message = "at least one rules must be specified when the successPolicy is specified";
        errors.required(&rules_path, message);
    }
    if rules.len() > SUCCESS_RULES_MAX {
        errors.too_many(&rules_path, rules.len(), SUCCESS_RULES_MAX);
    }
    for (i, rule) in rules.iter().enumerate() {
        let path = rules_path.index(i);
        if !is_set(&rule["succeededCount"]) && !is_set(&rule["succeededIndexes"]) {
            let message = "at least one of succeededCount or succeededIndexes must be specified";
            errors.required(&path, message);
        }
        let completions = int(&spec["completions"]);
        let mut indexes = None;
        if let Some(text) = rule["succeededIndexes"].as_str() {
            match super::indexes::count(text, completions) {
                Ok(count) => indexes = Some(count),
                Err(error) => {
                    let message = format!("error parsing succeededIndexes: {error}");
                    errors.invalid(&path.child("succeededIndexes"), text, message);
                }
            }
        }
        let Some(count) = rule["succeededCount"].as_i64() else {
            continue;
        };
        let path = path.child("succeededCount");
        nonnegative(&rule["succeededCount"], &path, errors);
        let bounds = [
            (Some(completions), "the number of specified completions"),
            (
                indexes,
                "the number of indexes in the specified succeededIndexes field",
            ),
        ];
        for (bound, of) in bounds {
            if let Some(bound) = bound.filter(|bound| count > *bound) {
                let message = format!("must be less than or equal to {bound} ({of})");
                errors.invalid(&path, count, message);
            }
        }
    }
}
