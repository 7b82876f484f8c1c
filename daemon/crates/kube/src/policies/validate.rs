//! Validating policies: what they say of an object, and what becomes of that.
//!
//! Texts and annotations are upstream's. Invariant: all policies are asked; the first that refuses
//! is told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skerry_cel::Value as Cel;
use skerry_cel::limits::{MATCH_CONDITIONS_COST_MAX, MESSAGE_BYTES_MAX, RUNTIME_COST_MAX};

use super::definition::{Binding, Policy};
use super::inputs::{Inputs, Seen};
use super::store::{Hook, Phase};
use crate::admission::{Asked, Versions};
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::{POLICY_ANNOTATION_BYTES_MAX, POLICY_FAILURES_MAX};
use crate::metrics::{AdmissionMetrics, Conditions};

/// One thing that a policy refuses.
struct Denied {
    message: String,
    reason: String,
    /// The place of the expression among the policy's.
    index: usize,
    /// Whether the binding's actions decide what becomes of it.
    is_judgement: bool,
    /// It has no value, and nobody minds.
    is_ignored: bool,
    took: Duration,
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

/// What all policies have come to.
#[derive(Default)]
struct Outcome {
    /// The first text that refuses, and its reason.
    denied: Option<(String, String)>,
    failures: Vec<Value>,
}

impl Outcome {
    fn deny(&mut self, policy: &Policy, binding: Option<&Binding>, message: &str, reason: &str) {
        let name = &policy.name;
        let by = match binding {
            Some(binding) => format!("'{name}' with binding '{}'", binding.name),
            None => format!("'{name}'"),
        };
        let text = format!("ValidatingAdmissionPolicy {by} denied request: {message}");
        self.denied.get_or_insert((text, reason.to_owned()));
    }

    /// A policy cannot be evaluated as it is configured.
    fn misconfigured(&mut self, policy: &Policy, binding: Option<&Binding>, why: &str) {
        if !policy.fails_open {
            let what = if binding.is_some() {
                "binding"
            } else {
                "policy"
            };
            let message = format!("failed to configure {what}: {why}");
            self.deny(policy, binding, &message, "");
        }
    }
}

impl Engine {
    /// Refuses what a validating policy refuses.
    pub(crate) async fn validating_policies(
        &self,
        asked: &Asked<'_>,
        object: Option<&Value>,
    ) -> Result<(), ApiError> {
        if super::exempts(asked) {
            return Ok(());
        }
        let hooks = self.policies.hooks(Phase::Validating).await;
        let hooks = hooks.map_err(|why| super::refusal(asked, object, why))?;
        if hooks.is_empty() {
            return Ok(());
        }
        let mut outcome = Outcome::default();
        let mut versions = Versions::default();
        for hook in hooks.iter() {
            self.ask_policy(hook, asked, object, &mut versions, &mut outcome)
                .await?;
        }
        if !outcome.failures.is_empty() {
            outcome.failures.truncate(POLICY_FAILURES_MAX);
            let key = "validation.policy.admission.k8s.io/validation_failure";
            let text = Value::from(outcome.failures).to_string();
            asked.call.annotate(key, &text);
        }
        match outcome.denied {
            None => Ok(()),
            Some((text, reason)) => {
                let mut error = super::refusal(asked, object, &text);
                let (reason, code) = match reason.as_str() {
                    "Unauthorized" => ("Unauthorized", 401),
                    "Forbidden" => ("Forbidden", 403),
                    "RequestEntityTooLarge" => ("RequestEntityTooLarge", 413),
                    _ => ("Invalid", 422),
                };
                error.reason = reason.into();
                error.code = code;
                Err(error.with_causes(json!([{"message": text}])))
            }
        }
    }

