//! The crate's runtime: controllers, finalizers, stores, conditions and events.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event as StoredEvent;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::finalizer::{Event as Finalizer, finalizer};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::wait::{Condition, await_condition, conditions, delete::delete_and_finalize};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, client, config_map, namespace, servers};

const FINALIZER: &str = "example.test/keeper";
const KEPT: &str = "example.test/kept=yes";

/// What the controller of the test works with.
struct Keeper {
    client: Client,
    recorder: Recorder,
}

/// Every marked ConfigMap owns a Secret of its name with its entries.
async fn reconcile(map: Arc<ConfigMap>, keeper: Arc<Keeper>) -> Result<Action, kube::Error> {
    let namespace = map.namespace().unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(keeper.client.clone(), &namespace);
    let done = finalizer(&maps, FINALIZER, map, |event| async {
        match event {
            Finalizer::Apply(map) => keep(&map, &keeper).await,
            Finalizer::Cleanup(map) => {
                tell(&map, &keeper, "Released").await?;
                Ok(Action::await_change())
            }
        }
    });
    done.await.map_err(|error| match error {
        kube::runtime::finalizer::Error::ApplyFailed(error)
        | kube::runtime::finalizer::Error::CleanupFailed(error)
        | kube::runtime::finalizer::Error::AddFinalizer(error)
        | kube::runtime::finalizer::Error::RemoveFinalizer(error) => error,
        other => panic!("{other}"),
    })
}

async fn keep(map: &ConfigMap, keeper: &Keeper) -> Result<Action, kube::Error> {
    let namespace = map.namespace().unwrap();
    let secrets: Api<Secret> = Api::namespaced(keeper.client.clone(), &namespace);
    let secret = Secret {
        metadata: ObjectMeta {
            name: map.metadata.name.clone(),
            owner_references: Some(vec![map.controller_owner_ref(&()).unwrap()]),
            ..ObjectMeta::default()
        },
        string_data: map.data.clone(),
        ..Secret::default()
    };
    let options = PatchParams::apply("keeper").force();
    let name = map.name_any();
    secrets
        .patch(&name, &options, &Patch::Apply(&secret))
        .await?;
    tell(map, keeper, "Kept").await?;
    Ok(Action::requeue(Duration::from_millis(500)))
}

async fn tell(map: &ConfigMap, keeper: &Keeper, reason: &str) -> Result<(), kube::Error> {
    let event = Event {
        type_: EventType::Normal,
        reason: reason.into(),
        note: Some(format!("about {}", map.name_any())),
        action: "Keeping".into(),
        secondary: None,
    };
    keeper.recorder.publish(&event, &map.object_ref(&())).await
}

