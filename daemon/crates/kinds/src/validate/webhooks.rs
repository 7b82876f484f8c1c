//! What configures admission webhooks: whom to ask, about what, and what their silence means.
//!
//! Knows nothing about expressions: whether those of `matchConditions` mean anything is for whoever
//! evaluates them. What was let in once stays: an update is not refused for what the object before
//! it had wrong in the same way, as upstream.

use serde_json::Value;

use super::rules::choice_if_set;
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::selector;
use crate::value::{int, is_set, len, list, text};

const REVIEW_VERSIONS: &str = "v1, v1beta1";
const KNOWN_REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const NO_SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun", "Some", "Unknown"];
const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const CONDITIONS_MAX: usize = 64;
const URL_FORM: &str = "; desired format: https://host[/path]";

/// What may be wrong because it was so before.
struct Allowed {
    side_effects: bool,
    unknown_versions: bool,
    same_names: bool,
    bad_selectors: bool,
    conditions: bool,
}

impl Allowed {
    fn by(object: &Value, old: Option<&Value>) -> Allowed {
        let hooks = old.map_or(&[][..], |old| list(&old["webhooks"]));
        let mut names: Vec<&str> = hooks.iter().map(|hook| text(&hook["name"])).collect();
        names.sort_unstable();
        let conditions = |object: &Value| -> Vec<Value> {
            let hooks = list(&object["webhooks"]).iter();
            hooks.map(|hook| hook["matchConditions"].clone()).collect()
        };
        Allowed {
            side_effects: hooks
                .iter()
                .any(|hook| !NO_SIDE_EFFECTS.contains(&text(&hook["sideEffects"]))),
            unknown_versions: hooks.iter().any(|hook| {
                let versions = list(&hook["admissionReviewVersions"]);
                !versions.is_empty() && !versions.iter().any(is_known)
            }),
            same_names: names.windows(2).any(|pair| pair[0] == pair[1]),
            bad_selectors: hooks.iter().any(|hook| {
                let mut errors = Errors::default();
                for field in ["namespaceSelector", "objectSelector"] {
                    selector::validate(&hook[field], &Path::root(field), &mut errors);
                }
                !errors.0.is_empty()
            }),
            conditions: old.is_some_and(|old| conditions(old) == conditions(object)),
        }
    }
}

pub(super) fn configuration(
    object: &Value,
    old: Option<&Value>,
    is_mutating: bool,
    errors: &mut Errors,
) {
    let allowed = Allowed::by(object, old);
    let path = Path::root("webhooks");
    let mut names: Vec<&str> = Vec::new();
    for (i, hook) in list(&object["webhooks"]).iter().enumerate() {
        let path = path.index(i);
        self::hook(hook, &allowed, is_mutating, &path, errors);
        review_versions(
            &hook["admissionReviewVersions"],
            &allowed,
            &path.child("admissionReviewVersions"),
            errors,
        );
        let name = text(&hook["name"]);
        if !allowed.same_names && !name.is_empty() {
            match names.contains(&name) {
                true => errors.duplicate(&path.child("name"), name),
                false => names.push(name),
            }
        }
    }
}

fn hook(hook: &Value, allowed: &Allowed, is_mutating: bool, path: &Path<'_>, errors: &mut Errors) {
    full_name(text(&hook["name"]), &path.child("name"), errors);
    let rules = path.child("rules");
    for (i, rule) in list(&hook["rules"]).iter().enumerate() {
        self::rule(rule, &rules.index(i), errors);
    }
    let choose = |field: &str, words: &[&str], errors: &mut Errors| {
        choice_if_set(&hook[field], words, &path.child(field), errors);
    };
    choose("failurePolicy", &["Fail", "Ignore"], errors);
    choose("matchPolicy", &["Equivalent", "Exact"], errors);
    let words = match allowed.side_effects {
        true => SIDE_EFFECTS,
        false => NO_SIDE_EFFECTS,
    };
    if !is_set(&hook["sideEffects"]) {
        let message = format!("must specify one of {}", words.join(", "));
        errors.required(&path.child("sideEffects"), message);
    }
    choose("sideEffects", words, errors);
    let seconds = &hook["timeoutSeconds"];
    if is_set(seconds) && !(1..=30).contains(&int(seconds)) {
        let message = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(&path.child("timeoutSeconds"), int(seconds), message);
    }
    for field in ["namespaceSelector", "objectSelector"] {
        if !allowed.bad_selectors {
            selector::validate(&hook[field], &path.child(field), errors);
        }
    }
    if is_mutating {
        choose("reinvocationPolicy", &["IfNeeded", "Never"], errors);
    }
    client(&hook["clientConfig"], &path.child("clientConfig"), errors);
    if !allowed.conditions {
        conditions(
            &hook["matchConditions"],
            &path.child("matchConditions"),
            errors,
        );
    }
}

