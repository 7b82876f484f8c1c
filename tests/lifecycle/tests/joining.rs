//! Joining, and leaving for good.
#![allow(clippy::unwrap_used)]

use skerry_tests_etcdctl::Ctl;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Member, eventually};
use skerry_tests_lifecycle::{Ran, brisk, last_words, run, server_of};
use std::path::Path;
use std::time::Duration;

/// A member learns that it was removed within this time, and stops.
const FAREWELL_DEADLINE: Duration = Duration::from_secs(30);

/// The command line with one flag replaced, or added.
fn with_flag(member: &mut Member, name: &str, value: &str) {
    let start = format!("--{name}=");
    member
        .command
        .retain(|word| !word.to_str().unwrap().starts_with(&start));
    member.command.push(format!("{start}{value}").into());
}

/// Starts the first of `size` members.
async fn first_of(size: usize) -> Cluster {
    let mut cluster = Cluster::prepare(Kind::Skerry, size, &brisk()).unwrap();
    cluster.restart(0).await.unwrap();
    cluster
}

/// `skerry member ...`, asked of the first member.
fn member_command(cluster: &Cluster, words: &[&str]) -> Ran {
    let server = server_of(&cluster.members[0]);
    let words: Vec<&str> = ["member"]
        .iter()
        .chain(words)
        .copied()
        .chain(server.iter().map(String::as_str))
        .collect();
    run(&words, &[]).unwrap()
}

/// The id, as `skerry member list` shows it.
fn id_of<'a>(list: &'a Ran, name: &str) -> &'a str {
    let line = list
        .succeeded()
        .lines()
        .find(|line| line.split(", ").nth(2) == Some(name));
    line.and_then(|line| line.split(", ").next()).unwrap()
}

fn token(data_dir: &Path) -> String {
    let text = std::fs::read_to_string(data_dir.join("token")).unwrap();
    text.trim().to_owned()
}

#[tokio::test]
async fn whoever_has_the_wrong_token_is_refused_and_nothing_is_written() {
    let mut cluster = first_of(2).await;
    let full = token(&cluster.members[0].data_dir);
    let (pin, password) = full.split_once("::server:").unwrap();
    let other_pin = format!("K10{}::server:{password}", "0".repeat(64));
    let joiner = &mut cluster.members[1];
    for (token, words) in [
        ("wrong", "the token's password is wrong for this cluster"),
        (
            &format!("{pin}::server:wrong"),
            "the token's password is wrong for this cluster",
        ),
        (
            &other_pin,
            "token CA hash does not match the Cluster CA certificate hash",
        ),
        ("K10abc::server:x", "not 64 hexadecimal digits"),
    ] {
        with_flag(joiner, "token", token);
        last_words(joiner).unwrap().refused(&[words]);
        assert!(!joiner.data_dir.join("tls").exists());
        assert!(!joiner.data_dir.join("db/identity.json").exists());
    }
    joiner
        .command
        .retain(|word| !word.to_str().unwrap().starts_with("--token="));
    last_words(joiner)
        .unwrap()
        .refused(&["joining a cluster needs its token"]);
    let list = member_command(&cluster, &["list"]);
    assert_eq!(list.succeeded().lines().count(), 1, "{}", list.said);

    // A short token joins, with a warning; the full one is kept.
    with_flag(&mut cluster.members[1], "token", password);
    cluster.restart(1).await.unwrap();
    let log = cluster.members[1].log_tail();
    assert!(log.contains("identity cannot be verified"), "{log}");
    assert_eq!(token(&cluster.members[1].data_dir), full);
}

#[tokio::test]
async fn a_server_joins_through_a_follower_where_the_first_url_is_dead() {
    let mut cluster = first_of(3).await;
    cluster.restart(1).await.unwrap();
    let dead = cluster.addresses.hosts[2];
    let follower = cluster.addresses.hosts[1];
    with_flag(
        &mut cluster.members[2],
        "server",
        &format!("https://{dead}:6444,https://{follower}:6443"),
    );
    cluster.restart(2).await.unwrap();
    cluster.wait_voters(3).await.unwrap();
}

