//! What orders and bounds requests: flow schemas and priority levels.

use serde_json::{Value, json};

use super::rules::{label, subdomain};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::value::{int, is_set, is_true, len, list, text};

const PRECEDENCE_MAX: i64 = 10_000;
const QUEUES_MAX: i64 = 10_000_000;
/// Of the hash that deals hands of queues.
const HASH_BITS: u32 = 60;
const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "proxy",
    "update",
    "watch",
];
const POSITIVE: &str = "must be positive";
const NON_NEGATIVE: &str = "must be a non-negative integer";

pub(super) fn schema(object: &Value, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    let precedence = int(&spec["matchingPrecedence"]);
    let at = path.child("matchingPrecedence");
    if precedence <= 0 {
        errors.invalid(&at, precedence, "must be a positive value");
    }
    if precedence > PRECEDENCE_MAX {
        let message = format!("must not be greater than {PRECEDENCE_MAX}");
        errors.invalid(&at, precedence, message);
    }
    if precedence == 1 && object["metadata"]["name"] != "exempt" {
        let message = "only the schema named 'exempt' may have matchingPrecedence 1";
        errors.invalid(&at, precedence, message);
    }
    let method = &spec["distinguisherMethod"];
    let methods = ["ByNamespace", "ByUser"];
    if is_set(method) && !methods.contains(&text(&method["type"])) {
        let at = path.child("distinguisherMethod");
        errors.not_supported(&at.child("type"), method.clone(), &methods);
    }
    let level = path.child("priorityLevelConfiguration");
    match text(&spec["priorityLevelConfiguration"]["name"]) {
        "" => errors.required(&level.child("name"), "must reference a priority level"),
        name => subdomain(name, &level.child("name"), errors),
    }
    let rules = path.child("rules");
    for (i, rule) in list(&spec["rules"]).iter().enumerate() {
        self::rule(rule, &rules.index(i), errors);
    }
    let name = text(&object["metadata"]["name"]);
    if fixed_schema(name).is_some_and(|fixed| fixed != *spec) {
        let message = format!("spec of '{name}' must equal the fixed value");
        errors.invalid(&path, spec.clone(), message);
    }
    conditions(object, errors);
}

/// What the schemas say that there always are.
fn fixed_schema(name: &str) -> Option<Value> {
    let (precedence, method, groups) = match name {
        "exempt" => (1, None, &["system:masters"][..]),
        "catch-all" => {
            let groups = &["system:unauthenticated", "system:authenticated"][..];
            (10_000, Some(json!({"type": "ByUser"})), groups)
        }
        _ => return None,
    };
    let subject = |name: &&str| json!({"kind": "Group", "group": {"name": name}});
    let mut spec = json!({
        "matchingPrecedence": precedence,
        "priorityLevelConfiguration": {"name": name},
        "rules": [{
            "subjects": groups.iter().map(subject).collect::<Value>(),
            "resourceRules": [{
                "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"],
                "clusterScope": true,
            }],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }],
    });
    if let Some(method) = method {
        spec["distinguisherMethod"] = method;
    }
    Some(spec)
}

fn rule(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    let subjects = path.child("subjects");
    if len(&rule["subjects"]) == 0 {
        errors.required(&subjects, "subjects must contain at least one value");
    }
    for (i, subject) in list(&rule["subjects"]).iter().enumerate() {
        self::subject(subject, &subjects.index(i), errors);
    }
    if len(&rule["resourceRules"]) == 0 && len(&rule["nonResourceRules"]) == 0 {
        let message = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.required(path, message);
    }
    let resources = path.child("resourceRules");
    for (i, rule) in list(&rule["resourceRules"]).iter().enumerate() {
        resource_rule(rule, &resources.index(i), errors);
    }
    let paths = path.child("nonResourceRules");
    for (i, rule) in list(&rule["nonResourceRules"]).iter().enumerate() {
        let path = paths.index(i);
        verbs(&rule["verbs"], &path, errors);
        let at = path.child("nonResourceURLs");
        let message = "nonResourceURLs must contain at least one value";
        if some_or_all(
            &rule["nonResourceURLs"],
            &at,
            "non-resource URLs",
            message,
            errors,
        ) {
            for (i, url) in list(&rule["nonResourceURLs"]).iter().enumerate() {
                non_resource_url(text(url), &at.index(i), errors);
            }
        }
    }
}

