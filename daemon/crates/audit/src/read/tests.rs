//! Policies as they are written, right and wrong.

use super::*;
use crate::policy::{Asked, Target};

const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

fn parsed(rules: &str) -> Policy {
    Policy::parse(&format!("{HEAD}{rules}")).unwrap()
}

fn resource<'a>(what: &'a str, namespace: &'a str, name: &'a str) -> Target<'a> {
    let (group, rest) = what.split_once(':').unwrap();
    let (resource, subresource) = rest.split_once('/').unwrap_or((rest, ""));
    Target::Resource {
        group,
        resource,
        subresource,
        name,
        namespace,
    }
}

fn level(policy: &Policy, user: &str, verb: &str, target: Target<'_>) -> &'static str {
    let groups = ["g".to_owned(), "system:authenticated".to_owned()];
    let asked = Asked {
        user,
        groups: &groups,
        verb,
        target,
    };
    policy.recording(&asked).level.name()
}

#[test]
fn the_first_rule_that_fits_decides() {
    let policy = parsed(
        "rules:\n\
         - {level: None, users: [proxy], verbs: [watch], resources: [{group: '', resources: [endpoints, services]}]}\n\
         - {level: None, userGroups: [g], nonResourceURLs: ['/api*', /version]}\n\
         - {level: Request, resources: [{group: '', resources: [configmaps], resourceNames: [one]}], namespaces: [kube-system]}\n\
         - level: Metadata\n  resources:\n  - group: ''\n    resources: [secrets, 'pods/log', '*/status']\n  - group: apps\n\
         - {level: RequestResponse, resources: [{group: batch, resources: ['*']}, {group: '', resources: ['nodes/*']}]}\n\
         - {level: None, namespaces: ['']}\n\
         - {level: Metadata, userGroups: [nobody]}\n",
    );
    for (user, verb, target, wanted) in [
        ("proxy", "watch", resource(":endpoints", "", ""), "None"),
        ("proxy", "list", resource(":secrets", "a", ""), "Metadata"),
        ("u", "get", Target::Path("/apis"), "None"),
        ("u", "get", Target::Path("/version"), "None"),
        ("u", "get", Target::Path("/versions"), "None"),
        (
            "u",
            "get",
            resource(":configmaps", "kube-system", "one"),
            "Request",
        ),
        (
            "u",
            "get",
            resource(":configmaps", "kube-system", "two"),
            "None",
        ),
        ("u", "get", resource(":configmaps", "other", "one"), "None"),
        ("u", "get", resource(":pods/log", "a", "p"), "Metadata"),
        ("u", "get", resource(":pods", "a", "p"), "None"),
        (
            "u",
            "update",
            resource(":pods/status", "a", "p"),
            "Metadata",
        ),
        (
            "u",
            "get",
            resource("apps:deployments/scale", "a", "d"),
            "Metadata",
        ),
        (
            "u",
            "get",
            resource("batch:jobs/status", "a", "d"),
            "RequestResponse",
        ),
        (
            "u",
            "get",
            resource(":nodes/proxy", "", "n"),
            "RequestResponse",
        ),
        ("u", "get", resource(":nodes", "", "n"), "RequestResponse"),
        ("u", "get", resource(":nodess", "", "n"), "None"),
    ] {
        assert_eq!(
            level(&policy, user, verb, target),
            wanted,
            "{user} {verb} {target:?}"
        );
    }
}

#[test]
fn stages_are_left_out_by_the_policy_and_by_the_rule_and_managed_fields_by_the_nearer_one() {
    let policy = parsed(
        "omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n\
         - {level: Metadata, verbs: [get], omitStages: [ResponseStarted], omitManagedFields: false}\n\
         - {level: Metadata, verbs: [list]}\n",
    );
    let recording = |verb| {
        policy.recording(&Asked {
            user: "u",
            groups: &[],
            verb,
            target: Target::Path("/"),
        })
    };
    let get = recording("get");
    assert!(!get.keeps(Stage::RequestReceived) && !get.keeps(Stage::ResponseStarted));
    assert!(get.keeps(Stage::ResponseComplete) && !get.omit_managed_fields);
    let list = recording("list");
    assert!(!list.keeps(Stage::RequestReceived) && list.keeps(Stage::ResponseStarted));
    assert!(list.omit_managed_fields);
    assert!(!recording("watch").keeps(Stage::ResponseComplete));
}

#[test]
fn what_is_no_policy_is_refused_with_its_line_its_rule_and_what_to_do() {
    for (rules, line, words) in [
        ("", 1, "no rules"),
        ("rules: []\n", 1, "no rules"),
        (
            "rules:\n- users: [a]\n",
            4,
            "rules[0].level: missing; say one of None, Metadata",
        ),
        (
            "rules:\n- level: Metadata\n- level: Meta\n",
            5,
            "rules[1].level: 'Meta' is none of",
        ),
        (
            "rules:\n- level: None\n  user: [a]\n",
            5,
            "rules[0]: unknown key 'user'; known are level",
        ),
        (
            "rules:\n- level: None\n  users: a\n",
            5,
            "rules[0].users: must be a list",
        ),
        (
            "rules:\n- level: None\n  nonResourceURLs: [x]\n",
            5,
            "'x' must start with '/'",
        ),
        (
            "rules:\n- level: None\n  nonResourceURLs: ['/a*b']\n",
            5,
            "at its end only",
        ),
        (
            "rules:\n- level: None\n  nonResourceURLs: [/a]\n  namespaces: [b]\n",
            4,
            "make two of it",
        ),
        (
            "rules:\n- level: None\n  resources: [{group: apps/v1}]\n",
            5,
            "without its version",
        ),
        (
            "rules:\n- level: None\n  resources: [{group: '', resourceNames: [a]}]\n",
            5,
            "at least one resource",
        ),
        (
            "rules:\n- level: None\n  omitStages: [Done]\n",
            5,
            "'Done' is none of RequestReceived",
        ),
        ("rules:\n- level: None\n  level: None\n", 5, "there twice"),
        ("rules:\n- &a {level: None}\n", 4, "anchors"),
        (
            "omitManagedFields: yes\nrules:\n- level: None\n",
            3,
            "neither true nor false",
        ),
    ] {
        let (at, what) = Policy::parse(&format!("{HEAD}{rules}")).unwrap_err();
        assert!(what.contains(words), "{rules}: {what}");
        assert_eq!(at, line, "{rules}: {what}");
    }
    assert!(Policy::parse("").is_err());
    let (_, what) = Policy::parse("rules:\n- level: None\n").unwrap_err();
    assert!(what.contains("apiVersion: audit.k8s.io/v1"), "{what}");
    let error = Policy::read(Path::new("/nonexistent/policy.yaml")).unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/policy.yaml"),
        "{error}"
    );
    assert!(matches!(
        Policy::read(Path::new("/dev/zero")),
        Err(PolicyError::TooLarge { .. })
    ));
    let deep = format!("{HEAD}rules: {}", "[".repeat(1000));
    assert!(Policy::parse(&deep).is_err());
}

#[test]
fn a_policy_may_be_json() {
    let text = r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}]}"#;
    assert_eq!(
        Policy::parse(text).unwrap(),
        parsed("rules:\n- level: Metadata\n")
    );
}

#[test]
fn no_text_makes_the_reader_panic() {
    let sample =
        format!("{HEAD}rules:\n- level: None\n  users: [a, 'b']\n  resources: [{{group: ''}}]\n");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..5_000 {
        let mut bytes = sample.clone().into_bytes();
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = (state >> 8) as usize % bytes.len();
            bytes[at] = state as u8 & 0x7f;
        }
        let _ = Policy::parse(&String::from_utf8_lossy(&bytes));
    }
}