#[tokio::test]
async fn a_server_waits_for_the_one_it_is_to_join() {
    let mut cluster = Cluster::prepare(Kind::Skerry, 2, &brisk()).unwrap();
    cluster.members[1].start().unwrap();
    eventually("it says what it waits for", FAREWELL_DEADLINE, || {
        let log = cluster.members[1].log_tail();
        anyhow::ensure!(log.contains("no server yet, will retry"), "{log}");
        Ok(())
    })
    .unwrap();
    cluster.restart(0).await.unwrap();
    cluster.wait_all_ready().await.unwrap();
}

#[tokio::test]
async fn five_servers_join_at_once_and_all_get_a_vote() {
    let mut cluster = first_of(6).await;
    for member in &mut cluster.members[1..] {
        member.start().unwrap();
    }
    cluster.wait_all_ready().await.unwrap();
    let ended = Ctl::new(&cluster)
        .unwrap()
        .run(&["endpoint", "health"], "")
        .unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn of_three_that_join_at_once_under_one_name_by_three_servers_one_gets_in() {
    let mut cluster = first_of(6).await;
    for index in [1, 2] {
        cluster.restart(index).await.unwrap();
    }
    cluster.wait_voters(3).await.unwrap();
    let hosts = cluster.addresses.hosts.clone();
    for round in 0..3 {
        for (index, by) in (3..6).zip(&hosts) {
            let twin = &mut cluster.members[index];
            with_flag(twin, "node-name", "twin");
            with_flag(twin, "server", &format!("https://{by}:6443"));
            twin.start().unwrap();
        }
        let said = |member: &Member| std::fs::read_to_string(&member.log).unwrap();
        eventually("two are refused", FAREWELL_DEADLINE, || {
            let twins = cluster.members[3..].iter_mut();
            let ended = twins.map(|twin| !twin.is_running()).filter(|ended| *ended);
            let count = ended.count();
            anyhow::ensure!(count == 2, "round {round}: {count}");
            Ok(())
        })
        .unwrap();
        for twin in &mut cluster.members[3..] {
            if twin.is_running() {
                continue;
            }
            twin.wait_for_exit(FAREWELL_DEADLINE).unwrap();
            assert!(
                said(twin).contains("duplicate node name found"),
                "{}",
                said(twin)
            );
        }
        let is_voter = || {
            let list = member_command(&cluster, &["list"]);
            let lines = list.succeeded().lines();
            let twins: Vec<&str> = lines.filter(|line| line.contains("twin")).collect();
            anyhow::ensure!(twins.len() == 1, "round {round}: {}", list.said);
            Ok(())
        };
        eventually("one is a member", FAREWELL_DEADLINE, is_voter).unwrap();
        member_command(&cluster, &["remove", "twin"]).succeeded();
        for twin in &mut cluster.members[3..] {
            if twin.is_running() {
                twin.wait_for_exit(FAREWELL_DEADLINE).unwrap();
            }
            std::fs::remove_dir_all(&twin.data_dir).unwrap();
            std::fs::remove_file(&twin.log).unwrap();
        }
    }
}

#[tokio::test]
async fn members_are_listed_and_removed_by_name_and_by_id() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    let list = member_command(&cluster, &["list"]);
    for (index, host) in cluster.addresses.hosts.iter().enumerate() {
        let name = format!("m{}", index + 1);
        let id = id_of(&list, &name);
        let line =
            format!("{id}, started, {name}, https://{host}:2380, https://{host}:2379, false");
        assert!(list.succeeded().contains(&line), "{}", list.said);
    }
    member_command(&cluster, &["remove", "nobody"])
        .refused(&["no member has the id or name 'nobody'", "m3"]);
    member_command(&cluster, &["remove", "m3"]).succeeded();
    let ended = cluster.members[2].wait_for_exit(FAREWELL_DEADLINE).unwrap();
    assert_eq!(ended.code(), Some(1));
    member_command(&cluster, &["remove", id_of(&list, "m2")]).succeeded();
    let list = member_command(&cluster, &["list"]);
    assert_eq!(list.succeeded().lines().count(), 1, "{}", list.said);
}

#[tokio::test]
async fn asking_for_the_members_changes_nothing_on_disk() {
    let cluster = first_of(1).await;
    let folder = cluster.members[0].data_dir.join("tls");
    let contents = || {
        let mut files = Vec::new();
        for folder in [&folder, &folder.join("etcd")] {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                files.push((path.clone(), std::fs::read(path).unwrap_or_default()));
            }
        }
        files.sort();
        files
    };
    let before = contents();
    // Under whatever name the command runs.
    member_command(&cluster, &["list", "--node-name=another"]).succeeded();
    assert!(before == contents());
}

