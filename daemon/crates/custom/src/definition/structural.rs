//! Whether a schema is structural: every field has one type that is said outside of `allOf`,
//! `anyOf`, `oneOf` and `not`.

use serde_json::{Value, json};
use skerry_kinds::{FieldError, Path};

use super::read::{list, text};
use crate::error::Errors;
use crate::limits::DEPTH_MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Whether a schema has only what structural schemas can have at all.
pub(super) fn is_convertible(schema: &Value) -> bool {
    let is_bad = |schema: &Value| {
        let maps = ["patternProperties", "definitions"];
        ["dependencies", "additionalItems", "$ref"]
            .iter()
            .any(is_set_in(schema))
            || !text(&schema["id"]).is_empty()
            || maps.iter().any(is_set_in(schema))
            || schema["items"].is_array()
            || schema["x-kubernetes-preserve-unknown-fields"] == false
    };
    !super::has::any(schema, &is_bad)
}

fn is_set_in(schema: &Value) -> impl Fn(&&str) -> bool {
    |name| !schema[*name].is_null()
}

/// Whether a schema is structural.
pub(super) fn is_structural(schema: &Value) -> bool {
    is_convertible(schema) && validate(schema, &crate::error::WHOLE).is_empty()
}

/// What keeps a schema from being structural, in order of the texts.
pub(super) fn validate(schema: &Value, path: &Path<'_>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    invariants(schema, Level::Root, path, DEPTH_MAX, &mut errors);
    complete(schema, schema, path, path, DEPTH_MAX, &mut errors);
    errors.0.sort_by_cached_key(ToString::to_string);
    errors.0
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn is_true(schema: &Value, name: &str) -> bool {
    schema[name] == true
}

const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

fn invariants(schema: &Value, level: Level, path: &Path<'_>, depth: usize, errors: &mut Errors) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    let kind = text(&schema["type"]);
    let items = &schema["items"];
    if kind == "array" && !items.is_object() {
        errors.required(&path.child("items"), "must be specified");
    }
    if items.is_object() {
        invariants(items, Level::Item, &path.child("items"), depth, errors);
    }
    let fields = path.child("properties");
    for (name, property) in properties(schema) {
        invariants(property, Level::Field, &fields.key(name), depth, errors);
    }
    let additional = &schema["additionalProperties"];
    let has_additional = !additional.is_null();
    let values = path.child("additionalProperties");
    if has_additional && level == Level::Root {
        errors.forbidden(&values, "must not be used at the root");
    }
    if additional.is_object() {
        invariants(additional, Level::Field, &values, depth, errors);
    }
    let is_embedded = is_true(schema, EMBEDDED);
    let is_either = is_true(schema, INT_OR_STRING);
    let keeps_unknown = is_true(schema, PRESERVE);
    let unless = "must be false if x-kubernetes-int-or-string is true";
    if is_either && keeps_unknown {
        errors.invalid(&path.child(PRESERVE), true, unless);
    }
    if is_either && is_embedded {
        errors.invalid(&path.child(EMBEDDED), true, unless);
    }
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    let skips = Skips {
        any_of: schema["anyOf"] == either,
        first_all_of: schema["allOf"][0]["anyOf"] == either,
    };
    value_validation(schema, skips, level, path, depth, errors);
    let of_type = path.child("type");
    if is_embedded && kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        match kind {
            "" => errors.required(&of_type, detail),
            kind => errors.invalid(&of_type, kind, detail),
        }
    } else if kind.is_empty() && !is_either && !keeps_unknown {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.required(&of_type, detail);
    }
    if is_embedded && has_additional {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&values, detail);
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.invalid(&of_type, kind, "must be object at the root");
    }
    let is_resource = level == Level::Root || is_embedded;
    for name in ["kind", "apiVersion"] {
        let property = &schema["properties"][name];
        if is_resource && property.is_object() && property["type"] != "string" {
            let path = fields.key(name);
            let kind = text(&property["type"]);
            errors.invalid(&path.child("type"), kind, "must be string");
        }
    }
    let own = &schema["properties"]["metadata"];
    if own.is_object() {
        metadata(own, is_resource, level, &fields.key("metadata"), errors);
    }
    if is_embedded && !keeps_unknown && properties(schema).next().is_none() {
        errors.required(
            &fields,
            "must not be empty if x-kubernetes-embedded-resource is true without \
             x-kubernetes-preserve-unknown-fields",
        );
    }
}

/// The metadata of a resource is known: a schema may only say something of names.
fn metadata(schema: &Value, is_resource: bool, level: Level, path: &Path<'_>, errors: &mut Errors) {
    if is_resource && schema["type"] != "object" {
        let kind = text(&schema["type"]);
        errors.invalid(&path.child("type"), kind, "must be object");
    }
    if level != Level::Root {
        return;
    }
    let is_name = |name: &String| name == "name" || name == "generateName";
    let says_more = schema
        .as_object()
        .into_iter()
        .flatten()
        .any(|(name, value)| match name.as_str() {
            "type" | "default" => false,
            "properties" => !properties(schema).all(|(name, _)| is_name(name)),
            _ => !matches!(value, Value::Null | Value::Bool(false)),
        });
    if says_more {
        let detail = "must not specify anything other than name and generateName, but metadata \
                      is implicitly specified";
        errors.forbidden(path, detail);
    }
}