const SUBJECTS: [(&str, &str); 3] = [
    ("Group", "group"),
    ("ServiceAccount", "serviceAccount"),
    ("User", "user"),
];

fn subject(subject: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kind = text(&subject["kind"]);
    let Some((_, own)) = SUBJECTS.iter().find(|(known, _)| *known == kind) else {
        let kinds = SUBJECTS.map(|(kind, _)| kind);
        return errors.not_supported(&path.child("kind"), kind, &kinds);
    };
    let (who, at) = (&subject[*own], path.child(own));
    if !is_set(who) {
        let message = format!("{own} is required when subject kind is '{kind}'");
        errors.required(&at, message);
    } else {
        let name = text(&who["name"]);
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        } else if kind == "ServiceAccount" && name != "*" {
            subdomain(name, &at.child("name"), errors);
        }
        if kind == "ServiceAccount" {
            let at = at.child("namespace");
            match text(&who["namespace"]) {
                "" => errors.required(&at, "must specify namespace for service account"),
                namespace => label(namespace, &at, errors),
            }
        }
    }
    for (other, field) in SUBJECTS {
        if other != kind && is_set(&subject[field]) {
            let message = format!("{field} is forbidden when subject kind is not '{other}'");
            errors.forbidden(&path.child(field), message);
        }
    }
}

/// Whether a list has single items to look at: it has some, and none is the wildcard.
fn some_or_all(
    items: &Value,
    path: &Path<'_>,
    what: &str,
    missing: &str,
    errors: &mut Errors,
) -> bool {
    let items_count = len(items);
    let has_wildcard = list(items).iter().any(|item| item == "*");
    if items_count == 0 {
        errors.required(path, missing);
    } else if has_wildcard && items_count > 1 {
        let message = format!("if '*' is present, must not specify other {what}");
        errors.invalid(path, items.clone(), message);
    }
    items_count > 0 && !has_wildcard
}

fn verbs(verbs: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("verbs");
    let message = "verbs must contain at least one value";
    let single = some_or_all(verbs, &path, "verbs", message, errors);
    if single && !list(verbs).iter().all(|verb| VERBS.contains(&text(verb))) {
        errors.not_supported(&path, verbs.clone(), VERBS);
    }
}

fn resource_rule(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    verbs(&rule["verbs"], path, errors);
    for (field, what, missing) in [
        (
            "apiGroups",
            "api groups",
            "resource rules must supply at least one api group",
        ),
        (
            "resources",
            "resources",
            "resource rules must supply at least one resource",
        ),
    ] {
        some_or_all(&rule[field], &path.child(field), what, missing, errors);
    }
    let (namespaces, at) = (&rule["namespaces"], path.child("namespaces"));
    if len(namespaces) == 0 && is_true(&rule["clusterScope"]) {
        return;
    }
    let missing = "resource rules that are not cluster scoped must supply at least one namespace";
    if some_or_all(namespaces, &at, "namespaces", missing, errors) {
        for (i, namespace) in list(namespaces).iter().enumerate() {
            for message in format::dns_label(text(namespace)) {
                let message =
                    format!("each member of this list must be '*' or a DNS-1123 label; {message}");
                errors.invalid(&at.index(i), text(namespace), message);
            }
        }
    }
}

fn non_resource_url(url: &str, path: &Path<'_>, errors: &mut Errors) {
    let stars = url.matches('*').count();
    let wrong = match url {
        "" => "must not be empty",
        "/" => return,
        url if !url.starts_with('/') => "must start with slash",
        url if url.contains(' ') => "must not contain white-space",
        url if url.contains("//") => "must not contain double slash",
        url if stars > 1 || (stars == 1 && !url.ends_with("/*")) => {
            "wildcard can only do suffix matching"
        }
        _ => return,
    };
    errors.invalid(path, url, wrong);
}

