//! What may be done by whom, and in which words it is said.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_rbac::{Attributes, Policies, Target, User};

fn user(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..User::default()
    }
}

fn on<'a>(group: &'a str, resource: &'a str, name: &'a str, namespace: &'a str) -> Target<'a> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Target::Resource {
        group,
        resource,
        subresource,
        name,
        namespace,
    }
}

fn policies(objects: &[Value]) -> Policies {
    let mut policies = Policies::default();
    for object in objects {
        assert!(policies.put(object), "{object}");
    }
    policies
}

fn cluster_role(name: &str, rules: Value) -> Value {
    json!({"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
}

fn cluster_binding(name: &str, role: &str, subjects: Value) -> Value {
    json!({"kind": "ClusterRoleBinding", "metadata": {"name": name}, "subjects": subjects,
           "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}})
}

fn binding(namespace: &str, name: &str, kind: &str, role: &str, subjects: Value) -> Value {
    json!({"kind": "RoleBinding", "metadata": {"name": name, "namespace": namespace},
           "subjects": subjects, "roleRef": {"kind": kind, "name": role}})
}

fn may(policies: &Policies, who: &User, verb: &str, target: Target<'_>) -> bool {
    policies
        .authorize(&Attributes::new(who, verb, target))
        .allowed
}

#[test]
fn a_refusal_says_who_cannot_do_what_where() {
    let x = user("x", &[]);
    for (verb, target, reason, message) in [
        (
            "get",
            on("", "configmaps", "a", "default"),
            "",
            r#"configmaps "a" is forbidden: User "x" cannot get resource "configmaps" in API group "" in the namespace "default""#,
        ),
        (
            "list",
            on("apps", "deployments", "", ""),
            "",
            r#"deployments.apps is forbidden: User "x" cannot list resource "deployments" in API group "apps" at the cluster scope"#,
        ),
        (
            "create",
            on("", "pods/exec", "p", "ns"),
            "",
            r#"pods "p" is forbidden: User "x" cannot create resource "pods/exec" in API group "" in the namespace "ns""#,
        ),
        (
            "get",
            Target::Path("/metrics"),
            "",
            r#"forbidden: User "x" cannot get path "/metrics""#,
        ),
        (
            "get",
            on("", "nodes", "n", ""),
            "RBAC: not found",
            r#"nodes "n" is forbidden: User "x" cannot get resource "nodes" in API group "" at the cluster scope: RBAC: not found"#,
        ),
        (
            "get",
            Target::Path("/<a>&"),
            "",
            r#"forbidden: User "x" cannot get path "/&lt;a&gt;&amp;""#,
        ),
    ] {
        assert_eq!(Attributes::new(&x, verb, target).forbidden(reason), message);
    }
}

#[test]
fn the_reason_names_the_binding_the_role_and_the_subject() {
    let policies = policies(&[
        cluster_role(
            "all",
            json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]),
        ),
        cluster_binding("admins", "all", json!([{"kind": "Group", "name": "ops"}])),
        binding(
            "ns",
            "local",
            "ClusterRole",
            "all",
            json!([
            {"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "sa"}]),
        ),
    ]);
    let target = on("", "pods", "p", "ns");
    for (who, reason) in [
        (
            user("x", &["ops"]),
            r#"RBAC: allowed by ClusterRoleBinding "admins" of ClusterRole "all" to Group "ops""#,
        ),
        (
            user("u", &[]),
            r#"RBAC: allowed by RoleBinding "local/ns" of ClusterRole "all" to User "u""#,
        ),
        (
            user("system:serviceaccount:ns:sa", &[]),
            r#"RBAC: allowed by RoleBinding "local/ns" of ClusterRole "all" to ServiceAccount "sa/ns""#,
        ),
    ] {
        let decision = policies.authorize(&Attributes::new(&who, "get", target));
        assert!(decision.allowed);
        assert_eq!(decision.reason, reason);
    }
    assert!(!may(
        &policies,
        &user("system:serviceaccount:other:sa", &[]),
        "get",
        target
    ));
    assert!(!may(
        &policies,
        &user("u", &[]),
        "get",
        on("", "pods", "p", "other")
    ));
}

#[test]
fn masters_may_do_everything_without_any_role() {
    let root = user("r", &["system:masters"]);
    assert!(may(
        &Policies::default(),
        &root,
        "delete",
        on("", "nodes", "n", "")
    ));
    assert!(may(&Policies::default(), &root, "get", Target::Path("/x")));
}

#[test]
fn a_missing_role_is_named_in_the_reason() {
    let policies = policies(&[
        cluster_binding("a", "gone", json!([{"kind": "User", "name": "u"}])),
        cluster_binding("b", "gone", json!([{"kind": "User", "name": "u"}])),
        binding(
            "ns",
            "c",
            "Role",
            "lost",
            json!([{"kind": "User", "name": "u"}]),
        ),
        binding(
            "ns",
            "d",
            "Potato",
            "x",
            json!([{"kind": "User", "name": "u"}]),
        ),
    ]);
    let u = user("u", &[]);
    let decision = policies.authorize(&Attributes::new(&u, "get", on("", "pods", "", "ns")));
    assert_eq!(
        decision.reason,
        "RBAC: [clusterrole.rbac.authorization.k8s.io \"gone\" not found, \
        role.rbac.authorization.k8s.io \"lost\" not found, \
        unsupported role reference kind: \"Potato\"]"
    );
    let decision = policies.authorize(&Attributes::new(&u, "get", Target::Path("/x")));
    assert_eq!(
        decision.reason,
        "RBAC: clusterrole.rbac.authorization.k8s.io \"gone\" not found"
    );
}

#[test]
fn rules_match_by_verb_group_resource_name_and_path() {
    let policies = policies(&[
        cluster_role(
            "r",
            json!([
                {"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "pods/log"]},
                {"verbs": ["get"], "apiGroups": ["apps"], "resources": ["*/scale"]},
                {"verbs": ["update"], "apiGroups": [""], "resources": ["configmaps"],
                 "resourceNames": ["one", "two"]},
                {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/logs/*"]},
                {"verbs": ["*"], "apiGroups": ["x.io"], "resources": ["*"]},
            ]),
        ),
        cluster_binding("b", "r", json!([{"kind": "User", "name": "u"}])),
    ]);
    let u = user("u", &[]);
    for (verb, target, allowed) in [
        ("get", on("", "pods", "p", "n"), true),
        ("list", on("", "pods", "", "n"), false),
        ("get", on("", "pods/log", "p", "n"), true),
        ("get", on("", "pods/exec", "p", "n"), false),
        ("get", on("apps", "pods", "p", "n"), false),
        ("get", on("apps", "deployments/scale", "p", "n"), true),
        ("get", on("apps", "deployments", "p", "n"), false),
        ("get", on("apps", "deployments/scaler", "p", "n"), false),
        ("update", on("", "configmaps", "two", "n"), true),
        ("update", on("", "configmaps", "three", "n"), false),
        ("update", on("", "configmaps", "", "n"), false),
        ("get", Target::Path("/healthz"), true),
        ("get", Target::Path("/healthz/etcd"), false),
        ("get", Target::Path("/logs/"), true),
        ("get", Target::Path("/logs/a/b"), true),
        ("get", Target::Path("/logs"), false),
        ("post", Target::Path("/healthz"), false),
        ("frobnicate", on("x.io", "things/odd", "t", ""), true),
        ("get", Target::Path("x.io"), false),
    ] {
        assert_eq!(
            may(&policies, &u, verb, target),
            allowed,
            "{verb} {target:?}"
        );
    }
}

#[test]
fn what_is_malformed_grants_nothing() {
    let pods = on("", "pods", "p", "n");
    let u = user("u", &[]);
    let good = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
    let mut rules = Vec::new();
    for (field, odd) in [
        ("verbs", json!("get")),
        ("apiGroups", json!([1])),
        ("resources", json!({})),
        ("resourceNames", json!([null])),
        ("resourceNames", json!("x")),
    ] {
        let mut rule = good.clone();
        rule[field] = odd;
        rules.push(rule);
    }
    rules.extend([json!(null), json!("*"), json!([])]);
    let mut policies = policies(&[
        cluster_role("r", json!(rules)),
        cluster_binding(
            "b",
            "r",
            json!([null, 1, {"kind": "User"}, {"kind": "User", "name": 1},
                                         {"kind": "User", "name": "u"}]),
        ),
    ]);
    assert!(!may(&policies, &u, "get", pods));
    policies.put(&cluster_role("r", json!([good])));
    assert!(may(&policies, &u, "get", pods));
    // Each of these replaces something that granted.
    for odd in [
        json!({"kind": "ClusterRole", "metadata": {"name": "r"}, "rules": "x"}),
        json!({"kind": "ClusterRole", "metadata": {"name": "r"}}),
    ] {
        policies.put(&odd);
        assert!(!may(&policies, &u, "get", pods), "{odd}");
        policies.put(&cluster_role("r", json!([good])));
    }
    for odd in [
        json!({"kind": "ClusterRoleBinding", "metadata": {"name": "b"}, "roleRef": 1}),
        json!({"kind": "ClusterRoleBinding", "metadata": {"name": "b"}}),
    ] {
        policies.put(&odd);
        assert!(!may(&policies, &u, "get", pods), "{odd}");
    }
    for odd in [
        json!(null),
        json!({}),
        json!({"kind": "Pod", "metadata": {"name": "x"}}),
        json!({"kind": "Role", "metadata": {"name": "x"}}),
        json!({"kind": "RoleBinding", "metadata": {"name": "x", "namespace": 1}}),
        json!({"kind": "ClusterRole", "metadata": "x"}),
    ] {
        assert!(!policies.put(&odd), "{odd}");
    }
}

#[test]
fn a_service_account_subject_of_a_cluster_binding_needs_a_namespace() {
    let policies = policies(&[
        cluster_role("r", json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}])),
        cluster_binding(
            "b",
            "r",
            json!([{"kind": "ServiceAccount", "name": "sa"},
            {"kind": "ServiceAccount", "name": "full", "namespace": "ns"}]),
        ),
    ]);
    assert!(!may(
        &policies,
        &user("system:serviceaccount::sa", &[]),
        "get",
        Target::Path("/")
    ));
    assert!(may(
        &policies,
        &user("system:serviceaccount:ns:full", &[]),
        "get",
        Target::Path("/")
    ));
}

#[test]
fn what_is_removed_grants_no_more() {
    let mut policies = policies(&[
        json!({"kind": "Role", "metadata": {"name": "r", "namespace": "n"},
               "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
        binding(
            "n",
            "b",
            "Role",
            "r",
            json!([{"kind": "User", "name": "u"}]),
        ),
    ]);
    let (u, pods) = (user("u", &[]), on("", "pods", "p", "n"));
    assert!(may(&policies, &u, "get", pods));
    assert!(!policies.remove("RoleBinding", "other", "b"));
    assert!(policies.remove("RoleBinding", "n", "b"));
    assert!(!may(&policies, &u, "get", pods));
    policies.put(&binding(
        "n",
        "b",
        "Role",
        "r",
        json!([{"kind": "User", "name": "u"}]),
    ));
    assert!(may(&policies, &u, "get", pods));
    assert!(policies.remove("Role", "n", "r"));
    assert!(!may(&policies, &u, "get", pods));
    assert!(!policies.remove("Role", "n", "r"));
}

/// Reads the objects anew for each question, with no index and no shortcut.
fn naive(objects: &[Value], who: &User, verb: &str, target: Target<'_>) -> bool {
    let strings = |value: &Value, field: &str| -> Vec<String> {
        value[field]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect()
    };
    let Target::Resource {
        group,
        resource,
        subresource,
        name,
        namespace,
    } = target
    else {
        unreachable!()
    };
    let full = if subresource.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}/{subresource}")
    };
    let mut allowed = false;
    for b in objects
        .iter()
        .filter(|o| o["kind"].as_str().unwrap().ends_with("Binding"))
    {
        let scope = b["metadata"]["namespace"].as_str().unwrap_or("");
        if !scope.is_empty() && scope != namespace {
            continue;
        }
        let meant = b["subjects"].as_array().unwrap().iter().any(|s| {
            let n = s["name"].as_str().unwrap();
            match s["kind"].as_str().unwrap() {
                "User" => who.name == n,
                "Group" => who.groups.iter().any(|g| g == n),
                _ => {
                    let own = s["namespace"].as_str().unwrap_or(scope);
                    !own.is_empty() && who.name == format!("system:serviceaccount:{own}:{n}")
                }
            }
        });
        let role = objects.iter().find(|o| {
            o["kind"] == b["roleRef"]["kind"]
                && o["metadata"]["name"] == b["roleRef"]["name"]
                && (o["kind"] == "ClusterRole"
                    || !scope.is_empty() && o["metadata"]["namespace"] == scope)
        });
        let (true, Some(role)) = (meant, role) else {
            continue;
        };
        for rule in role["rules"].as_array().unwrap() {
            let (verbs, groups) = (strings(rule, "verbs"), strings(rule, "apiGroups"));
            let (resources, names) = (strings(rule, "resources"), strings(rule, "resourceNames"));
            let any = |list: &[String], word: &str| list.iter().any(|w| w == "*" || w == word);
            allowed |= any(&verbs, verb)
                && any(&groups, group)
                && (any(&resources, &full)
                    || !subresource.is_empty() && resources.contains(&format!("*/{subresource}")))
                && (names.is_empty() || names.iter().any(|w| w == name));
        }
    }
    allowed
}

#[test]
fn decisions_are_those_of_a_naive_reading_of_the_objects() {
    const SEED: u64 = 0x5ee0_0a11;
    println!("seed {SEED:#x}");
    let mut state = SEED;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    let (verbs, groups) = (["get", "list", "*"], ["", "apps", "*"]);
    let resources = ["pods", "pods/log", "*/log", "*", "deployments"];
    let (names, namespaces) = (["a", "b"], ["n1", "n2"]);
    let (mut yes, mut no) = (0, 0);
    for _ in 0..300 {
        let mut objects: Vec<Value> = Vec::new();
        for role in ["r1", "r2"] {
            for kind in ["ClusterRole", "Role"] {
                let rules: Vec<Value> = (0..1 + next(4))
                    .map(|_| {
                        let names: Vec<&str> = (0..next(4) / 3).map(|_| names[next(2)]).collect();
                        json!({"verbs": [verbs[next(3)]], "apiGroups": [groups[next(3)]],
                               "resources": [resources[next(5)], resources[next(5)]],
                               "resourceNames": names})
                    })
                    .collect();
                let mut o = json!({"kind": kind, "metadata": {"name": role}, "rules": rules});
                if kind == "Role" {
                    o["metadata"]["namespace"] = json!(namespaces[next(2)]);
                }
                objects.push(o);
            }
        }
        for i in 0..3 + next(6) {
            let subject = match next(4) {
                0 => json!({"kind": "User", "name": "u"}),
                1 => json!({"kind": "Group", "name": "g"}),
                2 => json!({"kind": "ServiceAccount", "name": "sa"}),
                _ => {
                    json!({"kind": "ServiceAccount", "name": "sa", "namespace": namespaces[next(2)]})
                }
            };
            let kind = ["Role", "ClusterRole"][next(2)];
            let role = ["r1", "r2", "r1", "r2", "gone"][next(5)];
            let mut o = json!({"metadata": {"name": format!("b{i}")}, "subjects": [subject],
                               "roleRef": {"kind": kind, "name": role}});
            if next(2) == 0 {
                o["kind"] = json!("ClusterRoleBinding");
            } else {
                o["kind"] = json!("RoleBinding");
                o["metadata"]["namespace"] = json!(namespaces[next(2)]);
            }
            objects.push(o);
        }
        // Objects come as a watch brings them: some put twice, some removed.
        let mut policies = Policies::default();
        for object in &objects {
            policies.put(object);
        }
        let gone = next(objects.len());
        let object = objects.remove(gone);
        let meta = &object["metadata"];
        assert!(policies.remove(
            object["kind"].as_str().unwrap(),
            meta["namespace"].as_str().unwrap_or(""),
            meta["name"].as_str().unwrap()
        ));
        policies.put(&objects[next(objects.len())]);
        for _ in 0..40 {
            let who = match next(3) {
                0 => user("u", &[]),
                1 => user("x", &["g"]),
                _ => user(
                    &format!("system:serviceaccount:{}:sa", namespaces[next(2)]),
                    &[],
                ),
            };
            let verb = verbs[next(2)];
            let target = on(
                groups[next(2)],
                ["pods", "pods/log", "deployments"][next(3)],
                ["a", "b", ""][next(3)],
                ["n1", "n2", ""][next(3)],
            );
            let wanted = naive(&objects, &who, verb, target);
            let found = may(&policies, &who, verb, target);
            assert_eq!(found, wanted, "{who:?} {verb} {target:?} {objects:#?}");
            if found { yes += 1 } else { no += 1 }
        }
    }
    assert!(yes > 300 && no > 300, "{yes} {no}");
}
