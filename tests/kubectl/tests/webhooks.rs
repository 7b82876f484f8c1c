//! Webhooks that have a say in what is written: what they are asked, and what comes of their answers.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skerry_tests_harness::Random;
use skerry_tests_kubectl::webhook::{Reply, Webhook, allowed, answer, patched};
use skerry_tests_kubectl::{Ended, Servers};

const MUTATING: &str = "MutatingWebhookConfiguration";
const VALIDATING: &str = "ValidatingWebhookConfiguration";

/// A webhook that wants all that is written of config maps.
fn hook(name: &str, client: Value, change: Value) -> Value {
    let mut hook = json!({
        "name": format!("{name}.example.com"),
        "clientConfig": client,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
        "rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
    });
    for (field, value) in change.as_object().unwrap() {
        hook[field] = value.clone();
    }
    hook
}

fn rule(operations: &[&str], group: &str, version: &str, resources: &[&str]) -> Value {
    json!([{"operations": operations, "apiGroups": [group], "apiVersions": [version], "resources": resources}])
}

/// Has all members ask these webhooks from now on.
fn configure(servers: &Servers, kind: &str, name: &str, hooks: Vec<Value>) {
    // The first of all, where nobody listens: that it refuses shows that the configuration counts.
    let ready = json!({"url": "https://127.0.0.1:1/ready"});
    let selector = json!({"matchLabels": {"ready": name}});
    let selected = json!({"objectSelector": selector, "failurePolicy": "Fail"});
    let mut all = vec![hook("ready", ready, selected)];
    all.extend(hooks);
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": all,
    });
    servers.ok_with(&["apply", "-f", "-"], &configuration.to_string());
    for member in 0..servers.cluster.addresses.hosts.len() {
        let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ready", "labels": {"ready": name}}, "data": {"a": "b"}});
        let probe = probe.to_string();
        skerry_tests_harness::eventually(
            "the webhooks count",
            skerry_tests_kubectl::DEADLINE,
            || {
                let ended =
                    servers.run_on(member, &["create", "--dry-run=server", "-f", "-"], &probe);
                anyhow::ensure!(ended.err.contains("ready.example.com"), "{ended:?}");
                Ok(())
            },
        )
        .unwrap();
    }
}

fn config_map(name: &str) -> String {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}})
        .to_string()
}

fn create(servers: &Servers, arguments: &[&str], object: &str) -> Ended {
    let mut all = vec!["create", "-f", "-"];
    all.extend(arguments);
    servers.run_on(0, &all, object)
}

