//! Approves kubelets' requests for client certificates, signs what was approved, and removes what
//! is over.
//!
//! Invariant: a request is decided or signed only as it was read; keeps names, no requests.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use skerry_rbac::{Attributes, Target, User};
use tokio::time::Instant;

use super::{RETRY_INTERVAL, own_options};
use crate::certificates::rules::{self, Duty};
use crate::certificates::{Signer, Terms};
use crate::engine::{Engine, Kept};
use crate::error::ApiError;
use crate::limits::{CLEANING_INTERVAL, REVISIT_INTERVAL};
use crate::object;
use crate::options::DeleteOptions;
use crate::registry;
use crate::time;

const GROUP: &str = "certificates.k8s.io";
const PLURAL: &str = "certificatesigningrequests";

pub(super) async fn run(engine: &Engine) {
    let Some(signer) = &engine.signer else {
        return;
    };
    loop {
        if let Err(error) = follow(engine, signer).await {
            tracing::warn!(%error, "certificate requests are looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine, signer: &Arc<dyn Signer>) -> Result<(), ApiError> {
    let requests = engine.registry.find(GROUP, "v1", PLURAL);
    let requests = requests.ok_or_else(ApiError::no_such_path)?;
    let keys = registry::keys(requests, "");
    let from = engine.storage.list(keys.clone(), 0)?.revision() + 1;
    let mut changed = engine.storage.watch(keys.clone(), from)?;
    loop {
        // Everything once, and then each hour, for what is over; changes in between.
        let mut listing = engine.storage.list(keys.clone(), 0)?;
        let mut waits = false;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                if let Some(name) = last_part(&stored.key) {
                    waits |= !unless_refused(&name, engine.attend(signer, &name).await)?;
                }
            }
        }
        drop(listing);
        let looked = Instant::now();
        loop {
            let next_look = match waits {
                true => looked + REVISIT_INTERVAL,
                false => looked + CLEANING_INTERVAL,
            };
            let mut due = BTreeSet::new();
            tokio::select! {
                changes = changed.next() => {
                    let there = changes?.into_iter().filter(|change| change.now.is_some());
                    due.extend(there.filter_map(|change| last_part(&change.key)));
                }
                () = tokio::time::sleep_until(next_look) => break,
            }
            for name in due {
                waits |= !unless_refused(&name, engine.attend(signer, &name).await)?;
            }
        }
    }
}

/// What somebody who was asked has refused is tried again later: the others do not wait for it.
fn unless_refused(name: &str, done: Result<bool, ApiError>) -> Result<bool, ApiError> {
    match done {
        Err(error) if error.by_others => {
            tracing::warn!(%error, name, "a certificate request cannot be written");
            Ok(false)
        }
        done => done,
    }
}

fn last_part(key: &[u8]) -> Option<String> {
    let key = std::str::from_utf8(key).ok()?;
    key.rsplit('/').next().map(str::to_owned)
}

impl Engine {
    /// Does what there is to do about one request; whether all of it is done.
    async fn attend(&self, signer: &Arc<dyn Signer>, name: &str) -> Result<bool, ApiError> {
        let requests = self.registry.find(GROUP, "v1", PLURAL);
        let requests = requests.ok_or_else(ApiError::no_such_path)?;
        let Some(live) = self.read(requests, "", name)? else {
            return Ok(true);
        };
        let object = &live.object;
        let pem = rules::certificate(object);
        let end = Some(&pem).filter(|pem| !pem.is_empty());
        let end = end.and_then(|pem| signer.end_of(pem).ok());
        let end_ms = end.map(|seconds| seconds.saturating_mul(1000));
        let now_ms = i64::try_from(time::now().as_millis()).unwrap_or(i64::MAX);
        if rules::is_over(object, end_ms, now_ms) {
            return self.remove_request(object).await.map(|()| true);
        }
        match rules::duty(object) {
            Duty::Nothing => Ok(true),
            Duty::Consider => self.consider(signer, &live).await,
            Duty::Sign(authority) => {
                let facts = match signer.read(&rules::request(object)) {
                    Ok(facts) => facts,
                    Err(error) => {
                        tracing::warn!(name, error, "unable to parse csr");
                        return Ok(true);
                    }
                };
                if let Err(why) = rules::check(object, &facts) {
                    let failed = condition("Failed", "SignerValidationFailure", &why);
                    return self.conclude(&live, "status", failed).await.map(|()| true);
                }
                let usages = rules::usages(object);
                let terms = Terms {
                    authority,
                    usages: &usages,
                    life_seconds: rules::life_seconds(object),
                };
                match signer.sign(&rules::request(object), &terms) {
                    Ok(pem) => self.hand_out(&live, &pem).await.map(|()| true),
                    Err(error) => {
                        tracing::warn!(name, error, "cannot sign a certificate");
                        Ok(false)
                    }
                }
            }
        }
    }

    /// Approves a kubelet's request where whoever asks may have it.
    async fn consider(&self, signer: &Arc<dyn Signer>, live: &Kept) -> Result<bool, ApiError> {
        let Ok(facts) = signer.read(&rules::request(&live.object)) else {
            return Ok(true);
        };
        let user = user_of(&live.object);
        let recognized = rules::unasked(&live.object, &facts);
        let waits = !recognized.is_empty();
        for (permission, message) in recognized {
            let target = Target::Resource {
                group: GROUP,
                resource: PLURAL,
                subresource: permission,
                name: "",
                namespace: "",
            };
            let wanted = Attributes::new(&user, "create", target);
            let allowed = self.roles.policies().authorize(&wanted).allowed;
            if allowed {
                let approved = condition("Approved", "AutoApproved", message);
                return self
                    .conclude(live, "approval", approved)
                    .await
                    .map(|()| true);
            }
        }
        // They may get the permission yet.
        Ok(!waits)
    }

    async fn conclude(
        &self,
        live: &Kept,
        subresource: &str,
        condition: Value,
    ) -> Result<(), ApiError> {
        let mut next = live.object.clone();
        let status = object::fields_of(&mut next, "status");
        let conditions = status.entry("conditions").or_insert_with(|| json!([]));
        if let Value::Array(conditions) = conditions {
            conditions.push(condition);
        }
        self.write_request(live, subresource, next).await
    }

    async fn hand_out(&self, live: &Kept, pem: &str) -> Result<(), ApiError> {
        let mut next = live.object.clone();
        let status = object::fields_of(&mut next, "status");
        status.insert("certificate".into(), STANDARD.encode(pem).into());
        self.write_request(live, "status", next).await
    }

    async fn write_request(
        &self,
        live: &Kept,
        subresource: &str,
        next: Value,
    ) -> Result<(), ApiError> {
        let name = object::name(&live.object);
        let mut call = self.own_call("update", GROUP, "v1", PLURAL, "", name)?;
        subresource.clone_into(&mut call.info.subresource);
        "kube-controller-manager".clone_into(&mut call.user_agent);
        match self.replace(&call, live, next, &own_options()).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code, 404 | 409 | 422) && !error.by_others => {
                tracing::debug!(%error, name, "a certificate request cannot be written");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn remove_request(&self, object: &Value) -> Result<(), ApiError> {
        let name = object::name(object);
        let call = self.own_call("delete", GROUP, "v1", PLURAL, "", name)?;
        let options = DeleteOptions {
            uid: Some(object::uid(object).to_owned()),
            ..DeleteOptions::default()
        };
        match self.delete_object(&call, "", name, &options).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code, 404 | 409) && !error.by_others => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn condition(kind: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "message": message})
}

/// Who has asked, as the request says.
fn user_of(object: &Value) -> User {
    let spec = |field: &str| object.get("spec").and_then(|spec| spec.get(field));
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let text = |field: &str| spec(field).and_then(Value::as_str).unwrap_or_default();
    User {
        name: text("username").to_owned(),
        uid: text("uid").to_owned(),
        groups: spec("groups").map(texts).unwrap_or_default(),
        ..User::default()
    }
}
