//! How often and how long webhooks were asked, and what came of it, for metrics.
//!
//! Invariant: there are no more rows than [`WEBHOOK_METRIC_ROWS_MAX`]; what comes later is not told
//! apart by name.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use skerry_metrics::{Text, Type};

use super::ask::Failed;
use super::hook::Phase;
use crate::limits::WEBHOOK_METRIC_ROWS_MAX;

const DURATION: &str = "apiserver_admission_webhook_admission_duration_seconds";
const REQUESTS: &str = "apiserver_admission_webhook_request_total";
const REJECTIONS: &str = "apiserver_admission_webhook_rejection_count";
const FAIL_OPEN: &str = "apiserver_admission_webhook_fail_open_count";
/// Upper ends of the histogram, in seconds: upstream's.
const SECONDS: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0];
/// Higher codes are counted as this one.
const CODE_MAX: u16 = 600;
/// Webhooks that there is no row left for.
const OTHERS: &str = "other";

/// One webhook that was asked.
pub(crate) struct Observed<'a> {
    pub(super) name: &'a str,
    pub(super) phase: Phase,
    pub(super) operation: &'static str,
    pub(super) failed: Option<&'a Failed>,
    /// It has failed, and nobody minds.
    pub(super) is_ignored: bool,
    pub(super) seconds: f64,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: String,
    step: &'static str,
    operation: &'static str,
    is_rejected: bool,
}

#[derive(Default)]
struct Row {
    up_to: [u64; SECONDS.len()],
    count: u64,
    seconds: f64,
    codes: BTreeMap<u16, u64>,
    /// By the sort of the error and the code.
    rejections: BTreeMap<(&'static str, u16), u64>,
    failed_open: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Observations(Mutex<BTreeMap<Key, Row>>);

impl Observations {
    pub(super) fn observe(&self, observed: &Observed<'_>) {
        let (code, sort) = match observed.failed {
            None => (200, ""),
            Some(Failed::Calling { code, .. }) => (*code, "calling_webhook_error"),
            Some(Failed::Denied(error)) => (error.code, "no_error"),
            Some(Failed::Internal(_)) => (0, "apiserver_internal_error"),
        };
        let code = code.min(CODE_MAX);
        let is_rejected = observed.failed.is_some() && !observed.is_ignored;
        let mut key = Key {
            name: observed.name.to_owned(),
            step: observed.phase.word(),
            operation: observed.operation,
            is_rejected,
        };
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() >= WEBHOOK_METRIC_ROWS_MAX && !rows.contains_key(&key) {
            OTHERS.clone_into(&mut key.name);
        }
        let row = rows.entry(key).or_default();
        for (end, count) in SECONDS.iter().zip(&mut row.up_to) {
            *count += u64::from(observed.seconds <= *end);
        }
        row.count += 1;
        row.seconds += observed.seconds;
        *row.codes.entry(code).or_default() += 1;
        if is_rejected {
            *row.rejections.entry((sort, code)).or_default() += 1;
        }
        row.failed_open += u64::from(observed.is_ignored);
    }

    /// Writes what was observed as Prometheus's text.
    pub(crate) fn write(&self, text: &mut Text) {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.is_empty() {
            return;
        }
        let help = "[STABLE] Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).";
        let mut family = text.labelled(DURATION, Type::Histogram, help);
        for (key, row) in rows.iter() {
            let rejected = key.is_rejected.to_string();
            let labels = [
                ("name", key.name.as_str()),
                ("operation", key.operation),
                ("rejected", &rejected),
                ("type", key.step),
            ];
            let up_to = SECONDS.into_iter().zip(row.up_to);
            family.histogram(&labels, up_to, row.count, row.seconds);
        }
        let help = "[ALPHA] Admission webhook fail open count, identified by name and broken out for each admission type (validating or admit).";
        let mut family = text.labelled(FAIL_OPEN, Type::Counter, help);
        let mut failed_open: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for (key, row) in rows.iter().filter(|(_, row)| row.failed_open > 0) {
            *failed_open.entry((&key.name, key.step)).or_default() += row.failed_open;
        }
        for ((name, step), count) in failed_open {
            family.value(&[("name", name), ("type", step)], count);
        }
        let help = "[ALPHA] Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation. Additional labels specify an error type (calling_webhook_error or apiserver_internal_error if an error occurred; no_error otherwise) and optionally a non-zero rejection code if the webhook rejects the request with an HTTP status code (honored by the apiserver when the code is greater or equal to 400). Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.";
        let mut family = text.labelled(REJECTIONS, Type::Counter, help);
        for (key, row) in rows.iter() {
            for ((sort, code), count) in &row.rejections {
                let code = code.to_string();
                let labels = [
                    ("error_type", *sort),
                    ("name", &key.name),
                    ("operation", key.operation),
                    ("rejection_code", &code),
                    ("type", key.step),
                ];
                family.value(&labels, *count);
            }
        }
        let help = "[ALPHA] Admission webhook request total, identified by name and broken out for each admission type (validating or admit) and operation. Additional labels specify whether the request was rejected or not and an HTTP status code. Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.";
        let mut family = text.labelled(REQUESTS, Type::Counter, help);
        for (key, row) in rows.iter() {
            let rejected = key.is_rejected.to_string();
            for (code, count) in &row.codes {
                let code = code.to_string();
                let labels = [
                    ("code", code.as_str()),
                    ("name", &key.name),
                    ("operation", key.operation),
                    ("rejected", &rejected),
                    ("type", key.step),
                ];
                family.value(&labels, *count);
            }
        }
    }
}
