//! member, endpoint, move-leader: with one member and with three.
#![allow(clippy::unwrap_used)]

use skerry_tests_etcdctl::Both;

#[tokio::test]
async fn member_and_endpoint_commands_with_one_member() {
    let mut both = Both::start(1, [&[], &[]]).await.unwrap();
    both.same("put k v");
    listings(&mut both);
    for command in [
        "member add",
        "member add x",
        "member add x --peer-urls=nonsense",
        "member remove zzz",
        "member remove 12345",
        "member update 12345 --peer-urls=https://127.99.99.99:2380",
        "member promote 12345",
        "move-leader 12345",
    ] {
        both.same(command);
    }
    both.conclude();
}

#[tokio::test]
async fn a_learner_is_added_updated_not_promoted_and_removed() {
    let mut both = Both::start(1, [&[], &[]]).await.unwrap();
    both.same("member add new --peer-urls=https://127.99.99.99:2380 --learner -w json");
    // Which of two reasons etcd gives depends on the second in which it is asked.
    both.ends_the_same("member add again --peer-urls=https://127.99.99.99:2380 --learner");
    both.same("member list -w table");
    one_by_one(&mut both, "promote ID");
    one_by_one(&mut both, "update ID --peer-urls=https://127.99.99.98:2380");
    // After an update etcd lists a learner as a voter; Skerry does not.
    both.ends_the_same("member list");
    one_by_one(&mut both, "remove ID");
    both.same("member list");
    both.conclude();
}

fn one_by_one(both: &mut Both, command: &str) {
    let ended = [0, 1].map(|side| {
        let id = learner(both, side);
        both.run(side, &format!("member {}", command.replace("ID", &id)), "")
    });
    both.compare(&format!("member {command}"), &ended);
}

fn learner(both: &Both, side: usize) -> String {
    let list = both.run(side, "member list", "").stdout;
    let line = list.lines().find(|line| line.contains("unstarted"));
    line.and_then(|line| line.split(',').next())
        .unwrap_or("no learner")
        .to_owned()
}

#[tokio::test]
async fn member_and_endpoint_commands_with_three_members() {
    let mut both = Both::start(3, [&[], &[]]).await.unwrap();
    both.same("put k v");
    both.ends_the_same("member list");
    for command in [
        "endpoint health",
        "endpoint status",
        "endpoint hashkv",
        "endpoint health --cluster",
    ] {
        for format in ["simple", "json", "table", "fields"] {
            both.ends_the_same(&format!("{command} -w {format}"));
        }
    }
    // All three have the same hash.
    let hashes = both.run(1, "endpoint hashkv", "").stdout;
    let mut hashes = hashes
        .lines()
        .filter_map(|line| line.split(", ").nth(1))
        .collect::<Vec<_>>();
    assert_eq!(hashes.len(), 3, "{hashes:?}");
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "{hashes:?}");

    for side in [0, 1] {
        move_the_leader(&both, side).await;
    }
    both.same("get k");
    both.conclude();
}

/// The leader hands over to another member, asked through the leader alone.
async fn move_the_leader(both: &Both, side: usize) {
    let cluster = &both.clusters[side];
    let old = cluster.leader().await.unwrap();
    let target = (old + 1) % 3;
    let request = skerry_tests_harness::proto::etcdserverpb::StatusRequest {};
    let status = cluster
        .client(target)
        .unwrap()
        .maintenance
        .status(request)
        .await
        .unwrap();
    let id = status.into_inner().header.unwrap().member_id;
    let ctl = skerry_tests_etcdctl::Ctl::to(cluster, &cluster.endpoints()).unwrap();
    let ended = ctl.run(&["move-leader", &format!("{id:x}")], "").unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.starts_with("Leadership transferred from"),
        "{ended:?}"
    );
    skerry_tests_harness::eventually_async(
        "the target leads",
        std::time::Duration::from_secs(20),
        || async {
            let leader = cluster.leader().await?;
            anyhow::ensure!(leader == target, "{leader} leads");
            Ok(())
        },
    )
    .await
    .unwrap();
}

fn listings(both: &mut Both) {
    for format in ["simple", "json", "table", "fields"] {
        for command in [
            "member list",
            "endpoint health",
            "endpoint status",
            "endpoint hashkv",
            "endpoint hashkv --rev 1",
            "endpoint health --cluster",
        ] {
            both.same(&format!("{command} -w {format}"));
        }
    }
}
