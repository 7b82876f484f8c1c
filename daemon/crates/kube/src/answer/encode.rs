//! One object in the shape that was asked for: itself, its metadata, or the row of a Table.
//!
//! Knows nothing about lists or watches beyond what surrounds an item in them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::answer::splice::splice;
use crate::kind;
use crate::negotiate::{Encoding, Form, Include, Shape};
use crate::object;
use crate::registry::Resource;
use crate::storage::Stored;
use crate::time;

/// Shapes the objects of one answer.
#[derive(Clone)]
pub(crate) struct Encoder {
    pub(crate) form: Form,
    pub(crate) resource: Arc<Resource>,
    /// Of the resource.
    pub(crate) api_version: Arc<str>,
}

impl Encoder {
    pub(crate) fn new(form: Form, resource: &Arc<Resource>) -> Encoder {
        Encoder {
            form,
            resource: Arc::clone(resource),
            api_version: resource.api_version().into(),
        }
    }

    /// An object that is an answer by itself.
    pub(crate) fn object(&self, object: Value) -> Value {
        match self.form.shape {
            Shape::Plain => object,
            Shape::Partial => self.partial(&object),
            Shape::Table(include) => {
                let revision = object::text(&object, "resourceVersion").to_owned();
                let rows = vec![self.row(object, include)];
                self.table(rows, json!({"resourceVersion": revision}), true)
            }
        }
    }

    /// Appends a stored object as JSON, as it is in a list or in a watch; false where that takes
    /// the object as a value.
    pub(crate) fn splice(&self, stored: &Stored, in_list: bool, out: &mut Vec<u8>) -> bool {
        let json = self.form.encoding != Encoding::Protobuf;
        if self.form.shape != Shape::Plain || !json {
            return false;
        }
        let custom = self.resource.custom.as_ref();
        if custom.is_some_and(|custom| !custom.shows_as_stored(stored, &self.resource)) {
            return false;
        }
        splice(
            &stored.value,
            &self.api_version,
            stored.revision,
            in_list,
            out,
        )
    }

    /// An object in a list: a row where the list is a Table.
    pub(crate) fn item(&self, mut object: Value) -> Value {
        match self.form.shape {
            Shape::Plain => {
                // The list says what its items are.
                if let Value::Object(fields) = &mut object {
                    fields.remove("apiVersion");
                    fields.remove("kind");
                }
                object
            }
            Shape::Partial => self.partial(&object),
            Shape::Table(include) => self.row(object, include),
        }
    }

    /// An object in a watch; only the first Table of a watch says what its columns are.
    pub(crate) fn event(&self, object: Value, first: bool) -> Value {
        match self.form.shape {
            Shape::Table(include) => {
                let revision = object::text(&object, "resourceVersion").to_owned();
                let rows = vec![self.row(object, include)];
                self.table(rows, json!({"resourceVersion": revision}), first)
            }
            _ => self.object(object),
        }
    }

    /// The version and kind of a list.
    pub(crate) fn list_kind(&self) -> (String, String) {
        match self.form.shape {
            Shape::Plain => (self.resource.api_version(), self.resource.list_kind.clone()),
            Shape::Partial => (self.meta(), "PartialObjectMetadataList".to_owned()),
            Shape::Table(_) => (self.meta(), "Table".to_owned()),
        }
    }

    /// What comes before and after the items of a list, but for the metadata.
    pub(crate) fn list_frame(&self) -> (Vec<u8>, Vec<u8>) {
        let (api_version, kind) = self.list_kind();
        let (kind, api_version) = (Value::from(kind), Value::from(api_version));
        let head = format!("{{\"kind\":{kind},\"apiVersion\":{api_version},");
        let items = match self.form.shape {
            Shape::Table(_) => {
                format!("\"columnDefinitions\":{},\"rows\":[", self.columns())
            }
            _ => "\"items\":[".to_owned(),
        };
        ((head + &items).into_bytes(), b"],\"metadata\":".to_vec())
    }

    fn meta(&self) -> String {
        format!("meta.k8s.io/{}", self.form.meta_version)
    }

    fn partial(&self, object: &Value) -> Value {
        json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": self.meta(),
            "metadata": object::metadata(object),
        })
    }

    fn columns(&self) -> Value {
        kind::columns(&self.resource)
    }

    fn row(&self, object: Value, include: Include) -> Value {
        let (cells, conditions) = kind::cells(&self.resource, &object, time::now());
        let mut row = Map::new();
        row.insert("cells".into(), cells.into());
        if !conditions.is_empty() {
            row.insert("conditions".into(), conditions.into());
        }
        match include {
            Include::None => {}
            Include::Metadata => _ = row.insert("object".into(), self.partial(&object)),
            Include::Object => _ = row.insert("object".into(), object),
        }
        Value::Object(row)
    }

    fn table(&self, rows: Vec<Value>, metadata: Value, with_columns: bool) -> Value {
        let columns = match with_columns {
            true => self.columns(),
            false => Value::Null,
        };
        json!({
            "kind": "Table",
            "apiVersion": self.meta(),
            "metadata": metadata,
            "columnDefinitions": columns,
            "rows": rows,
        })
    }
}