#[tokio::test]
async fn a_webhook_is_told_who_wants_what_and_changes_what_others_then_see() {
    let servers = Servers::start(1).await;
    let patch = json!([
        {"op": "add", "path": "/data/c", "value": "d"},
        {"op": "add", "path": "/data/odd", "value": "e"},
        {"op": "remove", "path": "/data/odd"},
        {"op": "add", "path": "/unknown", "value": 1},
    ]);
    let mutating = Webhook::start(move |review| Reply::Json(patched(review, &patch)));
    let validating = Webhook::allowing();
    let client = mutating.client("/mutate");
    configure(&servers, MUTATING, "m", vec![hook("m", client, json!({}))]);
    let client = validating.client("");
    configure(
        &servers,
        VALIDATING,
        "v",
        vec![hook("v", client, json!({}))],
    );
    mutating.asked();
    validating.asked();
    mutating.targets();
    servers.ok_with(&["create", "-f", "-"], &config_map("one"));
    let stored = servers.json(&["get", "configmap", "one"]);
    assert_eq!(stored["data"], json!({"a": "b", "c": "d"}));
    assert_eq!(mutating.targets(), ["/mutate?timeout=5s"]);

    let asked = mutating.asked();
    let [asked] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    let kind = json!({"group": "", "version": "v1", "kind": "ConfigMap"});
    let resource = json!({"group": "", "version": "v1", "resource": "configmaps"});
    for (field, wanted) in [
        ("kind", &kind),
        ("requestKind", &kind),
        ("resource", &resource),
        ("requestResource", &resource),
        ("name", &json!("one")),
        ("namespace", &json!("default")),
        ("operation", &json!("CREATE")),
        ("oldObject", &json!(null)),
        ("dryRun", &json!(false)),
        (
            "options",
            &json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-create", "fieldValidation": "Strict"}),
        ),
    ] {
        assert_eq!(&asked[field], wanted, "{field}");
    }
    assert_eq!(asked["userInfo"]["username"], "system:admin");
    assert_eq!(
        asked["userInfo"]["groups"],
        json!(["system:masters", "system:authenticated"])
    );
    assert_eq!(asked["uid"].as_str().unwrap().len(), 36);
    let shown = &asked["object"];
    assert_eq!(
        (&shown["kind"], &shown["data"]),
        (&json!("ConfigMap"), &json!({"a": "b"}))
    );
    // What the server makes up of an object comes after.
    assert_eq!(shown["metadata"]["uid"], json!(null));

    let judged = validating.asked();
    let [judged] = judged.as_slice() else {
        panic!("{judged:?}")
    };
    let mut seen = judged["object"].clone();
    seen["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    seen["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("managedFields");
    assert_eq!(seen, stored);

    servers.ok(&["label", "configmap", "one", "x=y"]);
    let asked = mutating.asked();
    assert_eq!(asked[0]["operation"], "UPDATE");
    assert_eq!(asked[0]["options"]["kind"], "UpdateOptions");
    assert_eq!(asked[0]["oldObject"]["data"], json!({"a": "b", "c": "d"}));
    assert_eq!(asked[0]["object"]["metadata"]["labels"], json!({"x": "y"}));
}

#[tokio::test]
async fn a_refusal_is_passed_on_with_its_words_its_code_and_its_warnings() {
    let servers = Servers::start(1).await;
    let webhook = Webhook::start(|review| {
        let name = review["request"]["name"].as_str().unwrap_or_default();
        let status = match name {
            "told" => json!({"message": "not this one", "reason": "Forbidden", "code": 403}),
            "reason" => json!({"reason": "BecauseISaySo"}),
            "fine" => {
                return Reply::Json(answer(
                    review,
                    json!({"allowed": true, "warnings": ["beware", "beware", "of \"it\""]}),
                ));
            }
            _ => json!(null),
        };
        Reply::Json(answer(
            review,
            json!({"allowed": false, "status": status, "warnings": ["no luck"]}),
        ))
    });
    let client = webhook.client("/");
    configure(
        &servers,
        VALIDATING,
        "v",
        vec![hook("v", client, json!({}))],
    );
    let denied = "admission webhook \"v.example.com\" denied the request";
    for (name, said) in [
        (
            "told",
            format!(
                "Warning: no luck\nError from server (Forbidden): error when creating \"STDIN\": {denied}: not this one\n"
            ),
        ),
        (
            "reason",
            format!(
                "Warning: no luck\nError from server (BecauseISaySo): error when creating \"STDIN\": {denied}: BecauseISaySo\n"
            ),
        ),
        (
            "mute",
            format!(
                "Warning: no luck\nError from server: error when creating \"STDIN\": {denied} without explanation\n"
            ),
        ),
    ] {
        assert_eq!(create(&servers, &[], &config_map(name)).err, said);
    }
    let fine = create(&servers, &[], &config_map("fine"));
    assert_eq!(
        (fine.ok, fine.err.as_str()),
        (true, "Warning: beware\nWarning: of \"it\"\n")
    );
    // Each is asked about once, whatever it answers.
    webhook.asked();
    create(&servers, &[], &config_map("told"));
    assert_eq!(webhook.asked().len(), 1);
}

#[tokio::test]
async fn a_webhook_that_cannot_be_asked_refuses_or_is_passed_over_as_its_policy_says() {
    let servers = Servers::start(1).await;
    let silent = Webhook::start(|_| Reply::Silence);
    let closing = Webhook::start(|_| Reply::Close);
    let other = Webhook::allowing();
    let nowhere = json!({"url": "https://127.0.0.1:1/x"});
    let mut strange = other.client("/");
    strange["caBundle"] = silent.authority().into();
    let mut unnamed = other.client("/");
    unnamed["url"] = format!("https://127.0.0.2:{}/", other.address().port()).into();
    let lost = json!({"service": {"namespace": "default", "name": "none"}});
    let at = other.address();
    let named =
        |name: &str| json!({"objectSelector": {"matchLabels": {"to": name}}, "timeoutSeconds": 1});
    let hooks = vec![
        hook("nowhere", nowhere.clone(), named("nowhere")),
        hook("silent", silent.client("/"), named("silent")),
        hook("closing", closing.client("/"), named("closing")),
        hook("strange", strange, named("strange")),
        hook("lost", lost, named("lost")),
    ];
    configure(&servers, VALIDATING, "v", hooks);
    let labelled = |name: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"to": name}}})
            .to_string()
    };
    for (name, why) in [
        ("nowhere", "Post \"https://127.0.0.1:1/x?timeout=1s\": dial tcp 127.0.0.1:1: connect: connection refused".to_owned()),
        ("silent", format!("Post \"https://{}/?timeout=1s\": context deadline exceeded", silent.address())),
        ("closing", format!("Post \"https://{}/?timeout=1s\": EOF", closing.address())),
        ("strange", format!("Post \"https://{at}/?timeout=1s\": tls: failed to verify certificate: x509: certificate signed by unknown authority")),
        ("lost", "Post \"https://none.default.svc:443/?timeout=1s\": service \"none\" not found".to_owned()),
    ] {
        let refused = create(&servers, &[], &labelled(name)).err;
        let wanted = format!("Error from server (InternalError): error when creating \"STDIN\": Internal error occurred: failed calling webhook \"{name}.example.com\": failed to call webhook: {why}\n");
        assert_eq!(refused, wanted);
    }
    let ignored = json!({"failurePolicy": "Ignore", "timeoutSeconds": 1});
    let hooks = vec![
        hook("nowhere", nowhere, ignored.clone()),
        hook("silent", silent.client("/"), ignored),
    ];
    configure(&servers, VALIDATING, "v", hooks.clone());
    configure(&servers, MUTATING, "m", hooks);
    let begun = Instant::now();
    assert!(create(&servers, &[], &labelled("passed")).ok);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn an_answer_that_is_none_is_never_believed() {
    let servers = Servers::start(1).await;
    let webhook = Webhook::start(|review| {
        let patch = |patch: Value| Reply::Json(patched(review, &patch));
        match review["request"]["name"].as_str().unwrap_or_default() {
            "uid" => {
                let mut review = allowed(review);
                review["response"]["uid"] = "other".into();
                Reply::Json(review)
            }
            "kind" => {
                let mut review = allowed(review);
                review["kind"] = "Pod".into();
                Reply::Json(review)
            }
            "absent" => {
                Reply::Json(json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}))
            }
            "html" => Reply::Raw(200, "text/html", b"<html>".to_vec()),
            "empty" => Reply::Raw(200, "application/json", Vec::new()),
            "gone" => Reply::Raw(404, "text/plain", b"x".to_vec()),
            "broken" => Reply::Raw(500, "text/plain", b"boom".to_vec()),
            "moved" => Reply::Raw(307, "text/plain", b"".to_vec()),
            "huge" => Reply::Raw(200, "application/json", vec![b' '; 6 << 20]),
            "deep" => Reply::Raw(200, "application/json", vec![b'['; 1 << 20]),
            "garbage" => patch(json!("no patch")),
            "misfit" => patch(json!([{"op": "replace", "path": "/nothing/there", "value": 1}])),
            "wrong" => patch(json!([{"op": "replace", "path": "/data", "value": 5}])),
            "other" => patch(json!([{"op": "replace", "path": "/kind", "value": "Secret"}])),
            "bare" => patch(json!([{"op": "remove", "path": "/metadata/name"}])),
            "away" => patch(
                json!([{"op": "replace", "path": "/metadata/namespace", "value": "kube-system"}]),
            ),
            "root" => patch(json!([{"op": "replace", "path": "", "value": 5}])),
            _ => Reply::Json(allowed(review)),
        }
    });
    let client = webhook.client("/");
    configure(&servers, MUTATING, "m", vec![hook("m", client, json!({}))]);
    let failed = "failed calling webhook \"m.example.com\": ";
    for (name, said) in [
        (
            "uid",
            &*format!("{failed}received invalid webhook response: expected response.uid="),
        ),
        (
            "kind",
            &format!(
                "{failed}received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1, Kind=Pod"
            ),
        ),
        (
            "absent",
            &format!("{failed}received invalid webhook response: webhook response was absent"),
        ),
        (
            "html",
            &format!(
                "{failed}failed to call webhook: couldn't get version/kind; json parse error: "
            ),
        ),
        (
            "empty",
            &format!(
                "{failed}failed to call webhook: 0-length response with status code: 200 and content type: application/json"
            ),
        ),
        (
            "gone",
            &format!(
                "{failed}failed to call webhook: the server could not find the requested resource"
            ),
        ),
        (
            "broken",
            &format!(
                "{failed}failed to call webhook: an error on the server (\"boom\") has prevented the request from succeeding"
            ),
        ),
        (
            "moved",
            &format!(
                "{failed}failed to call webhook: the server responded with the status code 307"
            ),
        ),
        ("huge", &format!("{failed}failed to call webhook: Post ")),
        (
            "deep",
            &format!("{failed}failed to call webhook: couldn't get version/kind"),
        ),
        (
            "garbage",
            &format!("{failed}received undecodable patch in webhook response: "),
        ),
        ("misfit", "Internal error occurred: "),
        ("wrong", "Internal error occurred: "),
        ("other", "Internal error occurred: "),
        ("root", "Internal error occurred: "),
        (
            "bare",
            "metadata.name: Required value: name or generateName is required",
        ),
        (
            "away",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ] {
        let refused = create(&servers, &[], &config_map(name));
        assert!(
            !refused.ok && refused.err.contains(said),
            "{name}: {refused:?}"
        );
    }
    // What was asked about before is as it was, and the server too.
    servers.ok_with(&["create", "-f", "-"], &config_map("fine"));
    let left = servers.ok(&["get", "configmaps", "-A", "-o", "name"]);
    assert!(
        !left.contains("configmap/away") && left.contains("configmap/fine"),
        "{left}"
    );
}

