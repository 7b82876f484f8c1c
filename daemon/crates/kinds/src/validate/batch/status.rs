//! What is said of a job while it runs and when it has ended.
//!
//! Somebody else's controller may say it (`managedBy`): an end does not come undone, and what is
//! said at the end fits together. Most of it is checked only where it has changed, as upstream
//! does, so that a status that was wrong before does not keep others from being written.

use serde_json::Value;

use super::super::rules::all_nonnegative;
use super::indexes;
use crate::error::{ErrorKind, Errors};
use crate::path::Path;
use crate::value::{int, is_set, is_true, len, list, same, text};

const STATUS: Path<'static> = Path::root("status");

/// Whether a condition of a job is true.
fn has(job: &Value, condition: &str) -> bool {
    let mut conditions = list(&job["status"]["conditions"]).iter();
    conditions.any(|one| one["type"] == condition && one["status"] == "True")
}

fn is_finished(job: &Value) -> bool {
    has(job, "Complete") || has(job, "Failed")
}

fn refuse(message: impl Into<String>, errors: &mut Errors) {
    let path = STATUS.child("conditions");
    errors.push(
        ErrorKind::InvalidUnshown,
        &path,
        Value::Null,
        message.into(),
    );
}

pub(in crate::validate) fn status(job: &Value, old: &Value, errors: &mut Errors) {
    let counts = ["active", "succeeded", "failed", "ready", "terminating"];
    all_nonnegative(&job["status"], &counts, &STATUS, errors);
    uncounted(&job["status"]["uncountedTerminatedPods"], errors);
    ends(job, old, errors);
    completed_at(job, old, errors);
    finished(job, old, errors);
    indexed(job, old, errors);
    succeeds(job, errors);
    steps(job, old, errors);
}

/// Pods that have ended are counted once.
fn uncounted(pods: &Value, errors: &mut Errors) {
    let path = STATUS.child("uncountedTerminatedPods");
    let mut seen = std::collections::HashSet::new();
    for field in ["succeeded", "failed"] {
        let path = path.child(field);
        for (i, uid) in list(&pods[field]).iter().map(text).enumerate() {
            if uid.is_empty() {
                errors.invalid(&path.index(i), uid, "must not be empty");
            } else if !seen.insert(uid) {
                errors.duplicate(&path.index(i), uid);
            }
        }
    }
}

/// It ends in one way.
fn ends(job: &Value, old: &Value, errors: &mut Errors) {
    let changed = |condition| has(job, condition) != has(old, condition);
    if !has(job, "Complete") {
        return;
    }
    for (condition, name) in [
        ("Failed", "Failed=true"),
        ("FailureTarget", "FailureTarget=true"),
    ] {
        if (changed("Complete") || changed(condition)) && has(job, condition) {
            refuse(
                format!("cannot set Complete=True and {name} conditions"),
                errors,
            );
        }
    }
}

fn completed_at(job: &Value, old: &Value, errors: &mut Errors) {
    let (status, before) = (&job["status"], &old["status"]);
    let path = STATUS.child("completionTime");
    let (time, start) = (&status["completionTime"], &status["startTime"]);
    let is_complete = has(job, "Complete");
    let moved = !same(time, &before["completionTime"]);
    if moved || is_complete != has(old, "Complete") {
        if is_set(time) && !is_complete {
            let message = "cannot set completionTime when there is no Complete=True condition";
            errors.invalid(&path, time.clone(), message);
        }
        if !is_set(time) && is_complete {
            errors.required(&path, "completionTime is required for Complete jobs");
        }
    }
    // Both are times of one form, which sort as they read.
    let is_early = is_set(time) && is_set(start) && text(time) < text(start);
    if is_early && (moved || !same(start, &before["startTime"])) {
        let message = "completionTime cannot be set before startTime";
        errors.invalid(&path, time.clone(), message);
    }
}

