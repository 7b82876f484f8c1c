//! What admission is measured by, under kube-apiserver's names.
//!
//! Invariant: whatever policies and webhooks are called, and however many there have been, there are
//! no more than [`ADMISSION_METRIC_ROWS_MAX`] rows a table; what comes later is not told apart by
//! name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use skerry_metrics::{Buckets, Text, Type};

use crate::limits::ADMISSION_METRIC_ROWS_MAX;

/// Names that there is no row left for.
const OTHERS: &str = "other";

const STEP_SECONDS: [f64; 6] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5];
const CONDITION_SECONDS: [f64; 7] = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];
const POLICY_SECONDS: [f64; 5] = [0.000_000_5, 0.001, 0.01, 0.1, 1.0];

const STEP_LABELS: [&str; 3] = ["operation", "rejected", "type"];
const CONTROLLER_LABELS: [&str; 4] = ["name", "operation", "rejected", "type"];
const CONDITION_LABELS: [&str; 4] = ["name", "kind", "operation", "type"];
const VALIDATING_LABELS: [&str; 4] = [
    "policy",
    "policy_binding",
    "enforcement_action",
    "error_type",
];
const MUTATING_LABELS: [&str; 3] = ["policy", "policy_binding", "error_type"];

type Labels<const COUNT: usize> = [Cow<'static, str>; COUNT];

/// One value for each set of labels, of which the first so many are what somebody has made up.
struct Table<const LABELS: usize, const MADE_UP: usize, V> {
    rows: Mutex<BTreeMap<Labels<LABELS>, V>>,
}

impl<const LABELS: usize, const MADE_UP: usize, V> Default for Table<LABELS, MADE_UP, V> {
    fn default() -> Self {
        Table {
            rows: Mutex::default(),
        }
    }
}

impl<const LABELS: usize, const MADE_UP: usize, V: Default> Table<LABELS, MADE_UP, V> {
    fn change(&self, mut labels: Labels<LABELS>, act: impl FnOnce(&mut V)) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() >= ADMISSION_METRIC_ROWS_MAX && !rows.contains_key(&labels) {
            labels[..MADE_UP].fill(OTHERS.into());
        }
        act(rows.entry(labels).or_default());
    }
}

type Histograms<const LABELS: usize, const MADE_UP: usize, const ENDS: usize> =
    Table<LABELS, MADE_UP, Buckets<ENDS>>;

/// See the module.
#[derive(Default)]
pub(crate) struct AdmissionMetrics {
    steps: Histograms<3, 0, 6>,
    controllers: Histograms<4, 0, 6>,
    conditions: Histograms<4, 1, 7>,
    condition_errors: Table<4, 1, u64>,
    exclusions: Table<4, 1, u64>,
    validating: Histograms<4, 2, 5>,
    mutating: Histograms<3, 2, 5>,
}

/// The matchConditions of one object, looked at for one request.
#[derive(Clone, Copy)]
pub(crate) struct Conditions<'a> {
    pub(crate) name: &'a str,
    /// `webhook` or `policy`.
    pub(crate) kind: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) step: &'static str,
}

impl Conditions<'_> {
    fn labels(self) -> Labels<4> {
        let name = self.name.to_owned().into();
        [
            name,
            self.kind.into(),
            self.operation.into(),
            self.step.into(),
        ]
    }
}

/// What upstream takes a text for that says why something could not be evaluated.
fn error_type(why: &str) -> &'static str {
    if why.starts_with("compilation") {
        "compile_error"
    } else if why.starts_with("validation failed due to running out of cost budget") {
        "out_of_budget"
    } else {
        "invalid_error"
    }
}

fn word(is_rejected: bool) -> Cow<'static, str> {
    match is_rejected {
        true => "true".into(),
        false => "false".into(),
    }
}

impl AdmissionMetrics {
    /// All that has a say: while an object may still be changed (`admit`), or after (`validate`).
    pub(crate) fn step(
        &self,
        step: &'static str,
        operation: &'static str,
        is_rejected: bool,
        took: Duration,
    ) {
        let labels = [operation.into(), word(is_rejected), step.into()];
        let seconds = took.as_secs_f64();
        self.steps
            .change(labels, |row| row.observe(&STEP_SECONDS, seconds));
    }

