//! RuntimeClass: what a pod's runtime costs and where it is to be had.

use serde_json::Value;

use crate::Refused;
use crate::value::{below, fields, items, list, text};

/// Gives a new pod what its class says. `class` is the one it names, if that exists.
pub fn admit(pod: &mut Value, class: Option<&Value>) -> Result<(), Refused> {
    let name = text(pod, "/spec/runtimeClassName").to_owned();
    let overhead = pod.pointer("/spec/overhead").filter(|it| !it.is_null());
    if name.is_empty() {
        return match overhead {
            None => Ok(()),
            Some(_) => Err(Refused(
                "pod rejected: Pod Overhead set without corresponding RuntimeClass Overhead".into(),
            )),
        };
    }
    let Some(class) = class else {
        return Err(format!("pod rejected: RuntimeClass {name:?} not found").into());
    };
    let fixed = class
        .pointer("/overhead/podFixed")
        .filter(|it| !it.is_null());
    match (overhead, fixed) {
        (Some(_), None) => {
            return Err(Refused(
                "pod rejected: Pod Overhead set without corresponding RuntimeClass Overhead".into(),
            ));
        }
        (Some(said), Some(fixed)) if said != fixed => {
            return Err(Refused(
                "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead".into(),
            ));
        }
        _ => {}
    }
    let scheduling = class.get("scheduling").unwrap_or(&Value::Null);
    let wanted = scheduling.get("nodeSelector").and_then(Value::as_object);
    for (key, value) in wanted.into_iter().flatten() {
        let selector = below(below(pod, "spec"), "nodeSelector");
        match selector.get(key) {
            Some(said) if said != value => {
                return Err(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                    value.as_str().unwrap_or_default(),
                    said.as_str().unwrap_or_default()
                )
                .into());
            }
            _ => _ = fields(selector).insert(key.clone(), value.clone()),
        }
    }
    for toleration in items(scheduling, "/tolerations") {
        let tolerations = list(below(pod, "spec"), "tolerations");
        if !tolerations.contains(toleration) {
            tolerations.push(toleration.clone());
        }
    }
    if let Some(fixed) = fixed {
        fields(below(pod, "spec")).insert("overhead".into(), fixed.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_gets_overhead_and_place_of_its_class() {
        let class = json!({
            "overhead": {"podFixed": {"memory": "16Mi"}},
            "scheduling": {"nodeSelector": {"runtime": "gvisor"}, "tolerations": [{"key": "gvisor"}]},
        });
        let mut pod = json!({"spec": {"runtimeClassName": "gvisor"}});
        admit(&mut pod, Some(&class)).unwrap();
        let once = pod.clone();
        admit(&mut pod, Some(&class)).unwrap();
        assert_eq!(pod, once);
        assert_eq!(pod["spec"]["overhead"]["memory"], "16Mi");
        assert_eq!(pod["spec"]["nodeSelector"]["runtime"], "gvisor");
        let mut elsewhere =
            json!({"spec": {"runtimeClassName": "gvisor", "nodeSelector": {"runtime": "runc"}}});
        assert!(admit(&mut elsewhere, Some(&class)).is_err());
        let mut missing = json!({"spec": {"runtimeClassName": "x"}});
        assert_eq!(
            admit(&mut missing, None).unwrap_err().0,
            "pod rejected: RuntimeClass \"x\" not found"
        );
    }
}
