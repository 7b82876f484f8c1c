//! The public conformance cases of the language (google/cel-spec, `tests/simple/testdata`), read
//! from the folder that `SKERRY_CEL_SPEC` names; without it there is nothing to do here.
//!
//! Cases that kube-apiserver's environment rules out are counted with their reason, not run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod textproto;

use skerry_cel::{Budget, CURRENT, Duration, Env, Timestamp, Type, Value, Variables};
use std::collections::BTreeMap;
use textproto::{Field, Message};

/// Files about what this language here does not have, and why.
const FILES_LEFT_OUT: &[(&str, &str)] = &[
    ("bindings_ext", "cel.bind is not served"),
    ("block_ext", "cel.block is not served"),
    ("encoders_ext", "base64 functions are not served"),
    ("enums", "protobuf enums"),
    (
        "network_ext",
        "kube-apiserver has its own network functions",
    ),
    ("proto2", "protobuf messages"),
    ("proto2_ext", "protobuf extensions"),
    ("proto3", "protobuf messages"),
    ("math_ext", "the math library is not served"),
    ("wrappers", "protobuf wrappers"),
    ("unknowns", "partial evaluation"),
];

/// Cases in which kube-apiserver's cel-go itself, or its build, departs from the specification.
const CASES_LEFT_OUT: &[(&str, &str)] = &[
    (
        "fields/qualified_identifier_resolution/map_value_repeat_key",
        "cel-go lets the last of equal keys win",
    ),
    ("optionals/optionals/map_null_entry_no_such_key", ABSENT),
    ("optionals/optionals/map_present_key_invalid_field", ABSENT),
    (
        "string_ext/format/scientific notation formatting clause",
        FORMAT_2,
    ),
    (
        "string_ext/format/default precision for fixed-point clause with int",
        FORMAT_2,
    ),
    (
        "string_ext/format/default precision for fixed-point clause with uint",
        FORMAT_2,
    ),
    (
        "string_ext/format/default precision for scientific notation",
        FORMAT_2,
    ),
    (
        "string_ext/format/default precision for scientific notation with int",
        FORMAT_2,
    ),
    (
        "string_ext/format/default precision for scientific notation with uint",
        FORMAT_2,
    ),
    (
        "string_ext/format/positive infinity support for scientific notation",
        FORMAT_2,
    ),
    (
        "string_ext/format/negative infinity support for scientific notation",
        FORMAT_2,
    ),
    ("string_ext/format/NaN support for decimal", FORMAT_2),
    (
        "string_ext/format/positive infinity support for decimal",
        FORMAT_2,
    ),
    (
        "string_ext/format/negative infinity support for decimal",
        FORMAT_2,
    ),
    (
        "string_ext/format/positive infinity support for fixed-point",
        FORMAT_2,
    ),
    (
        "string_ext/format/negative infinity support for fixed-point",
        FORMAT_2,
    ),
    (
        "string_ext/format/dyntype support for scientific notation",
        FORMAT_2,
    ),
    ("string_ext/format/dyntype NaN/infinity support", FORMAT_2),
    (
        "string_ext/format/scientific notation formatting clause in a string variable",
        FORMAT_2,
    ),
    ("string_ext/value_errors/indexof_out_of_range", BEYOND),
    ("string_ext/value_errors/lastindexof_out_of_range", BEYOND),
    ("string_ext/reverse/empty", NO_REVERSE),
    ("string_ext/reverse/single_character", NO_REVERSE),
    ("string_ext/reverse/multiple", NO_REVERSE),
];

const FORMAT_2: &str = "kube-apiserver has version 2 of the strings, whose numbers are American";
const NO_REVERSE: &str = "kube-apiserver has version 2 of the strings, which cannot be reversed";
const BEYOND: &str = "cel-go finds nothing beyond the end";

const ABSENT: &str = "kube-apiserver takes an optional field of a scalar for absent, not wrong";

enum Outcome {
    Passed,
    LeftOut(String),
    Failed(String),
}

