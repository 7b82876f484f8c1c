//! Where admission that others have configured comes in: the two points of upstream's chain.
//!
//! | point | when | who has a say, in this order |
//! |---|---|---|
//! | [`Engine::change`] | the object has its defaults and its owners; what the built-in plugins fill in is there | mutating admission policies, then mutating webhooks |
//! | [`Engine::approve`] | the object is valid, and as it will be stored | validating admission policies, then validating webhooks; quotas come after |
//!
//! Whatever changes an object at the first point has the built-in plugins look at it again, and
//! those of the others that want to be asked again. Invariant: what is stored was seen by all that
//! judge, as it is stored.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::WEBHOOKS_TIME_MAX;
use crate::object;
use crate::options::{DeleteOptions, FieldValidation, Propagation, WriteOptions};
use crate::policies;
use crate::webhooks::{self, Kind};

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    /// As reviews and rules have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

/// What admission is asked about, besides the object itself.
pub(crate) struct Asked<'a> {
    pub(crate) call: &'a Call,
    pub(crate) operation: Operation,
    /// Of the object that is passed, where it is not what the path's subresource takes.
    pub(crate) kind: Option<Kind<'a>>,
    /// As the request names it: empty where a name is still to be made up.
    pub(crate) name: &'a str,
    /// Of a namespace itself: its own name.
    pub(crate) namespace: &'a str,
    pub(crate) old: Option<&'a Value>,
    /// `CreateOptions`, `UpdateOptions`, `DeleteOptions`; none of a connection.
    pub(crate) options: Option<Value>,
    pub(crate) dry_run: bool,
    /// When the whole request ends.
    pub(crate) deadline: Instant,
}

impl<'a> Asked<'a> {
    fn new(call: &'a Call, operation: Operation, name: &'a str, namespace: &'a str) -> Asked<'a> {
        let is_namespace = call.resource.group.is_empty() && call.resource.plural == "namespaces";
        Asked {
            call,
            operation,
            kind: None,
            name,
            namespace: if is_namespace { name } else { namespace },
            old: None,
            options: None,
            dry_run: false,
            deadline: Instant::now() + WEBHOOKS_TIME_MAX,
        }
    }

    /// A new object, or what a subresource takes that is no object of its own.
    pub(crate) fn create(call: &'a Call, name: &'a str, options: &WriteOptions) -> Asked<'a> {
        Asked {
            options: Some(write_options(call, "CreateOptions", options)),
            dry_run: options.dry_run,
            ..Asked::new(call, Operation::Create, name, &call.info.namespace)
        }
    }

    /// Another state of an object.
    pub(crate) fn update(call: &'a Call, old: &'a Value, options: &WriteOptions) -> Asked<'a> {
        let name = match call.info.name.as_str() {
            "" => object::name(old),
            name => name,
        };
        Asked {
            old: Some(old),
            options: Some(write_options(call, "UpdateOptions", options)),
            dry_run: options.dry_run,
            ..Asked::new(call, Operation::Update, name, &call.info.namespace)
        }
    }

    /// The end of an object.
    pub(crate) fn delete(
        call: &'a Call,
        namespace: &'a str,
        name: &'a str,
        old: &'a Value,
        options: &DeleteOptions,
    ) -> Asked<'a> {
        Asked {
            old: Some(old),
            options: Some(delete_options(options)),
            dry_run: options.dry_run,
            ..Asked::new(call, Operation::Delete, name, namespace)
        }
    }

    /// The same once a name was made up, where the request has none.
    pub(crate) fn named(&self, name: &'a str) -> Asked<'a> {
        let is_named = !self.name.is_empty();
        Asked {
            name: if is_named { self.name } else { name },
            namespace: match self.is_namespace() && !is_named {
                true => name,
                false => self.namespace,
            },
            options: self.options.clone(),
            ..*self
        }
    }

    /// A connection to something.
    pub(crate) fn connect(call: &'a Call) -> Asked<'a> {
        let info = &call.info;
        Asked::new(call, Operation::Connect, &info.name, &info.namespace)
    }

    pub(crate) fn subresource(&self) -> &'a str {
        &self.call.info.subresource
    }

    /// Whether it is about a namespace itself.
    pub(crate) fn is_namespace(&self) -> bool {
        let resource = &self.call.resource;
        resource.group.is_empty() && resource.plural == "namespaces"
    }

    /// Refuses what has taken too long as a whole.
    pub(crate) fn in_time(&self) -> Result<(), ApiError> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => {
                let message = "Timeout: request did not complete within requested timeout";
                Err(ApiError::new(504, "Timeout", message))
            }
            _ => Ok(()),
        }
    }

    /// Makes what somebody else has changed an object of the kind that the path takes again.
    pub(crate) fn check(&self, engine: &Engine, object: &mut Value) -> Result<(), ApiError> {
        let call = self.call;
        let types = &engine.registry.types;
        call.check(object, types, FieldValidation::Ignore, &mut Vec::new())?;
        if call.kind().2 == call.resource.kind {
            engine.shape(call, object)?;
        }
        Ok(())
    }
}