#[tokio::test]
async fn who_wants_to_see_the_changes_of_others_is_asked_again_once() {
    let servers = Servers::start(1).await;
    let first = Webhook::start(|review| {
        let count = &review["request"]["object"]["data"]["count"];
        let count: usize = count.as_str().map_or(0, |text| text.parse().unwrap());
        let patch = json!([{"op": "add", "path": "/data/count", "value": (count + 1).to_string()}]);
        Reply::Json(patched(review, &patch))
    });
    let second = Webhook::start(|review| {
        let patch = json!([{"op": "add", "path": "/data/second", "value": "yes"}]);
        Reply::Json(patched(review, &patch))
    });
    let again = json!({"reinvocationPolicy": "IfNeeded"});
    let hooks = vec![
        hook("first", first.client("/"), again.clone()),
        hook("second", second.client("/"), json!({})),
    ];
    configure(&servers, MUTATING, "m", hooks);
    first.asked();
    second.asked();
    servers.ok_with(&["create", "-f", "-"], &config_map("one"));
    let stored = servers.json(&["get", "configmap", "one"]);
    assert_eq!(
        stored["data"],
        json!({"a": "b", "count": "2", "second": "yes"})
    );
    assert_eq!((first.asked().len(), second.asked().len()), (2, 1));
}

#[tokio::test]
async fn a_rehearsal_is_shown_only_to_those_who_do_nothing_else() {
    let servers = Servers::start(1).await;
    let webhook = Webhook::allowing();
    let client = webhook.client("/");
    configure(
        &servers,
        VALIDATING,
        "v",
        vec![hook("v", client, json!({"sideEffects": "NoneOnDryRun"}))],
    );
    webhook.asked();
    assert!(create(&servers, &["--dry-run=server"], &config_map("one")).ok);
    let asked = webhook.asked();
    assert_eq!(
        (&asked[0]["dryRun"], &asked[0]["options"]["dryRun"]),
        (&json!(true), &json!(["All"]))
    );
    let bad = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": VALIDATING, "metadata": {"name": "bad"},
        "webhooks": [hook("v", webhook.client("/"), json!({"sideEffects": "Some", "timeoutSeconds": 99}))],
    });
    let refused = servers.fails_with(&["create", "-f", "-"], &bad.to_string());
    assert_eq!(
        refused,
        "The ValidatingWebhookConfiguration \"bad\" is invalid: \n* webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"\n* webhooks[0].timeoutSeconds: Invalid value: 99: the timeout value must be between 1 and 30 seconds\n"
    );
}

