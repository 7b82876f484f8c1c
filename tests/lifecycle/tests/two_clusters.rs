//! A first server that lost its disk and starts while all others of its cluster are switched off.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Options, eventually, eventually_async};
use skerry_tests_lifecycle::{Ran, brisk, one_cluster_of_three, run, server_of, three_of_one_file};
use std::time::Duration;

/// Something is said or done within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The id of the cluster that a server is of, as its files say, in hex.
fn cluster_id(cluster: &Cluster, index: usize) -> Option<String> {
    let path = cluster.members[index].data_dir.join("db/identity.json");
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.contains("cluster_id"))?;
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    Some(format!("{:x}", digits.parse::<u64>().ok()?))
}

async fn put(cluster: &Cluster, index: usize, key: &'static str) {
    let put = pb::PutRequest {
        key: key.into(),
        ..Default::default()
    };
    eventually_async("the write is taken", DEADLINE, || {
        let put = put.clone();
        async move { Ok(cluster.client(index)?.kv.put(put).await?) }
    })
    .await
    .unwrap();
}

async fn has(cluster: &Cluster, index: usize, key: &'static str) -> bool {
    let range = pb::RangeRequest {
        key: key.into(),
        ..Default::default()
    };
    let found = cluster.client(index).unwrap().kv.range(range).await;
    found.unwrap().into_inner().count == 1
}

/// Three servers with data, all of which were switched off; the first has lost its disk, and is
/// alone. The id of their cluster, and that of its own.
async fn first_wakes_wiped_and_alone(options: Options) -> (Cluster, String, String) {
    let mut cluster = three_of_one_file(options);
    for member in &mut cluster.members {
        member.start().unwrap();
    }
    one_cluster_of_three(&mut cluster).await;
    put(&cluster, 1, "before").await;
    let old = cluster_id(&cluster, 1).unwrap();
    for member in &mut cluster.members {
        member.kill().unwrap();
    }
    std::fs::remove_dir_all(&cluster.members[0].data_dir).unwrap();
    cluster.restart(0).await.unwrap();
    let new = cluster_id(&cluster, 0).unwrap();
    assert_ne!(old, new);
    (cluster, old, new)
}

fn ask(cluster: &Cluster, index: usize, command: &str) -> Ran {
    let server = server_of(&cluster.members[index]);
    let flags = server.iter().map(String::as_str);
    let words: Vec<&str> = [command].into_iter().chain(flags).collect();
    run(&words, &[]).unwrap()
}

#[tokio::test]
async fn a_cluster_that_nobody_has_written_to_gives_way_to_the_one_that_was_there_before() {
    let (mut cluster, old, new) = first_wakes_wiped_and_alone(brisk()).await;
    for index in [1, 2] {
        cluster.members[index].start().unwrap();
    }
    one_cluster_of_three(&mut cluster).await;
    assert_eq!(cluster_id(&cluster, 0), Some(old.clone()));
    assert!(has(&cluster, 0, "before").await);
    // Nothing is lost of what it was.
    let log = std::fs::read_to_string(&cluster.members[0].log).unwrap();
    assert!(
        log.contains(&format!("has formed cluster {new}")) && log.contains(&old),
        "{log}"
    );
    let aside = cluster.members[0].data_dir.join("formed-alone-1");
    assert!(aside.join("db/state.redb").exists() && aside.join("tls/server-ca.key").exists());
}

#[tokio::test]
async fn of_two_clusters_with_data_both_are_named_everywhere_and_what_is_said_makes_one_of_them() {
    let options = Options {
        kubernetes: true,
        ..brisk()
    };
    let (mut cluster, old, new) = first_wakes_wiped_and_alone(options).await;
    put(&cluster, 0, "meanwhile").await;
    for index in [1, 2] {
        cluster.members[index].start().unwrap();
    }
    let urls: Vec<String> = cluster
        .addresses
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    for (index, own, other, at) in [(0, &new, &old, &urls[1]), (1, &old, &new, &urls[0])] {
        let both = [
            format!("two clusters: this server is of cluster {own} ("),
            format!("https://{at}:6443 is of cluster {other} ("),
            format!("--rejoin: it joins {old}"),
        ];
        let is_said = |text: &str| both.iter().all(|words| text.contains(words.as_str()));
        eventually("the log says it", DEADLINE, || {
            let log = std::fs::read_to_string(&cluster.members[index].log)?;
            anyhow::ensure!(
                log.lines().any(is_said),
                "{}",
                cluster.members[index].log_tail()
            );
            Ok(())
        })
        .unwrap();
        eventually("status and doctor say it", DEADLINE, || {
            let status = ask(&cluster, index, "status");
            anyhow::ensure!(is_said(status.succeeded()), "{}", status.said);
            let doctor = ask(&cluster, index, "doctor");
            anyhow::ensure!(is_said(&doctor.said), "{}", doctor.said);
            assert_eq!(doctor.code, Some(1));
            Ok(())
        })
        .unwrap();
        eventually_async("an event says it", DEADLINE, || async {
            let events = pb::RangeRequest {
                key: "/registry/events/".into(),
                range_end: "/registry/events0".into(),
                ..Default::default()
            };
            let found = cluster.client(index)?.kv.range(events).await?.into_inner();
            let mut values = found.kvs.iter();
            let told = values.any(|kv| {
                let text = String::from_utf8_lossy(&kv.value);
                text.contains("\"OtherCluster\"") && text.contains("\"Warning\"") && is_said(&text)
            });
            anyhow::ensure!(told, "{} events", found.kvs.len());
            Ok(())
        })
        .await
        .unwrap();
    }

    // What the first says is what is done.
    let dir = cluster.members[0].data_dir.clone();
    let aside = dir.with_file_name(format!("m1.{new}"));
    let words = format!(
        "move {} to {}, and start it with --rejoin",
        dir.display(),
        aside.display()
    );
    eventually("status says what to do", DEADLINE, || {
        let said = ask(&cluster, 0, "status").said;
        anyhow::ensure!(said.contains(&words), "{said}");
        Ok(())
    })
    .unwrap();
    cluster.members[0].terminate(DEADLINE).unwrap();
    std::fs::rename(&dir, &aside).unwrap();
    cluster.members[0].command.push("--rejoin".into());
    cluster.restart(0).await.unwrap();
    one_cluster_of_three(&mut cluster).await;
    assert!(has(&cluster, 0, "before").await && !has(&cluster, 0, "meanwhile").await);
    assert!(!ask(&cluster, 0, "status").said.contains("two clusters"));
}
