//! Admission policies and their bindings.
//!
//! Knows nothing about expressions: whether those mean anything is for whoever evaluates them.

use serde_json::Value;

use super::rules::{choice, choice_if_set};
use super::webhooks;
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::selector;
use crate::value::{is_set, len, list, text};

const FAILURE_POLICIES: &[&str] = &["Fail", "Ignore"];
const REASONS: &[&str] = &[
    "Forbidden",
    "Invalid",
    "RequestEntityTooLarge",
    "Unauthorized",
];
const ACTIONS: &[&str] = &["Audit", "Deny", "Warn"];
const ANNOTATIONS_MAX: usize = 20;
const ANNOTATION_BYTES_MAX: usize = 5 << 10;
/// Words that the language keeps for itself.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

pub(super) fn policy(object: &Value, is_mutating: bool, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    choice(
        &spec["failurePolicy"],
        FAILURE_POLICIES,
        &path.child("failurePolicy"),
        errors,
    );
    if is_set(&spec["paramKind"]) {
        param_kind(&spec["paramKind"], &path.child("paramKind"), errors);
    }
    let at = path.child("matchConstraints");
    match is_set(&spec["matchConstraints"]) {
        false => errors.required(&at, ""),
        true => {
            resources(&spec["matchConstraints"], &at, errors);
            if len(&spec["matchConstraints"]["resourceRules"]) == 0 {
                errors.required(&at.child("resourceRules"), "");
            }
        }
    }
    let conditions = path.child("matchConditions");
    webhooks::conditions(&spec["matchConditions"], &conditions, errors);
    let variables = path.child("variables");
    for (i, one) in list(&spec["variables"]).iter().enumerate() {
        variable(one, &variables.index(i), errors);
    }
    match is_mutating {
        true => mutations(spec, &path, errors),
        false => validations(object, &path, errors),
    }
}

fn param_kind(kind: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (version, at) = (text(&kind["apiVersion"]), path.child("apiVersion"));
    match version.split('/').count() {
        _ if version.is_empty() => errors.required(&at, ""),
        1 | 2 => {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            if !group.is_empty() {
                errors.each(&at, group, format::dns_subdomain(group));
            }
            errors.each(&at, version, format::dns_1035_label(version));
        }
        _ => {
            let message = format!("unexpected GroupVersion string: {version}");
            errors.invalid(&at, version, message);
        }
    }
    let (name, at) = (text(&kind["kind"]), path.child("kind"));
    let wrong = format::dns_1035_label(&name.to_lowercase());
    if name.is_empty() {
        errors.required(&at, "");
    } else if !wrong.is_empty() {
        let why = wrong.join(",");
        let message = format!("may have mixed case, but should otherwise match: {why}");
        errors.invalid(&at, name, message);
    }
}

/// What a policy or a binding is about.
fn resources(about: &Value, path: &Path<'_>, errors: &mut Errors) {
    let policy = path.child("matchPolicy");
    choice(
        &about["matchPolicy"],
        &["Equivalent", "Exact"],
        &policy,
        errors,
    );
    for field in ["namespaceSelector", "objectSelector"] {
        match is_set(&about[field]) {
            true => selector::validate(&about[field], &path.child(field), errors),
            false => errors.required(&path.child(field), ""),
        }
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        let path = path.child(field);
        for (i, rule) in list(&about[field]).iter().enumerate() {
            let path = path.index(i);
            let names = path.child("resourceNames");
            let all = list(&rule["resourceNames"]);
            for (i, name) in all.iter().enumerate() {
                let at = names.index(i);
                errors.each(&at, text(name), format::path_segment(text(name)));
                if all[..i].contains(name) {
                    errors.duplicate(&at, name.clone());
                }
            }
            webhooks::rule(rule, &path, errors);
        }
    }
}

fn variable(variable: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (name, at) = (text(&variable["name"]), path.child("name"));
    let mut letters = name.chars();
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_identifier = letters.next().is_some_and(is_start)
        && letters.all(|c| is_start(c) || c.is_ascii_digit())
        && !RESERVED.contains(&name);
    if name.trim().is_empty() {
        errors.required(&at, "name is not specified");
    } else if !is_identifier {
        errors.invalid(&at, name, "name is not a valid CEL identifier");
    }
    expression(variable, path, errors);
}

fn expression(of: &Value, path: &Path<'_>, errors: &mut Errors) {
    if text(&of["expression"]).trim().is_empty() {
        errors.required(&path.child("expression"), "expression is not specified");
    }
}

