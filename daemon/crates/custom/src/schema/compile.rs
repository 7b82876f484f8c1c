//! From a schema's JSON to a table.
//!
//! What is missing or of another type reads as unsaid. Descriptions, titles, examples and links
//! are left behind. Invariant: a schema that nests or branches beyond `limits` is refused before
//! it has cost more than its own size.

use std::collections::HashMap;

use serde_json::Value;

use super::CompileError;
use super::table::{
    Facet, Flags, Float, Kind, ListKind, NO_NODE, NameId, Node, NodeId, Reason, Rule, Span, Table,
};
use crate::limits::{DEPTH_MAX, NODES_MAX};

/// Compiles a schema; `null` is one that keeps everything.
pub(crate) fn compile(schema: &Value) -> Result<Table, CompileError> {
    let mut compiler = Compiler::default();
    let root = match schema {
        Value::Null => compiler.anything(),
        schema => compiler.node(schema, "", DEPTH_MAX)?,
    };
    Ok(compiler.finish(root))
}

/// What makes a node what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    list: ListKind,
    flags: Flags,
    properties: Vec<(NameId, NodeId)>,
    facets: Vec<Facet>,
    items: NodeId,
    values: NodeId,
}

#[derive(Default)]
struct Compiler {
    nodes: Vec<Node>,
    known: HashMap<Key, NodeId>,
    properties: Vec<(NameId, NodeId)>,
    facets: Vec<Facet>,
    numbers: Vec<u32>,
    known_numbers: HashMap<Vec<u32>, Span>,
    values: Vec<Value>,
    known_values: HashMap<String, Span>,
    rules: Vec<Rule>,
    known_rules: HashMap<Vec<Rule>, Span>,
    text: String,
    ends: Vec<u32>,
    known_names: HashMap<Box<str>, NameId>,
}

impl Compiler {
    fn anything(&mut self) -> NodeId {
        self.insert(Key {
            kind: Kind::Any,
            list: ListKind::Unsaid,
            flags: Flags(Flags::KEEPS_UNKNOWN),
            properties: Vec::new(),
            facets: Vec::new(),
            items: NO_NODE,
            values: NO_NODE,
        })
    }

