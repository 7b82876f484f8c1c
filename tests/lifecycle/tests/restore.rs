//! A snapshot becomes a cluster again: Skerry's own after everything was lost, and one of the real
//! etcd with objects in the form of upstream's API server.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Client, Cluster, Kind, Member, Options, etcdutl_binary};
use skerry_tests_lifecycle::{Ran, brisk, kubectl, last_words, run, server_of};

/// A member stops within this time.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
/// How far the revision leaps.
const REVISIONS_BUMPED: i64 = 1_000_000_000;

fn kubernetes() -> Options {
    Options {
        kubernetes: true,
        ..brisk()
    }
}

async fn put(client: &mut Client, key: &str, value: &[u8]) {
    let put = pb::PutRequest {
        key: key.to_owned().into(),
        value: value.to_vec().into(),
        ..Default::default()
    };
    client.kv.put(put).await.unwrap();
}

/// Keys of a prefix with all that is known of them, and the revision.
async fn read(
    client: &mut Client,
    prefix: &str,
) -> (Vec<skerry_tests_harness::proto::mvccpb::KeyValue>, i64) {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().unwrap() += 1;
    let range = pb::RangeRequest {
        key: prefix.to_owned().into(),
        range_end: end.into(),
        ..Default::default()
    };
    let answer = client.kv.range(range).await.unwrap().into_inner();
    (answer.kvs, answer.header.unwrap().revision)
}

/// Kind, namespace, name and uid of every object of the kinds that nobody removes by himself.
fn objects(cluster: &Cluster, kubeconfig: &Path) -> BTreeSet<String> {
    let kinds = "namespaces,configmaps,serviceaccounts,services,roles,rolebindings,clusterroles,clusterrolebindings,priorityclasses";
    let path =
        "{range.items[*]}{.kind},{.metadata.namespace},{.metadata.name},{.metadata.uid};{end}";
    let words = format!("get {kinds} -A -o jsonpath={path}");
    let said = kubectl(cluster, kubeconfig, 0, &words, "").unwrap();
    said.split_terminator(';').map(str::to_owned).collect()
}

/// Starts a member with the words of a restore, which ends.
fn restore(member: &mut Member, snapshot: &Path) -> Ran {
    let before = member.command.len();
    let path = format!("--cluster-reset-restore-path={}", snapshot.display());
    member
        .command
        .extend(["--cluster-reset".into(), path.into()]);
    let ran = last_words(member).unwrap();
    member.command.truncate(before);
    ran
}

fn save(member: &Member, flags: &[&str]) -> PathBuf {
    let server = server_of(member);
    let mut words = vec!["etcd-snapshot", "save", "--name=kept"];
    words.extend(server.iter().map(String::as_str));
    words.extend(flags);
    run(&words, &[]).unwrap().succeeded();
    let mut entries = std::fs::read_dir(member.data_dir.join("snapshots")).unwrap();
    entries.next().unwrap().unwrap().path()
}

