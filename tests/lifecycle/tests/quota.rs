//! The quota of the datastore is used up while one of three members is down.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Client, Cluster, Kind, Options};
use skerry_tests_lifecycle::{Ran, brisk, run, server_of};

const QUOTA_BYTES: usize = 16 << 20;
const VALUE_BYTES: usize = 256 << 10;
/// Far more than the quota.
const PUTS_MAX: usize = 4 * QUOTA_BYTES / VALUE_BYTES;

fn ask(cluster: &Cluster, command: &[&str]) -> Ran {
    let server = server_of(&cluster.members[0]);
    let flags = server.iter().map(String::as_str);
    let words: Vec<&str> = command.iter().copied().chain(flags).collect();
    run(&words, &[]).unwrap()
}

async fn put(client: &mut Client, number: usize) -> Result<(), tonic::Status> {
    let put = pb::PutRequest {
        key: format!("k/{number}").into(),
        value: vec![b'v'; VALUE_BYTES].into(),
        ..Default::default()
    };
    client.kv.put(put).await.map(drop)
}

fn all() -> pb::RangeRequest {
    pb::RangeRequest {
        key: b"k/".as_slice().into(),
        range_end: b"k0".as_slice().into(),
        count_only: true,
        ..Default::default()
    }
}

#[tokio::test]
async fn reads_and_deletes_go_on_and_space_is_given_back_with_one_member_down() {
    let options = Options {
        flags: [
            brisk().flags,
            vec![format!("--quota-backend-bytes={QUOTA_BYTES}")],
        ]
        .concat(),
        ..brisk()
    };
    let mut cluster = Cluster::start(Kind::Skerry, 3, &options).await.unwrap();
    cluster.members[2].kill().unwrap();
    let mut client = cluster.client(0).unwrap();
    let mut written = 0;
    let refused = loop {
        assert!(written < PUTS_MAX, "the quota is not held");
        match put(&mut client, written).await {
            Ok(()) => written += 1,
            Err(status) => break status,
        }
    };
    let full = "etcdserver: mvcc: database space exceeded";
    assert_eq!(refused.message(), full);
    let list = ask(&cluster, &["alarm", "list"]);
    assert!(
        list.succeeded().ends_with(" alarm:NOSPACE\n"),
        "{}",
        list.said
    );

    let counted = client.kv.range(all()).await.unwrap().into_inner().count;
    assert_eq!(counted, written as i64);
    let delete = pb::DeleteRangeRequest {
        key: b"k/".as_slice().into(),
        range_end: b"k0".as_slice().into(),
        ..Default::default()
    };
    let deleted = client.kv.delete_range(delete).await.unwrap().into_inner();
    assert_eq!(deleted.deleted, written as i64);
    let revision = deleted.header.unwrap().revision;
    let compaction = pb::CompactionRequest {
        revision,
        physical: true,
    };
    client.kv.compact(compaction).await.unwrap();
    assert_eq!(put(&mut client, 0).await.unwrap_err().message(), full);

    let said = ask(&cluster, &["defrag"]);
    let numbers: Vec<u64> = (said.succeeded().split_whitespace())
        .filter_map(|word| word.parse().ok())
        .collect();
    assert!(numbers[1] < numbers[0] / 2, "{}", said.said);
    let disarmed = ask(&cluster, &["alarm", "disarm"]);
    assert!(
        disarmed.succeeded().contains("NOSPACE disarmed"),
        "{}",
        disarmed.said
    );
    assert_eq!(ask(&cluster, &["alarm", "list"]).succeeded(), "");
    put(&mut client, 0).await.unwrap();

    // What was given back is what is on the disk, and the state is whole after a crash.
    cluster.members[0].kill().unwrap();
    cluster.restart(0).await.unwrap();
    cluster.restart(2).await.unwrap();
    for index in 0..3 {
        let mut client = cluster.client(index).unwrap();
        let counted = client.kv.range(all()).await.unwrap().into_inner().count;
        assert_eq!(counted, 1, "member {index}");
    }
}