#[tokio::test]
async fn selectors_scopes_and_versions_say_what_a_webhook_is_asked_about() {
    let servers = Servers::start(1).await;
    let webhook = Webhook::allowing();
    let client = || webhook.client("/");
    let hooks = vec![
        hook(
            "ns",
            client(),
            json!({"namespaceSelector": {"matchLabels": {"team": "a"}}, "rules": rule(&["CREATE"], "", "v1", &["secrets", "namespaces"])}),
        ),
        hook(
            "old",
            client(),
            json!({"rules": rule(&["CREATE"], "autoscaling", "v1", &["horizontalpodautoscalers"])}),
        ),
        hook(
            "exact",
            client(),
            json!({"matchPolicy": "Exact", "rules": rule(&["CREATE"], "autoscaling", "v1", &["horizontalpodautoscalers"])}),
        ),
    ];
    configure(&servers, VALIDATING, "v", hooks);
    let asked = |act: &dyn Fn()| {
        webhook.asked();
        act();
        webhook.asked()
    };
    servers.ok(&["create", "namespace", "b"]);
    let none = asked(&|| drop(servers.ok(&["create", "secret", "generic", "s", "-n", "b"])));
    assert_eq!(none, [] as [Value; 0]);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "a"}}});
    let of_namespace =
        asked(&|| drop(servers.ok_with(&["create", "-f", "-"], &namespace.to_string())));
    assert_eq!(
        (of_namespace.len(), &of_namespace[0]["namespace"]),
        (1, &json!("a"))
    );
    let one = asked(&|| drop(servers.ok(&["create", "secret", "generic", "s", "-n", "a"])));
    assert_eq!(one.len(), 1);
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}});
    let as_old = asked(&|| drop(servers.ok_with(&["create", "-f", "-"], &scaler.to_string())));
    let [as_old] = as_old.as_slice() else {
        panic!("{as_old:?}")
    };
    assert_eq!(as_old["kind"]["version"], "v1");
    assert_eq!(as_old["requestKind"]["version"], "v2");
    assert_eq!(as_old["object"]["apiVersion"], "autoscaling/v1");
    assert_eq!(
        as_old["object"]["spec"]["targetCPUUtilizationPercentage"],
        50
    );
}

/// Answers a ConversionReview: `size` in the first version is `length` in the second.
fn converts(review: &Value) -> Value {
    let request = &review["request"];
    let wanted = request["desiredAPIVersion"].as_str().unwrap();
    let (from, to) = match wanted.ends_with("/v2") {
        true => ("size", "length"),
        false => ("length", "size"),
    };
    let objects = request["objects"].as_array().unwrap();
    if objects.iter().any(|one| one["metadata"]["name"] == "odd") {
        let result = json!({"status": "Failure", "message": "too odd"});
        return json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "response": {"uid": request["uid"], "result": result},
        });
    }
    let objects = objects.iter().cloned().map(|mut object| {
        object["apiVersion"] = wanted.into();
        let spec = object["spec"].as_object_mut().unwrap();
        if let Some(value) = spec.remove(from) {
            spec.insert(to.into(), value);
        }
        object
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
        "response": {
            "uid": request["uid"], "result": {"status": "Success"},
            "convertedObjects": objects.collect::<Vec<Value>>(),
        },
    })
}

#[tokio::test]
async fn who_wants_a_version_that_only_a_webhook_can_make_is_asked_in_that_version() {
    let servers = Servers::start(1).await;
    let converter = Webhook::start(|review| Reply::Json(converts(review)));
    let version = |name: &str, field: &str| {
        json!({"name": name, "served": true, "storage": name == "v1", "schema": {"openAPIV3Schema": {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {field: {"type": "integer"}}}},
        }}})
    };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [version("v1", "size"), version("v2", "length")],
            "conversion": {"strategy": "Webhook", "webhook": {
                "clientConfig": converter.client("/"), "conversionReviewVersions": ["v1"],
            }},
        },
    });
    servers.ok_with(&["create", "-f", "-"], &definition.to_string());
    let name = "crd/widgets.example.com";
    servers.ok(&["wait", "--for=condition=Established", "--timeout=60s", name]);
    let changes = Webhook::start(|review| {
        let patch = json!([{"op": "replace", "path": "/spec/length", "value": 5}]);
        Reply::Json(patched(review, &patch))
    });
    let judges = Webhook::allowing();
    let rules = |word: &str| json!({"rules": rule(&[word], "example.com", "v2", &["widgets"])});
    let hooks = vec![hook("m", changes.client("/"), rules("CREATE"))];
    configure(&servers, MUTATING, "m", hooks);
    let hooks = vec![hook("v", judges.client("/"), rules("*"))];
    configure(&servers, VALIDATING, "v", hooks);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"operations": ["CREATE"], "apiGroups": ["example.com"],
                "apiVersions": ["v2"], "resources": ["widgets"]}]},
            "validations": [{"expression": "object.spec.length != 5 || object.metadata.name != 'never'"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "p"}, "spec": {"policyName": "p", "validationActions": ["Deny"]},
    });
    servers.ok_with(&["create", "-f", "-"], &policy.to_string());
    servers.ok_with(&["create", "-f", "-"], &binding.to_string());
    let widget = |name: &str| {
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 1}})
            .to_string()
    };
    let never = widget("never");
    skerry_tests_harness::eventually("the policy counts", skerry_tests_kubectl::DEADLINE, || {
        let dry = ["create", "--dry-run=server", "-f", "-"];
        let ended = servers.run_on(0, &dry, &never);
        anyhow::ensure!(
            ended.err.contains("denied request: failed expression"),
            "{ended:?}"
        );
        Ok(())
    })
    .unwrap();
    changes.asked();
    judges.asked();
    servers.ok_with(&["create", "-f", "-"], &widget("one"));
    let got = [
        "get",
        "widgets.v1.example.com",
        "one",
        "-o",
        "jsonpath={.spec}",
    ];
    assert_eq!(servers.ok(&got), r#"{"size":5}"#);
    let (changed, judged) = (changes.asked(), judges.asked());
    for (asked, length) in [(&changed, 1), (&judged, 5)] {
        let [asked] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        assert_eq!(asked["kind"]["version"], "v2");
        assert_eq!(asked["requestKind"]["version"], "v1");
        assert_eq!(asked["object"]["apiVersion"], "example.com/v2");
        assert_eq!(asked["object"]["spec"], json!({"length": length}));
    }
    servers.ok(&["delete", "widgets.v1.example.com", "one"]);
    assert_eq!(judges.asked()[0]["oldObject"]["spec"], json!({"length": 5}));
    let refused = create(&servers, &[], &widget("odd")).err;
    assert!(
        refused.contains("(InternalError)")
            && refused
                .contains("conversion webhook for example.com/v1, Kind=Widget failed: too odd"),
        "{refused}"
    );
}