    /// One of those that have a say.
    pub(crate) fn controller(
        &self,
        name: &'static str,
        step: &'static str,
        operation: &'static str,
        is_rejected: bool,
        took: Duration,
    ) {
        let is_rejected = word(is_rejected);
        let labels = [name.into(), operation.into(), is_rejected, step.into()];
        let seconds = took.as_secs_f64();
        self.controllers
            .change(labels, |row| row.observe(&STEP_SECONDS, seconds));
    }

    /// Conditions that were looked at, and how many of them have no value.
    pub(crate) fn conditions(&self, about: Conditions<'_>, errors: usize, took: Duration) {
        let seconds = took.as_secs_f64();
        self.conditions.change(about.labels(), |row| {
            row.observe(&CONDITION_SECONDS, seconds);
        });
        if errors > 0 {
            self.condition_errors
                .change(about.labels(), |row| *row += errors as u64);
        }
    }

    /// Conditions keep a webhook from being asked.
    pub(crate) fn excluded(&self, about: Conditions<'_>) {
        self.exclusions.change(about.labels(), |row| *row += 1);
    }

    /// A validating policy has found something, and what was done about it.
    pub(crate) fn validated(
        &self,
        policy: &str,
        binding: &str,
        action: &'static str,
        message: &str,
        took: Duration,
    ) {
        let labels = [
            policy.to_owned().into(),
            binding.to_owned().into(),
            action.into(),
            error_type(message).into(),
        ];
        let seconds = took.as_secs_f64();
        self.validating
            .change(labels, |row| row.observe(&POLICY_SECONDS, seconds));
    }

    /// A mutating policy was applied, or why not.
    pub(crate) fn mutated(&self, policy: &str, binding: &str, fault: Option<&str>, took: Duration) {
        let labels = [
            policy.to_owned().into(),
            binding.to_owned().into(),
            fault.map_or("no_error", error_type).into(),
        ];
        let seconds = took.as_secs_f64();
        self.mutating
            .change(labels, |row| row.observe(&POLICY_SECONDS, seconds));
    }

    /// Writes all of it as Prometheus's text.
    pub(crate) fn write(&self, text: &mut Text) {
        histograms(
            text,
            &self.steps,
            "apiserver_admission_step_admission_duration_seconds",
            "[STABLE] Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).",
            STEP_LABELS,
            STEP_SECONDS,
        );
        histograms(
            text,
            &self.controllers,
            "apiserver_admission_controller_admission_duration_seconds",
            "[STABLE] Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).",
            CONTROLLER_LABELS,
            STEP_SECONDS,
        );
        histograms(
            text,
            &self.conditions,
            "apiserver_admission_match_condition_evaluation_seconds",
            "[ALPHA] Admission match condition evaluation time in seconds, identified by name and broken out for each kind containing matchConditions (webhook or policy), operation and type (validate or admit).",
            CONDITION_LABELS,
            CONDITION_SECONDS,
        );
        counts(
            text,
            &self.condition_errors,
            "apiserver_admission_match_condition_evaluation_errors_total",
            "[ALPHA] Admission match condition evaluation errors count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).",
            CONDITION_LABELS,
            |count| *count,
        );
        counts(
            text,
            &self.exclusions,
            "apiserver_admission_match_condition_exclusions_total",
            "[ALPHA] Admission match condition evaluation exclusions count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).",
            CONDITION_LABELS,
            |count| *count,
        );
        counts(
            text,
            &self.validating,
            "apiserver_validating_admission_policy_check_total",
            "[BETA] Validation admission policy check total, labeled by policy and further identified by binding and enforcement action taken.",
            VALIDATING_LABELS,
            Buckets::count,
        );
        histograms(
            text,
            &self.validating,
            "apiserver_validating_admission_policy_check_duration_seconds",
            "[BETA] Validation admission latency for individual validation expressions in seconds, labeled by policy and further including binding and enforcement action taken.",
            VALIDATING_LABELS,
            POLICY_SECONDS,
        );
        counts(
            text,
            &self.mutating,
            "apiserver_mutating_admission_policy_check_total",
            "[ALPHA] Mutation admission policy check total, labeled by policy and further identified by binding.",
            MUTATING_LABELS,
            Buckets::count,
        );
        histograms(
            text,
            &self.mutating,
            "apiserver_mutating_admission_policy_check_duration_seconds",
            "[ALPHA] Mutation admission latency for individual mutation expressions in seconds, labeled by policy and binding.",
            MUTATING_LABELS,
            POLICY_SECONDS,
        );
    }
}

