//! The rows of autoscalers, in either version's form, and of scales.

use serde_json::{Value, json};

use super::Row;
use crate::quantity::Quantity;
use crate::value::{int, is_set, list, text};

const SHOWN_MAX: usize = 2;

pub(super) fn scale(row: Row<'_>) -> Vec<Value> {
    vec![
        row.name(),
        json!(int(row.spec("replicas"))),
        json!(int(row.status("replicas"))),
        row.age(),
    ]
}

pub(super) fn autoscaler(row: Row<'_>) -> Vec<Value> {
    let target = row.spec("scaleTargetRef");
    let reference = format!("{}/{}", text(&target["kind"]), text(&target["name"]));
    let min = row.spec("minReplicas").as_i64();
    vec![
        row.name(),
        json!(reference),
        json!(metrics(row)),
        json!(min.map_or("<unset>".to_owned(), |min| min.to_string())),
        json!(int(row.spec("maxReplicas"))),
        json!(int(row.status("currentReplicas"))),
        row.age(),
    ]
}

fn metrics(row: Row<'_>) -> String {
    if let Some(target) = row.spec("targetCPUUtilizationPercentage").as_i64() {
        let current = row.status("currentCPUUtilizationPercentage").as_i64();
        return format!("cpu: {}/{target}%", percent_or(current, "<unknown>"));
    }
    let statuses = list(row.status("currentMetrics"));
    let shown: Vec<String> = list(row.spec("metrics"))
        .iter()
        .enumerate()
        .map(|(i, spec)| metric(spec, statuses.get(i).unwrap_or(&Value::Null)))
        .collect();
    match shown.len() {
        0 => "<none>".to_owned(),
        count if count > SHOWN_MAX => {
            format!(
                "{} + {} more...",
                shown[..SHOWN_MAX].join(", "),
                count - SHOWN_MAX
            )
        }
        _ => shown.join(", "),
    }
}

fn metric(spec: &Value, status: &Value) -> String {
    let (field, is_resource) = match text(&spec["type"]) {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let target = &spec[field]["target"];
    let status = &status[field];
    let current = &status["current"];
    let is_average = is_set(&target["averageValue"]);
    if is_resource {
        let name = text(&spec[field]["name"]);
        if is_average {
            let current = amount_if(is_set(status), &current["averageValue"]);
            return format!("{name}: {current}/{}", amount(&target["averageValue"]));
        }
        let current = percent_or(current["averageUtilization"].as_i64(), "<unknown>");
        let target = percent_or(target["averageUtilization"].as_i64(), "<auto>");
        return format!("{name}: {current}/{target}");
    }
    if field == "pods" {
        let current = amount_if(is_set(status), &current["averageValue"]);
        return format!("{current}/{}", amount(&target["averageValue"]));
    }
    if is_average {
        let current = amount_if(is_set(&current["averageValue"]), &current["averageValue"]);
        return format!("{current}/{} (avg)", amount(&target["averageValue"]));
    }
    let current = amount_if(is_set(status), &current["value"]);
    format!("{current}/{}", amount(&target["value"]))
}

fn percent_or(value: Option<i64>, fallback: &str) -> String {
    value.map_or(fallback.to_owned(), |value| format!("{value}%"))
}

/// An amount, or what upstream prints where there is none.
fn amount(value: &Value) -> String {
    if !is_set(value) {
        return "<nil>".to_owned();
    }
    Quantity::of(value).unwrap_or(Quantity::ZERO).to_string()
}

fn amount_if(is_known: bool, value: &Value) -> String {
    if is_known {
        amount(value)
    } else {
        "<unknown>".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::cells;

    #[test]
    fn an_autoscaler_shows_what_it_measures_and_aims_at() {
        let object = json!({
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                "minReplicas": 1, "maxReplicas": 5,
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}},
                    {"type": "External", "external": {"target": {"averageValue": "1500m"}}},
                    {"type": "Pods", "pods": {"target": {"averageValue": "10"}}},
                ]},
            "status": {"currentReplicas": 2, "currentMetrics": [
                {"type": "Resource", "resource": {"current": {"averageUtilization": 41}}}]},
        });
        let shown = cells("autoscaling", "HorizontalPodAutoscaler", &object, 0);
        assert_eq!(
            shown[1..6],
            [
                json!("Deployment/web"),
                json!("cpu: 41%/80%, <unknown>/1500m (avg) + 1 more..."),
                json!("1"),
                json!(5),
                json!(2)
            ]
        );
    }

    #[test]
    fn the_older_form_shows_the_same() {
        let object = json!({"spec": {"targetCPUUtilizationPercentage": 80, "maxReplicas": 3}});
        let shown = cells("autoscaling", "HorizontalPodAutoscaler", &object, 0);
        assert_eq!(shown[2..4], ["cpu: <unknown>/80%", "<unset>"]);
    }

    #[test]
    fn a_measure_without_an_amount_shows_that_it_has_none() {
        let object = json!({
            "spec": {"metrics": [{"type": "External", "external": {"target": {"value": "3"}}}]},
            "status": {"currentMetrics": [{"type": "External", "external": {"current": {}}}]}});
        let shown = cells("autoscaling", "HorizontalPodAutoscaler", &object, 0);
        assert_eq!(shown[2], "<nil>/3");
    }
}
