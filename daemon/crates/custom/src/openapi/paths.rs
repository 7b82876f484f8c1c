//! The paths and operations of a kind.

use serde_json::{Map, Value, json};

use super::Published;
use super::model::{Dialect, meta, name, reference};

const OBJECTS: [&str; 2] = ["application/json", "application/yaml"];
const PATCHES: [&str; 3] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
];
const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";

/// For which actions, name, type, description.
type Parameter = (
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static str,
);
const LISTS: &[&str] = &["list", "deletecollection"];
const WRITES: &[&str] = &["post", "put", "patch"];
const PARAMETERS: &[Parameter] = &[
    (
        LISTS,
        "allowWatchBookmarks",
        "boolean",
        "Whether a watch may send BOOKMARK events.",
    ),
    (
        LISTS,
        "continue",
        "string",
        "Where to go on: the continue value of the list before.",
    ),
    (
        LISTS,
        "fieldSelector",
        "string",
        "Restricts the objects by their fields. Everything by default.",
    ),
    (
        LISTS,
        "labelSelector",
        "string",
        "Restricts the objects by their labels. Everything by default.",
    ),
    (LISTS, "limit", "integer", "The most objects in one answer."),
    (
        &["list", "deletecollection", "get"],
        "resourceVersion",
        "string",
        "Constrains the resource version that the answer comes from.",
    ),
    (
        LISTS,
        "resourceVersionMatch",
        "string",
        "How resourceVersion constrains a list: Exact or NotOlderThan.",
    ),
    (
        LISTS,
        "sendInitialEvents",
        "boolean",
        "With watch: begins with an event for each object that is there.",
    ),
    (
        LISTS,
        "timeoutSeconds",
        "integer",
        "How long the call may take.",
    ),
    (LISTS, "watch", "boolean", "Watches instead of listing."),
    (
        &["post", "put", "patch", "delete"],
        "dryRun",
        "string",
        "With the value All: goes through all steps, but persists nothing.",
    ),
    (
        WRITES,
        "fieldManager",
        "string",
        "The name of the actor or entity that makes these changes.",
    ),
    (
        WRITES,
        "fieldValidation",
        "string",
        "What to do about unknown and duplicate fields: Ignore, Warn (the default) or Strict.",
    ),
    (
        &["patch"],
        "force",
        "boolean",
        "With server-side apply: takes conflicting fields from their owners.",
    ),
    (
        &["delete"],
        "gracePeriodSeconds",
        "integer",
        "Seconds until the object is deleted; zero deletes at once.",
    ),
    (
        &["delete"],
        "orphanDependents",
        "boolean",
        "Deprecated: use propagationPolicy. Whether dependents are orphaned.",
    ),
    (
        &["delete"],
        "propagationPolicy",
        "string",
        "Whether and how dependents are garbage collected: Orphan, Background or Foreground.",
    ),
];

/// One operation, as it is asked for.
struct Operation<'o> {
    method: &'static str,
    action: &'static str,
    verb: &'static str,
    subresource: &'static str,
    all_namespaces: bool,
    body: Option<&'o str>,
    answer: &'o str,
}

/// The paths of a kind, with their operations.
pub(super) fn paths(of: &Published<'_>, dialect: Dialect) -> Map<String, Value> {
    let said = of.definition;
    let (group, version) = (&*said.group, &*of.version.name);
    let own = name(group, version, &said.names.kind);
    let list = name(group, version, &said.names.list_kind);
    let (status, patch, options) = (meta("Status"), meta("Patch"), meta("DeleteOptions"));
    let root = format!("/apis/{group}/{version}");
    let plural = &said.names.plural;
    let within = match said.namespaced {
        true => format!("{root}/namespaces/{{namespace}}/{plural}"),
        false => format!("{root}/{plural}"),
    };
    let mut paths = Map::new();
    let mut add = |path: String, operations: &[Operation<'_>]| {
        let mut item = Map::new();
        for one in operations {
            item.insert(one.method.to_owned(), render(of, dialect, one));
        }
        let parameters = path_parameters(&path, &said.names.kind, dialect);
        item.insert("parameters".to_owned(), Value::Array(parameters));
        paths.insert(path, Value::Object(item));
    };
    if said.namespaced {
        let all = Operation {
            all_namespaces: true,
            ..operation("get", "list", "list", None, &list)
        };
        add(format!("{root}/{plural}"), &[all]);
    }
    add(
        within.clone(),
        &[
            operation("get", "list", "list", None, &list),
            operation("post", "post", "create", Some(&own), &own),
            operation(
                "delete",
                "deletecollection",
                "deletecollection",
                None,
                &status,
            ),
        ],
    );
    add(
        format!("{within}/{{name}}"),
        &[
            operation("get", "get", "read", None, &own),
            operation("put", "put", "replace", Some(&own), &own),
            operation("delete", "delete", "delete", Some(&options), &status),
            operation("patch", "patch", "patch", Some(&patch), &own),
        ],
    );
    for (is_there, subresource, kind) in [
        (of.version.status, "status", own.as_str()),
        (of.version.scale.is_some(), "scale", SCALE),
    ] {
        if !is_there {
            continue;
        }
        let all = [
            operation("get", "get", "read", None, kind),
            operation("put", "put", "replace", Some(kind), kind),
            operation("patch", "patch", "patch", Some(&patch), kind),
        ];
        let all = all.map(|one| Operation { subresource, ..one });
        add(format!("{within}/{{name}}/{subresource}"), &all);
    }
    paths
}

