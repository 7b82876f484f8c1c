//! Custom resources through three members: what one has been told, all of them do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams, WatchEvent, WatchParams,
};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use skerry_tests_harness::{Cluster, eventually_async};
use skerry_tests_kube_rs::{DEADLINE, plain_client, refusal, servers};

/// A definition with one version, or several of which the last one is kept.
fn definition(group: &str, plural: &str, kind: &str, versions: &[&str], spec: &Value) -> Value {
    let last = versions.last().unwrap();
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| {
            json!({
                "name": version, "served": true, "storage": version == last,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": spec, "status": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    }},
                }},
            })
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "plural": plural, "singular": kind.to_lowercase(),
                "kind": kind, "listKind": format!("{kind}List"),
            },
            "versions": versions,
        },
    })
}

fn anything() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn definitions(client: &Client) -> Api<CustomResourceDefinition> {
    Api::all(client.clone())
}

fn condition(definition: &CustomResourceDefinition, kind: &str) -> Option<(String, String)> {
    let status = definition.status.as_ref()?;
    let mut all = status.conditions.iter().flatten();
    let found = all.find(|one| one.type_ == kind)?;
    Some((
        found.status.clone(),
        found.reason.clone().unwrap_or_default(),
    ))
}

async fn wait_for(client: &Client, name: &str, kind: &str, wanted: (&str, &str)) {
    eventually_async("a condition", DEADLINE, || async {
        let found = condition(&definitions(client).get(name).await?, kind);
        let wanted = (wanted.0.to_owned(), wanted.1.to_owned());
        anyhow::ensure!(found == Some(wanted), "{found:?}");
        Ok(())
    })
    .await
    .unwrap();
}

async fn define(client: &Client, definition: &Value) {
    let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
    let definition = serde_json::from_value(definition.clone()).unwrap();
    definitions(client)
        .create(&PostParams::default(), &definition)
        .await
        .unwrap();
    wait_for(
        client,
        &name,
        "Established",
        ("True", "InitialNamesAccepted"),
    )
    .await;
}

fn objects(
    client: &Client,
    group: &str,
    version: &str,
    kind: &str,
    plural: &str,
) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Api::namespaced_with(client.clone(), "default", &resource)
}

fn object(group: &str, version: &str, kind: &str, name: &str, spec: Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": format!("{group}/{version}"), "kind": kind,
        "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap()
}

async fn clients(cluster: &Cluster) -> Vec<Client> {
    let mut clients = Vec::new();
    for member in 0..cluster.members.len() {
        clients.push(plain_client(cluster, member).await);
    }
    clients
}

#[tokio::test]
async fn every_member_serves_a_definition_as_soon_as_one_has_established_it() {
    let cluster = servers(3).await;
    let clients = clients(&cluster).await;
    for round in 0..12 {
        let (kind, plural) = (format!("Thing{round}"), format!("thing{round}s"));
        let group = "at-once.example.test";
        let made = definition(group, &plural, &kind, &["v1"], &anything());
        define(&clients[round % 3], &made).await;
        for client in &clients {
            let things = objects(client, group, "v1", &kind, &plural);
            things.list(&ListParams::default()).await.unwrap();
        }
        let next = objects(&clients[(round + 1) % 3], group, "v1", &kind, &plural);
        let thing = object(group, "v1", &kind, "a", json!({"deep": {"er": [1, "2"]}}));
        let created = next.create(&PostParams::default(), &thing).await.unwrap();
        assert_eq!(created.data["spec"], thing.data["spec"]);
    }
    // Discovery says the same everywhere.
    let mut known = BTreeSet::new();
    for client in &clients {
        let resources = client
            .list_api_group_resources("at-once.example.test/v1")
            .await
            .unwrap();
        let names: Vec<String> = resources
            .resources
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(names.len(), 24, "{names:?}");
        known.insert(names);
    }
    assert_eq!(known.len(), 1);
}