/// What has ended has begun, and nothing of it runs.
fn finished(job: &Value, old: &Value, errors: &mut Errors) {
    if !is_finished(job) {
        return;
    }
    let (status, before) = (&job["status"], &old["status"]);
    let ends_now = !is_finished(old);
    let changed = |field: &str| ends_now || !same(&status[field], &before[field]);
    let active = int(&status["active"]);
    if active > 0 && (ends_now || active != int(&before["active"])) {
        let message = "active>0 is invalid for finished job";
        errors.invalid(&STATUS.child("active"), active, message);
    }
    if !is_set(&status["startTime"]) && changed("startTime") {
        let message = "startTime is required for finished job";
        errors.required(&STATUS.child("startTime"), message);
    }
    let uncounted = &status["uncountedTerminatedPods"];
    let pods = len(&uncounted["failed"]) + len(&uncounted["succeeded"]);
    if pods > 0 && changed("uncountedTerminatedPods") {
        let message = "uncountedTerminatedPods needs to be empty for finished job";
        let path = STATUS.child("uncountedTerminatedPods");
        errors.invalid(&path, uncounted.clone(), message);
    }
}

fn indexed(job: &Value, old: &Value, errors: &mut Errors) {
    let (spec, status, before) = (&job["spec"], &job["status"], &old["status"]);
    let changed = |field: &str| text(&status[field]) != text(&before[field]);
    let (completed, failed) = (text(&status["completedIndexes"]), &status["failedIndexes"]);
    let at = [
        STATUS.child("completedIndexes"),
        STATUS.child("failedIndexes"),
    ];
    let completed_changed = changed("completedIndexes");
    let failed_changed =
        changed("failedIndexes") || is_set(failed) != is_set(&before["failedIndexes"]);
    let completions = spec["completions"].as_i64();
    let has_limits = is_set(&spec["backoffLimitPerIndex"]);
    for (text, path, name, is_checked) in [
        (completed, &at[0], "completedIndexes", completed_changed),
        (
            text(failed),
            &at[1],
            "failedIndexes",
            failed_changed && has_limits,
        ),
    ] {
        if let (Some(completions), true) = (completions, is_checked)
            && let Err(error) = indexes::count(text, completions)
        {
            errors.invalid(path, text, format!("error parsing {name}: {error}"));
        }
    }
    if completed_changed && !completed.is_empty() && spec["completionMode"] != "Indexed" {
        let message = "cannot set non-empty completedIndexes when non-indexed completion mode";
        errors.invalid(&at[0], completed, message);
    }
    let Some(failed) = failed.as_str() else {
        return;
    };
    if failed_changed && !has_limits {
        let message = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        errors.invalid(&at[1], failed, message);
    }
    if let (Some(completions), true) = (completions, failed_changed || completed_changed)
        && let Err(error) = indexes::apart(completed, failed, completions)
    {
        errors.invalid(&at[1], failed, error);
    }
}

/// Whoever meets the criteria of success does not fail.
fn succeeds(job: &Value, errors: &mut Errors) {
    let succeeds = has(job, "SuccessCriteriaMet");
    if succeeds && has(job, "Failed") {
        refuse(
            "cannot set SuccessCriteriaMet=True and Failed=true conditions",
            errors,
        );
    }
    if succeeds && has(job, "FailureTarget") {
        let message = "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions";
        refuse(message, errors);
    }
    if !succeeds && has(job, "Complete") && is_set(&job["spec"]["successPolicy"]) {
        let message =
            "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        refuse(message, errors);
    }
}