fn operation<'o>(
    method: &'static str,
    action: &'static str,
    verb: &'static str,
    body: Option<&'o str>,
    answer: &'o str,
) -> Operation<'o> {
    Operation {
        method,
        action,
        verb,
        subresource: "",
        all_namespaces: false,
        body,
        answer,
    }
}

fn render(of: &Published<'_>, dialect: Dialect, operation: &Operation<'_>) -> Value {
    let said = of.definition;
    let (group, version) = (&*said.group, &*of.version.name);
    let kind = &*said.names.kind;
    let short = group.strip_suffix(".k8s.io").unwrap_or(group);
    let mut out = json!({
        "description": description(operation, kind),
        "operationId": id(operation, short, version, kind, said.namespaced),
        "tags": [format!("{}_{version}", camel(short, false))],
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    });
    let mut parameters: Vec<Value> = PARAMETERS
        .iter()
        .filter(|(actions, ..)| actions.contains(&operation.action))
        .map(|(_, name, kind, what)| parameter(name, "query", kind, what, dialect))
        .collect();
    let consumes: &[&str] = match operation.action {
        "patch" => &PATCHES,
        _ => &OBJECTS,
    };
    let is_required = operation.action != "delete";
    if let Some(body) = operation.body {
        let schema = reference(body, dialect);
        let mut body = match dialect {
            Dialect::Two => json!({"name": "body", "in": "body", "schema": schema}),
            Dialect::Three => json!({ "content": content(consumes, &schema) }),
        };
        if is_required {
            body["required"] = Value::from(true);
        }
        match dialect {
            Dialect::Two => parameters.insert(0, body),
            Dialect::Three => out["requestBody"] = body,
        }
    }
    if !parameters.is_empty() {
        out["parameters"] = Value::Array(parameters);
    }
    let answers: &[(&str, &str)] = match operation.action {
        "post" => &[("200", "OK"), ("201", "Created"), ("202", "Accepted")],
        "put" => &[("200", "OK"), ("201", "Created")],
        "delete" => &[("200", "OK"), ("202", "Accepted")],
        _ => &[("200", "OK")],
    };
    let schema = reference(operation.answer, dialect);
    let mut responses = Map::new();
    for (code, text) in answers {
        let answer = match dialect {
            Dialect::Two => json!({"description": text, "schema": schema}),
            Dialect::Three => json!({"description": text, "content": content(&OBJECTS, &schema)}),
        };
        responses.insert((*code).to_owned(), answer);
    }
    responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
    out["responses"] = Value::Object(responses);
    if dialect == Dialect::Two {
        out["consumes"] = json!(consumes);
        out["produces"] = json!(OBJECTS);
        out["schemes"] = json!(["https"]);
    }
    out
}

fn content(types: &[&str], schema: &Value) -> Value {
    let types = types.iter();
    let types = types.map(|name| ((*name).to_owned(), json!({ "schema": schema })));
    Value::Object(types.collect())
}

fn parameter(name: &str, place: &str, kind: &str, what: &str, dialect: Dialect) -> Value {
    let mut out = json!({"name": name, "in": place, "description": what});
    match dialect {
        Dialect::Two => {
            out["type"] = Value::from(kind);
            out["uniqueItems"] = Value::from(true);
        }
        Dialect::Three => out["schema"] = json!({"type": kind, "uniqueItems": true}),
    }
    if place == "path" {
        out["required"] = Value::from(true);
    }
    out
}

fn path_parameters(path: &str, kind: &str, dialect: Dialect) -> Vec<Value> {
    let mut all = Vec::new();
    if path.contains("{name}") {
        let what = format!("name of the {kind}");
        all.push(parameter("name", "path", "string", &what, dialect));
    }
    if path.contains("{namespace}") {
        let what = "The namespace of the objects.";
        all.push(parameter("namespace", "path", "string", what, dialect));
    }
    let what = "If 'true', the answer is indented. By default only for browsers, curl and wget.";
    all.push(parameter("pretty", "query", "string", what, dialect));
    all
}

fn description(operation: &Operation<'_>, kind: &str) -> String {
    let of = match operation.subresource {
        "" => String::new(),
        subresource => format!(" {subresource} of"),
    };
    let article = match kind.chars().next() {
        Some('A' | 'E' | 'I' | 'O' | 'U') => "an",
        _ => "a",
    };
    match operation.verb {
        "list" => format!("list objects of kind {kind}"),
        "patch" => format!("partially update{of} the specified {kind}"),
        "deletecollection" => format!("delete collection of {kind}"),
        verb @ ("create" | "delete") => format!("{verb} {article} {kind}"),
        verb => format!("{verb}{of} the specified {kind}"),
    }
}

fn id(
    operation: &Operation<'_>,
    group: &str,
    version: &str,
    kind: &str,
    namespaced: bool,
) -> String {
    let (verb, collection) = match operation.verb {
        "deletecollection" => ("delete", "Collection"),
        verb => (verb, ""),
    };
    let (group, version) = (camel(group, true), camel(version, true));
    let head = format!("{verb}{group}{version}{collection}");
    if operation.all_namespaces {
        return format!("{head}{kind}ForAllNamespaces");
    }
    let within = if namespaced { "Namespaced" } else { "" };
    format!("{head}{within}{kind}{}", camel(operation.subresource, true))
}

/// What may stand in the id of an operation: letters, digits and underscores.
fn camel(text: &str, capital: bool) -> String {
    let mut capital = capital;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !(c.is_ascii_alphanumeric() || c == '_') => capital = true,
            c if capital => {
                out.push(c.to_ascii_uppercase());
                capital = false;
            }
            c => out.push(c),
        }
    }
    out
}
