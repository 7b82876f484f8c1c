//! What controllers and kubelets report: the statuses that more than their counts are checked of.

use serde_json::Value;

use super::rules::{all_nonnegative, subdomain};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::value::{int, is_set, list, text};

const REASON_BYTES_MAX: usize = 1024;
const MESSAGE_BYTES_MAX: usize = 32 * 1024;
const STATUS: Path<'static> = Path::root("status");

pub(super) fn daemon_set(new: &Value, old: &Value, errors: &mut Errors) {
    let counts = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    all_nonnegative(&new["status"], &counts, &STATUS, errors);
    let collisions = int(&new["status"]["collisionCount"]);
    if collisions < int(&old["status"]["collisionCount"]) {
        let path = STATUS.child("collisionCount");
        errors.invalid(&path, collisions, "cannot be decremented");
    }
}

pub(super) fn autoscaler(new: &Value, errors: &mut Errors) {
    let counts = ["currentReplicas", "desiredReplicas"];
    all_nonnegative(&new["status"], &counts, &STATUS, errors);
}

pub(super) fn disruption_budget(new: &Value, errors: &mut Errors) {
    let counts = [
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
    ];
    conditions(&new["status"], errors);
    all_nonnegative(&new["status"], &counts, &STATUS, errors);
}

/// Conditions of the form that all newer kinds share (`meta/v1.Condition`).
pub(super) fn conditions(status: &Value, errors: &mut Errors) {
    conditions_at(&status["conditions"], &STATUS.child("conditions"), errors);
}

/// The same, wherever they stand.
pub(super) fn conditions_at(conditions: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (i, condition) in list(conditions).iter().enumerate() {
        let (kind, path) = (text(&condition["type"]), path.index(i));
        if seen.contains(&kind) {
            errors.duplicate(&path.child("type"), kind);
        }
        seen.push(kind);
        errors.each(&path.child("type"), kind, format::label_key(kind));
        let words = ["False", "True", "Unknown"];
        let state = text(&condition["status"]);
        if !words.contains(&state) {
            errors.not_supported(&path.child("status"), state, &words);
        }
        let generation = int(&condition["observedGeneration"]);
        if generation < 0 {
            let message = "must be greater than or equal to zero";
            errors.invalid(&path.child("observedGeneration"), generation, message);
        }
        if !is_set(&condition["lastTransitionTime"]) {
            errors.required(&path.child("lastTransitionTime"), "must be set");
        }
        reason(text(&condition["reason"]), &path.child("reason"), errors);
        if text(&condition["message"]).len() > MESSAGE_BYTES_MAX {
            errors.too_long(&path.child("message"), MESSAGE_BYTES_MAX);
        }
    }
}

fn reason(reason: &str, path: &Path<'_>, errors: &mut Errors) {
    if reason.is_empty() {
        return errors.required(path, "must be set");
    }
    let within = |c: char| c.is_ascii_alphanumeric() || "_,:".contains(c);
    let ends = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_one = reason.starts_with(|c: char| c.is_ascii_alphabetic())
        && reason.ends_with(ends)
        && reason.chars().all(within);
    if !is_one {
        let message = "a condition reason must start with alphabetic character, optionally \
                       followed by a string of alphanumeric characters or '_,:', and must end \
                       with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or \
                       'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for \
                       validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";
        errors.invalid(path, reason, message);
    }
    if reason.len() > REASON_BYTES_MAX {
        errors.too_long(path, REASON_BYTES_MAX);
    }
}

/// Where an Ingress or a Service of type `LoadBalancer` can be reached.
pub(super) fn load_balancer(object: &Value, kind: &str, errors: &mut Errors) {
    let points = &object["status"]["loadBalancer"]["ingress"];
    let balancer = STATUS.child("loadBalancer");
    let path = match kind {
        "Service" => STATUS.child("ingress"),
        _ => balancer.child("ingress"),
    };
    let is_balanced = kind != "Service" || object["spec"]["type"] == "LoadBalancer";
    if !is_balanced && !list(points).is_empty() {
        let message = "may only be used when `spec.type` is \"LoadBalancer\"";
        return errors.forbidden(&path, message);
    }
    for (i, point) in list(points).iter().enumerate() {
        let path = path.index(i);
        let (ip, host) = (text(&point["ip"]), text(&point["hostname"]));
        if !ip.is_empty() {
            errors.each(&path.child("ip"), ip, format::ip(ip));
        }
        if let Some(mode) = point["ipMode"].as_str() {
            let at = path.child("ipMode");
            if ip.is_empty() {
                errors.forbidden(&at, "may not be specified when `ip` is not set");
            } else if !["Proxy", "VIP"].contains(&mode) {
                errors.not_supported(&at, mode, &["Proxy", "VIP"]);
            }
        }
        if !host.is_empty() {
            let at = path.child("hostname");
            subdomain(host, &at, errors);
            if format::parse_ip(host).is_some() {
                errors.invalid(&at, host, "must be a DNS name, not an IP address");
            }
        }
    }
}

