//! What limits others: quotas, ranges, budgets, priorities, autoscalers.

use serde_json::Value;

use super::resources;
use super::rules::{
    at_most_all, choice_if_set, int_or_percent, label, named_reference, nonnegative,
    qualified_name, quantity,
};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::selector;
use crate::value::{entries, int, is_set, is_true, len, list, text};

const USER_PRIORITY_MAX: i64 = 1_000_000_000;
const STABILIZATION_SECONDS_MAX: i64 = 3600;
const PERIOD_SECONDS_MAX: i64 = 1800;

pub(super) fn resource_quota(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    quota_amounts(&spec["hard"], &path.child("hard"), errors);
    let scopes = list(&spec["scopes"]);
    let at = path.child("scopes");
    for scope in scopes {
        scope_fits(text(scope), spec, &spec["scopes"], &at, errors);
    }
    conflicting(
        scopes.iter().map(text).collect(),
        &spec["scopes"],
        &at,
        errors,
    );
    if is_set(&spec["scopeSelector"]) {
        scope_selector(spec, &path.child("scopeSelector"), errors);
    }
    if let Some(old) = old {
        let sorted = |spec: &Value| {
            let mut scopes: Vec<String> = list(&spec["scopes"])
                .iter()
                .map(|s| text(s).to_owned())
                .collect();
            scopes.sort_unstable();
            scopes.dedup();
            scopes
        };
        if sorted(spec) != sorted(&old["spec"]) {
            errors.invalid(&at, spec["scopes"].clone(), "field is immutable");
        }
    }
}

pub(super) fn resource_quota_status(object: &Value, errors: &mut Errors) {
    let path = Path::root("status");
    for field in ["hard", "used"] {
        quota_amounts(&object["status"][field], &path.child(field), errors);
    }
}

fn quota_amounts(amounts: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (name, value) in entries(amounts) {
        let path = path.key(name);
        resources::name(name, &path, errors);
        if !name.contains('/') && !resources::is_standard_quota(name) {
            errors.invalid(
                &path,
                name.as_str(),
                "must be a standard resource for quota",
            );
        }
        resources::amount(name, value, &path, errors);
    }
}

const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

fn scope_fits(scope: &str, spec: &Value, shown: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !SCOPES.contains(&scope) {
        errors.invalid(path, shown.clone(), "unsupported scope");
    }
    for (name, _) in entries(&spec["hard"]) {
        let is_compute = matches!(
            name.as_str(),
            "cpu" | "memory" | "limits.cpu" | "limits.memory" | "requests.cpu" | "requests.memory"
        );
        let fits = match scope {
            "BestEffort" => name == "pods",
            "VolumeAttributesClass" => {
                matches!(name.as_str(), "persistentvolumeclaims" | "requests.storage")
            }
            _ => name == "pods" || is_compute,
        };
        if resources::is_standard_quota(name) && !name.contains('/') && !fits {
            errors.invalid(path, shown.clone(), "unsupported scope applied to resource");
        }
    }
}

fn conflicting(scopes: Vec<&str>, shown: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (a, b) in [
        ("BestEffort", "NotBestEffort"),
        ("Terminating", "NotTerminating"),
    ] {
        if scopes.contains(&a) && scopes.contains(&b) {
            errors.invalid(path, shown.clone(), "conflicting scopes");
        }
    }
}

fn scope_selector(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("matchExpressions");
    let expressions = list(&spec["scopeSelector"]["matchExpressions"]);
    for expression in expressions {
        let (scope, operator) = (
            text(&expression["scopeName"]),
            text(&expression["operator"]),
        );
        scope_fits(
            scope,
            spec,
            &expression["scopeName"],
            &path.child("scopeName"),
            errors,
        );
        let is_plain = !matches!(scope, "PriorityClass" | "VolumeAttributesClass");
        if SCOPES.contains(&scope) && is_plain && operator != "Exists" {
            let message = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                           ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
                           ResourceQuotaScopeNotBestEffort or \
                           ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(&path.child("operator"), operator, message);
        }
        let count = len(&expression["values"]);
        match operator {
            "In" | "NotIn" if count == 0 => errors.required(
                &path.child("values"),
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            ),
            "Exists" | "DoesNotExist" if count > 0 => errors.invalid(
                &path.child("values"),
                expression["values"].clone(),
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                let message = "not a valid selector operator";
                errors.invalid(&path.child("operator"), other, message);
            }
        }
    }
    let scopes = expressions.iter().map(|e| text(&e["scopeName"])).collect();
    conflicting(scopes, &spec["scopes"], &path, errors);
}

