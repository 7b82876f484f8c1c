//! ResourceQuota: charges what an object uses as it is stored, and counts anew.
//!
//! The count is the quota's own status in the store: an object and what it is charged are one
//! write, under the condition that nobody has charged meanwhile, on whatever member. What is given
//! back the leader finds when it counts anew. Invariant: a count is never less than what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use skerry_admission::quota::{self, Amounts};

use super::forbidden;
use crate::answer;
use crate::call::Call;
use crate::custom::Custom;
use crate::engine::{self, Engine, Kept};
use crate::error::ApiError;
use crate::limits::CHARGE_TRIES_MAX;
use crate::object;
use crate::registry::{self, Resource};
use crate::storage::{Along, Outcome, Write};
use crate::time;

/// What nobody counts: there are many, and they go by themselves.
const UNCOUNTED: [(&str, &str); 2] = [("", "events"), ("events.k8s.io", "events")];
/// Of pods there are other names than those that begin with the resource's.
const POD_NAMES: [&str; 4] = ["pods", "cpu", "memory", "ephemeral-storage"];

impl Engine {
    /// Stores an object that was at `expected` (0: not there), together with what it is charged;
    /// false where it has changed meanwhile. A rehearsal (`dry_run`) stores nothing, and is refused
    /// like the real thing.
    pub(crate) async fn store_charged(
        &self,
        call: &Call,
        key: &str,
        old: Option<(&Value, i64)>,
        next: &mut Value,
        lease: i64,
        dry_run: bool,
    ) -> Result<bool, ApiError> {
        let (before, expected) = old.unzip();
        let expected = expected.unwrap_or(0);
        let custom = call.resource.custom.as_ref();
        let resource = &call.resource;
        let mut converted = self.in_storage_version(resource, next).await?;
        for _ in 0..CHARGE_TRIES_MAX {
            let mut along = self.charges(call, next, before)?;
            // What the definition of now does not allow is not stored.
            along.extend(custom.map(Custom::unchanged));
            let depends = !along.is_empty();
            if dry_run {
                return Ok(true);
            }
            let object = converted.as_mut().unwrap_or(next);
            if self.store_with(key, expected, object, lease, along).await? {
                if let Some(converted) = &converted {
                    let revision = object::text(converted, "resourceVersion");
                    let revision = object::parse_resource_version(revision)?;
                    object::set_resource_version(next, revision);
                }
                return Ok(true);
            }
            let now = self.storage.get(key)?.map_or(0, |stored| stored.revision);
            if !depends || now != expected {
                return Ok(false);
            }
            if let Some(custom) = custom {
                custom.must_stand(&self.storage)?;
            }
            // Only the quota has changed: somebody else was charged.
        }
        Err(ApiError::modified(call.about()))
    }

    /// What the quotas of a namespace say once they are charged for an object.
    fn charges(
        &self,
        call: &Call,
        next: &Value,
        old: Option<&Value>,
    ) -> Result<Vec<Along>, ApiError> {
        let resource = &call.resource;
        let (group, plural) = (resource.group.as_str(), resource.plural.as_str());
        let counted = resource.namespaced
            && matches!(call.info.subresource.as_str(), "" | "resize")
            && !UNCOUNTED.contains(&(group, plural));
        if !counted {
            return Ok(Vec::new());
        }
        let wanted = match old {
            None => usage(resource, next),
            Some(old) => quota::growth(&usage(resource, next), &usage(resource, old)),
        };
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let quotas = self.quotas()?;
        let mut charges = Vec::new();
        for kept in self.quotas_of(&quotas, &call.info.namespace)? {
            let found = &kept.object;
            if !quota::covers(found, group, &resource.kind, next) {
                continue;
            }
            let refuse = |refused: &_| forbidden(call, next, refused);
            if old.is_none() && group.is_empty() && plural == "pods" {
                quota::constrain(found, next).map_err(|refused| refuse(&refused))?;
            }
            let hard = quota::amounts(found, "/spec/hard");
            let mut used = quota::amounts(found, "/status/used");
            if hard.keys().any(|name| !used.contains_key(name)) {
                used = self.count(found)?;
            }
            let charged = quota::charge(found, &used, &wanted);
            if let Some(charged) = charged.map_err(|refused| refuse(&refused))? {
                used.extend(charged);
                charges.extend(written(&quotas, kept, &used));
            }
        }
        Ok(charges)
    }

