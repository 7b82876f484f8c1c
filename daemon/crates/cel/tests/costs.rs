//! What evaluations cost and what estimates say, number by number: clients see both.

use serde_json::json;
use skerry_cel::{
    Budget, CURRENT, Env, Form, ListKind, NodeId, Schema, Size, Sizes, StringForm, Type, Value,
    Variables,
};
use std::sync::Arc;

/// What an expression costs over `self`, as it runs.
fn spent(text: &str) -> u64 {
    let env = Env::kubernetes(CURRENT).with_variable("self", Type::Dyn);
    let program = env.compile(text).map_err(|issues| issues.to_string());
    let program = program.unwrap_or_else(|issues| panic!("{text}: {issues}"));
    let object = json!({"a": {"b": "0123456789"}, "list": [1, 2, 3], "key": "b"});
    let variables = Variables::new().with("self", Value::json(&object));
    let mut budget = Budget::per_call();
    let _ = program.eval(&variables, &mut budget);
    budget.spent()
}

#[test]
fn evaluations_cost_what_upstream_counts() {
    for (text, cost) in [
        ("1", 0),
        ("self", 1),
        ("self.a.b", 3),
        // The index costs as a selection; a name within it is free, what it selects is not.
        ("self.a[self.key]", 4),
        ("self.list[0]", 3),
        ("has(self.a.b)", 2),
        ("has(self.x)", 1),
        // What is not there is not paid for.
        ("self.?x.?y", 1),
        ("self.?a.?b", 3),
        // Literals are made once.
        ("[1, 2, 3]", 0),
        ("[self]", 11),
        ("{'a': self}", 31),
        ("1 in [1, 2, 3]", 0),
        ("1 in self.list", 3),
        ("dyn(1) in [1, 2, 3]", 0),
        ("string(1)", 0),
        ("duration('1h') > duration('1m')", 1),
        // A tenth of the smaller one, of both, of the text.
        ("self.a.b == '012'", 4),
        ("'01234567890' + '0123456789'", 3),
        ("'0123456789012'.startsWith('0')", 2),
        ("'0123456789012'.contains('012345678901')", 4),
        ("'0123456789'.matches('[0-9]+')", 4),
        // Conditions: the names of the branches are free, the other branch is not taken.
        ("true ? self : 1", 0),
        ("true ? self.a : self.a.b", 1),
        ("true || self.a.b == ''", 0),
        ("!true", 1),
        ("1 + 2 * 3", 2),
        // Per turn: the accumulator, the condition, the step with the accumulator.
        ("self.list.all(x, true)", 2 + 3 * 3 + 1),
        ("self.list.exists(x, true)", 2 + 4 + 3 + 1),
        ("self.list.map(x, x)", 2 + 3 * (1 + 1 + 10 + 1) + 1),
        ("self.list.filter(x, true)", 2 + 3 * (1 + 1 + 10 + 1) + 1),
        ("optional.of(1).orValue(2)", 1),
        ("1 / 0", 1),
    ] {
        assert_eq!(spent(text), cost, "{text}");
    }
}

/// `self`: an object with a bounded name, a bounded list of bounded strings, an unbounded map.
struct Shelf;

impl Schema for Shelf {
    fn form(&self, node: NodeId) -> Form {
        match node {
            0 => Form::Object,
            1 => Form::String(StringForm::Plain),
            2 => Form::List {
                items: 1,
                kind: ListKind::Atomic,
            },
            3 => Form::Map { values: 4 },
            5 => Form::Preserved,
            _ => Form::Int,
        }
    }

    fn field(&self, node: NodeId, name: &str) -> Option<NodeId> {
        match (node, name) {
            (0, "name") => Some(1),
            (0, "names") => Some(2),
            (0, "counts") => Some(3),
            (0, "raw") => Some(5),
            _ => None,
        }
    }

    fn fields(&self, _: NodeId) -> Vec<String> {
        ["name", "names", "counts", "raw"]
            .map(str::to_owned)
            .to_vec()
    }

    fn type_name(&self, _: NodeId) -> String {
        "shelf".to_owned()
    }

