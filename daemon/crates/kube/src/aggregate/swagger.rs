//! What extension servers add to the OpenAPI document of version 2.
//!
//! Of what a server says, the paths of its version are kept and the definitions that they need, as
//! text. A definition that is built in here is taken from here; of two extension servers that mean
//! different things by one name, the later one's gets another name, as upstream's do. Pure.
//! Invariant: of each version no more than [`SWAGGER_KEPT_BYTES_MAX`] are kept.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_custom::openapi::Swagger;
use skerry_schema::built_in;

use super::table::Table;
use super::text;
use crate::answer;
use crate::limits::SWAGGER_KEPT_BYTES_MAX;

const DEFINITIONS: &str = "#/definitions/";
const PARAMETERS: &str = "#/parameters/";

/// What is kept of one server's document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// `{"definitions": …, "paths": …}`
    text: Bytes,
    /// The names of its definitions, and what tells two of one name apart.
    names: BTreeMap<String, u64>,
    hash: u64,
}

/// Takes what belongs to a version out of a server's document; nothing where there is nothing.
pub(super) fn keep(document: &[u8], group: &str, version: &str) -> Option<Kept> {
    let mut document: Value = serde_json::from_slice(document).ok()?;
    let own = match group {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    };
    let is_own = |path: &str| {
        let rest = path.strip_prefix(&own);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let shared = document["parameters"].take();
    let Value::Object(mut definitions) = document["definitions"].take() else {
        return None;
    };
    let Value::Object(mut paths) = document["paths"].take() else {
        return None;
    };
    paths.retain(|path, item| is_own(path) && item.is_object());
    let mut wanted = Vec::new();
    for item in paths.values_mut() {
        write_out(item, &shared);
        references(item, &mut wanted);
    }
    let mut needed = Map::new();
    while let Some(name) = wanted.pop() {
        if needed.contains_key(&name) || built_in().types.definition(&name).is_some() {
            continue;
        }
        let definition = definitions.remove(&name)?;
        references(&definition, &mut wanted);
        needed.insert(name, definition);
    }
    if paths.is_empty() {
        return None;
    }
    let names = needed.iter();
    let names = names.map(|(name, value)| (name.clone(), hash(value.to_string().as_bytes())));
    let names = names.collect();
    let kept = serde_json::json!({"definitions": needed, "paths": paths});
    let text = Bytes::from(answer::json(&kept));
    let hash = hash(&text);
    (text.len() <= SWAGGER_KEPT_BYTES_MAX).then_some(Kept { text, names, hash })
}

impl Kept {
    /// With other names for some of its definitions.
    fn swagger(&self, others: &BTreeMap<String, String>) -> Option<Swagger> {
        let mut kept: Value = serde_json::from_slice(&self.text).ok()?;
        if !others.is_empty() {
            rename(&mut kept, others);
        }
        let mut take = |field: &str| match kept[field].take() {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Some(Swagger {
            definitions: take("definitions")
                .into_iter()
                .map(|(name, value)| (others.get(&name).cloned().unwrap_or(name), value))
                .collect(),
            paths: take("paths"),
        })
    }
}

impl Table {
    /// Another one for other documents; nothing where there are none.
    pub(crate) fn swagger_fingerprint(&self) -> Option<String> {
        let kept = self.kept();
        let hashes: Vec<u8> = kept
            .iter()
            .flat_map(|kept| kept.hash.to_be_bytes())
            .collect();
        (!hashes.is_empty()).then(|| format!("{:016X}", hash(&hashes)))
    }

    /// What one version after the other adds.
    pub(crate) fn swaggers(&self) -> impl Iterator<Item = Swagger> + Send + use<> {
        // Name to the meanings that it has had so far.
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let all = self.kept().into_iter().filter_map(move |kept| {
            let mut others = BTreeMap::new();
            for (name, meaning) in &kept.names {
                let meanings = seen.entry(name.clone()).or_default();
                let place = meanings.iter().position(|known| known == meaning);
                let place = place.unwrap_or_else(|| {
                    meanings.push(*meaning);
                    meanings.len() - 1
                });
                if place > 0 {
                    others.insert(name.clone(), format!("{name}_v{}", place + 1));
                }
            }
            kept.swagger(&others)
        });
        all.collect::<Vec<_>>().into_iter()
    }

    /// In the order of names, so that all members give the same names.
    fn kept(&self) -> Vec<Kept> {
        let remotes = self.remotes();
        let links = remotes.iter().filter_map(|one| one.remote.as_ref());
        links
            .filter_map(|remote| remote.link.found().swagger.clone())
            .collect()
    }
}

/// Parameters that stand elsewhere in the document are put where they are meant.
fn write_out(item: &mut Value, shared: &Value) {
    let one = |parameter: &mut Value| {
        let name = text(parameter, "$ref").strip_prefix(PARAMETERS);
        if let Some(meant) = name.and_then(|name| shared.get(name)) {
            *parameter = meant.clone();
        }
    };
    let Some(item) = item.as_object_mut() else {
        return;
    };
    for (field, value) in item {
        let list = match field.as_str() {
            "parameters" => Some(value),
            _ => value.get_mut("parameters"),
        };
        let list = list.and_then(Value::as_array_mut);
        list.into_iter().flatten().for_each(one);
    }
}

/// The names of all definitions that a value refers to.
fn references(value: &Value, to: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
            Value::String(text) if name == "$ref" => {
                to.extend(text.strip_prefix(DEFINITIONS).map(str::to_owned));
            }
            value => references(value, to),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, to)),
        _ => {}
    }
}

