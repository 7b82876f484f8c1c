//! Admission webhooks: small TLS servers of the test's own, asked about its own namespace.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use skerry_tests_conformance::{MUTATING, VALIDATING, World, anything, containers, rule, version};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, config_map, refusal};
use skerry_tests_kubectl::webhook::{Reply, Webhook, allowed, answer, patched};

const EVERYTHING: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];

fn maps() -> Value {
    json!([rule(&["CREATE", "UPDATE"], "", "v1", "configmaps")])
}

fn denied(review: &Value, why: &str) -> Value {
    answer(
        review,
        json!({"allowed": false, "status": {"message": why}}),
    )
}

/// Denies what has the key.
fn denying(key: &'static str) -> Webhook {
    Webhook::start(move |review| {
        let has = review["request"]["object"]["data"][key].is_string();
        Reply::Json(match has {
            true => denied(review, "the configmap contains unwanted key and value"),
            false => allowed(review),
        })
    })
}

/// Adds `stage-N` where it finds the stage before.
fn staging(stage: usize) -> Webhook {
    Webhook::start(move |review| {
        let data = &review["request"]["object"]["data"];
        let before = match stage {
            1 => data["mutation-start"] == "yes",
            _ => data[format!("mutation-stage-{}", stage - 1)] == "yes",
        };
        let path = format!("/data/mutation-stage-{stage}");
        let patch = json!([{"op": "add", "path": path, "value": "yes"}]);
        Reply::Json(match before {
            true => patched(review, &patch),
            false => allowed(review),
        })
    })
}

async fn create(world: &World, name: &str, key: &str) -> kube::Result<ConfigMap> {
    let map = config_map(name, key, "yes");
    world.maps().create(&PostParams::default(), &map).await
}

/// Makes a map with that key and takes it away; what it then has.
async fn passing(world: &World, key: &str) -> kube::Result<Vec<String>> {
    let made = create(world, "passing", key).await?;
    world
        .maps()
        .delete("passing", &DeleteParams::default())
        .await?;
    Ok(made.data.unwrap_or_default().into_keys().collect())
}

#[tokio::test]
async fn config_maps_are_mutated_in_order() {
    let world = World::new("hook-order").await;
    let (first, second) = (staging(1), staging(2));
    let hooks = vec![
        world.hook("first", first.client("/"), maps()),
        world.hook("second", second.client("/"), maps()),
    ];
    world.configure(MUTATING, "order", hooks).await;
    let wanted = ["mutation-stage-1", "mutation-stage-2", "mutation-start"];
    assert_eq!(passing(&world, "mutation-start").await.unwrap(), wanted);
    assert_eq!(passing(&world, "other").await.unwrap(), ["other"]);
    world.unconfigure(MUTATING, "order").await;
}

