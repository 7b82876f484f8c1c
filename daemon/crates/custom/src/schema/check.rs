//! Whether an object is what its schema says: every keyword but lists' uniqueness and rules.
//!
//! Follows upstream's validator step by step, which counts how many checks a value has passed to
//! choose the branch of `anyOf` and `oneOf` whose errors are told. Knows nothing about metadata.
//! Invariant: a check ends after `limits::CHECKS_MAX` steps, whatever schema and object.

use serde_json::{Map, Value};
use skerry_kinds::{ErrorKind, FieldError, Path, quote};

use super::correlate::Pair;
use super::format;
use super::number::{self, Number};
use super::pattern::Patterns;
use super::table::{Facet, Flags, Kind, NodeId, Table};
use crate::error::{WHOLE, WHOLE_FIELD, supported_values};
use crate::limits::{CHECKS_MAX, ERRORS_MAX};

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub(super) struct Issue {
    /// Where, from the value that was checked; `None` where upstream does not say.
    name: Option<String>,
    kind: ErrorKind,
    bad_value: Value,
    detail: String,
    /// The text by which an issue is known: it is told once.
    message: String,
}

impl Issue {
    /// The same in other words.
    pub(super) fn with_detail(self, detail: String) -> Self {
        Self {
            message: detail.clone(),
            detail,
            ..self
        }
    }
}

/// What a check came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    issues: Vec<Issue>,
    pub(super) matches: u32,
}

impl Outcome {
    pub(super) fn is_good(&self) -> bool {
        self.issues.is_empty()
    }

    /// Counts one more check as passed.
    pub(super) fn passed(&mut self) {
        self.matches += 1;
    }

    fn one(issue: Issue) -> Self {
        Self {
            issues: vec![issue],
            matches: 0,
        }
    }

    pub(super) fn add(&mut self, issue: Issue) {
        let is_known = self
            .issues
            .iter()
            .any(|known| known.message == issue.message);
        if !is_known && self.issues.len() < ERRORS_MAX {
            self.issues.push(issue);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.matches += other.matches;
        other.issues.into_iter().for_each(|issue| self.add(issue));
    }
}

/// What is wrong with a value. `base` is where it stands; `pair` is what it replaces, if it
/// replaces something: what is wrong with a part that has not changed is then not told.
pub(crate) fn check(
    table: &Table,
    patterns: &Patterns,
    node: NodeId,
    value: &Value,
    pair: Option<Pair<'_>>,
    base: Option<&str>,
) -> Vec<FieldError> {
    let mut checking = Checking {
        table,
        patterns,
        steps: CHECKS_MAX,
    };
    let mut outcome = checking.value(value, node, &WHOLE, pair, true);
    if checking.steps == 0 {
        outcome.add(text(
            "the object takes too many steps to be checked against its schema".to_owned(),
        ));
    }
    let place = |name: Option<&str>| {
        let name = name.map_or("", |name| name.strip_prefix('.').unwrap_or(name));
        match (base, name) {
            (None, "") => WHOLE_FIELD.to_owned(),
            (None, name) => name.to_owned(),
            (Some(base), "") => base.to_owned(),
            (Some(base), name) => format!("{base}.{name}"),
        }
    };
    let error = |issue: Issue| FieldError {
        field: place(issue.name.as_deref()),
        kind: issue.kind,
        bad_value: issue.bad_value,
        detail: issue.detail,
    };
    outcome.issues.into_iter().map(error).collect()
}

/// An issue that names no field but in its text.
pub(super) fn text(message: String) -> Issue {
    Issue {
        name: None,
        kind: ErrorKind::Invalid,
        bad_value: Value::from(""),
        detail: message.clone(),
        message,
    }
}

/// An issue whose detail names the field: `spec.x in body should be ...`.
pub(super) fn issue(path: &Path<'_>, bad_value: impl Into<Value>, what: &str) -> Issue {
    let name = path.to_string();
    let message = format!("{name} in body {what}");
    Issue {
        name: Some(name),
        kind: ErrorKind::Invalid,
        bad_value: bad_value.into(),
        detail: message.clone(),
        message,
    }
}

fn wrong_type(path: &Path<'_>, wanted: &str, found: &str) -> Issue {
    let what = format!("must be of type {wanted}: {}", quote(found));
    Issue {
        kind: ErrorKind::TypeInvalid,
        ..issue(path, found, &what)
    }
}

pub(super) struct Checking<'t> {
    pub(super) table: &'t Table,
    patterns: &'t Patterns,
    steps: usize,
}

