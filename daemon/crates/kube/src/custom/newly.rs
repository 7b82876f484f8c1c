//! Resources that other members may serve already, because they know of their definitions earlier.
//!
//! Who has made a definition through one member, and has seen it established, uses it through
//! another a moment later.

use std::sync::Arc;

use super::{GROUP, PLURAL, is_true};
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::DEFINITION_WAIT_MAX;
use crate::registry::{self, Resource};
use crate::route::RequestInfo;

impl Engine {
    /// Waits until this member serves what the definitions say that its store has now.
    pub(crate) async fn serve_stored(&self) -> Result<(), ApiError> {
        let resource = self.registry.find(GROUP, "v1", PLURAL);
        let resource = resource.ok_or_else(ApiError::no_such_path)?;
        let mut listing = self.storage.list(registry::keys(resource, ""), 0)?;
        let mut newest = 0;
        loop {
            let chunk = listing.next_chunk()?;
            let Some(last) = chunk.iter().map(|stored| stored.revision).max() else {
                break;
            };
            newest = newest.max(last);
        }
        let seen = self.registry.customs.wait_for(newest);
        _ = tokio::time::timeout(DEFINITION_WAIT_MAX, seen).await;
        Ok(())
    }

    /// A resource that this member does not serve, once it has heard all that was acknowledged.
    pub(crate) async fn served_newly(
        &self,
        info: &RequestInfo,
    ) -> Result<Option<Arc<Resource>>, ApiError> {
        // A custom group has a dot. Anybody may ask for anything: what does not read as a name is
        // not worth a question to the others.
        let is_name = registry::check_segment(&info.resource).is_ok();
        if !info.group.contains('.') || !is_name || info.group.contains('/') {
            return Ok(None);
        }
        let Some(definitions) = self.registry.find(GROUP, "v1", PLURAL) else {
            return Ok(None);
        };
        self.freshen().await;
        let name = format!("{}.{}", info.resource, info.group);
        let Some(definition) = self.read(definitions, "", &name)? else {
            return Ok(None);
        };
        if !is_true(&definition.object, "Established") {
            return Ok(None);
        }
        let seen = self.registry.customs.wait_for(definition.stored.revision);
        _ = tokio::time::timeout(DEFINITION_WAIT_MAX, seen).await;
        let customs = &self.registry.customs;
        Ok(customs.served(&info.group, &info.version, &info.resource))
    }
}