#[tokio::test]
async fn mutating_webhooks_are_listed_and_deleted_together() {
    let world = World::new("hook-list-mutating").await;
    let webhook = staging(1);
    for number in 0..10 {
        let hook = world.hook("stage", webhook.client("/"), maps());
        world
            .configure(MUTATING, &format!("n{number}"), vec![hook])
            .await;
    }
    let own = ListParams::default().labels("conformance=hook-list-mutating");
    let found = world.configurations(MUTATING).list(&own).await.unwrap();
    assert_eq!(found.items.len(), 10);
    let keys = passing(&world, "mutation-start").await.unwrap();
    assert_eq!(keys, ["mutation-stage-1", "mutation-start"]);
    world.unconfigure(MUTATING, "n9").await;
    eventually_async("nothing is mutated", DEADLINE, || async {
        let keys = passing(&world, "mutation-start").await?;
        anyhow::ensure!(keys == ["mutation-start"], "{keys:?}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn validating_webhooks_are_listed_and_deleted_together() {
    let world = World::new("hook-list-validating").await;
    let webhook = denying("webhook-e2e-test");
    for number in 0..10 {
        let hook = world.hook("deny", webhook.client("/"), maps());
        world
            .configure(VALIDATING, &format!("n{number}"), vec![hook])
            .await;
    }
    let own = ListParams::default().labels("conformance=hook-list-validating");
    let found = world.configurations(VALIDATING).list(&own).await.unwrap();
    assert_eq!(found.items.len(), 10);
    let status = refusal(passing(&world, "webhook-e2e-test").await);
    assert!(status.message.contains("unwanted key"), "{status:?}");
    world.unconfigure(VALIDATING, "n9").await;
    eventually_async("nothing is denied", DEADLINE, || async {
        passing(&world, "webhook-e2e-test").await?;
        Ok(())
    })
    .await
    .unwrap();
}

/// Has the second webhook of a configuration asked about these operations.
async fn change(world: &World, kind: &'static str, name: &str, operations: &[&str], whole: bool) {
    let api = world.configurations(kind);
    let name = format!("{}-{name}", world.namespace);
    if whole {
        let mut object = api.get(&name).await.unwrap();
        object.data["webhooks"][1]["rules"][0]["operations"] = json!(operations);
        api.replace(&name, &PostParams::default(), &object)
            .await
            .unwrap();
    } else {
        let path = "/webhooks/1/rules/0/operations";
        let patch = json!([{"op": "replace", "path": path, "value": operations}]);
        let patch = Patch::<()>::Json(serde_json::from_value(patch).unwrap());
        api.patch(&name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_mutating_webhook_is_updated_and_patched() {
    let world = World::new("hook-update-mutating").await;
    let webhook = staging(1);
    let hook = world.hook("stage", webhook.client("/"), maps());
    world.configure(MUTATING, "one", vec![hook]).await;
    for (operations, whole, wanted) in [(["UPDATE"], true, 1), (["CREATE"], false, 2)] {
        change(&world, MUTATING, "one", &operations, whole).await;
        eventually_async("the rules count", DEADLINE, || async {
            let keys = passing(&world, "mutation-start").await?;
            anyhow::ensure!(keys.len() == wanted, "{keys:?}");
            Ok(())
        })
        .await
        .unwrap();
    }
    world.unconfigure(MUTATING, "one").await;
}

#[tokio::test]
async fn a_validating_webhook_is_updated_and_patched() {
    let world = World::new("hook-update-validating").await;
    let webhook = denying("bad");
    let hook = world.hook("deny", webhook.client("/"), maps());
    world.configure(VALIDATING, "one", vec![hook]).await;
    for (operations, whole, wanted) in [(["UPDATE"], true, true), (["CREATE"], false, false)] {
        change(&world, VALIDATING, "one", &operations, whole).await;
        eventually_async("the rules count", DEADLINE, || async {
            let passes = passing(&world, "bad").await.is_ok();
            anyhow::ensure!(passes == wanted);
            Ok(())
        })
        .await
        .unwrap();
    }
    world.unconfigure(VALIDATING, "one").await;
}

#[tokio::test]
async fn pods_and_config_maps_are_denied() {
    let world = World::new("hook-deny").await;
    let webhook = Webhook::start(|review| {
        let object = &review["request"]["object"];
        if object["metadata"]["name"] == "hanging" {
            return Reply::Silence;
        }
        let image = &object["spec"]["containers"][0]["image"];
        let bad = image == "example.test/bad" || object["data"]["bad"].is_string();
        Reply::Json(match bad {
            true => denied(review, "it contains what is not wanted"),
            false => allowed(review),
        })
    });
    let rules = json!([
        rule(&["CREATE"], "", "v1", "pods"),
        rule(&["CREATE", "UPDATE"], "", "v1", "configmaps"),
    ]);
    let mut hook = world.hook("deny", webhook.client("/"), rules);
    hook["timeoutSeconds"] = json!(1);
    world.configure(VALIDATING, "one", vec![hook]).await;
    let status = refusal(create(&world, "denied", "bad").await);
    assert_eq!(status.code, 400);
    let wanted = "admission webhook \"deny.hook-deny.test\" denied the request: it contains";
    assert!(status.message.contains(wanted), "{}", status.message);
    let pods: kube::Api<DynamicObject> = world.dynamic(("", "v1", "Pod", "pods"), true);
    let pod = async |name: &str, image: &str| {
        let containers = json!([{"name": "main", "image": image}]);
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name}, "spec": {"containers": containers},
        });
        let pod = serde_json::from_value(pod).unwrap();
        pods.create(&PostParams::default(), &pod).await
    };
    assert!(
        refusal(pod("denied", "example.test/bad").await)
            .message
            .contains("denied")
    );
    let status = refusal(pod("hanging", "example.test/web").await);
    assert_eq!(status.code, 500);
    assert!(
        status.message.contains("failed calling webhook"),
        "{}",
        status.message
    );
    assert!(pods.get_opt("hanging").await.unwrap().is_none());

    create(&world, "allowed", "good").await.unwrap();
    let mut map = world.maps().get("allowed").await.unwrap();
    map.data
        .as_mut()
        .unwrap()
        .insert("bad".into(), "yes".into());
    let replaced = world
        .maps()
        .replace("allowed", &PostParams::default(), &map)
        .await;
    assert!(refusal(replaced).message.contains("denied the request"));
    let patch = Patch::Merge(json!({"data": {"bad": "yes"}}));
    let patch = world
        .maps()
        .patch("allowed", &PatchParams::default(), &patch)
        .await;
    assert!(refusal(patch).message.contains("denied the request"));

    // Another namespace is none of its business.
    let other = World::new("hook-deny-not").await;
    create(&other, "allowed", "bad").await.unwrap();
    world.unconfigure(VALIDATING, "one").await;
}

#[tokio::test]
async fn attaching_is_denied() {
    let world = World::new("hook-attach").await;
    let webhook = Webhook::start(|review| Reply::Json(denied(review, "attaching is not wanted")));
    let rules = json!([rule(&["CONNECT"], "", "v1", "pods/attach")]);
    let hook = world.hook("attach", webhook.client("/"), rules);
    world.configure(VALIDATING, "one", vec![hook]).await;
    let pods: kube::Api<DynamicObject> = world.dynamic(("", "v1", "Pod", "pods"), true);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"},
        "spec": {"nodeName": "node-1", "containers": containers()},
    });
    let pod = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let path = format!(
        "/api/v1/namespaces/{}/pods/one/attach?stdout=true",
        world.namespace
    );
    let status = refusal(world.get(&path).await);
    assert!(
        status.message.contains("attaching is not wanted"),
        "{status:?}"
    );
    assert_eq!(webhook.asked()[0]["operation"], "CONNECT");
    world.unconfigure(VALIDATING, "one").await;
}

#[tokio::test]
async fn the_timeout_is_kept() {
    let world = World::new("hook-timeout").await;
    let webhook = Webhook::start(|review| {
        // Slower than one timeout, faster than the other.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        Reply::Json(allowed(review))
    });
    for (name, timeout, policy, passes) in [
        ("short-fail", 1, "Fail", false),
        ("short-ignore", 1, "Ignore", true),
        ("long-fail", 10, "Fail", true),
        ("default", 0, "Fail", true),
    ] {
        let mut hook = world.hook("slow", webhook.client("/"), maps());
        hook["failurePolicy"] = json!(policy);
        hook["timeoutSeconds"] = json!((timeout > 0).then_some(timeout));
        hook["objectSelector"] = json!({"matchExpressions": [
            {"key": "ready", "operator": "DoesNotExist"},
        ]});
        world.configure(VALIDATING, name, vec![hook]).await;
        let made = create(&world, name, "a").await;
        assert_eq!(made.is_ok(), passes, "{name}: {made:?}");
        if !passes {
            let status = refusal(made);
            assert!(
                status.message.contains("failed calling webhook"),
                "{}",
                status.message
            );
        }
        world.unconfigure(VALIDATING, name).await;
    }
}

#[tokio::test]
async fn all_but_one_name_are_mutated() {
    let world = World::new("hook-skip").await;
    let webhook = staging(1);
    let mut hook = world.hook("stage", webhook.client("/"), maps());
    hook["matchConditions"] = json!([
        {"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"},
    ]);
    world.configure(MUTATING, "one", vec![hook]).await;
    let made = create(&world, "skip-me", "mutation-start").await.unwrap();
    assert_eq!(made.data.unwrap().len(), 1);
    let made = create(&world, "mutate-me", "mutation-start").await.unwrap();
    assert_eq!(made.data.unwrap().len(), 2);
    world.unconfigure(MUTATING, "one").await;
}

#[tokio::test]
async fn what_a_webhook_adds_to_a_pod_is_defaulted() {
    let world = World::new("hook-defaults").await;
    let webhook = Webhook::start(|review| {
        let added = json!([{"name": "webhook-added-init-container", "image": "example.test/init"}]);
        let patch = json!([{"op": "add", "path": "/spec/initContainers", "value": added}]);
        Reply::Json(patched(review, &patch))
    });
    let rules = json!([rule(&["CREATE"], "", "v1", "pods")]);
    let hook = world.hook("add", webhook.client("/"), rules);
    world.configure(MUTATING, "one", vec![hook]).await;
    let pods: kube::Api<DynamicObject> = world.dynamic(("", "v1", "Pod", "pods"), true);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"},
        "spec": {"containers": containers()},
    });
    let pod = serde_json::from_value(pod).unwrap();
    let made = pods.create(&PostParams::default(), &pod).await.unwrap();
    let added = &made.data["spec"]["initContainers"][0];
    assert_eq!(added["name"], "webhook-added-init-container");
    assert_eq!(added["terminationMessagePolicy"], "File");
    world.unconfigure(MUTATING, "one").await;
}