    fn size_max(&self, node: NodeId) -> Option<u64> {
        match node {
            1 => Some(50),
            2 => Some(10),
            3 => Some(1_000),
            _ => None,
        }
    }
}

fn estimate(text: &str) -> (u64, u64) {
    let schema: Arc<dyn Schema> = Arc::new(Shelf);
    let env = Env::kubernetes(CURRENT).with_schema("self", &schema, 0);
    let program = env.compile(text).map_err(|issues| issues.to_string());
    let estimate = program
        .unwrap_or_else(|issues| panic!("{text}: {issues}"))
        .cost(&());
    (estimate.min, estimate.max)
}

#[test]
fn estimates_take_their_sizes_from_schemas() {
    for (text, cost) in [
        ("1", (0, 0)),
        ("self.name", (2, 2)),
        ("has(self.name)", (1, 1)),
        ("self.name == 'abc'", (3, 3)),
        ("self.name.startsWith('a')", (3, 3)),
        ("self.name.matches('[a-z]*')", (2 + 2, 2 + 6 * 2)),
        ("self.name + self.name", (4, 14)),
        (
            "(self.name + self.name).contains('0123456789a')",
            (4, 14 + 10 * 2),
        ),
        ("self.names.all(n, n.size() > 1)", (3, 3 + 10 * (2 + 1 + 3))),
        (
            "self.names.all(n, n == self.name)",
            (3, 3 + 10 * (2 + 1 + 1 + 2 + 5)),
        ),
        (
            "self.names.exists(n, self.names.exists(m, n == m))",
            (3, 3 + 10 * (3 + 1 + 113)),
        ),
        (
            "self.counts.all(k, self.counts[k] > 1)",
            (3, 3 + 1_000 * (2 + 1 + 5)),
        ),
        ("'a' in self.names", (2, 12)),
        ("true || self.name == 'a'", (0, 3)),
        ("true ? self.name : 'a'", (0, 2)),
        (
            "[1, 2].map(x, x * 2).size()",
            (10 + 10 + 1 + 2 * 14 + 1, 10 + 10 + 1 + 2 * 14 + 1),
        ),
        (
            "self.names.map(n, n + '!').filter(n, n.size() > 3)",
            (24, 13 + 190 + 10 + 160 + 1),
        ),
    ] {
        assert_eq!(estimate(text), cost, "{text}");
    }
}

#[test]
fn what_nothing_bounds_costs_all_there_is() {
    let env = Env::kubernetes(CURRENT).with_variable("list", Type::list(Type::String));
    let program = env
        .compile("list.all(x, x.contains('a'))")
        .expect("well-formed");
    assert_eq!(program.cost(&()).max, u64::MAX);
    struct Bounded;
    impl Sizes for Bounded {
        fn size(&self, path: &[String], _: &Type) -> Option<Size> {
            match path {
                [list] if list == "list" => Some(Size { min: 0, max: 100 }),
                [list, item] if list == "list" && item == "@items" => Some(Size { min: 0, max: 9 }),
                _ => None,
            }
        }
    }
    // A list, its end, and a hundred turns of: condition, accumulator, item, search.
    assert_eq!(program.cost(&Bounded).max, 1 + 1 + 100 * (2 + 1 + 1 + 1));
}

#[test]
fn expressions_reach_what_a_schema_declares_and_nothing_else() {
    let schema: Arc<dyn Schema> = Arc::new(Shelf);
    let env = Env::kubernetes(CURRENT).with_schema("self", &schema, 0);
    for (text, issue) in [
        ("self.absent", "undefined field 'absent'"),
        ("self.raw", "undefined field 'raw'"),
        (
            "self.name.x",
            "type 'string' does not support field selection",
        ),
        (
            "self.counts['a'] == 'a'",
            "found no matching overload for '_==_' applied to '(int, string)'",
        ),
        (
            "self == 1",
            "found no matching overload for '_==_' applied to '(shelf, int)'",
        ),
    ] {
        let issues = env.compile(text).expect_err(text).to_string();
        assert!(issues.contains(issue), "{issues}");
    }
}
