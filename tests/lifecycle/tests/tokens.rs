//! Rotation of the servers' token, while all of them run, and one that does not.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::{Cluster, Kind, Member, eventually};
use skerry_tests_lifecycle::{brisk, last_words, run, server_of};
use std::time::Duration;

/// A member follows the others within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn with_flag(member: &mut Member, name: &str, value: &str) {
    let start = format!("--{name}=");
    member
        .command
        .retain(|word| !word.to_str().unwrap().starts_with(&start));
    member.command.push(format!("{start}{value}").into());
}

fn token(member: &Member) -> String {
    let text = std::fs::read_to_string(member.data_dir.join("token")).unwrap();
    text.trim().to_owned()
}

fn holds(member: &Member, wanted: &str) {
    eventually("the token file follows", DEADLINE, || {
        let found = token(member);
        anyhow::ensure!(found.ends_with(wanted), "{found}");
        Ok(())
    })
    .unwrap();
}

#[tokio::test]
async fn a_rotated_token_lets_in_at_every_member_and_the_old_one_at_none() {
    let mut cluster = Cluster::prepare(Kind::Skerry, 4, &brisk()).unwrap();
    for member in 0..3 {
        cluster.restart(member).await.unwrap();
    }
    cluster.wait_voters(3).await.unwrap();
    let old = token(&cluster.members[0]);
    // One is down meanwhile.
    cluster.members[2].kill().unwrap();
    let server = server_of(&cluster.members[1]);
    let words = ["token", "rotate", "--new-token", "another-one"].into_iter();
    let words: Vec<&str> = words.chain(server.iter().map(String::as_str)).collect();
    let rotated = run(&words, &[]).unwrap();
    assert!(
        rotated.succeeded().contains("Token rotated"),
        "{}",
        rotated.said
    );
    run(&words, &[]).unwrap().refused(&["in force already"]);

    // It comes back, with the old token in its configuration.
    cluster.restart(2).await.unwrap();
    for member in 0..3 {
        let url = format!("https://{}:6443", cluster.addresses.hosts[member]);
        let joiner = &mut cluster.members[3];
        with_flag(joiner, "server", &url);
        with_flag(joiner, "token", &old);
        last_words(joiner)
            .unwrap()
            .refused(&["the token's password is wrong for this cluster"]);
        assert!(!joiner.data_dir.join("tls").exists());
        holds(&cluster.members[member], "::server:another-one");
    }
    // What a configuration still says of before does no harm at the next start either.
    cluster.members[2].kill().unwrap();
    cluster.restart(2).await.unwrap();
    let log = cluster.members[2].log_tail();
    assert!(log.contains("from before it was rotated"), "{log}");

    let new = token(&cluster.members[2]);
    with_flag(&mut cluster.members[3], "token", &new);
    cluster.restart(3).await.unwrap();
    cluster.wait_voters(4).await.unwrap();
    holds(&cluster.members[3], "::server:another-one");
}

#[tokio::test]
async fn a_member_that_was_down_starts_with_the_new_token_given_and_not_with_a_wrong_one() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    cluster.members[2].kill().unwrap();
    let server = server_of(&cluster.members[0]);
    let words = ["token", "rotate", "--new-token=another-one"].into_iter();
    let words: Vec<&str> = words.chain(server.iter().map(String::as_str)).collect();
    run(&words, &[]).unwrap().succeeded();
    with_flag(&mut cluster.members[2], "token", "wrong");
    last_words(&mut cluster.members[2])
        .unwrap()
        .refused(&["the token given is not the token of this cluster"]);
    with_flag(&mut cluster.members[2], "token", "another-one");
    cluster.restart(2).await.unwrap();
    holds(&cluster.members[2], "::server:another-one");
    cluster.wait_all_ready().await.unwrap();
}
