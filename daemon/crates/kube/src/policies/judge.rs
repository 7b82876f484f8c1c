//! One policy and one request: whether it is about that, what it refuses and what it has to say.
//!
//! Pure but for how long it takes. Knows nothing about what bindings want done. Invariant:
//! expressions that cost more than they may end it.

use std::time::{Duration, Instant};

use serde_json::Value;
use skerry_cel::Value as Cel;
use skerry_cel::limits::{MATCH_CONDITIONS_COST_MAX, MESSAGE_BYTES_MAX, RUNTIME_COST_MAX};

use super::definition::Policy;
use super::inputs::{Inputs, Seen};
use crate::limits::POLICY_ANNOTATION_BYTES_MAX;
use crate::metrics::{AdmissionMetrics, Conditions};

/// One thing that a policy refuses.
pub(super) struct Denied {
    pub(super) message: String,
    pub(super) reason: String,
    /// The place of the expression among the policy's.
    pub(super) index: usize,
    /// Whether the binding's actions decide what becomes of it.
    pub(super) is_judgement: bool,
    /// It has no value, and nobody minds.
    pub(super) is_ignored: bool,
    pub(super) took: Duration,
}

impl Denied {
    fn failure(message: String) -> Denied {
        Denied {
            message,
            reason: String::new(),
            index: 0,
            is_judgement: true,
            is_ignored: false,
            took: Duration::ZERO,
        }
    }
}

/// Where it is noted how long something took, of a request to do what.
#[derive(Clone, Copy)]
pub(super) struct Measured<'m> {
    pub(super) metrics: &'m AdmissionMetrics,
    pub(super) operation: &'static str,
}

/// Whether the conditions of a policy hold.
///
/// # Errors
/// One of them cannot be evaluated, and the policy does not fail open.
pub(super) fn conditions_hold<'a>(
    policy: &'a Policy,
    seen: Seen<'a>,
    params: &'a Value,
    measured: Measured<'_>,
) -> Result<bool, String> {
    if policy.conditions.is_empty() {
        return Ok(true);
    }
    let began = Instant::now();
    let observe = |errors: usize| {
        let about = Conditions {
            name: &policy.name,
            kind: "policy",
            operation: measured.operation,
            // Of mutating ones too, as upstream.
            step: "validate",
        };
        measured.metrics.conditions(about, errors, began.elapsed());
    };
    let inputs = Inputs::new(
        Seen {
            namespace: &Value::Null,
            ..seen
        },
        params,
        &policy.variables,
    );
    let (mut left, mut faults) = (MATCH_CONDITIONS_COST_MAX, Vec::new());
    for (_, expression) in &policy.conditions {
        match inputs.evaluate(expression, &mut left) {
            Err(spent) => {
                observe(0);
                return match policy.fails_open {
                    true => Ok(false),
                    false => Err(spent.to_owned()),
                };
            }
            Ok(Err(fault)) => faults.push(fault),
            Ok(Ok(Cel::Bool(false))) => {
                observe(faults.len());
                return Ok(false);
            }
            Ok(Ok(_)) => {}
        }
    }
    observe(faults.len());
    match (faults.as_slice(), policy.fails_open) {
        ([], _) => Ok(true),
        (_, true) => Ok(false),
        ([fault], false) => Err(fault.clone()),
        (faults, false) => Err(format!("[{}]", faults.join(", "))),
    }
}

pub(super) type Said<'a> = Vec<(&'a str, String)>;

/// What a policy refuses, and what it has to say.
pub(super) fn judge<'p: 'a, 'a>(
    policy: &'p Policy,
    seen: Seen<'a>,
    params: &'a Value,
    measured: Measured<'_>,
) -> (Vec<Denied>, Said<'p>) {
    let failed = |message: String| {
        vec![Denied {
            is_ignored: policy.fails_open,
            ..Denied::failure(message)
        }]
    };
    match conditions_hold(policy, seen, params, measured) {
        Err(fault) => return (failed(fault), Vec::new()),
        Ok(false) => return (Vec::new(), Vec::new()),
        Ok(true) => {}
    }
    let inputs = Inputs::new(seen, params, &policy.variables);
    let mut left = RUNTIME_COST_MAX;
    let mut outcomes = Vec::new();
    for validation in &policy.validations {
        let began = Instant::now();
        match inputs.evaluate(&validation.expression, &mut left) {
            Err(spent) => return (failed(spent.to_owned()), Vec::new()),
            Ok(outcome) => {
                let outcome = outcome.map(|value| matches!(value, Cel::Bool(true)));
                outcomes.push((outcome, began.elapsed()));
            }
        }
    }
    let messages = messages(policy, &inputs, left);
    let mut denied = Vec::new();
    let judged = policy.validations.iter().zip(outcomes).enumerate();
    for (index, (validation, (outcome, took))) in judged {
        let fault = match (outcome, &messages) {
            (Err(fault), _) => fault,
            (Ok(_), Err(spent)) => format!("failed messageExpression: {spent}"),
            (Ok(true), _) => continue,
            (Ok(false), Ok(messages)) => {
                let made = messages.get(index).and_then(Option::as_deref);
                let message = made.unwrap_or(validation.message.trim());
                let message = match message {
                    "" => format!("failed expression: {}", validation.expression.text.trim()),
                    message => message.to_owned(),
                };
                denied.push(Denied {
                    reason: validation.reason.clone(),
                    index,
                    took,
                    ..Denied::failure(message)
                });
                continue;
            }
        };
        denied.push(Denied {
            index,
            is_ignored: policy.fails_open,
            took,
            ..Denied::failure(fault)
        });
    }
    let mut said = Vec::new();
    let inputs = Inputs::new(seen, params, &policy.variables);
    let mut left = RUNTIME_COST_MAX;
    for annotation in &policy.annotations {
        match inputs.evaluate(&annotation.expression, &mut left) {
            Err(spent) => return (failed(spent.to_owned()), Vec::new()),
            Ok(Ok(Cel::String(text))) => {
                let text = text.trim();
                if !text.is_empty() {
                    let mut end = text.len().min(POLICY_ANNOTATION_BYTES_MAX);
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    said.push((annotation.key.as_str(), text[..end].to_owned()));
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(fault)) if !policy.fails_open => denied.push(Denied {
                is_judgement: false,
                ..Denied::failure(fault)
            }),
            Ok(Err(_)) => {}
        }
    }
    (denied, said)
}

/// The messages that expressions make, for each validation; none where it makes none that is fit.
fn messages<'a>(
    policy: &'a Policy,
    inputs: &Inputs<'a>,
    mut left: u64,
) -> Result<Vec<Option<String>>, &'static str> {
    let mut all = Vec::new();
    for validation in &policy.validations {
        let Some(expression) = &validation.message_expression else {
            all.push(None);
            continue;
        };
        let made = match inputs.evaluate(expression, &mut left)? {
            Ok(Cel::String(text)) => text.trim().to_owned(),
            _ => String::new(),
        };
        let is_fit = !made.is_empty() && made.len() <= MESSAGE_BYTES_MAX && !made.contains('\n');
        all.push(is_fit.then_some(made));
    }
    Ok(all)
}
