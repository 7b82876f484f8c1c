//! Without a quorum: what needs one is refused in time, what does not goes on, and all is well
//! again when it is back.
#![allow(clippy::unwrap_used)]

use skerry_tests_etcdctl::Ctl;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Options, eventually_async};
use skerry_tests_lifecycle::{brisk, get, get_plain, run, server_of};
use std::time::Duration;

/// Loss of the quorum is noticed, and its return, within this time on a busy machine.
const NOTICE_DEADLINE: Duration = Duration::from_secs(30);

fn put(key: &str) -> pb::PutRequest {
    pb::PutRequest {
        key: key.to_owned().into(),
        value: "v".into(),
        ..Default::default()
    }
}

fn range(serializable: bool) -> pb::RangeRequest {
    pb::RangeRequest {
        key: "k".into(),
        serializable,
        ..Default::default()
    }
}

/// Two of three are gone, and the third says so.
async fn lose_the_quorum() -> Cluster {
    let mut cluster = Cluster::start(Kind::Skerry, 3, &brisk()).await.unwrap();
    cluster.client(0).unwrap().kv.put(put("k")).await.unwrap();
    for index in [1, 2] {
        cluster.members[index].kill().unwrap();
    }
    unready(&cluster).await;
    cluster
}

async fn unready(cluster: &Cluster) {
    let member = &cluster.members[0];
    eventually_async("health tells of it", NOTICE_DEADLINE, || async {
        let health = get_plain(member, "/health").await?;
        anyhow::ensure!(health.status == 503, "{health:?}");
        anyhow::ensure!(
            health.body.trim_end() == r#"{"health":"false","reason":"RAFT NO LEADER"}"#,
            "{health:?}"
        );
        let ready = get(member, "/readyz").await?;
        anyhow::ensure!(ready.status == 500, "{ready:?}");
        Ok(())
    })
    .await
    .unwrap();
}

async fn reads_from_the_past(cluster: &Cluster) {
    let ended = Ctl::to(cluster, &cluster.endpoints()[..1])
        .unwrap()
        .run(&["get", "k", "--consistency=s"], "")
        .unwrap();
    assert_eq!(ended.stdout, "k\nv\n", "{ended:?}");
    let create = pb::WatchRequest {
        request_union: Some(pb::watch_request::RequestUnion::CreateRequest(
            pb::WatchCreateRequest {
                key: "k".into(),
                start_revision: 1,
                ..Default::default()
            },
        )),
    };
    let mut client = cluster.client(0).unwrap();
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    requests.send(create).await.unwrap();
    let requests_stream = futures(receiver);
    let mut answers = client
        .watch
        .watch(requests_stream)
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().unwrap().created);
    let events = answers.message().await.unwrap().unwrap().events;
    assert_eq!(events.len(), 1);
}

/// Requests that stay open for as long as the sender lives.
fn futures(
    mut receiver: tokio::sync::mpsc::Receiver<pb::WatchRequest>,
) -> impl futures_util::Stream<Item = pb::WatchRequest> {
    futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
}

#[tokio::test]
async fn writes_and_linearizable_reads_are_refused_in_time_and_old_data_is_served() {
    let mut cluster = lose_the_quorum().await;
    let mut client = cluster.client(0).unwrap();
    let refused = [
        client.kv.put(put("x")).await.err().unwrap(),
        client.kv.range(range(false)).await.err().unwrap(),
    ];
    for status in refused {
        assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
        assert!(
            ["etcdserver: request timed out", "etcdserver: no leader"]
                .iter()
                .any(|words| status.message().starts_with(words)),
            "{status:?}"
        );
    }
    reads_from_the_past(&cluster).await;
    assert_eq!(
        get(&cluster.members[0], "/livez").await.unwrap().status,
        200,
        "a restart would not help"
    );

    // The same process resumes when the quorum is back.
    let pid = cluster.members[0].pid();
    cluster.members[1].start().unwrap();
    cluster.wait_ready(0).await.unwrap();
    client.kv.put(put("k")).await.unwrap();
    assert_eq!(cluster.members[0].pid(), pid);
    assert_eq!(
        get(&cluster.members[0], "/readyz").await.unwrap().body,
        "ok"
    );
    cluster.restart(2).await.unwrap();
}

#[tokio::test]
async fn a_member_that_starts_alone_serves_what_it_has_and_stops_as_planned() {
    let mut cluster = lose_the_quorum().await;
    let status = cluster.members[0].terminate(NOTICE_DEADLINE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", cluster.members[0].log_tail());
    cluster.members[0].start().unwrap();
    let member = &cluster.members[0];
    eventually_async("it serves old data", NOTICE_DEADLINE, || async {
        let answer = member.client()?.kv.range(range(true)).await?;
        anyhow::ensure!(answer.into_inner().kvs.len() == 1);
        Ok(())
    })
    .await
    .unwrap();
    unready(&cluster).await;
    reads_from_the_past(&cluster).await;
    cluster.members[2].start().unwrap();
    cluster.wait_ready(0).await.unwrap();
}

#[tokio::test]
async fn the_membership_cannot_be_changed_or_listed_without_a_quorum() {
    let cluster = lose_the_quorum().await;
    let server = server_of(&cluster.members[0]);
    let server: Vec<&str> = server.iter().map(String::as_str).collect();
    for command in [["member", "list"].as_slice(), &["member", "remove", "m3"]] {
        let words = [command, &server].concat();
        run(&words, &[]).unwrap().refused(&["etcdserver: "]);
    }
}

/// Elections made for slow flash take long, and so may requests: whether anybody is there to vote
/// is known much sooner.
async fn is_not_waited_for(leader_stays: bool) {
    let slow = Options {
        flags: vec![
            "--heartbeat-interval=2s".into(),
            "--election-timeout=40s".into(),
        ],
        ..Options::default()
    };
    let mut cluster = Cluster::start(Kind::Skerry, 3, &slow).await.unwrap();
    let leader = cluster.leader().await.unwrap();
    let left = if leader_stays {
        leader
    } else {
        (leader + 1) % 3
    };
    let mut client = cluster.client(left).unwrap();
    client.kv.put(put("k")).await.unwrap();
    for index in (0..3).filter(|index| *index != left) {
        cluster.members[index].kill().unwrap();
    }
    // The first write may be under way to those who went; later ones are not even tried.
    let refused = async {
        let first = client.kv.put(put("x")).await.err().unwrap();
        let read = client.kv.range(range(false)).await.err().unwrap();
        (first, read, client.kv.put(put("y")).await.err().unwrap())
    };
    let (first, read, later) = tokio::time::timeout(NOTICE_DEADLINE, refused)
        .await
        .expect("refused before an election timeout has passed");
    let words = first.message();
    assert!(
        words == "etcdserver: no leader"
            || words == "etcdserver: request timed out, possibly due to connection lost",
        "{first:?}"
    );
    for status in [read, later] {
        assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
        assert_eq!(status.message(), "etcdserver: no leader", "{status:?}");
    }
}

#[tokio::test]
async fn a_leader_does_not_wait_for_members_it_cannot_connect_to() {
    is_not_waited_for(true).await;
}

#[tokio::test]
async fn a_follower_does_not_wait_for_members_it_cannot_connect_to() {
    is_not_waited_for(false).await;
}
