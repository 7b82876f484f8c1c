//! Three servers that are all given the same configuration file.

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Addresses, Cluster, Kind, Options};
use std::collections::BTreeSet;

/// A file for three servers, at addresses that stand for theirs.
const FILE: &str = r#"write-kubeconfig-mode: "0644"
token: "YOUR_CLUSTER_TOKEN"
server: "https://10.0.0.1:6443,https://10.0.0.2:6443,https://10.0.0.3:6443"
datastore-endpoint: "https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.3:2379"
disable:
- "traefik"
tls-san: ["10.0.0.1", "10.0.0.2", "10.0.0.3", "kubernetes.default.svc", "kubernetes.default", "kubernetes"]
"#;

/// Three servers with one file, none of which is started.
pub fn three_of_one_file(options: Options) -> Cluster {
    three_of(FILE, options)
}

/// Three servers with this file, none of which is started: what it says of 10.0.0.1, 10.0.0.2 and
/// 10.0.0.3 is said of theirs.
pub fn three_of(file: &str, options: Options) -> Cluster {
    let addresses = Addresses::free(3).unwrap();
    let mut config = file.to_owned();
    for (index, host) in addresses.hosts.iter().enumerate() {
        config = config.replace(&format!("10.0.0.{}", index + 1), &host.to_string());
    }
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