#[tokio::test]
async fn a_removed_member_stops_keeps_its_data_and_never_serves_it_again() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    let removed = "this server was removed from its cluster; its data is kept in";
    // One that is up when it is removed, and one that is away.
    member_command(&cluster, &["remove", "m3"]).succeeded();
    let ended = cluster.members[2].wait_for_exit(FAREWELL_DEADLINE).unwrap();
    assert_eq!(ended.code(), Some(1));
    let log = cluster.members[2].log_tail();
    assert!(log.contains(removed), "{log}");
    last_words(&mut cluster.members[2])
        .unwrap()
        .refused(&[removed, "start it with --rejoin"]);
    assert!(cluster.members[2].data_dir.join("db/state.redb").exists());

    // Its name is free, and a new data directory makes it a new member.
    let data_dir = cluster.members[2].data_dir.clone();
    std::fs::rename(&data_dir, data_dir.with_extension("old")).unwrap();
    cluster.restart(2).await.unwrap();
    cluster.wait_voters(3).await.unwrap();
    let list = member_command(&cluster, &["list"]);
    assert!(list.succeeded().contains("4, started, m3"), "{}", list.said);

    cluster.members[2].kill().unwrap();
    member_command(&cluster, &["remove", "m3"]).succeeded();
    last_words(&mut cluster.members[2])
        .unwrap()
        .refused(&[removed]);
}

#[tokio::test]
async fn a_removed_member_joins_as_new_with_one_flag_and_what_it_had_is_kept() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    // Also the one that formed the cluster, which has no server to join in its settings.
    for (index, through) in [(2, 0), (0, 1)] {
        let name = format!("m{}", index + 1);
        let mut client = cluster.client(through).unwrap();
        let list = client
            .cluster
            .member_list(pb::MemberListRequest::default())
            .await;
        let members = list.unwrap().into_inner().members;
        let id = members.iter().find(|one| one.name == name).unwrap().id;
        skerry_tests_lifecycle::remove(&mut client, id)
            .await
            .unwrap();
        cluster.members[index]
            .wait_for_exit(FAREWELL_DEADLINE)
            .unwrap();

        let server = cluster.addresses.hosts[through];
        let member = &mut cluster.members[index];
        member.command.push("--rejoin".into());
        if index == 0 {
            last_words(member).unwrap().refused(&["give --server"]);
        }
        with_flag(member, "server", &format!("https://{server}:6443"));
        // The token file has it.
        member
            .command
            .retain(|word| !word.to_str().unwrap().starts_with("--token="));
        cluster.restart(index).await.unwrap();
        cluster.wait_voters(3).await.unwrap();
        let kept = cluster.members[index].data_dir.join("removed-1");
        assert!(kept.join("db/state.redb").exists() && kept.join("tls").exists());
        // It is a member like others, and stays one however often it starts.
        cluster.members[index].terminate(FAREWELL_DEADLINE).unwrap();
        cluster.restart(index).await.unwrap();
        cluster.wait_voters(3).await.unwrap();
    }
}

#[tokio::test]
async fn a_learner_gets_its_vote_by_command_only_once_it_is_in_sync() {
    let cluster = first_of(1).await;
    let mut client = cluster.client(0).unwrap();
    let add = pb::MemberAddRequest {
        peer_ur_ls: vec!["https://127.0.0.1:9".into()],
        is_learner: true,
    };
    let added = client.cluster.member_add(add).await.unwrap().into_inner();
    let id = format!("{:x}", added.member.unwrap().id);
    member_command(&cluster, &["promote", &id])
        .refused(&["can only promote a learner member which is in sync with leader"]);
    member_command(&cluster, &["promote", "m1"]).refused(&["can only promote a learner member"]);
}

