//! ClusterRoles whose rules are those of others: `aggregationRule`.

use std::collections::BTreeSet;

use serde_json::Value;
use skerry_selector::labels::{ObjectError, Selector};

use crate::rule::Rule;

/// The rules that an aggregating ClusterRole should have, given all
/// ClusterRoles; `None` if it does not aggregate or has them already.
///
/// By selector, then by name of the role found, each rule once; never its own.
pub fn aggregate<'a>(
    role: &Value,
    all: impl IntoIterator<Item = &'a Value>,
) -> Result<Option<Vec<Value>>, ObjectError> {
    let Some(rule) = role.get("aggregationRule").filter(|rule| rule.is_object()) else {
        return Ok(None);
    };
    let selectors = rule.get("clusterRoleSelectors").and_then(Value::as_array);
    let selectors = selectors
        .into_iter()
        .flatten()
        .map(Selector::from_object)
        .collect::<Result<Vec<_>, _>>()?;
    let mut others: Vec<&Value> = all
        .into_iter()
        .filter(|other| name(other) != name(role))
        .collect();
    others.sort_by_key(|other| name(other));
    let (mut rules, mut seen) = (Vec::new(), BTreeSet::new());
    for selector in &selectors {
        for other in others.iter().filter(|other| selector.matches_object(other)) {
            for rule in Rule::read_all(other) {
                if seen.insert(rule.clone()) {
                    rules.push(rule);
                }
            }
        }
    }
    let unchanged = rules == Rule::read_all(role);
    Ok((!unchanged).then(|| rules.iter().map(Rule::to_value).collect()))
}

fn name(role: &Value) -> &str {
    role.pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}
