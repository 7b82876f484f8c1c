//! JSON read as its schema says: types, formats, escaped names, lists that are sets and maps.

use serde_json::{Value as Json, json};
use skerry_cel::{
    Budget, CURRENT, Env, Form, ListKind, NodeId, Schema, Shape, StringForm, Type, Value, Variables,
};
use std::sync::Arc;

/// A schema as a table: node 0 is an object with a field for each of [`FIELDS`], whose nodes
/// follow in order; then come the nodes that those lead to.
struct Table;

const FIELDS: &[(&str, Form)] = &[
    ("replicas", Form::Int),
    ("ratio", Form::Double),
    ("data", Form::String(StringForm::Bytes)),
    ("at", Form::String(StringForm::DateTime)),
    ("day", Form::String(StringForm::Date)),
    ("wait", Form::String(StringForm::Duration)),
    ("port", Form::IntOrString),
    ("x-y.z", Form::Int),
    ("namespace", Form::Bool),
    (
        "finalizers",
        Form::List {
            items: STRING,
            kind: ListKind::Set,
        },
    ),
    (
        "ports",
        Form::List {
            items: PORT,
            kind: ListKind::Map,
        },
    ),
    (
        "args",
        Form::List {
            items: STRING,
            kind: ListKind::Atomic,
        },
    ),
    ("labels", Form::Map { values: STRING }),
    ("extra", Form::Any),
    ("hint", Form::String(StringForm::Plain)),
];

const STRING: NodeId = 100;
const PORT: NodeId = 101;
const NUMBER: NodeId = 102;

impl Schema for Table {
    fn form(&self, node: NodeId) -> Form {
        match node {
            0 | PORT => Form::Object,
            STRING => Form::String(StringForm::Plain),
            NUMBER => Form::Int,
            node => FIELDS[node as usize - 1].1,
        }
    }

    fn field(&self, node: NodeId, name: &str) -> Option<NodeId> {
        match (node, name) {
            (0, name) => {
                let place = FIELDS.iter().position(|(known, _)| *known == name)?;
                NodeId::try_from(place + 1).ok()
            }
            (PORT, "name") => Some(STRING),
            (PORT, "number") => Some(NUMBER),
            _ => None,
        }
    }

