//! Three servers that are all given the same configuration file.

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Addresses, Cluster, Kind, Options};
use std::collections::BTreeSet;

/// Three servers with one file, none of which is started.
pub fn three_of_one_file(options: Options) -> Cluster {
    let addresses = Addresses::free(3).unwrap();
    let urls = |port: u16| {
        let urls: Vec<String> = addresses
            .hosts
            .iter()
            .map(|host| format!("https://{host}:{port}"))
            .collect();
        urls.join(",")
    };
    let hosts: Vec<String> = addresses
        .hosts
        .iter()
        .map(|host| format!("\"{host}\""))
        .collect();
    let config = format!(
        r#"write-kubeconfig-mode: "0644"
token: "YOUR_CLUSTER_TOKEN"
server: "{}"
datastore-endpoint: "{}"
disable:
- "traefik"
tls-san: [{}, "kubernetes.default.svc", "kubernetes.default", "kubernetes"]
"#,
        urls(6443),
        urls(2379),
        hosts.join(", ")
    );
    let options = Options {
        config,
        addresses: Some(addresses),
        ..options
    };
    let mut cluster = Cluster::prepare(Kind::Skerry, 3, &options).unwrap();
    for member in &mut cluster.members {
        member.command.retain(|word| {
            let word = word.to_str().unwrap();
            !word.starts_with("--server=") && !word.starts_with("--token=")
        });
    }
    cluster
}

/// Waits until all three serve; all are asked who the members are, and must agree.
pub async fn one_cluster_of_three(cluster: &mut Cluster) {
    cluster.wait_all_ready().await.unwrap();
    let mut told = BTreeSet::new();
    for index in 0..3 {
        let request = pb::MemberListRequest { linearizable: true };
        let mut client = cluster.client(index).unwrap();
        let answer = client.cluster.member_list(request).await.unwrap();
        let answer = answer.into_inner();
        let mut names: Vec<String> = answer.members.into_iter().map(|m| m.name).collect();
        names.sort();
        assert_eq!(names, ["m1", "m2", "m3"]);
        told.insert(answer.header.unwrap().cluster_id);
    }
    assert_eq!(told.len(), 1, "{told:?}");
}
