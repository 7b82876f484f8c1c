//! Whatever the text and whatever the values: an issue, an error or a value, within bounds of
//! stack, time and memory.

use skerry_cel::limits::{EXPRESSION_CODE_POINTS_MAX, NESTING_MAX};
use skerry_cel::{Budget, CURRENT, Env, Error, Type, Value, Variables};

/// The stack that an evaluation has to do with: half of what a thread of the server has.
const STACK_BYTES: usize = 1 << 20;

fn with_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread
            .spawn_scoped(scope, run)
            .expect("a thread starts")
            .join()
            .expect("no overflow")
    })
}

/// Compiles and, when there is a program, evaluates and estimates.
fn run(text: &str) -> Result<String, String> {
    let env = Env::kubernetes(CURRENT).with_variable("self", Type::Dyn);
    let program = env.compile(text).map_err(|issues| issues.to_string())?;
    let _ = program.cost(&());
    let json = serde_json::json!({"list": [1, 2.5, "x", null, [1], {"a": 1}], "name": "n"});
    let variables = Variables::new().with("self", Value::json(&json));
    let mut budget = Budget::per_call();
    match program.eval(&variables, &mut budget) {
        Ok(value) => {
            let _ = value.equals(&value);
            Ok(value.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn repeat(before: &str, inner: &str, after: &str, count: usize) -> String {
    format!("{}{inner}{}", before.repeat(count), after.repeat(count))
}

#[test]
fn nesting_up_to_the_limit_evaluates_and_beyond_it_is_refused() {
    with_small_stack(|| {
        for (before, inner, after) in [
            ("[", "1", "]"),
            ("{1: ", "1", "}"),
            ("(", "1", ")"),
            ("dyn(", "1", ")"),
            ("true ? 1 : (", "1", ")"),
            ("[1].map(x, ", "x", ")"),
            ("[1].all(x, true && ", "true", ")"),
            ("optional.of(1).optMap(x, ", "x", ")"),
        ] {
            for count in [10, 60, 120] {
                let text = repeat(before, inner, after, count);
                match run(&text) {
                    Ok(_) => {}
                    Err(error) => assert!(
                        error.contains("recursion") || error.contains("cost limit"),
                        "{before}: {error}"
                    ),
                }
            }
            let error = run(&repeat(before, inner, after, NESTING_MAX + 1)).expect_err(before);
            assert!(error.contains("recursion"), "{before}: {error}");
        }
        let text = repeat("[", "1", "]", NESTING_MAX - 5);
        assert!(run(&text).is_ok());
    });
}

#[test]
fn chains_are_bounded_as_nesting_is() {
    with_small_stack(|| {
        for (first, link) in [
            ("self", ".a"),
            ("1", " + 1"),
            ("1", " * 1"),
            ("self", "[0]"),
            ("1", " == 1"),
        ] {
            let _ = run(&format!("{first}{}", link.repeat(NESTING_MAX - 3)));
            let error = run(&format!("{first}{}", link.repeat(NESTING_MAX + 1)));
            let error = error.expect_err(link);
            assert_eq!(
                error,
                "ERROR: <input>:-1:0: expression recursion limit exceeded: 250"
            );
        }
        // Terms of `&&` and `||` are a balanced tree, and as many as the text holds.
        assert_eq!(
            run(&format!("true{}", " && true".repeat(5_000))),
            Ok("true".to_owned())
        );
        assert_eq!(
            run(&format!("{}true", "!".repeat(10_001))),
            Ok("false".to_owned())
        );
        assert_eq!(
            run(&format!("[{}1]", "1, ".repeat(20_000))).map(|text| text.len() > 9),
            Ok(true)
        );
    });
}

#[test]
fn a_text_beyond_the_limit_is_refused_unread() {
    let text = " ".repeat(EXPRESSION_CODE_POINTS_MAX + 1);
    let error = run(&text).expect_err("too long");
    assert_eq!(
        error,
        "ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100001, limit 100000"
    );
    assert!(run(&format!("1{}", " ".repeat(EXPRESSION_CODE_POINTS_MAX - 1))).is_ok());
}

#[test]
fn macros_that_copy_and_names_that_double_stay_small() {
    with_small_stack(|| {
        // Each macro copies what it is called on.
        let error = run(&format!("optional.of(1){}", ".optMap(x, x)".repeat(40)));
        assert!(error.expect_err("2^40 nodes").contains("too large"));
        // Each name doubles the type, or the value, of the one before.
        for inner in ["{x: x}", "[dyn(x), dyn(x)]", "x + x"] {
            let mut text = "[1]".to_owned();
            for _ in 0..35 {
                text = format!("optional.of({text}).optMap(x, {inner}).value()");
            }
            assert!(run(&text).is_err(), "{inner}");
        }
        let mut text = "x".to_owned();
        for _ in 0..40 {
            text = format!("optional.of(x + x).optMap(x, {text}).value()");
        }
        let text = format!("optional.of([1]).optMap(x, {text}).value().size()");
        assert!(run(&text).is_err());
        let mut text = "x == x".to_owned();
        for _ in 0..40 {
            text = format!("optional.of([x, x].map(y, dyn(y))).optMap(x, dyn({text})).value()");
        }
        let _ = run(&format!("optional.of(dyn(1)).optMap(x, {text}).value()"));
    });
}

#[test]
fn an_evaluation_ends_at_its_budget_and_when_interrupted() {
    let env = Env::kubernetes(CURRENT).with_variable("list", Type::list(Type::Int));
    let text = "list.all(a, list.all(b, list.all(c, a + b + c >= 0)))";
    let program = env.compile(text).expect("well-formed");
    let json: serde_json::Value = (0..1_000).collect();
    let variables = Variables::new().with("list", Value::json(&json));
    let mut budget = Budget::per_call();
    assert_eq!(
        program.eval(&variables, &mut budget).err(),
        Some(Error::CostExceeded)
    );
    assert!(budget.spent() > budget.limit() && budget.spent() < budget.limit() + 1_000);
    // Neither logic nor macros absorb it.
    let program = env
        .compile(&format!("true || {text}"))
        .expect("well-formed");
    assert!(program.eval(&variables, &mut budget).is_ok());
    let program = env
        .compile(&format!("{text} || true"))
        .expect("well-formed");
    assert_eq!(
        program.eval(&variables, &mut budget).err(),
        Some(Error::CostExceeded)
    );
    let stop = || true;
    let mut budget = Budget::per_call().interruptible(&stop);
    assert_eq!(
        program.eval(&variables, &mut budget).err(),
        Some(Error::Interrupted)
    );
    assert!(budget.spent() < 2_000);
}

/// Numbers that look random and come back with the seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap_or_default()
    }
}

const SEEDS: &[&str] = &[
    "self.list.all(x, x > 0) && has(self.name)",
    "self.?list[?0].orValue(1) == {'a': [1, 2u, 3.0, b'x\\x01', null]}.a[0]",
    "[1, 2, 3].map(x, x % 2 == 0, x * 2).filter(y, y in [4, 6]).exists_one(z, z == 4)",
    "timestamp('2020-01-01T00:00:00Z') + duration('1h30m') > timestamp(0)",
    "{'a': 1}.transformMapEntry(k, v, {v: k}).transformList(i, v, i) == [1]",
    "optional.of(self.name).optMap(n, n + '\\u00e9').or(optional.none()).hasValue()",
    "r'a\\d+' + \"\"\"x\"y\"\"\" + string(1.5e3) + string(0x1F) == 'ab' ? 1 : -1",
    "self.name.matches('^[a-z]+$') || size(self.list) >= 6 // comment",
    "type(self.list[1]) == double && int('12') / 0 == 1 || true",
];

const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    "?",
    ":",
    ",",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "%",
    "==",
    "in",
    "self",
    "x",
    "'",
    "\"",
    "\\",
    "`",
    "1",
    "0x",
    "1.5",
    "9223372036854775807",
    "u",
    "b'",
    "r\"",
    "null",
    "true",
    ".map(",
    ".all(",
    "has(",
    "optional.of(",
    "dyn(",
    " ",
    "\n",
    "é",
    "\u{0}",
];

#[test]
fn random_and_mutated_texts_never_panic_and_always_end() {
    let seed = std::env::var("SKERRY_CEL_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or(0x5eed_cafe);
    println!("SKERRY_CEL_SEED={seed}");
    with_small_stack(|| {
        let mut random = Random(seed | 1);
        let mut compiled = 0;
        for _ in 0..20_000 {
            let mut text: Vec<char> = if random.below(4) == 0 {
                let length = random.below(40);
                (0..length)
                    .filter_map(|_| char::from_u32(u32::try_from(random.below(0x250)).ok()?))
                    .collect()
            } else {
                SEEDS[random.below(SEEDS.len())].chars().collect()
            };
            for _ in 0..random.below(5) {
                let place = random.below(text.len() + 1);
                match random.below(4) {
                    0 if place < text.len() => {
                        text.remove(place);
                    }
                    1 => {
                        let end = (place + random.below(12)).min(text.len());
                        let part: Vec<char> = text[place..end].to_vec();
                        let to = random.below(text.len() + 1);
                        text.splice(to..to, part);
                    }
                    _ => {
                        let piece = PIECES[random.below(PIECES.len())];
                        text.splice(place..place, piece.chars());
                    }
                }
            }
            let text: String = text.into_iter().collect();
            compiled += usize::from(run(&text).is_ok());
        }
        assert!(compiled > 2_000, "only {compiled} of the texts had values");
    });
}
