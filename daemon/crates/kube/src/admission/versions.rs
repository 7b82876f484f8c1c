//! The object of a request under another of its versions, for those who want to see that one.
//!
//! Only names differ, or a webhook converts it. Invariant: what takes its own kind of object
//! (`scale`, `eviction`) has no other version of it.

use std::sync::Arc;

use serde_json::Value;

use super::Asked;
use crate::convert::convert;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::registry::Resource;

/// What is shown of a request under one version; empty: what is asked about, as it is.
#[derive(Default)]
pub(crate) struct Shown {
    object: Option<Value>,
    old: Option<Value>,
}

impl Shown {
    pub(crate) fn object<'a>(&'a self, own: Option<&'a Value>) -> Option<&'a Value> {
        self.object.as_ref().or(own)
    }

    pub(crate) fn old<'a>(&'a self, asked: &Asked<'a>) -> Option<&'a Value> {
        self.old.as_ref().or(asked.old)
    }
}

/// The versions that one state of an object was shown in, so that each is made once.
#[derive(Default)]
pub(crate) struct Versions(Vec<(String, Arc<Shown>)>);

impl Versions {
    /// The object is another one now.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

/// Whether the objects of a request have another form under a resource.
fn differs(asked: &Asked<'_>, resource: &Resource) -> bool {
    let own = &asked.call.resource;
    let is_other = own.group != resource.group || own.version != resource.version;
    let sub = own.subresource(asked.subresource());
    let is_whole = sub.is_none_or(|sub| sub.kind.is_empty() || sub.kind == own.kind);
    is_other && is_whole && asked.kind.is_none()
}

impl Engine {
    /// A request as somebody sees it who wants the version of a resource.
    pub(crate) async fn shown_as(
        &self,
        asked: &Asked<'_>,
        resource: &Resource,
        object: Option<&Value>,
        versions: &mut Versions,
    ) -> Result<Arc<Shown>, ApiError> {
        if !differs(asked, resource) {
            return Ok(Arc::default());
        }
        let wanted = resource.api_version();
        if let Some((_, shown)) = versions.0.iter().find(|(known, _)| *known == wanted) {
            return Ok(Arc::clone(shown));
        }
        let mut all: Vec<Value> = object.into_iter().chain(asked.old).cloned().collect();
        self.show(asked, resource, &mut all).await?;
        let mut all = all.into_iter();
        let shown = Arc::new(Shown {
            object: object.and_then(|_| all.next()),
            old: all.next(),
        });
        versions.0.push((wanted, Arc::clone(&shown)));
        Ok(shown)
    }

    /// What somebody has made of an object that was shown under the version of a resource, as the
    /// request has it.
    pub(crate) async fn taken_back(
        &self,
        asked: &Asked<'_>,
        resource: &Resource,
        object: Value,
    ) -> Result<Value, ApiError> {
        if !differs(asked, resource) {
            return Ok(object);
        }
        let mut all = vec![object];
        self.show(asked, &asked.call.resource, &mut all).await?;
        Ok(all.pop().unwrap_or_default())
    }

    /// Brings objects into the version of a resource.
    async fn show(
        &self,
        asked: &Asked<'_>,
        resource: &Resource,
        all: &mut Vec<Value>,
    ) -> Result<(), ApiError> {
        let custom = resource.custom.as_ref();
        let Some(custom) = custom.filter(|custom| custom.asks()) else {
            all.iter_mut().for_each(|one| convert(resource, one));
            return Ok(());
        };
        asked.in_time()?;
        let wanted = resource.api_version();
        // What a call needs only those hold that make one.
        let converting = Box::pin(self.converted(custom, &wanted, std::mem::take(all)));
        *all = converting
            .await
            .map_err(|error| ApiError::internal(error.message))?;
        Ok(())
    }
}