#[test]
fn every_public_case_that_the_environment_allows_holds() {
    let Ok(folder) = std::env::var("SKERRY_CEL_SPEC") else {
        return;
    };
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.retain(|path| path.extension().is_some_and(|ext| ext == "textproto"));
    names.sort();
    assert!(!names.is_empty(), "no cases in {folder}");
    let (mut passed, mut failed) = (0, Vec::new());
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    for path in names {
        let file = textproto::parse(&std::fs::read_to_string(&path).unwrap());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for section in file.messages("section") {
            for case in section.messages("test") {
                let title = format!(
                    "{name}/{}/{}",
                    section.text("name").unwrap_or_default(),
                    case.text("name").unwrap_or_default()
                );
                let outcome = match FILES_LEFT_OUT.iter().find(|(file, _)| *file == name) {
                    Some((_, why)) => Outcome::LeftOut((*why).to_owned()),
                    None => run(&title, case),
                };
                match outcome {
                    Outcome::Passed => passed += 1,
                    Outcome::LeftOut(why) => *left_out.entry(why).or_default() += 1,
                    Outcome::Failed(why) => {
                        failed.push(format!(
                            "{title}: {}\n    {why}",
                            case.text("expr").unwrap()
                        ));
                    }
                }
            }
        }
    }
    println!("{passed} cases hold; left out: {left_out:#?}");
    assert!(
        failed.is_empty(),
        "{} fail:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(passed > 1_000, "only {passed} cases were run");
}

fn run(title: &str, case: &Message) -> Outcome {
    if let Some((_, why)) = CASES_LEFT_OUT.iter().find(|(name, _)| *name == title) {
        return Outcome::LeftOut((*why).to_owned());
    }
    let expr = case.text("expr").unwrap_or_default();
    let left_out = |why: &str| Outcome::LeftOut(why.to_owned());
    if title.starts_with("namespace/") && case.text("container").is_some() {
        return left_out("containers");
    }
    if case.word("disable_macros") == Some("true") {
        return left_out("macros are always on");
    }
    for part in [
        "google.protobuf.",
        "TestAllTypes",
        "cel.expr.",
        "proto.",
        "Enum",
        "NullValue",
    ] {
        if expr.contains(part)
            && !expr.contains("google.protobuf.Timestamp ")
            && !expr.contains("google.protobuf.Duration ")
        {
            return left_out("protobuf messages");
        }
    }
    let mut env = Env::kubernetes(CURRENT);
    for declared in case.messages("type_env") {
        let Some(kind) = declared
            .message("ident")
            .and_then(|ident| ident.message("type"))
        else {
            return left_out("declared functions");
        };
        let Some(kind) = read_type(kind) else {
            return left_out("protobuf messages");
        };
        env = env.with_variable(declared.text("name").unwrap_or_default(), kind);
    }
    let mut bindings = Vec::new();
    for binding in case.messages("bindings") {
        let value = binding
            .message("value")
            .and_then(|value| value.message("value"));
        let Some(value) = value.and_then(read_value) else {
            return left_out("protobuf messages");
        };
        bindings.push((binding.text("key").unwrap_or_default().to_owned(), value));
    }
    let program = match env.compile(expr) {
        Ok(program) => program,
        Err(issues) => return not_compiled(case, expr, &issues.to_string()),
    };
    if case.message("typed_result").is_some() || case.word("check_only") == Some("true") {
        let expected = case
            .message("typed_result")
            .and_then(|typed| typed.message("deduced_type"));
        if let Some(expected) = expected {
            let Some(expected) = read_type(expected) else {
                return left_out("protobuf messages");
            };
            if expected.to_string() != program.output_type().to_string() {
                let found = program.output_type();
                return Outcome::Failed(format!("type {found}, expected {expected}"));
            }
        }
        if case.word("check_only") == Some("true") {
            return Outcome::Passed;
        }
    }
    let mut variables = Variables::new();
    for (name, value) in &bindings {
        variables = variables.with(name, value.clone());
    }
    let outcome = program.eval(&variables, &mut Budget::per_call());
    let typed = case
        .message("typed_result")
        .and_then(|typed| typed.message("result"));
    let expected = case.message("value").or(typed);
    match (outcome, expected) {
        (Ok(value), Some(expected)) => {
            let Some(expected) = read_value(expected) else {
                return left_out("protobuf messages");
            };
            if same(&value, &expected) {
                Outcome::Passed
            } else {
                Outcome::Failed(format!("is {value:?}, expected {expected:?}"))
            }
        }
        (Err(error), Some(_)) if error.to_string().contains("unknown time zone") => {
            left_out("names of time zones")
        }
        (Err(error), Some(_)) => Outcome::Failed(format!("error: {error}")),
        (Err(error), None) => match expected_errors(case) {
            None => Outcome::Failed(format!("error: {error}, expected true")),
            Some(_) => Outcome::Passed,
        },
        (Ok(value), None) => match expected_errors(case) {
            None if same(&value, &Value::Bool(true)) => Outcome::Passed,
            expected => Outcome::Failed(format!("is {value:?}, expected error {expected:?}")),
        },
    }
}

fn expected_errors(case: &Message) -> Option<String> {
    let errors = case
        .message("eval_error")
        .or(case.message("any_eval_errors"))?;
    Some(
        errors
            .message("errors")?
            .text("message")
            .unwrap_or_default()
            .to_owned(),
    )
}

fn not_compiled(case: &Message, expr: &str, issues: &str) -> Outcome {
    let left_out = |why: &str| Outcome::LeftOut(why.to_owned());
    if issues.contains("expected type '") {
        return left_out("lists and maps of mixed types are refused");
    }
    if expected_errors(case).is_some() {
        return Outcome::Passed;
    }
    if case.word("disable_check") == Some("true") {
        return left_out("expressions are always checked");
    }
    if issues.contains("undeclared reference to '") && !issues.contains("Syntax") {
        return left_out(&format!(
            "not served: {}",
            issues.split('\'').nth(1).unwrap_or_default()
        ));
    }
    if issues.contains("unsupported syntax: '`'") {
        return left_out("names in backquotes are not served");
    }
    Outcome::Failed(format!("{expr} does not compile: {issues}"))
}

fn same(value: &Value<'_>, expected: &Value<'_>) -> bool {
    match (value, expected) {
        (Value::Double(left), Value::Double(right)) => {
            left.to_bits() == right.to_bits() || left == right || left.is_nan() && right.is_nan()
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|(l, r)| same(&l.unwrap(), &r.unwrap()))
        }
        (Value::Type(left), Value::Type(right)) => left.runtime_name() == right.runtime_name(),
        _ => value.kind() == expected.kind() && value.equals(expected).unwrap_or(false),
    }
}