    fn node(&mut self, schema: &Value, path: &str, depth: usize) -> Result<NodeId, CompileError> {
        let refused = |text: &str| CompileError {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| refused("schema is nested too deeply"))?;
        if self.nodes.len() >= NODES_MAX {
            return Err(refused("schema is too big"));
        }
        let step = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let mut key = Key {
            kind: Kind::of(text(schema, "type")),
            list: list_kind(schema),
            flags: Flags::default(),
            properties: Vec::new(),
            facets: Vec::new(),
            items: NO_NODE,
            values: NO_NODE,
        };
        if is_true(schema, "x-kubernetes-int-or-string") {
            key.kind = Kind::IntOrString;
        }
        for (name, flag) in [
            ("nullable", Flags::NULLABLE),
            ("x-kubernetes-preserve-unknown-fields", Flags::KEEPS_UNKNOWN),
            (
                "x-kubernetes-embedded-resource",
                Flags::EMBEDDED | Flags::HAS_EMBEDDED,
            ),
        ] {
            key.flags.set(flag, is_true(schema, name));
        }
        let is_atomic = text(schema, "x-kubernetes-map-type") == "atomic";
        key.flags.set(Flags::ATOMIC_MAP, is_atomic);
        let is_told_apart = matches!(key.list, ListKind::Set | ListKind::Map);
        key.flags.set(Flags::HAS_LISTS, is_told_apart);
        if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
            key.items = self.node(items, &step("items"), depth)?;
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            key.flags.set(Flags::PROPERTIES, !properties.is_empty());
            for (name, property) in properties {
                let path = step(&format!("properties[{name}]"));
                let node = self.node(property, &path, depth)?;
                key.properties.push((self.name(name), node));
            }
            // `properties` may come in the order of a document.
            let sorted = std::mem::take(&mut key.properties);
            let mut sorted: Vec<_> = properties.keys().zip(sorted).collect();
            sorted.sort_unstable_by(|a, b| a.0.cmp(b.0));
            key.properties = sorted.into_iter().map(|(_, entry)| entry).collect();
        }
        match schema.get("additionalProperties") {
            Some(Value::Bool(allowed)) => {
                key.flags.set(Flags::ADDITIONAL, true);
                key.flags.set(Flags::CLOSED, !allowed);
            }
            Some(values @ Value::Object(_)) => {
                key.flags.set(Flags::ADDITIONAL, true);
                key.values = self.node(values, &step("additionalProperties"), depth)?;
            }
            _ => {}
        }
        self.facets(schema, &step, depth, &mut key)?;
        for (_, below) in &key.properties {
            key.flags.0 |= self.nodes[*below as usize].flags.0 & Flags::INHERITED;
        }
        for below in [key.items, key.values] {
            if below != NO_NODE {
                key.flags.0 |= self.nodes[below as usize].flags.0 & Flags::INHERITED;
            }
        }
        Ok(self.insert(key))
    }

    fn facets(
        &mut self,
        schema: &Value,
        step: &dyn Fn(&str) -> String,
        depth: usize,
        key: &mut Key,
    ) -> Result<(), CompileError> {
        if let Some(default) = schema.get("default").filter(|value| !value.is_null()) {
            let span = self.values(std::slice::from_ref(default));
            key.facets.push(Facet::Default(span.start));
            key.flags.set(Flags::HAS_DEFAULTS, true);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array)
            && !values.is_empty()
        {
            let span = self.values(values);
            key.facets.push(Facet::Enum(span));
        }
        let format = text(schema, "format");
        if crate::schema::format::is_checked(format, key.kind) {
            let name = self.name(format);
            key.facets.push(Facet::Format(name));
        }
        let pattern = text(schema, "pattern");
        if !pattern.is_empty() {
            let name = self.name(pattern);
            key.facets.push(Facet::Pattern(name));
        }
        key.facets.extend(bounds(schema));
        for (name, facet) in [
            ("required", Facet::Required as fn(Span) -> Facet),
            ("x-kubernetes-list-map-keys", Facet::MapKeys),
        ] {
            let names = strings(schema, name);
            if !names.is_empty() {
                let names = names.into_iter().map(|name| self.name(name)).collect();
                let span = self.numbers(names);
                key.facets.push(facet(span));
            }
        }
        for (name, facet) in [
            ("allOf", Facet::AllOf as fn(Span) -> Facet),
            ("anyOf", Facet::AnyOf),
            ("oneOf", Facet::OneOf),
        ] {
            let Some(branches) = schema.get(name).and_then(Value::as_array) else {
                continue;
            };
            let mut nodes = Vec::with_capacity(branches.len());
            for (i, branch) in branches.iter().enumerate() {
                nodes.push(self.node(branch, &step(&format!("{name}[{i}]")), depth)?);
            }
            if !nodes.is_empty() {
                let span = self.numbers(nodes);
                key.facets.push(facet(span));
            }
        }
        if let Some(not) = schema.get("not").filter(|not| not.is_object()) {
            let not = self.node(not, &step("not"), depth)?;
            key.facets.push(Facet::Not(not));
        }
        let rules = rules(schema);
        if !rules.is_empty() {
            let span = self.rules(rules);
            key.facets.push(Facet::Rules(span));
            key.flags.set(Flags::HAS_RULES, true);
        }
        Ok(())
    }

    fn insert(&mut self, key: Key) -> NodeId {
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let properties = append(&mut self.properties, &key.properties);
        let facets = append(&mut self.facets, &key.facets);
        let id = number(self.nodes.len());
        self.nodes.push(Node {
            kind: key.kind,
            list: key.list,
            flags: key.flags,
            properties,
            facets,
            items: key.items,
            values: key.values,
        });
        self.known.insert(key, id);
        id
    }

    fn name(&mut self, name: &str) -> NameId {
        if let Some(id) = self.known_names.get(name) {
            return *id;
        }
        let id = number(self.ends.len());
        self.text.push_str(name);
        self.ends.push(number(self.text.len()));
        self.known_names.insert(name.into(), id);
        id
    }

    fn numbers(&mut self, numbers: Vec<u32>) -> Span {
        if let Some(span) = self.known_numbers.get(&numbers) {
            return *span;
        }
        let span = append(&mut self.numbers, &numbers);
        self.known_numbers.insert(numbers, span);
        span
    }

    fn values(&mut self, values: &[Value]) -> Span {
        let json = serde_json::to_string(values).unwrap_or_default();
        if let Some(span) = self.known_values.get(&json) {
            return *span;
        }
        let span = append(&mut self.values, values);
        self.known_values.insert(json, span);
        span
    }

    fn rules(&mut self, rules: Vec<Rule>) -> Span {
        if let Some(span) = self.known_rules.get(&rules) {
            return *span;
        }
        let span = append(&mut self.rules, &rules);
        self.known_rules.insert(rules, span);
        span
    }

    fn finish(self, root: NodeId) -> Table {
        Table {
            nodes: self.nodes.into(),
            properties: self.properties.into(),
            facets: self.facets.into(),
            numbers: self.numbers.into(),
            values: self.values.into(),
            rules: self.rules.into(),
            text: self.text.into(),
            ends: self.ends.into(),
            root,
        }
    }
}