pub(super) fn limit_range(object: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    let path = spec.child("limits");
    let mut kinds: Vec<&str> = Vec::new();
    for (i, limit) in list(&object["spec"]["limits"]).iter().enumerate() {
        let path = path.index(i);
        let kind = text(&limit["type"]);
        let at = path.child("type");
        let before = errors.0.len();
        qualified_name(kind, &at, errors);
        let is_standard = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim");
        if errors.0.len() == before && !kind.contains('/') && !is_standard {
            let message = "must be a standard limit type or fully qualified";
            errors.invalid(&at, kind, message);
        }
        if kinds.contains(&kind) {
            errors.duplicate(&at, kind);
        }
        kinds.push(kind);
        limit_item(limit, kind, &path, errors);
    }
}

fn limit_item(limit: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let fields = [
        "max",
        "min",
        "default",
        "defaultRequest",
        "maxLimitRequestRatio",
    ];
    let mut names: Vec<&str> = Vec::new();
    for field in fields {
        let path = path.child(field);
        if kind == "Pod" && field.starts_with("default") {
            if len(&limit[field]) > 0 {
                errors.forbidden(&path, "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (name, value) in entries(&limit[field]) {
            let path = path.key(name);
            match kind {
                "Pod" | "Container" => resources::container_name(name, &path, errors),
                _ => drop(resources::name(name, &path, errors)),
            }
            quantity(value, &path, errors);
            names.push(name);
        }
    }
    let has_storage = |field: &str| is_set(&limit[field]["storage"]);
    if kind == "PersistentVolumeClaim" && !has_storage("min") && !has_storage("max") {
        let message =
            "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&path.child("limits"), message);
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        ordered(limit, name, kind, path, errors);
    }
}

/// The least is at most the default, which is at most the most.
fn ordered(limit: &Value, name: &str, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let of = |field: &str| -> Option<Quantity> {
        let is_counted = kind != "Pod" || !field.starts_with("default");
        let value = limit[field].get(name).filter(|_| is_counted)?;
        Quantity::of(value).ok()
    };
    let (min, max) = (of("min"), of("max"));
    let (default, request) = (of("default"), of("defaultRequest"));
    let pairs = [
        ("min", min, "min value", max, "max value", min),
        (
            "defaultRequest",
            min,
            "min value",
            request,
            "default request value",
            request,
        ),
        (
            "defaultRequest",
            request,
            "default request value",
            max,
            "max value",
            request,
        ),
        (
            "defaultRequest",
            request,
            "default request value",
            default,
            "default limit value",
            request,
        ),
        ("default", min, "min value", default, "default value", min),
        ("default", default, "default value", max, "max value", max),
    ];
    for (field, low, low_name, high, high_name, shown) in pairs {
        if let (Some(low), Some(high), Some(shown)) = (low, high, shown)
            && low > high
        {
            let message = format!("{low_name} {low} is greater than {high_name} {high}");
            errors.invalid(&path.child(field).key(name), shown.to_string(), message);
        }
    }
    let ratio_path = path.child("maxLimitRequestRatio");
    let ratio_path = ratio_path.key(name);
    if let Some(ratio) = of("maxLimitRequestRatio") {
        if ratio.milli_value() < 1000 {
            let message = format!("ratio {ratio} is less than 1");
            errors.invalid(&ratio_path, ratio.to_string(), message);
        }
        if let (Some(min), Some(max)) = (min, max) {
            let most = max.milli_value() as f64 / min.milli_value() as f64;
            if ratio.milli_value() as f64 / 1000.0 > most {
                let message = format!("ratio {ratio} is greater than max/min = {most:.6}");
                errors.invalid(&ratio_path, ratio.to_string(), message);
            }
        }
    }
    if let (false, Some(default), Some(request)) =
        (resources::is_overcommitted(name), default, request)
        && default != request
    {
        let message = format!(
            "default value {default} must equal to defaultRequest value {request} in {name}"
        );
        errors.invalid(
            &path.child("defaultRequest").key(name),
            request.to_string(),
            message,
        );
    }
}

pub(super) fn priority_class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let (name, value) = (text(&object["metadata"]["name"]), int(&object["value"]));
    let path = Path::root("value");
    if let Some(old) = old {
        if value != int(&old["value"]) {
            errors.forbidden(&path, "may not be changed in an update.");
        }
        let policy = Path::root("preemptionPolicy");
        errors.immutable(
            &policy,
            &object["preemptionPolicy"],
            &old["preemptionPolicy"],
        );
        return;
    }
    if let Some(wrong) = wrong_system_class(name, value, is_true(&object["globalDefault"])) {
        let metadata = Path::root("metadata");
        let message = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: \
             {wrong}"
        );
        errors.forbidden(&metadata.child("name"), message);
    } else if !name.starts_with("system-") && value > USER_PRIORITY_MAX {
        let message =
            format!("maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}");
        errors.forbidden(&path, message);
    }
    let words = ["PreemptLowerPriority", "Never"];
    let policy = Path::root("preemptionPolicy");
    choice_if_set(&object["preemptionPolicy"], &words, &policy, errors);
}

