//! Evaluates expressions over a small object and holds them against what is expected.

use serde_json::json;
use skerry_cel::{Budget, CURRENT, Env, Type, Value, Variables};

/// The value as text, or what is wrong.
pub(crate) fn evaluate(text: &str) -> Result<String, String> {
    let object = json!({
        "name": "box",
        "size": 3,
        "list": [1, 2, 3],
        "map": {"a.b": "x", "plain": "y"},
        "flags": {"on": true},
    });
    let env = Env::kubernetes(CURRENT).with_variable("self", Type::Dyn);
    let program = env.compile(text).map_err(|issues| issues.to_string())?;
    let variables = Variables::new().with("self", Value::json(&object));
    let value = program.eval(&variables, &mut Budget::per_call());
    value
        .map(|value| value.to_string())
        .map_err(|error| error.to_string())
}

/// Each expression has its value.
pub(crate) fn values(table: &[(&str, &str)]) {
    for (text, value) in table {
        assert_eq!(evaluate(text).as_deref(), Ok(*value), "{text}");
    }
}

/// Each expression fails with a text that holds the one given.
pub(crate) fn errors(table: &[(&str, &str)]) {
    for (text, expected) in table {
        match evaluate(text) {
            Ok(value) => panic!("{text} is {value}, expected: {expected}"),
            Err(error) => assert!(
                error.contains(expected),
                "{text}: {error}\nexpected: {expected}"
            ),
        }
    }
}