#[tokio::test]
async fn webhooks_have_a_say_in_reviews_of_access_and_of_tokens_too() {
    let servers = Servers::start(1).await;
    let changes = Webhook::start(|review| {
        let verb = "/spec/resourceAttributes/verb";
        match review["request"]["object"].pointer(verb) {
            Some(asked) if asked == "watch" => {
                let patch = json!([{"op": "replace", "path": verb, "value": "no such verb"}]);
                Reply::Json(patched(review, &patch))
            }
            _ => Reply::Json(allowed(review)),
        }
    });
    let judges = Webhook::start(|review| {
        let is_token = review["request"]["kind"]["kind"] == "TokenReview";
        let result = json!({"allowed": !is_token, "status": {"message": "no tokens"}});
        Reply::Json(answer(review, result))
    });
    let groups = ["authorization.k8s.io", "authentication.k8s.io"];
    let rules: Vec<Value> = groups
        .iter()
        .flat_map(|group| match rule(&["CREATE"], group, "v1", &["*"]) {
            Value::Array(rules) => rules,
            _ => Vec::new(),
        })
        .chain(
            rule(&["CREATE"], "", "v1", &["configmaps"])
                .as_array()
                .unwrap()
                .clone(),
        )
        .collect();
    let rules = json!({ "rules": rules });
    let hooks = vec![hook("m", changes.client("/"), rules.clone())];
    configure(&servers, MUTATING, "m", hooks);
    configure(
        &servers,
        VALIDATING,
        "v",
        vec![hook("v", judges.client("/"), rules)],
    );
    judges.asked();
    servers.ok(&["auth", "can-i", "create", "pods"]);
    let [asked] = &judges.asked()[..] else {
        panic!("one question")
    };
    assert_eq!(asked["kind"]["kind"], "SelfSubjectAccessReview");
    assert_eq!(asked["operation"], "CREATE");
    assert_eq!(
        asked["object"]["spec"]["resourceAttributes"]["verb"],
        "create"
    );
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "nobody", "resourceAttributes": {"verb": "watch", "resource": "pods"}},
    });
    let told = [
        "create",
        "-f",
        "-",
        "-o",
        "jsonpath={.spec.resourceAttributes.verb}",
    ];
    assert_eq!(servers.ok_with(&told, &review.to_string()), "no such verb");
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "x"},
    });
    let refused = create(&servers, &[], &review.to_string()).err;
    assert!(
        refused.contains("admission webhook \"v.example.com\" denied the request: no tokens"),
        "{refused}"
    );
}

#[tokio::test]
async fn the_end_of_an_object_and_its_subresources_are_asked_about_too() {
    let servers = Servers::start(1).await;
    let webhook = Webhook::start(|review| {
        let request = &review["request"];
        let is_kept = request["operation"] == "DELETE" && request["name"] == "kept";
        let too_many =
            request["subResource"] == "scale" && request["object"]["spec"]["replicas"] == 9;
        let no_exec = request["operation"] == "CONNECT";
        Reply::Json(answer(
            review,
            json!({"allowed": !is_kept && !too_many && !no_exec}),
        ))
    });
    let all = rule(
        &["*"],
        "*",
        "*",
        &["configmaps", "deployments/*", "pods/*", "namespaces"],
    );
    configure(
        &servers,
        VALIDATING,
        "v",
        vec![hook("v", webhook.client("/"), json!({"rules": all}))],
    );
    servers.ok_with(&["create", "-f", "-"], &config_map("kept"));
    servers.ok_with(&["create", "-f", "-"], &config_map("gone"));
    webhook.asked();
    let denied = "admission webhook \"v.example.com\" denied the request without explanation";
    assert!(
        servers
            .fails(&["delete", "configmap", "kept"])
            .contains(denied)
    );
    let asked = webhook.asked();
    assert_eq!(
        (&asked[0]["object"], &asked[0]["oldObject"]["data"]),
        (&json!(null), &json!({"a": "b"}))
    );
    assert_eq!(asked[0]["options"]["propagationPolicy"], "Background");
    let refused = servers.fails(&["delete", "configmap", "--all"]);
    assert!(refused.contains(denied), "{refused}");
    servers.ok(&["get", "configmap", "kept"]);
    let unnamed =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}});
    webhook.asked();
    let made = servers.ok_with(&["create", "-f", "-", "-o", "name"], &unnamed.to_string());
    // Whoever judges sees the name that was made up.
    let judged = webhook.asked()[0]["name"].clone();
    assert_eq!(
        made.trim(),
        format!("configmap/{}", judged.as_str().unwrap())
    );
    let all = "/api/v1/namespaces/default/configmaps?labelSelector=x%3Dy";
    servers.ok(&["label", "configmap", judged.as_str().unwrap(), "x=y"]);
    webhook.asked();
    servers.ok(&["delete", "--raw", all]);
    let asked = webhook.asked();
    assert_eq!((asked.len(), &asked[0]["name"]), (1, &json!(null)));
    assert_eq!(asked[0]["oldObject"]["metadata"]["name"], judged);

    servers.ok(&["create", "deployment", "d", "--image=i"]);
    webhook.asked();
    servers.ok(&["scale", "deployment", "d", "--replicas=3"]);
    let scale = webhook.asked();
    let [scale] = scale.as_slice() else {
        panic!("{scale:?}")
    };
    assert_eq!(
        scale["kind"],
        json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
    );
    assert_eq!(
        (&scale["subResource"], &scale["name"]),
        (&json!("scale"), &json!("d"))
    );
    assert_eq!(
        (
            &scale["oldObject"]["spec"]["replicas"],
            &scale["object"]["spec"]["replicas"]
        ),
        (&json!(1), &json!(3))
    );
    assert!(
        servers
            .fails(&["scale", "deployment", "d", "--replicas=9"])
            .contains(denied)
    );
    servers.ok(&[
        "patch",
        "deployment",
        "d",
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status": {"replicas": 1}}"#,
    ]);
    assert_eq!(webhook.asked().last().unwrap()["subResource"], "status");

    servers.ok(&["run", "p", "--image=i"]);
    webhook.asked();
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"}});
    let raw = "/api/v1/namespaces/default/pods/p";
    assert!(servers.fails(&["exec", "p", "--", "ls"]).contains(denied));
    let connect = webhook.asked();
    assert_eq!(connect[0]["operation"], "CONNECT");
    assert_eq!(connect[0]["object"]["kind"], "PodExecOptions");
    assert_eq!(connect[0]["object"]["command"], json!(["ls"]));
    servers.ok_with(
        &["create", "--raw", &format!("{raw}/eviction"), "-f", "-"],
        &eviction.to_string(),
    );
    let evicted = webhook.asked();
    assert_eq!(
        (evicted.len(), &evicted[0]["kind"]["kind"]),
        (1, &json!("Eviction"))
    );

    servers.ok(&["create", "namespace", "team"]);
    servers.ok_with(&["create", "-n", "team", "-f", "-"], &config_map("kept"));
    servers.ok(&["delete", "namespace", "team", "--wait=false"]);
    // The webhook keeps the config map, and that the namespace.
    servers.until(0, &["get", "namespace", "team", "-o", "yaml"], |ended| {
        ended.out.contains("denied the request")
    });
    servers.ok(&["delete", VALIDATING, "v"]);
    servers.until(0, &["get", "namespace", "team"], |ended| {
        ended.err.contains("not found")
    });
}