#[tokio::test]
async fn two_definitions_never_get_the_same_name() {
    let cluster = servers(3).await;
    let clients = clients(&cluster).await;
    let group = "names.example.test";
    let both = ["lefts", "rights"].map(|plural| {
        let mut made = definition(group, plural, "Hand", &["v1"], &anything());
        made["spec"]["names"]["singular"] = json!(plural);
        made["spec"]["names"]["listKind"] = json!(format!("{plural}List"));
        serde_json::from_value::<CustomResourceDefinition>(made).unwrap()
    });
    // At the same time, through two members.
    let post = PostParams::default();
    let (first, second) = (definitions(&clients[1]), definitions(&clients[2]));
    let (one, two) = tokio::join!(
        first.create(&post, &both[0]),
        second.create(&post, &both[1])
    );
    one.unwrap();
    two.unwrap();
    let judged = || async {
        let mut winners = Vec::new();
        for made in &both {
            let live = definitions(&clients[0]).get(&made.name_any()).await?;
            let names = condition(&live, "NamesAccepted");
            let names = names.ok_or_else(|| anyhow::anyhow!("not judged"))?;
            match names.0.as_str() {
                "True" => winners.push(made.name_any()),
                _ => assert_eq!(names.1, "KindConflict"),
            }
        }
        Ok(winners)
    };
    let winners = eventually_async("both are judged", DEADLINE, judged)
        .await
        .unwrap();
    let [winner] = winners.as_slice() else {
        panic!("{winners:?}")
    };
    // Once the winner has gone, its names are the other's.
    definitions(&clients[0])
        .delete(winner, &DeleteParams::default())
        .await
        .unwrap();
    let other = both.iter().find(|made| made.name_any() != *winner).unwrap();
    wait_for(
        &clients[1],
        &other.name_any(),
        "NamesAccepted",
        ("True", "NoConflicts"),
    )
    .await;
}

