//! Questions asked through the API get upstream's answers.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_rbac::account;
use skerry_rbac::review::{Access, ReviewError, access, rules, user_info, who_am_i};
use skerry_rbac::{Attributes, Decision, Policies, Target, User};

fn yes(_: &Attributes<'_>) -> Decision {
    Decision {
        allowed: true,
        reason: "because".to_owned(),
    }
}

fn no(_: &Attributes<'_>) -> Decision {
    Decision {
        allowed: false,
        reason: String::new(),
    }
}

fn causes(result: Result<Value, ReviewError>) -> Vec<String> {
    match result {
        Err(ReviewError::Invalid(violations)) => {
            violations.iter().map(ToString::to_string).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_access_review_asks_for_the_user_of_its_spec() {
    let object = json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "spec": {"user": "u", "groups": ["g", "h"], "resourceAttributes": {
            "verb": "get", "group": "apps", "resource": "deployments", "subresource": "scale",
            "name": "d", "namespace": "ns"}}});
    let answer = access(Access::Subject, &object, |asked| {
        assert_eq!(
            (asked.user, asked.groups),
            ("u", ["g".to_owned(), "h".to_owned()].as_slice())
        );
        assert_eq!(asked.verb, "get");
        assert_eq!(
            asked.target,
            Target::Resource {
                group: "apps",
                resource: "deployments",
                subresource: "scale",
                name: "d",
                namespace: "ns"
            }
        );
        yes(asked)
    })
    .unwrap();
    assert_eq!(
        answer["status"],
        json!({"allowed": true, "reason": "because"})
    );
    assert_eq!(answer["spec"], object["spec"]);
    let object =
        json!({"spec": {"user": "u", "nonResourceAttributes": {"path": "/x", "verb": "get"}}});
    let answer = access(Access::Subject, &object, |asked| {
        assert_eq!(asked.target, Target::Path("/x"));
        no(asked)
    })
    .unwrap();
    assert_eq!(answer["status"], json!({"allowed": false}));
}

#[test]
fn a_self_access_review_asks_for_the_caller() {
    let caller = User {
        name: "me".to_owned(),
        groups: vec!["g".to_owned()],
        ..User::default()
    };
    let object = json!({"spec": {"resourceAttributes": {"verb": "*"}}});
    let answer = access(Access::Own(&caller), &object, |asked| {
        assert_eq!((asked.user, asked.groups.len()), ("me", 1));
        yes(asked)
    });
    assert_eq!(answer.unwrap()["status"]["allowed"], true);
}

#[test]
fn a_review_that_asks_nothing_or_too_much_is_invalid() {
    for odd in [
        json!({}),
        json!({"spec": null}),
        json!({"spec": "x"}),
        json!(null),
    ] {
        assert_eq!(
            causes(access(Access::Subject, &odd, yes)),
            [
                "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or \
             resourceAttributes must be specified",
                "spec.user: Invalid value: \"\": at least one of user or group must be specified"
            ]
        );
    }
    let object = json!({"metadata": {"name": "x"}, "spec": {"user": "u",
        "resourceAttributes": {}, "nonResourceAttributes": {"path": "/"}}});
    assert_eq!(
        causes(access(Access::Subject, &object, yes)),
        [
            "spec.nonResourceAttributes: Invalid value: {\"path\":\"/\"}: cannot be specified in \
         combination with resourceAttributes",
            "metadata: Invalid value: {\"name\":\"x\"}: must be empty"
        ]
    );
}

#[test]
fn a_local_review_stays_in_its_namespace() {
    let object = |own: &str, asked: &str| {
        json!({"metadata": {"namespace": own}, "spec": {"user": "u",
        "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": asked}}})
    };
    assert!(access(Access::Local("ns"), &object("ns", "ns"), yes).is_ok());
    assert_eq!(
        causes(access(Access::Local("ns"), &object("ns", "other"), yes)),
        [
            "spec.resourceAttributes.namespace: Invalid value: \"other\": must match metadata.namespace"
        ]
    );
    let Err(ReviewError::BadRequest(text)) =
        access(Access::Local("ns"), &object("other", "other"), yes)
    else {
        panic!()
    };
    assert_eq!(
        text,
        "spec.resourceAttributes.namespace must match namespace: ns"
    );
    let path = json!({"metadata": {"namespace": "ns"}, "spec": {"user": "u",
                      "nonResourceAttributes": {"path": "/"}}});
    assert_eq!(
        causes(access(Access::Local("ns"), &path, yes)),
        [
            "spec.nonResourceAttributes: Invalid value: {\"path\":\"/\"}: disallowed on this kind of request"
        ]
    );
}

