//! Commands that need no server: what is wrong with a host or a configuration, and completion.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::{Addresses, skerry_binary};
use skerry_tests_lifecycle::run;
use std::net::TcpListener;
use std::process::Command;

#[test]
fn check_config_tells_as_a_table_what_would_stop_the_server_and_changes_nothing() {
    let host = Addresses::free(1).unwrap().hosts[0];
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "kubelet-arg: [max-pods=1]\n").unwrap();
    let flags = [
        format!("--config={}", config.display()),
        format!("--data-dir={}", data_dir.display()),
        format!("--node-ip={host}"),
        "--node-name=here".to_owned(),
    ];
    let mut words = vec!["check-config"];
    words.extend(flags.iter().map(String::as_str));
    let ran = run(&words, &[]).unwrap();
    let table = ran.succeeded();
    for what in [
        "configuration    ok       node here at ",
        "config.yaml:1: 'kubelet-arg' has no effect",
        "data directory   ok",
        "filesystem ",
        "clock            ok",
        "open files ",
        "https port       ok",
    ] {
        assert!(table.contains(what), "no '{what}' in: {table}");
    }
    assert!(!data_dir.exists());

    // A port that is taken, and a value that is wrong.
    let _taken = TcpListener::bind((host, 2380)).unwrap();
    let ran = run(&words, &[]).unwrap();
    ran.refused(&["peer port        FAILED", "one check failed"]);
    std::fs::write(&config, "\nservice-cidr: here\n").unwrap();
    let ran = run(&words, &[]).unwrap();
    ran.refused(&["configuration    FAILED", "config.yaml:2: 'service-cidr'"]);
}

/// What a shell completes after these words.
fn bash_completes(words: &[&str]) -> String {
    let script = format!(
        "source <({} completion bash); COMP_WORDS=({}); COMP_CWORD={}; _skerry; echo \"${{COMPREPLY[@]}}\"",
        skerry_binary().unwrap().display(),
        words.join(" "),
        words.len() - 1
    );
    let ran = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn bash_completes_commands_what_follows_them_and_flags() {
    assert_eq!(bash_completes(&["skerry", "serv"]), "server");
    assert_eq!(bash_completes(&["skerry", "member", "li"]), "list");
    assert_eq!(
        bash_completes(&["skerry", "server", "--etcd-cl"]),
        "--etcd-client-port"
    );
    assert_eq!(
        bash_completes(&["skerry", "server", "--config", "/etc/host"])
            .split(' ')
            .find(|path| *path == "/etc/hosts"),
        Some("/etc/hosts")
    );
    assert_eq!(bash_completes(&["skerry", "server", "--node-ip", "x"]), "");
}

#[test]
fn the_other_shells_get_every_flag_too_and_an_unknown_one_is_refused() {
    let zsh = run(&["completion", "zsh"], &[]).unwrap();
    assert!(zsh.succeeded().starts_with("#compdef skerry"));
    assert!(zsh.said.contains("'--data-dir:"), "{}", zsh.said);
    let fish = run(&["completion", "fish"], &[]).unwrap();
    assert!(
        fish.succeeded().contains("-l data-dir -s d -r -F"),
        "{}",
        fish.said
    );
    run(&["completion", "csh"], &[])
        .unwrap()
        .refused(&["bash, zsh or fish"]);
}
