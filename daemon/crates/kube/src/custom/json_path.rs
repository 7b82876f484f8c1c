//! The JSONPath of printer columns: the subset that definitions may use.
//!
//! Pure: `.spec.replicas`, `['a.b']`, `[0]`, `[*]`, `..` is refused, and filters compare one field
//! with a literal: `[?(@.type=="Ready")]`. Knows nothing about columns. Invariant: a path that
//! cannot be read finds nothing.

use serde_json::Value;

use crate::limits::JSON_PATH_STEPS_MAX;

#[derive(Debug, PartialEq)]
enum Step {
    Field(String),
    /// From the end where it is negative.
    Index(i64),
    All,
    Filter(Vec<String>, Operator, Value),
    /// Elements that have the field.
    Has(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// The longer ones first: they begin with the shorter ones.
const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessEqual),
    (">=", Operator::GreaterEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// The first value at a path.
pub(crate) fn first<'o>(object: &'o Value, path: &str) -> Option<&'o Value> {
    let mut found = vec![object];
    for step in parse(path)? {
        found = found.into_iter().flat_map(|value| step.of(value)).collect();
        if found.is_empty() {
            return None;
        }
    }
    found.into_iter().next()
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == JSON_PATH_STEPS_MAX {
            return None;
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner)?;
            steps.push(bracket(&inner[..end])?);
            rest = &inner[end + 1..];
            continue;
        }
        let after = rest.strip_prefix('.').unwrap_or(rest);
        let (name, left) = field(after);
        if name.is_empty() {
            // A dot before a bracket, and nothing else, may stand alone.
            if !left.starts_with('[') {
                return None;
            }
        } else if name == "*" {
            steps.push(Step::All);
        } else {
            steps.push(Step::Field(name));
        }
        rest = left;
    }
    Some(steps)
}

/// A name up to the next dot or bracket; a backslash takes the meaning from what follows it.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '.' | '[' => return (name, &text[at..]),
            '\\' => name.extend(chars.next().map(|(_, char)| char)),
            char => name.push(char),
        }
    }
    (name, "")
}

/// Where the bracket that is open closes: not within quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, char) in text.char_indices() {
        match (quote, char) {
            (None, ']') => return Some(at),
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), char) if open == char => quote = None,
            _ => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    let text = text.trim();
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(name) = quoted(text) {
        return Some(Step::Field(name.to_owned()));
    }
    if let Some(filter) = text
        .strip_prefix("?(")
        .and_then(|text| text.strip_suffix(')'))
    {
        return filtered(filter.trim());
    }
    text.parse().ok().map(Step::Index)
}

fn quoted(text: &str) -> Option<&str> {
    ['\'', '"']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

fn filtered(text: &str) -> Option<Step> {
    let names = |path: &str| -> Option<Vec<String>> {
        let steps = parse(path.trim().strip_prefix('@')?)?;
        let names = steps.into_iter().map(|step| match step {
            Step::Field(name) => Some(name),
            _ => None,
        });
        names.collect()
    };
    let operator = OPERATORS
        .iter()
        .filter_map(|(sign, operator)| Some((text.find(sign)?, sign, *operator)))
        .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
    let Some((at, sign, operator)) = operator else {
        return names(text).map(Step::Has);
    };
    let literal = text[at + sign.len()..].trim();
    let literal = match quoted(literal) {
        Some(text) => Value::from(text),
        None => serde_json::from_str(literal).ok()?,
    };
    Some(Step::Filter(names(&text[..at])?, operator, literal))
}

impl Step {
    fn of<'o>(&self, value: &'o Value) -> Vec<&'o Value> {
        match (self, value) {
            (Step::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
            (Step::Index(index), Value::Array(items)) => {
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let at = if *index < 0 { length + index } else { *index };
                let found = usize::try_from(at).ok().and_then(|at| items.get(at));
                found.into_iter().collect()
            }
            (Step::All, Value::Array(items)) => items.iter().collect(),
            (Step::All, Value::Object(fields)) => fields.values().collect(),
            (Step::Filter(path, operator, literal), Value::Array(items)) => items
                .iter()
                .filter(|item| at(item, path).is_some_and(|found| operator.holds(found, literal)))
                .collect(),
            (Step::Has(path), Value::Array(items)) => items
                .iter()
                .filter(|item| at(item, path).is_some())
                .collect(),
            _ => Vec::new(),
        }
    }
}

fn at<'o>(value: &'o Value, path: &[String]) -> Option<&'o Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

impl Operator {
    fn holds(self, found: &Value, literal: &Value) -> bool {
        let order = match (found, literal) {
            (Value::String(a), Value::String(b)) => a.partial_cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.partial_cmp(b),
            (a, b) => match (a.as_f64(), b.as_f64()) {
                (Some(a), Some(b)) => a.partial_cmp(&b),
                _ => None,
            },
        };
        let Some(order) = order else { return false };
        match self {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::LessEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterEqual => order.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_find_what_their_paths_name() {
        let object = json!({
            "spec": {"replicas": 3, "a.b": "dotted", "list": [1, 2, 3]},
            "status": {"conditions": [
                {"type": "Synced", "status": "False"},
                {"type": "Ready", "status": "True", "count": 7},
            ]},
        });
        for (path, expected) in [
            (".spec.replicas", json!(3)),
            ("$.spec.replicas", json!(3)),
            (".spec['a.b']", json!("dotted")),
            (".spec.a\\.b", json!("dotted")),
            (".spec.list[0]", json!(1)),
            (".spec.list[-1]", json!(3)),
            (".spec.list[*]", json!(1)),
            (
                ".status.conditions[?(@.type==\"Ready\")].status",
                json!("True"),
            ),
            (
                ".status.conditions[?(@.type=='Ready')].status",
                json!("True"),
            ),
            (".status.conditions[?(@.count>6)].type", json!("Ready")),
            (".status.conditions[?(@.count)].type", json!("Ready")),
            (
                ".status.conditions[?(@.type!=\"Ready\")].type",
                json!("Synced"),
            ),
        ] {
            assert_eq!(first(&object, path), Some(&expected), "{path}");
        }
        for path in [
            ".spec.none",
            ".spec.list[9]",
            ".spec..list",
            ".spec.list[",
            "[?(@.type=]",
            ".status.conditions[?(@.type==\"None\")].status",
            ".spec[\"",
        ] {
            assert_eq!(first(&object, path), None, "{path}");
        }
    }
}