    fn fields(&self, _: NodeId) -> Vec<String> {
        FIELDS.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn map_keys(&self, _: NodeId) -> Vec<String> {
        vec!["name".to_owned()]
    }

    fn type_name(&self, node: NodeId) -> String {
        format!("table{node}")
    }

    fn nullable(&self, node: NodeId) -> bool {
        node == 15
    }
}

fn object() -> Json {
    json!({
        "replicas": 3,
        "ratio": 2,
        "data": "aGk=",
        "at": "2020-02-03T04:05:06Z",
        "day": "2020-02-03",
        "wait": "90s",
        "port": "http",
        "x-y.z": 7,
        "namespace": true,
        "finalizers": ["a", "b"],
        "ports": [{"name": "x", "number": 1}, {"name": "y", "number": 2}],
        "args": ["a", "b"],
        "labels": {"app.io/name": "n"},
        "extra": {"a": [1, 2.5]},
        "undeclared": 1,
        "hint": null
    })
}

/// The value over `self` and `oldSelf`, or what is wrong.
fn evaluate(text: &str, object: &Json, old: &Json) -> Result<String, String> {
    let schema: Arc<dyn Schema> = Arc::new(Table);
    let env = Env::kubernetes(CURRENT)
        .with_schema("self", &schema, 0)
        .with_variable("oldSelf", Type::of(&schema, 0));
    let program = env.compile(text).map_err(|issues| issues.to_string())?;
    let shape = Shape {
        schema: &*schema,
        node: 0,
    };
    let read = |json| Value::typed(json, shape).map_err(|error| error.to_string());
    let variables = Variables::new()
        .with("self", read(object)?)
        .with("oldSelf", read(old)?);
    let value = program.eval(&variables, &mut Budget::per_call());
    value
        .map(|value| value.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn fields_have_the_types_of_their_schema() {
    for (text, value) in [
        ("self.replicas / 2", "1"),
        ("self.ratio / 4.0", "0.5"),
        ("self.data == b'hi' && size(self.data) == 2", "true"),
        ("self.at.getHours() + self.day.getDate()", "7"),
        ("self.at - self.day > self.wait", "true"),
        ("self.port == 'http' && type(self.port) == string", "true"),
        ("self.x__dash__y__dot__z + 1", "8"),
        (
            "self.__namespace__ && !has(oldSelf.hint) && !has(self.hint)",
            "true",
        ),
        (
            "self.labels['app.io/name'] + self.extra.a[0].size",
            "no such key: size",
        ),
        ("self.extra.a[1] == 2.5 && self.extra.a[0] == 1", "true"),
        ("self.labels.all(k, k.startsWith('app'))", "true"),
        ("self.ports.map(p, p.name + string(p.number))", "[x1, y2]"),
        ("type(self) == map && type(self.ports) == list", "true"),
    ] {
        let outcome = evaluate(text, &object(), &object());
        assert_eq!(outcome.unwrap_or_else(|error| error), value, "{text}");
    }
    for (text, issue) in [
        ("self.undeclared", "undefined field 'undeclared'"),
        ("self.namespace", "undefined field 'namespace'"),
        (
            "self.ratio == 2",
            "found no matching overload for '_==_' applied to '(double, int)'",
        ),
    ] {
        let error = evaluate(text, &object(), &object()).expect_err(text);
        assert!(error.contains(issue), "{error}");
    }
}

#[test]
fn what_does_not_fit_its_schema_is_an_error_where_it_is_read() {
    for (field, value, error) in [
        (
            "replicas",
            json!("x"),
            "invalid data, expected int, got string",
        ),
        (
            "replicas",
            json!(1.5),
            "invalid data, expected int, got float64",
        ),
        (
            "replicas",
            json!([]),
            "invalid data, expected int, got []interface {}",
        ),
        (
            "at",
            json!("noon"),
            "Invalid date-time formatted string noon",
        ),
        (
            "port",
            json!(true),
            "invalid data, expected XIntOrString value to be either a string or integer",
        ),
        (
            "args",
            json!([null]),
            "invalid data, got null for schema with nullable=false",
        ),
    ] {
        let mut changed = object();
        changed[field] = value;
        let text = if field == "args" {
            "self.args[0] == 'a'".to_owned()
        } else {
            format!("[self.{field}].size() == 0")
        };
        assert_eq!(
            evaluate(&text, &changed, &object()).expect_err(field),
            error
        );
        assert_eq!(evaluate("1 + 1", &changed, &object()).as_deref(), Ok("2"));
    }
}

#[test]
fn sets_and_maps_are_compared_whatever_their_order_and_joined_by_key() {
    let mut old = object();
    old["finalizers"] = json!(["b", "a"]);
    old["ports"] = json!([{"name": "y", "number": 2}, {"name": "x", "number": 1}]);
    old["args"] = json!(["b", "a"]);
    for (text, value) in [
        ("self.finalizers == oldSelf.finalizers", "true"),
        ("self.ports == oldSelf.ports", "true"),
        ("self.args == oldSelf.args", "false"),
        ("self.finalizers == ['b', 'a']", "true"),
        ("self == oldSelf", "false"),
        ("self.finalizers + ['b', 'c']", "[a, b, c]"),
        ("self.args + ['b', 'c']", "[a, b, b, c]"),
        (
            "(self.ports + oldSelf.ports.filter(p, p.name == 'y')).size()",
            "2",
        ),
        (
            "'b' in self.finalizers && !('c' in self.finalizers)",
            "true",
        ),
    ] {
        assert_eq!(
            evaluate(text, &object(), &old).as_deref(),
            Ok(value),
            "{text}"
        );
    }
    old["args"] = json!(["a", "b"]);
    assert_eq!(
        evaluate("self == oldSelf", &object(), &old).as_deref(),
        Ok("true")
    );
    old["ports"][0]["number"] = json!(3);
    assert_eq!(
        evaluate("self.ports != oldSelf.ports", &object(), &old).as_deref(),
        Ok("true")
    );
}

#[test]
fn reading_a_long_list_copies_nothing() {
    let mut long = object();
    long["args"] = (0..10_000)
        .map(|number| Json::from(number.to_string()))
        .collect();
    let text = "self.args[9999] + self.args[5000] + string(self.args.size())";
    assert_eq!(
        evaluate(text, &long, &object()).as_deref(),
        Ok("9999500010000")
    );
    let schema: Arc<dyn Schema> = Arc::new(Table);
    let value = Value::typed(
        &long,
        Shape {
            schema: &*schema,
            node: 0,
        },
    )
    .expect("fits");
    let Value::Map(map) = &value else {
        panic!("an object is a map")
    };
    let Ok(Some(Value::List(list))) = map.get_str("args") else {
        panic!("a list")
    };
    let Ok(Some(Value::String(skerry_cel::Str::Borrowed(text)))) = list.get(9_999) else {
        panic!("a string that is borrowed")
    };
    assert!(std::ptr::eq(
        text,
        long["args"][9_999].as_str().expect("a string")
    ));
}
