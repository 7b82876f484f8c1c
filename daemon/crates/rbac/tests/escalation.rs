//! Nobody grants more than they have.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_rbac::escalation::{Refusal, check_binding, check_role, missing};
use skerry_rbac::limits::GRANTS_MAX;
use skerry_rbac::{Attributes, Policies, Rule, Target, User};

fn user(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..User::default()
    }
}

/// `u` may read pods everywhere, and in `ns` do what `more` says.
fn policies(more: Value) -> Policies {
    let mut policies = Policies::default();
    for object in [
        json!({"kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": [
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]}),
        json!({"kind": "ClusterRole", "metadata": {"name": "admin"}, "rules": [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": ["*"], "nonResourceURLs": ["*"]}]}),
        json!({"kind": "ClusterRoleBinding", "metadata": {"name": "reader"},
               "subjects": [{"kind": "User", "name": "u"}],
               "roleRef": {"kind": "ClusterRole", "name": "reader"}}),
        json!({"kind": "ClusterRoleBinding", "metadata": {"name": "admin"},
               "subjects": [{"kind": "User", "name": "all"}],
               "roleRef": {"kind": "ClusterRole", "name": "admin"}}),
        json!({"kind": "Role", "metadata": {"name": "more", "namespace": "ns"}, "rules": more}),
        json!({"kind": "RoleBinding", "metadata": {"name": "more", "namespace": "ns"},
               "subjects": [{"kind": "User", "name": "u"}],
               "roleRef": {"kind": "Role", "name": "more"}}),
    ] {
        assert!(policies.put(&object));
    }
    policies
}

fn role(rules: Value) -> Value {
    json!({"kind": "Role", "metadata": {"name": "r", "namespace": "ns"}, "rules": rules})
}

fn binding(kind: &str, role_kind: &str, role: &str) -> Value {
    let mut o = json!({"kind": kind, "metadata": {"name": "b"}, "subjects": [],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role}});
    if kind == "RoleBinding" {
        o["metadata"]["namespace"] = json!("ns");
    }
    o
}

#[test]
fn a_role_of_rules_that_are_held_may_be_written() {
    let held = policies(json!([]));
    let rules = json!([{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"],
                        "resourceNames": ["a"]}]);
    assert_eq!(
        check_role(&held, &user("u", &[]), &role(rules), None, ""),
        Ok(())
    );
    let rules = json!([{"verbs": ["create"], "apiGroups": ["x"], "resources": ["y"]}]);
    assert_eq!(
        check_role(
            &held,
            &user("x", &["system:masters"]),
            &role(rules.clone()),
            None,
            ""
        ),
        Ok(())
    );
    assert_eq!(
        check_role(&held, &user("all", &[]), &role(rules), None, ""),
        Ok(())
    );
}

#[test]
fn a_refusal_names_what_is_missing_in_upstreams_words() {
    let held = policies(json!([]));
    let rules = json!([
        {"verbs": ["get", "create", "delete"], "apiGroups": [""], "resources": ["pods", "secrets"]},
        {"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["d"]},
        {"verbs": ["get"], "nonResourceURLs": ["/x"]}]);
    let refusal = check_role(&held, &user("u", &["g", "h"]), &role(rules), None, "").unwrap_err();
    assert_eq!(refusal, Refusal::Forbidden(concat!(
        r#"roles.rbac.authorization.k8s.io "r" is forbidden: user "u" (groups=["g" "h"]) is "#,
        "attempting to grant RBAC permissions not currently held:\n",
        r#"{APIGroups:[""], Resources:["pods"], Verbs:["create" "delete"]}"#, "\n",
        r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get" "create" "delete"]}"#, "\n",
        r#"{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["d"], Verbs:["get"]}"#, "\n",
        r#"{NonResourceURLs:["/x"], Verbs:["get"]}"#).to_owned()));
}

#[test]
fn escalate_lets_write_any_role_of_that_name() {
    let held = policies(
        json!([{"verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"],
                                "resources": ["roles"], "resourceNames": ["r"]}]),
    );
    let rules = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    let u = user("u", &[]);
    assert_eq!(
        check_role(&held, &u, &role(rules.clone()), Some(&role(json!([]))), "r"),
        Ok(())
    );
    assert!(
        check_role(&held, &u, &role(rules.clone()), None, "").is_err(),
        "a create has no name"
    );
    let mut elsewhere = role(rules);
    elsewhere["metadata"]["namespace"] = json!("other");
    assert!(check_role(&held, &u, &elsewhere, None, "r").is_err());
}

#[test]
fn bind_lets_bind_that_role_and_without_it_its_rules_must_be_held() {
    let u = user("u", &[]);
    let held = policies(json!([]));
    assert_eq!(
        check_binding(
            &held,
            &u,
            &binding("RoleBinding", "ClusterRole", "reader"),
            None
        ),
        Ok(())
    );
    assert_eq!(
        check_binding(
            &held,
            &u,
            &binding("ClusterRoleBinding", "ClusterRole", "reader"),
            None
        ),
        Ok(())
    );
    let admin = binding("RoleBinding", "ClusterRole", "admin");
    let Err(Refusal::Forbidden(text)) = check_binding(&held, &u, &admin, None) else {
        panic!()
    };
    assert!(text.starts_with("rolebindings.rbac.authorization.k8s.io \"b\" is forbidden: user \"u\" (groups=[]) is attempting"), "{text}");
    assert!(text.contains(r#"{APIGroups:["*"], Resources:["*"], Verbs:["*"]}"#));
    let held = policies(
        json!([{"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"],
                                "resources": ["clusterroles"], "resourceNames": ["admin"]}]),
    );
    assert_eq!(check_binding(&held, &u, &admin, None), Ok(()));
    let everywhere = binding("ClusterRoleBinding", "ClusterRole", "admin");
    assert!(check_binding(&held, &u, &everywhere, None).is_err());
    assert_eq!(
        check_binding(&held, &user("x", &["system:masters"]), &everywhere, None),
        Ok(())
    );
}

#[test]
fn a_role_that_is_not_there_cannot_be_bound() {
    let held = policies(json!([]));
    let refusal = check_binding(
        &held,
        &user("u", &[]),
        &binding("RoleBinding", "Role", "gone"),
        None,
    );
    let refusal = refusal.unwrap_err();
    assert!(matches!(refusal, Refusal::NotFound(_)));
    assert_eq!(
        refusal.to_string(),
        "roles.rbac.authorization.k8s.io \"gone\" not found"
    );
    for odd in [
        json!({"kind": "RoleBinding"}),
        binding("RoleBinding", "Potato", "x"),
    ] {
        assert!(matches!(
            check_binding(&held, &user("u", &[]), &odd, None),
            Err(Refusal::Kind(_))
        ));
    }
}

#[test]
fn only_a_cluster_admin_aggregates() {
    let held = policies(json!([]));
    let gathering = json!({"kind": "ClusterRole", "metadata": {"name": "g"}, "rules": [],
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    let plain = json!({"kind": "ClusterRole", "metadata": {"name": "g"}, "rules": []});
    let text = "clusterroles.rbac.authorization.k8s.io \"g\" is forbidden: must have cluster-admin \
                privileges to use the aggregationRule";
    let u = user("u", &[]);
    let refused = Err(Refusal::Forbidden(text.to_owned()));
    assert_eq!(check_role(&held, &u, &gathering, None, ""), refused);
    assert_eq!(
        check_role(&held, &u, &plain, Some(&gathering), "g"),
        refused
    );
    assert_eq!(check_role(&held, &u, &plain, None, ""), Ok(()));
    assert_eq!(
        check_role(&held, &user("all", &[]), &gathering, None, ""),
        Ok(())
    );
}

#[test]
fn the_garbage_collector_may_take_its_finalizers_off() {
    let held = policies(json!([]));
    let mut old = role(json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]));
    old["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
    let mut new = old.clone();
    new["metadata"]["finalizers"] = json!([]);
    assert_eq!(
        check_role(&held, &user("u", &[]), &new, Some(&old), "r"),
        Ok(())
    );
    new["metadata"]["labels"] = json!({"a": "b"});
    assert!(check_role(&held, &user("u", &[]), &new, Some(&old), "r").is_err());
}

#[test]
fn a_role_too_large_to_check_is_refused_and_not_worked_on() {
    let many =
        |prefix: &str| -> Vec<String> { (0..2_000).map(|i| format!("{prefix}{i}")).collect() };
    let rules = json!([{"verbs": many("v"), "apiGroups": many("g"), "resources": many("r"),
                        "resourceNames": many("n")}]);
    let held = policies(json!([]));
    let Err(Refusal::Forbidden(text)) =
        check_role(&held, &user("u", &[]), &role(rules.clone()), None, "")
    else {
        panic!()
    };
    assert!(text.ends_with(&format!(
        "too many rules to check: more than {GRANTS_MAX} single permissions"
    )));
    assert_eq!(
        check_role(&held, &user("all", &[]), &role(rules), None, ""),
        Ok(()),
        "who holds everything needs no taking apart"
    );
}

#[test]
fn what_is_missing_is_exactly_what_no_held_rule_allows() {
    const SEED: u64 = 0xe5ca_1a7e;
    println!("seed {SEED:#x}");
    let mut state = SEED;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    let mut rules = |count: usize| -> Vec<Rule> {
        let mut pick = |words: &[&str]| -> Vec<String> {
            (0..1 + next(2))
                .map(|_| words[next(words.len())].to_owned())
                .collect()
        };
        let rules: Vec<Value> = (0..count)
            .map(|_| {
                let mut names = pick(&["a", "b", "", ""]);
                names.retain(|n| !n.is_empty());
                json!({"verbs": pick(&["get", "list", "*"]), "apiGroups": pick(&["", "apps", "*"]),
                       "resources": pick(&["pods", "pods/log", "*/log", "*"]), "resourceNames": names})
            })
            .collect();
        Rule::read_all(&json!({"rules": rules}))
    };
    let none: Vec<String> = Vec::new();
    let mut refused = 0;
    for _ in 0..3_000 {
        let (held, wanted) = (rules(3), rules(2));
        let missing = missing(&held, &wanted).unwrap();
        refused += usize::from(!missing.is_empty());
        // If nothing is missing, no request is allowed by wanted and not by held.
        for verb in ["get", "list", "other"] {
            for group in ["", "apps", "other"] {
                for (resource, subresource) in
                    [("pods", ""), ("pods", "log"), ("x", "log"), ("x", "y")]
                {
                    for name in ["", "a", "b", "c"] {
                        let target = Target::Resource {
                            group,
                            resource,
                            subresource,
                            name,
                            namespace: "",
                        };
                        let asked = Attributes {
                            user: "u",
                            groups: &none,
                            verb,
                            target,
                        };
                        let any = |rules: &[Rule]| rules.iter().any(|rule| rule.allows(&asked));
                        assert!(
                            !any(&wanted) || any(&held) || any(&missing),
                            "{asked:?}\n{held:?}\n{wanted:?}\n{missing:?}"
                        );
                    }
                }
            }
        }
    }
    assert!(refused > 100 && refused < 2_990, "{refused}");
}