#[tokio::test]
async fn a_definition_goes_after_its_objects_and_these_after_their_finalizers() {
    let cluster = servers(3).await;
    let clients = clients(&cluster).await;
    let group = "going.example.test";
    let made = definition(group, "leaves", "Leaf", &["v1"], &anything());
    define(&clients[0], &made).await;
    let leaves = objects(&clients[1], group, "v1", "Leaf", "leaves");
    for name in ["a", "b", "held"] {
        let mut leaf = object(group, "v1", "Leaf", name, json!({}));
        if name == "held" {
            leaf.metadata.finalizers = Some(vec!["example.test/hold".into()]);
        }
        leaves.create(&PostParams::default(), &leaf).await.unwrap();
    }
    let name = "leaves.going.example.test";
    definitions(&clients[2])
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    wait_for(
        &clients[0],
        name,
        "Terminating",
        ("True", "InstanceDeletionInProgress"),
    )
    .await;
    // Nothing new comes in meanwhile.
    let late = object(group, "v1", "Leaf", "late", json!({}));
    eventually_async("creation is refused", DEADLINE, || async {
        match leaves.create(&PostParams::default(), &late).await {
            Err(kube::Error::Api(status)) if status.code == 405 => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .await
    .unwrap();
    eventually_async("the others are gone", DEADLINE, || async {
        let left = leaves.list(&ListParams::default()).await?;
        let left: Vec<String> = left.iter().map(ResourceExt::name_any).collect();
        anyhow::ensure!(left == ["held"], "{left:?}");
        Ok(())
    })
    .await
    .unwrap();
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    leaves
        .patch("held", &PatchParams::default(), &free)
        .await
        .unwrap();
    eventually_async("the definition is gone", DEADLINE, || async {
        match definitions(&clients[1]).get_opt(name).await? {
            None => Ok(()),
            Some(left) => anyhow::bail!("{:?}", left.status),
        }
    })
    .await
    .unwrap();
    let status = refusal(leaves.list(&ListParams::default()).await);
    assert_eq!(status.code, 404);
}

#[tokio::test]
async fn a_watch_ends_when_its_definition_changes_and_the_next_one_goes_on() {
    let cluster = servers(1).await;
    let client = plain_client(&cluster, 0).await;
    let group = "watched.example.test";
    let made = definition(group, "buoys", "Buoy", &["v1"], &anything());
    define(&client, &made).await;
    let buoys = objects(&client, group, "v1", "Buoy", "buoys");
    let mut watch = Box::pin(buoys.watch(&WatchParams::default(), "0").await.unwrap());
    let buoy = object(group, "v1", "Buoy", "a", json!({"light": "red"}));
    buoys.create(&PostParams::default(), &buoy).await.unwrap();
    let first = watch.try_next().await.unwrap().unwrap();
    let WatchEvent::Added(seen) = first else {
        panic!("{first:?}")
    };
    let version = seen.resource_version().unwrap();
    let column = json!([{"name": "Light", "type": "string", "jsonPath": ".spec.light"}]);
    let patch = json!([{
        "op": "add", "path": "/spec/versions/0/additionalPrinterColumns", "value": column,
    }]);
    let patch = Patch::<()>::Json(serde_json::from_value(patch).unwrap());
    definitions(&client)
        .patch(
            "buoys.watched.example.test",
            &PatchParams::default(),
            &patch,
        )
        .await
        .unwrap();
    let end = tokio::time::timeout(DEADLINE, async {
        while let Some(event) = watch.next().await {
            event.unwrap();
        }
    });
    end.await.expect("the watch ends");
    let change = Patch::Merge(json!({"spec": {"light": "green"}}));
    eventually_async("it can be changed", DEADLINE, || async {
        Ok(buoys.patch("a", &PatchParams::default(), &change).await?)
    })
    .await
    .unwrap();
    let mut watch = Box::pin(
        buoys
            .watch(&WatchParams::default(), &version)
            .await
            .unwrap(),
    );
    let next = watch.try_next().await.unwrap().unwrap();
    assert!(matches!(&next, WatchEvent::Modified(seen) if seen.data["spec"]["light"] == "green"));
}

#[tokio::test]
async fn objects_are_shown_in_every_version_whichever_they_are_kept_in() {
    let cluster = servers(3).await;
    let clients = clients(&cluster).await;
    let group = "versions.example.test";
    let name = "boats.versions.example.test";
    let mut made = definition(group, "boats", "Boat", &["v1", "v2"], &anything());
    define(&clients[0], &made).await;
    let of =
        |member: usize, version: &str| objects(&clients[member], group, version, "Boat", "boats");
    let post = PostParams::default();
    for (member, version, boat) in [(0, "v1", "a"), (1, "v2", "b")] {
        let boat = object(group, version, "Boat", boat, json!({"from": version}));
        let created = of(member, version).create(&post, &boat).await.unwrap();
        assert_eq!(
            created.types.unwrap().api_version,
            format!("{group}/{version}")
        );
    }
    let kept_in = |raw: Vec<u8>| {
        let value: Value = serde_json::from_slice(&raw).unwrap();
        value["apiVersion"].as_str().unwrap().to_owned()
    };
    let key = format!("/registry/{group}/boats/default/a");
    let range = skerry_tests_harness::proto::etcdserverpb::RangeRequest {
        key: key.into(),
        ..Default::default()
    };
    let mut store = cluster.client(0).unwrap();
    let found = store.kv.range(range).await.unwrap().into_inner();
    assert_eq!(kept_in(found.kvs[0].value.to_vec()), format!("{group}/v2"));
    // Another version is kept from now on, and the first is no longer served.
    made["spec"]["versions"] = json!([
        made["spec"]["versions"][0],
        made["spec"]["versions"][1],
        made["spec"]["versions"][1],
    ]);
    for (place, version, served, storage) in [
        (0, "v1", false, false),
        (1, "v2", true, false),
        (2, "v3", true, true),
    ] {
        let entry = &mut made["spec"]["versions"][place];
        (entry["name"], entry["served"], entry["storage"]) =
            (json!(version), json!(served), json!(storage));
    }
    let versions = Patch::Merge(json!({"spec": {"versions": made["spec"]["versions"]}}));
    definitions(&clients[2])
        .patch(name, &PatchParams::default(), &versions)
        .await
        .unwrap();
    for member in 0..3 {
        eventually_async("the new version is served", DEADLINE, || async {
            let list = of(member, "v3").list(&ListParams::default()).await?;
            let all: Vec<(String, Value)> = list
                .iter()
                .map(|boat| (boat.name_any(), boat.data["spec"]["from"].clone()))
                .collect();
            anyhow::ensure!(
                all == [("a".to_owned(), json!("v1")), ("b".to_owned(), json!("v2"))],
                "{all:?}"
            );
            let gone = of(member, "v1").list(&ListParams::default()).await;
            anyhow::ensure!(matches!(gone, Err(kube::Error::Api(status)) if status.code == 404));
            Ok(())
        })
        .await
        .unwrap();
    }
    let live = definitions(&clients[0]).get(name).await.unwrap();
    let kept = live.status.unwrap().stored_versions.unwrap();
    assert_eq!(kept, ["v2", "v3"]);
}

/// What the process holds in memory, in bytes.
fn resident(cluster: &Cluster) -> usize {
    let pid = cluster.members[0].pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn five_hundred_definitions_with_a_megabyte_of_schemas_cost_little() {
    const DEFINITIONS: usize = 500;
    const BYTES_MAX: usize = 16 << 20;
    let bare = servers(1).await;
    let mut cluster = servers(1).await;
    let client = plain_client(&cluster, 0).await;
    let fields: serde_json::Map<String, Value> = (0..16)
        .map(|number| {
            let field = json!({
                "type": "string", "maxLength": 100, "pattern": "^[a-z]+$",
                "description": "One of many fields that somebody has described at length.",
            });
            (format!("field{number}"), field)
        })
        .collect();
    let spec = json!({"type": "object", "properties": fields});
    let group = "many.example.test";
    let make = async |number: usize| {
        let (kind, plural) = (format!("Kind{number}"), format!("kind{number}s"));
        let made = definition(group, &plural, &kind, &["v1"], &spec);
        define(&client, &made).await;
        let things = objects(&client, group, "v1", &kind, &plural);
        let thing = object(
            group,
            "v1",
            &kind,
            "a",
            json!({"field1": "abc", "other": 1}),
        );
        let made = things.create(&PostParams::default(), &thing).await.unwrap();
        assert_eq!(made.data["spec"], json!({"field1": "abc"}));
        let wrong = object(group, "v1", &kind, "b", json!({"field1": "ABC"}));
        let status = refusal(things.create(&PostParams::default(), &wrong).await);
        assert_eq!(status.code, 422);
    };
    for number in 0..DEFINITIONS {
        make(number).await;
    }
    // What is in memory only because it has just been written is not theirs.
    cluster.members[0].kill().unwrap();
    cluster.restart(0).await.unwrap();
    let before = resident(&bare);
    for number in 0..DEFINITIONS {
        let (kind, plural) = (format!("Kind{number}"), format!("kind{number}s"));
        let things = objects(&client, group, "v1", &kind, &plural);
        let change = Patch::Merge(json!({"spec": {"field2": "def"}}));
        let changed = things.patch("a", &PatchParams::default(), &change).await;
        assert_eq!(changed.unwrap().data["spec"]["field2"], "def");
    }
    let schemas = spec.to_string().len() * DEFINITIONS;
    let grown = resident(&cluster).saturating_sub(before);
    println!("{schemas} bytes of schemas: {grown} bytes more than a server without");
    assert!(schemas > 1 << 20 && grown < BYTES_MAX, "{grown}");
}
