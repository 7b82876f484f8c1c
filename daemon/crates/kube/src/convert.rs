//! One object under several versions: what is stored under one is shown under the other.
//!
//! Pure. Only two kinds have more than one version: Event and HorizontalPodAutoscaler. Invariant:
//! what an object says survives the way there and back.

use serde_json::{Map, Value, json};

use crate::object;
use crate::registry::Resource;

/// Fields of an Event in the core group, and in `events.k8s.io`.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Where version 1 keeps what it has no fields for.
const METRICS_NOTE: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR_NOTE: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CONDITIONS_NOTE: &str = "autoscaling.alpha.kubernetes.io/conditions";

/// Shows a stored object under a resource's version.
pub(crate) fn convert(resource: &Resource, object: &mut Value) {
    let stored = object.get("apiVersion").and_then(Value::as_str);
    let wanted = resource.api_version();
    if stored == Some(wanted.as_str()) || !object.is_object() {
        return;
    }
    match (resource.kind.as_str(), wanted.as_str()) {
        ("Event", "v1") => rename(object, |(core, new)| (new, core)),
        ("Event", _) => rename(object, |(core, new)| (core, new)),
        ("HorizontalPodAutoscaler", "autoscaling/v1") => autoscaler_to_1(object),
        ("HorizontalPodAutoscaler", _) => autoscaler_to_2(object),
        _ => {}
    }
    object["apiVersion"] = wanted.into();
}

fn rename(
    object: &mut Value,
    way: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Value::Object(fields) = object else {
        return;
    };
    for pair in EVENT_FIELDS {
        let (from, to) = way(pair);
        if let Some(value) = fields.remove(from) {
            fields.insert(to.into(), value);
        }
    }
}

/// Whether a metric is the one that version 1 has a field for: the use of the CPU in percent.
fn cpu_percent<'m>(metric: &'m Value, part: &str) -> Option<&'m Value> {
    let resource = metric.get("resource")?;
    let is_cpu = resource.get("name")? == "cpu" && metric.get("type")? == "Resource";
    let percent = resource.get(part)?.get("averageUtilization")?;
    (is_cpu && !percent.is_null()).then_some(percent)
}

fn autoscaler_to_1(object: &mut Value) {
    let mut notes = Map::new();
    let note = |value: &Value| Value::from(value.to_string());
    let spec = object::fields_of(object, "spec");
    if let Some(behavior) = spec.remove("behavior") {
        notes.insert(BEHAVIOR_NOTE.into(), note(&behavior));
    }
    if let Some(Value::Array(mut metrics)) = spec.remove("metrics") {
        if let Some(at) = metrics
            .iter()
            .position(|metric| cpu_percent(metric, "target").is_some())
        {
            let metric = metrics.remove(at);
            if let Some(percent) = cpu_percent(&metric, "target") {
                spec.insert("targetCPUUtilizationPercentage".into(), percent.clone());
            }
        }
        if !metrics.is_empty() {
            notes.insert(METRICS_NOTE.into(), note(&metrics.into()));
        }
    }
    if object.get("status").is_some() {
        let status = object::fields_of(object, "status");
        if let Some(conditions) = status.remove("conditions") {
            notes.insert(CONDITIONS_NOTE.into(), note(&conditions));
        }
        let current = status.remove("currentMetrics");
        let all = current
            .as_ref()
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        if let Some(percent) = all
            .filter_map(|metric| cpu_percent(metric, "current"))
            .next()
        {
            status.insert("currentCPUUtilizationPercentage".into(), percent.clone());
        }
    }
    if !notes.is_empty() {
        let metadata = object::metadata_mut(object);
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Value::Object(annotations) = annotations {
            annotations.extend(notes);
        }
    }
}

fn autoscaler_to_2(object: &mut Value) {
    let mut take = |name: &str| -> Option<Value> {
        let metadata = object::metadata_mut(object);
        let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
        let note = annotations.remove(name)?;
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
        serde_json::from_str(note.as_str()?).ok()
    };
    let (metrics, behavior, conditions) = (
        take(METRICS_NOTE),
        take(BEHAVIOR_NOTE),
        take(CONDITIONS_NOTE),
    );
    let metric = |part: &str, mut value: Value, percent: Value| {
        value["averageUtilization"] = percent;
        json!({"type": "Resource", "resource": {"name": "cpu", part: value}})
    };
    let spec = object::fields_of(object, "spec");
    let mut all = Vec::new();
    if let Some(percent) = spec.remove("targetCPUUtilizationPercentage") {
        all.push(metric("target", json!({"type": "Utilization"}), percent));
    }
    if let Some(Value::Array(others)) = metrics {
        all.extend(others);
    }
    if !all.is_empty() {
        spec.insert("metrics".into(), all.into());
    }
    if let Some(behavior) = behavior {
        spec.insert("behavior".into(), behavior);
    }
    if object.get("status").is_some() {
        let status = object::fields_of(object, "status");
        if let Some(percent) = status.remove("currentCPUUtilizationPercentage") {
            let current = metric("current", json!({"averageValue": "0"}), percent);
            status.insert("currentMetrics".into(), json!([current]));
        }
        if let Some(conditions) = conditions {
            status.insert("conditions".into(), conditions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(
        group: &str,
        version: &str,
        kind: &str,
        plural: &str,
        namespaced: bool,
    ) -> Resource {
        skerry_schema::Resource::new(group, version, kind, plural, namespaced).into()
    }

    #[test]
    fn an_autoscaler_says_the_same_after_the_way_there_and_back() {
        let one = resource(
            "autoscaling",
            "v1",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            true,
        );
        let two = resource(
            "autoscaling",
            "v2",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            true,
        );
        let stored = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "a"},
            "spec": {
                "maxReplicas": 3,
                "behavior": {"scaleUp": {}},
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
                    {"type": "Pods", "pods": {"metric": {"name": "x"}}},
                ],
            },
            "status": {"conditions": [{"type": "Ready"}]},
        });
        let mut object = stored.clone();
        convert(&one, &mut object);
        assert_eq!(
            object["spec"],
            json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 80})
        );
        assert_eq!(object["apiVersion"], "autoscaling/v1");
        convert(&two, &mut object);
        assert_eq!(object, stored);
    }

    #[test]
    fn an_event_is_shown_under_the_names_of_its_group() {
        let core = resource("", "v1", "Event", "events", true);
        let new = resource("events.k8s.io", "v1", "Event", "events", true);
        let stored = json!({"apiVersion": "v1", "kind": "Event", "message": "m", "involvedObject": {"name": "p"}, "reason": "r"});
        let mut object = stored.clone();
        convert(&new, &mut object);
        assert_eq!(
            object,
            json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "note": "m", "regarding": {"name": "p"}, "reason": "r"})
        );
        convert(&core, &mut object);
        assert_eq!(object, stored);
        convert(&core, &mut json!(5));
    }
}