fn validations(object: &Value, path: &Path<'_>, errors: &mut Errors) {
    let spec = &object["spec"];
    if len(&spec["validations"]) == 0 && len(&spec["auditAnnotations"]) == 0 {
        let message = "validations or auditAnnotations must contain at least one item";
        errors.required(&path.child("validations"), message);
        return errors.required(&path.child("auditAnnotations"), message);
    }
    let at = path.child("validations");
    for (i, one) in list(&spec["validations"]).iter().enumerate() {
        validation(one, &at.index(i), errors);
    }
    let at = path.child("auditAnnotations");
    let all = list(&spec["auditAnnotations"]);
    if all.len() > ANNOTATIONS_MAX {
        let message = format!("must not have more than {ANNOTATIONS_MAX} auditAnnotations");
        errors.invalid(&at, spec["auditAnnotations"].clone(), message);
    }
    let name = text(&object["metadata"]["name"]);
    for (i, one) in all.iter().enumerate() {
        let (path, key) = (at.index(i), text(&one["key"]));
        let whole = match name {
            "" => key.to_owned(),
            name => format!("{name}/{key}"),
        };
        errors.each(&path.child("key"), &whole, format::label_key(&whole));
        let value = text(&one["valueExpression"]).trim();
        let at = path.child("valueExpression");
        if value.is_empty() {
            errors.required(&at, "valueExpression is not specified");
        } else if value.len() > ANNOTATION_BYTES_MAX {
            let message = format!("must not exceed {ANNOTATION_BYTES_MAX} bytes in length");
            errors.required(&at, message);
        }
        if all[..i].iter().any(|other| text(&other["key"]) == key) {
            errors.duplicate(&path.child("key"), key);
        }
    }
}