/// What is let be because an int-or-string has to say it.
#[derive(Clone, Copy, Default)]
struct Skips {
    any_of: bool,
    first_all_of: bool,
}

fn value_validation(
    schema: &Value,
    skips: Skips,
    level: Level,
    path: &Path<'_>,
    depth: usize,
    errors: &mut Errors,
) {
    for name in ["anyOf", "allOf", "oneOf"] {
        if name == "anyOf" && skips.any_of {
            continue;
        }
        let branches = path.child(name);
        for (i, branch) in list(&schema[name]).iter().enumerate() {
            let skips = Skips {
                any_of: name == "allOf" && i == 0 && skips.first_all_of,
                first_all_of: false,
            };
            nested(branch, skips, level, &branches.index(i), depth, errors);
        }
    }
    let not = &schema["not"];
    if not.is_object() {
        nested(
            not,
            Skips::default(),
            level,
            &path.child("not"),
            depth,
            errors,
        );
    }
    let pattern = text(&schema["pattern"]);
    if !pattern.is_empty()
        && let Err(wrong) = crate::schema::compile_pattern(pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {wrong}");
        errors.invalid(&path.child("pattern"), pattern, detail);
    }
}

fn nested(
    schema: &Value,
    skips: Skips,
    level: Level,
    path: &Path<'_>,
    depth: usize,
    errors: &mut Errors,
) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    value_validation(schema, skips, level, path, depth, errors);
    if schema["items"].is_object() {
        let path = path.child("items");
        nested(
            &schema["items"],
            Skips::default(),
            level,
            &path,
            depth,
            errors,
        );
    }
    let fields = path.child("properties");
    for (name, property) in properties(schema) {
        let path = fields.key(name);
        nested(
            property,
            Skips::default(),
            Level::Field,
            &path,
            depth,
            errors,
        );
    }
    let is_text = |name: &str| !text(&schema[name]).is_empty();
    let additional = &schema["additionalProperties"];
    for (name, is_said, wanted) in [
        ("type", is_text("type"), "empty"),
        (
            "additionalProperties",
            additional.is_object() || *additional == true,
            "undefined",
        ),
        ("default", !schema["default"].is_null(), "undefined"),
        ("title", is_text("title"), "empty"),
        ("description", is_text("description"), "empty"),
        ("nullable", is_true(schema, "nullable"), "false"),
        (PRESERVE, is_true(schema, PRESERVE), "false"),
        (EMBEDDED, is_true(schema, EMBEDDED), "false"),
        (INT_OR_STRING, is_true(schema, INT_OR_STRING), "false"),
        (
            "x-kubernetes-list-map-keys",
            !list(&schema["x-kubernetes-list-map-keys"]).is_empty(),
            "empty",
        ),
        (
            "x-kubernetes-list-type",
            !schema["x-kubernetes-list-type"].is_null(),
            "undefined",
        ),
        (
            "x-kubernetes-map-type",
            !schema["x-kubernetes-map-type"].is_null(),
            "undefined",
        ),
        (
            "x-kubernetes-validations",
            !list(&schema["x-kubernetes-validations"]).is_empty(),
            "empty",
        ),
    ] {
        if is_said {
            let detail = format!("must be {wanted} to be structural");
            errors.forbidden(&path.child(name), detail);
        }
    }
    if !schema["properties"]["metadata"].is_null() {
        let detail = "must not be specified in a nested context";
        errors.forbidden(&fields.key("metadata"), detail);
    }
}

/// Every field that a branch speaks of is a field outside of branches as well.
fn complete(
    schema: &Value,
    spine: &Value,
    spine_path: &Path<'_>,
    path: &Path<'_>,
    depth: usize,
    errors: &mut Errors,
) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    let not = &schema["not"];
    if not.is_object() {
        branch(
            not,
            Some(spine),
            spine_path,
            &path.child("not"),
            depth,
            errors,
        );
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        let branches = path.child(name);
        for (i, schema) in list(&schema[name]).iter().enumerate() {
            branch(
                schema,
                Some(spine),
                spine_path,
                &branches.index(i),
                depth,
                errors,
            );
        }
    }
}

fn branch(
    schema: &Value,
    spine: Option<&Value>,
    spine_path: &Path<'_>,
    path: &Path<'_>,
    depth: usize,
    errors: &mut Errors,
) {
    let Some(spine) = spine else {
        let detail = format!("because it is defined in {path}");
        return errors.required(spine_path, detail);
    };
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    complete(schema, spine, spine_path, path, depth, errors);
    if schema["items"].is_object() {
        let known = Some(&spine["items"]).filter(|items| items.is_object());
        let places = (spine_path.child("items"), path.child("items"));
        branch(&schema["items"], known, &places.0, &places.1, depth, errors);
    }
    let (spine_fields, fields) = (spine_path.child("properties"), path.child("properties"));
    for (name, property) in properties(schema) {
        let known = Some(&spine["properties"][name.as_str()]).filter(|known| known.is_object());
        let places = (spine_fields.key(name), fields.key(name));
        branch(property, known, &places.0, &places.1, depth, errors);
    }
}