#[tokio::test]
async fn a_member_that_lost_its_identity_takes_no_other() {
    let mut cluster = Cluster::start(Kind::Skerry, 2, &brisk()).await.unwrap();
    let member = &mut cluster.members[1];
    member.kill().unwrap();
    let path = member.data_dir.join("db/identity.json");
    let identity = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let joining = member.command.clone();
    // It is told to join under another name, then to form a cluster: both end before anybody else
    // is asked.
    let words = ["db/identity.json is missing"];
    with_flag(member, "node-name", "another");
    last_words(member).unwrap().refused(&words);
    member
        .command
        .retain(|word| !word.to_str().unwrap().starts_with("--server="));
    last_words(member).unwrap().refused(&words);
    assert!(!path.exists());

    member.command = joining;
    std::fs::write(&path, identity).unwrap();
    cluster.restart(1).await.unwrap();
}

#[tokio::test]
async fn a_member_whose_datastore_is_gone_does_not_vote_again() {
    let mut cluster = Cluster::start(Kind::Skerry, 2, &brisk()).await.unwrap();
    for member in &mut cluster.members {
        member.kill().unwrap();
        let db = member.data_dir.join("db");
        std::fs::remove_dir_all(db.join("log")).unwrap();
        std::fs::remove_file(db.join("state.redb")).unwrap();
        let db = db.display().to_string();
        last_words(member).unwrap().refused(&[&db, "rejoin"]);
    }
}

#[tokio::test]
async fn a_member_that_lost_its_disk_comes_back_under_its_name_by_itself() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    cluster.members[1].kill().unwrap();
    std::fs::remove_dir_all(&cluster.members[1].data_dir).unwrap();
    cluster.restart(1).await.unwrap();
    cluster.wait_voters(3).await.unwrap();
    let list = member_command(&cluster, &["list"]);
    assert_eq!(id_of(&list, "m2"), "4", "{}", list.said);
}

#[tokio::test]
async fn whoever_kept_the_password_of_another_node_does_not_take_a_members_place() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    let member = &mut cluster.members[1];
    member.kill().unwrap();
    let path = member.data_dir.join("node-password");
    let own = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_dir_all(&member.data_dir).unwrap();
    std::fs::create_dir(&member.data_dir).unwrap();
    std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
    last_words(member).unwrap().refused(&[
        "Node password rejected, duplicate hostname",
        "'m2' is member ",
        "skerry member remove ",
    ]);
    assert!(!member.data_dir.join("tls").exists());

    // The box whose the name is has lost all but that.
    std::fs::write(&path, own).unwrap();
    cluster.restart(1).await.unwrap();
    cluster.wait_voters(3).await.unwrap();
}

#[tokio::test]
async fn a_member_without_which_there_is_no_quorum_is_not_removed_and_the_command_says_why() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    // Whoever leads then has never heard of the third one.
    for member in &mut cluster.members {
        member.kill().unwrap();
    }
    for index in [0, 1] {
        cluster.members[index].start().unwrap();
    }
    for index in [0, 1] {
        cluster.wait_ready(index).await.unwrap();
    }
    member_command(&cluster, &["remove", "m2"]).refused(&[
        "unhealthy cluster",
        "without 'm2'",
        "would be no majority",
    ]);
    member_command(&cluster, &["remove", "m3"]).succeeded();
    member_command(&cluster, &["remove", "m2"]).succeeded();
    member_command(&cluster, &["remove", "m1"]).refused(&["'m1' is the last member that votes"]);
}

#[tokio::test]
async fn a_member_that_runs_is_never_displaced_by_one_that_takes_its_name_and_address() {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    let list = member_command(&cluster, &["list"]);
    let id = id_of(&list, "m2").to_owned();
    // It listens elsewhere, and says that it is where the member is.
    let elsewhere = tempfile::tempdir().unwrap();
    let spare = Cluster::prepare(Kind::Skerry, 1, &brisk()).unwrap();
    let impostor = &mut cluster.members[1];
    let process = impostor.command.clone();
    with_flag(
        impostor,
        "data-dir",
        &elsewhere.path().display().to_string(),
    );
    let bind = spare.addresses.hosts[0].to_string();
    with_flag(impostor, "bind-address", &bind);
    let words: Vec<&str> = impostor.command[1..]
        .iter()
        .map(|word| word.to_str().unwrap())
        .collect();
    run(&words, &[]).unwrap().refused(&[
        "duplicate node name found",
        &format!("'m2' is member {id}"),
        &format!("skerry member remove {id}"),
    ]);
    impostor.command = process;
    cluster.wait_voters(3).await.unwrap();
    let list = member_command(&cluster, &["list"]);
    assert_eq!(id_of(&list, "m2"), id, "{}", list.said);
}
