//! Reading the tables of facts in `tables/`: tab-separated, with a line of titles.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use crate::resource::{ALL_VERBS, Resource, Subresource};

/// How the lists and maps of a definition merge: by definition and field.
pub(crate) type Merging = BTreeMap<(String, String), Merge>;

/// One line of `merging.tsv`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Merge {
    /// `atomic`, `granular`, `set`, `map` or nothing.
    pub(crate) kind: String,
    pub(crate) keys: Vec<String>,
    pub(crate) patch_strategy: String,
    pub(crate) patch_merge_key: String,
}

/// What stands for the definition as a whole in place of a field.
pub(crate) const ITSELF: &str = "(itself)";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn rows(file: &str, columns: usize) -> Result<Vec<Vec<String>>> {
    let path = Path::new("tables").join(file);
    println!("cargo:rerun-if-changed={}", path.display());
    let text = std::fs::read_to_string(&path)?;
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let row: Vec<String> = line.split('\t').map(str::to_owned).collect();
        if row.len() != columns {
            let line = number + 1;
            return Err(format!("{}:{line}: not {columns} columns", path.display()).into());
        }
        rows.push(row);
    }
    Ok(rows)
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(',').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// The name of a kind's definition: `io.k8s.api.core.v1.Pod`.
pub(crate) fn definition(group: &str, version: &str, kind: &str) -> String {
    let package = match group {
        "" => "api.core",
        "apiextensions.k8s.io" => "apiextensions-apiserver.pkg.apis.apiextensions",
        "apiregistration.k8s.io" => "kube-aggregator.pkg.apis.apiregistration",
        _ => {
            let first = group.split('.').next().unwrap_or(group);
            return format!("io.k8s.api.{first}.{version}.{kind}");
        }
    };
    format!("io.k8s.{package}.{version}.{kind}")
}

/// `resources.tsv` with `subresources.tsv`: all resources, in the order of discovery.
/// `is_defined` says whether there is a definition of this name.
pub(crate) fn resources(is_defined: impl Fn(&str) -> bool) -> Result<Vec<Resource>> {
    let mut resources = Vec::new();
    for row in rows("resources.tsv", 10)? {
        let [
            group,
            version,
            plural,
            kind,
            scope,
            short,
            categories,
            verbs,
            prefix,
            deleted,
        ] = &row[..]
        else {
            continue;
        };
        let mut resource = Resource::new(group, version, kind, plural, scope == "Namespaced");
        resource.short_names = words(short);
        resource.categories = words(categories);
        if verbs != "all" {
            resource.verbs = words(verbs);
        }
        if let Some(odd) = resource
            .verbs
            .iter()
            .find(|verb| !ALL_VERBS.contains(&verb.as_str()))
        {
            return Err(format!("{plural}: no such verb: {odd}").into());
        }
        if !resource.takes("list") {
            resource.list_kind.clear();
        }
        resource.storage_prefix.clone_from(prefix);
        resource.delete_returns_object = deleted == "object";
        resource.definition = definition(group, version, kind);
        if !is_defined(&resource.definition) {
            return Err(format!("{plural}: no definition of {}", resource.definition).into());
        }
        resources.push(resource);
    }
    for row in rows("subresources.tsv", 8)? {
        let [
            group,
            version,
            of,
            name,
            kind_group,
            kind_version,
            kind,
            verbs,
        ] = &row[..]
        else {
            continue;
        };
        let found = resources.iter_mut().find(|one: &&mut Resource| {
            one.group == *group && one.version == *version && one.plural == *of
        });
        let resource = found.ok_or_else(|| format!("{of}/{name}: of no resource"))?;
        let definition = definition(kind_group, kind_version, kind);
        resource.subresources.push(Subresource {
            name: name.clone(),
            group: kind_group.clone(),
            version: kind_version.clone(),
            kind: kind.clone(),
            verbs: words(verbs),
            definition: if is_defined(&definition) {
                definition
            } else {
                String::new()
            },
        });
    }
    Ok(resources)
}

/// `merging.tsv`.
pub(crate) fn merging() -> Result<Merging> {
    let of = |row: Vec<String>| {
        let merge = Merge {
            kind: row[2].clone(),
            keys: words(&row[3]),
            patch_strategy: row[4].clone(),
            patch_merge_key: row[5].clone(),
        };
        ((row[0].clone(), row[1].clone()), merge)
    };
    Ok(rows("merging.tsv", 6)?.into_iter().map(of).collect())
}

/// `defaults.tsv`: JSON, by definition and field.
pub(crate) fn defaults() -> Result<BTreeMap<(String, String), String>> {
    let of = |row: Vec<String>| ((row[0].clone(), row[1].clone()), row[2].clone());
    Ok(rows("defaults.tsv", 3)?.into_iter().map(of).collect())
}

/// A line of `parameters.tsv`.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `query`, `path`.
    pub(crate) place: String,
    /// `string`, `integer`, `boolean`.
    pub(crate) kind: String,
    pub(crate) description: String,
    /// Many operations have it, so that OpenAPI v2 refers to it.
    pub(crate) shared: bool,
}

/// `parameters.tsv`: by what they are for (`list`, `pods/exec`), in order.
pub(crate) fn parameters() -> Result<BTreeMap<String, Vec<Parameter>>> {
    let mut all: BTreeMap<String, Vec<Parameter>> = BTreeMap::new();
    for row in rows("parameters.tsv", 5)? {
        all.entry(row[0].clone()).or_default().push(Parameter {
            name: row[1].clone(),
            place: row[2].clone(),
            kind: row[3].clone(),
            description: row[4].clone(),
            // kubectl looks for these two itself, and does not follow references.
            shared: !row[0].contains('/')
                && !matches!(row[1].as_str(), "dryRun" | "fieldValidation" | "name"),
        });
    }
    Ok(all)
}

/// `enums.tsv`: the values that a string may have, by definition and field.
pub(crate) fn enums() -> Result<BTreeMap<(String, String), Vec<String>>> {
    let of = |row: Vec<String>| {
        let values = row[2].split(',').map(str::to_owned).collect(); // "" may be one
        ((row[0].clone(), row[1].clone()), values)
    };
    Ok(rows("enums.tsv", 3)?.into_iter().map(of).collect())
}

/// `required.tsv`: the required fields of definitions of which the crate says others.
pub(crate) fn required() -> Result<BTreeMap<String, Vec<String>>> {
    let of = |row: Vec<String>| (row[0].clone(), words(&row[1]));
    Ok(rows("required.tsv", 2)?.into_iter().map(of).collect())
}

/// `unions.tsv`: the discriminator (or nothing) and the fields told apart by it, by definition.
pub(crate) fn unions() -> Result<BTreeMap<String, (String, Vec<String>)>> {
    let of = |row: Vec<String>| (row[0].clone(), (row[1].clone(), words(&row[2])));
    Ok(rows("unions.tsv", 3)?.into_iter().map(of).collect())
}