/// Why a name that is the system's is not one of its classes.
fn wrong_system_class(name: &str, value: i64, is_default: bool) -> Option<String> {
    let known = match name {
        "system-node-critical" => 2_000_001_000,
        "system-cluster-critical" => 2_000_000_000,
        name if name.starts_with("system-") => {
            return Some(format!("{name} is not a known system priority class"));
        }
        _ => return None,
    };
    if value != known {
        return Some(format!("value of {name} PriorityClass must be {known}"));
    }
    is_default.then(|| format!("globalDefault of {name} PriorityClass must be false"))
}

pub(super) fn disruption_budget(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    let fields = ["minAvailable", "maxUnavailable"];
    if fields.iter().all(|field| is_set(&spec[*field])) {
        let message = "minAvailable and maxUnavailable cannot be both set";
        errors.invalid(&path, spec.clone(), message);
    }
    for field in fields {
        if is_set(&spec[field]) {
            int_or_percent(&spec[field], &path.child(field), errors);
            at_most_all(&spec[field], &path.child(field), errors);
        }
    }
    selector::validate(&spec["selector"], &path.child("selector"), errors);
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    let policy = path.child("unhealthyPodEvictionPolicy");
    choice_if_set(
        &spec["unhealthyPodEvictionPolicy"],
        &policies,
        &policy,
        errors,
    );
}

pub(super) fn autoscaler(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    let scales_to_zero = old.is_some_and(|old| old["spec"]["minReplicas"] == 0);
    let min_allowed = i64::from(!scales_to_zero);
    let max = int(&spec["maxReplicas"]);
    if let Some(min) = spec["minReplicas"].as_i64() {
        if min < min_allowed {
            let message = format!("must be greater than or equal to {min_allowed}");
            errors.invalid(&path.child("minReplicas"), min, message);
        }
        if max >= 1 && max < min {
            let message = "must be greater than or equal to `minReplicas`";
            errors.invalid(&path.child("maxReplicas"), max, message);
        }
    }
    if max < 1 {
        errors.invalid(&path.child("maxReplicas"), max, "must be greater than 0");
    }
    let target = path.child("scaleTargetRef");
    named_reference(&spec["scaleTargetRef"], &target, ["", ""], errors);
    let metrics = path.child("metrics");
    for (i, metric) in list(&spec["metrics"]).iter().enumerate() {
        self::metric(metric, &metrics.index(i), errors);
    }
    let behavior = path.child("behavior");
    for direction in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][direction];
        if is_set(rules) {
            scaling_rules(rules, &behavior.child(direction), errors);
        }
    }
}

const METRICS: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];

fn metric(metric: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kind = text(&metric["type"]);
    let words = [
        "ContainerResource",
        "External",
        "Object",
        "Pods",
        "Resource",
    ];
    let at = path.child("type");
    if kind.is_empty() {
        errors.required(&at, "must specify a metric source type");
    }
    let expected = METRICS
        .iter()
        .find(|(name, _)| *name == kind)
        .map(|(_, field)| *field);
    let present: Vec<&str> = METRICS
        .iter()
        .map(|(_, field)| *field)
        .filter(|field| is_set(&metric[*field]))
        .collect();
    if let Some(field) = present.first() {
        metric_source(&metric[*field], field, &path.child(field), errors);
    }
    match expected {
        None => errors.not_supported(&at, kind, &words),
        Some(field) if !present.contains(&field) => errors.required(
            &path.child(field),
            "must populate information for the given metric source",
        ),
        Some(_) => {}
    }
    if present.len() != 1 {
        for field in present.iter().filter(|field| Some(**field) != expected) {
            let message = "must populate the given metric source only";
            errors.forbidden(&path.child(field), message);
        }
    }
}

