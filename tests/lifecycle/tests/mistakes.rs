//! What an administrator gets wrong is answered with a clear word and a failure's exit code.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::{Addresses, Cluster, Kind};
use skerry_tests_lifecycle::{brisk, last_words, run};
use std::path::Path;

/// `skerry server` with a configuration file of this text, in a folder of its own.
fn server_with(config: &str) -> skerry_tests_lifecycle::Ran {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config).unwrap();
    let flag = format!("--config={}", file.display());
    let data_dir = format!("--data-dir={}", folder.path().join("state").display());
    run(&["server", &flag, &data_dir], &[]).unwrap()
}

#[test]
fn a_bad_configuration_file_is_named_with_its_line_and_the_nearest_key() {
    for (config, words) in [
        (
            "node-name: a\n\ntls-sans: [x]\n",
            "config.yaml:3: unknown setting 'tls-sans'; did you mean 'tls-san'?",
        ),
        ("node-name: [a\n", "config.yaml:2: while parsing"),
        (
            "\nnode-name: {a: b}\n",
            "config.yaml:2: 'node-name' must be",
        ),
        (
            "https-listen-port: abc\n",
            "config.yaml:1: 'https-listen-port': expected a port, 1 to 65535, not 'abc'",
        ),
        ("debug: maybe\n", "expected true or false, not 'maybe'"),
        ("a: b\na: c\n", "config.yaml:2: key 'a' was already given"),
        (
            "cluster-reset-restore-path: x\n",
            "--cluster-reset required with --cluster-reset-restore-path",
        ),
    ] {
        server_with(config).refused(&[words]);
    }
    server_with(&"#".repeat(300_000)).refused(&["larger than 262144 bytes"]);
    run(&["server", "--config=/dev/zero"], &[])
        .unwrap()
        .refused(&["/dev/zero: larger than"]);
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").display().to_string();
    run(&["server", &format!("--config={missing}")], &[])
        .unwrap()
        .refused(&[&format!("{missing}: No such file")]);
}

#[test]
fn a_bad_variable_of_the_environment_is_named() {
    run(&["server"], &[("SKERRY_ETCD_CLIENT_PORT", "http")])
        .unwrap()
        .refused(&["SKERRY_ETCD_CLIENT_PORT", "expected a port"]);
}

#[test]
fn the_command_line_explains_itself() {
    let run = |words: &[&str]| run(words, &[]).unwrap();
    assert!(run(&["--version"]).succeeded().starts_with("skerry "));
    assert!(run(&["--help"]).succeeded().contains("skerry server"));
    assert!(
        run(&["server", "--help"])
            .succeeded()
            .contains("--data-dir")
    );
    for words in [["member", "--help", ""], ["member", "list", "--help"]] {
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        assert!(run(&words).succeeded().contains("skerry member remove"));
    }
    run(&[]).refused(&["no command", "usage:"]);
    run(&["serve"]).refused(&["unknown command 'serve'", "usage:"]);
    run(&["server", "--data-dirs=x"]).refused(&["did you mean 'data-dir'?"]);
    run(&["member", "remove", "--data-dir=x"]).refused(&["which member?"]);
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let data_dir = format!("--data-dir={}", missing.display());
    run(&["member", "list", &data_dir]).refused(&["no certificates of a cluster"]);
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_data_directory_or_a_port_that_another_server_uses_is_refused() {
    let cluster = Cluster::start(Kind::Skerry, 1, &brisk()).await.unwrap();
    let data_dir = cluster.members[0].data_dir.display().to_string();
    let other = Addresses::free(1).unwrap().hosts[0];
    let used = format!("--data-dir={data_dir}");
    run(&["server", &used, &format!("--node-ip={other}")], &[])
        .unwrap()
        .refused(&[&data_dir, "another skerry server uses this data directory"]);
    let fresh = format!("--data-dir={}", cluster.folder().join("fresh").display());
    let host = cluster.addresses.hosts[0];
    run(&["server", &fresh, &format!("--node-ip={host}")], &[])
        .unwrap()
        .refused(&[&format!(
            "cannot listen on {host}:6443: Address already in use"
        )]);
}

#[test]
fn a_data_directory_that_cannot_be_one_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    for below in ["", "/below"] {
        run(&["server", &format!("--data-dir={path}{below}")], &[])
            .unwrap()
            .refused(&[&path, "cannot make the data directory"]);
    }
}

#[tokio::test]
async fn damage_to_what_a_server_needs_is_named_by_file_and_what_to_do() {
    let mut cluster = Cluster::start(Kind::Skerry, 1, &brisk()).await.unwrap();
    let member = &mut cluster.members[0];
    member.kill().unwrap();
    for (file, text, words) in [
        ("db/identity.json", "{", "rejoin as a new member"),
        ("db/state.redb", "", "rejoin as a new member"),
        (
            "db/state.redb",
            "no database, and larger than nothing",
            "rejoin as a new member",
        ),
        ("token", "", "the token is empty"),
        ("tls/server-ca.crt", "junk", "holds no certificate"),
        ("tls/etcd/peer-ca.key", "junk", "not a private key"),
    ] {
        let path = member.data_dir.join(file);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        last_words(member).unwrap().refused(&[file, words]);
        std::fs::write(&path, good).unwrap();
    }
    let authority = member.data_dir.join("tls/client-ca.key");
    let good = std::fs::read(&authority).unwrap();
    std::fs::remove_file(&authority).unwrap();
    last_words(member)
        .unwrap()
        .refused(&["tls/client-ca.key is missing: copy it from another server"]);
    std::fs::write(&authority, good).unwrap();

    // What can be made anew is made anew.
    for leaf in [
        "etcd/client.crt",
        "etcd/server-client.key",
        "client-admin.key",
    ] {
        std::fs::write(member.data_dir.join("tls").join(leaf), "junk").unwrap();
    }
    cluster.restart(0).await.unwrap();
    assert!(Path::new(&cluster.members[0].data_dir).exists());
}