fn read_type(message: &Message) -> Option<Type> {
    let inner = |message: &Message, name: &str| message.message(name).and_then(read_type);
    let primitive = |name: &str| {
        Some(match name {
            "BOOL" => Type::Bool,
            "INT64" => Type::Int,
            "UINT64" => Type::Uint,
            "DOUBLE" => Type::Double,
            "STRING" => Type::String,
            "BYTES" => Type::Bytes,
            _ => return None,
        })
    };
    if let Some(name) = message.word("primitive") {
        return primitive(name);
    }
    if let Some(name) = message.word("well_known") {
        return Some(match name {
            "TIMESTAMP" => Type::Timestamp,
            "DURATION" => Type::Duration,
            _ => return None,
        });
    }
    if let Some(list) = message.message("list_type") {
        return Some(Type::list(inner(list, "elem_type").unwrap_or(Type::Dyn)));
    }
    if let Some(map) = message.message("map_type") {
        let key = inner(map, "key_type").unwrap_or(Type::Dyn);
        return Some(Type::map(
            key,
            inner(map, "value_type").unwrap_or(Type::Dyn),
        ));
    }
    if let Some(kind) = message.message("abstract_type") {
        if kind.text("name") != Some("optional_type") {
            return None;
        }
        return Some(Type::optional(inner(kind, "parameter_types")?));
    }
    if let Some(kind) = message.message("type") {
        return Some(Type::kind(read_type(kind).unwrap_or(Type::Dyn)));
    }
    if message.message("dyn").is_some() {
        return Some(Type::Dyn);
    }
    if message.word("null").is_some() {
        return Some(Type::Null);
    }
    None
}

fn read_value(message: &Message) -> Option<Value<'static>> {
    let (name, field) = message.fields.first()?;
    Some(match (name.as_str(), field) {
        ("null_value", _) => Value::Null,
        ("bool_value", Field::Word(word)) => Value::Bool(word == "true"),
        ("int64_value", Field::Word(word)) => Value::Int(number(word)?),
        ("uint64_value", Field::Word(word)) => Value::Uint(word.parse().ok()?),
        ("double_value", Field::Word(word)) => Value::Double(match word.to_lowercase().as_str() {
            "inf" | "infinity" => f64::INFINITY,
            "-inf" | "-infinity" => f64::NEG_INFINITY,
            "nan" => f64::NAN,
            other => other.parse().ok()?,
        }),
        ("string_value", Field::Text(bytes)) => {
            Value::string(String::from_utf8(bytes.clone()).ok()?)
        }
        ("bytes_value", Field::Text(bytes)) => Value::bytes(bytes.clone()),
        ("type_value", Field::Text(bytes)) => {
            let name = std::str::from_utf8(bytes).ok()?;
            Value::Type(Type::named(name).unwrap_or_else(|| Type::opaque(name)))
        }
        ("list_value", Field::Message(list)) => Value::list(
            list.messages("values")
                .map(read_value)
                .collect::<Option<_>>()?,
        ),
        ("map_value", Field::Message(map)) => {
            let entries: Option<Vec<_>> = map
                .messages("entries")
                .map(|entry| {
                    Some((
                        read_value(entry.message("key")?)?,
                        read_value(entry.message("value")?)?,
                    ))
                })
                .collect();
            Value::map(entries?).ok()?
        }
        ("object_value", Field::Message(object)) => {
            let (name, Field::Message(inner)) = object.fields.first()? else {
                return None;
            };
            let seconds: i64 = inner.word("seconds").map_or(Some(0), number)?;
            let nanos: i64 = inner.word("nanos").map_or(Some(0), number)?;
            match name.rsplit_once('/')?.1 {
                "google.protobuf.Timestamp]" => Value::Timestamp(Timestamp {
                    seconds,
                    nanos: u32::try_from(nanos).ok()?,
                }),
                "google.protobuf.Duration]" => Value::Duration(Duration {
                    nanos: seconds * 1_000_000_000 + nanos,
                }),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn number(word: &str) -> Option<i64> {
    match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}
