//! Custom objects in the version that somebody wants: by name alone, or by asking a webhook.
//!
//! Works on what is stored, so that everybody who reads sees converted objects only. Invariant: an
//! object is returned in the version that was asked for, or not at all.

use serde_json::Value;

use super::Custom;
use super::review::Review;
use crate::answer;
use crate::decode;
use crate::engine::{Engine, Kept, kept};
use crate::error::ApiError;
use crate::limits::{CONVERSION_ANSWER_BYTES_MAX, CONVERSION_TIME_MAX};
use crate::registry::{self, Resource};
use crate::storage::Stored;
use crate::webhooks::ClientConfig;

impl Custom {
    /// Whether objects are converted by a webhook, which takes time.
    pub(crate) fn asks(&self) -> bool {
        self.definition.webhook.is_some()
    }
}

impl Engine {
    /// As [`Engine::read`], in the version of the resource.
    pub(crate) async fn read_as(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Kept>, ApiError> {
        let key = registry::key(resource, namespace, name);
        let Some(stored) = self.storage.get(&key)? else {
            return Ok(None);
        };
        let mut stored = self.in_version(resource, vec![stored]).await?;
        stored
            .pop()
            .map(|stored| kept(resource, stored))
            .transpose()
    }

    /// As [`Engine::read_as`]; an error where it is not there.
    pub(crate) async fn must_read_as(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Kept, ApiError> {
        self.read_as(resource, namespace, name)
            .await?
            .ok_or_else(|| ApiError::not_found(registry::about(resource, name)))
    }

    /// What is stored, as it would be stored in the version of a resource.
    pub(crate) async fn in_version(
        &self,
        resource: &Resource,
        all: Vec<Stored>,
    ) -> Result<Vec<Stored>, ApiError> {
        match resource.custom.as_ref().filter(|custom| custom.asks()) {
            None => Ok(all),
            // What a call needs only those hold that make one: thousands of watches do not.
            Some(custom) => Box::pin(self.asked_version(resource, custom, all)).await,
        }
    }

    async fn asked_version(
        &self,
        resource: &Resource,
        custom: &Custom,
        mut all: Vec<Stored>,
    ) -> Result<Vec<Stored>, ApiError> {
        let wanted = resource.api_version();
        let (mut places, mut objects) = (Vec::new(), Vec::new());
        for (place, stored) in all.iter().enumerate() {
            let mut object = decode::stored(&stored.value)?;
            if object.get("apiVersion").and_then(Value::as_str) != Some(&wanted) {
                custom.refresh(stored, &mut object)?;
                places.push(place);
                objects.push(object);
            }
        }
        let converted = self.converted(custom, &wanted, objects).await?;
        for (place, object) in places.into_iter().zip(converted) {
            all[place].value = answer::json(&object).into();
        }
        Ok(all)
    }

    /// An object in the version that objects of its resource are kept in; none where it is in that
    /// one already.
    pub(crate) async fn in_storage_version(
        &self,
        resource: &Resource,
        object: &Value,
    ) -> Result<Option<Value>, ApiError> {
        let Some(custom) = &resource.custom else {
            return Ok(None);
        };
        let definition = &custom.definition;
        if resource.version == definition.storage_version {
            return Ok(None);
        }
        let wanted = format!("{}/{}", resource.group, definition.storage_version);
        let mut object = object.clone();
        if custom.asks() {
            let converting = Box::pin(self.converted(custom, &wanted, vec![object]));
            let mut converted = converting.await?;
            return Ok(converted.pop());
        }
        object["apiVersion"] = wanted.into();
        Ok(Some(object))
    }

    /// Objects of one version in another, as a webhook converts them.
    pub(crate) async fn converted(
        &self,
        custom: &Custom,
        wanted: &str,
        objects: Vec<Value>,
    ) -> Result<Vec<Value>, ApiError> {
        let Some(first) = objects.first() else {
            return Ok(objects);
        };
        let text = |field: &str| first.get(field).and_then(Value::as_str).unwrap_or_default();
        let kind = format!("{}, Kind={}", text("apiVersion"), text("kind"));
        let failed = |why: String| {
            let message = format!("conversion webhook for {kind} {why}");
            ApiError::new(500, "", message)
        };
        let conversion = custom.definition.webhook.as_ref().unwrap_or(&Value::Null);
        let webhook = &conversion["webhook"];
        let review = Review::new(&webhook["conversionReviewVersions"], wanted)
            .map_err(|why| failed(format!("failed: {why}")))?;
        let question = review.question(&objects);
        let answer = self
            .ask_converter(&webhook["clientConfig"], &question)
            .await;
        let answer = answer.map_err(|why| failed(format!("failed: {why}")))?;
        review.answer(&objects, answer).map_err(failed)
    }

    async fn ask_converter(&self, config: &Value, question: &Value) -> Result<Value, String> {
        let config = ClientConfig::read(config)?;
        let answer = self.call_webhook(
            &config,
            question,
            CONVERSION_TIME_MAX,
            CONVERSION_ANSWER_BYTES_MAX,
        );
        answer.await.map_err(|error| error.to_string())
    }
}
