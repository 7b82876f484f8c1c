//! The definitions of the API, as upstream's documents have them but for how a reference is
//! written: here `$ref` holds the bare name of a definition.
//!
//! Knows nothing about paths or documents. Invariant: every `$ref` names a definition.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use serde_json::{Map, Value, json};

use crate::resource::Resource;
use crate::tables::{self, ITSELF, Merge};

/// All definitions, by name.
pub(crate) type Schemas = BTreeMap<String, Value>;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const API_EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";
/// Kinds of no group, each in its own definition of `META`.
const META_KINDS: [&str; 5] = [
    "APIGroup",
    "APIGroupList",
    "APIResourceList",
    "APIVersions",
    "Status",
];
/// Kinds that every group has.
const EVERYWHERE: [&str; 2] = ["DeleteOptions", "WatchEvent"];
/// What may be anything at all, which schemars shows as a choice or as an object.
const ANYTHING: [&str; 4] = [
    "JSON",
    "JSONSchemaPropsOrArray",
    "JSONSchemaPropsOrBool",
    "JSONSchemaPropsOrStringArray",
];

/// The name of a definition of the package `meta`.
pub(crate) fn meta(kind: &str) -> String {
    format!("{META}.{kind}")
}

/// The name of the definition of a resource's list.
pub(crate) fn list_definition(resource: &Resource) -> String {
    format!("{}List", resource.definition)
}

/// What schemars printed, made into what upstream prints, with `resources` and the tables.
pub(crate) fn schemas(
    printed: Map<String, Value>,
    resources: &[Resource],
) -> Result<Schemas, Box<dyn Error>> {
    let mut schemas: Schemas = printed.into_iter().collect();
    for schema in schemas.values_mut() {
        plain(schema);
    }
    odd_ones(&mut schemas)?;
    for resource in resources {
        if !resource.list_kind.is_empty() {
            schemas.insert(list_definition(resource), list_of(resource, &schemas));
        }
    }
    merge_rules(&mut schemas)?;
    kinds(&mut schemas, resources)?;
    for (name, schema) in &schemas {
        let mut wanted = BTreeSet::new();
        references(schema, &mut wanted);
        if let Some(missing) = wanted.iter().find(|one| !schemas.contains_key(**one)) {
            return Err(format!("{name} refers to {missing}, which is not defined").into());
        }
    }
    Ok(schemas)
}

/// Visits a schema and all within it.
pub(crate) fn each(schema: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for property in properties.values_mut() {
            each(property, visit);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(inner) {
            each(inner, visit);
        }
    }
    visit(object);
}

/// The definitions that a schema names.
pub(crate) fn references<'s>(schema: &'s Value, found: &mut BTreeSet<&'s str>) {
    if let Some(Value::String(name)) = schema.get("$ref") {
        found.insert(name);
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for property in properties.values() {
            references(property, found);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(inner) {
            references(inner, found);
        }
    }
}

fn plain(schema: &mut Value) {
    each(schema, &mut |object| {
        if let Some(Value::String(reference)) = object.get_mut("$ref")
            && let Some(place) = reference.rfind('/')
        {
            reference.drain(..=place);
        }
        if object.remove("x-kubernetes-int-or-string").is_some() {
            object.insert("type".to_owned(), json!("string"));
        }
        object.remove("title");
        if let Some(Value::Array(required)) = object.get_mut("required") {
            // The crate wants metadata to be there; upstream does not.
            required.retain(|name| name != "metadata");
            if required.is_empty() {
                object.remove("required");
            }
        }
    });
}

fn odd_ones(schemas: &mut Schemas) -> Result<(), Box<dyn Error>> {
    let name = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
    object(schemas, name)?.insert("format".to_owned(), json!("int-or-string"));
    // The crate puts what is said of the object into what is said of the event.
    let event = object(schemas, &meta("WatchEvent"))?;
    let text = event["description"].as_str().unwrap_or_default().to_owned();
    if let Some((event_text, object_text)) = text.split_once("\n\n") {
        event["description"] = json!(event_text);
        event["properties"]["object"]["description"] = json!(object_text.trim_end());
    }
    for (name, required) in tables::required()? {
        let schema = object(schemas, &name)?;
        schema.remove("required");
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
    }
    for kind in ANYTHING {
        let name = format!("{API_EXTENSIONS}.{kind}");
        object(schemas, &name)?.retain(|key, _| key == "description");
    }
    Ok(())
}

fn object<'s>(
    schemas: &'s mut Schemas,
    name: &str,
) -> Result<&'s mut Map<String, Value>, Box<dyn Error>> {
    let found = schemas.get_mut(name).and_then(Value::as_object_mut);
    found.ok_or_else(|| format!("no definition of {name}").into())
}

