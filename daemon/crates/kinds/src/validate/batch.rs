//! Jobs: what they run, how often at once, and what may change.

mod cron_job;
mod indexes;
mod policies;
mod status;

pub(super) use cron_job::cron_job;
pub(super) use status::status;

use serde_json::Value;

use super::pod;
use super::rules::{all_nonnegative, choice_if_set, domain_prefixed_path};
use crate::error::Errors;
use crate::format;
use crate::limits::INDEXED_COMPLETIONS_MAX;
use crate::path::Path;
use crate::selector;
use crate::value::{int, is_set, is_true, text};
use policies::{failure_policy, success_policy};

const PARALLELISM_MAX: i64 = 100_000;
const FAILED_INDEXES_MAX: i64 = 100_000;
/// Above `INDEXED_COMPLETIONS_MAX` completions.
const PARALLELISM_OF_MANY_MAX: i64 = 10_000;
const FAILED_INDEXES_OF_MANY_MAX: i64 = 10_000;
const MANAGED_BY_BYTES_MAX: usize = 63;

pub(super) fn job(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    if old.is_none() {
        generated_labels(object, errors);
    }
    job_spec(spec, &path, errors);
    let at = path.child("selector");
    if is_set(&spec["selector"]) {
        selector::validate(&spec["selector"], &at, errors);
    } else {
        errors.required(&at, "");
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if selector::requirements(&spec["selector"]).is_some()
        && !selector::matches(&spec["selector"], labels)
    {
        let template = path.child("template");
        let metadata = template.child("metadata");
        let message = "`selector` does not match template `labels`";
        errors.invalid(&metadata.child("labels"), labels.clone(), message);
    }
    match old {
        Some(old) => job_update(object, old, errors),
        None => indexed_hostname(object, errors),
    }
}

/// The labels by which a job finds its pods must be those that it was given.
fn generated_labels(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    if is_true(&spec["manualSelector"]) || !is_set(&spec["selector"]) {
        return;
    }
    let path = Path::root("spec");
    let template = path.child("template");
    let metadata = template.child("metadata");
    let labels_path = metadata.child("labels");
    let labels = &spec["template"]["metadata"]["labels"];
    let (uid, name) = (
        text(&object["metadata"]["uid"]),
        text(&object["metadata"]["name"]),
    );
    if uid.is_empty() {
        let metadata = Path::root("metadata");
        errors.required(&metadata.child("uid"), "");
    }
    let expected = [
        ("controller-uid", uid),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
    ];
    for (key, value) in expected {
        let message = format!("must be '{value}'");
        match labels[key].as_str() {
            None => errors.required(&labels_path.key(key), message),
            Some(found) if found != value => {
                errors.invalid(&labels_path.key(key), labels.clone(), message);
            }
            Some(_) => {}
        }
    }
    let expected = expected
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    if !selector::matches(&spec["selector"], &expected) {
        let message = "`selector` not auto-generated";
        errors.invalid(&path.child("selector"), spec["selector"].clone(), message);
    }
}

/// The pods of an indexed job are named by their index, and each name must be one.
fn indexed_hostname(object: &Value, errors: &mut Errors) {
    let completions = int(&object["spec"]["completions"]);
    if object["spec"]["completionMode"] != "Indexed" || completions <= 0 {
        return;
    }
    let name = text(&object["metadata"]["name"]);
    let hostname = format!("{name}-{}", completions - 1);
    if !format::dns_label(&hostname).is_empty() {
        let message = format!("will not able to create pod with invalid DNS label: {hostname}");
        let metadata = Path::root("metadata");
        errors.invalid(&metadata.child("name"), name, message);
    }
}

fn job_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    all_nonnegative(spec, &counts, path, errors);
    if is_set(&spec["maxFailedIndexes"]) && !is_set(&spec["backoffLimitPerIndex"]) {
        let message = "when maxFailedIndexes is specified";
        errors.required(&path.child("backoffLimitPerIndex"), message);
    }
    if let Some(manager) = spec["managedBy"].as_str() {
        let path = path.child("managedBy");
        domain_prefixed_path(manager, &path, errors);
        if manager.len() > MANAGED_BY_BYTES_MAX {
            errors.too_long(&path, MANAGED_BY_BYTES_MAX);
        }
    }
    let mode = &spec["completionMode"];
    let mode_path = path.child("completionMode");
    choice_if_set(mode, &["NonIndexed", "Indexed"], &mode_path, errors);
    if mode == "Indexed" {
        indexed(spec, path, errors);
    } else if !is_set(mode) || mode == "NonIndexed" {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(count) = spec[field].as_i64() {
                errors.invalid(
                    &path.child(field),
                    count,
                    "requires indexed completion mode",
                );
            }
        }
    }
    if is_set(&spec["podFailurePolicy"]) {
        failure_policy(spec, &path.child("podFailurePolicy"), errors);
    }
    if is_set(&spec["successPolicy"]) {
        success_policy(spec, &path.child("successPolicy"), errors);
    }
    let replacement = path.child("podReplacementPolicy");
    let words: &[&str] = match is_set(&spec["podFailurePolicy"]) {
        true => &["Failed"],
        false => &["Failed", "TerminatingOrFailed"],
    };
    choice_if_set(&spec["podReplacementPolicy"], words, &replacement, errors);
    let template = path.child("template");
    pod::template(&spec["template"], &template, errors);
    let template_spec = template.child("spec");
    let restart_path = template_spec.child("restartPolicy");
    match text(&spec["template"]["spec"]["restartPolicy"]) {
        "" | "Always" => {
            errors.required(&restart_path, "valid values: \"OnFailure\", \"Never\"");
        }
        "OnFailure" if is_set(&spec["podFailurePolicy"]) => {
            let message = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.invalid(&restart_path, "OnFailure", message);
        }
        "OnFailure" | "Never" => {}
        other => errors.not_supported(&restart_path, other, &["OnFailure", "Never"]),
    }
}

