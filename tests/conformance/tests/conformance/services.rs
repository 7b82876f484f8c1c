//! Services as objects: types, addresses, ports and affinity.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use skerry_tests_conformance::{Subject, World};

#[tokio::test]
async fn services_have_every_operation() {
    let world = World::new("services").await;
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": false,
            "ports": [{"name": "http", "port": 80, "targetPort": 80}],
        },
    });
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["proxy", "status"]);
    subject.every_operation().await;
    let status = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}});
    subject.has_a_status(status).await;
}

fn service(name: &str, spec: serde_json::Value) -> Service {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
}

#[tokio::test]
async fn the_type_changes_and_addresses_with_it() {
    let world = World::new("types").await;
    let services: Api<Service> = world.api();
    let options = PostParams::default();
    let external = json!({"type": "ExternalName", "externalName": "foo.example.com"});
    let ports = json!([{"name": "http", "port": 80, "protocol": "TCP"}]);

    let made = services
        .create(&options, &service("one", json!({"ports": ports})))
        .await;
    let mut made = made.unwrap();
    let spec = made.spec.as_mut().unwrap();
    assert_eq!(spec.type_.as_deref(), Some("ClusterIP"));
    let address: IpAddr = spec.cluster_ip.as_ref().unwrap().parse().unwrap();

    // To a name: the address is given back.
    spec.type_ = Some("ExternalName".into());
    spec.external_name = Some("foo.example.com".into());
    spec.cluster_ip = None;
    spec.cluster_ips = None;
    let mut named = services.replace("one", &options, &made).await.unwrap();
    let spec = named.spec.as_mut().unwrap();
    assert!(spec.cluster_ip.as_deref().unwrap_or_default().is_empty());
    let again = json!({"clusterIP": address, "ports": ports});
    let again = services.create(&options, &service("again", again)).await;
    assert_eq!(
        again.unwrap().spec.unwrap().cluster_ip,
        Some(address.to_string())
    );

    // From a name to an address.
    spec.type_ = Some("ClusterIP".into());
    spec.external_name = None;
    let back = services.replace("one", &options, &named).await.unwrap();
    let back = back.spec.unwrap();
    back.cluster_ip.unwrap().parse::<IpAddr>().unwrap();
    assert_eq!(back.external_name, None);

    // From a name to a port of every node.
    let made = services.create(&options, &service("two", external)).await;
    let mut made = made.unwrap();
    let spec = made.spec.as_mut().unwrap();
    assert_eq!(spec.cluster_ip, None);
    spec.type_ = Some("NodePort".into());
    spec.external_name = None;
    spec.ports = Some(serde_json::from_value(ports).unwrap());
    let mut made = services.replace("two", &options, &made).await.unwrap();
    let spec = made.spec.as_mut().unwrap();
    spec.cluster_ip.as_ref().unwrap().parse::<IpAddr>().unwrap();
    let port = spec.ports.as_ref().unwrap()[0].node_port.unwrap();
    assert!((30_000..=32_767).contains(&port));

    // And back: the port is free again.
    spec.type_ = Some("ExternalName".into());
    spec.external_name = Some("foo.example.com".into());
    spec.cluster_ip = None;
    spec.cluster_ips = None;
    spec.ports.as_mut().unwrap()[0].node_port = None;
    let named = services.replace("two", &options, &made).await.unwrap();
    let named = named.spec.unwrap();
    assert!(named.cluster_ip.as_deref().unwrap_or_default().is_empty());
    assert_eq!(named.ports.unwrap()[0].node_port, None);
    let again = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]});
    services
        .create(&options, &service("port", again))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_affinity_is_switched() {
    let world = World::new("affinity").await;
    let services: Api<Service> = world.api();
    let options = PostParams::default();
    for kind in ["ClusterIP", "NodePort"] {
        let name = kind.to_lowercase();
        let spec = json!({
            "type": kind, "sessionAffinity": "ClientIP", "ports": [{"port": 80}],
        });
        let mut made = services
            .create(&options, &service(&name, spec))
            .await
            .unwrap();
        let timeout = |made: &Service| {
            let config = made.spec.as_ref().unwrap().session_affinity_config.clone();
            config.map(|config| config.client_ip.unwrap().timeout_seconds.unwrap())
        };
        assert_eq!(timeout(&made), Some(10_800));
        let spec = made.spec.as_mut().unwrap();
        spec.session_affinity = Some("None".into());
        spec.session_affinity_config = None;
        let mut made = services.replace(&name, &options, &made).await.unwrap();
        assert_eq!(timeout(&made), None);
        made.spec.as_mut().unwrap().session_affinity = Some("ClientIP".into());
        let made = services.replace(&name, &options, &made).await.unwrap();
        assert_eq!(timeout(&made), Some(10_800));
    }
}
