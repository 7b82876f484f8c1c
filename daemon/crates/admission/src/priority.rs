//! Priority: the number that a pod's PriorityClass stands for.

use serde_json::{Value, json};

use crate::Refused;
use crate::value::{below, fields, text};

const PREEMPT: &str = "PreemptLowerPriority";

/// Whether a class is the one of pods that name none.
#[must_use]
pub fn is_default(class: &Value) -> bool {
    class.get("globalDefault").and_then(Value::as_bool) == Some(true)
}

/// Gives a new pod its priority. `class` is what it names, and otherwise the default, if any.
pub fn admit(pod: &mut Value, class: Option<&Value>) -> Result<(), Refused> {
    let named = text(pod, "/spec/priorityClassName").to_owned();
    if class.is_none() && !named.is_empty() {
        return Err(format!("no PriorityClass with name {named} was found").into());
    }
    let number = class.and_then(|class| class.get("value")?.as_i64());
    let number = number.unwrap_or(0);
    let preemption = match class.map_or("", |class| text(class, "/preemptionPolicy")) {
        "" => PREEMPT,
        said => said,
    };
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    if let Some(said) = spec.get("priority").and_then(Value::as_i64)
        && said != number
    {
        return Err(format!(
            "the integer value of priority ({said}) must not be provided in pod spec; priority admission controller computed {number} from the given PriorityClass name"
        )
        .into());
    }
    let said = text(spec, "/preemptionPolicy");
    if !said.is_empty() && said != preemption {
        return Err(format!(
            "the string value of PreemptionPolicy ({said}) must not be provided in pod spec; priority admission controller computed {preemption} from the given PriorityClass name"
        )
        .into());
    }
    let preemption = json!(preemption);
    let name = class.map(|class| text(class, "/metadata/name").to_owned());
    let spec = fields(below(pod, "spec"));
    if let Some(name) = name {
        spec.insert("priorityClassName".into(), name.into());
    }
    spec.insert("priority".into(), number.into());
    spec.insert("preemptionPolicy".into(), preemption);
    Ok(())
}

/// An update that leaves out what a new pod was given keeps it.
pub fn keep(pod: &mut Value, old: &Value) {
    for field in ["priority", "preemptionPolicy"] {
        let kept = old.get("spec").and_then(|spec| spec.get(field));
        if let Some(kept) = kept
            && pod
                .get("spec")
                .is_some_and(|spec| spec.get(field).is_none())
        {
            fields(below(pod, "spec")).insert(field.into(), kept.clone());
        }
    }
}

/// There is one default. `others` are all classes but this one.
pub fn only_default<'v>(
    class: &Value,
    mut others: impl Iterator<Item = &'v Value>,
) -> Result<(), Refused> {
    if !is_default(class) {
        return Ok(());
    }
    match others.find(|other| is_default(other)) {
        None => Ok(()),
        Some(other) => Err(format!(
            "PriorityClass {} is already marked as default. Only one default can exist",
            text(other, "/metadata/name")
        )
        .into()),
    }
}

/// Whether it is the name of a class that a cluster cannot do without.
#[must_use]
pub fn is_system_class(name: &str) -> bool {
    system_classes()
        .iter()
        .any(|class| text(class, "/metadata/name") == name)
}

/// The classes of what a cluster cannot do without.
#[must_use]
pub fn system_classes() -> [Value; 2] {
    let class = |name: &str, value: i64, description: &str| {
        json!({
            "metadata": {"name": name},
            "value": value,
            "description": description,
            "preemptionPolicy": PREEMPT,
        })
    };
    [
        class(
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        class(
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_gets_the_number_of_its_class_and_may_not_choose_another() {
        let class = json!({"metadata": {"name": "high"}, "value": 7, "preemptionPolicy": "Never"});
        let mut pod = json!({"spec": {"priorityClassName": "high"}});
        admit(&mut pod, Some(&class)).unwrap();
        assert_eq!(
            pod["spec"],
            json!({"priorityClassName": "high", "priority": 7, "preemptionPolicy": "Never"})
        );
        assert!(admit(&mut pod, Some(&class)).is_ok());
        let mut other = json!({"spec": {"priority": 3}});
        let refused = admit(&mut other, None).unwrap_err();
        assert!(refused.0.contains("computed 0"), "{refused:?}");
        let mut missing = json!({"spec": {"priorityClassName": "x"}});
        assert_eq!(
            admit(&mut missing, None).unwrap_err().0,
            "no PriorityClass with name x was found"
        );
    }

    #[test]
    fn without_a_class_the_priority_is_nought_and_an_update_keeps_it() {
        let mut pod = json!({"spec": {}});
        admit(&mut pod, None).unwrap();
        assert_eq!(pod["spec"]["priority"], 0);
        let mut update = json!({"spec": {}});
        keep(&mut update, &pod);
        assert_eq!(update, pod);
    }
}