fn indexed(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let number = |field: &str| spec[field].as_i64();
    let (completions, parallelism) = (number("completions"), number("parallelism"));
    let failed = number("maxFailedIndexes");
    let failed_path = path.child("maxFailedIndexes");
    let parallelism_path = path.child("parallelism");
    if completions.is_none() {
        let message = "when completion mode is Indexed";
        errors.required(&path.child("completions"), message);
    }
    if let Some(parallelism) = parallelism.filter(|count| *count > PARALLELISM_MAX) {
        let message = format!(
            "must be less than or equal to {PARALLELISM_MAX} when completion mode is Indexed"
        );
        errors.invalid(&parallelism_path, parallelism, message);
    }
    if let (Some(completions), Some(failed)) = (completions, failed)
        && failed > completions
    {
        let message = "must be less than or equal to completions";
        errors.invalid(&failed_path, failed, message);
    }
    if let Some(failed) = failed.filter(|count| *count > FAILED_INDEXES_MAX) {
        let message = format!("must be less than or equal to {FAILED_INDEXES_MAX}");
        errors.invalid(&failed_path, failed, message);
    }
    let has_many = completions.is_some_and(|count| count > INDEXED_COMPLETIONS_MAX);
    if !has_many || !is_set(&spec["backoffLimitPerIndex"]) {
        return;
    }
    if failed.is_none() {
        let message =
            format!("must be specified when completions is above {INDEXED_COMPLETIONS_MAX}");
        errors.required(&failed_path, message);
    }
    for (path, count, count_max) in [
        (&parallelism_path, parallelism, PARALLELISM_OF_MANY_MAX),
        (&failed_path, failed, FAILED_INDEXES_OF_MANY_MAX),
    ] {
        if let Some(count) = count.filter(|count| *count > count_max) {
            let message = format!(
                "must be less than or equal to {count_max} when completions are above \
                 {INDEXED_COMPLETIONS_MAX} and used with backoff limit per index"
            );
            errors.invalid(path, count, message);
        }
    }
}