#[tokio::test]
async fn configurations_of_webhooks_are_nobodys_business() {
    let world = World::new("hook-own").await;
    let webhook = Webhook::start(|review| match review["request"]["operation"] == "DELETE" {
        true => Reply::Json(denied(review, "never")),
        false => {
            let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}]);
            Reply::Json(patched(review, &patch))
        }
    });
    let own = "admissionregistration.k8s.io";
    let rules = json!([
        rule(
            &["CREATE", "UPDATE", "DELETE"],
            own,
            "v1",
            "mutatingwebhookconfigurations"
        ),
        rule(
            &["CREATE", "UPDATE", "DELETE"],
            own,
            "v1",
            "validatingwebhookconfigurations"
        ),
    ]);
    for kind in [MUTATING, VALIDATING] {
        let mut hook = world.hook("own", webhook.client("/"), rules.clone());
        hook["namespaceSelector"] = json!({});
        world.configure(kind, "one", vec![hook]).await;
    }
    for kind in [MUTATING, VALIDATING] {
        let api = world.configurations(kind);
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": {"name": "hook-own-other"}, "webhooks": [],
        });
        let object = serde_json::from_value(object).unwrap();
        let made = api.create(&PostParams::default(), &object).await.unwrap();
        assert_eq!(made.metadata.labels, None);
        api.delete("hook-own-other", &DeleteParams::default())
            .await
            .unwrap();
    }
    assert!(webhook.asked().is_empty());
    for kind in [MUTATING, VALIDATING] {
        let own = ListParams::default().labels("conformance=hook-own");
        let api = world.configurations(kind);
        api.delete_collection(&DeleteParams::default(), &own)
            .await
            .unwrap();
    }
}