fn rename(value: &mut Value, others: &BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| match value {
            Value::String(text) if name == "$ref" => {
                let name = text.strip_prefix(DEFINITIONS);
                if let Some(other) = name.and_then(|name| others.get(name)) {
                    *text = format!("{DEFINITIONS}{other}");
                }
            }
            value => rename(value, others),
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, others)),
        _ => {}
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let first = digest.as_ref().first_chunk();
    u64::from_be_bytes(*first.expect("SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::super::table::tests::object;
    use super::*;

    fn document(group: &str, weight: &str) -> Value {
        let list = json!({"200": {"schema": {"$ref": "#/definitions/sea.Fish"}}});
        let mut document = json!({
            "swagger": "2.0",
            "parameters": {"limit-1": {"in": "query", "name": "limit", "type": "integer"}},
            "definitions": {
                "sea.Fish": {"properties": {
                    "metadata": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
                    "weight": {"$ref": "#/definitions/sea.Weight"},
                }},
                "sea.Weight": {"type": weight},
                "sea.Unused": {"type": "string"},
                "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object"},
            },
            "paths": {"/apis/": {"get": {}}},
        });
        let path = format!("/apis/{group}/v1/fish");
        document["paths"][&path] = json!({
            "parameters": [{"$ref": "#/parameters/limit-1"}],
            "get": {"responses": list},
        });
        document["paths"][format!("/apis/{group}/v11/fish")] = json!({"get": {}});
        document
    }

    fn kept(group: &str, weight: &str) -> Kept {
        keep(document(group, weight).to_string().as_bytes(), group, "v1").unwrap()
    }

    #[test]
    fn of_a_document_the_versions_own_is_kept_and_what_it_needs_that_is_not_built_in() {
        let swagger = kept("g", "number").swagger(&BTreeMap::new()).unwrap();
        let names: Vec<&String> = swagger.definitions.keys().collect();
        assert_eq!(names, ["sea.Fish", "sea.Weight"]);
        let paths: Vec<&String> = swagger.paths.keys().collect();
        assert_eq!(paths, ["/apis/g/v1/fish"]);
        let parameters = &swagger.paths["/apis/g/v1/fish"]["parameters"];
        assert_eq!(parameters[0]["name"], "limit");
    }

    #[test]
    fn what_is_no_document_is_not_kept() {
        let mut dangling = document("g", "number");
        dangling["definitions"]["sea.Weight"] = json!({"$ref": "#/definitions/sea.Gone"});
        let mut large = document("g", "number");
        large["definitions"]["sea.Weight"]["description"] =
            "x".repeat(SWAGGER_KEPT_BYTES_MAX).into();
        for bad in [json!(null), json!({"paths": {}}), dangling, large] {
            assert_eq!(keep(bad.to_string().as_bytes(), "g", "v1"), None);
        }
        assert_eq!(keep(b"{", "g", "v1"), None);
        let other = document("g", "number").to_string();
        assert_eq!(keep(other.as_bytes(), "h", "v1"), None);
    }

    #[test]
    fn who_means_something_else_by_a_name_says_it_by_another() {
        let table = Table::default();
        for (group, weight) in [("a", "number"), ("b", "string"), ("c", "number")] {
            table.put(&object(group, "v1", true));
            let service = table.of(group, "v1").unwrap();
            let link = &service.remote.as_ref().unwrap().link;
            link.found().swagger = Some(kept(group, weight));
        }
        let all: Vec<Swagger> = table.swaggers().collect();
        let names = |place: usize| {
            all[place]
                .definitions
                .keys()
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(names(0), names(2));
        let wanted = ["sea.Fish", "sea.Weight_v2"].map(str::to_owned);
        assert_eq!(names(1), BTreeSet::from(wanted));
        assert_eq!(
            all[1].definitions["sea.Fish"]["properties"]["weight"]["$ref"],
            "#/definitions/sea.Weight_v2"
        );
    }
}