/// A name of at least three segments.
fn full_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let wrong = format::dns_subdomain(name);
    if name.is_empty() {
        errors.required(path, "");
    } else if !wrong.is_empty() {
        errors.invalid(path, name, wrong.join(","));
    } else if name.split('.').count() < 3 {
        let message = "should be a domain with at least three segments separated by dots";
        errors.invalid(path, name, message);
    }
}

fn is_known(version: &Value) -> bool {
    KNOWN_REVIEW_VERSIONS.contains(&text(version))
}

fn review_versions(versions: &Value, allowed: &Allowed, path: &Path<'_>, errors: &mut Errors) {
    let all = list(versions);
    if all.is_empty() {
        return errors.required(path, format!("must specify one of {REVIEW_VERSIONS}"));
    }
    for (i, version) in all.iter().enumerate() {
        let at = path.index(i);
        match all[..i].contains(version) {
            true => errors.invalid(&at, version.clone(), "duplicate version"),
            false => errors.each(&at, text(version), format::dns_1035_label(text(version))),
        }
    }
    if !allowed.unknown_versions && !all.iter().any(is_known) {
        let message = format!("must include at least one of {REVIEW_VERSIONS}");
        errors.invalid(path, versions.clone(), message);
    }
}

/// A rule with its operations: of webhooks and of policies alike.
pub(super) fn rule(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    some_or_all(rule, "operations", "operations", path, errors);
    let operations = path.child("operations");
    for (i, operation) in list(&rule["operations"]).iter().enumerate() {
        if !OPERATIONS.contains(&text(operation)) {
            errors.not_supported(&operations.index(i), operation.clone(), OPERATIONS);
        }
    }
    some_or_all(rule, "apiGroups", "API groups", path, errors);
    some_or_all(rule, "apiVersions", "API versions", path, errors);
    let versions = path.child("apiVersions");
    for (i, version) in list(&rule["apiVersions"]).iter().enumerate() {
        if text(version).is_empty() {
            errors.required(&versions.index(i), "");
        }
    }
    resources(&rule["resources"], &path.child("resources"), errors);
    let scopes = ["*", "Cluster", "Namespaced"];
    choice_if_set(&rule["scope"], &scopes, &path.child("scope"), errors);
}

/// A list that is not empty, and has nothing else where it has `*`.
fn some_or_all(rule: &Value, field: &str, what: &str, path: &Path<'_>, errors: &mut Errors) {
    let (all, at) = (&rule[field], path.child(field));
    if len(all) == 0 {
        errors.required(&at, "");
    }
    if len(all) > 1 && list(all).iter().any(|one| text(one) == "*") {
        let message = format!("if '*' is present, must not specify other {what}");
        errors.invalid(&at, all.clone(), message);
    }
}

fn resources(resources: &Value, path: &Path<'_>, errors: &mut Errors) {
    let all = list(resources);
    if all.is_empty() {
        errors.required(path, "");
    }
    let (mut with_all_subresources, mut of_all_resources) = (Vec::new(), Vec::new());
    let (mut has_double, mut has_single, mut has_plain) = (false, false, false);
    for (i, resource) in all.iter().enumerate() {
        let at = path.index(i);
        let name = text(resource);
        if name.is_empty() {
            errors.required(&at, "");
            continue;
        }
        has_double |= name == "*/*";
        has_single |= name == "*";
        let Some((resource, sub)) = name.split_once('/') else {
            // As upstream: the last one counts.
            has_plain = name != "*";
            continue;
        };
        if with_all_subresources.contains(&resource) {
            let message = format!("if '{resource}/*' is present, must not specify {name}");
            errors.invalid(&at, name, message);
        }
        if of_all_resources.contains(&sub) {
            let message = format!("if '*/{sub}' is present, must not specify {name}");
            errors.invalid(&at, name, message);
        }
        if sub == "*" {
            with_all_subresources.push(resource);
        }
        if resource == "*" {
            of_all_resources.push(sub);
        }
    }
    if all.len() > 1 && has_double {
        let message = "if '*/*' is present, must not specify other resources";
        errors.invalid(path, resources.clone(), message);
    }
    if has_single && has_plain {
        let message = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(path, resources.clone(), message);
    }
}

