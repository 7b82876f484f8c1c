//! Two of three members are gone for good: the third goes on alone, and others join it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Client, Cluster, Kind, Options, Random, eventually};
use skerry_tests_lifecycle::{Ran, brisk, kubectl, last_words, run, server_of};

/// A member stops within this time.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const KEYS: usize = 200;

async fn put(client: &mut Client, key: &str) {
    let put = pb::PutRequest {
        key: key.to_owned().into(),
        value: key.to_owned().into(),
        ..Default::default()
    };
    client.kv.put(put).await.unwrap();
}

async fn count(client: &mut Client, prefix: &str) -> i64 {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().unwrap() += 1;
    let range = pb::RangeRequest {
        key: prefix.to_owned().into(),
        range_end: end.into(),
        count_only: true,
        ..Default::default()
    };
    client.kv.range(range).await.unwrap().into_inner().count
}

/// Starts a member with `--cluster-reset`, which ends; the flag is gone afterwards.
fn reset(cluster: &mut Cluster, index: usize) -> Ran {
    let member = &mut cluster.members[index];
    member.command.push("--cluster-reset".into());
    let ran = last_words(member).unwrap();
    member.command.pop();
    ran
}

#[tokio::test]
async fn the_last_of_three_goes_on_alone_with_all_that_was_acknowledged_and_others_join_it() {
    let options = Options {
        kubernetes: true,
        ..brisk()
    };
    let mut cluster = Cluster::start(Kind::Skerry, 3, &options).await.unwrap();
    let kubeconfig = cluster.folder().join("m3.kubeconfig");
    let said = kubectl(
        &cluster,
        &kubeconfig,
        2,
        "create configmap kept --from-literal=a=b",
        "",
    );
    said.unwrap();
    let mut last = cluster.client(2).unwrap();
    // Through the last one, so that it surely has what it has answered for.
    for number in 0..KEYS {
        put(&mut last, &format!("k/{number}")).await;
    }
    let flags = server_of(&cluster.members[2]);
    let words = ["server", "--cluster-reset"].into_iter();
    let words: Vec<&str> = words.chain(flags.iter().map(String::as_str)).collect();
    let ran = run(&words, &[]).unwrap();
    ran.refused(&["another skerry server uses this data directory"]);
    for member in &mut cluster.members {
        member.kill().unwrap();
    }

    let ran = reset(&mut cluster, 2);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    let told = "Managed etcd cluster membership has been reset, restart without --cluster-reset";
    assert!(ran.said.contains(told), "{}", ran.said);
    reset(&mut cluster, 2).refused(&["cluster-reset was successfully performed", "reset-flag"]);

    cluster.restart(2).await.unwrap();
    let mut last = cluster.client(2).unwrap();
    assert_eq!(count(&mut last, "k/").await, KEYS as i64);
    put(&mut last, "after").await;
    let members = last
        .cluster
        .member_list(pb::MemberListRequest { linearizable: true });
    let members = members.await.unwrap().into_inner().members;
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["m3"]);
    let read = "get configmap kept -o jsonpath={.data.a}";
    assert_eq!(kubectl(&cluster, &kubeconfig, 2, read, "").unwrap(), "b");
    kubectl(&cluster, &kubeconfig, 2, "create configmap new", "").unwrap();

    // The others hold the old cluster: one flag has each of them join, and keeps that aside.
    let server = format!("--server=https://{}:6443", cluster.addresses.hosts[2]);
    for index in [0, 1] {
        let member = &mut cluster.members[index];
        let of_server = |word: &std::ffi::OsString| word.to_str().unwrap().starts_with("--server=");
        member.command.retain(|word| !of_server(word));
        member.command.push((&server).into());
        member.command.push("--rejoin".into());
        cluster.restart(index).await.unwrap();
        let aside = cluster.members[index]
            .data_dir
            .join("removed-1/db/state.redb");
        assert!(aside.exists());
    }
    cluster.wait_voters(3).await.unwrap();
    let mut first = cluster.client(0).unwrap();
    assert_eq!(count(&mut first, "k/").await, KEYS as i64);
    assert_eq!(count(&mut first, "after").await, 1);
    assert_eq!(kubectl(&cluster, &kubeconfig, 0, read, "").unwrap(), "b");

    // A later reset is another decision: the start in between has made it possible again.
    for member in &mut cluster.members {
        member.terminate(STOP_DEADLINE).unwrap();
    }
    let ran = reset(&mut cluster, 0);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    cluster.restart(0).await.unwrap();
    let mut first = cluster.client(0).unwrap();
    assert_eq!(count(&mut first, "k/").await, KEYS as i64);
}