#[tokio::test]
async fn a_controller_keeps_what_it_owns_and_cleans_up() {
    let cluster = servers(1).await;
    let client = client(&cluster, 0).await;
    let namespace = namespace(&client, "kept").await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let reporter = Reporter {
        controller: "keeper".into(),
        instance: None,
    };
    let keeper = Arc::new(Keeper {
        client: client.clone(),
        recorder: Recorder::new(client.clone(), reporter),
    });
    let controller = Controller::new(maps.clone(), watcher::Config::default().labels(KEPT))
        .owns(secrets.clone(), watcher::Config::default())
        .run(
            reconcile,
            |_, _, _| Action::requeue(Duration::from_millis(100)),
            keeper,
        );
    let running = tokio::spawn(controller.for_each(|_| std::future::ready(())));

    let mut map = config_map("a", "word", "swordfish");
    map.labels_mut()
        .insert("example.test/kept".into(), "yes".into());
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    let said = |word: &'static str| {
        move |secret: Option<&Secret>| {
            let data = secret.and_then(|secret| secret.data.as_ref());
            data.is_some_and(|data| data["word"].0 == word.as_bytes())
        }
    };
    let wait =
        |word| tokio::time::timeout(DEADLINE, await_condition(secrets.clone(), "a", said(word)));
    let secret = wait("swordfish").await.unwrap().unwrap().unwrap();
    let owner = &secret.owner_references()[0];
    assert_eq!(
        (&owner.uid, owner.controller),
        (&made.uid().unwrap(), Some(true))
    );
    assert_eq!(maps.get("a").await.unwrap().finalizers(), [FINALIZER]);

    // A change of the owner is followed, and what is done to the owned is undone.
    let patch = Patch::Merge(json!({"data": {"word": "herring"}}));
    maps.patch("a", &PatchParams::default(), &patch)
        .await
        .unwrap();
    wait("herring").await.unwrap().unwrap();
    secrets.delete("a", &DeleteParams::default()).await.unwrap();
    wait("herring").await.unwrap().unwrap();

    // Deleted, it goes once it was cleaned up, and what it owns with it.
    let options = DeleteParams::default();
    let gone = delete_and_finalize(maps.clone(), "a", &options);
    tokio::time::timeout(DEADLINE, gone).await.unwrap().unwrap();
    let owned = await_condition(secrets.clone(), "a", conditions::is_created().not());
    tokio::time::timeout(DEADLINE, owned)
        .await
        .unwrap()
        .unwrap();

    let events: Api<StoredEvent> = Api::namespaced(client.clone(), &namespace);
    let all = events.list(&ListParams::default()).await.unwrap().items;
    let reasons: Vec<_> = all
        .iter()
        .map(|event| event.reason.clone().unwrap())
        .collect();
    assert!(
        reasons.contains(&"Kept".into()) && reasons.contains(&"Released".into()),
        "{reasons:?}"
    );
    let kept = all
        .iter()
        .find(|event| event.reason.as_deref() == Some("Kept"))
        .unwrap();
    assert_eq!(kept.regarding.as_ref().unwrap().uid, made.uid());
    // The same thing again is a series, not another event.
    assert!(
        kept.series.as_ref().is_some_and(|series| series.count > 1),
        "{kept:?}"
    );
    running.abort();
}

#[tokio::test]
async fn stores_hold_what_the_server_has() {
    let cluster = servers(1).await;
    let client = client(&cluster, 0).await;
    let namespace = namespace(&client, "stored").await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    for config in [
        watcher::Config::default().page_size(2),
        watcher::Config::default().streaming_lists(),
    ] {
        for number in 0..5 {
            let map = config_map(&format!("m{number}"), "x", "1");
            maps.create(&PostParams::default(), &map).await.unwrap();
        }
        let (store, writer) = reflector::store();
        let stream = watcher(maps.clone(), config)
            .default_backoff()
            .reflect(writer);
        let running = tokio::spawn(stream.for_each(|_| std::future::ready(())));
        tokio::time::timeout(DEADLINE, store.wait_until_ready())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(store.len(), 6);
        let options = DeleteParams::default();
        maps.delete("m0", &options).await.unwrap();
        let gone = || async {
            anyhow::ensure!(
                store
                    .get(&ObjectRef::new("m0").within(&namespace))
                    .is_none()
            );
            Ok(())
        };
        eventually_async("the store follows", DEADLINE, gone)
            .await
            .unwrap();
        running.abort();
        let made = ListParams::default().fields("metadata.name!=kube-root-ca.crt");
        maps.delete_collection(&options, &made).await.unwrap();
        assert_eq!(
            maps.list(&ListParams::default()).await.unwrap().items.len(),
            1
        );
    }
}

#[tokio::test]
async fn conditions_are_waited_for() {
    let cluster = servers(1).await;
    let client = client(&cluster, 0).await;
    let namespace = namespace(&client, "awaited").await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let waits = tokio::spawn(await_condition(maps.clone(), "a", conditions::is_created()));
    let made = maps
        .create(&PostParams::default(), &config_map("a", "x", "1"))
        .await
        .unwrap();
    let found = tokio::time::timeout(DEADLINE, waits)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.unwrap().unwrap().uid(), made.uid());
    let uid = made.uid().unwrap();
    let waits = await_condition(maps.clone(), "a", conditions::is_deleted(&uid));
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    // Another one of the name is not the one that was waited for.
    maps.create(&PostParams::default(), &config_map("a", "x", "2"))
        .await
        .unwrap();
    tokio::time::timeout(DEADLINE, waits)
        .await
        .unwrap()
        .unwrap();
    // Nobody has established what is not served.
    let definitions: Api<CustomResourceDefinition> = Api::all(client);
    assert!(
        definitions
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}