fn metric_source(source: &Value, field: &str, path: &Path<'_>, errors: &mut Errors) {
    if field == "object" {
        let object = path.child("describedObject");
        named_reference(&source["describedObject"], &object, ["", ""], errors);
    }
    if matches!(field, "object" | "external" | "pods") {
        let metric = path.child("metric");
        let name_path = metric.child("name");
        match text(&source["metric"]["name"]) {
            "" => errors.required(&name_path, "must specify a metric name"),
            name => errors.each(&name_path, name, format::path_segment(name)),
        }
    } else if text(&source["name"]).is_empty() {
        errors.required(&path.child("name"), "must specify a resource name");
    }
    if field == "containerResource" {
        match text(&source["container"]) {
            "" => errors.required(&path.child("container"), "must specify a container"),
            name => label(name, &path.child("container"), errors),
        }
    }
    let target = &source["target"];
    let path = path.child("target");
    metric_target(target, &path, errors);
    let has = |field: &str| is_set(&target[field]);
    let (average, utilization) = (path.child("averageValue"), path.child("averageUtilization"));
    match field {
        "object" if !has("value") && !has("averageValue") => {
            errors.required(&average, "must set either a target value or averageValue");
        }
        "external" if !has("value") && !has("averageValue") => errors.required(
            &average,
            "must set either a target value for metric or a per-pod target",
        ),
        "external" if has("value") && has("averageValue") => errors.forbidden(
            &path.child("value"),
            "may not set both a target value for metric and a per-pod target",
        ),
        "pods" if !has("averageValue") => {
            errors.required(&average, "must specify a positive target averageValue");
        }
        "resource" | "containerResource" => {
            match (has("averageUtilization"), has("averageValue")) {
                (false, false) => errors.required(
                    &utilization,
                    "must set either a target raw value or a target utilization",
                ),
                (true, true) => errors.forbidden(
                    &average,
                    "may not set both a target raw value and a target utilization",
                ),
                _ => {}
            }
        }
        _ => {}
    }
}

fn metric_target(target: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kind = text(&target["type"]);
    let at = path.child("type");
    if kind.is_empty() {
        errors.required(&at, "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        errors.invalid(
            &at,
            kind,
            "must be either Utilization, Value, or AverageValue",
        );
    }
    for field in ["value", "averageValue"] {
        if is_set(&target[field])
            && let Some(amount) = quantity(&target[field], &path.child(field), errors)
            && !amount.is_positive()
        {
            errors.invalid(&path.child(field), amount.to_string(), "must be positive");
        }
    }
    if let Some(share) = target["averageUtilization"].as_i64()
        && share < 1
    {
        errors.invalid(
            &path.child("averageUtilization"),
            share,
            "must be greater than 0",
        );
    }
}

fn scaling_rules(rules: &Value, path: &Path<'_>, errors: &mut Errors) {
    let window = path.child("stabilizationWindowSeconds");
    match int(&rules["stabilizationWindowSeconds"]) {
        seconds if seconds < 0 => {
            errors.invalid(&window, seconds, "must be greater than or equal to zero");
        }
        seconds if seconds > STABILIZATION_SECONDS_MAX => {
            let message = format!("must be less than or equal to {STABILIZATION_SECONDS_MAX}");
            errors.invalid(&window, seconds, message);
        }
        _ => {}
    }
    let words = ["Disabled", "Max", "Min"];
    choice_if_set(
        &rules["selectPolicy"],
        &words,
        &path.child("selectPolicy"),
        errors,
    );
    let policies = list(&rules["policies"]);
    let path = path.child("policies");
    if policies.is_empty() {
        errors.required(&path, "must specify at least one Policy");
    }
    for (i, policy) in policies.iter().enumerate() {
        let path = path.index(i);
        let kind = text(&policy["type"]);
        if !matches!(kind, "Pods" | "Percent") {
            errors.not_supported(&path.child("type"), kind, &["Percent", "Pods"]);
        }
        for field in ["value", "periodSeconds"] {
            let value = int(&policy[field]);
            if value <= 0 {
                errors.invalid(&path.child(field), value, "must be greater than zero");
            }
        }
        let period = int(&policy["periodSeconds"]);
        if period > PERIOD_SECONDS_MAX {
            let message = format!("must be less than or equal to {PERIOD_SECONDS_MAX}");
            errors.invalid(&path.child("periodSeconds"), period, message);
        }
    }
}