/// Where a webhook is: of admission and of conversion alike.
pub(super) fn client(client: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (url, service) = (&client["url"], &client["service"]);
    if is_set(url) == is_set(service) {
        return errors.required(path, "exactly one of url or service is required");
    }
    if is_set(url) {
        return self::url(text(url), &path.child("url"), errors);
    }
    let path = path.child("service");
    for field in ["name", "namespace"] {
        if text(&service[field]).is_empty() {
            errors.required(&path.child(field), "");
        }
    }
    let port = int(&service["port"]);
    let wrong = format::port_number(port);
    if !wrong.is_empty() {
        let message = format!("port is not valid: {}", wrong.join(", "));
        errors.invalid(&path.child("port"), port, message);
    }
    if is_set(&service["path"]) {
        url_path(text(&service["path"]), &path.child("path"), errors);
    }
}

fn url(url: &str, path: &Path<'_>, errors: &mut Errors) {
    if url.chars().any(char::is_control) {
        let message = format!(
            "url must be a valid URL: parse {url:?}: net/url: invalid control character in URL{URL_FORM}"
        );
        return errors.required(path, message);
    }
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_scheme = |scheme: &str| {
        let mut letters = scheme.chars();
        letters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        _ => (String::new(), rest),
    };
    let authority = rest.strip_prefix("//").unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if scheme != "https" {
        let message = format!("'https' is the only allowed URL scheme{URL_FORM}");
        errors.invalid(path, scheme, message);
    }
    if host.is_empty() {
        errors.invalid(path, "", format!("host must be specified{URL_FORM}"));
    }
    for (what, message) in [
        (user, "user information is not permitted in the URL"),
        (fragment, "fragments are not permitted in the URL"),
        (query, "query parameters are not permitted in the URL"),
    ] {
        if !what.is_empty() {
            errors.invalid(path, what, message);
        }
    }
}

fn url_path(url_path: &str, path: &Path<'_>, errors: &mut Errors) {
    if matches!(url_path, "" | "/") {
        return;
    }
    if url_path == "//" {
        return errors.invalid(path, url_path, "segment[0] may not be empty");
    }
    if !url_path.starts_with('/') {
        errors.invalid(path, url_path, "must start with a '/'");
    }
    let mut letters = url_path.chars();
    letters.next();
    let segments = letters.as_str();
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    for (i, segment) in segments.split('/').enumerate() {
        if segment.is_empty() {
            errors.invalid(path, url_path, format!("segment[{i}] may not be empty"));
            continue;
        }
        for wrong in format::dns_subdomain(segment) {
            errors.invalid(path, url_path, format!("segment[{i}]: {wrong}"));
        }
    }
}