fn append<T: Clone>(table: &mut Vec<T>, more: &[T]) -> Span {
    let start = number(table.len());
    table.extend_from_slice(more);
    Span {
        start,
        len: number(more.len()),
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("a schema is far smaller than 4 GiB")
}

fn bounds(schema: &Value) -> impl Iterator<Item = Facet> {
    let float = |name: &str| schema.get(name).and_then(Value::as_f64).map(Float::new);
    let whole = |name: &str| schema.get(name).and_then(whole_number);
    let maximum = float("maximum").map(|max| {
        let is_exclusive = is_true(schema, "exclusiveMaximum");
        Facet::Maximum(max, is_exclusive)
    });
    let minimum = float("minimum").map(|min| {
        let is_exclusive = is_true(schema, "exclusiveMinimum");
        Facet::Minimum(min, is_exclusive)
    });
    let unique = is_true(schema, "uniqueItems").then_some(Facet::UniqueItems);
    let all = [
        maximum,
        minimum,
        float("multipleOf").map(Facet::MultipleOf),
        whole("maxLength").map(Facet::MaxLength),
        whole("minLength").map(Facet::MinLength),
        whole("maxItems").map(Facet::MaxItems),
        whole("minItems").map(Facet::MinItems),
        whole("maxProperties").map(Facet::MaxProperties),
        whole("minProperties").map(Facet::MinProperties),
        unique,
    ];
    all.into_iter().flatten()
}

fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64()
}

fn list_kind(schema: &Value) -> ListKind {
    match text(schema, "x-kubernetes-list-type") {
        "atomic" => ListKind::Atomic,
        "set" => ListKind::Set,
        "map" => ListKind::Map,
        _ => ListKind::Unsaid,
    }
}

/// The rules of a schema, as they are written.
pub(crate) fn rules(schema: &Value) -> Vec<Rule> {
    let rules = schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let rule = |rule: &Value| Rule {
        rule: text(rule, "rule").into(),
        message: text(rule, "message").into(),
        message_expression: text(rule, "messageExpression").into(),
        reason: match text(rule, "reason") {
            "FieldValueForbidden" => Reason::Forbidden,
            "FieldValueRequired" => Reason::Required,
            "FieldValueDuplicate" => Reason::Duplicate,
            _ => Reason::Invalid,
        },
        field_path: crate::definition::field_path::find(text(rule, "fieldPath"), schema, true)
            .map(|(path, _)| path)
            .unwrap_or_default()
            .into(),
        optional_old_self: rule.get("optionalOldSelf").and_then(Value::as_bool),
    };
    rules.iter().map(rule).collect()
}

fn text<'v>(schema: &'v Value, name: &str) -> &'v str {
    schema.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is_true(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool) == Some(true)
}

fn strings<'v>(schema: &'v Value, name: &str) -> Vec<&'v str> {
    let list = schema.get(name).and_then(Value::as_array);
    let list = list.map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).collect()
}
