//! What is there from the start, and what start-up does to what is there.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use skerry_rbac::aggregation::aggregate;
use skerry_rbac::bootstrap::bootstrap;
use skerry_rbac::reconcile::{Step, reconcile};
use skerry_rbac::{Attributes, Policies, Rule, Target, User};

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|o| o["kind"] == kind && o["metadata"]["name"] == name)
        .unwrap()
}

/// The bootstrap objects with rules aggregated, as the controller leaves them.
fn settled() -> Vec<Value> {
    let mut objects = bootstrap();
    loop {
        let roles: Vec<Value> = objects
            .iter()
            .filter(|o| o["kind"] == "ClusterRole")
            .cloned()
            .collect();
        let mut changed = false;
        for object in objects.iter_mut().filter(|o| o["kind"] == "ClusterRole") {
            if let Some(rules) = aggregate(object, &roles).unwrap() {
                object["rules"] = Value::Array(rules);
                changed = true;
            }
        }
        if !changed {
            return objects;
        }
    }
}

fn policies(objects: &[Value]) -> Policies {
    let mut policies = Policies::default();
    for object in objects {
        assert!(policies.put(object));
    }
    policies
}

#[test]
fn every_bootstrap_object_is_well_formed_and_there_once() {
    let objects = bootstrap();
    let mut seen = BTreeSet::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for o in &objects {
        let kind = o["kind"].as_str().unwrap();
        *count.entry(kind).or_default() += 1;
        assert_eq!(o["apiVersion"], "rbac.authorization.k8s.io/v1");
        assert_eq!(
            o["metadata"]["labels"]["kubernetes.io/bootstrapping"],
            "rbac-defaults"
        );
        let annotation = "rbac.authorization.kubernetes.io/autoupdate";
        assert_eq!(o["metadata"]["annotations"][annotation], "true");
        let place = (
            kind,
            o["metadata"]["namespace"].to_string(),
            o["metadata"]["name"].to_string(),
        );
        assert!(seen.insert(place), "{o}");
        if let Some(rules) = o["rules"].as_array() {
            assert_eq!(Rule::read_all(o).len(), rules.len(), "{o}");
            for rule in Rule::read_all(o) {
                assert!(!rule.verbs.is_empty());
                assert_eq!(rule.resources.is_empty(), rule.groups.is_empty());
                assert_ne!(rule.resources.is_empty(), rule.paths.is_empty());
                for list in [&rule.verbs, &rule.groups, &rule.resources, &rule.paths] {
                    assert!(
                        list.is_sorted() && !list.iter().any(|w| w.contains(' ')),
                        "{rule}"
                    );
                }
            }
        }
        if let Some(role) = o.get("roleRef") {
            let kind = role["kind"].as_str().unwrap();
            let namespace = if kind == "Role" {
                &o["metadata"]["namespace"]
            } else {
                &Value::Null
            };
            assert!(
                objects.iter().any(|r| r["kind"] == kind
                    && r["metadata"]["name"] == role["name"]
                    && r["metadata"]["namespace"] == *namespace),
                "{o}"
            );
        }
    }
    let count: Vec<_> = count.into_iter().collect();
    assert_eq!(
        count,
        [
            ("ClusterRole", 69),
            ("ClusterRoleBinding", 50),
            ("Role", 7),
            ("RoleBinding", 7)
        ]
    );
}

#[test]
fn a_role_and_a_binding_look_as_upstream_writes_them() {
    let objects = bootstrap();
    assert_eq!(
        find(&objects, "ClusterRole", "system:aggregate-to-admin"),
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {
                "name": "system:aggregate-to-admin",
                "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
                "labels": {"kubernetes.io/bootstrapping": "rbac-defaults",
                           "rbac.authorization.k8s.io/aggregate-to-admin": "true"},
            },
            "rules": [
                {"apiGroups": ["authorization.k8s.io"], "resources": ["localsubjectaccessreviews"],
                 "verbs": ["create"]},
                {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings", "roles"],
                 "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update",
                           "watch"]},
            ],
        })
    );
    assert_eq!(
        find(&objects, "ClusterRole", "edit"),
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {
                "name": "edit",
                "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
                "labels": {"kubernetes.io/bootstrapping": "rbac-defaults",
                           "rbac.authorization.k8s.io/aggregate-to-admin": "true"},
            },
            "aggregationRule": {"clusterRoleSelectors": [
                {"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}}]},
            "rules": null,
        })
    );
    assert_eq!(
        find(&objects, "ClusterRoleBinding", "system:kube-dns"),
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {
                "name": "system:kube-dns",
                "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
                "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            },
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": "system:kube-dns"},
            "subjects": [{"kind": "ServiceAccount", "name": "kube-dns", "namespace": "kube-system"}],
        })
    );
}