/// The two points, as metrics have them.
const ADMIT: &str = "admit";
const VALIDATE: &str = "validate";

/// What is known from one round to the next.
#[derive(Default)]
struct Turns {
    policies: policies::Rounds,
    webhooks: webhooks::Rounds,
}

impl Engine {
    /// The first point, for a new object.
    pub(crate) async fn change_new(
        &self,
        asked: &Asked<'_>,
        object: &mut Value,
    ) -> Result<bool, ApiError> {
        let began = Instant::now();
        let done = self.changed_new(asked, object).await;
        self.observe_step(ADMIT, asked, done.is_err(), began);
        done
    }

    async fn changed_new(&self, asked: &Asked<'_>, object: &mut Value) -> Result<bool, ApiError> {
        self.admit_new(asked.call, object).await?;
        let mut rounds = Turns::default();
        let mut changed = false;
        // The second time only those are asked who want to be.
        for _ in 0..2 {
            if !self.change(asked, Some(&mut *object), &mut rounds).await? {
                break;
            }
            changed = true;
            self.admit_new(asked.call, object).await?;
        }
        Ok(changed)
    }

    /// The first point, for another state of an object.
    pub(crate) async fn change_next(
        &self,
        asked: &Asked<'_>,
        next: &mut Value,
    ) -> Result<bool, ApiError> {
        let began = Instant::now();
        let done = self.changed_next(asked, next).await;
        self.observe_step(ADMIT, asked, done.is_err(), began);
        done
    }

    async fn changed_next(&self, asked: &Asked<'_>, next: &mut Value) -> Result<bool, ApiError> {
        let old = asked.old.unwrap_or(&Value::Null);
        self.admit_changed(asked.call, next, old)?;
        let mut rounds = Turns::default();
        let mut changed = false;
        for _ in 0..2 {
            if !self.change(asked, Some(&mut *next), &mut rounds).await? {
                break;
            }
            changed = true;
            self.admit_changed(asked.call, next, old)?;
        }
        Ok(changed)
    }

    /// Both points, for what is not stored: what subresources take, and what goes.
    pub(crate) async fn pass(
        &self,
        asked: &Asked<'_>,
        mut object: Option<&mut Value>,
    ) -> Result<(), ApiError> {
        self.change_passing(asked, object.as_deref_mut()).await?;
        self.approve(asked, object.as_deref()).await
    }

    /// The first point, for what is not stored.
    pub(crate) async fn change_passing(
        &self,
        asked: &Asked<'_>,
        object: Option<&mut Value>,
    ) -> Result<(), ApiError> {
        let began = Instant::now();
        let done = self.changed_passing(asked, object).await;
        self.observe_step(ADMIT, asked, done.is_err(), began);
        done
    }

