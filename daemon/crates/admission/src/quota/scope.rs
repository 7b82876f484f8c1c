//! Which objects a quota is about.

use serde_json::Value;

use crate::value::{items, text};

/// Whether a quota counts an object of this kind at all. Scopes are of pods (and of claims, where
/// their attributes class is meant): a quota with scopes counts nothing else.
#[must_use]
pub fn covers(quota: &Value, group: &str, kind: &str, object: &Value) -> bool {
    let mut plain = items(quota, "/spec/scopes").iter();
    let plain = plain.all(|scope| {
        let scope = scope.as_str().unwrap_or_default();
        holds(group, kind, object, scope, "Exists", &[])
    });
    let mut chosen = items(quota, "/spec/scopeSelector/matchExpressions").iter();
    plain
        && chosen.all(|expression| {
            let scope = text(expression, "/scopeName");
            let operator = text(expression, "/operator");
            holds(
                group,
                kind,
                object,
                scope,
                operator,
                items(expression, "/values"),
            )
        })
}

fn holds(
    group: &str,
    kind: &str,
    object: &Value,
    scope: &str,
    operator: &str,
    values: &[Value],
) -> bool {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let named = |name: &str| match operator {
        "Exists" => !name.is_empty(),
        "DoesNotExist" => name.is_empty(),
        "In" => values.iter().any(|value| value == name),
        "NotIn" => !values.iter().any(|value| value == name),
        _ => false,
    };
    match (group, kind, scope) {
        ("", "PersistentVolumeClaim", "VolumeAttributesClass") => {
            named(text(spec, "/volumeAttributesClassName"))
        }
        ("", "Pod", "Terminating") => ends_by_itself(spec),
        ("", "Pod", "NotTerminating") => !ends_by_itself(spec),
        ("", "Pod", "BestEffort") => is_best_effort(spec),
        ("", "Pod", "NotBestEffort") => !is_best_effort(spec),
        ("", "Pod", "PriorityClass") => named(text(spec, "/priorityClassName")),
        ("", "Pod", "CrossNamespacePodAffinity") => looks_elsewhere(spec),
        _ => false,
    }
}

fn ends_by_itself(spec: &Value) -> bool {
    let seconds = spec.get("activeDeadlineSeconds").and_then(Value::as_i64);
    seconds.is_some_and(|seconds| seconds >= 0)
}

fn is_best_effort(spec: &Value) -> bool {
    let fields = ["/containers", "/initContainers"];
    let mut containers = fields.iter().flat_map(|field| items(spec, field));
    !containers.any(|container| {
        let kinds = ["/resources/requests", "/resources/limits"];
        let compute = ["cpu", "memory"];
        kinds.iter().any(|kind| {
            let said = container.pointer(kind);
            said.is_some_and(|said| compute.iter().any(|name| said.get(name).is_some()))
        })
    })
}

/// Whether a pod's affinity names other namespaces.
fn looks_elsewhere(spec: &Value) -> bool {
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let at = |list: &str| format!("/affinity/{kind}/{list}");
        let required = at("requiredDuringSchedulingIgnoredDuringExecution");
        let preferred = at("preferredDuringSchedulingIgnoredDuringExecution");
        let required = items(spec, &required).iter();
        let preferred = items(spec, &preferred).iter();
        let preferred = preferred.filter_map(|term| term.get("podAffinityTerm"));
        required.chain(preferred).any(|term| {
            !items(term, "/namespaces").is_empty() || term.get("namespaceSelector").is_some()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scopes_choose_pods_and_leave_everything_else_alone() {
        let quota = json!({"spec": {"scopes": ["BestEffort"]}});
        let cheap = json!({"spec": {"containers": [{"name": "a"}]}});
        let dear = json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "1"}}}]}});
        assert!(covers(&quota, "", "Pod", &cheap));
        assert!(!covers(&quota, "", "Pod", &dear));
        assert!(!covers(&quota, "", "Service", &cheap));
        assert!(covers(&json!({"spec": {}}), "", "Service", &cheap));
    }

    #[test]
    fn a_priority_class_is_chosen_by_name() {
        let quota = |operator: &str| json!({"spec": {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": ["high"]}]}}});
        let pod = json!({"spec": {"priorityClassName": "high"}});
        assert!(covers(&quota("In"), "", "Pod", &pod));
        assert!(!covers(&quota("NotIn"), "", "Pod", &pod));
        assert!(covers(&quota("Exists"), "", "Pod", &pod));
    }
}
