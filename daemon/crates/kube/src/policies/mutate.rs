//! Mutating policies: one after the other, each sees what those before it have made.
//!
//! Invariant: what leaves here is an object of the same kind that has its defaults and no field that
//! its type has not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use skerry_cel::limits::RUNTIME_COST_MAX;
use skerry_merge::PatchError;

use super::definition::{Binding, Mutation, Policy};
use super::inputs::Inputs;
use super::judge::{Measured, conditions_hold};
use super::made;
use super::store::{Hook, Phase};
use crate::admission::{Asked, Operation, Shown, Versions};
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;
use crate::registry::Resource;

/// What is known from one round of policies to the next.
#[derive(Default)]
pub(crate) struct Rounds {
    number: usize,
    /// As they were when the first round began.
    hooks: Option<Arc<[Hook]>>,
    /// Those that want to be asked again if anything changes, and nothing has since.
    content: BTreeSet<Key>,
    /// Those that are asked again.
    again: BTreeSet<Key>,
    /// What the last round has made.
    made: Option<Value>,
}

/// Policy, binding, and namespace and name of the parameters.
type Key = (String, String, String);

impl Rounds {
    /// Something has changed after these were asked.
    fn changed(&mut self) {
        self.again.append(&mut self.content);
    }
}

/// A policy that is to change an object.
struct Invocation<'h> {
    policy: &'h Policy,
    binding: &'h Binding,
    resource: Arc<Resource>,
    params: Value,
}

/// The reason of what a policy cannot evaluate.
const INVALID: Option<&str> = Some("Invalid");

/// What is known while policies are asked one after the other.
struct Turn<'t> {
    asked: &'t Asked<'t>,
    rounds: &'t mut Rounds,
    is_again: bool,
    versions: &'t mut Versions,
    faults: &'t mut Faults,
}

impl Turn<'_> {
    fn fail(&mut self, policy: &Policy, text: String, reason: Option<&'static str>) {
        if !policy.fails_open {
            self.faults.push((text, reason));
        }
    }
}