    async fn ask_policy(
        &self,
        hook: &Hook,
        asked: &Asked<'_>,
        object: Option<&Value>,
        versions: &mut Versions,
        outcome: &mut Outcome,
    ) -> Result<(), ApiError> {
        let policy = &*hook.policy;
        let meant = match &policy.constraints {
            Some(constraints) => self.meant(constraints, asked, object),
            None => Err(ApiError::bad_request(
                "policy contained no match constraints, a required field",
            )),
        };
        let resource = match meant {
            Ok(Some(resource)) => resource,
            Ok(None) => return Ok(()),
            Err(error) => {
                outcome.misconfigured(policy, None, &error.message);
                return Ok(());
            }
        };
        let params_of = match self.param_resource(policy) {
            Ok(resource) => resource,
            Err(why) => {
                outcome.misconfigured(policy, None, &why);
                return Ok(());
            }
        };
        let mut annotations: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for binding in &hook.bindings {
            match &binding.constraints {
                None => {}
                Some(constraints) => match self.meant(constraints, asked, object) {
                    Ok(Some(_)) => {}
                    Ok(None) => continue,
                    Err(error) => {
                        outcome.misconfigured(policy, Some(binding), &error.message);
                        continue;
                    }
                },
            }
            let namespace = super::namespace_of(asked);
            let params = self.params(params_of.as_ref(), binding.params.as_ref(), asked.namespace);
            let params = match params {
                Ok(params) => params,
                Err(why) => {
                    outcome.misconfigured(policy, Some(binding), &why);
                    continue;
                }
            };
            if params.is_empty() {
                continue;
            }
            let shown = self.shown_as(asked, &resource, object, versions);
            let shown = match shown.await {
                Ok(shown) => shown,
                Err(error) => {
                    let why = format!("failed to convert object version: {}", error.message);
                    outcome.misconfigured(policy, Some(binding), &why);
                    continue;
                }
            };
            let view = self.view_of(asked, &resource, &shown, object, namespace)?;
            for params in &params {
                let measured = Measured {
                    metrics: &self.metrics.admission,
                    operation: asked.operation.word(),
                };
                let (denied, said) = judge(policy, view.seen(), params, measured);
                for (key, text) in said {
                    let texts = annotations.entry(key).or_default();
                    if !texts.contains(&text) {
                        texts.push(text);
                    }
                }
                for one in &denied {
                    act(policy, binding, one, asked, outcome, measured.metrics);
                }
            }
        }
        for (key, texts) in annotations {
            let key = format!("{}/{key}", policy.name);
            asked.call.annotate(&key, &texts.join(", "));
        }
        Ok(())
    }
}

/// Does what a binding wants done where a policy refuses something.
fn act(
    policy: &Policy,
    binding: &Binding,
    one: &Denied,
    asked: &Asked<'_>,
    outcome: &mut Outcome,
    metrics: &AdmissionMetrics,
) {
    let Denied {
        message, reason, ..
    } = one;
    let observe = |action: &'static str| {
        metrics.validated(&policy.name, &binding.name, action, message, one.took);
    };
    if one.is_ignored {
        return observe("allow");
    }
    if !one.is_judgement {
        observe("deny");
        return outcome.deny(policy, Some(binding), message, reason);
    }
    for action in &binding.actions {
        match action.as_str() {
            "Deny" => observe("deny"),
            "Audit" => observe("audit"),
            "Warn" => observe("warn"),
            _ => {}
        }
        match action.as_str() {
            "Deny" => outcome.deny(policy, Some(binding), message, reason),
            "Audit" => outcome.failures.push(json!({
                "message": message,
                "policy": binding.policy,
                "binding": binding.name,
                "expressionIndex": one.index,
                "validationActions": binding.actions,
            })),
            "Warn" => asked.call.warn(format!(
                "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {message}",
                policy.name, binding.name
            )),
            _ => {}
        }
    }
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

type Said<'a> = Vec<(&'a str, String)>;

/// What a policy refuses, and what it has to say.
fn judge<'p: 'a, 'a>(
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
