//! What is known of a request, as the JSON that expressions read.
//!
//! Invariant: it is in the version that the policy's rules name.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::asker::Asker;
use super::inputs::Seen;
use crate::admission::{Asked, Shown};
use crate::engine::Engine;
use crate::error::{About, ApiError};
use crate::registry::{self, Resource};

/// See the module.
pub(super) struct View<'a> {
    pub(super) object: &'a Value,
    old: &'a Value,
    request: Value,
    namespace: Value,
    asker: Asker,
}

static NOTHING: Value = Value::Null;

impl View<'_> {
    pub(super) fn seen(&self) -> Seen<'_> {
        Seen {
            object: self.object,
            old: self.old,
            request: &self.request,
            namespace: &self.namespace,
            asker: Some(&self.asker),
        }
    }
}

impl Engine {
    /// A request as a policy sees it whose rules name a resource.
    pub(super) fn view_of<'a>(
        &self,
        asked: &'a Asked<'_>,
        resource: &Arc<Resource>,
        shown: &'a Shown,
        object: Option<&'a Value>,
        namespace: &str,
    ) -> Result<View<'a>, ApiError> {
        Ok(View {
            object: shown.object(object).unwrap_or(&NOTHING),
            old: shown.old(asked).unwrap_or(&NOTHING),
            request: request(asked, resource),
            namespace: self.namespace_object(namespace)?,
            asker: Asker::new(self, asked, resource),
        })
    }

    fn namespace_object(&self, name: &str) -> Result<Value, ApiError> {
        if name.is_empty() {
            return Ok(Value::Null);
        }
        let resource = self.registry.find("", "v1", "namespaces");
        let resource = resource.ok_or_else(ApiError::no_such_path)?;
        registry::check_segment(name)?;
        let found = self.read(resource, "", name)?.ok_or_else(|| {
            ApiError::not_found(About {
                group: "",
                resource: "namespaces",
                name,
            })
        })?;
        let mut namespace = found.object;
        // As upstream: without its kind, and without who owns what.
        if let Some(metadata) = namespace["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            metadata.remove("ownerReferences");
        }
        if let Some(fields) = namespace.as_object_mut() {
            fields.retain(|field, _| matches!(field.as_str(), "metadata" | "spec" | "status"));
        }
        Ok(namespace)
    }
}

/// Group, version and kind of what is passed, as a resource has it.
fn kind_of(asked: &Asked<'_>, resource: &Resource) -> Value {
    let own = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    match resource.subresource(asked.subresource()) {
        Some(sub) if !sub.kind.is_empty() => own(&sub.group, &sub.version, &sub.kind),
        _ => own(&resource.group, &resource.version, &resource.kind),
    }
}

fn request(asked: &Asked<'_>, resource: &Resource) -> Value {
    let call = asked.call;
    let place = |resource: &Resource| json!({"group": resource.group, "version": resource.version, "resource": resource.plural});
    let user = &call.user;
    let mut who = Map::new();
    who.insert("username".into(), user.name.as_str().into());
    if !user.uid.is_empty() {
        who.insert("uid".into(), user.uid.as_str().into());
    }
    who.insert("groups".into(), json!(user.groups));
    let extra = user.extra.iter();
    let extra: Map<String, Value> = extra
        .map(|(key, values)| (key.clone(), json!(values)))
        .collect();
    if !extra.is_empty() {
        who.insert("extra".into(), extra.into());
    }
    let mut request = json!({
        "kind": kind_of(asked, resource),
        "resource": place(resource),
        "requestKind": kind_of(asked, &call.resource),
        "requestResource": place(&call.resource),
        "operation": asked.operation.word(),
        "userInfo": who,
        "dryRun": asked.dry_run,
    });
    for (field, text) in [
        ("subResource", asked.subresource()),
        ("requestSubResource", asked.subresource()),
        ("name", asked.name),
        ("namespace", asked.namespace),
    ] {
        if !text.is_empty() {
            request[field] = text.into();
        }
    }
    if let Some(options) = &asked.options {
        request["options"] = options.clone();
    }
    request
}
