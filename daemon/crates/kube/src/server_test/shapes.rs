//! Requests of chance against the front door: every one is answered, none ends the server.
//!
//! Objects are made from the types of the API, with fields left out, of the wrong type or out of
//! every range. A failing run is repeated by its printed seed.

use serde_json::{Map, Value, json};
use skerry_schema::{Format, ListKind, Resource, Shape, Type};

use super::{Server, whole};

const SEEDS: [u64; 2] = [1, 2];
const REQUESTS: usize = 1_500;

/// Deeper levels are left out: the types refer to themselves.
const LEVELS: usize = 7;

const TEXTS: [&str; 24] = [
    "",
    "a",
    "b",
    "web",
    "A_",
    "\u{e9}",
    "\u{0}",
    "a/b",
    "..",
    "None",
    "TCP",
    "10.43.0.5",
    "::1",
    "1Gi",
    "-1n",
    "1e999999",
    "50%",
    "*/5 * * * *",
    "2026-01-01T00:00:00Z",
    "99999-01-01T00:00:00Z",
    "apps/v1",
    "ConfigMap",
    "RollingUpdate",
    "a.b.c/d",
];
const NUMBERS: [i64; 11] = [
    0,
    1,
    -1,
    2,
    80,
    443,
    30_001,
    i32::MAX as i64,
    i32::MIN as i64,
    i64::MAX,
    i64::MIN,
];
const NAMES: [&str; 4] = ["a", "b", "web", "x.y"];

/// Xorshift: the same numbers for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    fn odd(&mut self) -> Value {
        match self.below(8) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(1.5),
            3 => json!([]),
            4 => json!([[null]]),
            5 => json!({"": {}}),
            6 => NUMBERS[self.below(NUMBERS.len())].into(),
            _ => self.of(&TEXTS).into(),
        }
    }

    fn value(&mut self, of: Type<'_>, level: usize) -> Value {
        if level > LEVELS || self.one_in(20) {
            return self.odd();
        }
        match of.shape() {
            Shape::Any => self.odd(),
            Shape::String(Format::Quantity) => self.of(&["1", "100m", "1Gi", "-5", "x"]).into(),
            Shape::String(Format::DateTime) => "2026-01-01T00:00:00Z".into(),
            Shape::String(_) => self.of(&TEXTS).into(),
            Shape::Integer(_) | Shape::Number => NUMBERS[self.below(NUMBERS.len())].into(),
            Shape::Boolean => json!(self.one_in(2)),
            Shape::IntOrString => match self.one_in(2) {
                true => self.of(&TEXTS).into(),
                false => NUMBERS[self.below(NUMBERS.len())].into(),
            },
            Shape::List(list) => {
                let most = if matches!(list.kind, ListKind::Atomic) {
                    2
                } else {
                    3
                };
                (0..self.below(most + 1))
                    .map(|_| self.value(list.element, level + 1))
                    .collect()
            }
            Shape::Map(map) => {
                let count = self.below(3);
                let pairs = (0..count).map(|_| {
                    let key = self.of(&["a", "b", "", "x/y", "cpu"]).to_owned();
                    (key, self.value(map.element, level + 1))
                });
                pairs.collect::<Map<String, Value>>().into()
            }
            Shape::Object(object) => {
                let mut fields = Map::new();
                for field in object.fields() {
                    let rare = if field.required { 10 } else { 3 };
                    if field.required != self.one_in(rare) {
                        let value = self.value(field.of, level + 1);
                        fields.insert(field.name.to_owned(), value);
                    }
                }
                if self.one_in(30) {
                    fields.insert("bogus".into(), self.odd());
                }
                fields.into()
            }
        }
    }

    /// An object of a resource, mostly with a name that others have too.
    fn object(&mut self, resource: &Resource, of: Option<Type<'_>>) -> Value {
        let mut object = of.map_or(json!({}), |of| self.value(of, 0));
        let Value::Object(fields) = &mut object else {
            return object;
        };
        let version = match resource.group.as_str() {
            "" => resource.version.clone(),
            group => format!("{group}/{}", resource.version),
        };
        fields.insert("apiVersion".into(), version.into());
        fields.insert("kind".into(), resource.kind.clone().into());
        if !self.one_in(6) {
            fields.insert("metadata".into(), json!({"name": self.of(&NAMES)}));
        }
        object
    }

    fn patch(&mut self, object: Value) -> (&'static str, Value) {
        const PATHS: [&str; 8] = [
            "",
            "/",
            "/spec",
            "/spec/replicas",
            "/metadata/labels/a",
            "/spec/ports/-",
            "/spec/containers/99999999999",
            "/~2",
        ];
        match self.below(4) {
            0 => ("application/merge-patch+json", object),
            1 => ("application/strategic-merge-patch+json", object),
            2 => ("application/apply-patch+yaml", object),
            _ => {
                let operation = |chance: &mut Chance| {
                    json!({
                        "op": chance.of(&["add", "remove", "replace", "move", "copy", "test", "x"]),
                        "path": chance.of(&PATHS),
                        "from": chance.of(&PATHS),
                        "value": chance.odd(),
                    })
                };
                let count = 1 + self.below(4);
                let operations = (0..count).map(|_| operation(self)).collect();
                ("application/json-patch+json", operations)
            }
        }
    }
}

