//! The definitions of a kind and of its list.

use serde_json::{Map, Value, json};

use super::Published;
use crate::definition::is_publishable;
use crate::limits::DEPTH_MAX;

/// Which version of OpenAPI is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// With what `kubectl` cannot read left out.
    Two,
    Three,
}

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const CONVENTIONS: &str =
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";

/// A reference to a definition.
pub(super) fn reference(name: &str, dialect: Dialect) -> Value {
    let place = match dialect {
        Dialect::Two => "#/definitions",
        Dialect::Three => "#/components/schemas",
    };
    json!({ "$ref": format!("{place}/{name}") })
}

/// A definition of `meta/v1`.
pub(super) fn meta(name: &str) -> String {
    format!("{META}.{name}")
}

/// `com.example.v1.Widget`.
pub(super) fn name(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').collect();
    parts.reverse();
    format!("{}.{version}.{kind}", parts.join("."))
}

/// The definitions of a kind and of its list.
pub(super) fn definitions(of: &Published<'_>, dialect: Dialect) -> Map<String, Value> {
    let said = of.definition;
    let (group, version) = (&*said.group, &*of.version.name);
    let (kind, list_kind) = (&*said.names.kind, &*said.names.list_kind);
    let own = name(group, version, kind);
    let mut object = object(of, dialect);
    object["x-kubernetes-group-version-kind"] =
        json!([{"group": group, "version": version, "kind": kind}]);
    let mut items = json!({
        "type": "array",
        "description": format!("List of {}. More info: {CONVENTIONS}", said.names.plural),
    });
    items["items"] = reference(&own, dialect);
    let mut list = json!({
        "type": "object",
        "description": format!("{list_kind} is a list of {kind}"),
        "required": ["items"],
        "properties": {
            "items": items,
            "metadata": described(
                reference(&meta("ListMeta"), dialect),
                &format!("Standard list metadata. More info: {CONVENTIONS}#types-kinds"),
            ),
        },
        "x-kubernetes-group-version-kind":
            [{"group": group, "version": version, "kind": list_kind}],
    });
    add_type(&mut list["properties"]);
    let selectable = &of.version.selectable_fields;
    if !selectable.is_empty() {
        let paths = selectable.iter();
        let fields: Vec<Value> = paths
            .map(|path| json!({"fieldPath": path.strip_prefix('.').unwrap_or(path)}))
            .collect();
        for schema in [&mut object, &mut list] {
            schema["x-kubernetes-selectable-fields"] = Value::from(fields.clone());
        }
    }
    let mut all = Map::new();
    all.insert(own, object);
    all.insert(name(group, version, list_kind), list);
    all
}

fn object(of: &Published<'_>, dialect: Dialect) -> Value {
    let schema = of.schema;
    let keeps_all = of.definition.preserves_unknown_fields || schema[PRESERVE] == true;
    // Where kubectl knew some fields, it would refuse all others.
    if !schema.is_object() || !is_publishable(schema) || (dialect == Dialect::Two && keeps_all) {
        return json!({"type": "object"});
    }
    let mut object = published(schema, dialect, DEPTH_MAX);
    let properties = &mut object["properties"];
    if !properties.is_object() {
        *properties = json!({});
    }
    properties["metadata"] = object_meta(dialect);
    add_type(properties);
    object
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = Value::from(description);
    schema
}

fn text(description: &str) -> Value {
    described(json!({"type": "string"}), description)
}

fn object_meta(dialect: Dialect) -> Value {
    described(
        reference(&meta("ObjectMeta"), dialect),
        &format!("Standard object's metadata. More info: {CONVENTIONS}#metadata"),
    )
}

fn add_type(properties: &mut Value) {
    properties["apiVersion"] = text(&format!(
        "APIVersion defines the versioned schema of this representation of an object. Servers \
         should convert recognized schemas to the latest internal value, and may reject \
         unrecognized values. More info: {CONVENTIONS}#resources"
    ));
    properties["kind"] = text(&format!(
        "Kind is a string value representing the REST resource this object represents. Servers \
         may infer this from the endpoint the client submits requests to. Cannot be updated. In \
         CamelCase. More info: {CONVENTIONS}#types-kinds"
    ));
}

