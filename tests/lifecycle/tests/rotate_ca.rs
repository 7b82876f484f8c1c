//! Other certificate authorities for a cluster that runs.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Options, eventually, eventually_async};
use skerry_tests_lifecycle::{Ran, brisk, kubectl, run, server_of};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Something is said or done within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn certificate(cluster: &Cluster, index: usize, words: &[&str]) -> Ran {
    let server = server_of(&cluster.members[index]);
    let flags = server.iter().map(String::as_str);
    let words = ["certificate"].into_iter().chain(words.iter().copied());
    run(&words.chain(flags).collect::<Vec<&str>>(), &[]).unwrap()
}

fn kubeconfig(cluster: &Cluster, index: usize) -> PathBuf {
    cluster.folder().join(format!("m{}.kubeconfig", index + 1))
}

/// Who the bearer of a token is, in the eyes of one member.
fn bearer(cluster: &Cluster, kubeconfig: &Path, index: usize, token: &str) -> String {
    let review = format!(
        r#"{{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{{"token":"{token}"}}}}"#
    );
    let words = "create -f - -o jsonpath={.status.user.username}";
    kubectl(cluster, kubeconfig, index, words, &review).unwrap()
}

fn tls(cluster: &Cluster, index: usize, name: &str) -> String {
    let path = cluster.members[index].data_dir.join("tls").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn will_take_others(cluster: &Cluster, index: usize) {
    let next = cluster.members[index].data_dir.join("tls/next.json");
    eventually("it hears of the rotation", DEADLINE, || {
        anyhow::ensure!(next.exists(), "{}", cluster.members[index].log_tail());
        Ok(())
    })
    .unwrap();
}

async fn put(cluster: &Cluster, index: usize) {
    eventually_async("a write is taken", DEADLINE, || async {
        let put = pb::PutRequest {
            key: "k".into(),
            ..Default::default()
        };
        Ok(cluster.client(index)?.kv.put(put).await?)
    })
    .await
    .unwrap();
}

/// Every one of them is well, for those who know the old authorities and those who know the new.
async fn all_serve(cluster: &Cluster, members: &[usize], kubeconfigs: &[&Path]) {
    for index in members {
        put(cluster, *index).await;
        for kubeconfig in kubeconfigs {
            eventually("kubectl is served", DEADLINE, || {
                kubectl(cluster, kubeconfig, *index, "get namespace/default", "")
            })
            .unwrap();
        }
    }
}

#[tokio::test]
async fn authorities_follow_each_other_through_rolling_restarts_and_nobody_is_left_behind() {
    let mut options = Options {
        kubernetes: true,
        ..brisk()
    };
    // Its keys are sealed with what the service account key was at first.
    options.flags.push("--secrets-encryption".into());
    let mut cluster = Cluster::prepare(Kind::Skerry, 4, &options).unwrap();
    for index in 0..3 {
        cluster.restart(index).await.unwrap();
    }
    cluster.wait_voters(3).await.unwrap();
    let old = cluster.folder().join("old.kubeconfig");
    std::fs::copy(kubeconfig(&cluster, 0), &old).unwrap();
    all_serve(&cluster, &[0], &[&old]).await;
    let old_token = std::fs::read_to_string(cluster.members[0].data_dir.join("token")).unwrap();
    let account = eventually("the account is there", DEADLINE, || {
        kubectl(&cluster, &old, 0, "create token default", "")
    })
    .unwrap();
    let secret = "create secret generic kept --from-literal=a=b";
    kubectl(&cluster, &old, 0, secret, "").unwrap();
    certificate(&cluster, 0, &["rotate-ca", "--path=/nonexistent"]).refused(&["holds none of"]);

    // One is down while they are rotated, and while the others begin to use them.
    cluster.members[2].kill().unwrap();
    let before = tls(&cluster, 0, "server-ca.crt");
    let said = certificate(&cluster, 1, &["rotate-ca", "--service-key"]);
    let said = said.succeeded();
    assert!(said.contains("certificates saved to datastore"), "{said}");
    let pin = said.split_whitespace().find(|word| word.starts_with("K10"));
    let pin = pin.unwrap().trim_end_matches(';').to_owned();
    for index in [0, 1] {
        will_take_others(&cluster, index);
        assert_eq!(tls(&cluster, index, "server-ca.crt"), before);
    }
    for index in [0, 1] {
        cluster.members[index].terminate(DEADLINE).unwrap();
        cluster.restart(index).await.unwrap();
        let now = tls(&cluster, index, "server-ca.crt");
        assert!(now != before && now.ends_with(&before), "{now}");
        all_serve(&cluster, &[0, 1], &[&old]).await;
        // Who has restarted signs with the new key, and who has not knows it.
        let fresh = kubectl(&cluster, &old, 0, "create token default", "").unwrap();
        let user = bearer(&cluster, &old, 1, fresh.trim());
        assert_eq!(user, "system:serviceaccount:default:default");
    }

    // It knows only the old ones, and the others have only new certificates.
    cluster.restart(2).await.unwrap();
    cluster.wait_voters(3).await.unwrap();
    will_take_others(&cluster, 2);
    let new = kubeconfig(&cluster, 0);
    all_serve(&cluster, &[2], &[&old, &new]).await;
    for index in [0, 1] {
        let path = cluster.members[index].data_dir.join("token");
        let token = std::fs::read_to_string(path).unwrap();
        assert!(token.starts_with(&pin), "{token} {pin}");
    }
    // Who was an account before is one still.
    for index in 0..3 {
        let user = bearer(&cluster, &new, index, account.trim());
        assert_eq!(user, "system:serviceaccount:default:default");
    }

    // Once more, with all of them there, and one of them not restarted since: one at a time, and
    // writes go on.
    certificate(&cluster, 2, &["rotate-ca"]).succeeded();
    will_take_others(&cluster, 0);
    eventually("all hear of the same", DEADLINE, || {
        let next =
            |index: usize| std::fs::read(cluster.members[index].data_dir.join("tls/next.json"));
        anyhow::ensure!(next(0)? == next(1)? && next(0)? == next(2)?);
        Ok(())
    })
    .unwrap();
    for index in 0..3 {
        cluster.members[index].terminate(DEADLINE).unwrap();
        put(&cluster, (index + 1) % 3).await;
        cluster.restart(index).await.unwrap();
    }
    let newest = kubeconfig(&cluster, 0);
    all_serve(&cluster, &[0, 1, 2], &[&old, &newest]).await;
    let read = "get secret/kept -o jsonpath={.data.a}";
    assert_eq!(kubectl(&cluster, &old, 1, read, "").unwrap(), "Yg==");

    // The first authority vouches for the last, also where a server joins.
    let token = format!("--token={}", old_token.trim());
    let joiner = &mut cluster.members[3];
    joiner
        .command
        .retain(|word| !word.to_str().unwrap().starts_with("--token="));
    joiner.command.push(token.into());
    cluster.restart(3).await.unwrap();
    cluster.wait_voters(4).await.unwrap();
    assert_eq!(
        tls(&cluster, 3, "server-ca.crt"),
        tls(&cluster, 0, "server-ca.crt")
    );
}