#[tokio::test]
async fn a_cluster_is_restored_from_a_snapshot_alone_on_empty_disks_and_others_join_it() {
    let mut cluster = Cluster::start(Kind::Skerry, 2, &kubernetes())
        .await
        .unwrap();
    let kubeconfig = cluster.folder().join("m1.kubeconfig");
    let said =
        |cluster: &Cluster, words: &str| kubectl(cluster, &kubeconfig, 0, words, "").unwrap();
    said(&cluster, "create configmap kept --from-literal=a=b");
    let mut client = cluster.client(0).unwrap();
    for n in 0..100 {
        put(&mut client, &format!("k/{n}"), b"before").await;
    }
    let (kept, revision) = read(&mut client, "k/").await;
    let were = objects(&cluster, &kubeconfig);
    assert!(were.len() > 50, "{were:?}");
    let snapshot = save(&cluster.members[0], &["--snapshot-compress"]);
    put(&mut client, "k/after", b"lost").await;
    said(&cluster, "create configmap lost");
    let away = cluster.folder().join("away.db");
    std::fs::copy(&snapshot, &away).unwrap();
    for member in &mut cluster.members {
        member.kill().unwrap();
        std::fs::remove_dir_all(&member.data_dir).unwrap();
    }

    let first = &mut cluster.members[0];
    let whole = first.command.clone();
    let is_token = |word: &OsString| word.to_str().unwrap().starts_with("--token=");
    first.command.retain(|word| !is_token(word));
    restore(first, &away).refused(&["which only a token opens", "--token"]);
    first.command.push("--token=another".into());
    restore(first, &away).refused(&["sealed under another token", "begins with"]);
    first.command = whole;
    let ran = restore(first, &away);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    let told = "restart without --cluster-reset flag now";
    assert!(ran.said.contains(told), "{}", ran.said);
    restore(first, &away).refused(&["cluster-reset was successfully performed", "reset-flag"]);

    cluster.restart(0).await.unwrap();
    let mut client = cluster.client(0).unwrap();
    let (restored, bumped) = read(&mut client, "k/").await;
    assert_eq!(restored, kept);
    assert!(bumped >= revision + REVISIONS_BUMPED, "{bumped}");
    let are = objects(&cluster, &kubeconfig);
    let lost: Vec<_> = were.difference(&are).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // The same authorities: the kubeconfig of before is still one of this cluster.
    assert_eq!(
        said(&cluster, "get configmap kept -o jsonpath={.data.a}"),
        "b"
    );
    assert!(kubectl(&cluster, &kubeconfig, 0, "get configmap lost", "").is_err());
    cluster.restart(1).await.unwrap();
    cluster.wait_voters(2).await.unwrap();
    assert_eq!(read(&mut cluster.client(1).unwrap(), "k/").await.0, kept);
}

/// An object as upstream's API server keeps it: a ConfigMap `n` of `default` with a=b.
fn in_protobuf() -> Vec<u8> {
    fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
        [&[tag, bytes.len() as u8], bytes].concat()
    }
    let kind = [field(0x0a, b"v1"), field(0x12, b"ConfigMap")].concat();
    let uid = b"9c1b1a0e-0000-4000-8000-000000000000";
    let meta = [field(0x0a, b"n"), field(0x1a, b"default"), field(0x2a, uid)].concat();
    let pair = [field(0x0a, b"a"), field(0x12, b"b")].concat();
    let map = [field(0x0a, &meta), field(0x12, &pair)].concat();
    let parts = [
        field(0x0a, &kind),
        field(0x12, &map),
        field(0x1a, b""),
        field(0x22, b""),
    ];
    [b"k8s\0".to_vec(), parts.concat()].concat()
}

