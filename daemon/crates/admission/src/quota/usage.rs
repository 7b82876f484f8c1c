//! What one object uses.

use serde_json::Value;
use skerry_kinds::quantity::Quantity;

use super::{Amounts, add, amounts};
use crate::value::{items, text};

/// Kinds of the core group that are also counted under their bare name.
const PLAIN: [&str; 4] = [
    "configmaps",
    "secrets",
    "replicationcontrollers",
    "resourcequotas",
];

/// What an object of a resource uses. `is_over`: a pod whose time to end has passed, though nobody
/// has said that it did.
#[must_use]
pub fn usage(group: &str, plural: &str, object: &Value, is_over: bool) -> Amounts {
    let mut used = Amounts::new();
    let one = Quantity::whole(1);
    let counted = match group {
        "" => format!("count/{plural}"),
        group => format!("count/{plural}.{group}"),
    };
    used.insert(counted, one);
    match (group, plural) {
        ("", "pods") if !is_over && !has_ended(object) => pod(object, &mut used),
        ("", "pods") => {}
        ("", "services") => service(object, &mut used),
        ("", "persistentvolumeclaims") => claim(object, &mut used),
        ("", plural) if PLAIN.contains(&plural) => _ = used.insert(plural.to_owned(), one),
        _ => {}
    }
    used
}

fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Failed" | "Succeeded")
}

fn pod(pod: &Value, used: &mut Amounts) {
    used.insert("pods".to_owned(), Quantity::whole(1));
    for (name, amount) in whole(pod, "requests") {
        match name.as_str() {
            "cpu" | "memory" | "ephemeral-storage" => {
                used.insert(format!("requests.{name}"), amount);
                used.insert(name, amount);
            }
            page if page.starts_with("hugepages-") => {
                used.insert(format!("requests.{name}"), amount);
                used.insert(name, amount);
            }
            extended if extended.contains('/') => {
                used.insert(format!("requests.{name}"), amount);
            }
            _ => {}
        }
    }
    for (name, amount) in whole(pod, "limits") {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            used.insert(format!("limits.{name}"), amount);
        }
    }
}

/// What all containers of a pod need at once. Init containers run one after the other, but for
/// those that always restart: they stay.
fn whole(pod: &Value, kind: &str) -> Amounts {
    let path = format!("/resources/{kind}");
    let mut all = Amounts::new();
    for container in items(pod, "/spec/containers") {
        add(&mut all, &amounts(container, &path));
    }
    let (mut staying, mut peak) = (Amounts::new(), Amounts::new());
    for container in items(pod, "/spec/initContainers") {
        let mut needs = amounts(container, &path);
        if text(container, "/restartPolicy") == "Always" {
            add(&mut all, &needs);
            add(&mut staying, &needs);
            needs.clone_from(&staying);
        } else {
            add(&mut needs, &staying);
        }
        larger(&mut peak, &needs);
    }
    larger(&mut all, &peak);
    // What the whole pod says counts instead of its containers.
    for (name, amount) in amounts(pod, &format!("/spec/resources/{kind}")) {
        all.insert(name, amount);
    }
    let overhead = amounts(pod, "/spec/overhead");
    match kind {
        "requests" => add(&mut all, &overhead),
        // A limit that nobody has set stays none.
        _ => {
            let known = super::masked(&overhead, &all);
            add(&mut all, &known);
        }
    }
    all
}

fn larger(a: &mut Amounts, b: &Amounts) {
    for (name, amount) in b {
        let before = a.get(name).copied().unwrap_or(Quantity::ZERO);
        a.insert(name.clone(), before.max(*amount));
    }
}

fn service(service: &Value, used: &mut Amounts) {
    let spec = service.get("spec").unwrap_or(&Value::Null);
    let (mut ports, mut balancers) = (0, 0);
    let listed = i64::try_from(items(spec, "/ports").len()).unwrap_or(i64::MAX);
    match text(spec, "/type") {
        "NodePort" => ports = listed,
        "LoadBalancer" => {
            balancers = 1;
            if spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)) {
                ports = listed;
            }
        }
        _ => {}
    }
    for (name, amount) in [
        ("services", 1),
        ("services.nodeports", ports),
        ("services.loadbalancers", balancers),
    ] {
        used.insert(name.to_owned(), Quantity::whole(amount));
    }
}

fn claim(claim: &Value, used: &mut Amounts) {
    let class = text(claim, "/spec/storageClassName");
    let size = claim.pointer("/spec/resources/requests/storage");
    let size = size.and_then(|size| Quantity::of(size).ok());
    let mut put = |name: &str, amount: Quantity| {
        used.insert(name.to_owned(), amount);
        if !class.is_empty() {
            used.insert(
                format!("{class}.storageclass.storage.k8s.io/{name}"),
                amount,
            );
        }
    };
    put("persistentvolumeclaims", Quantity::whole(1));
    if let Some(size) = size {
        put("requests.storage", size);
    }
}

#[cfg(test)]
mod tests {
    use super::super::to_value;
    use super::*;
    use serde_json::json;

    fn of(group: &str, plural: &str, object: Value) -> Value {
        to_value(&usage(group, plural, &object, false))
    }

    #[test]
    fn a_pod_uses_what_its_containers_ask_for() {
        let pod = json!({"spec": {
            "containers": [
                {"resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1"}}},
                {"resources": {"requests": {"cpu": "200m"}}},
            ],
            "initContainers": [{"resources": {"requests": {"cpu": "1"}}}],
            "overhead": {"memory": "1Gi"},
        }});
        assert_eq!(
            of("", "pods", pod.clone()),
            json!({
                "count/pods": "1", "pods": "1", "cpu": "1", "requests.cpu": "1",
                "memory": "2Gi", "requests.memory": "2Gi", "limits.cpu": "1",
            })
        );
        let mut ended = pod;
        ended["status"] = json!({"phase": "Succeeded"});
        assert_eq!(of("", "pods", ended), json!({"count/pods": "1"}));
    }

    #[test]
    fn services_claims_and_others_are_counted() {
        let service = json!({"spec": {"type": "LoadBalancer", "ports": [{}, {}]}});
        assert_eq!(
            of("", "services", service),
            json!({"count/services": "1", "services": "1", "services.nodeports": "2", "services.loadbalancers": "1"})
        );
        let claim = json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "5Gi"}}}});
        assert_eq!(
            of("", "persistentvolumeclaims", claim)["gold.storageclass.storage.k8s.io/requests.storage"],
            "5Gi"
        );
        assert_eq!(
            of("apps", "deployments", json!({})),
            json!({"count/deployments.apps": "1"})
        );
        assert_eq!(
            of("", "secrets", json!({})),
            json!({"count/secrets": "1", "secrets": "1"})
        );
    }

    #[test]
    fn odd_shapes_use_little() {
        for object in [
            json!(null),
            json!({"spec": []}),
            json!({"spec": {"containers": "x", "overhead": 3}}),
        ] {
            assert_eq!(of("", "pods", object)["pods"], "1");
        }
    }
}
