//! A compiled schema: what it does with an object.
//!
//! Compact, so that many can be kept: `heap_bytes` says how much it holds. Cheap to share, not to
//! copy. Invariant: whatever the object, no function panics, and each ends within `limits`.

mod branches;
mod check;
mod compile;
mod correlate;
mod declared;
mod default;
mod embedded;
mod format;
mod format_net;
#[cfg(test)]
mod format_test;
mod inspect;
mod lists;
mod number;
mod object_meta;
mod pattern;
mod prune;
mod rule;
mod rules;
mod table;
mod types;

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use skerry_kinds::{ErrorKind, FieldError};
use skerry_schema::Types;

pub use declared::Declared;
pub(crate) use inspect::Place;
pub(crate) use pattern::compile as compile_pattern;
pub use types::ROOT;

/// A schema as a definition's checks see it.
pub(crate) type Compiled = Schema;

use crate::error::{Errors, WHOLE_FIELD};
use crate::limits::{DEPTH_MAX, PATTERN_KEPT_BYTES, RULE_KEPT_BYTES};
use correlate::Pair;
use pattern::Patterns;
use table::{Flags, Table};

/// Whether a format says anything of values of a type.
pub(crate) fn is_known_format(format: &str, kind: &str) -> bool {
    format::is_checked(format, table::Kind::of(kind))
}

/// Why a schema cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {text}")]
pub struct CompileError {
    /// Where in the schema: `properties[spec].items`.
    pub path: String,
    /// What is wrong there.
    pub text: String,
}

/// A compiled schema of one version of a kind.
#[derive(Debug)]
pub struct Schema {
    table: Arc<Table>,
    patterns: Patterns,
    declared: OnceLock<Arc<declared::Declared>>,
    rules: OnceLock<rules::Rules>,
}

impl Schema {
    /// Compiles the schema of a version, as written in its definition; `null` is one that keeps
    /// everything. Any structural schema compiles that is within `limits`; what a definition may
    /// not say is `definition::validate`'s to refuse.
    ///
    /// # Errors
    /// The schema is beyond `limits`.
    pub fn compile(schema: &Value) -> Result<Self, CompileError> {
        Ok(Self {
            table: Arc::new(compile::compile(schema)?),
            patterns: Patterns::default(),
            declared: OnceLock::new(),
            rules: OnceLock::new(),
        })
    }

