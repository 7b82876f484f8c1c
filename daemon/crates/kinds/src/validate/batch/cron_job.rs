//! What starts jobs on time.

use serde_json::Value;

use super::super::cron;
use super::super::rules::{all_nonnegative, choice, nonnegative};
use super::job_spec;
use crate::error::Errors;
use crate::limits::CRON_JOB_NAME_BYTES_MAX;
use crate::path::Path;
use crate::value::{entries, is_set, is_true, len, text};

pub(in crate::validate) fn cron_job(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    schedule(spec, old, &path, errors);
    let deadline = path.child("startingDeadlineSeconds");
    nonnegative(&spec["startingDeadlineSeconds"], &deadline, errors);
    time_zone(spec, &path.child("timeZone"), errors);
    let policies = ["Allow", "Forbid", "Replace"];
    choice(
        &spec["concurrencyPolicy"],
        &policies,
        &path.child("concurrencyPolicy"),
        errors,
    );
    let template = path.child("jobTemplate");
    let job_path = template.child("spec");
    let job = &spec["jobTemplate"]["spec"];
    job_spec(job, &job_path, errors);
    if len(&job["selector"]) > 0 || entries(&job["selector"]).next().is_some() {
        let message = "`selector` will be auto-generated";
        errors.invalid(
            &job_path.child("selector"),
            job["selector"].clone(),
            message,
        );
    }
    if is_true(&job["manualSelector"]) {
        errors.not_supported(&job_path.child("manualSelector"), true, &["nil", "false"]);
    }
    let limits = ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"];
    all_nonnegative(spec, &limits, &path, errors);
    let name = text(&object["metadata"]["name"]);
    if old.is_none() && name.len() > CRON_JOB_NAME_BYTES_MAX {
        let metadata = Path::root("metadata");
        let message = format!("must be no more than {CRON_JOB_NAME_BYTES_MAX} characters");
        errors.invalid(&metadata.child("name"), name, message);
    }
}

fn schedule(spec: &Value, old: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("schedule");
    let schedule = text(&spec["schedule"]);
    if schedule.is_empty() {
        return errors.required(&path, "");
    }
    let had_zone = old.is_some_and(|old| text(&old["spec"]["schedule"]).contains("TZ"));
    if let Err(message) = cron::check(schedule) {
        errors.invalid(&path, schedule, message);
    }
    if !schedule.contains("TZ") {
        return;
    }
    if !had_zone {
        let message = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.invalid(&path, schedule, message);
    } else if is_set(&spec["timeZone"]) {
        let message = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
        errors.invalid(&path, schedule, message);
    }
}

/// Only what a name looks like: which zones there are is not known here.
fn time_zone(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(zone) = spec["timeZone"].as_str() else {
        return;
    };
    if zone.is_empty() {
        return errors.invalid(path, zone, "timeZone must be nil or non-empty string");
    }
    let is_part = |part: &str| {
        (1..=14).contains(&part.len())
            && !matches!(part, "." | "..")
            && !part.starts_with('-')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'))
    };
    if !zone.split('/').all(is_part) {
        errors.invalid(path, zone, format!("unknown time zone {zone}"));
    } else if zone.eq_ignore_ascii_case("local") {
        let message = "timeZone must be an explicit time zone as defined in \
                       https://www.iana.org/time-zones";
        errors.invalid(path, zone, message);
    }
}

#[cfg(test)]
mod tests {
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::validate::validate_create;
    use serde_json::json;

    fn cron(schedule: &str) -> String {
        let mut object = json!({
            "metadata": {"name": "c", "namespace": "n"},
            "spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}}},
        });
        set_defaults("batch", "CronJob", &mut object);
        summary(&validate_create("batch", "CronJob", true, &object))
    }

    #[test]
    fn a_schedule_is_one_that_cron_knows() {
        for good in [
            "*/5 * * * *",
            "0 0 1 jan-mar MON",
            "@hourly",
            "@every 1h30m",
            "1,2 ? * * 0-6/2",
        ] {
            assert_eq!(cron(good), "[]", "{good}");
        }
        for (bad, message) in [
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            (
                "a * * * *",
                "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax",
            ),
            (
                "5-1 * * * *",
                "beginning of range (5) beyond end of range (1): 5-1",
            ),
            (
                "*/0 * * * *",
                "step of range should be a positive number: */0",
            ),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("@often", "unrecognized descriptor: @often"),
        ] {
            let quoted = bad.replace('"', "\\\"");
            assert_eq!(
                cron(bad),
                format!("spec.schedule: Invalid value: \"{quoted}\": {message}"),
                "{bad}"
            );
        }
    }
}
