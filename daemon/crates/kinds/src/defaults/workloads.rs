//! Defaults of what keeps pods running.

use serde_json::{Value, json};

use super::pod::{claim_spec, template};
use super::{amount, child, each, fill, fill_text, made, set};
use crate::value::{is_set, len, list, text};

const REVISIONS_KEPT: i64 = 10;
const PROGRESS_SECONDS: i64 = 600;
const BACKOFF_LIMIT: i64 = 6;

pub(super) fn deployment(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    fill(spec, "replicas", json!(1));
    fill(spec, "revisionHistoryLimit", json!(REVISIONS_KEPT));
    fill(spec, "progressDeadlineSeconds", json!(PROGRESS_SECONDS));
    if let Some(strategy) = made(spec, "strategy") {
        fill_text(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = made(strategy, "rollingUpdate")
        {
            fill(rolling, "maxUnavailable", json!("25%"));
            fill(rolling, "maxSurge", json!("25%"));
        }
    }
    template(spec, "template");
}

pub(super) fn replica_set(object: &mut Value) {
    if let Some(spec) = made(object, "spec") {
        fill(spec, "replicas", json!(1));
        template(spec, "template");
    }
}

/// Its selector and labels are those of its template, unless it says others.
pub(super) fn replication_controller(object: &mut Value) {
    let labels = object["spec"]["template"]["metadata"]["labels"].clone();
    if len(&labels) > 0 {
        if len(&object["metadata"]["labels"]) == 0
            && let Some(metadata) = child(object, "metadata")
        {
            set(metadata, "labels", labels.clone());
        }
        if len(&object["spec"]["selector"]) == 0
            && let Some(spec) = child(object, "spec")
        {
            set(spec, "selector", labels);
        }
    }
    if let Some(spec) = made(object, "spec") {
        fill(spec, "replicas", json!(1));
        if is_set(&spec["template"]) {
            template(spec, "template");
        }
    }
}

pub(super) fn stateful_set(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    fill_text(spec, "podManagementPolicy", "OrderedReady");
    if let Some(strategy) = made(spec, "updateStrategy") {
        fill_text(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = made(strategy, "rollingUpdate")
        {
            fill(rolling, "partition", json!(0));
        }
    }
    if let Some(policy) = made(spec, "persistentVolumeClaimRetentionPolicy") {
        fill_text(policy, "whenDeleted", "Retain");
        fill_text(policy, "whenScaled", "Retain");
    }
    fill(spec, "replicas", json!(1));
    fill(spec, "revisionHistoryLimit", json!(REVISIONS_KEPT));
    for claim in each(spec, "volumeClaimTemplates") {
        set(claim, "apiVersion", json!("v1"));
        set(claim, "kind", json!("PersistentVolumeClaim"));
        if let Some(spec) = made(claim, "spec") {
            claim_spec(spec);
        }
        if let Some(status) = made(claim, "status") {
            fill_text(status, "phase", "Pending");
        }
    }
    template(spec, "template");
}

pub(super) fn daemon_set(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    if let Some(strategy) = made(spec, "updateStrategy") {
        fill_text(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = made(strategy, "rollingUpdate")
        {
            fill(rolling, "maxUnavailable", json!(1));
            fill(rolling, "maxSurge", json!(0));
        }
    }
    fill(spec, "revisionHistoryLimit", json!(REVISIONS_KEPT));
    template(spec, "template");
}

/// A job without labels has those of its template.
pub(crate) fn job_labels(object: &mut Value) {
    let labels = object["spec"]["template"]["metadata"]["labels"].clone();
    if len(&labels) > 0
        && len(&object["metadata"]["labels"]) == 0
        && let Some(metadata) = child(object, "metadata")
    {
        set(metadata, "labels", labels);
    }
}

pub(super) fn job(object: &mut Value) {
    job_labels(object);
    let Some(spec) = made(object, "spec") else {
        return;
    };
    if !is_set(&spec["completions"]) && !is_set(&spec["parallelism"]) {
        fill(spec, "completions", json!(1));
    }
    fill(spec, "parallelism", json!(1));
    let backoff_limit = match is_set(&spec["backoffLimitPerIndex"]) {
        true => i64::from(i32::MAX),
        false => BACKOFF_LIMIT,
    };
    fill(spec, "backoffLimit", json!(backoff_limit));
    fill(spec, "completionMode", json!("NonIndexed"));
    fill(spec, "suspend", json!(false));
    let replacement = match is_set(&spec["podFailurePolicy"]) {
        true => "Failed",
        false => "TerminatingOrFailed",
    };
    fill(spec, "podReplacementPolicy", json!(replacement));
    fill(spec, "manualSelector", json!(false));
    failure_policy(spec);
    template(spec, "template");
}

fn failure_policy(spec: &mut Value) {
    if let Some(policy) = child(spec, "podFailurePolicy") {
        for rule in each(policy, "rules") {
            for pattern in each(rule, "onPodConditions") {
                fill_text(pattern, "status", "True");
            }
        }
    }
}

pub(super) fn cron_job(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    fill_text(spec, "concurrencyPolicy", "Allow");
    fill(spec, "suspend", json!(false));
    fill(spec, "successfulJobsHistoryLimit", json!(3));
    fill(spec, "failedJobsHistoryLimit", json!(1));
    if let Some(job) = made(spec, "jobTemplate").and_then(|job| made(job, "spec")) {
        failure_policy(job);
        template(job, "template");
    }
}

/// The older version has no list of metrics, and none is added to it.
pub(super) fn autoscaler(object: &mut Value) {
    let is_v1 = text(&object["apiVersion"]) == "autoscaling/v1";
    let Some(spec) = made(object, "spec") else {
        return;
    };
    fill(spec, "minReplicas", json!(1));
    if is_v1 {
        return;
    }
    if len(&spec["metrics"]) == 0 {
        let cpu =
            json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}});
        set(
            spec,
            "metrics",
            json!([{"type": "Resource", "resource": cpu}]),
        );
    }
    for metric in each(spec, "metrics") {
        for source in [
            "resource",
            "containerResource",
            "pods",
            "object",
            "external",
        ] {
            if let Some(target) = child(metric, source).and_then(|s| child(s, "target")) {
                amount(target, "value");
                amount(target, "averageValue");
            }
        }
    }
    if let Some(behavior) = child(spec, "behavior") {
        let policy =
            |kind: &str, value: i64| json!({"type": kind, "value": value, "periodSeconds": 15});
        if let Some(up) = made(behavior, "scaleUp") {
            fill(up, "stabilizationWindowSeconds", json!(0));
            let policies = json!([policy("Pods", 4), policy("Percent", 100)]);
            scaling_rules(up, policies);
        }
        if let Some(down) = made(behavior, "scaleDown") {
            scaling_rules(down, json!([policy("Percent", 100)]));
        }
    }
}

