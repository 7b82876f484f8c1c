//! Objects made of the table, for tests: those in which every field is there, and any others.

use serde_json::{Map, Value, json};

use crate::built_in::{TABLE, message};
use crate::table::{Field, Many, Message, Of, Shape};

/// Numbers that look random and are the same each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

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

/// Levels of messages in what is made at random.
const LEVELS: usize = 9;

/// An object of a kind with any of its fields, many of them zero or empty, as a client may send it;
/// without those that `skips` names by message and field.
pub(crate) fn some(
    api_version: &str,
    kind: &str,
    random: &mut Random,
    skips: &dyn Fn(&str, &str) -> bool,
) -> Value {
    let of = message(api_version, kind).expect("a kind of the table");
    let mut object = Map::new();
    let mut maker = Maker { random, skips };
    maker.fields(of, 0, &mut object);
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Value::Object(object)
}

struct Maker<'a> {
    random: &'a mut Random,
    skips: &'a dyn Fn(&str, &str) -> bool,
}

impl Maker<'_> {
    fn fields(&mut self, of: Message, level: usize, object: &mut Map<String, Value>) {
        for field in TABLE.fields(of) {
            let name = TABLE.name(field.name);
            if let (true, Of::Message(number)) = (field.flags.is_inline(), field.of) {
                self.fields(TABLE.message(number), level, object);
                continue;
            }
            // The deeper, the fewer: an object has thousands of fields.
            if self.random.next(level + 2) > 1 || (self.skips)(TABLE.name(of.name), name) {
                continue;
            }
            let count = self.random.next(3);
            let value = match field.many {
                Many::One => self.value(field, level + 1),
                Many::List => (0..count).map(|_| self.value(field, level + 1)).collect(),
                Many::Map => {
                    let keys = (0..count).map(|_| self.text());
                    let keys: Vec<String> = keys.collect();
                    let pair = |key: String| (key, self.value(field, level + 1));
                    Value::Object(keys.into_iter().map(pair).collect())
                }
            };
            object.insert(name.into(), value);
        }
    }

    fn text(&mut self) -> String {
        const TEXTS: &[&str] = &["", "a", "b/c", "\u{e9}\n\0", "\u{1f980}", "=\"\\"];
        let more = self.random.next(300);
        match TEXTS.get(more) {
            Some(text) => (*text).to_owned(),
            None => "x".repeat(more),
        }
    }

    /// A whole number, often one at which something ends.
    fn whole(&mut self, least: i64, greatest: i64) -> i64 {
        let any = i64::try_from(self.random.next(1 << 30)).unwrap();
        [0, 1, -1, 127, 128, least, greatest, any][self.random.next(8)]
    }

    fn value(&mut self, field: &Field, level: usize) -> Value {
        match field.of {
            Of::Text => self.text().into(),
            Of::Bytes => ["", "AA==", "AAEC/w=="][self.random.next(3)].into(),
            Of::Bool => (self.random.next(2) == 1).into(),
            Of::Int32 => self.whole(i32::MIN.into(), i32::MAX.into()).into(),
            Of::Int64 => self.whole(i64::MIN, i64::MAX).into(),
            Of::Double => {
                [json!(0), json!(-2.5), json!(1e300), json!(7)][self.random.next(4)].clone()
            }
            Of::Message(number) => self.message(TABLE.message(number), level),
        }
    }

    fn message(&mut self, of: Message, level: usize) -> Value {
        let inner = |maker: &mut Self| {
            let mut inner = Map::new();
            if level < LEVELS {
                maker.fields(of_schema(of), level, &mut inner);
            }
            Value::Object(inner)
        };
        match of.shape {
            Shape::Quantity => ["0", "1500m", "-1Ki", "1e3"][self.random.next(4)].into(),
            Shape::IntOrString if self.random.next(2) == 0 => {
                self.whole(i32::MIN.into(), i32::MAX.into()).into()
            }
            Shape::IntOrString => self.text().into(),
            Shape::Time => match self.random.next(3) {
                0 => Value::Null,
                1 => "0000-01-01T00:00:00Z".into(),
                _ => "2026-02-28T23:59:58Z".into(),
            },
            Shape::MicroTime => match self.random.next(3) {
                0 => Value::Null,
                1 => "1969-12-31T23:59:59.999999Z".into(),
                _ => "2026-02-28T23:59:58.000017Z".into(),
            },
            Shape::Duration => ["0s", "-1.5ms", "1h0m0.000000001s"][self.random.next(3)].into(),
            Shape::Raw => [
                json!({"f:a": {}}),
                json!([1, 2.5, null, "x"]),
                json!(-1),
                json!(null),
            ][self.random.next(4)]
            .clone(),
            Shape::List => (0..self.random.next(3)).map(|_| self.text()).collect(),
            Shape::OrTexts if self.random.next(2) == 0 => json!(["one", "two"]),
            Shape::OrBool if self.random.next(2) == 0 => (self.random.next(2) == 1).into(),
            Shape::OrList if self.random.next(2) == 0 => json!([inner(self)]),
            Shape::OrBool | Shape::OrList | Shape::OrTexts | Shape::Object => inner(self),
        }
    }
}

/// What stands where there is no other thing: the schema of an either-or.
fn of_schema(of: Message) -> Message {
    let schema = TABLE.fields(of).iter().find_map(|field| match field.of {
        Of::Message(number) => Some(TABLE.message(number)),
        _ => None,
    });
    match of.shape {
        Shape::Object => of,
        _ => schema.unwrap_or(of),
    }
}
