//! Validating policies: what they say of an object, and what becomes of that.
//!
//! Texts and annotations are upstream's. Invariant: all policies are asked; the first that refuses
//! is told.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::definition::{Binding, Policy};
use super::judge::{Denied, Measured, judge};
use super::store::{Hook, Phase};
use crate::admission::{Asked, Versions};
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::POLICY_FAILURES_MAX;
use crate::metrics::AdmissionMetrics;

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
