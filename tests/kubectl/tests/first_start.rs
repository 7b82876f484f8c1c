//! What a first start and a restart cost the flash.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use serde_json::Value;
use skerry_tests_kubectl::Servers;

/// Durable writes of the log so far: its thread makes one system call that writes for each.
fn log_writes(pid: u32) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut folders = tasks.map(|task| task.unwrap().path());
    let is_log = |folder: &std::path::PathBuf| {
        let name = std::fs::read_to_string(folder.join("comm")).unwrap();
        name.trim() == "log"
    };
    let log = folders.find(is_log).unwrap();
    let counters = std::fs::read_to_string(log.join("io")).unwrap();
    let line = counters
        .lines()
        .find_map(|line| line.strip_prefix("syscw: "));
    line.unwrap().parse().unwrap()
}

fn revision(servers: &Servers) -> Value {
    let list = servers.ok(&["get", "--raw", "/api/v1/configmaps?limit=1"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    list["metadata"]["resourceVersion"].clone()
}

#[tokio::test]
async fn a_first_start_writes_its_roles_together_and_a_restart_writes_none() {
    let mut servers = Servers::start(1).await;
    let roles = "clusterroles,clusterrolebindings,roles,rolebindings";
    let roles = servers
        .ok(&["get", roles, "-A", "-o", "name"])
        .lines()
        .count();
    let writes = log_writes(servers.cluster.members[0].pid().unwrap());
    // Each object that is written makes a revision; one after the other, each would be written by
    // itself, and what is known to be done once more.
    let objects: usize = revision(&servers).as_str().unwrap().parse().unwrap();
    println!("{writes} durable writes for {objects} objects, {roles} of them roles");
    assert!(
        roles > 120 && writes < objects,
        "{writes} durable writes for {objects} objects, {roles} of them roles"
    );

    // What the leader says of its own objects it says a moment later.
    for (kind, count, condition) in [
        ("apiservices", 21, "Available"),
        ("flowschemas", 11, "Dangling=false"),
        ("servicecidrs", 1, "Ready"),
    ] {
        servers.until(0, &["get", kind, "-o", "name"], |ended| {
            ended.out.lines().count() == count
        });
        let condition = format!("--for=condition={condition}");
        servers.ok(&["wait", "--timeout=30s", &condition, kind, "--all"]);
    }

    let before = revision(&servers);
    servers.cluster.members[0]
        .terminate(skerry_tests_kubectl::DEADLINE)
        .unwrap();
    servers.cluster.restart(0).await.unwrap();
    servers.until(0, &["get", "--raw", "/readyz"], |ended| ended.out == "ok");
    assert_eq!(revision(&servers), before);
}
