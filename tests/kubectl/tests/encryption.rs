//! Secrets that are encrypted in the datastore.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{eventually, skerry_binary};
use skerry_tests_kubectl::{DEADLINE, Servers};

const PLAIN: &str = "correct-horse-battery-staple";
/// Two looks with a pause between them come before the end of a reencryption.
const REENCRYPTION_DEADLINE: std::time::Duration = DEADLINE.saturating_mul(2);

/// What `secrets-encrypt` says beside a server; an error is what it says of that.
fn encrypt(servers: &Servers, member: usize, word: &str) -> Result<String, String> {
    let member = &servers.cluster.members[member];
    let host = member.client_address.ip().to_string();
    let output = Command::new(skerry_binary().unwrap())
        .args(["secrets-encrypt", word, "--node-ip", &host, "--data-dir"])
        .arg(&member.data_dir)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// What etcd's clients see under a prefix.
async fn kept(servers: &Servers, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let mut client = servers.cluster.client(0).unwrap();
    let request = pb::RangeRequest {
        key: prefix.to_owned().into(),
        range_end: format!("{}0", prefix.trim_end_matches('/')).into(),
        // What this member holds: who leads does not matter, and may change.
        serializable: true,
        ..pb::RangeRequest::default()
    };
    let kvs = client.kv.range(request).await.unwrap().into_inner().kvs;
    let pair = |kv: skerry_tests_harness::proto::mvccpb::KeyValue| {
        (
            String::from_utf8(kv.key.to_vec()).unwrap(),
            kv.value.to_vec(),
        )
    };
    kvs.into_iter().map(pair).collect()
}

async fn value(servers: &Servers, name: &str) -> Vec<u8> {
    let all = kept(servers, "/registry/secrets/default/").await;
    let key = format!("/registry/secrets/default/{name}");
    all.into_iter().find(|(at, _)| *at == key).unwrap().1
}

fn make(servers: &Servers, name: &str) {
    let literal = format!("--from-literal=password={PLAIN}");
    servers.ok(&["create", "secret", "generic", name, &literal]);
}

fn reads(servers: &Servers, member: usize, name: &str) {
    let asked = [
        "get",
        "secret",
        name,
        "-o",
        "go-template={{.data.password | base64decode}}",
    ];
    servers.until(member, &asked, |ended| ended.ok && ended.out == PLAIN);
}

fn until_finished(servers: &Servers, member: usize, words: &[&str]) -> String {
    eventually("reencryption ends", REENCRYPTION_DEADLINE, || {
        let status = encrypt(servers, member, "status").map_err(anyhow::Error::msg)?;
        let all = ["Current Rotation Stage: reencrypt_finished"];
        let mut all = all.iter().chain(words);
        anyhow::ensure!(all.all(|word| status.contains(word)), "{status}");
        Ok(status)
    })
    .unwrap()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

#[tokio::test]
async fn secrets_that_were_in_the_clear_are_encrypted_and_every_server_reads_them_at_once() {
    let servers = Servers::start(2).await;
    make(&servers, "before");
    let status = encrypt(&servers, 0, "status").unwrap();
    assert_eq!(
        status,
        "Encryption Status: Disabled, no configuration file found\n"
    );
    let refused = encrypt(&servers, 0, "rotate-keys").unwrap_err();
    assert!(refused.contains("not enabled"), "{refused}");
    let watch = servers.background(&["get", "secrets", "-w", "--no-headers"]);
    watch.line_with("before");

    encrypt(&servers, 1, "enable").unwrap();
    make(&servers, "after");
    reads(&servers, 1, "after");
    watch.line_with("after");
    until_finished(
        &servers,
        0,
        &["Encryption Status: Enabled", "AES-GCM   aesgcmkey\n"],
    );
    for name in ["before", "after"] {
        let value = value(&servers, name).await;
        assert!(
            value.starts_with(b"k8s:enc:aesgcm:v1:aesgcmkey:"),
            "{value:?}"
        );
        for member in 0..2 {
            reads(&servers, member, name);
        }
    }
    let listed = servers.ok(&["get", "secrets", "-o", "jsonpath={.items[*].type}"]);
    assert_eq!(listed, "Opaque Opaque");

    let rotated = encrypt(&servers, 0, "rotate-keys").unwrap();
    assert_eq!(rotated, "keys rotated, reencryption started\n");
    make(&servers, "later");
    reads(&servers, 1, "later");
    until_finished(&servers, 0, &["AES-GCM   aesgcmkey-2"]);
    for name in ["before", "after", "later"] {
        let value = value(&servers, name).await;
        assert!(
            value.starts_with(b"k8s:enc:aesgcm:v1:aesgcmkey-2"),
            "{value:?}"
        );
        reads(&servers, 1, name);
    }
    let keyring = kept(&servers, "/skerry/secrets-encryption").await;
    assert!(!holds(&keyring[0].1, "secret"), "{keyring:?}");
    for word in ["prepare", "rotate"] {
        let refused = encrypt(&servers, 0, word).unwrap_err();
        assert!(refused.contains("rotate-keys"), "{refused}");
    }

    encrypt(&servers, 0, "disable").unwrap();
    until_finished(&servers, 0, &["Encryption Status: Disabled"]);
    let value = value(&servers, "after").await;
    assert!(value.starts_with(b"{"), "{value:?}");
    reads(&servers, 1, "later");
}

#[tokio::test]
async fn a_cluster_that_encrypts_from_its_start_has_no_secret_in_its_snapshot_nor_on_its_disk() {
    let resources = "--secrets-encryption-resources=secrets,configmaps";
    let flags = ["--secrets-encryption", resources];
    let mut servers = Servers::start_with(1, &flags).await;
    eventually("it encrypts", DEADLINE, || {
        let status = encrypt(&servers, 0, "status").map_err(anyhow::Error::msg)?;
        anyhow::ensure!(status.contains("Encryption Status: Enabled"), "{status}");
        Ok(())
    })
    .unwrap();
    make(&servers, "s");
    let literal = format!("--from-literal=password={PLAIN}");
    servers.ok(&["create", "configmap", "m", &literal]);
    let mut client = servers.cluster.client(0).unwrap();
    let request = pb::SnapshotRequest::default();
    let mut chunks = client
        .maintenance
        .snapshot(request)
        .await
        .unwrap()
        .into_inner();
    let mut snapshot = Vec::new();
    while let Some(chunk) = chunks.message().await.unwrap() {
        snapshot.extend_from_slice(&chunk.blob);
    }
    let in_base64 = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZ";
    assert!(holds(&snapshot, "k8s:enc:aesgcm:v1:aesgcmkey:"));
    assert!(!holds(&snapshot, PLAIN) && !holds(&snapshot, in_base64));

    // A kill in the middle of a rotation.
    until_finished(&servers, 0, &[]);
    encrypt(&servers, 0, "rotate-keys").unwrap();
    servers.cluster.members[0].kill().unwrap();
    let db = servers.cluster.members[0].data_dir.join("db");
    let mut folders = vec![db];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let bytes = std::fs::read(&path).unwrap();
                    assert!(
                        !holds(&bytes, PLAIN) && !holds(&bytes, in_base64),
                        "{path:?}"
                    );
                }
            }
        }
    }
    servers.cluster.restart(0).await.unwrap();
    reads(&servers, 0, "s");
    until_finished(
        &servers,
        0,
        &["AES-GCM   aesgcmkey-2", "secrets, configmaps"],
    );
    let value = value(&servers, "s").await;
    assert!(
        value.starts_with(b"k8s:enc:aesgcm:v1:aesgcmkey-2"),
        "{value:?}"
    );
    reads(&servers, 0, "s");
    let map = servers.ok(&["get", "configmap", "m", "-o", "jsonpath={.data.password}"]);
    assert_eq!(map, PLAIN);
}