/// The names of labels and what they say, in the order that Prometheus has them in.
fn pairs<'a, const LABELS: usize>(
    names: [&'static str; LABELS],
    labels: &[&'a str; LABELS],
) -> Vec<(&'static str, &'a str)> {
    let mut pairs: Vec<_> = names.into_iter().zip(labels.iter().copied()).collect();
    pairs.sort_unstable();
    pairs
}

fn histograms<const LABELS: usize, const MADE_UP: usize, const ENDS: usize>(
    text: &mut Text,
    table: &Histograms<LABELS, MADE_UP, ENDS>,
    name: &str,
    help: &str,
    names: [&'static str; LABELS],
    ends: [f64; ENDS],
) {
    let rows = table.rows.lock().unwrap_or_else(PoisonError::into_inner);
    if rows.is_empty() {
        return;
    }
    let mut family = text.labelled(name, Type::Histogram, help);
    for (labels, row) in rows.iter() {
        let labels = pairs(names, &labels.each_ref().map(|label| &**label));
        let up_to = ends.into_iter().zip(row.up_to());
        family.histogram(&labels, up_to, row.count(), row.sum());
    }
}

fn counts<const LABELS: usize, const MADE_UP: usize, V>(
    text: &mut Text,
    table: &Table<LABELS, MADE_UP, V>,
    name: &str,
    help: &str,
    names: [&'static str; LABELS],
    count: impl Fn(&V) -> u64,
) {
    let rows = table.rows.lock().unwrap_or_else(PoisonError::into_inner);
    if rows.is_empty() {
        return;
    }
    let mut family = text.labelled(name, Type::Counter, help);
    for (labels, row) in rows.iter() {
        let labels = pairs(names, &labels.each_ref().map(|label| &**label));
        family.value(&labels, count(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(metrics: &AdmissionMetrics) -> String {
        let mut text = Text::default();
        metrics.write(&mut text);
        text.into_string()
    }

    #[test]
    fn what_nobody_has_done_is_not_written() {
        assert_eq!(written(&AdmissionMetrics::default()), "");
    }

    #[test]
    fn policies_are_counted_by_what_became_of_them() {
        let metrics = AdmissionMetrics::default();
        let took = Duration::from_millis(2);
        metrics.validated("p", "b", "deny", "failed expression: x", took);
        metrics.validated("p", "b", "allow", "compilation error: x", took);
        metrics.mutated("m", "b", None, took);
        let text = written(&metrics);
        for line in [
            r#"apiserver_validating_admission_policy_check_total{enforcement_action="deny",error_type="invalid_error",policy="p",policy_binding="b"} 1"#,
            r#"apiserver_validating_admission_policy_check_total{enforcement_action="allow",error_type="compile_error",policy="p",policy_binding="b"} 1"#,
            r#"apiserver_validating_admission_policy_check_duration_seconds_bucket{enforcement_action="deny",error_type="invalid_error",policy="p",policy_binding="b",le="0.001"} 0"#,
            r#"apiserver_validating_admission_policy_check_duration_seconds_bucket{enforcement_action="deny",error_type="invalid_error",policy="p",policy_binding="b",le="0.01"} 1"#,
            r#"apiserver_mutating_admission_policy_check_total{error_type="no_error",policy="m",policy_binding="b"} 1"#,
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }

    #[test]
    fn names_without_end_take_no_more_rows_than_there_are() {
        let metrics = AdmissionMetrics::default();
        let about = |name: &str| {
            let about = Conditions {
                name,
                kind: "webhook",
                operation: "CREATE",
                step: "admit",
            };
            metrics.excluded(about);
        };
        for number in 0..ADMISSION_METRIC_ROWS_MAX + 9 {
            about(&number.to_string());
        }
        let rows = metrics.exclusions.rows.lock().unwrap();
        assert_eq!(rows.len(), ADMISSION_METRIC_ROWS_MAX + 1);
        drop(rows);
        let text = written(&metrics);
        let others =
            r#"exclusions_total{kind="webhook",name="other",operation="CREATE",type="admit"} 9"#;
        assert!(text.contains(others), "{text}");
    }
}