async fn invalid_conditions(world: &World, kind: &'static str) {
    let nobody = json!({"url": "https://127.0.0.1:1/"});
    let mut hook = world.hook("invalid", nobody, maps());
    hook["matchConditions"] = json!([
        {"name": "valid", "expression": "true"},
        {"name": "invalid", "expression": "... [] bad expression"},
    ]);
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": {"name": "hook-invalid"}, "webhooks": [hook],
    });
    let object = serde_json::from_value(object).unwrap();
    let api = world.configurations(kind);
    let status = refusal(api.create(&PostParams::default(), &object).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(
        status.message.contains("compilation failed"),
        "{}",
        status.message
    );
    let place = "webhooks[0].matchConditions[1].expression";
    assert!(status.message.contains(place), "{}", status.message);
}

#[tokio::test]
async fn mutating_webhooks_with_wrong_conditions_are_refused() {
    let world = World::new("hook-wrong-mutating").await;
    invalid_conditions(&world, MUTATING).await;
}

#[tokio::test]
async fn validating_webhooks_with_wrong_conditions_are_refused() {
    let world = World::new("hook-wrong-validating").await;
    invalid_conditions(&world, VALIDATING).await;
}

#[tokio::test]
async fn a_webhook_that_cannot_be_called_refuses_everything() {
    let world = World::new("hook-closed").await;
    let webhook = Webhook::allowing();
    // Without the authority its certificate is nobody's.
    let client = json!({"url": format!("https://{}/", webhook.address())});
    let mut hook = world.hook("closed", client, maps());
    hook["failurePolicy"] = json!("Fail");
    world.configure(VALIDATING, "one", vec![hook]).await;
    let status = refusal(create(&world, "one", "a").await);
    assert_eq!(
        (status.code, status.reason.as_str()),
        (500, "InternalError")
    );
    assert!(
        status
            .message
            .contains("failed calling webhook \"closed.hook-closed.test\"")
    );
    world.unconfigure(VALIDATING, "one").await;
    create(&world, "one", "a").await.unwrap();
}