/// What is published of a schema.
fn published(schema: &Value, dialect: Dialect, depth: usize) -> Value {
    let (Some(depth), Some(said)) = (depth.checked_sub(1), schema.as_object()) else {
        return json!({});
    };
    let mut out = Map::new();
    for (keyword, value) in said {
        let value = match (keyword.as_str(), value) {
            (_, Value::Null) | ("nullable" | "uniqueItems", Value::Bool(false)) => continue,
            ("items" | "additionalProperties", Value::Object(_)) => {
                published(value, dialect, depth)
            }
            ("properties", Value::Object(properties)) => properties
                .iter()
                .map(|(name, property)| (name.clone(), published(property, dialect, depth)))
                .collect::<Map<String, Value>>()
                .into(),
            (_, value) => value.clone(),
        };
        out.insert(keyword.clone(), value);
    }
    if schema["x-kubernetes-int-or-string"] == true {
        unfold(&mut out);
    }
    if dialect == Dialect::Two {
        restrict(schema, &mut out);
    }
    if schema[EMBEDDED] == true && !(dialect == Dialect::Two && schema[PRESERVE] == true) {
        embed(&mut out, dialect);
    }
    Value::Object(out)
}

/// An int-or-string says so in the words of OpenAPI as well.
fn unfold(out: &mut Map<String, Value>) {
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    let all_of = out.get("allOf").and_then(Value::as_array);
    let says = out.get("anyOf") == Some(&either)
        || all_of.is_some_and(|all| all.first().is_some_and(|first| first["anyOf"] == either));
    if says {
        return;
    }
    if !out.contains_key("anyOf") {
        out.insert("anyOf".to_owned(), either);
        return;
    }
    let mut all = vec![json!({ "anyOf": either })];
    all.extend(all_of.cloned().unwrap_or_default());
    out.insert("allOf".to_owned(), Value::Array(all));
}

/// Leaves out what OpenAPI v2, or kubectl's reading of it, has not.
fn restrict(schema: &Value, out: &mut Map<String, Value>) {
    for keyword in ["allOf", "oneOf", "anyOf", "not", "nullable"] {
        out.remove(keyword);
    }
    let is_nullable = schema["nullable"] == true;
    let keeps_unknown = schema[PRESERVE] == true;
    if is_nullable || keeps_unknown {
        out.remove("items");
        out.remove("properties");
    }
    let kind = schema["type"].as_str().unwrap_or_default();
    let has_no_items = kind == "array" && !out.contains_key("items");
    if is_nullable || has_no_items || (keeps_unknown && kind == "object") {
        out.remove("type");
    }
    let properties = &schema["properties"];
    let values_are_nullable = schema["additionalProperties"]["nullable"] == true;
    if let Some(Value::Array(required)) = out.get_mut("required") {
        required.retain(|name| {
            let name = name.as_str().unwrap_or_default();
            !values_are_nullable && properties[name]["nullable"] != true
        });
        if required.is_empty() {
            out.remove("required");
        }
    }
}

/// An embedded resource has what every resource has.
fn embed(out: &mut Map<String, Value>, dialect: Dialect) {
    let properties = out.entry("properties").or_insert_with(|| json!({}));
    properties["apiVersion"] = text(&format!(
        "apiVersion defines the versioned schema of this representation of an object. More info: \
         {CONVENTIONS}#resources"
    ));
    properties["kind"] = text(&format!(
        "kind is a string value representing the type of this object. In CamelCase. More info: \
         {CONVENTIONS}#types-kinds"
    ));
    properties["metadata"] = object_meta(dialect);
    let required = out.entry("required").or_insert_with(|| json!([]));
    if let Value::Array(required) = required {
        for name in ["kind", "apiVersion"] {
            if !required.iter().any(|known| known == name) {
                required.push(Value::from(name));
            }
        }
    }
}