const QUERIES: [&str; 14] = [
    "",
    "",
    "",
    "?dryRun=All",
    "?fieldValidation=Strict",
    "?labelSelector=a%20in%20(b,c),!d",
    "?labelSelector=((",
    "?fieldSelector=metadata.name!=a,=",
    "?limit=1",
    "?limit=1&continue=x",
    "?resourceVersion=99999999999999999999",
    "?resourceVersion=1&resourceVersionMatch=Exact",
    "?pretty=true&fieldManager=m&force=true",
    "?propagationPolicy=Orphan",
];

#[tokio::test]
async fn whatever_is_asked_is_answered() {
    let catalog = skerry_schema::built_in();
    for seed in SEEDS {
        println!("seed {seed}");
        let mut chance = Chance(seed);
        let server = Server::start().await;
        let mut served = 0;
        for turn in 0..REQUESTS {
            let resource = &catalog.resources[chance.below(catalog.resources.len())];
            let of = catalog.types.definition(&resource.definition);
            let root = match resource.group.as_str() {
                "" => format!("/api/{}", resource.version),
                group => format!("/apis/{group}/{}", resource.version),
            };
            let place = match resource.namespaced {
                true => "/namespaces/default",
                false => "",
            };
            let all = format!("{root}{place}/{}", resource.plural);
            let name = chance.of(&NAMES);
            let sub = chance.of(&["", "", "", "/status", "/scale"]);
            let one = format!("{all}/{name}{sub}");
            let query = chance.of(&QUERIES);
            let object = chance.object(resource, of);
            let (method, path, kind, body) = match chance.below(8) {
                0 => ("GET", all, "application/json", Value::Null),
                1 => ("GET", one, "application/json", Value::Null),
                2 => ("DELETE", one, "application/json", Value::Null),
                3 => ("PUT", one, "application/json", object),
                4 | 5 => {
                    let (kind, patch) = chance.patch(object);
                    ("PATCH", one, kind, patch)
                }
                _ => ("POST", all, "application/json", object),
            };
            let mut bytes = match &body {
                Value::Null => Vec::new(),
                body => body.to_string().into_bytes(),
            };
            if chance.one_in(30) {
                bytes.truncate(chance.below(bytes.len() + 1));
            }
            let path = format!("{path}{query}");
            let answer = server.send(method, &path, kind, bytes).await;
            let (status, value) = whole(answer).await;
            assert!(
                status.is_success() || value["kind"] == "Status",
                "seed {seed}, turn {turn}: {method} {path} {body}: {status} {value}"
            );
            assert!(
                status.as_u16() != 500 || value["message"] != "Internal error occurred",
                "seed {seed}, turn {turn}: {method} {path} {body}: {value}"
            );
            served += usize::from(status.is_success());
        }
        // Chance must not only make what is refused.
        assert!(served > REQUESTS / 20, "seed {seed}: {served} were served");
    }
}