pub(super) fn scale(object: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    nonnegative(&object["spec"]["replicas"], &spec.child("replicas"), errors);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::validate::{validate_create, validate_update};
    use serde_json::json;

    fn created(group: &str, kind: &str, mut object: Value) -> String {
        let namespaced = kind != "PriorityClass";
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or("a")
            .to_owned();
        object["metadata"] = json!({ "name": name });
        if namespaced {
            object["metadata"]["namespace"] = json!("n");
        }
        set_defaults(group, kind, &mut object);
        summary(&validate_create(group, kind, namespaced, &object))
    }

    #[test]
    fn a_quota_counts_what_can_be_counted() {
        let hard = |hard: Value| json!({"spec": { "hard": hard }});
        assert_eq!(
            created(
                "",
                "ResourceQuota",
                hard(json!({"pods": "10", "requests.cpu": "1", "count/jobs.batch": "2"}))
            ),
            "[]"
        );
        assert_eq!(
            created("", "ResourceQuota", hard(json!({"pods": "1500m"}))),
            "spec.hard[pods]: Invalid value: \"1500m\": must be an integer"
        );
        assert_eq!(
            created(
                "",
                "ResourceQuota",
                json!({"spec": {"hard": {"services": "1"}, "scopes": ["BestEffort"]}})
            ),
            "spec.scopes: Invalid value: [\"BestEffort\"]: unsupported scope applied to resource"
        );
    }

    #[test]
    fn a_range_is_one() {
        let limits = |limit: Value| json!({"spec": {"limits": [limit]}});
        assert_eq!(
            created(
                "",
                "LimitRange",
                limits(json!({"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}}))
            ),
            "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1"
        );
        assert_eq!(
            created(
                "",
                "LimitRange",
                limits(json!({"type": "Sea", "max": {"cpu": "1"}}))
            ),
            "spec.limits[0].type: Invalid value: \"Sea\": must be a standard limit type or fully \
             qualified"
        );
    }

    #[test]
    fn the_highest_priorities_are_the_systems() {
        let group = "scheduling.k8s.io";
        assert_eq!(
            created(group, "PriorityClass", json!({"value": 1_000_000_001})),
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"
        );
        assert_eq!(
            created(
                group,
                "PriorityClass",
                json!({"metadata": {"name": "system-mine"}, "value": 1})
            ),
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved \
             for system use only. error: system-mine is not a known system priority class"
        );
        let node = json!({"metadata": {"name": "system-node-critical"}, "value": 2_000_001_000});
        assert_eq!(created(group, "PriorityClass", node), "[]");
        let class =
            |value: i64| json!({"metadata": {"name": "a", "resourceVersion": "1"}, "value": value});
        assert_eq!(
            summary(&validate_update(
                group,
                "PriorityClass",
                "",
                &class(2),
                &class(1)
            )),
            "value: Forbidden: may not be changed in an update."
        );
    }

    #[test]
    fn a_budget_says_one_thing() {
        let budget = json!({"spec": {"minAvailable": 1, "maxUnavailable": "150%"}});
        assert_eq!(
            created("policy", "PodDisruptionBudget", budget),
            "[spec: Invalid value: {\"maxUnavailable\":\"150%\",\"minAvailable\":1}: minAvailable \
             and maxUnavailable cannot be both set, spec.maxUnavailable: Invalid value: \"150%\": \
             must not be greater than 100%]"
        );
    }

    #[test]
    fn an_autoscaler_has_a_target_and_bounds() {
        let group = "autoscaling";
        let kind = "HorizontalPodAutoscaler";
        let target = json!({"kind": "Deployment", "name": "web"});
        assert_eq!(
            created(
                group,
                kind,
                json!({"spec": {"scaleTargetRef": target, "maxReplicas": 3}})
            ),
            "[]"
        );
        assert_eq!(
            created(
                group,
                kind,
                json!({"spec": {"maxReplicas": 0, "minReplicas": 0}})
            ),
            "[spec.minReplicas: Invalid value: 0: must be greater than or equal to 1, \
             spec.maxReplicas: Invalid value: 0: must be greater than 0, spec.scaleTargetRef.kind: \
             Required value, spec.scaleTargetRef.name: Required value]"
        );
        let metrics = json!({"spec": {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [
            {"type": "Pods", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]}});
        assert_eq!(
            created(group, kind, metrics),
            "[spec.metrics[0].resource.target.averageUtilization: Required value: must set either \
             a target raw value or a target utilization, spec.metrics[0].pods: Required value: \
             must populate information for the given metric source]"
        );
    }
}