#[tokio::test]
async fn a_reset_that_is_cut_off_anywhere_is_finished_by_another_and_nothing_is_lost() {
    const ROUNDS: usize = 8;
    const SEED: u64 = 1;
    println!("seed {SEED}");
    let mut random = Random::new(SEED);
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    let mut client = cluster.client(2).unwrap();
    for number in 0..KEYS {
        put(&mut client, &format!("k/{number}")).await;
    }
    for member in &mut cluster.members {
        member.kill().unwrap();
    }
    let data_dir = cluster.members[2].data_dir.clone();
    let kept = data_dir.with_extension("kept");
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
    };
    copy(&data_dir, &kept);
    let begin = Instant::now();
    assert_eq!(reset(&mut cluster, 2).code, Some(0));
    let whole = begin.elapsed();
    let (mut begun, mut done) = (0, 0);
    for round in 0..ROUNDS {
        std::fs::remove_dir_all(&data_dir).unwrap();
        copy(&kept, &data_dir);
        let member = &mut cluster.members[2];
        member.command.push("--cluster-reset".into());
        let begin = Instant::now();
        member.start().unwrap();
        // When the power goes is chance; in half of the rounds it goes once something has changed.
        let moment = match round % 2 {
            0 => STOP_DEADLINE,
            _ => whole.mul_f64(random.below(1000) as f64 / 1000.0),
        };
        let mark = data_dir.join("db/reset-begun");
        // Not looked at now and then: it is over within milliseconds.
        while member.is_running() && begin.elapsed() < moment {
            if round % 2 == 0 && mark.exists() {
                break;
            }
        }
        if member.is_running() {
            member.kill().unwrap();
        } else {
            member.wait_for_exit(STOP_DEADLINE).unwrap();
        }
        member.command.pop();
        let is_done = data_dir.join("db/reset-flag").exists();
        if mark.exists() && !is_done {
            begun += 1;
            let ran = last_words(member).unwrap();
            ran.refused(&["begun and cut off", "--cluster-reset once more"]);
        }
        match is_done {
            true => done += 1,
            false => assert_eq!(reset(&mut cluster, 2).code, Some(0)),
        }
        cluster.restart(2).await.unwrap();
        let mut client = cluster.client(2).unwrap();
        assert_eq!(count(&mut client, "k/").await, KEYS as i64, "round {round}");
        cluster.members[2].kill().unwrap();
    }
    println!("{begun} of {ROUNDS} were cut off half-way, {done} were through");
    assert!(begun > 0);
}

#[tokio::test]
async fn what_is_no_member_is_not_reset() {
    let mut cluster = Cluster::prepare(Kind::Skerry, 1, &brisk()).unwrap();
    reset(&mut cluster, 0).refused(&["cluster-reset: ", "does not hold the data of a member"]);
    cluster.restart(0).await.unwrap();
    let identity = cluster.members[0].data_dir.join("db/identity.json");
    eventually("it is a member", STOP_DEADLINE, || {
        let stage = std::fs::read_to_string(&identity)?;
        anyhow::ensure!(stage.contains("\"member\""), "{stage}");
        Ok(())
    })
    .unwrap();
    cluster.members[0].terminate(STOP_DEADLINE).unwrap();
    let state = cluster.members[0].data_dir.join("db/state.redb");
    std::fs::rename(&state, state.with_extension("gone")).unwrap();
    reset(&mut cluster, 0).refused(&["cluster-reset: ", "nothing of a member is here"]);
}
