//! Services lead to their Pods: Endpoints and EndpointSlices. Pods are played, for nothing runs
//! them here.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_tests_kubectl::{Ended, Servers};

fn apply(servers: &Servers, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    servers.ok_with(&["apply", "--server-side", "-f", "-"], &list.to_string());
}

fn node(name: &str) -> Value {
    let labels = json!({"topology.kubernetes.io/zone": format!("zone-{name}")});
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
}

fn pod(name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {"nodeName": "a", "hostname": name, "subdomain": "web", "containers": [{
            "name": "c", "image": "i", "ports": [{"name": "http", "containerPort": 8080}],
        }]},
    })
}

/// Plays the kubelet.
fn tell(servers: &Servers, pod: &str, ip: &str, ready: bool) {
    let ready = if ready { "True" } else { "False" };
    let status = json!({"status": {
        "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
        "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-05-06T07:08:09Z"}],
    }});
    servers.ok(&[
        "patch",
        "pod",
        pod,
        "--subresource=status",
        "-p",
        &status.to_string(),
    ]);
}

fn slices(ended: &Ended) -> Vec<Value> {
    let list: Value = serde_json::from_str(&ended.out).unwrap_or_default();
    list["items"].as_array().cloned().unwrap_or_default()
}

/// The slices of a Service, once they are as they should be.
fn until_slices(servers: &Servers, service: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let selector = format!("kubernetes.io/service-name={service}");
    let get = ["get", "endpointslices", "-l", &selector, "-o", "json"];
    slices(&servers.until(0, &get, |ended| wanted(&slices(ended))))
}

fn endpoints(slices: &[Value]) -> Vec<Value> {
    let lists = slices
        .iter()
        .filter_map(|slice| slice["endpoints"].as_array());
    lists.flatten().cloned().collect()
}

fn has(slices: &[Value], ip: &str, ready: bool) -> bool {
    endpoints(slices)
        .iter()
        .any(|one| one["addresses"][0] == ip && one["conditions"]["ready"] == ready)
}

fn web() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "labels": {"team": "x"}},
        "spec": {"selector": {"app": "web"}, "ports": [
            {"name": "http", "port": 80, "targetPort": "http"},
            {"name": "raw", "port": 81, "targetPort": 9000},
        ]},
    })
}