#[tokio::test]
async fn definitions_are_denied() {
    let world = World::new("hook-definitions").await;
    let webhook = Webhook::start(|review| {
        let labels = &review["request"]["object"]["metadata"]["labels"];
        Reply::Json(match labels["webhook-e2e-test"] == "webhook-disallow" {
            true => denied(review, "the crd contains unwanted label"),
            false => allowed(review),
        })
    });
    let group = "apiextensions.k8s.io";
    let rules = json!([rule(&["CREATE"], group, "v1", "customresourcedefinitions")]);
    let mut hook = world.hook("crd", webhook.client("/"), rules);
    hook["namespaceSelector"] = json!({});
    hook["objectSelector"] = json!({"matchLabels": {"webhook-e2e-test": "webhook-disallow"}});
    world.configure(VALIDATING, "one", vec![hook]).await;
    let mut definition = world.definition(json!([version("v1", true, anything())]));
    definition["metadata"]["labels"] = json!({"webhook-e2e-test": "webhook-disallow"});
    let definition = serde_json::from_value(definition).unwrap();
    let made = world
        .definitions()
        .create(&PostParams::default(), &definition)
        .await;
    let status = refusal(made);
    assert!(
        status.message.contains("the crd contains unwanted label"),
        "{status:?}"
    );
    world.unconfigure(VALIDATING, "one").await;
}

#[tokio::test]
async fn custom_resources_are_denied() {
    let world = World::new("hook-custom-denied").await;
    let custom = world.define(json!([version("v1", true, anything())])).await;
    let webhook = Webhook::start(|review| {
        let request = &review["request"];
        let object = match request["operation"] == "DELETE" {
            true => &request["oldObject"],
            false => &request["object"],
        };
        Reply::Json(match object["data"]["bad"].is_string() {
            true => denied(review, "the custom resource contains unwanted data"),
            false => allowed(review),
        })
    });
    let rules = json!([rule(&EVERYTHING[..3], &custom.group, "v1", "widgets")]);
    let mut hook = world.hook("custom", webhook.client("/"), rules);
    hook["objectSelector"] = json!({"matchExpressions": [
        {"key": "unwatched", "operator": "DoesNotExist"},
    ]});
    world.configure(VALIDATING, "one", vec![hook]).await;
    let bad = json!({"data": {"bad": "yes"}});
    let status = refusal(custom.create("v1", "denied", bad.clone()).await);
    assert!(status.message.contains("unwanted data"), "{status:?}");
    custom
        .create("v1", "allowed", json!({"data": {"a": "b"}}))
        .await
        .unwrap();
    let objects = custom.objects("v1");
    let patch = Patch::Merge(bad.clone());
    let patched = objects
        .patch("allowed", &PatchParams::default(), &patch)
        .await;
    assert!(refusal(patched).message.contains("unwanted data"));
    let mut unwatched = bad;
    unwatched["metadata"] = json!({"labels": {"unwatched": "yes"}});
    custom.create("v1", "kept", unwatched).await.unwrap();
    let patch = Patch::Merge(json!({"metadata": {"labels": null}}));
    let patched = objects.patch("kept", &PatchParams::default(), &patch).await;
    assert!(refusal(patched).message.contains("unwanted data"));
    objects
        .delete("allowed", &DeleteParams::default())
        .await
        .unwrap();
    world.unconfigure(VALIDATING, "one").await;
    custom.remove().await;
}