/// What does not come undone.
fn steps(job: &Value, old: &Value, errors: &mut Errors) {
    let (spec, status, before) = (&job["spec"], &job["status"], &old["status"]);
    for condition in ["Failed", "Complete", "FailureTarget"] {
        if has(old, condition) && !has(job, condition) {
            refuse(
                format!("cannot disable the terminal {condition}=True condition"),
                errors,
            );
        }
    }
    let is_elastic = spec["completionMode"] == "Indexed"
        && int(&spec["completions"]) == int(&spec["parallelism"]);
    for (field, may_fall) in [("failed", false), ("succeeded", is_elastic)] {
        let count = int(&status[field]);
        if !may_fall && count < int(&before[field]) {
            let message = format!("cannot decrease the {field} counter");
            errors.invalid(&STATUS.child(field), count, message);
        }
    }
    let (time, was) = (&status["completionTime"], &before["completionTime"]);
    if is_set(time) && is_set(was) && time != was {
        let path = STATUS.child("completionTime");
        errors.invalid(&path, time.clone(), "completionTime cannot be mutated");
    }
    let (start, was) = (&status["startTime"], &before["startTime"]);
    if is_set(was) && start != was && !is_true(&spec["suspend"]) {
        let message = "startTime cannot be removed for unsuspended job";
        errors.required(&STATUS.child("startTime"), message);
    }
    let (now, was) = (
        has(job, "SuccessCriteriaMet"),
        has(old, "SuccessCriteriaMet"),
    );
    if was && !now {
        refuse(
            "cannot disable the SuccessCriteriaMet=True condition",
            errors,
        );
    }
    if has(old, "Complete") && !was && now {
        let message =
            "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        refuse(message, errors);
    }
}

#[cfg(test)]
mod tests {
    use crate::error::summary;
    use crate::validate::validate_update;
    use serde_json::{Value, json};

    fn job(status: Value) -> Value {
        json!({"metadata": {"name": "j", "namespace": "n", "uid": "u", "resourceVersion": "1"},
            "spec": {"completions": 5, "parallelism": 2, "completionMode": "NonIndexed"},
            "status": status})
    }

    fn says(old: Value, new: Value) -> String {
        summary(&validate_update(
            "batch",
            "Job",
            "status",
            &job(new),
            &job(old),
        ))
    }

    fn is(condition: &str) -> Value {
        json!({"type": condition, "status": "True"})
    }

    const START: &str = "2026-01-01T00:00:00Z";
    const END: &str = "2026-01-01T00:01:00Z";

    #[test]
    fn a_job_that_runs_and_ends_is_left_alone() {
        let runs = json!({"startTime": START, "active": 2, "failed": 1});
        let ends = json!({"startTime": START, "completionTime": END, "failed": 1, "succeeded": 5,
            "conditions": [is("SuccessCriteriaMet"), is("Complete")]});
        assert_eq!(says(json!({}), runs.clone()), "[]");
        assert_eq!(says(runs, ends.clone()), "[]");
        assert_eq!(says(ends.clone(), ends), "[]");
    }

    #[test]
    fn an_end_fits_together_and_does_not_come_undone() {
        let both = json!({"active": 1, "conditions": [is("Complete"), is("Failed")]});
        assert_eq!(
            says(json!({}), both),
            "[status.conditions: Invalid value: cannot set Complete=True and Failed=true \
             conditions, status.completionTime: Required value: completionTime is required for \
             Complete jobs, status.active: Invalid value: 1: active>0 is invalid for finished \
             job, status.startTime: Required value: startTime is required for finished job]"
        );
        let failed = json!({"startTime": START, "failed": 2, "conditions": [is("Failed")]});
        assert_eq!(
            says(failed, json!({"startTime": START, "failed": 1})),
            "[status.conditions: Invalid value: cannot disable the terminal Failed=True \
             condition, status.failed: Invalid value: 1: cannot decrease the failed counter]"
        );
        assert_eq!(
            says(json!({"startTime": END}), json!({})),
            "status.startTime: Required value: startTime cannot be removed for unsuspended job"
        );
    }

    #[test]
    fn indexes_belong_to_jobs_that_have_them() {
        assert_eq!(
            says(
                json!({}),
                json!({"completedIndexes": "0,9", "failedIndexes": "1"})
            ),
            "[status.completedIndexes: Invalid value: \"0,9\": error parsing completedIndexes: \
             too large index: \"9\", status.completedIndexes: Invalid value: \"0,9\": cannot set \
             non-empty completedIndexes when non-indexed completion mode, status.failedIndexes: \
             Invalid value: \"1\": cannot set non-null failedIndexes when backoffLimitPerIndex is \
             null]"
        );
    }
}
