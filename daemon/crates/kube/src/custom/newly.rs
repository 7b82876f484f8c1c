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