fn scaling_rules(rules: &mut Value, policies: Value) {
    fill(rules, "selectPolicy", json!("Max"));
    if list(&rules["policies"]).is_empty() {
        fill(rules, "policies", policies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;

    fn spec_of(group: &str, kind: &str, spec: Value) -> Value {
        let mut object = json!({"metadata": {"name": "a"}, "spec": spec});
        set_defaults(group, kind, &mut object);
        let mut spec = object["spec"].take();
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("template");
        }
        spec
    }

    #[test]
    fn a_deployment_rolls_a_quarter_at_a_time() {
        assert_eq!(
            spec_of("apps", "Deployment", json!({})),
            json!({
                "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            })
        );
        assert_eq!(
            spec_of(
                "apps",
                "Deployment",
                json!({"strategy": {"type": "Recreate"}})
            )["strategy"],
            json!({"type": "Recreate"})
        );
    }

    #[test]
    fn sets_have_their_strategies() {
        assert_eq!(
            spec_of("apps", "DaemonSet", json!({})),
            json!({
                "revisionHistoryLimit": 10,
                "updateStrategy": {"type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            })
        );
        assert_eq!(
            spec_of(
                "apps",
                "StatefulSet",
                json!({"volumeClaimTemplates": [
                {"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": "1024Mi"}}}}]})
            ),
            json!({
                "podManagementPolicy": "OrderedReady", "replicas": 1, "revisionHistoryLimit": 10,
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "volumeClaimTemplates": [{
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"},
                    "spec": {"resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"},
                    "status": {"phase": "Pending"}}],
            })
        );
    }

    #[test]
    fn a_job_runs_once_unless_it_says_how_many_at_a_time() {
        assert_eq!(
            spec_of("batch", "Job", json!({})),
            json!({
                "backoffLimit": 6, "completionMode": "NonIndexed", "completions": 1,
                "manualSelector": false, "parallelism": 1,
                "podReplacementPolicy": "TerminatingOrFailed", "suspend": false,
            })
        );
        let parallel = spec_of("batch", "Job", json!({"parallelism": 3}));
        assert_eq!(parallel["completions"], Value::Null);
        let cron = spec_of("batch", "CronJob", json!({"schedule": "* * * * *"}));
        assert_eq!(cron["concurrencyPolicy"], "Allow");
        assert_eq!(cron["jobTemplate"]["spec"]["completions"], Value::Null);
        assert_eq!(
            cron["jobTemplate"]["spec"]["template"]["spec"]["dnsPolicy"],
            "ClusterFirst"
        );
    }

    #[test]
    fn an_autoscaler_aims_at_four_fifths_of_the_cpu() {
        let spec = spec_of(
            "autoscaling",
            "HorizontalPodAutoscaler",
            json!({"behavior": {}}),
        );
        assert_eq!(
            spec,
            json!({
                "minReplicas": 1,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 80}}}],
                "behavior": {
                    "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
                        {"type": "Pods", "value": 4, "periodSeconds": 15},
                        {"type": "Percent", "value": 100, "periodSeconds": 15}]},
                    "scaleDown": {"selectPolicy": "Max", "policies": [
                        {"type": "Percent", "value": 100, "periodSeconds": 15}]}},
            })
        );
    }
}
