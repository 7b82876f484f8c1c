//! Whose slices these are, and what they say besides endpoints.
//!
//! Pure. Invariant: what is dressed is labelled.

use serde_json::{Map, Value, json};

use super::slices::Content;
use super::wanted::is_headless;
use super::{HEADLESS, MANAGED_BY, SERVICE_NAME, SLICES, TRIGGER_TIME};
use crate::object;

/// Who owns slices, and what they have in common.
pub(super) struct Owner<'o> {
    pub(super) object: &'o Value,
    pub(super) kind: &'static str,
    pub(super) labels: Map<String, Value>,
    /// None: whatever there is, but for the trigger time.
    pub(super) annotations: Option<Map<String, Value>>,
    pub(super) trigger: Option<&'o str>,
    pub(super) endpoints_max: usize,
    pub(super) placeholder: bool,
}

impl Owner<'_> {
    /// Whether a slice has the labels and annotations that it should have.
    pub(super) fn labelled(&self, slice: &Value) -> bool {
        let annotations = object::metadata(slice).get("annotations");
        let has = annotations.and_then(Value::as_object);
        labels_of(slice) == self.labels
            && self.annotations.as_ref().is_none_or(|wanted| match has {
                Some(has) => has == wanted,
                None => wanted.is_empty(),
            })
    }

    pub(super) fn slice(&self, family: &str, content: Content) -> Value {
        let name = object::name(self.object);
        let mut slice = json!({
            "metadata": {
                "generateName": format!("{name}-"),
                "namespace": object::namespace(self.object),
                "ownerReferences": [{
                    "apiVersion": "v1",
                    "kind": self.kind,
                    "name": name,
                    "uid": object::uid(self.object),
                    "controller": true,
                    "blockOwnerDeletion": true,
                }],
            },
            "addressType": family,
        });
        self.dress(&mut slice, content);
        slice
    }

    pub(super) fn dress(&self, slice: &mut Value, content: Content) {
        // As upstream shows what is empty here.
        let some = |list: Vec<Value>| match list.is_empty() {
            true => Value::Null,
            false => Value::Array(list),
        };
        slice["ports"] = some(content.ports);
        slice["endpoints"] = some(content.endpoints);
        let metadata = object::metadata_mut(slice);
        metadata.insert("labels".into(), self.labels.clone().into());
        if let Some(annotations) = &self.annotations {
            match annotations.is_empty() {
                true => _ = metadata.remove("annotations"),
                false => _ = metadata.insert("annotations".into(), annotations.clone().into()),
            }
        }
        annotate(metadata, TRIGGER_TIME, self.trigger);
    }
}

pub(super) fn slice_labels(service: &Value) -> Map<String, Value> {
    let mut labels = labels_of(service);
    labels.remove(HEADLESS);
    if is_headless(service) {
        labels.insert(HEADLESS.into(), "".into());
    }
    labels.insert(SERVICE_NAME.into(), object::name(service).into());
    labels.insert(MANAGED_BY.into(), SLICES.into());
    labels
}

/// Sets an annotation, or takes it off.
pub(super) fn annotate(metadata: &mut Map<String, Value>, key: &str, value: Option<&str>) {
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        match value {
            Some(value) => _ = annotations.insert(key.into(), value.into()),
            None => _ = annotations.remove(key),
        }
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
}

pub(super) fn labels_of(object: &Value) -> Map<String, Value> {
    let labels = object::metadata(object).get("labels");
    labels
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

pub(super) fn label<'o>(object: &'o Value, key: &str) -> Option<&'o str> {
    object::metadata(object).get("labels")?.get(key)?.as_str()
}