fn validation(one: &Value, path: &Path<'_>, errors: &mut Errors) {
    expression(one, path, errors);
    let blank = |field: &str| {
        let text = text(&one[field]);
        !text.is_empty() && text.trim().is_empty()
    };
    let message = text(&one["message"]);
    if blank("messageExpression") {
        let at = path.child("messageExpression");
        let found = one["messageExpression"].clone();
        errors.invalid(&at, found, "must be non-empty if specified");
    }
    let at = path.child("message");
    if blank("message") {
        errors.invalid(&at, message, "message must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        errors.invalid(&at, message, "message must not contain line breaks");
    } else if message.is_empty() && text(&one["expression"]).trim().contains(['\n', '\r']) {
        let message = "message must be specified if expression contains line breaks";
        errors.required(&at, message);
    }
    choice_if_set(&one["reason"], REASONS, &path.child("reason"), errors);
}

fn mutations(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("mutations");
    if len(&spec["mutations"]) == 0 {
        errors.required(&at, "mutations must contain at least one item");
    }
    for (i, mutation) in list(&spec["mutations"]).iter().enumerate() {
        let path = at.index(i);
        let kind = text(&mutation["patchType"]);
        let kinds = [
            ("ApplyConfiguration", "applyConfiguration"),
            ("JSONPatch", "jsonPatch"),
        ];
        if kind.is_empty() {
            errors.required(&path.child("patchType"), "");
        } else if !kinds.iter().any(|(known, _)| *known == kind) {
            let known = kinds.map(|(kind, _)| kind);
            errors.not_supported(&path.child("patchType"), kind, &known);
        }
        for (known, field) in kinds {
            let at = path.child(field);
            match (kind == known, is_set(&mutation[field])) {
                (true, true) => expression(&mutation[field], &at, errors),
                (true, false) => {
                    errors.required(&at, format!("must be specified when patchType is {known}"));
                }
                (false, true) if !kind.is_empty() => {
                    let message = format!("must not specify when patchType is {kind}");
                    errors.invalid(&at, "{}", message);
                }
                (false, _) => {}
            }
        }
    }
    choice(
        &spec["reinvocationPolicy"],
        &["IfNeeded", "Never"],
        &path.child("reinvocationPolicy"),
        errors,
    );
}

pub(super) fn binding(object: &Value, is_mutating: bool, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    let (name, at) = (text(&spec["policyName"]), path.child("policyName"));
    match name {
        "" => errors.required(&at, ""),
        name => errors.each(&at, name, format::dns_subdomain(name)),
    }
    if is_set(&spec["paramRef"]) {
        param_ref(&spec["paramRef"], &path.child("paramRef"), errors);
    }
    if is_set(&spec["matchResources"]) {
        // The path is upstream's, as it is spelt there.
        resources(
            &spec["matchResources"],
            &path.child("matchResouces"),
            errors,
        );
    }
    if is_mutating {
        return;
    }
    let at = path.child("validationActions");
    let actions = list(&spec["validationActions"]);
    for (i, action) in actions.iter().enumerate() {
        if !ACTIONS.contains(&text(action)) {
            errors.not_supported(&at.index(i), action.clone(), ACTIONS);
        }
        if actions[..i].contains(action) {
            errors.duplicate(&at.index(i), action.clone());
        }
    }
    let has = |wanted: &str| actions.iter().any(|action| text(action) == wanted);
    if has("Deny") && has("Warn") {
        let message = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.invalid(&at, spec["validationActions"].clone(), message);
    }
    if actions.is_empty() {
        errors.required(&at, "at least one validation action is required");
    }
}

fn param_ref(wanted: &Value, path: &Path<'_>, errors: &mut Errors) {
    let name = text(&wanted["name"]);
    let has_selector = is_set(&wanted["selector"]);
    let exclusive = "name and selector are mutually exclusive";
    if !name.is_empty() {
        errors.each(&path.child("name"), name, format::path_segment(name));
        if has_selector {
            errors.forbidden(&path.child("name"), exclusive);
        }
    }
    if has_selector {
        let at = path.child("selector");
        selector::validate(&wanted["selector"], &at, errors);
        if !name.is_empty() {
            errors.forbidden(&at, exclusive);
        }
    } else if name.is_empty() {
        errors.required(path, "one of name or selector must be specified");
    }
    choice(
        &wanted["parameterNotFoundAction"],
        &["Allow", "Deny"],
        &path.child("parameterNotFoundAction"),
        errors,
    );
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::validate_create;

    fn wrong(kind: &str, spec: Value) -> Vec<String> {
        let object = json!({"metadata": {"name": "a"}, "spec": spec});
        let errors = validate_create("admissionregistration.k8s.io", kind, false, &object);
        errors.iter().map(ToString::to_string).collect()
    }

    fn about() -> Value {
        json!({
            "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
            "resourceRules": [{"operations": ["CREATE"], "apiGroups": [""],
                "apiVersions": ["v1"], "resources": ["pods"]}],
        })
    }

    #[test]
    fn a_policy_says_what_it_is_about_and_what_must_hold() {
        let mut spec = json!({
            "failurePolicy": "Fail", "matchConstraints": about(),
            "validations": [{"expression": "true"}],
        });
        assert_eq!(wrong("ValidatingAdmissionPolicy", spec.clone()), [""; 0]);
        spec["matchConstraints"] = Value::Null;
        spec["validations"] = json!([{"expression": " ", "message": "a\nb", "reason": "Odd"}]);
        spec["variables"] = json!([{"name": "in", "expression": ""}]);
        spec["paramKind"] = json!({"apiVersion": "a/b/c", "kind": "A_"});
        let found = wrong("ValidatingAdmissionPolicy", spec);
        let starts = [
            "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string",
            "spec.paramKind.kind: Invalid value: \"A_\": may have mixed case",
            "spec.matchConstraints: Required value",
            "spec.variables[0].name: Invalid value: \"in\": name is not a valid CEL identifier",
            "spec.variables[0].expression: Required value: expression is not specified",
            "spec.validations[0].expression: Required value: expression is not specified",
            "spec.validations[0].message: Invalid value: \"a\\nb\": message must not contain line",
            "spec.validations[0].reason: Unsupported value: \"Odd\": supported values: \"Forb",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
    }

    #[test]
    fn a_mutating_policy_says_how_it_changes_what() {
        let spec = |mutation: Value| {
            json!({
                "failurePolicy": "Fail", "matchConstraints": about(),
                "reinvocationPolicy": "Never", "mutations": [mutation],
            })
        };
        let kind = "MutatingAdmissionPolicy";
        let patch = json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}});
        assert_eq!(wrong(kind, spec(patch)), [""; 0]);
        let apply = json!({"patchType": "ApplyConfiguration"});
        assert_eq!(
            wrong(kind, spec(apply)),
            [
                "spec.mutations[0].applyConfiguration: Required value: must be specified when \
              patchType is ApplyConfiguration"
            ]
        );
    }

    #[test]
    fn a_binding_says_what_becomes_of_what_is_refused() {
        let kind = "ValidatingAdmissionPolicyBinding";
        let spec = json!({"policyName": "p", "validationActions": ["Deny"]});
        assert_eq!(wrong(kind, spec), [""; 0]);
        let spec = json!({
            "policyName": "p", "validationActions": ["Deny", "Warn", "Warn"],
            "paramRef": {"name": "a", "selector": {}},
        });
        let found = wrong(kind, spec);
        let starts = [
            "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
            "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
            "spec.paramRef.parameterNotFoundAction: Required value",
            "spec.validationActions[2]: Duplicate value: \"Warn\"",
            "spec.validationActions: Invalid value: [\"Deny\",\"Warn\",\"Warn\"]: must not contain",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
    }
}
