//! ResourceQuota: charges what an object uses before it is stored, and counts anew.
//!
//! The count is the quota's own status in the store: a charge is a write under the condition that
//! nobody has charged meanwhile, on whatever member. What is charged and then not stored is found
//! when the leader counts anew, which it does after every charge. Invariant: nothing is stored that
//! was not charged first.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use skerry_admission::quota::{self, Amounts};
use skerry_schema::Resource;

use super::forbidden;
use crate::call::Call;
use crate::engine::{Engine, Kept};
use crate::error::ApiError;
use crate::limits::CONFLICT_RETRIES_MAX;
use crate::object;
use crate::registry;
use crate::time;

/// What nobody counts: there are many, and they go by themselves.
const UNCOUNTED: [(&str, &str); 2] = [("", "events"), ("events.k8s.io", "events")];
/// Of pods there are other names than those that begin with the resource's.
const POD_NAMES: [&str; 4] = ["pods", "cpu", "memory", "ephemeral-storage"];

impl Engine {
    /// Charges the quotas of a namespace for an object that is about to be stored. A rehearsal
    /// (`dry_run`) charges nothing and is refused like the real thing.
    pub(crate) async fn charge(
        &self,
        call: &Call,
        next: &Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let resource = &call.resource;
        let (group, plural) = (resource.group.as_str(), resource.plural.as_str());
        let counted = resource.namespaced
            && matches!(call.info.subresource.as_str(), "" | "resize")
            && !UNCOUNTED.contains(&(group, plural));
        if !counted {
            return Ok(());
        }
        let wanted = match old {
            None => usage(resource, next),
            Some(old) => quota::growth(&usage(resource, next), &usage(resource, old)),
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let quotas = self.quotas()?;
        for found in self.quotas_of(&quotas, &call.info.namespace)? {
            if !quota::covers(&found, group, &resource.kind, next) {
                continue;
            }
            if old.is_none() && group.is_empty() && plural == "pods" {
                quota::constrain(&found, next)
                    .map_err(|refused| forbidden(call, next, &refused))?;
            }
            let name = object::name(&found);
            self.charge_one(call, &quotas, name, next, &wanted, dry_run)
                .await?;
        }
        Ok(())
    }

    async fn charge_one(
        &self,
        call: &Call,
        quotas: &Resource,
        name: &str,
        next: &Value,
        wanted: &Amounts,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        for _ in 0..CONFLICT_RETRIES_MAX {
            // It may be gone by now.
            let Some(kept) = self.read(quotas, &call.info.namespace, name)? else {
                return Ok(());
            };
            let hard = quota::amounts(&kept.object, "/spec/hard");
            let mut used = quota::amounts(&kept.object, "/status/used");
            if hard.keys().any(|name| !used.contains_key(name)) {
                used = self.count(&kept.object)?;
            }
            let charged = quota::charge(&kept.object, &used, wanted);
            let charged = charged.map_err(|refused| forbidden(call, next, &refused))?;
            let Some(charged) = charged.filter(|_| !dry_run) else {
                return Ok(());
            };
            let mut all = used;
            all.extend(charged);
            if self.write_count(quotas, kept, &all).await? {
                return Ok(());
            }
        }
        Err(ApiError::modified(registry::about(quotas, name)))
    }

    /// Counts anew what the quotas of a namespace have given out; false where somebody has charged
    /// meanwhile.
    pub(crate) async fn recount(&self, namespace: &str) -> Result<bool, ApiError> {
        let quotas = self.quotas()?;
        let mut all = true;
        for found in self.quotas_of(&quotas, namespace)? {
            let Some(kept) = self.read(&quotas, namespace, object::name(&found))? else {
                continue;
            };
            let used = self.count(&kept.object)?;
            all &= self.write_count(&quotas, kept, &used).await?;
        }
        Ok(all)
    }

    /// Writes what a quota has given out, unless it says so already.
    async fn write_count(
        &self,
        quotas: &Resource,
        kept: Kept,
        used: &Amounts,
    ) -> Result<bool, ApiError> {
        let Kept { mut object, stored } = kept;
        let hard = quota::amounts(&object, "/spec/hard");
        let status = json!({
            "hard": quota::to_value(&hard),
            "used": quota::to_value(&quota::masked(used, &hard)),
        });
        if object.get("status") == Some(&status) {
            return Ok(true);
        }
        object["status"] = status;
        let (namespace, name) = (object::namespace(&object), object::name(&object));
        let key = registry::key(quotas, namespace, name);
        self.store(&key, stored.revision, &mut object, stored.lease)
            .await
    }

    /// What a quota's namespace uses of what it limits.
    fn count(&self, found: &Value) -> Result<Amounts, ApiError> {
        let hard = quota::amounts(found, "/spec/hard");
        let mut used: Amounts = hard
            .keys()
            .map(|name| (name.clone(), skerry_kinds::quantity::Quantity::ZERO))
            .collect();
        for resource in self.registry.all().iter() {
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

    fn quotas_of(&self, quotas: &Resource, namespace: &str) -> Result<Vec<Value>, ApiError> {
        let mut listing = self.storage.list(registry::keys(quotas, namespace), 0)?;
        let mut all = Vec::new();
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return Ok(all);
            }
            for stored in chunk {
                all.push(crate::decode::stored(&stored.value)?);
            }
        }
    }
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
