//! What a first start and a restart cost the flash.

#![allow(clippy::unwrap_used)]

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
    assert!(
        roles > 120 && writes < roles,
        "{writes} durable writes for {roles} roles"
    );

    let before = revision(&servers);
    servers.cluster.members[0]
        .terminate(skerry_tests_kubectl::DEADLINE)
        .unwrap();
    servers.cluster.restart(0).await.unwrap();
    servers.until(0, &["get", "--raw", "/readyz"], |ended| ended.out == "ok");
    assert_eq!(revision(&servers), before);
}