/// Conditions without what they say: of webhooks and of policies alike.
pub(super) fn conditions(conditions: &Value, path: &Path<'_>, errors: &mut Errors) {
    let all = list(conditions);
    if all.len() > CONDITIONS_MAX {
        errors.too_many(path, all.len(), CONDITIONS_MAX);
    }
    for (i, condition) in all.iter().enumerate() {
        let at = path.index(i);
        if text(&condition["expression"]).trim().is_empty() {
            errors.required(&at.child("expression"), "");
        }
        let name = text(&condition["name"]);
        if name.is_empty() {
            errors.required(&at.child("name"), "");
            continue;
        }
        errors.each(&at, name, format::label_key(name));
        if all[..i].iter().any(|other| text(&other["name"]) == name) {
            errors.duplicate(&at.child("name"), name);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{validate_create, validate_update};

    const GROUP: &str = "admissionregistration.k8s.io";
    const KIND: &str = "MutatingWebhookConfiguration";

    fn hook(change: &Value) -> Value {
        let mut hook = json!({
            "name": "a.b.c",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://a.b/c"},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        });
        for (field, value) in change.as_object().unwrap() {
            hook[field] = value.clone();
        }
        hook
    }

    fn configuration(hooks: &[Value]) -> Value {
        json!({"metadata": {"name": "c"}, "webhooks": hooks})
    }

    fn wrong(change: Value) -> Vec<String> {
        let object = configuration(&[hook(&change)]);
        let errors = validate_create(GROUP, KIND, false, &object);
        errors.iter().map(ToString::to_string).collect()
    }

    fn rule(change: Value) -> Value {
        let mut rule = hook(&json!({}))["rules"][0].clone();
        for (field, value) in change.as_object().unwrap() {
            rule[field] = value.clone();
        }
        json!({ "rules": [rule] })
    }

    #[test]
    fn what_is_wrong_with_a_webhook_is_said_in_upstreams_words() {
        for (change, said) in [
            (json!({}), vec![]),
            (
                json!({"name": ""}),
                vec!["webhooks[0].name: Required value"],
            ),
            (
                json!({"name": "a.b"}),
                vec![
                    "webhooks[0].name: Invalid value: \"a.b\": should be a domain with at least three segments separated by dots",
                ],
            ),
            (
                json!({"sideEffects": "Some"}),
                vec![
                    "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"",
                ],
            ),
            (
                json!({"sideEffects": null}),
                vec![
                    "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
                ],
            ),
            (
                json!({"timeoutSeconds": 31}),
                vec![
                    "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
                ],
            ),
            (
                json!({"admissionReviewVersions": []}),
                vec![
                    "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
                ],
            ),
            (
                json!({"admissionReviewVersions": ["v9", "v9"]}),
                vec![
                    "webhooks[0].admissionReviewVersions[1]: Invalid value: \"v9\": duplicate version",
                    "webhooks[0].admissionReviewVersions: Invalid value: [\"v9\",\"v9\"]: must include at least one of v1, v1beta1",
                ],
            ),
            (
                json!({"clientConfig": {}}),
                vec![
                    "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
                ],
            ),
            (
                json!({"clientConfig": {"url": "http://u@/x?q#f"}}),
                vec![
                    "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
                    "webhooks[0].clientConfig.url: Invalid value: \"\": host must be specified; desired format: https://host[/path]",
                    "webhooks[0].clientConfig.url: Invalid value: \"u\": user information is not permitted in the URL",
                    "webhooks[0].clientConfig.url: Invalid value: \"f\": fragments are not permitted in the URL",
                    "webhooks[0].clientConfig.url: Invalid value: \"q\": query parameters are not permitted in the URL",
                ],
            ),
            (
                json!({"clientConfig": {"service": {"name": "s", "port": 70000, "path": "/a//b"}}}),
                vec![
                    "webhooks[0].clientConfig.service.namespace: Required value",
                    "webhooks[0].clientConfig.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive",
                    "webhooks[0].clientConfig.service.path: Invalid value: \"/a//b\": segment[1] may not be empty",
                ],
            ),
            (
                rule(json!({"operations": ["*", "UPDATE"], "scope": "Here"})),
                vec![
                    "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"UPDATE\"]: if '*' is present, must not specify other operations",
                    "webhooks[0].rules[0].scope: Unsupported value: \"Here\": supported values: \"*\", \"Cluster\", \"Namespaced\"",
                ],
            ),
            (
                rule(json!({"resources": ["pods/*", "pods/x", "*", "a"]})),
                vec![
                    "webhooks[0].rules[0].resources[1]: Invalid value: \"pods/x\": if 'pods/*' is present, must not specify pods/x",
                    "webhooks[0].rules[0].resources: Invalid value: [\"pods/*\",\"pods/x\",\"*\",\"a\"]: if '*' is present, must not specify other resources without subresources",
                ],
            ),
            (
                json!({"matchConditions": [{"name": "a", "expression": " "}, {"name": "a", "expression": "true"}]}),
                vec![
                    "webhooks[0].matchConditions[0].expression: Required value",
                    "webhooks[0].matchConditions[1].name: Duplicate value: \"a\"",
                ],
            ),
        ] {
            assert_eq!(wrong(change.clone()), said, "{change}");
        }
        let twice = configuration(&[hook(&json!({})), hook(&json!({}))]);
        let errors = validate_create(GROUP, KIND, false, &twice);
        assert_eq!(
            errors[0].to_string(),
            "webhooks[1].name: Duplicate value: \"a.b.c\""
        );
    }

    #[test]
    fn what_was_let_in_once_stays() {
        let mut old = configuration(&[hook(
            &json!({"sideEffects": "Some", "admissionReviewVersions": ["v9"]}),
        )]);
        old["metadata"]["resourceVersion"] = "1".into();
        let errors = validate_update(GROUP, KIND, "", &old, &old);
        assert_eq!(errors, []);
    }
}
