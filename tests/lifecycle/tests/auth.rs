//! etcd's users and roles are for its clients: the cluster itself goes on whatever they say.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::{Cluster, Kind, Member, Options, etcdctl_binary, eventually};
use skerry_tests_lifecycle::{brisk, run, server_of};
use std::process::Command;
use std::time::Duration;

/// Something is done within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the real etcdctl says to a member, as `root` once that has a password.
fn etcdctl(member: &Member, words: &str) -> anyhow::Result<String> {
    let tls = member.data_dir.join("tls/etcd");
    let output = Command::new(etcdctl_binary()?)
        .env("ETCDCTL_API", "3")
        .arg(format!("--endpoints={}", member.client_url()))
        .arg(format!("--cacert={}", tls.join("server-ca.crt").display()))
        .arg(format!("--cert={}", tls.join("client.crt").display()))
        .arg(format!("--key={}", tls.join("client.key").display()))
        .args(words.split_whitespace())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "etcdctl {words}: {said}{why}");
    Ok(said)
}

#[tokio::test]
async fn servers_join_and_tokens_are_rotated_while_authentication_is_on() {
    let options = Options {
        kubernetes: true,
        ..brisk()
    };
    let mut cluster = Cluster::prepare(Kind::Skerry, 2, &options).unwrap();
    cluster.restart(0).await.unwrap();
    let first = |cluster: &Cluster, words: &str| etcdctl(&cluster.members[0], words);
    for words in [
        "user add root:secret",
        "user grant-role root root",
        "auth enable",
    ] {
        first(&cluster, words).unwrap();
    }
    let refused = first(&cluster, "put k v").unwrap_err().to_string();
    assert!(refused.contains("permission denied"), "{refused}");

    // What the token opens is in the store; it is put there again where it is missing.
    let keys = "--user root:secret get --prefix --keys-only /bootstrap/";
    let is_there = |cluster: &Cluster| {
        eventually("the bootstrap data is stored", DEADLINE, || {
            let found = first(cluster, keys)?;
            anyhow::ensure!(found.trim().starts_with("/bootstrap/"), "{found}");
            Ok(found)
        })
        .unwrap()
    };
    let before = is_there(&cluster);
    first(&cluster, "--user root:secret del --prefix /bootstrap/").unwrap();
    cluster.members[0].kill().unwrap();
    cluster.restart(0).await.unwrap();
    assert_eq!(is_there(&cluster), before);

    cluster.restart(1).await.unwrap();
    let voters = "--user root:secret member list";
    eventually("it joins", DEADLINE, || {
        let list = first(&cluster, voters)?;
        let voters = list.lines().filter(|line| line.ends_with("false"));
        anyhow::ensure!(voters.count() == 2, "{list}");
        Ok(())
    })
    .unwrap();
    let server = server_of(&cluster.members[1]);
    let words = ["token", "rotate", "--new-token=another-one"].into_iter();
    let words: Vec<&str> = words.chain(server.iter().map(String::as_str)).collect();
    run(&words, &[]).unwrap().succeeded();
    assert_ne!(is_there(&cluster), before);
}
