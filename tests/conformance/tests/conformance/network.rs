//! Endpoints, slices, ingresses and addresses.

use k8s_openapi::api::core::v1::{Endpoints, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World, containers};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::DEADLINE;

async fn until<F: Future<Output = anyhow::Result<()>>>(what: &str, condition: impl FnMut() -> F) {
    eventually_async(what, DEADLINE, condition).await.unwrap();
}

#[tokio::test]
async fn the_api_is_a_service() {
    let world = World::new("api-service").await;
    let services: Api<Service> = Api::all(world.client.clone());
    let all = services.list(&ListParams::default()).await.unwrap().items;
    let own = all.iter().find(|service| {
        let metadata = &service.metadata;
        let name = (metadata.namespace.as_deref(), metadata.name.as_deref());
        name == (Some("default"), Some("kubernetes"))
    });
    let ports = own.unwrap().spec.as_ref().unwrap().ports.clone().unwrap();
    assert_eq!(
        (ports[0].name.as_deref(), ports[0].port),
        (Some("https"), 443)
    );
}

#[tokio::test]
async fn the_api_has_endpoints_and_slices() {
    let world = World::new("api-endpoints").await;
    let endpoints: Api<Endpoints> = Api::namespaced(world.client.clone(), "default");
    let slices: Api<EndpointSlice> = Api::namespaced(world.client.clone(), "default");
    until("the API's endpoints are there", || async {
        let endpoints = endpoints.get("kubernetes").await?;
        let subsets = endpoints.subsets.unwrap_or_default();
        let of_service = ListParams::default().labels("kubernetes.io/service-name=kubernetes");
        let slices = slices.list(&of_service).await?.items;
        anyhow::ensure!(subsets.len() == 1 && slices.len() == 1, "{slices:?}");
        let addresses = subsets[0].addresses.clone().unwrap_or_default();
        let mut old: Vec<_> = addresses.into_iter().map(|found| found.ip).collect();
        let found = slices[0].endpoints.iter().flatten();
        let mut new: Vec<_> = found.flat_map(|found| found.addresses.clone()).collect();
        old.sort();
        new.sort();
        anyhow::ensure!(old == new && old.len() == 1, "{old:?} {new:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn slices_have_every_operation() {
    let world = World::new("slices").await;
    let manifest = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["1.2.3.4", "5.6.7.8"]}],
    });
    let subject = Subject::new(&world, manifest).await;
    subject.every_operation().await;
}

#[tokio::test]
async fn endpoints_have_every_operation() {
    let world = World::new("endpoints").await;
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "subsets": [{
            "addresses": [{"ip": "10.0.0.24"}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        }],
    });
    let subject = Subject::new(&world, manifest).await;
    subject.every_operation().await;
    subject.create("lived").await;
    let subsets = json!([{
        "addresses": [{"ip": "10.0.0.25"}],
        "ports": [{"name": "http-test", "port": 8080, "protocol": "TCP"}],
    }]);
    let patch = Patch::Strategic(json!({"subsets": subsets}));
    let options = PatchParams::default();
    subject.api.patch("lived", &options, &patch).await.unwrap();
    let read = subject.api.get("lived").await.unwrap();
    assert_eq!(read.data["subsets"], subsets);
}

/// The addresses and ports of a service, in its Endpoints and in its slices.
async fn places(world: &World, service: &str) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let endpoints: Api<Endpoints> = world.api();
    let mut old = Vec::new();
    for subset in endpoints.get(service).await?.subsets.unwrap_or_default() {
        for address in subset.addresses.unwrap_or_default() {
            for port in subset.ports.iter().flatten() {
                old.push(format!("{}:{}", address.ip, port.port));
            }
        }
    }
    let slices: Api<EndpointSlice> = world.api();
    let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let mut new = Vec::new();
    let found = slices.list(&of_service).await?.items;
    anyhow::ensure!(!found.is_empty(), "no slice");
    for slice in found {
        for endpoint in slice.endpoints.iter().flatten() {
            for port in slice.ports.iter().flatten() {
                new.push(format!("{}:{}", endpoint.addresses[0], port.port.unwrap()));
            }
        }
    }
    old.sort();
    new.sort();
    Ok((old, new))
}

async fn until_places(world: &World, service: &str, wanted: &[&str]) {
    until("the endpoints are those", || async {
        let (old, new) = places(world, service).await?;
        anyhow::ensure!(old == wanted && new == wanted, "{old:?} {new:?}");
        Ok(())
    })
    .await;
}

fn running(address: &str) -> Value {
    let ready = json!([{"type": "Ready", "status": "True"}]);
    json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": ready,
    }})
}