#[tokio::test]
async fn a_snapshot_of_the_real_etcd_is_taken_over_with_its_objects_in_protobuf() {
    let etcd = Cluster::start(Kind::Etcd, 1, &Options::default())
        .await
        .unwrap();
    let mut client = etcd.client(0).unwrap();
    for n in 0..3 {
        put(&mut client, "versions", format!("{n}").as_bytes()).await;
    }
    put(
        &mut client,
        "/registry/configmaps/default/n",
        &in_protobuf(),
    )
    .await;
    let auth = &mut client.auth;
    let user = pb::AuthUserAddRequest {
        name: "root".into(),
        password: "of the old etcd".into(),
        ..Default::default()
    };
    auth.user_add(user).await.unwrap();
    for role in ["root", "reader"] {
        let name = role.to_owned();
        let added = auth.role_add(pb::AuthRoleAddRequest { name }).await;
        added.unwrap();
        let granted = pb::AuthUserGrantRoleRequest {
            user: "root".into(),
            role: role.into(),
        };
        auth.user_grant_role(granted).await.unwrap();
    }
    let snapshot = etcd.folder().join("etcd.db");
    let mut stream = client
        .maintenance
        .snapshot(pb::SnapshotRequest {})
        .await
        .unwrap()
        .into_inner();
    let mut file = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        file.extend_from_slice(&part.blob);
    }
    std::fs::write(&snapshot, &file).unwrap();
    let mut status = Command::new(etcdutl_binary().unwrap());
    let status = status
        .env("ETCDCTL_API", "3")
        .args(["snapshot", "status"])
        .arg(&snapshot);
    assert!(status.output().unwrap().status.success());
    let (kept, _) = read(&mut client, "versions").await;

    let mut cluster = Cluster::start(Kind::Skerry, 1, &kubernetes())
        .await
        .unwrap();
    let kubeconfig = cluster.folder().join("m1.kubeconfig");
    let member = &mut cluster.members[0];
    member.terminate(STOP_DEADLINE).unwrap();
    let bare = cluster.folder().join("bare.db");
    std::fs::write(&bare, &file[..file.len() - 32]).unwrap();
    let mut broken = file.clone();
    broken[file.len() / 2] ^= 1;
    let damaged = cluster.folder().join("damaged.db");
    std::fs::write(&damaged, &broken).unwrap();
    let member = &mut cluster.members[0];
    restore(member, &bare).refused(&["no checksum", "--skip-hash-check"]);
    restore(member, &damaged).refused(&["checksum"]);
    restore(member, Path::new("/nowhere/at.db")).refused(&["snapshot path does not exist"]);
    let ran = restore(member, &snapshot);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    assert!(
        member
            .data_dir
            .join("before-restore-1/db/state.redb")
            .exists()
    );

    cluster.restart(0).await.unwrap();
    let mut client = cluster.client(0).unwrap();
    assert_eq!(read(&mut client, "versions").await.0, kept);
    let get = "get configmap n -o jsonpath={.data.a}{.metadata.uid}";
    let said = kubectl(&cluster, &kubeconfig, 0, get, "").unwrap();
    assert_eq!(said, "b9c1b1a0e-0000-4000-8000-000000000000");
    kubectl(&cluster, &kubeconfig, 0, "label configmap n seen=yes", "").unwrap();

    // Users, their passwords and their roles are those of before.
    let name = "root".to_owned();
    let user = client.auth.user_get(pb::AuthUserGetRequest { name });
    assert_eq!(user.await.unwrap().into_inner().roles, ["reader", "root"]);
    let enable = client.auth.auth_enable(pb::AuthEnableRequest {});
    enable.await.unwrap();
    let mut log_in = async |password: &str| {
        let request = pb::AuthenticateRequest {
            name: "root".into(),
            password: password.into(),
        };
        client.auth.authenticate(request).await
    };
    assert!(log_in("another").await.is_err());
    assert!(
        !log_in("of the old etcd")
            .await
            .unwrap()
            .into_inner()
            .token
            .is_empty()
    );
}

#[tokio::test]
async fn a_server_goes_back_to_a_snapshot_by_its_name_and_keeps_what_it_had_aside() {
    let mut cluster = Cluster::start(Kind::Skerry, 1, &brisk()).await.unwrap();
    put(&mut cluster.client(0).unwrap(), "k", b"before").await;
    let snapshot = save(&cluster.members[0], &[]);
    let name = snapshot.file_name().unwrap().to_str().unwrap().to_owned();
    for round in 1..=2 {
        put(&mut cluster.client(0).unwrap(), "k", b"after").await;
        let flags = server_of(&cluster.members[0]);
        let mut words = vec!["etcd-snapshot", "restore", &name, "--node-name=m1"];
        words.extend(flags.iter().map(String::as_str));
        let running = run(&words, &[]).unwrap();
        running.refused(&["another skerry server uses this data directory"]);
        let member = &mut cluster.members[0];
        member.terminate(STOP_DEADLINE).unwrap();
        let certificate = member.data_dir.join("tls/serving-kube-apiserver.crt");
        let before = std::fs::read(&certificate).unwrap();
        run(&words, &[]).unwrap().succeeded();
        assert_eq!(std::fs::read(&certificate).unwrap(), before);
        let kept = format!("before-restore-{round}/db/state.redb");
        assert!(member.data_dir.join(kept).exists());
        cluster.restart(0).await.unwrap();
        let (keys, revision) = read(&mut cluster.client(0).unwrap(), "k").await;
        assert_eq!(keys[0].value, "before");
        assert!(revision >= REVISIONS_BUMPED);
    }
}