    /// Counts anew what the quotas of a namespace have given out; false where somebody has charged
    /// meanwhile.
    pub(crate) async fn recount(&self, namespace: &str) -> Result<bool, ApiError> {
        let quotas = self.quotas()?;
        let mut all = true;
        for kept in self.quotas_of(&quotas, namespace)? {
            let used = self.count(&kept.object)?;
            let Some(count) = written(&quotas, kept, &used) else {
                continue;
            };
            let Some((value, lease)) = count.put else {
                continue;
            };
            let write = Write::Put(value, lease);
            let done = self.storage.write(&count.key, count.expected, write);
            all &= matches!(done.await?, Outcome::Done(_));
        }
        Ok(all)
    }

    /// What a quota's namespace uses of what it limits.
    fn count(&self, found: &Value) -> Result<Amounts, ApiError> {
        let hard = quota::amounts(found, "/spec/hard");
        let mut used: Amounts = hard
            .keys()
            .map(|name| (name.clone(), skerry_kinds::quantity::Quantity::ZERO))
            .collect();
        for resource in &self.registry.kept() {
            if !counts(resource, &hard) {
                continue;
            }
            let keys = registry::keys(resource, object::namespace(found));
            let mut listing = self.storage.list(keys, 0)?;
            loop {
                let chunk = listing.next_chunk()?;
                if chunk.is_empty() {
                    break;
                }
                for stored in chunk {
                    let object = crate::decode::stored(&stored.value)?;
                    if quota::covers(found, &resource.group, &resource.kind, &object) {
                        let uses = quota::masked(&usage(resource, &object), &hard);
                        quota::add(&mut used, &uses);
                    }
                }
            }
        }
        Ok(used)
    }

    fn quotas(&self) -> Result<Arc<Resource>, ApiError> {
        let found = self.registry.find("", "v1", "resourcequotas");
        Ok(Arc::clone(found.ok_or_else(ApiError::no_such_path)?))
    }

    fn quotas_of(&self, quotas: &Resource, namespace: &str) -> Result<Vec<Kept>, ApiError> {
        let mut listing = self.storage.list(registry::keys(quotas, namespace), 0)?;
        let mut all = Vec::new();
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return Ok(all);
            }
            for stored in chunk {
                all.push(engine::kept(quotas, stored)?);
            }
        }
    }
}

/// How a quota is written that has given out so much; none where it says so already.
fn written(quotas: &Resource, kept: Kept, used: &Amounts) -> Option<Along> {
    let Kept { mut object, stored } = kept;
    let hard = quota::amounts(&object, "/spec/hard");
    let status = json!({
        "hard": quota::to_value(&hard),
        "used": quota::to_value(&quota::masked(used, &hard)),
    });
    if object.get("status") == Some(&status) {
        return None;
    }
    object::fields_of(&mut object, "status");
    object["status"] = status;
    object::metadata_mut(&mut object).remove("resourceVersion");
    let (namespace, name) = (object::namespace(&object), object::name(&object));
    Some(Along {
        key: registry::key(quotas, namespace, name),
        expected: stored.revision,
        put: Some((answer::json(&object).into(), stored.lease)),
    })
}

fn usage(resource: &Resource, object: &Value) -> Amounts {
    quota::usage(&resource.group, &resource.plural, object, is_over(object))
}

/// Whether an object should have gone by now, whatever keeps it.
fn is_over(object: &Value) -> bool {
    let metadata = object::metadata(object);
    let until = object::text(object, "deletionTimestamp");
    let grace = metadata.get("deletionGracePeriodSeconds");
    let grace = grace.and_then(Value::as_i64).unwrap_or(0);
    let Some(until) = skerry_kinds::parse_ms(until) else {
        return false;
    };
    let now = i64::try_from(time::now().as_millis()).unwrap_or(i64::MAX);
    now > until.saturating_add(grace.saturating_mul(1000))
}

/// Whether objects of a resource use anything that is limited.
fn counts(resource: &Resource, hard: &BTreeMap<String, skerry_kinds::quantity::Quantity>) -> bool {
    if !resource.namespaced || resource.storage_prefix.is_empty() {
        return false;
    }
    let (group, plural) = (resource.group.as_str(), resource.plural.as_str());
    let counted = match group {
        "" => format!("count/{plural}"),
        group => format!("count/{plural}.{group}"),
    };
    let mut names = hard.keys().map(String::as_str);
    names.any(|name| {
        let of_claims = name.ends_with("requests.storage")
            || name.ends_with("persistentvolumeclaims") && !name.starts_with("count/");
        name == counted
            || match (group, plural) {
                ("", "pods") => {
                    POD_NAMES.contains(&name)
                        || name.starts_with("hugepages-")
                        || name.starts_with("limits.")
                        || name.starts_with("requests.") && !of_claims
                }
                ("", "persistentvolumeclaims") => of_claims,
                ("", "services") => name == "services" || name.starts_with("services."),
                ("", plural) => name == plural,
                _ => false,
            }
    })
}
