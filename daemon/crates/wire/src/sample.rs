//! Objects in which every field is there, made of the table: for tests.

use serde_json::{Map, Value, json};

use crate::built_in::{TABLE, message};
use crate::table::{Field, Many, Message, Of, Shape};

/// All kinds that are objects: what has an envelope of its own.
pub(crate) fn kinds() -> Vec<(String, String)> {
    let mut kinds = Vec::new();
    for package in TABLE
        .packages
        .iter()
        .filter(|package| &*package.api_version != "-")
    {
        for number in package.first..package.end {
            let of = TABLE.message(number);
            let first = TABLE.field(of, 1);
            if first.is_some_and(|field| TABLE.name(field.name) == "metadata") {
                kinds.push((
                    package.api_version.to_string(),
                    TABLE.name(of.name).to_owned(),
                ));
            }
        }
    }
    kinds
}

/// An object of a kind with all of its fields, none of which is zero.
pub(crate) fn full(api_version: &str, kind: &str) -> Value {
    let of = message(api_version, kind).expect("a kind of the table");
    let mut object = Map::new();
    fields(of, &mut Vec::new(), &mut object);
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Value::Object(object)
}

fn fields(of: Message, above: &mut Vec<u16>, object: &mut Map<String, Value>) {
    above.push(of.first);
    for field in TABLE.fields(of) {
        let name = TABLE.name(field.name);
        if let (true, Of::Message(number)) = (field.flags.is_inline(), field.of) {
            fields(TABLE.message(number), above, object);
        } else if let Some(value) = value(field, name, above) {
            object.insert(
                name.into(),
                match field.many {
                    Many::One => value,
                    Many::List => json!([value]),
                    Many::Map => json!({"key": value}),
                },
            );
        }
    }
    above.pop();
}

fn value(field: &Field, name: &str, above: &mut Vec<u16>) -> Option<Value> {
    Some(match field.of {
        Of::Text => format!("{name}-{}", field.number).into(),
        Of::Bytes => "AAEC/w==".into(),
        Of::Bool => true.into(),
        Of::Int32 => (-i32::from(field.number)).into(),
        Of::Int64 => (i64::MAX - i64::from(field.number)).into(),
        Of::Double => 0.25.into(),
        Of::Message(number) => {
            let of = TABLE.message(number);
            match of.shape {
                Shape::Quantity => "100m".into(),
                Shape::IntOrString if field.number.is_multiple_of(2) => 80.into(),
                Shape::IntOrString => "50%".into(),
                Shape::Time => "2026-02-28T23:59:58Z".into(),
                Shape::MicroTime => "2026-02-28T23:59:58.000017Z".into(),
                Shape::Duration => "1m30s".into(),
                Shape::Raw => json!({"f:a": {"f:b": [1, 2.5, null, "x"]}}),
                Shape::List => json!(["one", "two"]),
                Shape::OrTexts if field.number.is_multiple_of(2) => json!(["one", "two"]),
                Shape::OrBool if field.number % 2 == 1 => true.into(),
                // These hold what they are in.
                Shape::OrBool | Shape::OrList | Shape::OrTexts => json!({"title": "inner"}),
                Shape::Object if above.contains(&of.first) => return None,
                Shape::Object => {
                    let mut inner = Map::new();
                    fields(of, above, &mut inner);
                    Value::Object(inner)
                }
            }
        }
    })
}
