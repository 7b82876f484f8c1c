//! DefaultTolerationSeconds: a pod stays five minutes on a node that does not answer.

use serde_json::{Value, json};

use crate::value::{below, items, list, text};

const SECONDS: i64 = 300;
const TAINTS: [&str; 2] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
];

/// Adds what a pod does not say itself.
pub fn admit(pod: &mut Value) {
    for taint in TAINTS {
        let tolerated = items(pod, "/spec/tolerations").iter().any(|toleration| {
            let effect = text(toleration, "/effect");
            let key = text(toleration, "/key");
            (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        });
        if !tolerated {
            list(below(pod, "spec"), "tolerations").push(json!({
                "key": taint,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": SECONDS,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_says_itself_counts_and_twice_is_once() {
        let mut pod = json!({"spec": {"tolerations": [
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 5},
        ]}});
        admit(&mut pod);
        let once = pod.clone();
        admit(&mut pod);
        assert_eq!(pod, once);
        let tolerations = items(&pod, "/spec/tolerations");
        assert_eq!(tolerations.len(), 2);
        assert_eq!(tolerations[0]["tolerationSeconds"], 5);
        assert_eq!(tolerations[1]["key"], "node.kubernetes.io/unreachable");

        let mut tolerant = json!({"spec": {"tolerations": [{"operator": "Exists"}]}});
        admit(&mut tolerant);
        assert_eq!(items(&tolerant, "/spec/tolerations").len(), 1);
    }
}
