//! Which definitions and paths go into which document, and which pieces documents share.
//!
//! Definitions that are in the same documents are one piece: what all of them have (metadata),
//! what those have that know pods, and so on. Invariant: a document's pieces, one after the
//! other, are JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use serde_json::{Map, Value};

use crate::outside::outside as path_outside;
use crate::pack::Pieces;
use crate::parameters::Parameters;
use crate::paths::{self, PathItem};
use crate::protobuf;
use crate::render::Form;
use crate::resource::Resource;
use crate::schemas::{Schemas, references};
use crate::shelf::VERSION_2;
use crate::words;

struct Document {
    path: String,
    items: Vec<PathItem>,
    definitions: BTreeSet<String>,
}

/// All documents, packed.
pub(crate) fn documents(
    schemas: &Schemas,
    resources: &[Resource],
    parameters: &Parameters,
) -> Result<Pieces, Box<dyn Error>> {
    let mut all = Vec::new();
    let versions: BTreeSet<(&str, &str)> = resources
        .iter()
        .map(|one| (one.group.as_str(), one.version.as_str()))
        .collect();
    let mut outside: BTreeSet<String> = [
        ".well-known/openid-configuration",
        "api",
        "apis",
        "openid/v1/jwks",
        "version",
    ]
    .map(str::to_owned)
    .into();
    for (group, version) in versions {
        if !group.is_empty() {
            outside.insert(format!("apis/{group}"));
        }
        let own = |one: &&Resource| one.group == group && one.version == version;
        let own: Vec<&Resource> = resources.iter().filter(own).collect();
        let path = words::root(group, version)
            .trim_start_matches('/')
            .to_owned();
        all.push(document(path, paths::paths(&own, parameters), schemas));
    }
    for path in outside {
        let item = path_outside(&format!("/{path}/"))?;
        all.push(document(path, vec![item], schemas));
    }
    let mut pieces = Pieces::default();
    version_2(&all, schemas, &mut pieces)?;
    version_3(&all, schemas, &mut pieces)?;
    Ok(pieces)
}

fn document(path: String, items: Vec<PathItem>, schemas: &Schemas) -> Document {
    let mut definitions = BTreeSet::new();
    let mut wanted: Vec<String> = Vec::new();
    for operation in items.iter().flat_map(|item| &item.operations) {
        wanted.extend(operation.answer.clone());
        wanted.extend(operation.body.as_ref().map(|(name, _)| name.clone()));
    }
    while let Some(name) = wanted.pop() {
        let mut inner = BTreeSet::new();
        if let Some(schema) = schemas.get(&name)
            && definitions.insert(name)
        {
            references(schema, &mut inner);
        }
        wanted.extend(inner.into_iter().map(str::to_owned));
    }
    Document {
        path,
        items,
        definitions,
    }
}

fn version_2(
    all: &[Document],
    schemas: &Schemas,
    pieces: &mut Pieces,
) -> Result<(), Box<dyn Error>> {
    let mut shared = Map::new();
    let mut paths = Map::new();
    for item in all.iter().flat_map(|document| &document.items) {
        paths.insert(item.path.clone(), Form::V2.path(item, &mut shared));
    }
    let used: BTreeSet<&String> = all.iter().flat_map(|one| &one.definitions).collect();
    let write = |name: &&String| ((*name).clone(), Form::V2.schema(name, &schemas[*name]));
    let definitions: Map<String, Value> = used.iter().map(write).collect();
    let mut document = Form::V2.frame();
    document["parameters"] = Value::Object(shared);
    document["paths"] = Value::Object(paths);
    document["definitions"] = Value::Object(definitions);
    let piece = pieces.piece(protobuf::document(&document)?)?;
    pieces.document(VERSION_2, &[piece])
}

fn version_3(
    all: &[Document],
    schemas: &Schemas,
    pieces: &mut Pieces,
) -> Result<(), Box<dyn Error>> {
    let mut users: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (place, document) in all.iter().enumerate() {
        for name in &document.definitions {
            users.entry(name).or_default().insert(place);
        }
    }
    // Each document begins with a definition of its own, so that what follows has a comma before
    // it; where there is none, one is written twice.
    let mut own: Vec<Vec<&str>> = vec![Vec::new(); all.len()];
    for (place, document) in all.iter().enumerate() {
        let alone = |name: &&String| users[name.as_str()].len() == 1;
        own[place].extend(
            document
                .definitions
                .iter()
                .filter(alone)
                .map(String::as_str),
        );
        if own[place].is_empty()
            && let Some(name) = document.definitions.first()
        {
            own[place].push(name);
            users.entry(name).or_default().remove(&place);
        }
    }
    let mut by_users: BTreeMap<Vec<usize>, Vec<&str>> = BTreeMap::new();
    for (name, places) in users {
        let places: Vec<usize> = places.into_iter().collect();
        let alone = places.iter().all(|place| own[*place].contains(&name));
        if !alone {
            by_users.entry(places).or_default().push(name);
        }
    }
    let mut shared = Vec::new();
    for (places, names) in by_users {
        let text: String = names
            .iter()
            .map(|name| format!(",{}", entry(name, schemas)))
            .collect();
        shared.push((places, pieces.piece(text)?));
    }
    let end = pieces.piece("}}}")?;
    for (place, document) in all.iter().enumerate() {
        let own: Vec<String> = own[place].iter().map(|name| entry(name, schemas)).collect();
        let mut used = vec![pieces.piece(beginning(document)? + &own.join(","))?];
        let mine = shared.iter().filter(|(places, _)| places.contains(&place));
        used.extend(mine.map(|(_, piece)| *piece));
        used.push(end);
        pieces.json(&document.path, &used)?;
    }
    Ok(())
}

fn entry(name: &str, schemas: &Schemas) -> String {
    let schema = Form::V3.schema(name, &schemas[name]);
    format!("{}:{schema}", Value::from(name))
}

/// Everything up to the first definition.
fn beginning(document: &Document) -> Result<String, Box<dyn Error>> {
    let mut frame = Form::V3.frame();
    let mut unused = Map::new();
    let path = |item: &PathItem| (item.path.clone(), Form::V3.path(item, &mut unused));
    let paths: Map<String, Value> = document.items.iter().map(path).collect();
    frame["paths"] = Value::Object(paths);
    let components = frame
        .as_object_mut()
        .and_then(|all| all.remove("components"));
    let components = components.ok_or("a frame has components")?.to_string();
    let frame = frame.to_string();
    let (Some(frame), Some(components)) = (frame.strip_suffix('}'), components.strip_suffix('}'))
    else {
        return Err("an object ends with a brace".into());
    };
    Ok(format!(
        "{frame},\"components\":{components},\"schemas\":{{"
    ))
}
