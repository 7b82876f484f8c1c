//! What a policy or a binding is about.
//!
//! Invariant: selectors that cannot be evaluated refuse only what the rules are about.

use std::sync::Arc;

use serde_json::Value;

use super::definition::{Constraints, NamedRule};
use crate::admission::Asked;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::registry::Resource;
use crate::webhooks::{in_objects, subject};

impl Engine {
    /// The resource that the rules name, where they mean the request: another version of the same
    /// objects, or the one that is asked for.
    pub(super) fn meant(
        &self,
        constraints: &Constraints,
        asked: &Asked<'_>,
        object: Option<&Value>,
    ) -> Result<Option<Arc<Resource>>, ApiError> {
        let by_namespace = self.in_namespaces(&constraints.namespaces, asked, object);
        if matches!(by_namespace, Ok(false)) {
            return Ok(None);
        }
        let by_object = in_objects(&constraints.objects, asked, object);
        if matches!(by_object, Ok(false)) {
            return Ok(None);
        }
        let equivalents = constraints.takes_equivalents;
        if self
            .named(&constraints.excluded, equivalents, asked, object)
            .is_some()
        {
            return Ok(None);
        }
        let found = match constraints.rules.is_empty() {
            true => Some(Arc::clone(&asked.call.resource)),
            false => self.named(&constraints.rules, equivalents, asked, object),
        };
        if found.is_some() {
            by_namespace?;
            by_object?;
        }
        Ok(found)
    }

    fn named(
        &self,
        rules: &[NamedRule],
        takes_equivalents: bool,
        asked: &Asked<'_>,
        object: Option<&Value>,
    ) -> Option<Arc<Resource>> {
        if rules.is_empty() {
            return None;
        }
        let name = match asked.name {
            "" => object.map_or("", crate::object::name),
            name => name,
        };
        let means = |named: &NamedRule, resource: &Arc<Resource>| {
            named.rule.matches(&subject(asked, resource))
                && (named.names.is_empty() || named.names.iter().any(|one| one == name))
        };
        let own = &asked.call.resource;
        if rules.iter().any(|named| means(named, own)) {
            return Some(Arc::clone(own));
        }
        if !takes_equivalents || own.storage_prefix.is_empty() {
            return None;
        }
        let sub = asked.subresource();
        let others = self.registry.versions_of(own).into_iter().filter(|other| {
            (other.group != own.group || other.version != own.version)
                && (sub.is_empty() || other.subresource(sub).is_some())
        });
        let others: Vec<Arc<Resource>> = others.collect();
        let mut rules = rules.iter();
        rules.find_map(|named| others.iter().find(|other| means(named, other)).cloned())
    }
}