#[tokio::test]
async fn a_webhook_for_everything_that_is_down_can_be_taken_away_and_keeps_nothing_else_from_working()
 {
    let servers = Servers::start(3).await;
    servers.ok(&["create", "namespace", "before"]);
    let nowhere = json!({"url": "https://127.0.0.1:1/"});
    let all = json!({"rules": rule(&["*"], "*", "*", &["*/*"]), "timeoutSeconds": 1});
    let hooks = || vec![hook("all", nowhere.clone(), all.clone())];
    configure(&servers, VALIDATING, "v", hooks());
    configure(&servers, MUTATING, "m", hooks());
    for member in 0..3 {
        let refused = servers.run_on(member, &["create", "configmap", "x"], "");
        assert!(
            refused
                .err
                .contains("failed calling webhook \"all.example.com\""),
            "{refused:?}"
        );
        assert!(servers.run_on(member, &["get", "namespaces"], "").ok);
        // Reviews are made like everything else.
        let refused = servers.run_on(member, &["auth", "can-i", "create", "pods"], "");
        assert!(
            refused
                .err
                .contains("failed calling webhook \"all.example.com\""),
            "{refused:?}"
        );
    }
    servers.ok(&["delete", VALIDATING, "v"]);
    servers.ok(&["delete", MUTATING, "m"]);
    for member in 0..3 {
        let name = format!("x{member}");
        servers.until(member, &["create", "configmap", &name], |ended| ended.ok);
    }
    servers.ok(&["delete", "namespace", "before"]);
}

#[tokio::test]
async fn three_members_ask_alike_and_what_one_webhook_answers_slowly_waits_for_nobody_else() {
    let servers = Servers::start(3).await;
    let webhook = Webhook::start(|review| match review["request"]["name"].as_str() {
        Some(name) if name.starts_with("slow") => Reply::Silence,
        _ => Reply::Json(patched(
            review,
            &json!([{"op": "add", "path": "/data/seen", "value": "yes"}]),
        )),
    });
    configure(
        &servers,
        MUTATING,
        "m",
        vec![hook(
            "m",
            webhook.client("/"),
            json!({"timeoutSeconds": 30}),
        )],
    );
    let slow: Vec<_> = (0..8)
        .map(|number| {
            let map = config_map(&format!("slow{number}"));
            let path = servers.cluster.folder().join(format!("slow{number}.json"));
            std::fs::write(&path, map).unwrap();
            servers.background(&["create", "-f", path.to_str().unwrap()])
        })
        .collect();
    for member in 0..3 {
        let name = format!("quick{member}");
        let begun = Instant::now();
        let made = servers.run_on(member, &["create", "-f", "-"], &config_map(&name));
        assert!(made.ok, "{made:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(
            servers.json(&["get", "configmap", &name])["data"]["seen"],
            "yes"
        );
    }
    drop(slow);
}

#[tokio::test]
async fn a_webhook_may_stand_behind_a_service() {
    let servers = Servers::start(1).await;
    let webhook = Webhook::start(|review| {
        Reply::Json(patched(
            review,
            &json!([{"op": "add", "path": "/data/seen", "value": "yes"}]),
        ))
    });
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"},
        "spec": {"type": "ExternalName", "externalName": "localhost"}});
    servers.ok_with(&["create", "-f", "-"], &service.to_string());
    let client = json!({
        "service": {"namespace": "default", "name": "hook", "path": "/p", "port": webhook.address().port()},
        "caBundle": webhook.authority(),
    });
    configure(&servers, MUTATING, "m", vec![hook("m", client, json!({}))]);
    servers.ok_with(&["create", "-f", "-"], &config_map("one"));
    assert_eq!(
        servers.json(&["get", "configmap", "one"])["data"]["seen"],
        "yes"
    );
    assert_eq!(webhook.targets(), ["/p?timeout=5s"]);
}

