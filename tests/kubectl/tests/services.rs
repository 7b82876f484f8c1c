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

#[tokio::test]
async fn node_ports_are_of_the_range_that_is_set_and_run_out() {
    let servers = Servers::start_with(1, &["--service-node-port-range=31000-31001"]).await;
    servers.ok(&["create", "service", "nodeport", "a", "--tcp=80"]);
    servers.ok(&["create", "service", "nodeport", "b", "--tcp=80"]);
    let port = |name: &str| {
        spec(&servers, name)["ports"][0]["nodePort"]
            .as_i64()
            .unwrap()
    };
    let mut ports = [port("a"), port("b")];
    ports.sort_unstable();
    assert_eq!(ports, [31_000, 31_001]);
    let full = servers.fails(&["create", "service", "nodeport", "c", "--tcp=80"]);
    assert!(
        full.contains("failed to allocate a nodePort: range is full"),
        "{full}"
    );
    let outside = servers.fails(&[
        "create",
        "service",
        "nodeport",
        "c",
        "--tcp=80",
        "--node-port=30000",
    ]);
    assert!(
        outside.contains("The range of valid ports is 31000-31001"),
        "{outside}"
    );
}

#[tokio::test]
async fn a_balancer_that_keeps_traffic_local_has_a_port_for_its_health() {
    let servers = Servers::start(1).await;
    servers.ok(&["create", "service", "loadbalancer", "a", "--tcp=80"]);
    assert!(spec(&servers, "a").get("healthCheckNodePort").is_none());
    let policy = |name: &str, policy: &str| {
        let patch = format!(r#"{{"spec":{{"externalTrafficPolicy":"{policy}"}}}}"#);
        servers.ok(&["patch", "service", name, "-p", &patch]);
    };
    policy("a", "Local");
    let port = spec(&servers, "a")["healthCheckNodePort"].as_i64().unwrap();
    assert!((30_000..=32_767).contains(&port));
    // It is kept, and nobody else gets it.
    servers.ok(&["label", "service", "a", "x=y"]);
    assert_eq!(spec(&servers, "a")["healthCheckNodePort"], port);
    let local = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: b}}\nspec: {{type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: {port}, allocateLoadBalancerNodePorts: false, ports: [{{port: 80}}]}}\n"
    );
    let taken = servers.fails_with(&["create", "-f", "-"], &local);
    let wanted = format!(
        "failed to allocate requested HealthCheck NodePort {port}: provided port is already allocated"
    );
    assert!(taken.contains(&wanted), "{taken}");
    // It is given back with the policy.
    policy("a", "Cluster");
    assert!(spec(&servers, "a").get("healthCheckNodePort").is_none());
    servers.ok_with(&["create", "-f", "-"], &local);
    let b = spec(&servers, "b");
    assert_eq!(b["healthCheckNodePort"], port);
    assert!(b["ports"][0].get("nodePort").is_none(), "{b}");
    servers.ok(&["delete", "service", "b"]);
    servers.ok_with(&["create", "-f", "-"], &local);
}

#[tokio::test]
async fn protocols_of_one_port_share_a_node_port() {
    let servers = Servers::start(1).await;
    let dns = "apiVersion: v1\nkind: Service\nmetadata: {name: dns}\nspec: {type: NodePort, ports: [{name: t, port: 53}, {name: u, port: 53, protocol: UDP}]}\n";
    servers.ok_with(&["create", "-f", "-"], dns);
    let spec = spec(&servers, "dns");
    assert_eq!(spec["ports"][0]["nodePort"], spec["ports"][1]["nodePort"]);
}
