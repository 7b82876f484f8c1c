//! `componentstatuses`: what runs beside the API, looked at when somebody asks.
//!
//! A scheduler and a controller manager are no part of this server; where upstream's run on this
//! machine they are found at their ports. Invariant: nothing of it is kept.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use crate::answer::encode::Encoder;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::dial::dial;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::filter::Filter;
use crate::negotiate::Encoding;
use crate::registry;
use crate::storage::Freshness;

const DEPRECATED: &str = "v1 ComponentStatus is deprecated in v1.19+";

/// The store of this member, as upstream calls the first endpoint of its store.
const STORE: &str = "etcd-0";

/// Where upstream's other components answer for their health, in its order.
const OTHERS: [(&str, u16); 2] = [("scheduler", 10_259), ("controller-manager", 10_257)];

impl Engine {
    /// get and list of them.
    pub(crate) async fn components(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        call.warn(DEPRECATED);
        let encoder = Encoder::new(call.form, &call.resource);
        let name = call.info.name.as_str();
        if !name.is_empty() {
            let found = self.component(name).await;
            let found =
                found.ok_or_else(|| ApiError::not_found(registry::about(&call.resource, name)))?;
            return Ok(Answer::Object(200, encoder.object(found)));
        }
        let filter = Filter::parse(&call.query, &call.resource)?;
        let mut items = Vec::new();
        let names = OTHERS.iter().map(|(name, _)| *name).chain([STORE]);
        for name in names {
            if let Some(found) = self.component(name).await
                && filter.matches(&found)
            {
                items.push(answer::json(&encoder.item(found)));
            }
        }
        let (head, tail) = encoder.list_frame();
        let text = [&head[..], &items.join(&b','), &tail, b"{}}\n"].concat();
        if call.form.encoding == Encoding::Yaml {
            let list = serde_json::from_slice(&text).map_err(ApiError::internal)?;
            return Ok(Answer::Object(200, list));
        }
        let parts = stream::iter([Ok(Bytes::from(text))]);
        Ok(Answer::Parts(Box::pin(parts)))
    }

    async fn component(&self, name: &str) -> Option<Value> {
        let (status, message, error) = match OTHERS.iter().find(|(known, _)| *known == name) {
            Some((_, port)) => match dial("127.0.0.1", *port).await {
                Ok(()) => ("True", "ok".to_owned(), ""),
                Err(why) => {
                    let message = format!("Get \"https://127.0.0.1:{port}/healthz\": {why}");
                    ("False", message, "")
                }
            },
            None if name == STORE => match self.storage.freshen().await {
                Freshness::Newest => ("True", "ok".to_owned(), ""),
                Freshness::Local => ("False", String::new(), "the cluster has no quorum"),
            },
            None => return None,
        };
        let mut condition = json!({"type": "Healthy", "status": status});
        for (field, text) in [("message", message.as_str()), ("error", error)] {
            if !text.is_empty() {
                condition[field] = text.into();
            }
        }
        Some(json!({
            "kind": "ComponentStatus",
            "apiVersion": "v1",
            "metadata": {"name": name},
            "conditions": [condition],
        }))
    }
}
