//! SIGHUP, as `systemctl reload` sends it.

use skerry_tests_harness::{Cluster, Kind, Options, Signal, eventually};
use skerry_tests_lifecycle::{ServiceManager, brisk, config_of, get_as};
use std::time::Duration;

/// No test here is about the watchdog.
const WATCHDOG: Duration = Duration::from_secs(60);
const DEADLINE: Duration = Duration::from_secs(60);

/// One server that has told `systemd` that it is ready.
async fn ready(systemd: &ServiceManager) -> Cluster {
    let options = Options {
        config: "tls-san: [first.example]\n".into(),
        environment: systemd.environment(WATCHDOG),
        ..brisk()
    };
    let cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    systemd.wait_for("READY=1").unwrap();
    cluster
}

/// Has the server read again, as systemd does, and waits until it has.
fn reload(cluster: &Cluster, systemd: &ServiceManager) {
    cluster.members[0].signal(Signal::SIGHUP).unwrap();
    let said = systemd.wait_for("RELOADING=1").unwrap();
    let began = said
        .iter()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(began.unwrap().parse::<u64>().unwrap() > 0);
    systemd.wait_for("READY=1").unwrap();
}

/// The log says it, somewhere: with `debug` the last lines are of many things.
fn log_says(cluster: &Cluster, words: &str) {
    eventually("the log says it", DEADLINE, || {
        let member = &cluster.members[0];
        let log = std::fs::read_to_string(&member.log)?;
        anyhow::ensure!(log.contains(words), "no '{words}'");
        Ok(())
    })
    .unwrap();
}

async fn answers_as(cluster: &Cluster, name: &'static str) -> bool {
    let name = rustls_pki_types::ServerName::try_from(name).unwrap();
    get_as(&cluster.members[0], name, "/ping").await.is_ok()
}

#[tokio::test]
async fn a_reload_takes_what_it_can_and_names_what_waits_for_a_restart() {
    let systemd = ServiceManager::new().unwrap();
    let mut cluster = ready(&systemd).await;
    assert!(answers_as(&cluster, "first.example").await);
    assert!(!answers_as(&cluster, "second.example").await);
    let pid = cluster.members[0].pid();

    let config = config_of(&cluster.members[0]).to_owned();
    let text = "tls-san: [second.example]\ndebug: true\nquota-backend-bytes: 1G\n";
    std::fs::write(&config, text).unwrap();
    reload(&cluster, &systemd);
    assert!(answers_as(&cluster, "second.example").await);
    assert!(!answers_as(&cluster, "first.example").await);
    log_says(
        &cluster,
        "tls-san: from 'first.example' to 'second.example'",
    );
    log_says(
        &cluster,
        "quota-backend-bytes: from not given to '1G' needs a restart",
    );
    log_says(&cluster, " DEBUG ");

    // One that no start would take changes nothing, and says where it is wrong.
    std::fs::write(&config, "tls-san: [third.example]\ntls-sans: x\n").unwrap();
    reload(&cluster, &systemd);
    let place = format!("{}:2: unknown setting 'tls-sans'", config.display());
    log_says(&cluster, &place);
    assert!(answers_as(&cluster, "second.example").await);
    assert!(!answers_as(&cluster, "third.example").await);

    // Certificates are read from the disk again: one whose key is gone is made anew.
    std::fs::write(&config, text).unwrap();
    let key = cluster.members[0]
        .data_dir
        .join("tls/serving-kube-apiserver.key");
    std::fs::remove_file(&key).unwrap();
    reload(&cluster, &systemd);
    log_says(&cluster, "certificates were read again renewed=[ApiServer]");
    assert!(answers_as(&cluster, "second.example").await);
    assert_eq!(cluster.members[0].pid(), pid);
    assert!(cluster.members[0].is_running());
}

#[tokio::test]
async fn a_signal_that_comes_before_the_server_serves_does_not_end_it() {
    let systemd = ServiceManager::new().unwrap();
    let mut cluster = ready(&systemd).await;
    cluster.members[0].kill().unwrap();
    cluster.members[0].start().unwrap();
    systemd.wait_for("STATUS=recovering").unwrap();
    cluster.members[0].signal(Signal::SIGHUP).unwrap();
    systemd.wait_for("READY=1").unwrap();
    systemd.wait_for("RELOADING=1").unwrap();
    systemd.wait_for("READY=1").unwrap();
    assert!(cluster.members[0].is_running());
}
