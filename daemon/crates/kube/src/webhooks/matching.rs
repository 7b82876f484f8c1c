//! Whether a webhook wants to be asked about a request, and in which version of the object.
//!
//! Invariant: selectors that cannot be evaluated refuse only what the rules are about.

use std::sync::Arc;

use serde_json::Value;
use skerry_selector::labels::Selector;

use super::hook::{Hook, Phase, Subject};
use crate::admission::{Asked, Shown, Versions};
use crate::engine::Engine;
use crate::error::{About, ApiError};
use crate::registry::{self, Resource};

/// How a webhook is to be asked.
pub(super) struct Invocation {
    /// The resource that its rules name: another version of the same object, or the one itself.
    pub(super) resource: Arc<Resource>,
    /// What it is shown, where that is another version.
    pub(super) shown: Arc<Shown>,
}

impl Engine {
    /// How a webhook wants to be asked, if it does.
    pub(super) async fn invocation(
        &self,
        (hook, phase): (&Hook, Phase),
        asked: &Asked<'_>,
        object: Option<&Value>,
        versions: &mut Versions,
    ) -> Result<Option<Invocation>, ApiError> {
        let by_namespace = self.in_namespaces(&hook.namespaces, asked, object);
        if matches!(by_namespace, Ok(false)) {
            return Ok(None);
        }
        let by_object = in_objects(&hook.objects, asked, object);
        if matches!(by_object, Ok(false)) {
            return Ok(None);
        }
        let Some(resource) = self.by_rules(hook, asked) else {
            return Ok(None);
        };
        by_namespace?;
        by_object?;
        let shown = self.shown_as(asked, &resource, object, versions).await?;
        let invocation = Invocation { resource, shown };
        match self.meets_conditions((hook, phase), asked, &invocation, object)? {
            true => Ok(Some(invocation)),
            false => Ok(None),
        }
    }

    fn by_rules(&self, hook: &Hook, asked: &Asked<'_>) -> Option<Arc<Resource>> {
        let resource = &asked.call.resource;
        let own = subject(asked, resource);
        if hook.rules.iter().any(|rule| rule.matches(&own)) {
            return Some(Arc::clone(resource));
        }
        if !hook.takes_equivalents || resource.storage_prefix.is_empty() {
            return None;
        }
        let is_same = |other: &Arc<Resource>| {
            (other.group != resource.group || other.version != resource.version)
                && (asked.subresource().is_empty()
                    || other.subresource(asked.subresource()).is_some())
        };
        let mut others = self.registry.versions_of(resource);
        others.retain(is_same);
        for rule in &hook.rules {
            for other in &others {
                if rule.matches(&subject(asked, other)) {
                    return Some(Arc::clone(other));
                }
            }
        }
        None
    }

    pub(crate) fn in_namespaces(
        &self,
        selector: &Result<Selector, String>,
        asked: &Asked<'_>,
        object: Option<&Value>,
    ) -> Result<bool, ApiError> {
        if asked.namespace.is_empty() {
            return Ok(true);
        }
        let selector = selector.as_ref().map_err(ApiError::internal)?;
        if selector.is_everything() {
            return Ok(true);
        }
        if asked.is_namespace()
            && asked.subresource().is_empty()
            && let Some(namespace) = object
        {
            return Ok(selector.matches_object(namespace));
        }
        let resource = self.registry.find("", "v1", "namespaces");
        let resource = resource.ok_or_else(ApiError::no_such_path)?;
        registry::check_segment(asked.namespace)?;
        match self.read(resource, "", asked.namespace)? {
            Some(namespace) => Ok(selector.matches_object(&namespace.object)),
            None => Err(ApiError::not_found(About {
                group: "",
                resource: "namespaces",
                name: asked.namespace,
            })),
        }
    }
}

pub(crate) fn subject<'a>(asked: &Asked<'a>, resource: &'a Resource) -> Subject<'a> {
    Subject {
        operation: asked.operation.word(),
        group: &resource.group,
        version: &resource.version,
        resource: &resource.plural,
        subresource: asked.subresource(),
        is_cluster: asked.namespace.is_empty() || asked.is_namespace(),
    }
}

pub(crate) fn in_objects(
    selector: &Result<Selector, String>,
    asked: &Asked<'_>,
    object: Option<&Value>,
) -> Result<bool, ApiError> {
    let selector = selector.as_ref().map_err(ApiError::internal)?;
    let selects = |selector: &Selector, object: Option<&Value>| {
        object.is_some_and(|object| {
            object.get("metadata").is_some() && selector.matches_object(object)
        })
    };
    Ok(selector.is_everything() || selects(selector, object) || selects(selector, asked.old))
}
