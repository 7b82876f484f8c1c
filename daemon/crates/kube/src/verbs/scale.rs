//! The subresource `scale`: how many, whatever the kind.

use std::sync::Arc;

use serde_json::{Value, json};
use skerry_merge::apply;
use skerry_selector::labels::Selector;

use super::patch::Patch;
use crate::admission::Asked;
use crate::answer::Answer;
use crate::answer::encode::Encoder;
use crate::call::Call;
use crate::custom::path;
use crate::engine::{Engine, Kept};
use crate::error::{About, ApiError};
use crate::limits::CONFLICT_RETRIES_MAX;
use crate::object;
use crate::options::WriteOptions;
use crate::registry::Resource;
use crate::verbs::create::place;

/// Where the built-in kinds that scale keep what a Scale has.
const REPLICAS: [&str; 2] = ["spec", "replicas"];
const STATUS_REPLICAS: [&str; 2] = ["status", "replicas"];

/// Where a kind keeps what a Scale has in `.spec.replicas`.
fn replicas_of(resource: &Resource) -> Vec<&str> {
    let scale = resource
        .custom
        .as_ref()
        .and_then(|custom| custom.version.scale.as_ref());
    match scale {
        Some(scale) => path(&scale.spec_replicas),
        None => REPLICAS.to_vec(),
    }
}

impl Engine {
    pub(crate) async fn get_scale(&self, call: &Call) -> Result<Answer, ApiError> {
        self.freshen_for(call).await;
        let info = &call.info;
        let kept = self
            .must_read_as(&call.resource, &info.namespace, &info.name)
            .await?;
        Ok(answer(call, &kept.object))
    }

    /// update and patch.
    pub(crate) async fn set_scale(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        let patches = call.info.verb == "patch";
        let kind = if patches {
            "PatchOptions"
        } else {
            "UpdateOptions"
        };
        let mut options = WriteOptions::parse(&call.query, kind)?;
        let patch = patches.then(|| Patch::parse(call, &options)).transpose()?;
        options.applied = matches!(patch, Some(Patch::Apply(_)));
        let info = &call.info;
        for _ in 0..CONFLICT_RETRIES_MAX {
            let current = self
                .must_read_as(&call.resource, &info.namespace, &info.name)
                .await?;
            let mut wanted = match &patch {
                None => call.object(&self.registry.types, options.field_validation)?,
                Some(Patch::Apply(config)) => {
                    let mut config = config.clone();
                    let validation = options.field_validation;
                    let types = &self.registry.types;
                    call.check(&mut config, types, validation, &mut Vec::new())?;
                    place(call, &mut config)?;
                    let mut live = scale_of(&call.resource, &current.object);
                    apply::owners_to_scale(
                        &current.object,
                        &mut live,
                        &replicas_of(&call.resource),
                    )
                    .map_err(ApiError::internal)?;
                    self.apply_shown(call, &live, &config, &options)?
                }
                Some(patch) => {
                    let mut wanted =
                        self.changed(call, &scale_of(&call.resource, &current.object), patch)?;
                    let validation = options.field_validation;
                    call.check(
                        &mut wanted,
                        &self.registry.types,
                        validation,
                        &mut Vec::new(),
                    )?;
                    wanted
                }
            };
            place(call, &mut wanted)?;
            let seen = object::resource_version(&wanted)?;
            if seen != 0 && seen != current.stored.revision {
                return Err(ApiError::modified(call.about()));
            }
            if let Some(updated) = self.scaled(call, &current, &wanted, &options).await? {
                return Ok(answer(call, &updated));
            }
        }
        Err(ApiError::modified(call.about()))
    }

    async fn scaled(
        &self,
        call: &Call,
        current: &Kept,
        wanted: &Value,
        options: &WriteOptions,
    ) -> Result<Option<Value>, ApiError> {
        let replicas = wanted.pointer("/spec/replicas").and_then(Value::as_i64);
        let replicas = replicas.unwrap_or(0);
        if replicas < 0 {
            let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
            let about = About {
                group: "autoscaling",
                resource: "Scale",
                name: &call.info.name,
            };
            let cause = ("FieldValueInvalid".into(), message, "spec.replicas".into());
            return Err(ApiError::invalid(about, &[cause]));
        }
        let mut wanted = wanted.clone();
        let old = scale_of(&call.resource, &current.object);
        let asked = Asked::update(call, &old, options);
        self.pass(&asked, Some(&mut wanted)).await?;
        let wanted = &wanted;
        let replicas = wanted.pointer("/spec/replicas").and_then(Value::as_i64);
        let replicas = replicas.unwrap_or(0).max(0);
        let mut next = current.object.clone();
        let path = replicas_of(&call.resource);
        set_at(&mut next, &path, replicas.into());
        if options.applied {
            let api_version = call.resource.api_version();
            apply::owners_from_scale(&mut next, wanted, &path, &api_version)
                .map_err(ApiError::internal)?;
        }
        self.replace(call, current, next, options).await
    }
}

/// An object's scale in the shape that the client wants.
fn answer(call: &Call, object: &Value) -> Answer {
    let mut resource = skerry_schema::Resource::clone(&call.resource);
    resource.group = "autoscaling".into();
    resource.version = "v1".into();
    resource.kind = "Scale".into();
    let encoder = Encoder::new(call.form, &Arc::new(resource.into()));
    Answer::Object(200, encoder.object(scale_of(&call.resource, object)))
}

fn at<'o>(object: &'o Value, path: &[&str]) -> Option<&'o Value> {
    path.iter().try_fold(object, |value, name| value.get(name))
}

fn set_at(object: &mut Value, path: &[&str], value: Value) {
    match path {
        [] => *object = value,
        [name, rest @ ..] => {
            if !object.is_object() {
                *object = json!({});
            }
            set_at(&mut object[*name], rest, value);
        }
    }
}

/// An object's scale.
fn scale_of(resource: &Resource, object: &Value) -> Value {
    let number = |path: &[&str]| at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let custom = resource
        .custom
        .as_ref()
        .and_then(|custom| custom.version.scale.as_ref());
    let status_replicas = match custom {
        Some(scale) => path(&scale.status_replicas),
        None => STATUS_REPLICAS.to_vec(),
    };
    let selector = match custom {
        Some(scale) => {
            let selector = scale.label_selector.as_ref();
            selector.and_then(|selector| at(object, &path(selector)))
        }
        None => object.pointer("/spec/selector"),
    };
    let selector = match selector {
        // A custom kind tells its selector as a text.
        Some(Value::String(text)) => text.clone(),
        _ if custom.is_some() => String::new(),
        // A ReplicationController selects by labels alone.
        Some(Value::Object(labels)) if labels.values().all(Value::is_string) => {
            Selector::from_map(labels).to_string()
        }
        Some(selector) => Selector::from_object(selector)
            .map(|selector| selector.to_string())
            .unwrap_or_default(),
        None => String::new(),
    };
    let mut metadata = serde_json::Map::new();
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = object::metadata(object).get(field) {
            metadata.insert(field.into(), value.clone());
        }
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": number(&replicas_of(resource))},
        "status": {"replicas": number(&status_replicas), "selector": selector},
    })
}
