//! Compares our OpenAPI v2 document with upstream's, definition by definition and path by path.
//!
//! Upstream's document (`api/openapi-spec/swagger.json` of its repository) is named by
//! `SKERRY_UPSTREAM_OPENAPI`; without it the test says that it is skipped. Differences that are
//! known, and why, are in the crate's documentation.

// A document that is not of this form is no document to compare with.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};
use skerry_schema::built_in_documents;

/// Words in the names of what is not served: unstable versions.
const UNSTABLE: [&str; 2] = ["alpha", "beta"];
/// Fields in which the words differ, and nothing else.
const WORDS: [&str; 1] = ["description"];
/// Options of unstable features, which are not described.
const UNSTABLE_PARAMETERS: [&str; 2] = [
    "shardSelector",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
];
/// Paths that are not served: logs of the machine, and groups that have unstable versions only.
const NOT_SERVED: [&str; 3] = [
    "/logs/",
    "/apis/internal.apiserver.k8s.io/",
    "/apis/storagemigration.k8s.io/",
];
/// Referred to by unstable definitions only.
const NOT_REFERRED_TO: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.GroupResource";
/// The format that is not spoken.
const FORMAT: &str = "cbor";

#[test]
fn our_document_says_what_upstreams_says() {
    let Some(path) = std::env::var_os("SKERRY_UPSTREAM_OPENAPI") else {
        eprintln!("SKIPPED: SKERRY_UPSTREAM_OPENAPI does not name upstream's swagger.json");
        return;
    };
    let theirs: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let documents = built_in_documents();
    let ours: Vec<u8> = documents.version_2_json().flatten().collect();
    let ours: Value = serde_json::from_slice(&ours).unwrap();

    let mut found = Differences::default();
    let theirs = [definitions(&theirs), paths(&theirs)];
    let ours = [definitions(&ours), paths(&ours)];
    for (theirs, ours) in theirs.iter().zip(&ours) {
        found.compare(theirs, ours);
    }
    for (kind, places) in &found.0 {
        let some: Vec<&str> = places.iter().take(3).map(String::as_str).collect();
        println!("{kind}: {} places, as {}", places.len(), some.join("; "));
    }
    let unexpected = found.0.keys().filter(|kind| !known(kind)).count();
    assert_eq!(
        unexpected, 0,
        "differences that the documentation does not tell"
    );
}

/// A kind of difference that is told in the documentation.
fn known(kind: &str) -> bool {
    ["words description", "only ours description"].contains(&kind)
}

#[derive(Default)]
struct Differences(BTreeMap<String, BTreeSet<String>>);

impl Differences {
    fn compare(&mut self, theirs: &BTreeMap<String, Value>, ours: &BTreeMap<String, Value>) {
        let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        for name in names {
            match (theirs.get(name), ours.get(name)) {
                (Some(theirs), Some(ours)) => self.values(name, "", theirs, ours),
                (Some(_), None) if name == NOT_REFERRED_TO => {}
                (Some(_), None) => self.add("missing altogether", name, ""),
                _ => self.add("only ours altogether", name, ""),
            }
        }
    }

    fn values(&mut self, name: &str, place: &str, theirs: &Value, ours: &Value) {
        match (theirs, ours) {
            (Value::Object(theirs), Value::Object(ours)) => {
                let keys: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
                for key in keys {
                    let place = format!("{place}/{key}");
                    match (theirs.get(key), ours.get(key)) {
                        (Some(theirs), Some(ours)) => self.values(name, &place, theirs, ours),
                        (Some(_), None) => self.add(&format!("missing {key}"), name, &place),
                        _ => self.add(&format!("only ours {key}"), name, &place),
                    }
                }
            }
            _ if theirs == ours => {}
            _ => {
                let key = place.rsplit('/').next().unwrap_or(place);
                let kind = if WORDS.contains(&key) {
                    "words"
                } else {
                    "differs"
                };
                let mut values = String::new();
                if kind == "differs" {
                    let _ = write!(values, " theirs {theirs} ours {ours}");
                }
                self.add(
                    &format!("{kind} {key}"),
                    name,
                    &(place.to_owned() + &values),
                );
            }
        }
    }

    fn add(&mut self, kind: &str, name: &str, place: &str) {
        let places = self.0.entry(kind.to_owned()).or_default();
        places.insert(format!("{name}{place}"));
    }
}

fn stable(name: &str) -> bool {
    !UNSTABLE.iter().any(|word| name.contains(word))
}

fn definitions(document: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (name, schema) in document["definitions"].as_object().unwrap() {
        if !stable(name) {
            continue;
        }
        let mut schema = schema.clone();
        if let Some(kinds) = schema.get_mut("x-kubernetes-group-version-kind") {
            let kinds = kinds.as_array_mut().unwrap();
            // Every kind of options is in every group upstream, served or not.
            kinds.truncate(1);
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.sort_by_key(Value::to_string);
        }
        all.insert(name.clone(), schema);
    }
    all
}

/// Operations by method and path, with all parameters in one place.
fn paths(document: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if !stable(path) || NOT_SERVED.iter().any(|one| path.starts_with(one)) {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            let mut operation = operation.clone();
            let mut parameters = Map::new();
            let both = [item.get("parameters"), operation.get("parameters")];
            for one in both
                .into_iter()
                .flatten()
                .flat_map(|all| all.as_array().unwrap())
            {
                let one = resolved(document, one);
                let name = one["name"].as_str().unwrap().to_owned();
                let place = one["in"].as_str().unwrap().to_owned();
                if !UNSTABLE_PARAMETERS.contains(&name.as_str()) {
                    parameters.insert(format!("{place} {name}"), one);
                }
            }
            operation["parameters"] = Value::Object(parameters);
            for formats in ["consumes", "produces"] {
                if let Some(Value::Array(formats)) = operation.get_mut(formats) {
                    formats.retain(|one| {
                        let one = one.as_str().unwrap();
                        !one.contains(FORMAT)
                    });
                }
            }
            all.insert(format!("{method} {path}"), operation);
        }
    }
    all
}

fn resolved(document: &Value, one: &Value) -> Value {
    let Some(reference) = one.get("$ref").and_then(Value::as_str) else {
        return one.clone();
    };
    document
        .pointer(reference.trim_start_matches('#'))
        .unwrap()
        .clone()
}
