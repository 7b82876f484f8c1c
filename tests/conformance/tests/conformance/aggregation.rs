//! Upstream's sample API server, as far as clients see it: nobody publishes it but as an image, so
//! a TLS server of the test's own keeps its `flunders`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::Method;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use skerry_tests_conformance::World;
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, refusal};
use skerry_tests_kubectl::behind::{AnsweringWhole, Behind, Signed, address_of_machine, reply};

const GROUP: &str = "wardle.example.com";
const VERSION: &str = "v1alpha1";
const NAME: &str = "v1alpha1.wardle.example.com";
const FLUNDER: (&str, &str, &str, &str) = (GROUP, VERSION, "Flunder", "flunders");

/// What the extension server keeps, by path.
type Kept = Arc<Mutex<BTreeMap<String, Value>>>;

fn resources() -> Value {
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/{VERSION}"),
        "resources": [{
            "name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder",
            "verbs": ["create", "delete", "get", "list"],
        }],
    })
}

fn sample(kept: &Kept) -> AnsweringWhole {
    let kept = Arc::clone(kept);
    Arc::new(move |request| {
        let json =
            |status: u16, value: &Value| reply(status, "application/json", value.to_string());
        let path = request.uri().path().to_owned();
        let mut kept = kept.lock().unwrap();
        if path == format!("/apis/{GROUP}/{VERSION}") {
            return json(200, &resources());
        }
        let absent = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
            "reason": "NotFound", "message": "there is no such flunder",
        });
        match *request.method() {
            Method::POST => {
                let mut made: Value = serde_json::from_slice(request.body()).unwrap();
                made["metadata"]["uid"] = json!("9b0f7e3c-6c1d-4a51-8f44-000000000001");
                let name = made["metadata"]["name"].as_str().unwrap();
                kept.insert(format!("{path}/{name}"), made.clone());
                json(201, &made)
            }
            Method::DELETE => match kept.remove(&path) {
                Some(_) => json(
                    200,
                    &json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                ),
                None => json(404, &absent),
            },
            _ if path.ends_with("/flunders") => {
                let items: Vec<_> = kept.values().collect();
                json(
                    200,
                    &json!({
                        "kind": "FlunderList", "apiVersion": format!("{GROUP}/{VERSION}"),
                        "metadata": {"resourceVersion": "1"}, "items": items,
                    }),
                )
            }
            _ => match kept.get(&path) {
                Some(found) => json(200, found),
                None => json(404, &absent),
            },
        }
    })
}

/// A Service in the test's namespace whose endpoint is the extension server.
async fn expose(world: &World, port: u16) {
    let own = &world.namespace;
    let services = format!("/api/v1/namespaces/{own}/services");
    let post = async |path: &str, object: Value| {
        let body = object.to_string();
        let sent = world.send(Method::POST, path, "application/json", body);
        sent.await.unwrap()
    };
    let Some(address) = address_of_machine() else {
        // Loopback is no endpoint; a name is resolved.
        let spec = json!({"type": "ExternalName", "externalName": "localhost"});
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "sample-api"}, "spec": spec,
        });
        post(&services, service).await;
        return;
    };
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "sample-api"},
        "spec": {"ports": [{"port": port, "targetPort": port}]},
    });
    post(&services, service).await;
    let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{own}/endpointslices");
    let labels = json!({"kubernetes.io/service-name": "sample-api"});
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "sample-api-1", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address.to_string()], "conditions": {"ready": true}}],
        "ports": [{"name": "", "port": port}],
    });
    post(&slices, slice).await;
}

#[tokio::test]
async fn flunders_of_an_extension_server_are_served_as_if_they_were_ours() {
    // Its group is in every client's discovery.
    let world = World::alone("aggregator").await;
    let signed = Signed::by_itself(&["sample-api.aggregator.svc"]);
    let callers = world.cluster.members[0]
        .data_dir
        .join("tls/request-header-ca.crt");
    let kept = Kept::default();
    let server = Behind::start_whole(0, &signed, &callers, sample(&kept));
    expose(&world, server.port).await;

    let services = world.dynamic(
        ("apiregistration.k8s.io", "v1", "APIService", "apiservices"),
        false,
    );
    let service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP, "version": VERSION,
            "groupPriorityMinimum": 2000, "versionPriority": 200,
            "service": {"namespace": world.namespace, "name": "sample-api", "port": server.port},
            "caBundle": k8s_openapi::ByteString(signed.authority.clone().into_bytes()),
        },
    });
    let service: DynamicObject = serde_json::from_value(service).unwrap();
    let made = services.create(&PostParams::default(), &service).await;
    made.unwrap();
    eventually_async("the extension server is available", DEADLINE, || async {
        let found = services.get(NAME).await?;
        let condition = &found.data["status"]["conditions"][0];
        anyhow::ensure!(
            condition["type"] == "Available" && condition["status"] == "True",
            "{condition}"
        );
        Ok(())
    })
    .await
    .unwrap();

    // What it has is made, read, listed and taken away by whoever knows the API.
    let flunders = world.dynamic(FLUNDER, true);
    let flunder = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Flunder",
        "metadata": {"name": "rest-flunder", "namespace": world.namespace},
    });
    let flunder: DynamicObject = serde_json::from_value(flunder).unwrap();
    // Available is what was seen, not yet what is served.
    let made = eventually_async("a flunder is made", DEADLINE, || async {
        Ok(flunders.create(&PostParams::default(), &flunder).await?)
    })
    .await
    .unwrap();
    assert!(made.metadata.uid.is_some());
    let read = flunders.get("rest-flunder").await.unwrap();
    assert_eq!(read.metadata.uid, made.metadata.uid);
    let listed = flunders.list(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    let deleted = flunders
        .delete("rest-flunder", &DeleteParams::default())
        .await;
    deleted.unwrap();
    let status = refusal(flunders.get("rest-flunder").await);
    assert_eq!(status.message, "there is no such flunder");

    // Clients find it, and the object tells of it like any other.
    let groups = world.client.list_api_groups().await.unwrap().groups;
    assert!(groups.iter().any(|group| group.name == GROUP));
    let found = world
        .client
        .list_api_group_resources(&format!("{GROUP}/{VERSION}"))
        .await
        .unwrap();
    assert_eq!(found.resources[0].name, "flunders");
    let patch =
        json!({"spec": {"versionPriority": 400}, "metadata": {"labels": {"sample": "yes"}}});
    let patched = services
        .patch(NAME, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    assert_eq!(patched.data["spec"]["versionPriority"], 400);
    let condition = json!({
        "type": "StatusPatched", "status": "True", "reason": "E2E", "message": "set by a test",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    });
    let patch = json!({"status": {"conditions": [condition]}});
    let patched = services
        .patch_status(NAME, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    assert_eq!(patched.data["status"]["conditions"][0]["reason"], "E2E");

    let own = ListParams::default().labels("sample=yes");
    services
        .delete_collection(&DeleteParams::default(), &own)
        .await
        .unwrap();
    eventually_async("nothing answers for the group", DEADLINE, || async {
        let groups = world.client.list_api_groups().await?.groups;
        anyhow::ensure!(groups.iter().all(|group| group.name != GROUP));
        Ok(())
    })
    .await
    .unwrap();
    let status = refusal(flunders.list(&ListParams::default()).await);
    assert_eq!(status.code, 404);
}
