//! Services: the addresses and ports that they are given.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use skerry_tests_kubectl::Servers;

fn spec(servers: &Servers, name: &str) -> Value {
    servers.json(&["get", "service", name])["spec"].clone()
}

#[tokio::test]
async fn services_get_addresses_and_ports_of_their_own_and_give_them_back() {
    let servers = Servers::start(1).await;
    servers.ok(&["create", "service", "clusterip", "a", "--tcp=80"]);
    servers.ok(&["create", "service", "nodeport", "b", "--tcp=80"]);
    let (a, b) = (spec(&servers, "a"), spec(&servers, "b"));
    let address = a["clusterIP"].as_str().unwrap();
    assert!(address.starts_with("10.43."), "{a}");
    assert_eq!(a["clusterIPs"][0], address);
    assert_eq!(a["ipFamilyPolicy"], "SingleStack");
    assert_ne!(a["clusterIP"], b["clusterIP"]);
    let port = b["ports"][0]["nodePort"].as_i64().unwrap();
    assert!((30_000..=32_767).contains(&port), "{b}");
    servers.ok(&["get", "ipaddress", address]);

    let taken = servers.fails(&[
        "create",
        "service",
        "clusterip",
        "c",
        "--tcp=80",
        &format!("--clusterip={address}"),
    ]);
    assert!(
        taken.contains("failed to allocate IP")
            && taken.contains("provided IP is already allocated"),
        "{taken}"
    );
    let outside = servers.fails(&[
        "create",
        "service",
        "clusterip",
        "c",
        "--tcp=80",
        "--clusterip=10.9.9.9",
    ]);
    assert!(
        outside.contains("The range of valid IPs is 10.43.0.0/16"),
        "{outside}"
    );
    let taken = servers.fails(&[
        "create",
        "service",
        "nodeport",
        "c",
        "--tcp=80",
        &format!("--node-port={port}"),
    ]);
    assert!(
        taken.contains("provided port is already allocated"),
        "{taken}"
    );
    let outside = servers.fails(&[
        "create",
        "service",
        "nodeport",
        "c",
        "--tcp=80",
        "--node-port=80",
    ]);
    assert!(
        outside.contains("The range of valid ports is 30000-32767"),
        "{outside}"
    );

    // A Service that becomes another type gives back what it has no use for.
    servers.ok(&[
        "patch",
        "service",
        "b",
        "-p",
        r#"{"spec":{"type":"ClusterIP"}}"#,
    ]);
    assert!(spec(&servers, "b")["ports"][0].get("nodePort").is_none());
    servers.ok(&[
        "create",
        "service",
        "nodeport",
        "c",
        "--tcp=80",
        &format!("--node-port={port}"),
    ]);
    servers.ok(&["delete", "service", "a"]);
    assert!(
        servers
            .fails(&["get", "ipaddress", address])
            .contains("not found")
    );
    servers.ok(&[
        "create",
        "service",
        "clusterip",
        "d",
        "--tcp=80",
        &format!("--clusterip={address}"),
    ]);
    servers.ok(&[
        "create",
        "service",
        "clusterip",
        "none",
        "--tcp=80",
        "--clusterip=None",
    ]);
    assert_eq!(spec(&servers, "none")["clusterIPs"][0], "None");
    // Nothing changes where nothing is asked for.
    servers.ok(&["label", "service", "d", "x=y"]);
    assert_eq!(spec(&servers, "d")["clusterIP"], address);
}

#[tokio::test]
async fn the_service_kubernetes_leads_to_all_members() {
    let servers = Servers::start(3).await;
    servers.until(2, &["get", "service", "kubernetes"], |ended| {
        ended.ok && ended.out.contains("10.43.0.1")
    });
    let hosts: Vec<String> = servers
        .cluster
        .addresses
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    let all = |ended: &skerry_tests_kubectl::Ended| {
        hosts
            .iter()
            .all(|host| ended.out.contains(&format!("\"{host}\"")))
    };
    servers.until(1, &["get", "endpoints", "kubernetes", "-o", "json"], all);
    servers.until(
        1,
        &["get", "endpointslice", "kubernetes", "-o", "json"],
        all,
    );
}