/// What refuses the request: the text, and another reason than `Forbidden`.
type Faults = Vec<(String, Option<&'static str>)>;

fn fault(policy: &Policy, binding: Option<&Binding>, why: &str) -> String {
    let name = &policy.name;
    match binding {
        Some(binding) => {
            let binding = &binding.name;
            format!("policy '{name}' with binding '{binding}' denied request: {why}")
        }
        None => format!("policy {name:?} denied request: {why}"),
    }
}

impl Engine {
    /// Has policies change an object. Whether one of them has changed it.
    pub(crate) async fn mutating_policies(
        &self,
        asked: &Asked<'_>,
        object: Option<&mut Value>,
        rounds: &mut Rounds,
    ) -> Result<bool, ApiError> {
        if super::exempts(asked) || asked.operation == Operation::Delete {
            return Ok(false);
        }
        let hooks = match &rounds.hooks {
            Some(hooks) => Arc::clone(hooks),
            None => {
                let hooks = self.policies.hooks(Phase::Mutating).await;
                hooks.map_err(|why| super::refusal(asked, object.as_deref(), why))?
            }
        };
        if hooks.is_empty() {
            return Ok(false);
        }
        rounds.hooks = Some(Arc::clone(&hooks));
        let mut faults = Faults::new();
        let invocations = self.invocations(&hooks, asked, object.as_deref(), &mut faults);
        let is_again = rounds.number > 0;
        if is_again && rounds.made.as_ref() != object.as_deref() {
            rounds.changed();
        }
        rounds.number += 1;
        let Some(object) = object else {
            return refuse(asked, None, faults).map(|()| false);
        };
        let mut any_changed = false;
        let mut versions = Versions::default();
        for invocation in &invocations {
            let mut turn = Turn {
                asked,
                rounds,
                is_again,
                versions: &mut versions,
                faults: &mut faults,
            };
            any_changed |= self.invoke(invocation, object, &mut turn).await?;
        }
        refuse(asked, Some(object), faults)?;
        let may_go_on = any_changed || !rounds.content.is_empty();
        rounds.made = may_go_on.then(|| object.clone());
        Ok(any_changed)
    }

    /// All that mean the request, with their parameters.
    fn invocations<'h>(
        &self,
        hooks: &'h [Hook],
        asked: &Asked<'_>,
        object: Option<&Value>,
        faults: &mut Faults,
    ) -> Vec<Invocation<'h>> {
        let mut all = Vec::new();
        for hook in hooks {
            let policy = &*hook.policy;
            let mut misconfigured = |binding: Option<&Binding>, why: &str| {
                if !policy.fails_open {
                    let what = if binding.is_some() {
                        "binding"
                    } else {
                        "policy"
                    };
                    let why = format!("failed to configure {what}: {why}");
                    faults.push((fault(policy, binding, &why), None));
                }
            };
            let meant = match &policy.constraints {
                Some(constraints) => self.meant(constraints, asked, object),
                None => Err(ApiError::bad_request(
                    "policy contained no match constraints, a required field",
                )),
            };
            let resource = match meant {
                Ok(Some(resource)) => resource,
                Ok(None) => continue,
                Err(error) => {
                    misconfigured(None, &error.message);
                    continue;
                }
            };
            let params_of = match self.param_resource(policy) {
                Ok(params_of) => params_of,
                Err(why) => {
                    misconfigured(None, &why);
                    continue;
                }
            };
            for binding in &hook.bindings {
                let constraints = binding.constraints.as_ref();
                let meant = constraints.map(|one| self.meant(one, asked, object));
                match meant.transpose() {
                    Ok(Some(None)) => continue,
                    Ok(_) => {}
                    Err(error) => {
                        misconfigured(Some(binding), &error.message);
                        continue;
                    }
                }
                let wanted = binding.params.as_ref();
                match self.params(params_of.as_ref(), wanted, asked.namespace) {
                    Ok(params) => all.extend(params.into_iter().map(|params| Invocation {
                        policy,
                        binding,
                        resource: Arc::clone(&resource),
                        params,
                    })),
                    Err(why) => misconfigured(Some(binding), &why),
                }
            }
        }
        all
    }

    /// One policy with one object of parameters; whether it has changed the object.
    async fn invoke(
        &self,
        invocation: &Invocation<'_>,
        object: &mut Value,
        turn: &mut Turn<'_>,
    ) -> Result<bool, ApiError> {
        let Invocation {
            policy, binding, ..
        } = *invocation;
        let Turn {
            asked, is_again, ..
        } = *turn;
        let resource = &invocation.resource;
        let shown = self.shown_as(asked, resource, Some(object), turn.versions);
        let holds = match shown.await {
            Ok(shown) => {
                let namespace = super::namespace_of(asked);
                let view = self.view_of(asked, resource, &shown, Some(object), namespace)?;
                let measured = Measured {
                    metrics: &self.metrics.admission,
                    operation: asked.operation.word(),
                };
                conditions_hold(policy, view.seen(), &invocation.params, measured)
                    .map_err(|why| (fault(policy, Some(binding), &why), INVALID))
            }
            Err(error) => {
                let why = format!("failed to configure policy: {}", error.message);
                Err((fault(policy, None, &why), None))
            }
        };
        match holds {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err((text, reason)) => {
                turn.fail(policy, text, reason);
                return Ok(false);
            }
        }
        let params = &invocation.params;
        let place = format!("{}/{}", object::namespace(params), object::name(params));
        let key = (policy.name.clone(), binding.name.clone(), place);
        if is_again && !turn.rounds.again.contains(&key) {
            return Ok(false);
        }
        let mut changed = false;
        for mutation in &policy.mutations {
            let began = Instant::now();
            let shown = self.shown_as(asked, resource, Some(object), turn.versions);
            let next = match shown.await {
                Ok(shown) => {
                    self.mutated(mutation, invocation, asked, &shown, object)
                        .await
                }
                Err(error) => Err(error.message),
            };
            let fault_told = next.as_ref().err().map(String::as_str);
            let metrics = &self.metrics.admission;
            metrics.mutated(&policy.name, &binding.name, fault_told, began.elapsed());
            match next {
                Ok(next) if next == *object => {}
                Ok(next) => {
                    changed = true;
                    *object = next;
                    turn.versions.forget();
                }
                Err(why) => turn.fail(policy, fault(policy, Some(binding), &why), INVALID),
            }
        }
        if changed {
            turn.rounds.changed();
        }
        if policy.is_reinvocable {
            turn.rounds.content.insert(key);
        }
        Ok(changed)
    }

    /// What one mutation makes of an object.
    async fn mutated(
        &self,
        mutation: &Mutation,
        invocation: &Invocation<'_>,
        asked: &Asked<'_>,
        shown: &Shown,
        object: &Value,
    ) -> Result<Value, String> {
        let next = self.evaluated(mutation, invocation, asked, shown, object)?;
        let resource = &invocation.resource;
        let next = self.taken_back(asked, resource, next).await;
        let mut next =
            next.map_err(|error| format!("failed to convert object: {}", error.message))?;
        asked
            .check(self, &mut next)
            .map_err(|error| error.message)?;
        Ok(next)
    }

    /// The same, in the version that the policy sees.
    fn evaluated(
        &self,
        mutation: &Mutation,
        invocation: &Invocation<'_>,
        asked: &Asked<'_>,
        shown: &Shown,
        object: &Value,
    ) -> Result<Value, String> {
        let own = shown.object(Some(object)).unwrap_or(object);
        let (Mutation::Apply(expression) | Mutation::Patch(expression)) = mutation else {
            return Ok(own.clone());
        };
        if let Err(wrong) = &expression.program {
            return Err(wrong.clone());
        }
        let namespace = super::namespace_of(asked);
        let resource = &invocation.resource;
        let view = self.view_of(asked, resource, shown, Some(object), namespace);
        let view = view.map_err(|error| error.message)?;
        let inputs = Inputs::new(
            view.seen(),
            &invocation.params,
            &invocation.policy.variables,
        );
        let mut left = RUNTIME_COST_MAX;
        let value = inputs.evaluate(expression, &mut left)??;
        match mutation {
            Mutation::Patch(_) => {
                let patch = Value::from(made::operations(&value)?).to_string();
                match skerry_merge::json_patch(own, patch.as_bytes()) {
                    Ok(next) => Ok(next),
                    Err(PatchError::Inapplicable(skerry_merge::Inapplicable::TestFailed {
                        ..
                    })) => Ok(own.clone()),
                    Err(error) => Err(format!("JSON Patch: {error}")),
                }
            }
            _ => self
                .overlaid(resource, asked, own, &made::configuration(&value)?)
                .map_err(|why| format!("error applying patch: {why}")),
        }
    }

    fn overlaid(
        &self,
        resource: &Resource,
        asked: &Asked<'_>,
        object: &Value,
        config: &Value,
    ) -> Result<Value, String> {
        let mut config = config.clone();
        for field in ["apiVersion", "kind"] {
            config[field] = object[field].clone();
        }
        let sub = resource.subresource(asked.subresource());
        let definition = sub.map_or("", |sub| sub.definition.as_str());
        if let Some(custom) = &resource.custom {
            let compiled = custom.compiled(&resource.version);
            let compiled = compiled.map_err(|error| error.message)?;
            return skerry_merge::overlay(object, &config, compiled.of());
        }
        let of = match definition {
            "" => self.registry.type_of(resource),
            name => self.registry.types.definition(name),
        };
        skerry_merge::overlay(object, &config, of)
    }
}

/// Refuses what policies refuse; the first of them is told first.
fn refuse(asked: &Asked<'_>, object: Option<&Value>, faults: Faults) -> Result<(), ApiError> {
    let Some((first, reason)) = faults.first() else {
        return Ok(());
    };
    let mut error = super::refusal(asked, object, "admission request denied by policy");
    error.message.clone_from(first);
    if let Some(reason) = reason {
        error.reason = (*reason).into();
    }
    let causes = faults
        .iter()
        .map(|(message, _)| json!({"message": message}));
    let causes = causes.collect();
    Err(error.with_causes(causes))
}