fn list_of(resource: &Resource, schemas: &Schemas) -> Value {
    // Every kind says the same of these two.
    let said = |field: &str| {
        let pod = schemas.get("io.k8s.api.core.v1.Pod");
        let field = pod
            .and_then(|pod| pod.get("properties")?.get(field))
            .cloned();
        field.unwrap_or_else(|| json!({"type": "string"}))
    };
    let kind = &resource.kind;
    json!({
        "description": format!("{kind}List is a list of {kind} objects."),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": said("apiVersion"),
            "kind": said("kind"),
            "metadata": {
                "$ref": meta("ListMeta"),
                "description": "Standard list metadata: resource version and paging.",
            },
            "items": {
                "description": format!("The {kind} objects."),
                "type": "array",
                "items": {"$ref": resource.definition},
            },
        },
    })
}

fn merge_rules(schemas: &mut Schemas) -> Result<(), Box<dyn Error>> {
    for ((name, field), merge) in tables::merging()? {
        let Some(schema) = schemas.get_mut(&name) else {
            continue; // of a kind that is not served
        };
        if field == ITSELF {
            schema["x-kubernetes-map-type"] = json!(merge.kind);
            continue;
        }
        let property = schema
            .get_mut("properties")
            .and_then(|all| all.get_mut(&field));
        let Some(property) = property else {
            return Err(format!("tables/merging.tsv: {name} has no field {field}").into());
        };
        merge_rule(property, &merge);
    }
    for ((name, field), default) in tables::defaults()? {
        let schema = schemas.get_mut(&name);
        let property = schema.and_then(|one| one.get_mut("properties")?.get_mut(&field));
        let Some(property) = property else {
            return Err(format!("tables/defaults.tsv: no {field} in {name}").into());
        };
        property["default"] = serde_json::from_str(&default)?;
    }
    for ((name, field), values) in tables::enums()? {
        let schema = schemas.get_mut(&name);
        let property = schema.and_then(|one| one.get_mut("properties")?.get_mut(&field));
        let Some(property) = property else {
            return Err(format!("tables/enums.tsv: no {field} in {name}").into());
        };
        let mut inner = ["items", "additionalProperties"].into_iter();
        let inner = inner.find(|inner| property.get(inner).is_some());
        let of = match inner {
            Some(inner) => &mut property[inner],
            None => property,
        };
        of["enum"] = json!(values);
    }
    for (name, (discriminator, fields)) in tables::unions()? {
        let Some(schema) = schemas.get_mut(&name) else {
            continue;
        };
        let capital = |field: &String| {
            let (first, rest) = field.split_at(1);
            (field.clone(), json!(first.to_uppercase() + rest))
        };
        let fields: Map<String, Value> = fields.iter().map(capital).collect();
        let mut union = json!({"fields-to-discriminateBy": fields});
        if !discriminator.is_empty() {
            union["discriminator"] = json!(discriminator);
        }
        schema["x-kubernetes-unions"] = json!([union]);
    }
    Ok(())
}

fn merge_rule(property: &mut Value, merge: &Merge) {
    let is_list = property["type"] == "array";
    // A string of bytes is declared atomic by upstream, as the list of bytes that it is in Go.
    let kind = if is_list || property["type"] == "string" {
        "x-kubernetes-list-type"
    } else {
        "x-kubernetes-map-type"
    };
    if !merge.kind.is_empty() {
        property[kind] = json!(merge.kind);
    }
    if !merge.keys.is_empty() {
        property["x-kubernetes-list-map-keys"] = json!(merge.keys);
    }
    if !merge.patch_strategy.is_empty() {
        property["x-kubernetes-patch-strategy"] = json!(merge.patch_strategy);
    }
    if !merge.patch_merge_key.is_empty() {
        property["x-kubernetes-patch-merge-key"] = json!(merge.patch_merge_key);
    }
}

fn kinds(schemas: &mut Schemas, resources: &[Resource]) -> Result<(), Box<dyn Error>> {
    let mut kinds: BTreeSet<(String, String, String, String)> = BTreeSet::new();
    for one in resources {
        let group = (&one.group, &one.version);
        let mut insert = |definition: String, (group, version): (&String, &String), kind: &str| {
            kinds.insert((definition, group.clone(), version.clone(), kind.to_owned()));
        };
        insert(one.definition.clone(), group, &one.kind);
        if !one.list_kind.is_empty() {
            insert(list_definition(one), group, &one.list_kind);
        }
        for kind in EVERYWHERE {
            insert(meta(kind), group, kind);
        }
        for sub in &one.subresources {
            if !sub.definition.is_empty() {
                insert(
                    sub.definition.clone(),
                    (&sub.group, &sub.version),
                    &sub.kind,
                );
            }
        }
    }
    for kind in META_KINDS {
        kinds.insert((meta(kind), String::new(), "v1".to_owned(), kind.to_owned()));
    }
    for (definition, group, version, kind) in kinds {
        let Some(Value::Object(schema)) = schemas.get_mut(&definition) else {
            return Err(format!("no definition of {definition}").into());
        };
        let all = schema
            .entry("x-kubernetes-group-version-kind")
            .or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(json!({"group": group, "version": version, "kind": kind}));
        }
    }
    Ok(())
}