pub(super) fn pod(new: &Value, old: &Value, errors: &mut Errors) {
    if text(&new["spec"]["nodeName"]) != text(&old["spec"]["nodeName"]) {
        errors.forbidden(&STATUS.child("nodeName"), "may not be changed directly");
    }
    let nominated = text(&new["status"]["nominatedNodeName"]);
    if nominated != text(&old["status"]["nominatedNodeName"]) && !nominated.is_empty() {
        subdomain(nominated, &STATUS.child("nominatedNodeName"), errors);
    }
    let policy = text(&old["spec"]["restartPolicy"]);
    if policy == "Always" {
        return;
    }
    for (field, spec) in [
        ("containerStatuses", "containers"),
        ("initContainerStatuses", "initContainers"),
    ] {
        let statuses = list(&new["status"][field]);
        let path = STATUS.child(field);
        for (i, was) in list(&old["status"][field]).iter().enumerate() {
            let ended = &was["state"]["terminated"];
            let may_try_again = int(&ended["exitCode"]) != 0 && policy == "OnFailure";
            if !is_set(ended) || may_try_again || has_own_rules(&old["spec"][spec], was) {
                continue;
            }
            let runs =
                |is: &&Value| is["name"] == was["name"] && !is_set(&is["state"]["terminated"]);
            if statuses.iter().any(|is| runs(&is)) {
                let message = "may not be transitioned to non-terminated state";
                errors.forbidden(&path.index(i).child("state"), message);
            }
        }
    }
}

/// Whether a container says itself when it is to be started again.
fn has_own_rules(containers: &Value, status: &Value) -> bool {
    let mut named = list(containers).iter();
    named.any(|one| one["name"] == status["name"] && is_set(&one["restartPolicy"]))
}

#[cfg(test)]
mod tests {
    use crate::validate_update;
    use serde_json::{Value, json};

    fn texts(group: &str, kind: &str, new: &Value, old: &Value) -> Vec<String> {
        let errors = validate_update(group, kind, "status", new, old);
        errors.iter().map(ToString::to_string).collect()
    }

    fn with_status(spec: Value, status: Value) -> Value {
        json!({"metadata": {"name": "a", "namespace": "b", "resourceVersion": "1"},
            "spec": spec, "status": status})
    }

    #[test]
    fn a_container_that_ended_for_good_does_not_come_back() {
        let pod = |policy: &str, state: Value| {
            let spec = json!({"restartPolicy": policy, "containers": [{"name": "c"}]});
            let status = json!({"containerStatuses": [{"name": "c", "state": state}]});
            with_status(spec, status)
        };
        let ended = |code| json!({"terminated": {"exitCode": code}});
        let runs = json!({"running": {}});
        let found = |policy, code| {
            texts(
                "",
                "Pod",
                &pod(policy, runs.clone()),
                &pod(policy, ended(code)),
            )
        };
        assert_eq!(
            found("Never", 1),
            [
                "status.containerStatuses[0].state: Forbidden: may not be transitioned to \
                 non-terminated state"
            ]
        );
        assert_eq!(found("OnFailure", 0).len(), 1);
        assert_eq!(found("OnFailure", 1), [""; 0]);
        assert_eq!(found("Always", 0), [""; 0]);
    }

    #[test]
    fn a_condition_of_the_shared_form_is_complete() {
        let status = json!({"conditions": [
            {"type": "Ok", "status": "Maybe", "reason": "a b", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            {"type": "Ok", "status": "True"},
        ], "expectedPods": -1});
        let budget = with_status(json!({}), status);
        let found = texts("policy", "PodDisruptionBudget", &budget, &budget);
        let starts = [
            "status.conditions[0].status: Unsupported value: \"Maybe\": supported values: \"False\"",
            "status.conditions[0].reason: Invalid value: \"a b\": a condition reason must start",
            "status.conditions[1].type: Duplicate value: \"Ok\"",
            "status.conditions[1].lastTransitionTime: Required value: must be set",
            "status.conditions[1].reason: Required value: must be set",
            "status.expectedPods: Invalid value: -1: must be greater than or equal to 0",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
    }

    #[test]
    fn only_a_load_balancer_is_reached_from_outside() {
        let status =
            json!({"loadBalancer": {"ingress": [{"ip": "1.2.3"}, {"hostname": "1.2.3.4"}]}});
        let plain = with_status(json!({"type": "ClusterIP"}), status.clone());
        assert_eq!(
            texts("", "Service", &plain, &plain),
            ["status.ingress: Forbidden: may only be used when `spec.type` is \"LoadBalancer\""]
        );
        let ingress = with_status(json!({}), status);
        let found = texts("networking.k8s.io", "Ingress", &ingress, &ingress);
        assert!(
            found[0].starts_with("status.loadBalancer.ingress[0].ip: Invalid value: \"1.2.3\"")
        );
        assert_eq!(
            found[1],
            "status.loadBalancer.ingress[1].hostname: Invalid value: \"1.2.3.4\": must be a DNS \
             name, not an IP address"
        );
    }

    #[test]
    fn collisions_are_only_counted_up() {
        let of = |count| with_status(json!({}), json!({"collisionCount": count}));
        let found = texts("apps", "DaemonSet", &of(1), &of(2));
        let text = "status.collisionCount: Invalid value: 1: cannot be decremented";
        assert_eq!(found, [text]);
        assert_eq!(texts("apps", "DaemonSet", &of(3), &of(2)), [""; 0]);
    }
}