#[test]
fn a_selector_that_cannot_be_read_is_ignored_and_said_to_be() {
    let with = |field: &str, selector: Value| {
        let mut o = json!({"spec": {"user": "u", "resourceAttributes": {"verb": "list"}}});
        o["spec"]["resourceAttributes"][field] = selector;
        o
    };
    let error = |object: Value| {
        access(Access::Subject, &object, yes).unwrap()["status"]["evaluationError"].clone()
    };
    assert_eq!(
        error(with("labelSelector", json!({"rawSelector": "a in (b)"}))),
        Value::Null
    );
    assert_eq!(
        error(with("labelSelector", json!({"rawSelector": "a in"}))),
        "spec.resourceAttributes.labelSelector ignored due to parse error"
    );
    assert_eq!(
        error(with(
            "fieldSelector",
            json!({"requirements": [
                   {"key": "a", "operator": "In", "values": ["b"]}, {"key": "a", "operator": "Exists"}]})
        )),
        "spec.resourceAttributes.fieldSelector partially ignored due to parse error"
    );
    assert_eq!(
        causes(access(
            Access::Subject,
            &with("fieldSelector", json!({})),
            yes
        )),
        [
            "spec.resourceAttributes.fieldSelector.requirements: Required value: when \
         spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required"
        ]
    );
}

#[test]
fn a_rules_review_lists_what_the_caller_may_do() {
    let mut policies = Policies::default();
    for object in [
        json!({"kind": "ClusterRole", "metadata": {"name": "r"}, "rules": [
            {"verbs": ["get"], "nonResourceURLs": ["/x"]},
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["p"]}]}),
        json!({"kind": "ClusterRoleBinding", "metadata": {"name": "b"},
               "subjects": [{"kind": "User", "name": "u"}],
               "roleRef": {"kind": "ClusterRole", "name": "r"}}),
        json!({"kind": "RoleBinding", "metadata": {"name": "b", "namespace": "ns"},
               "subjects": [{"kind": "User", "name": "u"}],
               "roleRef": {"kind": "Role", "name": "gone"}}),
    ] {
        policies.put(&object);
    }
    let u = User {
        name: "u".to_owned(),
        ..User::default()
    };
    let answer = rules(&policies, &u, &json!({"spec": {"namespace": "ns"}})).unwrap();
    assert_eq!(
        answer["status"],
        json!({
        "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"],
                           "resourceNames": ["p"]}],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
        "incomplete": false,
        "evaluationError": "role.rbac.authorization.k8s.io \"gone\" not found"})
    );
    let answer = rules(
        &policies,
        &User::default(),
        &json!({"spec": {"namespace": "x"}}),
    )
    .unwrap();
    assert_eq!(
        answer["status"],
        json!({"resourceRules": [], "nonResourceRules": [], "incomplete": false})
    );
    assert_eq!(
        rules(&policies, &u, &json!({})),
        Err(ReviewError::BadRequest(
            "no namespace on request".to_owned()
        ))
    );
}

#[test]
fn a_caller_can_ask_who_it_is() {
    let mut me = User {
        name: "me".to_owned(),
        uid: "1".to_owned(),
        ..User::default()
    };
    me.groups.push("g".to_owned());
    me.extra.insert("k".to_owned(), vec!["v".to_owned()]);
    let answer = who_am_i(&me, &json!({"apiVersion": "authentication.k8s.io/v1"}));
    assert_eq!(
        answer["status"],
        json!({"userInfo": {
        "username": "me", "uid": "1", "groups": ["g"], "extra": {"k": ["v"]}}})
    );
    assert_eq!(user_info(&User::default()), json!({}));
}

#[test]
fn a_service_account_has_a_user_name_and_two_groups() {
    assert_eq!(
        account::user_name("ns", "sa"),
        "system:serviceaccount:ns:sa"
    );
    assert_eq!(
        account::groups("ns"),
        ["system:serviceaccounts", "system:serviceaccounts:ns"]
    );
    assert_eq!(
        account::split("system:serviceaccount:ns:sa.x"),
        Ok(("ns", "sa.x"))
    );
    for odd in [
        "",
        "u",
        "system:serviceaccount:",
        "system:serviceaccount:ns",
        "system:serviceaccount:ns:",
        "system:serviceaccount:n.s:sa",
        "system:serviceaccount:ns:a:b",
        "system:serviceaccount:Ns:a",
    ] {
        assert_eq!(
            account::split(odd).unwrap_err().to_string(),
            "Username must be in the form system:serviceaccount:namespace:name",
            "{odd}"
        );
    }
}