fn job_update(object: &Value, old_object: &Value, errors: &mut Errors) {
    let (spec, old) = (&object["spec"], &old_object["spec"]);
    let path = Path::root("spec");
    let completions = path.child("completions");
    let is_elastic = spec["completionMode"] == "Indexed";
    if !is_elastic {
        errors.immutable(&completions, &spec["completions"], &old["completions"]);
    } else if spec["completions"] != old["completions"]
        && is_set(&spec["completions"])
        && spec["completions"] != spec["parallelism"]
    {
        let message = "can only be modified in tandem with spec.parallelism";
        errors.invalid(&completions, spec["completions"].clone(), message);
    }
    errors.immutable(&path.child("selector"), &spec["selector"], &old["selector"]);
    let is_waiting = is_true(&old["suspend"]) && !is_set(&old_object["status"]["startTime"]);
    let (mut after, mut before) = (spec["template"].clone(), old["template"].clone());
    if is_waiting {
        forget_directives(&mut after);
        forget_directives(&mut before);
    }
    if !crate::value::same(&after, &before) {
        let template = spec["template"].clone();
        errors.invalid(&path.child("template"), template, "field is immutable");
    }
    for field in [
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        errors.immutable(&path.child(field), &spec[field], &old[field]);
    }
}

/// Where its pods may run can still be said of a job that has not begun, and what they need.
fn forget_directives(template: &mut Value) {
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("labels");
        metadata.remove("annotations");
    }
    let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    for field in ["nodeSelector", "tolerations", "schedulingGates"] {
        spec.remove(field);
    }
    if let Some(affinity) = spec.get_mut("affinity").and_then(Value::as_object_mut) {
        affinity.remove("nodeAffinity");
    }
    for field in ["containers", "initContainers"] {
        let containers = spec.get_mut(field).and_then(Value::as_array_mut);
        for container in containers
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            container.remove("resources");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::strategy::prepare_create;
    use crate::validate::{validate_create, validate_update};
    use serde_json::json;

    fn job_with(change: impl FnOnce(&mut Value)) -> Value {
        let mut object = json!({
            "metadata": {"name": "j", "namespace": "n", "uid": "u", "resourceVersion": "1"},
            "spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}},
        });
        change(&mut object);
        set_defaults("batch", "Job", &mut object);
        prepare_create("batch", "Job", &mut object);
        object
    }

    fn created(change: impl FnOnce(&mut Value)) -> String {
        summary(&validate_create("batch", "Job", true, &job_with(change)))
    }

    #[test]
    fn a_job_ends() {
        assert_eq!(created(|_| {}), "[]");
        assert_eq!(
            created(|job| job["spec"]["template"]["spec"]["restartPolicy"] = json!("Always")),
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \
             \"Never\""
        );
        assert_eq!(
            created(|job| job["spec"]["completionMode"] = json!("Indexed")),
            "[]"
        );
        assert_eq!(
            created(|job| job["spec"]["backoffLimitPerIndex"] = json!(1)),
            "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"
        );
    }

    #[test]
    fn a_job_finds_its_pods_by_what_it_was_given() {
        assert_eq!(
            created(|job| job["spec"]["selector"] = json!({"matchLabels": {"a": "b"}})),
            "[spec.selector: Invalid value: \
             {\"matchLabels\":{\"a\":\"b\",\"batch.kubernetes.io/controller-uid\":\"u\"}}: \
             `selector` not auto-generated, spec.template.metadata.labels: Invalid value: \
             {\"batch.kubernetes.io/controller-uid\":\"u\",\"batch.kubernetes.io/job-name\":\"j\",\
             \"controller-uid\":\"u\",\"job-name\":\"j\"}: `selector` does not match template \
             `labels`]"
        );
    }

    #[test]
    fn the_template_of_a_job_stays() {
        let old = job_with(|_| {});
        let mut new = old.clone();
        new["spec"]["template"]["spec"]["containers"][0]["image"] = json!("y");
        let text = summary(&validate_update("batch", "Job", "", &new, &old));
        assert!(
            text.starts_with("spec.template: Invalid value: {"),
            "{text}"
        );
        assert!(text.ends_with(": field is immutable"), "{text}");
        let mut new = old.clone();
        new["spec"]["parallelism"] = json!(5);
        assert_eq!(
            summary(&validate_update("batch", "Job", "", &new, &old)),
            "[]"
        );
    }
}