#[test]
fn the_default_roles_let_do_what_their_names_promise() {
    let mut objects = settled();
    for role in ["admin", "edit", "view"] {
        objects.push(json!({"kind": "RoleBinding",
            "metadata": {"name": role, "namespace": "ns"},
            "subjects": [{"kind": "User", "name": role}],
            "roleRef": {"kind": "ClusterRole", "name": role}}));
    }
    let policies = policies(&objects);
    let user = |name: &str, groups: &[&str]| User {
        name: name.to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..User::default()
    };
    let named = |name: &str| user(name, &["system:authenticated"]);
    let on = |group, resource, namespace| Target::Resource {
        group,
        resource,
        subresource: "",
        name: "x",
        namespace,
    };
    for (who, verb, target, allowed) in [
        (named("view"), "list", on("", "configmaps", "ns"), true),
        (named("view"), "get", on("", "secrets", "ns"), false),
        (named("view"), "create", on("", "configmaps", "ns"), false),
        (named("edit"), "get", on("", "secrets", "ns"), true),
        (
            named("edit"),
            "create",
            on("apps", "deployments", "ns"),
            true,
        ),
        (
            named("edit"),
            "create",
            on("rbac.authorization.k8s.io", "roles", "ns"),
            false,
        ),
        (named("edit"), "get", on("", "configmaps", "other"), false),
        (
            named("admin"),
            "create",
            on("rbac.authorization.k8s.io", "roles", "ns"),
            true,
        ),
        (named("admin"), "list", on("", "pods", "ns"), true),
        (
            named("nobody"),
            "create",
            on("authorization.k8s.io", "selfsubjectaccessreviews", ""),
            true,
        ),
        (named("nobody"), "get", Target::Path("/apis/apps"), true),
        (named("nobody"), "get", Target::Path("/metrics"), false),
        (
            user("system:anonymous", &["system:unauthenticated"]),
            "get",
            Target::Path("/readyz"),
            true,
        ),
        (
            user("system:anonymous", &["system:unauthenticated"]),
            "get",
            Target::Path("/api"),
            false,
        ),
        (
            user("m", &["system:monitoring"]),
            "get",
            Target::Path("/livez/etcd"),
            true,
        ),
        (
            user("n", &["system:nodes"]),
            "get",
            on("", "secrets", "ns"),
            false,
        ),
        (
            user("system:serviceaccount:kube-system:job-controller", &[]),
            "create",
            on("", "pods", "ns"),
            true,
        ),
        (
            user("x", &["system:serviceaccounts"]),
            "get",
            Target::Path("/openid/v1/jwks"),
            true,
        ),
    ] {
        let found = policies
            .authorize(&Attributes::new(&who, verb, target))
            .allowed;
        assert_eq!(found, allowed, "{} {verb} {target:?}", who.name);
    }
}

