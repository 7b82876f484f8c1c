//! `matchConditions` of webhooks and policies: whether a request is worth a closer look.
//!
//! Pure. Invariant: one condition that is false decides, whatever became of the others.

use serde_json::Value as Json;
use skerry_cel::limits::MATCH_CONDITIONS_COST_MAX;
use skerry_cel::{Budget, Env, Program, Type, Value};

use super::facts::{Facts, Told};
use super::{Uncompiled, compile};

/// A condition, compiled once.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) program: Result<Program, Uncompiled>,
}

/// What became of all conditions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Yes,
    No,
    /// None was false, and some have no value: why.
    Unknown(String),
}

impl Condition {
    /// Reads a list of conditions.
    pub(crate) fn read_all(env: &Env, conditions: &Json) -> Vec<Condition> {
        let conditions = conditions.as_array().into_iter().flatten();
        let read = |condition: &Json| {
            let expression = condition["expression"].as_str().unwrap_or_default().trim();
            Condition {
                expression: expression.to_owned(),
                program: compile(env, expression, &Type::Bool),
            }
        };
        conditions.map(read).collect()
    }
}

/// Evaluates conditions one after the other; and how many of those that were looked at have no value.
pub(crate) fn meets(conditions: &[Condition], facts: &Facts<'_>) -> (Met, usize) {
    let mut left = MATCH_CONDITIONS_COST_MAX;
    let mut wrong = Vec::new();
    for condition in conditions {
        let program = match &condition.program {
            Ok(program) => program,
            Err(error) => {
                wrong.push(format!("compilation error: {error}"));
                continue;
            }
        };
        let mut budget = Budget::per_call();
        let told = Told(facts);
        let value = program.eval(&told, &mut budget);
        let Some(rest) = left.checked_sub(budget.spent()) else {
            let why = "validation failed due to running out of cost budget, no further validation rules will be run";
            return (Met::Unknown(why.to_owned()), 0);
        };
        left = rest;
        match value {
            Ok(Value::Bool(true)) => {}
            Ok(Value::Bool(false)) => return (Met::No, wrong.len()),
            Ok(other) => wrong.push(format!(
                "expression '{}' resulted in error: no such overload: {}",
                condition.expression,
                other.kind()
            )),
            Err(error) => wrong.push(format!(
                "expression '{}' resulted in error: {error}",
                condition.expression
            )),
        }
    }
    let met = match wrong.as_slice() {
        [] => Met::Yes,
        [one] => Met::Unknown(one.clone()),
        all => Met::Unknown(format!("[{}]", all.join(", "))),
    };
    (met, wrong.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expressions::environment;
    use serde_json::json;

    fn met(expressions: &[&str]) -> Met {
        let list: Vec<Json> = expressions
            .iter()
            .map(|expression| json!({"name": "c", "expression": expression}))
            .collect();
        let conditions = Condition::read_all(&environment(false), &list.into());
        let object = json!({"metadata": {"name": "a"}, "spec": {"replicas": 3}});
        let request =
            || json!({"operation": "CREATE", "userInfo": {"username": "bob", "groups": ["x"]}});
        let facts = Facts::new(
            Some(&object),
            None,
            request,
            || json!({"metadata": {"name": "n"}}),
        );
        meets(&conditions, &facts).0
    }

    #[test]
    fn one_condition_that_is_false_decides() {
        assert_eq!(met(&[]), Met::Yes);
        assert_eq!(
            met(&["object.spec.replicas > 2", "request.operation == 'CREATE'"]),
            Met::Yes
        );
        assert_eq!(
            met(&["object.nothing == 1", "request.userInfo.username == 'eve'"]),
            Met::No
        );
        assert_eq!(
            met(&["oldObject == null", "namespaceObject.metadata.name == 'n'"]),
            Met::Yes
        );
        assert_eq!(
            met(&["object.nothing == 1"]),
            Met::Unknown(
                "expression 'object.nothing == 1' resulted in error: no such key: nothing"
                    .to_owned()
            )
        );
    }

    #[test]
    fn what_is_misspelled_is_found_when_it_is_written() {
        let wrong = |expression: &str| {
            let list = json!([{"name": "c", "expression": expression}]);
            let read = Condition::read_all(&environment(false), &list);
            read[0]
                .program
                .as_ref()
                .map(|_| ())
                .map_err(ToString::to_string)
        };
        assert_eq!(wrong("request.dryRun"), Ok(()));
        let said = wrong("request.dryrun").unwrap_err();
        assert!(
            said.starts_with("compilation failed: ERROR: <input>:1:8: undefined field 'dryrun'"),
            "{said}"
        );
        assert_eq!(
            wrong("1 + 1").unwrap_err(),
            "must evaluate to bool but got int"
        );
        assert!(wrong("params.x").is_err());
    }
}