impl Checking<'_> {
    pub(super) fn value(
        &mut self,
        value: &Value,
        node: NodeId,
        path: &Path<'_>,
        pair: Option<Pair<'_>>,
        is_root: bool,
    ) -> Outcome {
        let Some(left) = self.steps.checked_sub(1) else {
            return Outcome::default();
        };
        self.steps = left;
        let mut outcome = self.all(value, node, path, pair, is_root);
        if let Some(pair) = pair
            && !outcome.is_good()
            && pair.is_unchanged(self.table)
        {
            outcome.issues.clear();
        }
        outcome
    }

    fn all(
        &mut self,
        value: &Value,
        node: NodeId,
        path: &Path<'_>,
        pair: Option<Pair<'_>>,
        is_root: bool,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut step = |result: Option<Outcome>| {
            outcome.merge(result.unwrap_or_default());
            outcome.matches += 1;
        };
        if value.is_null() {
            step(Some(self.kind(value, node, path)));
            step(self.enumeration(value, node, path));
            outcome.matches = outcome.matches.saturating_sub(2);
            return outcome;
        }
        let kind = self.table.node(node).kind;
        let has_format = self.format(node).is_some();
        if kind != Kind::Any || has_format {
            step(Some(self.kind(value, node, path)));
        }
        step(Some(self.branches(value, node, path, is_root)));
        match value {
            Value::String(string) => {
                step(self.string(string, node, path));
                if has_format {
                    step(self.string_format(string, node, path));
                }
            }
            Value::Number(number) => {
                let number = Number::new(number);
                let format = self.format(node);
                let facets = self.table.facets(node);
                step(Some(number::check(number, kind, format, facets, path)));
            }
            Value::Array(items) => step(Some(self.items(items, node, path, pair))),
            _ => {}
        }
        step(self.enumeration(value, node, path));
        if let Value::Object(fields) = value {
            step(Some(self.fields(fields, node, path, pair, is_root)));
        }
        outcome.matches += 1;
        outcome
    }

    fn format(&self, node: NodeId) -> Option<&str> {
        let name = self.table.facet(node, |facet| match facet {
            Facet::Format(name) => Some(*name),
            _ => None,
        })?;
        Some(self.table.name(name))
    }

    fn kind(&self, value: &Value, node: NodeId, path: &Path<'_>) -> Outcome {
        let this = self.table.node(node);
        let good = Outcome {
            matches: 1,
            ..Outcome::default()
        };
        let (found, found_format) = match value {
            Value::Null => {
                return match this.kind == Kind::Any || this.has(Flags::NULLABLE) {
                    true => good,
                    false => Outcome::one(wrong_type(path, this.kind.name(), "null")),
                };
            }
            Value::Bool(_) => (Kind::Boolean, ""),
            Value::String(_) => (Kind::String, ""),
            Value::Array(_) => (Kind::Array, ""),
            Value::Object(_) => (Kind::Object, ""),
            Value::Number(number) => match Number::new(number) {
                Number::Int(_) => (Kind::Integer, "int64"),
                Number::Float(_) => (Kind::Number, "float64"),
            },
        };
        let takes_integer = matches!(this.kind, Kind::Integer | Kind::IntOrString);
        let is_whole = || match value {
            Value::Number(number) => Number::new(number).is_whole(),
            _ => false,
        };
        let is_same = this.kind == found
            || (this.kind == Kind::IntOrString && matches!(found, Kind::Integer | Kind::String))
            || (found == Kind::Number && takes_integer && is_whole())
            || (found == Kind::Integer && this.kind == Kind::Number);
        let is_texty = matches!(found, Kind::String | Kind::Array);
        if let Some(format) = self.format(node) {
            if !is_texty && !is_same && format != found_format {
                return Outcome::one(wrong_type(path, format, found_format));
            }
            let is_numeric = takes_integer || this.kind == Kind::Number;
            if is_texty && !is_numeric {
                return good;
            }
        }
        match is_same {
            true => good,
            false => Outcome::one(wrong_type(path, this.kind.name(), found.name())),
        }
    }

    fn string(&self, value: &str, node: NodeId, path: &Path<'_>) -> Option<Outcome> {
        let facets = self.table.facets(node);
        let length = || i64::try_from(value.chars().count()).unwrap_or(i64::MAX);
        for facet in facets {
            if let Facet::MaxLength(max) = facet
                && length() > *max
            {
                let what = format!("should be at most {max} chars long");
                let unit = if *max == 1 { "byte" } else { "bytes" };
                let detail = match *max >= 0 {
                    true => format!("may not be more than {max} {unit}"),
                    false => "value is too long".to_owned(),
                };
                return Some(Outcome::one(Issue {
                    kind: ErrorKind::TooLong,
                    detail,
                    ..issue(path, Value::Null, &what)
                }));
            }
        }
        for facet in facets {
            if let Facet::MinLength(min) = facet
                && length() < *min
            {
                let what = format!("should be at least {min} chars long");
                return Some(Outcome::one(issue(path, value, &what)));
            }
        }
        for facet in facets {
            if let Facet::Pattern(name) = facet {
                let pattern = self.table.name(*name);
                let what = match self.patterns.matches(*name, pattern, value) {
                    Ok(true) => continue,
                    Ok(false) => format!("should match '{pattern}'"),
                    Err(wrong) => {
                        format!("should match '{pattern}, but pattern is invalid: {wrong}'")
                    }
                };
                return Some(Outcome::one(issue(path, value, &what)));
            }
        }
        None
    }

    fn string_format(&self, value: &str, node: NodeId, path: &Path<'_>) -> Option<Outcome> {
        let format = self.format(node)?;
        if format::accepts(format, value) {
            return None;
        }
        let what = format!("must be of type {format}: {}", quote(value));
        Some(Outcome::one(Issue {
            kind: ErrorKind::TypeInvalid,
            ..issue(path, value, &what)
        }))
    }

    fn enumeration(&self, value: &Value, node: NodeId, path: &Path<'_>) -> Option<Outcome> {
        let span = self.table.facet(node, |facet| match facet {
            Facet::Enum(span) => Some(*span),
            _ => None,
        })?;
        let values = self.table.values(span);
        let is_one = |known: &Value| match (known, value) {
            (Value::Number(known), Value::Number(value)) => {
                Number::new(known).as_f64() == Number::new(value).as_f64()
            }
            (Value::Null, _) => false,
            (known, value) => known == value,
        };
        if values.iter().any(is_one) {
            return None;
        }
        let shown: Vec<String> = values
            .iter()
            .map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect();
        let issue = issue(path, value.clone(), "should be one of its values");
        Some(Outcome::one(Issue {
            kind: ErrorKind::NotSupported,
            detail: supported_values(shown.iter().map(String::as_str)),
            ..issue
        }))
    }

    fn items(
        &mut self,
        items: &[Value],
        node: NodeId,
        path: &Path<'_>,
        pair: Option<Pair<'_>>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let table = self.table;
        if let Some(of) = table.some(table.node(node).items) {
            let olds = pair.map(|pair| pair.elements(table));
            for (i, item) in items.iter().enumerate() {
                let pair = olds.as_ref().and_then(|olds| olds.pair(table, item));
                outcome.merge(self.value(item, of, &path.index(i), pair, false));
            }
        }
        let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let mut is_unique = false;
        let (mut min, mut max) = (None, None);
        for facet in table.facets(node) {
            match facet {
                Facet::MinItems(bound) if count < *bound => min = Some(*bound),
                Facet::MaxItems(bound) if count > *bound => max = Some(*bound),
                Facet::UniqueItems => is_unique = true,
                _ => {}
            }
        }
        if let Some(min) = min {
            let what = format!("should have at least {min} items");
            outcome.add(issue(path, count, &what));
        }
        if let Some(max) = max {
            let what = format!("should have at most {max} items");
            outcome.add(too_many(path, count, max, &what));
        }
        if is_unique && super::lists::first_twin(items).is_some() {
            outcome.add(issue(path, "", "shouldn't contain duplicates"));
        }
        outcome.matches += 1;
        outcome
    }

    fn fields(
        &mut self,
        fields: &Map<String, Value>,
        node: NodeId,
        path: &Path<'_>,
        pair: Option<Pair<'_>>,
        is_root: bool,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let table = self.table;
        let this = *table.node(node);
        self.count(fields.len(), node, path, &mut outcome);
        let pair_of = |name: &str| {
            let pair = pair?.field(table, name)?;
            // That of the old object is never seen: both were read as the same version.
            (!(is_root && matches!(name, "kind" | "apiVersion"))).then_some(pair)
        };
        for (name, value) in fields {
            if table.property(node, name).is_some() {
                continue;
            }
            if this.has(Flags::CLOSED) {
                outcome.add(Issue {
                    message: format!("{path}.{name} in body is a forbidden property"),
                    detail: format!("{path}.{name} in body is a forbidden property"),
                    ..issue(path, name.as_str(), "")
                });
            } else if let Some(values) = table.some(this.values) {
                let path = path.child(name);
                outcome.merge(self.value(value, values, &path, pair_of(name), false));
            }
        }
        for (name, property) in table.properties(node) {
            if let Some(value) = fields.get(name) {
                let path = match is_root {
                    true => Path::root(name),
                    false => path.child(name),
                };
                outcome.merge(self.value(value, property, &path, pair_of(name), false));
            }
        }
        for facet in table.facets(node) {
            let Facet::Required(names) = facet else {
                continue;
            };
            for name in table.names(*names) {
                if !fields.contains_key(name) {
                    let issue = issue(&path.child(name), Value::Null, "is required");
                    outcome.add(Issue {
                        kind: ErrorKind::Required,
                        detail: String::new(),
                        ..issue
                    });
                }
            }
        }
        outcome
    }

    fn count(&self, fields: usize, node: NodeId, path: &Path<'_>, outcome: &mut Outcome) {
        let count = i64::try_from(fields).unwrap_or(i64::MAX);
        for facet in self.table.facets(node) {
            match facet {
                Facet::MinProperties(min) if count < *min => {
                    let what = format!("should have at least {min} properties");
                    outcome.add(issue(path, count, &what));
                }
                Facet::MaxProperties(max) if count > *max => {
                    let what = format!("should have at most {max} properties");
                    outcome.add(too_many(path, count, *max, &what));
                }
                _ => {}
            }
        }
    }
}

fn too_many(path: &Path<'_>, count: i64, max: i64, what: &str) -> Issue {
    let unit = if max == 1 { "item" } else { "items" };
    let detail = match max >= 0 {
        true => format!("must have at most {max} {unit}"),
        false => "has too many items".to_owned(),
    };
    Issue {
        kind: ErrorKind::TooMany,
        detail,
        ..issue(path, count, what)
    }
}
