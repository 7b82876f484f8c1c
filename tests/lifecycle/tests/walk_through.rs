//! What the README says of three boxes, done by somebody who has just read it.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::{Cluster, Options, eventually};
use skerry_tests_lifecycle::{
    Ran, brisk, kubectl, last_words, one_cluster_of_three, run, server_of, three_of,
};
use std::time::{Duration, Instant};

/// Something is said or done within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The configuration file that the README shows.
fn file_of_the_readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (_, section) = readme.split_once("### High availability\n").unwrap();
    let (_, rest) = section.split_once("```yaml\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    file.to_owned()
}

fn skerry(cluster: &Cluster, index: usize, words: &str) -> Ran {
    let server = server_of(&cluster.members[index]);
    let words = words.split_whitespace();
    let words: Vec<&str> = words.chain(server.iter().map(String::as_str)).collect();
    run(&words, &[]).unwrap()
}

/// What kubectl says of one box, with the kubeconfig that this wrote.
fn ask(cluster: &Cluster, index: usize, words: &str) -> anyhow::Result<String> {
    let kubeconfig = cluster.folder().join(format!("m{}.kubeconfig", index + 1));
    kubectl(cluster, &kubeconfig, index, words, "")
}

fn until(cluster: &Cluster, index: usize, words: &str) -> String {
    eventually(words, DEADLINE, || ask(cluster, index, words)).unwrap()
}

/// Writes through one box, and reads through another.
fn write_and_read(cluster: &Cluster, writer: usize, reader: usize, name: &str) {
    until(cluster, writer, &format!("create configmap {name}"));
    until(cluster, reader, &format!("get configmap {name}"));
}

#[tokio::test]
async fn three_boxes_are_run_as_the_readme_says() {
    let options = Options {
        kubernetes: true,
        ..brisk()
    };
    let mut cluster = three_of(&file_of_the_readme(), options);

    skerry(&cluster, 0, "check-config --node-name=m1").succeeded();
    // Switch them on in any order.
    for index in [2, 0, 1] {
        cluster.members[index].start().unwrap();
    }
    one_cluster_of_three(&mut cluster).await;
    for index in 0..3 {
        write_and_read(&cluster, index, (index + 1) % 3, &format!("from-{index}"));
    }
    let list = skerry(&cluster, 1, "member list").succeeded().to_owned();
    let status = skerry(&cluster, 2, "status").succeeded().to_owned();
    for name in ["m1", "m2", "m3"] {
        assert!(
            list.contains(name) && status.contains(name),
            "{list}{status}"
        );
    }
    let doctor = skerry(&cluster, 0, "doctor").said;
    for line in [
        "ok   leader",
        "ok   peer m2",
        "ok   peer m3",
        "ok   certificates",
    ] {
        assert!(doctor.contains(line), "no '{line}' in: {doctor}");
    }
    skerry(&cluster, 0, "certificate check").succeeded();
    let created = skerry(&cluster, 0, "token create").succeeded().to_owned();
    let (_, token) = created.trim().split_once("::").unwrap();
    let (id, _) = token.split_once('.').unwrap();
    assert!(skerry(&cluster, 2, "token list").succeeded().contains(id));

    // One of three is lost: reads and writes go on; it catches up when it is back.
    cluster.members[2].kill().unwrap();
    write_and_read(&cluster, 0, 1, "one-lost");
    cluster.restart(2).await.unwrap();
    until(&cluster, 2, "get configmap one-lost");

    // Two of three are lost: reads go on with a warning, writes fail within seconds.
    for index in [1, 2] {
        cluster.members[index].kill().unwrap();
    }
    let warned = eventually("reads go on with a warning", DEADLINE, || {
        let said = ask(&cluster, 0, "get configmap one-lost")?;
        anyhow::ensure!(said.contains("Warning: "), "{said}");
        Ok(said)
    });
    assert!(warned.unwrap().contains("one-lost"));
    let begun = Instant::now();
    let refused = ask(&cluster, 0, "create configmap lost").unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20), "{refused}");
    cluster.restart(1).await.unwrap();
    write_and_read(&cluster, 0, 1, "two-lost");

    // Power is lost on all three: nothing that was confirmed is lost.
    for index in [0, 1] {
        cluster.members[index].kill().unwrap();
    }
    for member in &mut cluster.members {
        member.start().unwrap();
    }
    one_cluster_of_three(&mut cluster).await;
    for name in ["from-0", "from-1", "from-2", "one-lost", "two-lost"] {
        until(&cluster, 2, &format!("get configmap {name}"));
    }

    // A box lost its disk: start it with the same file.
    cluster.members[2].kill().unwrap();
    std::fs::remove_dir_all(&cluster.members[2].data_dir).unwrap();
    cluster.restart(2).await.unwrap();
    one_cluster_of_three(&mut cluster).await;
    until(&cluster, 2, "get configmap two-lost");

    // A removed box comes back: it stops, and says that it was removed.
    skerry(&cluster, 0, "member remove m3").succeeded();
    cluster.members[2].wait_for_exit(DEADLINE).unwrap();
    last_words(&mut cluster.members[2])
        .unwrap()
        .refused(&["this server was removed from its cluster"]);
    cluster.members[2].command.push("--rejoin".into());
    cluster.restart(2).await.unwrap();
    one_cluster_of_three(&mut cluster).await;
    assert!(cluster.members[2].data_dir.join("removed-1/db").exists());

    // A box is switched off as planned.
    let leader = cluster.leader().await.unwrap();
    let status = cluster.members[leader].terminate(DEADLINE).unwrap();
    assert!(status.success(), "{status}");
    let [one, other] = [(leader + 1) % 3, (leader + 2) % 3];
    write_and_read(&cluster, one, other, "planned");
    cluster.restart(leader).await.unwrap();
    one_cluster_of_three(&mut cluster).await;
}
