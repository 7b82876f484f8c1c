//! Certificates over the years: new ones while servers run, after years without power, and with
//! clocks that are not set or are set anew.
#![allow(clippy::unwrap_used)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Member, Options, eventually, eventually_async};
use skerry_tests_lifecycle::{Ran, brisk, get, get_plain, run, server_of};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a server does by itself it does within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

fn certificate(member: &Member, words: &[&str]) -> Ran {
    let server = server_of(member);
    let words: Vec<&str> = ["certificate"]
        .iter()
        .chain(words)
        .copied()
        .chain(server.iter().map(String::as_str))
        .collect();
    run(&words, &[]).unwrap()
}

fn file(member: &Member, name: &str) -> String {
    std::fs::read_to_string(member.data_dir.join("tls").join(name)).unwrap()
}

fn until_the_log_says(member: &Member, words: &str) {
    eventually(words, DEADLINE, || {
        let log = std::fs::read_to_string(&member.log)?;
        anyhow::ensure!(log.contains(words), "{}", member.log_tail());
        Ok(())
    })
    .unwrap();
}

/// Servers whose clocks are off by what stands in a file.
struct Clocked {
    cluster: Cluster,
    offset: PathBuf,
    _folder: tempfile::TempDir,
}

impl Clocked {
    fn prepare(size: usize, options: Options) -> Clocked {
        let folder = tempfile::tempdir().unwrap();
        let offset = folder.path().join("offset");
        let variable = "SKERRY_TEST_CLOCK_OFFSET_FILE".to_owned();
        let options = Options {
            environment: vec![(variable, offset.display().to_string())],
            ..options
        };
        set(&offset, 0);
        Clocked {
            cluster: Cluster::prepare(Kind::Skerry, size, &options).unwrap(),
            offset,
            _folder: folder,
        }
    }

    async fn start(size: usize, options: Options) -> Clocked {
        let mut clocked = Clocked::prepare(size, options);
        clocked.cluster.form().await.unwrap();
        clocked
    }

    fn kill_all(&mut self) {
        for member in &mut self.cluster.members {
            member.kill().unwrap();
        }
    }

    async fn start_all(&mut self) {
        for member in &mut self.cluster.members {
            member.start().unwrap();
        }
        self.cluster.wait_all_ready().await.unwrap();
    }
}

/// In one step: a server may read it at any time.
fn set(offset: &Path, seconds: i64) {
    let beside = offset.with_extension("new");
    std::fs::write(&beside, seconds.to_string()).unwrap();
    std::fs::rename(beside, offset).unwrap();
}

#[tokio::test]
async fn certificates_are_rotated_while_the_server_runs_and_checked_beside_it() {
    let cluster = Cluster::start(Kind::Skerry, 2, &brisk()).await.unwrap();
    let member = &cluster.members[0];
    let checked = certificate(member, &["check"]);
    let lines = checked.succeeded().lines();
    assert_eq!(lines.filter(|line| line.contains(" is ok, ")).count(), 12);
    let table = certificate(member, &["check", "--output=table"]);
    let mut head = table.succeeded().lines().skip(1);
    for start in ["FILENAME", "--------"] {
        assert!(head.next().unwrap().starts_with(start), "{}", table.said);
    }
    let etcd = certificate(member, &["check", "-o=json", "--service=etcd"]);
    let issuer = r#""Issuer":"skerry-etcd-server-ca@"#;
    assert_eq!(etcd.succeeded().matches(issuer).count(), 2, "{}", etcd.said);
    certificate(member, &["check", "-o=yaml"]).succeeded();
    certificate(member, &["check", "-o=xml"]).refused(&["invalid output format xml"]);

    let before = [
        file(member, "etcd/client.crt"),
        file(member, "client-admin.crt"),
    ];
    certificate(member, &["rotate", "--service=etcd"]).succeeded();
    assert_ne!(file(member, "etcd/client.crt"), before[0]);
    assert_eq!(file(member, "client-admin.crt"), before[1]);
    certificate(member, &["rotate"]).succeeded();
    assert_ne!(file(member, "client-admin.crt"), before[1]);
    // With the new one, of a server that goes on.
    let mut client = cluster.client(0).unwrap();
    client.kv.put(pb::PutRequest::default()).await.unwrap_err();
    cluster.wait_voters(2).await.unwrap();
    certificate(member, &["check"]).succeeded();
    certificate(member, &["rotate", "--service=cook"]).refused(&["is not one of the services"]);
}

