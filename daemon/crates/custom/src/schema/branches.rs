//! `anyOf`, `oneOf`, `allOf` and `not`: which errors of which branch are told.

use serde_json::Value;
use skerry_kinds::{Path, quote};

use super::check::{Checking, Outcome, text};
use super::table::{Facet, NodeId, Span};

impl Checking<'_> {
    /// `anyOf`, `oneOf`, `allOf` and `not`. Within them nothing is known of the old object.
    pub(super) fn branches(
        &mut self,
        value: &Value,
        node: NodeId,
        path: &Path<'_>,
        is_root: bool,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let table = self.table;
        let of = |pick: fn(&Facet) -> Option<Span>| {
            table.facet(node, pick).map(|span| table.numbers(span))
        };
        if let Some(any) = of(|facet| match facet {
            Facet::AnyOf(span) => Some(*span),
            _ => None,
        }) {
            self.any_of(any, value, path, is_root, &mut outcome);
        }
        if let Some(one) = of(|facet| match facet {
            Facet::OneOf(span) => Some(*span),
            _ => None,
        }) {
            self.one_of(one, value, path, is_root, &mut outcome);
        }
        if let Some(all) = of(|facet| match facet {
            Facet::AllOf(span) => Some(*span),
            _ => None,
        }) {
            let mut good = 0;
            for branch in all {
                let result = self.value(value, *branch, path, None, is_root);
                good += usize::from(result.is_good());
                outcome.merge(result);
            }
            if good != all.len() {
                let more = if good == 0 { ". None validated" } else { "" };
                let path = quote(&path.to_string());
                outcome.add(text(format!(
                    "{path} must validate all the schemas (allOf){more}"
                )));
            }
        }
        let not = table.facet(node, |facet| match facet {
            Facet::Not(node) => Some(*node),
            _ => None,
        });
        if let Some(not) = not
            && self.value(value, not, path, None, is_root).is_good()
        {
            let path = quote(&path.to_string());
            outcome.add(text(format!("{path} must not validate the schema (not)")));
        }
        outcome.matches += 1;
        outcome
    }

    fn any_of(
        &mut self,
        branches: &[NodeId],
        value: &Value,
        path: &Path<'_>,
        is_root: bool,
        outcome: &mut Outcome,
    ) {
        let mut best: Option<Outcome> = None;
        for branch in branches {
            let result = self.value(value, *branch, path, None, is_root);
            if result.is_good() {
                outcome.merge(result);
                return;
            }
            if best
                .as_ref()
                .is_none_or(|best| result.matches > best.matches)
            {
                best = Some(result);
            }
        }
        let path = quote(&path.to_string());
        outcome.add(text(format!(
            "{path} must validate at least one schema (anyOf)"
        )));
        outcome.merge(best.unwrap_or_default());
    }

    fn one_of(
        &mut self,
        branches: &[NodeId],
        value: &Value,
        path: &Path<'_>,
        is_root: bool,
        outcome: &mut Outcome,
    ) {
        let mut best: Option<Outcome> = None;
        let mut first: Option<Outcome> = None;
        let mut good = 0;
        for branch in branches {
            let result = self.value(value, *branch, path, None, is_root);
            if result.is_good() {
                good += 1;
                best = None;
                first.get_or_insert(result);
            } else if good == 0
                && best
                    .as_ref()
                    .is_none_or(|best| result.matches > best.matches)
            {
                best = Some(result);
            }
        }
        if good == 1 {
            outcome.merge(first.unwrap_or_default());
            return;
        }
        let found = match good {
            0 => "Found none valid".to_owned(),
            good => format!("Found {good} valid alternatives"),
        };
        let path = quote(&path.to_string());
        outcome.add(text(format!(
            "{path} must validate one and only one schema (oneOf). {found}"
        )));
        outcome.merge(best.unwrap_or_default());
    }
}
