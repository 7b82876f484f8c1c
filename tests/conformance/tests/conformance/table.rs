//! The table is whole: nothing twice, and every test that it names is one that runs.

use std::collections::BTreeSet;
use std::path::Path;

/// What a line may wait for.
const WAITS: [&str; 4] = ["kubelet", "scheduler", "controllers", "network"];

/// The tests of a file: what follows a line that makes a function one.
fn tests_of(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut tests = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[tokio::test") || line == "#[test]" {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_test = false;
        } else if let Some((_, rest)) = line.split_once("fn ")
            && std::mem::take(&mut is_test)
        {
            tests.insert(rest.split('(').next().unwrap().to_owned());
        }
    }
    tests
}

#[test]
fn every_test_of_upstream_has_one_of_ours_or_waits() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(own.join("table.tsv")).unwrap();
    let mut names = BTreeSet::new();
    for line in table.lines() {
        let columns: Vec<_> = line.split('\t').collect();
        let [name, waits, test] = columns[..] else {
            panic!("three columns: {line}");
        };
        assert!(name.starts_with("[sig-"), "{name}");
        assert!(names.insert(name), "twice: {name}");
        assert!(waits == "-" || WAITS.contains(&waits), "{waits}: {name}");
        if test == "-" {
            assert_ne!(waits, "-", "it waits for nothing and has no test: {name}");
            continue;
        }
        let (module, test) = test.split_once("::").unwrap();
        let file = own.join(format!("tests/conformance/{module}.rs"));
        assert!(
            tests_of(&file).contains(test),
            "no {module}::{test}: {name}"
        );
    }
    assert_eq!(names.len(), 446, "as many as upstream has in 1.36");
}
