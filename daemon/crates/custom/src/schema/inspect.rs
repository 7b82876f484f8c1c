//! What a definition's checks ask of a compiled schema, place by place.

use serde_json::Value;
use skerry_kinds::{FieldError, Path};

use super::rule::{self, Compiled as CompiledRule};
use super::rules::{self, Rules};
use super::table::{Flags, NodeId};
use super::{Schema, check, embedded, prune};
use crate::error::Errors;

/// A node of a compiled schema.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    node: NodeId,
    is_resource: bool,
}

impl Schema {
    pub(crate) fn root(&self) -> Place {
        Place {
            node: self.table.root,
            is_resource: true,
        }
    }

    fn place(&self, node: NodeId) -> Place {
        Place {
            node,
            is_resource: self.table.node(node).has(Flags::EMBEDDED),
        }
    }

    pub(crate) fn items(&self, place: Place) -> Option<Place> {
        let items = self.table.node(place.node).items;
        self.table.some(items).map(|node| self.place(node))
    }

    pub(crate) fn values(&self, place: Place) -> Option<Place> {
        let values = self.table.node(place.node).values;
        self.table.some(values).map(|node| self.place(node))
    }

    pub(crate) fn property(&self, place: Place, name: &str) -> Option<Place> {
        let property = self.table.property(place.node, name);
        property.map(|node| self.place(node))
    }

    /// A default as it is without what the schema does not know.
    pub(crate) fn pruned(&self, place: Place, default: &Value) -> Value {
        let mut pruned = default.clone();
        let _ = prune::prune(&self.table, place.node, place.is_resource, &mut pruned);
        pruned
    }

    /// What is wrong with a default.
    pub(crate) fn check_default(
        &self,
        place: Place,
        default: &Value,
        path: &Path<'_>,
    ) -> Vec<FieldError> {
        let table = &self.table;
        let mut errors = Errors::default();
        let mut shaped = default.clone();
        let mut unknown = Vec::new();
        if let Err(wrong) = embedded::coerce(table, place.node, &mut shaped, false, &mut unknown) {
            let field = format!("{path}.{}", wrong.field);
            return vec![FieldError { field, ..wrong }];
        }
        let is_resource = place.is_resource;
        embedded::validate(
            table,
            place.node,
            is_resource,
            default,
            Some(path),
            &mut errors,
        );
        if errors.0.is_empty() {
            let base = path.to_string();
            let base = Some(base.as_str());
            let wrong = check::check(table, &self.patterns, place.node, default, None, base);
            errors.extend(wrong);
        }
        if errors.0.is_empty() && table.node(place.node).has(Flags::HAS_RULES) {
            let rules = self.compiled_rules();
            let place = (place.node, place.is_resource);
            for old in [Some(default), None] {
                if errors.0.is_empty() {
                    let wrong =
                        rules::validate(table, rules, place, default, old, Some(path), false);
                    errors.extend(wrong);
                }
            }
        }
        errors.0
    }

    /// The rules of a place, compiled; `None` where rules cannot see it.
    pub(crate) fn rules_at(&self, place: Place) -> Option<(Vec<CompiledRule>, u64)> {
        let declared = self.declared();
        if !declared.is_seen(place.node) {
            return None;
        }
        let rules = self.table.rules(place.node);
        let compiled = rule::compile(declared, place.node, place.is_resource, rules);
        Some((compiled, declared.cardinality_max(place.node)))
    }

    pub(super) fn compiled_rules(&self) -> &Rules {
        self.rules.get_or_init(|| Rules::new(&self.table))
    }
}