    async fn changed_passing(
        &self,
        asked: &Asked<'_>,
        mut object: Option<&mut Value>,
    ) -> Result<(), ApiError> {
        let mut rounds = Turns::default();
        for _ in 0..2 {
            if !self
                .change(asked, object.as_deref_mut(), &mut rounds)
                .await?
            {
                break;
            }
        }
        Ok(())
    }

    /// One round of all that may change an object; whether something has. None: there is no object.
    async fn change(
        &self,
        asked: &Asked<'_>,
        object: Option<&mut Value>,
        rounds: &mut Turns,
    ) -> Result<bool, ApiError> {
        let (policies, webhooks) = (&mut rounds.policies, &mut rounds.webhooks);
        let mut object = object;
        let began = Instant::now();
        let changed = self.mutating_policies(asked, object.as_deref_mut(), policies);
        let changed = changed.await;
        let name = "MutatingAdmissionPolicy";
        self.observe_controller(name, ADMIT, asked, changed.is_err(), began);
        let changed = changed?;
        let began = Instant::now();
        let done = self.mutating_webhooks(asked, object, webhooks).await;
        let name = "MutatingAdmissionWebhook";
        self.observe_controller(name, ADMIT, asked, done.is_err(), began);
        Ok(done? || changed)
    }

    /// The second point.
    pub(crate) async fn approve(
        &self,
        asked: &Asked<'_>,
        object: Option<&Value>,
    ) -> Result<(), ApiError> {
        let began = Instant::now();
        let done = self.validating_policies(asked, object).await;
        let name = "ValidatingAdmissionPolicy";
        self.observe_controller(name, VALIDATE, asked, done.is_err(), began);
        let done = match done {
            Ok(()) => {
                let began = Instant::now();
                let done = self.validating_webhooks(asked, object).await;
                let name = "ValidatingAdmissionWebhook";
                self.observe_controller(name, VALIDATE, asked, done.is_err(), began);
                done
            }
            refused => refused,
        };
        self.observe_step(VALIDATE, asked, done.is_err(), began);
        done
    }

    fn observe_step(
        &self,
        step: &'static str,
        asked: &Asked<'_>,
        is_rejected: bool,
        began: Instant,
    ) {
        let metrics = &self.metrics.admission;
        metrics.step(step, asked.operation.word(), is_rejected, began.elapsed());
    }

    fn observe_controller(
        &self,
        name: &'static str,
        step: &'static str,
        asked: &Asked<'_>,
        is_rejected: bool,
        began: Instant,
    ) {
        let (metrics, operation) = (&self.metrics.admission, asked.operation.word());
        metrics.controller(name, step, operation, is_rejected, began.elapsed());
    }
}

fn write_options(call: &Call, kind: &str, options: &WriteOptions) -> Value {
    let mut told = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
    if options.dry_run {
        told["dryRun"] = json!(["All"]);
    }
    if !options.field_manager.is_empty() {
        told["fieldManager"] = options.field_manager.as_str().into();
    }
    // As it was asked for: what is meant where nobody says is not told.
    let validation = call.query.get("fieldValidation");
    if !validation.is_empty() {
        told["fieldValidation"] = validation.into();
    }
    told
}

fn delete_options(options: &DeleteOptions) -> Value {
    let mut told = json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"});
    if let Some(seconds) = options.grace_period_seconds {
        told["gracePeriodSeconds"] = seconds.into();
    }
    if options.dry_run {
        told["dryRun"] = json!(["All"]);
    }
    if let Some(propagation) = options.propagation {
        told["propagationPolicy"] = match propagation {
            Propagation::Orphan => "Orphan",
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
        }
        .into();
    }
    for (field, value) in [
        ("uid", &options.uid),
        ("resourceVersion", &options.resource_version),
    ] {
        if let Some(value) = value {
            told["preconditions"][field] = value.as_str().into();
        }
    }
    told
}
