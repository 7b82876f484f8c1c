//! How many there are to be: autoscalers and what the subresource `scale` writes.

use serde_json::Value;

use super::rules::{choice_if_set, label, named_reference, nonnegative, quantity};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::value::{int, is_set, list, text};

const STABILIZATION_SECONDS_MAX: i64 = 3600;
const PERIOD_SECONDS_MAX: i64 = 1800;

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
    use super::super::policies::tests::created;
    use serde_json::json;

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