#[tokio::test]
async fn a_service_leads_to_the_pods_that_it_selects() {
    let servers = Servers::start(1).await;
    apply(
        &servers,
        &[
            node("a"),
            pod("one", "web"),
            pod("two", "web"),
            pod("three", "other"),
            web(),
        ],
    );
    let empty = until_slices(&servers, "web", |all| all.len() == 1);
    assert_eq!(
        (&empty[0]["endpoints"], &empty[0]["ports"]),
        (&Value::Null, &Value::Null)
    );
    let name = empty[0]["metadata"]["name"].clone();
    assert!(name.as_str().unwrap().starts_with("web-"), "{name}");

    for (pod, ip) in [
        ("one", "10.42.0.1"),
        ("two", "10.42.0.2"),
        ("three", "10.42.0.3"),
    ] {
        tell(&servers, pod, ip, pod != "two");
    }
    let all = until_slices(&servers, "web", |all| {
        has(all, "10.42.0.1", true) && has(all, "10.42.0.2", false)
    });
    let slice = &all[0];
    assert_eq!(
        (all.len(), &slice["metadata"]["name"]),
        (1, &name),
        "it is taken over"
    );
    assert_eq!(endpoints(&all).len(), 2);
    let service = servers.json(&["get", "service", "web"]);
    let owner = json!([{"apiVersion": "v1", "kind": "Service", "name": "web",
        "uid": service["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}]);
    assert_eq!(slice["metadata"]["ownerReferences"], owner);
    assert_eq!(slice["metadata"]["generateName"], "web-");
    assert_eq!(
        slice["metadata"]["labels"],
        json!({"team": "x", "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"})
    );
    assert_eq!(
        slice["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"],
        "2026-05-06T07:08:09Z"
    );
    assert_eq!(
        slice["ports"],
        json!([{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "raw", "port": 9000, "protocol": "TCP"}])
    );
    let one = endpoints(&all)
        .into_iter()
        .find(|one| one["hostname"] == "one")
        .unwrap();
    let uid = servers.json(&["get", "pod", "one"])["metadata"]["uid"].clone();
    assert_eq!(
        one,
        json!({"addresses": ["10.42.0.1"], "hostname": "one", "nodeName": "a", "zone": "zone-a",
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "one", "uid": uid}})
    );
    let old = servers.json(&["get", "endpoints", "web"]);
    assert_eq!(old["subsets"].as_array().unwrap().len(), 1, "{old}");
    let subset = &old["subsets"][0];
    assert_eq!(subset["addresses"][0]["ip"], "10.42.0.1");
    assert_eq!(subset["notReadyAddresses"][0]["ip"], "10.42.0.2");
    assert_eq!(
        old["metadata"]["labels"],
        json!({"team": "x", "endpoints.kubernetes.io/managed-by": "endpoint-controller"})
    );
    let described = servers.ok(&["describe", "service", "web"]);
    assert!(described.contains("10.42.0.1:8080"), "{described}");

    // A Pod that goes is not ready, but serves while it does.
    servers.ok(&["delete", "pod", "one", "--wait=false"]);
    let all = until_slices(&servers, "web", |all| has(all, "10.42.0.1", false));
    let one = endpoints(&all)
        .into_iter()
        .find(|one| one["hostname"] == "one")
        .unwrap();
    assert_eq!(
        one["conditions"],
        json!({"ready": false, "serving": true, "terminating": true})
    );
    servers.ok(&["delete", "pod", "one", "--grace-period=0", "--force"]);
    until_slices(&servers, "web", |all| endpoints(all).len() == 1);
    // Who changes labels changes Services.
    servers.ok(&["label", "pod", "three", "app=web", "--overwrite"]);
    until_slices(&servers, "web", |all| has(all, "10.42.0.3", true));
    servers.ok(&["label", "service", "web", "team=y", "--overwrite"]);
    until_slices(&servers, "web", |all| {
        all[0]["metadata"]["labels"]["team"] == "y"
    });
    // Somebody else's hand is put right.
    servers.ok(&[
        "delete",
        "endpointslices",
        "-l",
        "kubernetes.io/service-name=web",
    ]);
    servers.ok(&["delete", "endpoints", "web"]);
    until_slices(&servers, "web", |all| endpoints(all).len() == 2);
    servers.until(0, &["get", "endpoints", "web"], |ended| ended.ok);
    servers.ok(&["delete", "service", "web"]);
    until_slices(&servers, "web", <[Value]>::is_empty);
    servers.until(0, &["get", "endpoints", "web"], |ended| !ended.ok);
}

#[tokio::test]
async fn headless_services_and_such_without_selector_have_what_they_should() {
    let servers = Servers::start(1).await;
    let headless = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"},
        "spec": {"clusterIP": "None", "selector": {"app": "db"}, "publishNotReadyAddresses": true},
    });
    let external = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "away"},
        "spec": {"type": "ExternalName", "externalName": "example.org", "selector": {"app": "db"}},
    });
    let bare = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "bare"},
        "spec": {"ports": [{"port": 80}]},
    });
    let hand_made = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": "bare", "labels": {"l": "v"}, "annotations": {"k": "v"}},
        "subsets": [{"addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}], "notReadyAddresses": [{"ip": "192.0.2.2"}],
            "ports": [{"port": 8080}]}],
    });
    // The Pod runs on a node that is not there: it is published all the same.
    apply(
        &servers,
        &[pod("one", "db"), headless, external, bare, hand_made],
    );
    tell(&servers, "one", "10.42.0.1", false);
    let all = until_slices(&servers, "db", |all| has(all, "10.42.0.1", true));
    assert_eq!(all[0]["ports"], Value::Null);
    assert_eq!(
        all[0]["metadata"]["labels"]["service.kubernetes.io/headless"],
        ""
    );
    let old = servers.json(&["get", "endpoints", "db"]);
    assert_eq!(
        old["subsets"][0]["addresses"][0]["ip"], "10.42.0.1",
        "{old}"
    );
    assert_eq!(
        old["metadata"]["labels"]["service.kubernetes.io/headless"],
        ""
    );

    let mirrored = until_slices(&servers, "bare", |all| all.len() == 2);
    let four = mirrored
        .iter()
        .find(|one| one["addressType"] == "IPv4")
        .unwrap();
    assert!(has(&mirrored, "192.0.2.1", true) && has(&mirrored, "192.0.2.2", false));
    assert!(has(&mirrored, "2001:db8::1", true));
    assert_eq!(
        four["metadata"]["labels"],
        json!({"l": "v", "kubernetes.io/service-name": "bare",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io"})
    );
    assert_eq!(four["metadata"]["annotations"], json!({"k": "v"}));
    assert_eq!(four["metadata"]["ownerReferences"][0]["kind"], "Endpoints");
    assert_eq!(
        four["ports"],
        json!([{"name": "", "port": 8080, "protocol": "TCP"}])
    );
    servers.ok(&[
        "label",
        "endpoints",
        "bare",
        "endpointslice.kubernetes.io/skip-mirror=true",
    ]);
    until_slices(&servers, "bare", <[Value]>::is_empty);

    assert!(until_slices(&servers, "away", <[Value]>::is_empty).is_empty());
    assert!(!servers.run_on(0, &["get", "endpoints", "away"], "").ok);
}

#[tokio::test]
async fn a_pod_counts_once_its_node_is_there() {
    let servers = Servers::start(1).await;
    apply(&servers, &[pod("one", "web"), web()]);
    tell(&servers, "one", "10.42.0.1", true);
    servers.until(0, &["get", "endpoints", "web", "-o", "json"], |ended| {
        ended.out.contains("10.42.0.1")
    });
    assert!(endpoints(&until_slices(&servers, "web", |all| all.len() == 1)).is_empty());
    apply(&servers, &[node("a")]);
    until_slices(&servers, "web", |all| has(all, "10.42.0.1", true));
}

#[tokio::test]
async fn endpoints_outlive_the_leader_and_follow_what_happened_meanwhile() {
    let mut servers = Servers::start(1).await;
    apply(&servers, &[node("a"), pod("one", "web"), web()]);
    tell(&servers, "one", "10.42.0.1", true);
    let before = until_slices(&servers, "web", |all| has(all, "10.42.0.1", true));
    servers.cluster.members[0].kill().unwrap();
    servers.cluster.restart(0).await.unwrap();
    servers.until(0, &["get", "service", "web"], |ended| ended.ok);
    apply(&servers, &[pod("two", "web")]);
    tell(&servers, "two", "10.42.0.2", true);
    let after = until_slices(&servers, "web", |all| has(all, "10.42.0.2", true));
    assert_eq!(after.len(), 1);
    assert_eq!(after[0]["metadata"]["uid"], before[0]["metadata"]["uid"]);
    assert_eq!(
        after[0]["metadata"]["generation"],
        json!(before[0]["metadata"]["generation"].as_i64().unwrap() + 1)
    );
}

#[tokio::test]
async fn a_thousand_pods_that_start_at_once_take_few_writes() {
    const PODS: usize = 1001;
    let servers = Servers::start(1).await;
    let all: Vec<Value> = (0..PODS).map(|n| pod(&format!("p{n}"), "web")).collect();
    let running = all.iter().enumerate().map(|(number, pod)| {
        let ip = format!("10.42.{}.{}", number / 250, number % 250 + 1);
        let mut pod = pod.clone();
        pod["metadata"]["namespace"] = "default".into();
        pod["status"] = json!({
            "phase": "Running", "podIPs": [{"ip": ip}], "podIP": ip,
            "conditions": [{"type": "Ready", "status": "True"}],
        });
        pod
    });
    let list = |items: Vec<Value>| json!({"apiVersion": "v1", "kind": "List", "items": items});
    let running = list(running.collect()).to_string();
    apply(&servers, &[node("a"), web()]);
    servers.ok_with(&["create", "-f", "-"], &list(all).to_string());
    servers.ok_with(&["replace", "--subresource=status", "-f", "-"], &running);
    let slices = until_slices(&servers, "web", |all| endpoints(all).len() == PODS);
    assert!(
        slices
            .iter()
            .all(|one| one["endpoints"].as_array().unwrap().len() <= 100)
    );
    let writes = slices
        .iter()
        .map(|one| one["metadata"]["generation"].as_u64().unwrap());
    let writes: u64 = writes.sum();
    assert!(writes < 200, "{writes} writes of {} slices", slices.len());
    // The older kind of object holds no more than it may, and says so.
    let get = ["get", "endpoints", "web", "-o", "json"];
    servers.until(0, &get, |ended| {
        let old: Value = serde_json::from_str(&ended.out).unwrap_or_default();
        let addresses = old["subsets"][0]["addresses"]
            .as_array()
            .map_or(0, Vec::len);
        let over = &old["metadata"]["annotations"]["endpoints.kubernetes.io/over-capacity"];
        addresses == 1000 && over == "truncated"
    });
}

#[tokio::test]
async fn another_leader_goes_on_where_the_first_one_stopped() {
    let mut servers = Servers::start(3).await;
    apply(
        &servers,
        &[node("a"), pod("one", "web"), pod("two", "web"), web()],
    );
    tell(&servers, "one", "10.42.0.1", true);
    let before = until_slices(&servers, "web", |all| has(all, "10.42.0.1", true));
    // The first member made the cluster, and leads it.
    servers.cluster.members[0].kill().unwrap();
    let status = json!({"status": {
        "podIP": "10.42.0.2", "podIPs": [{"ip": "10.42.0.2"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    let status = status.to_string();
    let patch = ["patch", "pod", "two", "--subresource=status", "-p", &status];
    servers.until(1, &patch, |ended| ended.ok);
    let get = [
        "get",
        "endpointslices",
        "-l",
        "kubernetes.io/service-name=web",
        "-o",
        "json",
    ];
    let after = servers.until(1, &get, |ended| has(&slices(ended), "10.42.0.2", true));
    let after = slices(&after);
    assert_eq!(after.len(), 1);
    assert_eq!(after[0]["metadata"]["uid"], before[0]["metadata"]["uid"]);
}