pub(super) fn level(object: &Value, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    let kind = text(&spec["type"]);
    let at = path.child("type");
    if (object["metadata"]["name"] == "exempt") != (kind == "Exempt") {
        let message = "type must be 'Exempt' if and only if name is 'exempt'";
        errors.invalid(&at, kind, message);
    }
    let (limited, exempt) = (path.child("limited"), path.child("exempt"));
    match kind {
        "Exempt" => {
            if is_set(&spec["limited"]) {
                errors.forbidden(&limited, "must be nil if the type is not Limited");
            }
            if is_set(&spec["exempt"]) {
                shares(&spec["exempt"], &exempt, errors);
            }
        }
        "Limited" => {
            if is_set(&spec["exempt"]) {
                errors.forbidden(&exempt, "must be nil if the type is Limited");
            }
            match is_set(&spec["limited"]) {
                true => self::limited(&spec["limited"], &limited, errors),
                false => errors.required(&limited, "must not be empty when type is Limited"),
            }
        }
        other => errors.not_supported(&at, other, &["Exempt", "Limited"]),
    }
    let fixed = match text(&object["metadata"]["name"]) {
        "exempt" => {
            let exempt = &spec["exempt"];
            Some((
                json!({"type": "Exempt", "exempt": exempt}),
                "exempt' except the 'spec.exempt' field",
            ))
        }
        "catch-all" => {
            let limited = json!({
                "nominalConcurrencyShares": 5, "lendablePercent": 0,
                "limitResponse": {"type": "Reject"},
            });
            Some((json!({"type": "Limited", "limited": limited}), "catch-all'"))
        }
        _ => None,
    };
    if let Some((fixed, what)) = fixed
        && fixed != *spec
    {
        let message = format!("spec of '{what} must equal the fixed value");
        errors.invalid(&path, spec.clone(), message);
    }
    conditions(object, errors);
}

fn shares(of: &Value, path: &Path<'_>, errors: &mut Errors) {
    let count = int(&of["nominalConcurrencyShares"]);
    if count < 0 {
        errors.invalid(&path.child("nominalConcurrencyShares"), count, NON_NEGATIVE);
    }
    let percent = int(&of["lendablePercent"]);
    if !(0..=100).contains(&percent) {
        let message = "must be between 0 and 100, inclusive";
        errors.invalid(&path.child("lendablePercent"), percent, message);
    }
}

fn limited(limited: &Value, path: &Path<'_>, errors: &mut Errors) {
    shares(limited, path, errors);
    if let Some(percent) = limited["borrowingLimitPercent"].as_i64()
        && percent < 0
    {
        let message = "if specified, must be a non-negative integer";
        errors.invalid(&path.child("borrowingLimitPercent"), percent, message);
    }
    let (response, at) = (&limited["limitResponse"], path.child("limitResponse"));
    let queuing = at.child("queuing");
    match (text(&response["type"]), is_set(&response["queuing"])) {
        ("Reject", true) => errors.forbidden(
            &queuing,
            "must be nil if limited.limitResponse.type is not Limited",
        ),
        ("Queue", false) => errors.required(
            &queuing,
            "must not be empty if limited.limitResponse.type is Limited",
        ),
        ("Queue", true) => self::queuing(&response["queuing"], &queuing, errors),
        ("Reject", false) => {}
        (other, _) => errors.not_supported(&at.child("type"), other, &["Queue", "Reject"]),
    }
}

fn queuing(queuing: &Value, path: &Path<'_>, errors: &mut Errors) {
    let number = |field: &str| int(&queuing[field]);
    let (queues, hand) = (number("queues"), number("handSize"));
    if number("queueLengthLimit") <= 0 {
        let at = path.child("queueLengthLimit");
        errors.invalid(&at, number("queueLengthLimit"), POSITIVE);
    }
    if queues <= 0 {
        errors.invalid(&path.child("queues"), queues, POSITIVE);
    } else if queues > QUEUES_MAX {
        let message = format!("must not be greater than {QUEUES_MAX}");
        errors.invalid(&path.child("queues"), queues, message);
    }
    let at = path.child("handSize");
    if hand <= 0 {
        errors.invalid(&at, hand, POSITIVE);
    } else if hand > queues {
        let message = format!("should not be greater than queues ({queues})");
        errors.invalid(&at, hand, message);
    } else if (queues as f64).log2() * hand as f64 > f64::from(HASH_BITS) {
        let message = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater \
             than {HASH_BITS}"
        );
        errors.invalid(&at, hand, message);
    }
}