#[tokio::test]
async fn what_webhooks_say_is_in_the_audit_log_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let policy = folder.path().join("policy.yaml");
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request, resources: [{group: \"\", resources: [configmaps]}]}]\n";
    std::fs::write(&policy, text).unwrap();
    let settings = [
        format!("--audit-log-path={}", log.display()),
        format!("--audit-policy-file={}", policy.display()),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let servers = Servers::start_with(1, &settings).await;
    let webhook = Webhook::start(|review| {
        let mut review = patched(
            review,
            &json!([{"op": "add", "path": "/data/seen", "value": "yes"}]),
        );
        review["response"]["auditAnnotations"] = json!({"seen-by": "me"});
        Reply::Json(review)
    });
    let nowhere = json!({"url": "https://127.0.0.1:1/"});
    let hooks = vec![
        hook("m", webhook.client("/"), json!({})),
        hook("open", nowhere, json!({"failurePolicy": "Ignore"})),
    ];
    configure(&servers, MUTATING, "c", hooks);
    servers.ok_with(&["create", "-f", "-"], &config_map("one"));
    let noted = skerry_tests_harness::eventually(
        "the event is written",
        skerry_tests_kubectl::DEADLINE,
        || {
            let text = std::fs::read_to_string(&log)?;
            let events = text
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut found = events.filter(|event| {
                event["stage"] == "ResponseComplete"
                    && event["objectRef"]["name"] == "one"
                    && event["verb"] == "create"
            });
            found.next_back().ok_or_else(|| anyhow::anyhow!("no event"))
        },
    )
    .unwrap();
    let annotations = &noted["annotations"];
    assert_eq!(annotations["m.example.com/seen-by"], "me");
    assert_eq!(
        annotations["mutation.webhook.admission.k8s.io/round_0_index_1"],
        r#"{"configuration":"c","mutated":true,"webhook":"m.example.com"}"#
    );
    let patch = annotations["patch.webhook.admission.k8s.io/round_0_index_1"]
        .as_str()
        .unwrap();
    let patch: Value = serde_json::from_str(patch).unwrap();
    assert_eq!(patch["patch"][0]["path"], "/data/seen");
    assert_eq!(
        annotations["failed-open.mutation.webhook.admission.k8s.io/round_0_index_2"],
        "open.example.com"
    );
    let metrics = servers.ok(&["get", "--raw", "/metrics"]);
    for line in [
        "apiserver_admission_webhook_request_total{code=\"200\",name=\"m.example.com\",operation=\"CREATE\",rejected=\"false\",type=\"admit\"}",
        "apiserver_admission_webhook_fail_open_count{name=\"open.example.com\",type=\"admit\"}",
        "apiserver_admission_webhook_rejection_count{error_type=\"calling_webhook_error\",name=\"ready.example.com\",operation=\"CREATE\",rejection_code=\"503\",type=\"admit\"}",
        "apiserver_admission_webhook_admission_duration_seconds_count{name=\"m.example.com\",operation=\"CREATE\",rejected=\"false\",type=\"admit\"}",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

/// Something that a webhook might answer.
fn nonsense(random: &mut Random, review: &Value) -> Reply {
    let value = |random: &mut Random| match random.below(6) {
        0 => json!(null),
        1 => json!(random.bits() as i64),
        2 => json!("x".repeat(random.below(300))),
        3 => json!([[], {}, "/data", -1]),
        4 => json!({"metadata": {"name": "y", "finalizers": ["a"]}, "data": {"z": 1}}),
        _ => json!(true),
    };
    if random.chance(5) {
        let body = (0..random.below(500))
            .map(|_| random.bits() as u8)
            .collect();
        return Reply::Raw(
            [200, 201, 302, 400, 500][random.below(5)],
            "application/json",
            body,
        );
    }
    if random.chance(3) {
        return Reply::Close;
    }
    let paths = [
        "",
        "/",
        "/data",
        "/data/a",
        "/metadata",
        "/metadata/name",
        "/metadata/labels",
        "/metadata/managedFields",
        "/metadata/ownerReferences",
        "/kind",
        "/apiVersion",
        "/data/-",
        "/x/y/z",
        "/metadata/annotations",
        "/binaryData",
    ];
    let operations = ["add", "remove", "replace", "copy", "move", "test", "odd"];
    let patch: Vec<Value> = (0..random.below(6))
        .map(|_| {
            let mut one = json!({"op": *random.pick(&operations), "path": *random.pick(&paths)});
            if random.chance(70) {
                one["value"] = value(random);
            }
            if random.chance(30) {
                one["from"] = (*random.pick(&paths)).into();
            }
            one
        })
        .collect();
    let mut answer = patched(review, &patch.into());
    if random.chance(30) {
        let fields = [
            "uid",
            "allowed",
            "patch",
            "patchType",
            "status",
            "warnings",
            "auditAnnotations",
        ];
        let field = *random.pick(&fields);
        answer["response"][field] = value(random);
    }
    if random.chance(20) {
        answer["response"]["allowed"] = false.into();
        answer["response"]["status"] = json!({"code": random.below(2000), "message": value(random), "reason": value(random), "details": value(random)});
    }
    if random.chance(5) {
        answer = value(random);
    }
    Reply::Json(answer)
}

#[tokio::test]
async fn whatever_webhooks_answer_the_server_goes_on() {
    const SEED: u64 = 36;
    let servers = Servers::start(1).await;
    let count = AtomicUsize::new(0);
    let webhook = Webhook::start(move |review| {
        let seed = SEED + count.fetch_add(1, Ordering::SeqCst) as u64;
        nonsense(&mut Random::new(seed), review)
    });
    let again = json!({"reinvocationPolicy": "IfNeeded"});
    configure(
        &servers,
        MUTATING,
        "m",
        vec![hook("m", webhook.client("/"), again)],
    );
    // One file of many objects: kubectl goes on after each that is refused.
    let objects: Vec<Value> = (0..300)
        .map(|number| serde_json::from_str(&config_map(&format!("n{number}"))).unwrap())
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let ended = servers.run_on(0, &["create", "-f", "-"], &list);
    let refused = ended
        .err
        .lines()
        .filter(|line| line.contains("Error"))
        .count();
    assert!(
        refused > 50 && ended.out.lines().count() > 20,
        "{refused} {}",
        ended.out.len()
    );
    assert!(webhook.asked().len() >= 300);
    servers.ok(&["delete", MUTATING, "m"]);
    servers.until(0, &["create", "configmap", "after"], |ended| ended.ok);
    servers.ok(&["get", "configmaps"]);
}

#[tokio::test]
async fn conditions_say_when_a_webhook_is_worth_asking() {
    let servers = Servers::start(1).await;
    let webhook = Webhook::allowing();
    let when = |expressions: &[&str]| {
        let conditions = expressions.iter().enumerate();
        let conditions: Vec<Value> = conditions
            .map(|(i, text)| json!({"name": format!("c{i}"), "expression": text}))
            .collect();
        json!({ "matchConditions": conditions })
    };
    let mut closed = when(&["object.data.missing == 'x'"]);
    closed["objectSelector"] = json!({"matchLabels": {"closed": "yes"}});
    let mut open = closed.clone();
    open["objectSelector"] = json!({"matchLabels": {"open": "yes"}});
    open["failurePolicy"] = "Ignore".into();
    let client = || webhook.client("/");
    let hooks = vec![
        hook(
            "when",
            client(),
            when(&[
                "request.operation == 'CREATE'",
                "object.data.a == 'b'",
                "!('system:nodes' in request.userInfo.groups)",
                "authorizer.group('').resource('secrets').check('create').allowed()",
            ]),
        ),
        hook(
            "never",
            client(),
            when(&["object.data.missing == 'x'", "request.name == 'other'"]),
        ),
        hook("closed", client(), closed),
        hook("open", client(), open),
    ];
    configure(&servers, VALIDATING, "v", hooks);
    webhook.asked();
    servers.ok_with(&["create", "-f", "-"], &config_map("one"));
    assert_eq!(webhook.asked().len(), 1);
    servers.ok(&["label", "configmap", "one", "x=y"]);
    assert_eq!(webhook.asked().len(), 0);
    let refused = servers.fails(&["label", "configmap", "one", "closed=yes"]);
    assert_eq!(
        refused,
        "Error from server (Forbidden): configmaps \"one\" is forbidden: expression 'object.data.missing == 'x'' resulted in error: no such key: missing\n"
    );
    servers.ok(&["label", "configmap", "one", "open=yes"]);
    assert_eq!(webhook.asked().len(), 0);

    let bad = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": VALIDATING, "metadata": {"name": "bad"},
        "webhooks": [hook("v", client(), when(&["1 + 1", "request.nothing"]))],
    });
    let refused = servers.fails_with(&["create", "-f", "-"], &bad.to_string());
    for said in [
        "webhooks[0].matchConditions[0].expression: Invalid value: \"1 + 1\": must evaluate to bool but got int",
        "webhooks[0].matchConditions[1].expression: Invalid value: \"request.nothing\": compilation failed: ERROR: <input>:1:8: undefined field 'nothing'",
    ] {
        assert!(refused.contains(said), "{refused}");
    }
}

#[tokio::test]
async fn what_a_webhook_has_against_one_object_keeps_the_server_from_none_of_the_others() {
    let servers = Servers::start(1).await;
    let webhook = Webhook::start(|review| {
        let request = &review["request"];
        let is_held = request["operation"] == "DELETE"
            && request["oldObject"]["metadata"]["labels"]["held"] == "yes";
        Reply::Json(answer(
            review,
            json!({"allowed": !is_held, "status": {"code": 500}}),
        ))
    });
    let all = json!({"rules": rule(&["DELETE"], "", "v1", &["configmaps"])});
    servers.ok_with(&["create", "-f", "-"], &config_map("owner"));
    let uid = servers.json(&["get", "configmap", "owner"])["metadata"]["uid"].clone();
    // The first of them is looked at first, by name.
    for (name, held) in [("a", "yes"), ("b", "no")] {
        let owned = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"held": held},
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]}});
        servers.ok_with(&["create", "-f", "-"], &owned.to_string());
        servers.ok(&["create", "namespace", &format!("n{name}")]);
        let kept = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": format!("n{name}"), "labels": {"held": held}}});
        servers.ok_with(&["create", "-f", "-"], &kept.to_string());
    }
    configure(
        &servers,
        VALIDATING,
        "v",
        vec![hook("v", webhook.client("/"), all)],
    );
    servers.ok(&["delete", "namespace", "na", "nb", "--wait=false"]);
    servers.ok(&["delete", "configmap", "owner"]);
    servers.until(0, &["get", "namespace", "nb"], |ended| {
        ended.err.contains("not found")
    });
    servers.until(0, &["get", "configmap", "b"], |ended| {
        ended.err.contains("not found")
    });
    servers.ok(&["get", "namespace", "na"]);
    servers.ok(&["get", "configmap", "a"]);
}