    /// About how much memory it holds, with the patterns and rules that were used so far.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let rules = self.rules.get().map_or(0, rules::Rules::kept);
        self.table.heap_bytes()
            + self.patterns.kept() * PATTERN_KEPT_BYTES
            + rules * RULE_KEPT_BYTES
    }

    /// Takes out of an object from a request what the schema does not know, and nulls that are
    /// not allowed; and brings its metadata, and that of embedded resources, into shape. Gives
    /// the paths of what was taken out, as strict field validation names them (`spec.colour`):
    /// at most `limits::UNKNOWN_FIELDS_MAX`.
    ///
    /// # Errors
    /// Metadata that cannot be read; upstream answers 400.
    pub fn prune(&self, object: &mut Value) -> Result<Vec<String>, FieldError> {
        self.shape(object, false)
    }

    /// The same for an object from the store: metadata that cannot be read is dropped.
    pub fn prune_stored(&self, object: &mut Value) {
        // Nothing is an error where everything malformed is dropped.
        let _ = self.shape(object, true);
    }

    fn shape(&self, object: &mut Value, drops: bool) -> Result<Vec<String>, FieldError> {
        let table = &self.table;
        let mut unknown = Vec::new();
        if let Value::Object(fields) = object {
            embedded::coerce_metadata(fields, None, drops, &mut unknown)?;
        }
        unknown.extend(prune::prune(table, table.root, true, object));
        prune::nulls(table, Some(table.root), object, DEPTH_MAX);
        let mut below = Vec::new();
        embedded::coerce(table, table.root, object, drops, &mut below)?;
        unknown.append(&mut below);
        unknown.truncate(crate::limits::UNKNOWN_FIELDS_MAX);
        Ok(unknown)
    }

    /// Fills in defaults, also where a null stands that is not allowed.
    pub fn default(&self, object: &mut Value) {
        default::default(&self.table, self.table.root, object, DEPTH_MAX);
    }

    /// What is wrong with an object, its own metadata aside; `old` is what it replaces.
    #[must_use]
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let table = &self.table;
        let pair = old.map(|old| self.pair(object, old));
        let mut errors = Errors::default();
        errors.extend(check::check(
            table,
            &self.patterns,
            table.root,
            object,
            pair,
            None,
        ));
        embedded::validate(table, table.root, false, object, None, &mut errors);
        self.lists(object, old, &mut errors);
        self.rules(object, old, &mut errors);
        errors.0
    }

    /// What is wrong with an object whose status alone replaces that of `old`.
    #[must_use]
    pub fn validate_status(&self, object: &Value, old: &Value) -> Vec<FieldError> {
        let table = &self.table;
        let mut errors = Errors::default();
        if let (Some(status), Some(node)) =
            (object.get("status"), table.property(table.root, "status"))
        {
            let pair = self.pair(object, old).field(table, "status");
            let status = Some("status")
                .map(|base| check::check(table, &self.patterns, node, status, pair, Some(base)));
            errors.extend(status.into_iter().flatten());
        }
        self.lists(object, Some(old), &mut errors);
        self.rules(object, Some(old), &mut errors);
        errors.0
    }

    fn pair<'v>(&self, new: &'v Value, old: &'v Value) -> Pair<'v> {
        Pair {
            new,
            old,
            node: self.table.root,
        }
    }

    /// An object that had the same element twice already may keep having it.
    fn lists(&self, object: &Value, old: Option<&Value>, errors: &mut Errors) {
        let table = &self.table;
        let mut new_errors = Errors::default();
        lists::validate(table, table.root, object, None, &mut new_errors);
        if new_errors.0.is_empty() {
            return;
        }
        let mut old_errors = Errors::default();
        if let Some(old) = old {
            lists::validate(table, table.root, old, None, &mut old_errors);
        }
        if old_errors.0.is_empty() {
            errors.extend(new_errors.0);
        }
    }

    fn rules(&self, object: &Value, old: Option<&Value>, errors: &mut Errors) {
        if !self.table.node(self.table.root).has(Flags::HAS_RULES) {
            return;
        }
        let blocks = |error: &FieldError| {
            matches!(
                error.kind,
                ErrorKind::NotSupported
                    | ErrorKind::Required
                    | ErrorKind::TooLong
                    | ErrorKind::TooMany
                    | ErrorKind::TypeInvalid
            )
        };
        if errors.0.iter().any(blocks) {
            errors.push(FieldError {
                kind: ErrorKind::Invalid,
                field: WHOLE_FIELD.to_owned(),
                bad_value: Value::Null,
                detail: "some validation rules were not checked because the object was invalid; \
                         correct the existing errors to complete validation"
                    .to_owned(),
            });
            return;
        }
        let root = (self.table.root, true);
        let rules = self.compiled_rules();
        errors.extend(rules::validate(
            &self.table,
            rules,
            root,
            object,
            old,
            None,
            old.is_some(),
        ));
    }

    /// The schema as expressions see it, and the node of the whole object.
    #[must_use]
    pub fn seen(&self) -> (Arc<Declared>, skerry_cel::NodeId) {
        let root = Declared::place(self.table.root, true);
        (Arc::clone(self.declared()), root)
    }

    fn declared(&self) -> &Arc<Declared> {
        let declare = || Arc::new(Declared::new(Arc::clone(&self.table)));
        self.declared.get_or_init(declare)
    }

    /// The schema for server-side apply; the root is the definition `ROOT`.
    #[must_use]
    pub fn types(&self) -> Types {
        types::types(&self.table)
    }
}