#[tokio::test]
async fn slices_follow_pods_and_their_service() {
    let world = World::new("followed").await;
    let services: Api<Service> = world.api();
    let service = json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    });
    let service = serde_json::from_value(service).unwrap();
    services
        .create(&PostParams::default(), &service)
        .await
        .unwrap();
    until_places(&world, "web", &[]).await;

    // Pods of a node that is gone are no endpoints.
    let nodes: Api<Node> = Api::all(world.client.clone());
    let node = serde_json::from_value(json!({"metadata": {"name": "followed-node"}})).unwrap();
    nodes.create(&PostParams::default(), &node).await.unwrap();
    let pods: Api<Pod> = world.api();
    for (name, address) in [("one", "10.42.0.11"), ("two", "10.42.0.12")] {
        let pod = json!({
            "metadata": {"name": name, "labels": {"app": "web"}},
            "spec": {"nodeName": "followed-node", "containers": containers()},
        });
        let pod = serde_json::from_value(pod).unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
        let patch = Patch::Merge(running(address));
        let options = PatchParams::default();
        pods.patch_status(name, &options, &patch).await.unwrap();
    }
    until_places(&world, "web", &["10.42.0.11:8080", "10.42.0.12:8080"]).await;
    let now = DeleteParams::default().grace_period(0);
    pods.delete("two", &now).await.unwrap();
    until_places(&world, "web", &["10.42.0.11:8080"]).await;
    services
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    until("endpoints and slices go with their service", || async {
        let endpoints: Api<Endpoints> = world.api();
        anyhow::ensure!(endpoints.get_opt("web").await?.is_none());
        let slices: Api<EndpointSlice> = world.api();
        let left = slices.list(&ListParams::default()).await?.items;
        anyhow::ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn endpoints_of_ones_own_are_mirrored() {
    let world = World::new("mirrored").await;
    let services: Api<Service> = world.api();
    let service = json!({"metadata": {"name": "own"}, "spec": {"ports": [{"port": 80}]}});
    let service = serde_json::from_value(service).unwrap();
    services
        .create(&PostParams::default(), &service)
        .await
        .unwrap();
    let endpoints: Api<Endpoints> = world.api();
    let own = json!({
        "metadata": {"name": "own"},
        "subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}],
    });
    let own = serde_json::from_value(own).unwrap();
    endpoints
        .create(&PostParams::default(), &own)
        .await
        .unwrap();
    until_places(&world, "own", &["10.1.2.3:80"]).await;
    let slices: Api<EndpointSlice> = world.api();
    let mirrored =
        "endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io";
    let found = slices.list(&ListParams::default().labels(mirrored)).await;
    assert_eq!(found.unwrap().items.len(), 1);

    let other = Patch::Merge(json!({
        "subsets": [{"addresses": [{"ip": "10.2.3.4"}], "ports": [{"port": 90}]}],
    }));
    let options = PatchParams::default();
    endpoints.patch("own", &options, &other).await.unwrap();
    until_places(&world, "own", &["10.2.3.4:90"]).await;
    endpoints
        .delete("own", &DeleteParams::default())
        .await
        .unwrap();
    until("the mirrored slice goes", || async {
        let left = slices.list(&ListParams::default()).await?.items;
        anyhow::ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn ingresses_have_every_operation() {
    let world = World::new("ingresses").await;
    let manifest = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "spec": {
            "defaultBackend": {"service": {"name": "default", "port": {"number": 80}}},
        },
    });
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    let status = json!({"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}});
    subject.has_a_status(status).await;
}

#[tokio::test]
async fn ingress_classes_have_every_operation() {
    let world = World::new("ingress-classes").await;
    let manifest = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "spec": {"controller": "example.com/controller"},
    });
    Subject::new(&world, manifest).await.every_operation().await;
}

#[tokio::test]
async fn addresses_have_every_operation() {
    let world = World::new("addresses").await;
    let parent = json!({
        "group": "", "resource": "services", "namespace": world.namespace, "name": "not-there",
    });
    let manifest = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "spec": {"parentRef": parent},
    });
    let subject = Subject::new(&world, manifest).await;
    let names = ["192.168.1.1", "192.168.1.2", "192.168.1.3"];
    subject.named(names).every_operation().await;
}

#[tokio::test]
async fn service_networks_have_every_operation() {
    let world = World::new("service-networks").await;
    let manifest = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "spec": {"cidrs": ["10.196.196.0/24"]},
    });
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    let condition = json!({
        "type": "Testing", "status": "False", "reason": "Testing", "message": "as told",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    });
    subject
        .has_a_status(json!({"conditions": [condition]}))
        .await;
}