/// The conditions of either kind's status.
pub(super) fn conditions(object: &Value, errors: &mut Errors) {
    let status = Path::root("status");
    let path = status.child("conditions");
    let mut seen: Vec<&str> = Vec::new();
    for (i, condition) in list(&object["status"]["conditions"]).iter().enumerate() {
        let (kind, path) = (text(&condition["type"]), path.index(i));
        if seen.contains(&kind) {
            errors.duplicate(&path.child("type"), kind);
        }
        seen.push(kind);
        if kind.is_empty() {
            errors.required(&path.child("type"), "must not be empty");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::validate_create;
    use serde_json::{Value, json};

    fn texts(kind: &str, object: &Value) -> Vec<String> {
        let errors = validate_create("flowcontrol.apiserver.k8s.io", kind, false, object);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_schema_says_whose_requests_it_means() {
        let mut object = json!({"metadata": {"name": "a"}, "spec": {
            "matchingPrecedence": 1,
            "priorityLevelConfiguration": {"name": "exempt"},
            "rules": [
                {"subjects": [{"kind": "User", "group": {"name": "g"}}]},
                {
                    "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": "*"}}],
                    "resourceRules": [{
                        "verbs": ["fly"], "apiGroups": ["*", "a"], "resources": ["pods"],
                        "namespaces": ["A"],
                    }],
                    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["a", "/*/b"]}],
                },
            ],
        }});
        let found = texts("FlowSchema", &object);
        let starts = [
            "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have",
            "spec.rules[0].subjects[0].user: Required value: user is required when subject kind \
             is 'User'",
            "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is \
             not 'Group'",
            "spec.rules[0]: Required value: at least one of resourceRules",
            "spec.rules[1].subjects[0].serviceAccount.namespace: Required value: must specify",
            "spec.rules[1].resourceRules[0].verbs: Unsupported value: [\"fly\"]: supported",
            "spec.rules[1].resourceRules[0].apiGroups: Invalid value: [\"*\",\"a\"]: if '*' is",
            "spec.rules[1].resourceRules[0].namespaces[0]: Invalid value: \"A\": each member of",
            "spec.rules[1].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"a\": must start",
            "spec.rules[1].nonResourceRules[0].nonResourceURLs[1]: Invalid value: \"/*/b\": wildcard",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
        object["spec"] =
            json!({"matchingPrecedence": 5, "priorityLevelConfiguration": {"name": "b"}});
        assert_eq!(texts("FlowSchema", &object), [""; 0]);
    }

    #[test]
    fn what_there_always_is_stays_as_it_is() {
        let mut spec = super::fixed_schema("catch-all").unwrap();
        let object = |spec: &Value| json!({"metadata": {"name": "catch-all"}, "spec": spec});
        assert_eq!(texts("FlowSchema", &object(&spec)), [""; 0]);
        spec["matchingPrecedence"] = 9999.into();
        let found = texts("FlowSchema", &object(&spec));
        assert_eq!(found.len(), 1);
        let end = ": spec of 'catch-all' must equal the fixed value";
        assert!(found[0].starts_with("spec: Invalid value: {") && found[0].ends_with(end));
        let exempt = json!({"metadata": {"name": "exempt"}, "spec": {
            "type": "Exempt", "exempt": {"nominalConcurrencyShares": 3, "lendablePercent": 50},
        }});
        assert_eq!(texts("PriorityLevelConfiguration", &exempt), [""; 0]);
        let limited = json!({"limitResponse": {"type": "Reject"}});
        let catch_all = json!({"metadata": {"name": "catch-all"}, "spec": {
            "type": "Limited", "limited": limited,
        }});
        let found = texts("PriorityLevelConfiguration", &catch_all);
        assert!(
            found[0].ends_with("spec of 'catch-all' must equal the fixed value"),
            "{found:?}"
        );
    }

    #[test]
    fn a_level_deals_hands_that_its_hash_can_tell_apart() {
        let level = |queuing: Value| {
            let limited = json!({"limitResponse": {"type": "Queue", "queuing": queuing}});
            json!({"metadata": {"name": "a"}, "spec": {"type": "Limited", "limited": limited}})
        };
        let good = json!({"queues": 64, "handSize": 8, "queueLengthLimit": 50});
        assert_eq!(texts("PriorityLevelConfiguration", &level(good)), [""; 0]);
        let wide = json!({"queues": 512, "handSize": 8, "queueLengthLimit": 0});
        let path = "spec.limited.limitResponse.queuing";
        assert_eq!(
            texts("PriorityLevelConfiguration", &level(wide)),
            [
                format!("{path}.queueLengthLimit: Invalid value: 0: must be positive"),
                format!(
                    "{path}.handSize: Invalid value: 8: required entropy bits of deckSize 512 and \
                     handSize 8 should not be greater than 60"
                ),
            ]
        );
    }
}