#[tokio::test]
async fn custom_resources_are_mutated() {
    let world = World::new("hook-custom").await;
    let custom = world.define(json!([version("v1", true, anything())])).await;
    let webhook = staging(1);
    let rules = json!([rule(&["CREATE"], &custom.group, "v1", "widgets")]);
    let hook = world.hook("stage", webhook.client("/"), rules);
    world.configure(MUTATING, "one", vec![hook]).await;
    let made = custom
        .create("v1", "one", json!({"data": {"mutation-start": "yes"}}))
        .await;
    assert_eq!(made.unwrap().data["data"]["mutation-stage-1"], "yes");
    world.unconfigure(MUTATING, "one").await;
    custom.remove().await;
}

#[tokio::test]
async fn what_webhooks_add_to_custom_resources_is_pruned() {
    let world = World::new("hook-pruned").await;
    let text = json!({"type": "string"});
    let data = json!({"type": "object", "properties": {
        "mutation-start": text, "mutation-stage-1": text,
    }});
    let schema = json!({"type": "object", "properties": {"data": data}});
    let custom = world.define(json!([version("v1", true, schema)])).await;
    let (first, second) = (staging(1), staging(2));
    let rules = json!([rule(&["CREATE"], &custom.group, "v1", "widgets")]);
    let hooks = vec![
        world.hook("first", first.client("/"), rules.clone()),
        world.hook("second", second.client("/"), rules),
    ];
    world.configure(MUTATING, "one", hooks).await;
    let made = custom
        .create("v1", "one", json!({"data": {"mutation-start": "yes"}}))
        .await;
    let wanted = json!({"mutation-start": "yes", "mutation-stage-1": "yes"});
    assert_eq!(made.unwrap().data["data"], wanted);
    world.unconfigure(MUTATING, "one").await;
    custom.remove().await;
}

#[tokio::test]
async fn custom_resources_are_mutated_whatever_version_is_stored() {
    let world = World::new("hook-stored").await;
    let versions = json!([
        version("v1", true, anything()),
        version("v2", false, anything())
    ]);
    let custom = world.define(versions).await;
    let webhook = staging(1);
    let rules = json!([
        rule(&["CREATE", "UPDATE"], &custom.group, "v1", "widgets"),
        rule(&["CREATE", "UPDATE"], &custom.group, "v2", "widgets"),
    ]);
    let hook = world.hook("stage", webhook.client("/"), rules);
    world.configure(MUTATING, "one", vec![hook]).await;
    let made = custom
        .create("v1", "one", json!({"data": {"mutation-start": "yes"}}))
        .await;
    assert_eq!(made.unwrap().data["data"]["mutation-stage-1"], "yes");
    custom
        .operate(json!([
            {"op": "replace", "path": "/spec/versions/0/storage", "value": false},
            {"op": "replace", "path": "/spec/versions/1/storage", "value": true},
        ]))
        .await;
    let patch = Patch::Merge(json!({"dummy": "test"}));
    let objects = custom.objects("v1");
    let patched = objects
        .patch("one", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(patched.data["dummy"], "test");
    assert_eq!(
        custom.objects("v2").get("one").await.unwrap().data["dummy"],
        "test"
    );
    world.unconfigure(MUTATING, "one").await;
    custom.remove().await;
}
