//! How large what a path leads to can get, by the schemas of declared variables.
//!
//! Knows nothing about expressions. As upstream, a path that begins with no variable is read from
//! the first variable's schema.

use crate::cost::Size;
use crate::env::Env;
use crate::schema::{Form, NodeId, Schema, plain_name};
use std::sync::Arc;

/// The size at a path of names, `@items`, `@values` and `@keys`.
pub(super) fn by_schema(env: &Env, path: &[String]) -> Option<Size> {
    let (first, rest) = path.split_first()?;
    let (schema, mut node) = env.schema_of(first)?;
    for (index, step) in rest.iter().enumerate() {
        node = match (schema.form(node), step.as_str()) {
            (Form::List { items, .. }, "@items" | "@values") => items,
            (Form::Map { values }, "@items" | "@values") => values,
            // Keys are strings of which upstream says no more.
            (Form::Map { .. }, "@keys") => {
                return (index + 1 == rest.len()).then_some(Size::fixed(0));
            }
            (Form::Object, name) => schema.field(node, &plain_name(&**schema, name)?)?,
            _ => return None,
        };
    }
    at(schema, node)
}

fn at(schema: &Arc<dyn Schema>, node: NodeId) -> Option<Size> {
    let max = schema.size_max(node).or_else(|| match schema.form(node) {
        // Upstream's declarations of these have no elements at all.
        Form::Bool | Form::Int | Form::Double | Form::Object => Some(0),
        _ => None,
    })?;
    Some(Size { min: 0, max })
}