#[tokio::test]
async fn servers_without_power_for_two_years_start_by_themselves_and_find_each_other() {
    let mut servers = Clocked::start(3, brisk()).await;
    let before = file(&servers.cluster.members[0], "etcd/peer-server-client.crt");
    servers.kill_all();
    set(&servers.offset, 2 * YEAR);
    servers.start_all().await;
    for member in &servers.cluster.members {
        assert_ne!(file(member, "etcd/peer-server-client.crt"), before);
    }
    servers.cluster.leader().await.unwrap();
}

#[tokio::test]
async fn a_clock_that_jumps_by_years_renews_and_ends_no_lease_and_no_term() {
    // With the patience of a real one: a busy machine is no reason for an election.
    let servers = Clocked::start(2, Options::default()).await;
    let cluster = &servers.cluster;
    let mut client = cluster.client(0).unwrap();
    let grant = pb::LeaseGrantRequest { ttl: 300, id: 7 };
    client.lease.lease_grant(grant).await.unwrap();
    let status = |mut client: skerry_tests_harness::Client| async move {
        let status = client.maintenance.status(pb::StatusRequest {}).await;
        status.unwrap().into_inner()
    };
    let before = status(cluster.client(1).unwrap()).await;
    let leaf = file(&cluster.members[0], "etcd/client.crt");
    set(&servers.offset, 2 * YEAR);
    for member in &cluster.members {
        until_the_log_says(member, "clock was set");
        until_the_log_says(member, "certificates were renewed");
    }
    assert_ne!(file(&cluster.members[0], "etcd/client.crt"), leaf);
    // Back again: nothing is left of it.
    set(&servers.offset, 0);
    let mut client = cluster.client(1).unwrap();
    let asked = pb::LeaseTimeToLiveRequest { id: 7, keys: false };
    let lease = client.lease.lease_time_to_live(asked).await.unwrap();
    assert!(lease.into_inner().ttl > 0);
    let after = status(cluster.client(1).unwrap()).await;
    assert_eq!(after.raft_term, before.raft_term);
    assert_eq!(after.leader, before.leader);
}

#[tokio::test]
async fn a_server_that_wakes_in_1970_serves_with_the_time_it_has_kept_and_follows_the_real_one() {
    let mut servers = Clocked::start(2, brisk()).await;
    for member in &servers.cluster.members {
        let kept = member.data_dir.join("clock");
        eventually("the time is kept", DEADLINE, || {
            anyhow::ensure!(kept.exists());
            Ok(())
        })
        .unwrap();
    }
    servers.kill_all();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    set(&servers.offset, -i64::try_from(now.as_secs()).unwrap());
    servers.start_all().await;
    let mut client = servers.cluster.client(0).unwrap();
    let put = pb::PutRequest {
        key: "k".into(),
        ..Default::default()
    };
    client.kv.put(put).await.unwrap();
    for member in &servers.cluster.members {
        until_the_log_says(member, "the system's clock is not set");
    }
    set(&servers.offset, 0);
    for member in &servers.cluster.members {
        until_the_log_says(member, "the system's clock was set");
    }
    servers.cluster.wait_all_ready().await.unwrap();
}

#[tokio::test]
async fn what_ends_soon_is_told_as_an_event_and_in_the_metrics() {
    let options = Options {
        kubernetes: true,
        ..brisk()
    };
    let servers = Clocked::start(1, options).await;
    let member = &servers.cluster.members[0];
    eventually_async("the API has its first objects", DEADLINE, || async {
        let ready = get(member, "/readyz").await?;
        anyhow::ensure!(ready.status == 200, "{ready:?}");
        Ok(())
    })
    .await
    .unwrap();
    // The authorities end in thirty days, and whatever they sign.
    set(&servers.offset, 10 * YEAR - 30 * DAY);
    let events = pb::RangeRequest {
        key: "/registry/events/".into(),
        range_end: "/registry/events0".into(),
        ..Default::default()
    };
    eventually_async("the event is there", DEADLINE, || {
        // Anew each time: the client's certificate is renewed too.
        let (client, events) = (servers.cluster.client(0), events.clone());
        async move {
            let mut client = client?;
            let found = client.kv.range(events).await?.into_inner();
            let mut values = found.kvs.iter();
            let told = values.find(|kv| {
                let text = String::from_utf8_lossy(&kv.value);
                text.contains("CertificateExpirationWarning")
                    && text.contains("server-ca.crt: 30 days left")
            });
            anyhow::ensure!(told.is_some());
            Ok(())
        }
    })
    .await
    .unwrap();
    let metrics = get_plain(member, "/metrics").await.unwrap().body;
    let line = "skerry_certificate_left_days{file=\"server-ca.crt\"} ";
    let days = metrics.lines().find_map(|found| found.strip_prefix(line));
    let days: f64 = days.unwrap().parse().unwrap();
    assert!((29.0..=30.0).contains(&days), "{days}");
}