#[test]
fn aggregated_rules_come_from_all_that_carry_the_label_each_once() {
    let objects = settled();
    let admin = Rule::read_all(find(&objects, "ClusterRole", "admin"));
    for part in [
        "system:aggregate-to-admin",
        "system:aggregate-to-edit",
        "system:aggregate-to-view",
    ] {
        for rule in Rule::read_all(find(&objects, "ClusterRole", part)) {
            assert_eq!(
                admin.iter().filter(|held| **held == rule).count(),
                1,
                "{rule}"
            );
        }
    }
    let view = find(&objects, "ClusterRole", "view");
    assert_eq!(
        aggregate(view, &objects).unwrap(),
        None,
        "settled roles stay as they are"
    );
    let plain = find(&objects, "ClusterRole", "system:node");
    assert_eq!(aggregate(plain, &objects).unwrap(), None);
    let mut emptied = view.clone();
    emptied["aggregationRule"]["clusterRoleSelectors"] = json!([]);
    assert_eq!(aggregate(&emptied, &objects).unwrap(), Some(vec![]));
    emptied["aggregationRule"]["clusterRoleSelectors"] =
        json!([{"matchExpressions": [{"key": "a", "operator": "x"}]}]);
    assert!(aggregate(&emptied, &objects).is_err());
}

#[test]
fn start_up_changes_nothing_that_is_as_it_should_be() {
    for (live, wanted) in settled().iter().zip(&bootstrap()) {
        assert_eq!(reconcile(Some(live), wanted), Step::Nothing, "{live}");
        assert_eq!(reconcile(None, wanted), Step::Create(wanted.clone()));
    }
}

#[test]
fn start_up_adds_what_is_missing_and_removes_nothing() {
    let objects = bootstrap();
    let wanted = find(&objects, "ClusterRole", "system:basic-user");
    let mut live = wanted.clone();
    live["rules"] = json!([
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
         "resources": ["selfsubjectaccessreviews"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["mine"]}]);
    live["metadata"]["labels"] = json!({"mine": "1"});
    live["metadata"]["annotations"] = json!({"mine": "2"});
    live["aggregationRule"] = json!({"clusterRoleSelectors": []});
    let Step::Update(next) = reconcile(Some(&live), wanted) else {
        panic!()
    };
    assert_eq!(
        next["rules"],
        json!([
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
         "resources": ["selfsubjectaccessreviews"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["mine"]},
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
         "resources": ["selfsubjectrulesreviews"]},
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"],
         "resources": ["selfsubjectreviews"]}])
    );
    assert_eq!(
        next["metadata"]["labels"],
        json!({"mine": "1", "kubernetes.io/bootstrapping": "rbac-defaults"})
    );
    assert_eq!(next["metadata"]["annotations"]["mine"], "2");
    assert_eq!(next.get("aggregationRule"), None);
    assert_eq!(reconcile(Some(&next), wanted), Step::Nothing);

    let wanted = find(&objects, "ClusterRoleBinding", "system:discovery");
    let mut live = wanted.clone();
    live["subjects"] =
        json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "x"}]);
    let Step::Update(next) = reconcile(Some(&live), wanted) else {
        panic!()
    };
    assert_eq!(next["subjects"].as_array().unwrap().len(), 2);
    assert_eq!(reconcile(Some(&next), wanted), Step::Nothing);
}

#[test]
fn a_binding_to_another_role_is_made_anew() {
    let objects = bootstrap();
    let wanted = find(&objects, "ClusterRoleBinding", "cluster-admin");
    let mut live = wanted.clone();
    live["roleRef"]["name"] = json!("view");
    assert_eq!(
        reconcile(Some(&live), wanted),
        Step::Recreate(wanted.clone())
    );
}

#[test]
fn an_object_that_forbids_it_is_left_alone() {
    let wanted = &bootstrap()[3];
    let mut live = wanted.clone();
    live["rules"] = json!([]);
    live["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = json!("false");
    assert_eq!(reconcile(Some(&live), wanted), Step::Nothing);
}

#[test]
fn an_odd_live_object_is_brought_up_to_date_without_harm() {
    let objects = bootstrap();
    let wanted = find(&objects, "ClusterRole", "view");
    for odd in [
        json!({"metadata": {"labels": 1, "annotations": []}, "rules": "x", "aggregationRule": 1}),
        json!({"metadata": null}),
        json!(null),
        json!("x"),
    ] {
        match reconcile(Some(&odd), wanted) {
            Step::Update(next) => assert_eq!(reconcile(Some(&next), wanted), Step::Nothing),
            Step::Nothing => {}
            other => panic!("{other:?}"),
        }
    }
}
