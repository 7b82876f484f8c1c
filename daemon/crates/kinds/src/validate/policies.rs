//! What limits others: budgets and priorities.

use serde_json::Value;

use super::rules::{at_most_all, choice_if_set, int_or_percent};
use crate::error::Errors;
use crate::path::Path;
use crate::selector;
use crate::value::{int, is_set, is_true, text};

const USER_PRIORITY_MAX: i64 = 1_000_000_000;

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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::validate::{validate_create, validate_update};
    use serde_json::json;

    pub(in crate::validate) fn created(group: &str, kind: &str, mut object: Value) -> String {
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
}
