//! Servers with no member of their own, on the real etcd.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Duration;

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{
    Cluster, Kind, Options, etcdctl_binary, eventually, eventually_async, skerry_binary,
};
use skerry_tests_kubectl::{ON_ETCD_DEADLINE, Servers, flags_of};

const NO_QUORUM: &str = "the cluster has no quorum";
const MAP: &str =
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"},"data":{"a":"b"}}"#;

async fn etcd() -> Cluster {
    Cluster::start(Kind::Etcd, 1, &Options::default())
        .await
        .unwrap()
}

/// What the real etcdctl prints.
fn etcdctl(etcd: &Cluster, arguments: &[&str]) -> String {
    let credentials = etcd.credentials().unwrap();
    let output = Command::new(etcdctl_binary().unwrap())
        .env("ETCDCTL_API", "3")
        .arg("--endpoints")
        .arg(etcd.endpoints().join(","))
        .arg("--cacert")
        .arg(&credentials.server_ca)
        .arg("--cert")
        .arg(&credentials.certificate)
        .arg("--key")
        .arg(&credentials.key)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The server that runs the controllers, by the name that etcd holds.
async fn leader(etcd: &Cluster) -> Option<usize> {
    let request = pb::RangeRequest {
        key: "/skerry/leader".into(),
        ..pb::RangeRequest::default()
    };
    let held = etcd.client(0).unwrap().kv.range(request).await.unwrap();
    let held = held.into_inner().kvs.into_iter().next()?;
    let name = String::from_utf8(held.value.to_vec()).unwrap();
    Some(name.strip_prefix('m').unwrap().parse::<usize>().unwrap() - 1)
}

async fn some_leader(etcd: &Cluster) -> usize {
    eventually_async("one leads", ON_ETCD_DEADLINE, || async {
        let leader = leader(etcd).await;
        leader.ok_or_else(|| anyhow::anyhow!("nobody leads"))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn objects_are_kept_in_etcd_and_a_restart_of_it_loses_no_watcher() {
    let mut etcd = etcd().await;
    let servers = Servers::start_on_etcd(&etcd, 2);

    // Both started at once, and have the same authorities.
    let [one, two] = [0, 1].map(|member| {
        let tls = servers.cluster.members[member].data_dir.join("tls");
        std::fs::read(tls.join("server-ca.crt")).unwrap()
    });
    assert_eq!(one, two);

    servers.ok_with(&["apply", "-f", "-"], MAP);
    let changed = MAP.replace("\"b\"", "\"c\"");
    let applied = servers.run_on(1, &["apply", "-f", "-"], &changed);
    assert!(applied.ok, "{applied:?}");
    let value = ["get", "configmap", "one", "-o", "jsonpath={.data.a}"];
    for member in [0, 1] {
        servers.patiently(member, &value, |ended| ended.ok && ended.out == "c");
    }
    let keys = etcdctl(
        &etcd,
        &["get", "/registry/configmaps/", "--prefix", "--keys-only"],
    );
    assert!(keys.contains("/registry/configmaps/default/one"), "{keys}");

    // While etcd is down, reads go on and writes are refused at once.
    let watch = servers.background(&["get", "configmaps", "--watch", "-o", "name"]);
    watch.line_with("configmap/one");
    etcd.members[0].kill().unwrap();
    let create = ["create", "configmap", "two"];
    servers.patiently(0, &create, |ended| {
        assert!(!ended.ok, "{ended:?}");
        ended.err.contains(NO_QUORUM)
    });
    let read = servers.run_on(0, &["get", "configmap", "one"], "");
    assert!(read.ok && read.err.contains(NO_QUORUM), "{read:?}");

    etcd.restart(0).await.unwrap();
    for member in [1, 0] {
        let name = format!("after-{member}");
        let create = ["create", "configmap", &name];
        // It may be there by a try whose answer was lost.
        servers.patiently(member, &create, |ended| {
            ended.ok || ended.err.contains("already exists")
        });
        watch.line_with(&format!("configmap/{name}"));
    }
    servers.ok(&["delete", "configmap", "one"]);
    let gone = ["get", "configmap", "one"];
    servers.patiently(1, &gone, |ended| ended.err.contains("NotFound"));
    let keys = etcdctl(
        &etcd,
        &["get", "/registry/configmaps/", "--prefix", "--keys-only"],
    );
    assert!(!keys.contains("default/one\n"), "{keys}");
}

#[tokio::test]
async fn controllers_go_on_at_another_server_when_theirs_stops_or_dies() {
    let etcd = etcd().await;
    let mut servers = Servers::start_on_etcd(&etcd, 2);

    // One that stops has handed over by the time that it is gone.
    let first = some_leader(&etcd).await;
    let stopped = servers.cluster.members[first].terminate(ON_ETCD_DEADLINE);
    assert!(stopped.unwrap().success());
    assert_ne!(leader(&etcd).await, Some(first));
    let second = 1 - first;
    eventually_async("the other leads", ON_ETCD_DEADLINE, || async {
        anyhow::ensure!(leader(&etcd).await == Some(second), "not yet");
        Ok(())
    })
    .await
    .unwrap();

    // It comes back as it was, with neither token nor authorities made anew.
    servers.cluster.members[first].start().unwrap();
    servers.patiently(first, &["create", "namespace", "early"], |ended| ended.ok);

    // One that dies is followed once its lease has ended.
    servers.cluster.members[second].kill().unwrap();
    servers.patiently(first, &["create", "namespace", "late"], |ended| ended.ok);
    let made = [
        "get",
        "configmap",
        "kube-root-ca.crt",
        "--namespace",
        "late",
    ];
    servers.patiently(first, &made, |ended| ended.ok);
    assert_eq!(leader(&etcd).await, Some(first));

    // One that was down while the token was rotated finds the one in force.
    let member = &servers.cluster.members[first];
    let rotated = Command::new(skerry_binary().unwrap())
        .args(["token", "rotate", "--node-ip"])
        .arg(member.client_address.ip().to_string())
        .arg("--data-dir")
        .arg(&member.data_dir)
        .output()
        .unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
    servers.cluster.members[second].start().unwrap();
    servers.patiently(second, &["get", "namespace", "late"], |ended| ended.ok);
    let token = |member: usize| {
        let member = &servers.cluster.members[member];
        std::fs::read_to_string(member.data_dir.join("token")).unwrap()
    };
    eventually("both files hold it", ON_ETCD_DEADLINE, || {
        anyhow::ensure!(token(first) == token(second), "not yet");
        Ok(())
    })
    .unwrap();
    assert!(!token(second).contains("the-token-of-a-test"));
}

/// How a server that will not serve ends, with these flags besides.
fn last_words(servers: &mut Servers, member: usize, flags: &[&str]) -> String {
    let member = &mut servers.cluster.members[member];
    let command = member.command.clone();
    member.command.extend(flags.iter().map(Into::into));
    member.start().unwrap();
    let status = member.wait_for_exit(ON_ETCD_DEADLINE).unwrap();
    member.command = command;
    assert_eq!(status.code(), Some(1), "{}", member.log_tail());
    member.log_tail()
}

#[tokio::test]
async fn a_server_that_does_not_belong_to_the_others_on_an_etcd_is_refused() {
    let etcd = etcd().await;
    let mut servers = Servers::prepare_on_etcd(&etcd, 2);
    servers.cluster.members[0].start().unwrap();
    servers.patiently(0, &["get", "namespaces"], |ended| ended.ok);
    let noted = || async {
        let servers = etcdctl(
            &etcd,
            &["get", "/skerry/servers/", "--prefix", "--keys-only"],
        );
        anyhow::ensure!(servers.contains("/m1"), "{servers}");
        Ok(())
    };
    eventually_async("it is noted", ON_ETCD_DEADLINE, noted)
        .await
        .unwrap();

    for (flags, words) in [
        (["--token=another"].as_slice(), "another token"),
        (
            &["--service-cidr=10.99.0.0/16"],
            "critical configuration value mismatch between servers: 'service-cidr' is \
             '10.43.0.0/16' on m1",
        ),
        (&["--node-name=m1"], "duplicate node name"),
    ] {
        let said = last_words(&mut servers, 1, flags);
        assert!(said.contains(words), "{said}");
    }

    // What only a member can do is refused by the server, and in its data directory.
    let host = servers.cluster.members[0].client_address.ip().to_string();
    let asked = Command::new(skerry_binary().unwrap())
        .args(["member", "list", "--node-ip", &host, "--data-dir"])
        .arg(&servers.cluster.members[0].data_dir)
        .output()
        .unwrap();
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(
        !asked.status.success() && said.contains("no embedded member"),
        "{said}"
    );

    // Without the setting, and on another etcd, it does not make a new cluster.
    let member = &mut servers.cluster.members[0];
    member.terminate(Duration::from_secs(60)).unwrap();
    let flags = flags_of(&etcd);
    member
        .command
        .retain(|word| !flags.iter().any(|flag| *word == **flag));
    let said = last_words(&mut servers, 0, &[]);
    assert!(said.contains("was on a foreign datastore"), "{said}");
    let other = self::etcd().await;
    let flags = flags_of(&other);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let said = last_words(&mut servers, 0, &flags);
    assert!(said.contains("the datastore holds none"), "{said}");
}

#[tokio::test]
async fn a_server_holds_no_copy_of_a_large_etcd_in_memory() {
    const KEYS: usize = 96;
    const RESIDENT_KIB_MAX: u64 = 112 << 10;
    let etcd = etcd().await;
    let mut client = etcd.client(0).unwrap();
    for n in 0..KEYS {
        let put = pb::PutRequest {
            key: format!("/others/{n:04}").into(),
            value: vec![b'x'; 1 << 20].into(),
            ..pb::PutRequest::default()
        };
        client.kv.put(put).await.unwrap();
    }
    let servers = Servers::start_on_etcd(&etcd, 1);
    let pid = servers.cluster.members[0].pid().unwrap();
    let peak = eventually("what it needed at most", ON_ETCD_DEADLINE, || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kib.unwrap_or_default().parse::<u64>()?)
    })
    .unwrap();
    assert!(peak < RESIDENT_KIB_MAX, "{peak} KiB");
}
