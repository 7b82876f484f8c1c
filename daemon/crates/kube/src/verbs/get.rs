//! get: one object.

use crate::answer::Answer;
use crate::answer::encode::Encoder;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object::parse_resource_version;

impl Engine {
    pub(crate) async fn get(&self, call: &Call) -> Result<Answer, ApiError> {
        let asked = call.query.get("resourceVersion");
        let least = match asked {
            "" => None,
            text => Some(parse_resource_version(text)?),
        };
        if least != Some(0) {
            self.freshen_for(call).await;
        }
        if let Some(least) = least {
            let current = self.storage.view()?.revision();
            if least > current {
                return Err(ApiError::too_large_resource_version(least, current));
            }
        }
        let info = &call.info;
        let kept = self
            .must_read_as(&call.resource, &info.namespace, &info.name)
            .await?;
        let encoder = Encoder::new(call.form, &call.resource);
        Ok(Answer::Object(200, encoder.object(kept.object)))
    }

    /// As [`Engine::freshen`], telling the client of the call.
    pub(crate) async fn freshen_for(&self, call: &Call) {
        if let Some(warning) = self.freshen().await {
            call.warn(warning);
        }
    }
}
