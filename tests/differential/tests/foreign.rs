//! A replica of the real etcd: what it shows, before, while and after etcd is down.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use skerry_foreign::{Candidate, Foreign, Members, Tls};
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::Reply;
use skerry_tests_harness::{Cluster, Credentials, Kind, Options, eventually_async};

const DEADLINE: Duration = Duration::from_secs(60);

fn plain() -> Options {
    Options {
        tls: false,
        ..Options::default()
    }
}

fn roots(credentials: &Credentials) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(&credentials.server_ca).unwrap() {
        roots.add(authority.unwrap()).unwrap();
    }
    roots
}

fn tls(credentials: Option<&Credentials>) -> Tls {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match credentials {
        None => config
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
        Some(credentials) => {
            let chain = CertificateDer::pem_file_iter(&credentials.certificate).unwrap();
            let key = PrivateKeyDer::from_pem_file(&credentials.key).unwrap();
            config
                .with_root_certificates(roots(credentials))
                .with_client_auth_cert(chain.map(Result::unwrap).collect(), key)
                .unwrap()
        }
    };
    let config = Arc::new(config);
    Arc::new(move || Ok(Arc::clone(&config)))
}

fn foreign(cluster: &Cluster, folder: &Path) -> Arc<Foreign> {
    let members = Members::new(&cluster.endpoints(), &tls(cluster.credentials())).unwrap();
    let path = folder.join("replica.redb");
    Arc::new(Foreign::new(members, &path, skerry_store::Options::default()).unwrap())
}

fn put(key: &str, value: &str) -> pb::PutRequest {
    pb::PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..pb::PutRequest::default()
    }
}

fn value(foreign: &Foreign, key: &str) -> Option<String> {
    let kv = foreign.reader().view().unwrap().get(key.as_bytes());
    kv.unwrap()
        .map(|kv| String::from_utf8(kv.value.to_vec()).unwrap())
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let look = || async {
        match holds() {
            true => Ok(()),
            false => anyhow::bail!("not yet"),
        }
    };
    eventually_async(what, DEADLINE, look).await.unwrap();
}

#[tokio::test]
async fn a_replica_shows_what_etcd_holds_also_across_a_restart_of_etcd() {
    let mut etcd = Cluster::start(Kind::Etcd, 1, &Options::default())
        .await
        .unwrap();
    let mut other = etcd.client(0).unwrap();
    for n in 0..200 {
        let key = format!("/registry/before/{n:03}");
        other.kv.put(put(&key, "1")).await.unwrap();
    }
    // More than one page may hold.
    let large = "x".repeat(1 << 20);
    for n in 0..12 {
        let key = format!("/registry/large/{n:02}");
        other.kv.put(put(&key, &large)).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let foreign = foreign(&etcd, folder.path());
    let following = Arc::clone(&foreign);
    let following = tokio::spawn(async move { following.run().await });
    tokio::time::timeout(DEADLINE, foreign.ready())
        .await
        .unwrap();
    assert_eq!(value(&foreign, "/registry/before/199").unwrap(), "1");
    assert_eq!(value(&foreign, "/registry/large/11").unwrap(), large);

    // Own writes are there once they are answered, at etcd's revision.
    let written = foreign.propose(Operation::Put(put("/registry/own", "1")));
    let Reply::Put(answer) = written.await.unwrap() else {
        panic!("a put is answered as one");
    };
    let view = foreign.reader().view().unwrap();
    let held = view.get(b"/registry/own").unwrap().unwrap();
    assert_eq!(held.mod_revision, answer.header.unwrap().revision);

    // What others wrote is there after a barrier, also where the newest key is not followed.
    other.kv.put(put("/registry/other", "1")).await.unwrap();
    other.kv.put(put("not-a-path", "1")).await.unwrap();
    foreign.linearize().await.unwrap();
    assert_eq!(value(&foreign, "/registry/other").unwrap(), "1");
    assert_eq!(value(&foreign, "not-a-path"), None);

    // While etcd is down, reads go on and writes are refused.
    until("etcd is reached", || foreign.is_reachable()).await;
    etcd.members[0].kill().unwrap();
    until("etcd is missed", || !foreign.is_reachable()).await;
    assert_eq!(value(&foreign, "/registry/own").unwrap(), "1");
    let refused = foreign.propose(Operation::Put(put("/registry/own", "2")));
    refused.await.unwrap_err();

    etcd.restart(0).await.unwrap();
    until("etcd is back", || foreign.is_reachable()).await;
    let mut other = etcd.client(0).unwrap();
    other.kv.put(put("/registry/other", "2")).await.unwrap();
    until("the watch goes on", || {
        value(&foreign, "/registry/other").as_deref() == Some("2")
    })
    .await;
    let written = foreign.propose(Operation::Put(put("/registry/own", "3")));
    written.await.unwrap();
    assert_eq!(value(&foreign, "/registry/own").unwrap(), "3");
    following.abort();
}

#[tokio::test]
async fn of_two_servers_on_one_etcd_one_leads_and_the_other_takes_over() {
    let etcd = Cluster::start(Kind::Etcd, 1, &plain()).await.unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let servers = folders
        .each_ref()
        .map(|folder| foreign(&etcd, folder.path()));
    let tasks = [1, 2].map(|n: u8| {
        let server = Arc::clone(&servers[usize::from(n) - 1]);
        tokio::spawn(async move {
            let me = Candidate {
                name: format!("n{n}"),
                address: IpAddr::V4(Ipv4Addr::new(127, 0, 32, n)),
                notes: String::new(),
            };
            tokio::join!(server.run(), server.stand(&me)).0
        })
    });
    until("one leads", || servers.iter().any(|server| server.leads())).await;
    until("both are told", || {
        servers.iter().all(|server| server.addresses().len() == 2)
    })
    .await;
    let leads = usize::from(servers[1].leads());
    assert!(!servers[1 - leads].leads());
    let [first, second] = &tasks;
    [first, second][leads].abort();
    until("the other leads", || servers[1 - leads].leads()).await;
    until("the first is gone", || {
        servers[1 - leads].addresses().len() == 1
    })
    .await;
    assert!(!servers[leads].leads());
    tasks.iter().for_each(|task| task.abort());
}

#[tokio::test]
async fn where_etcd_has_forgotten_what_comes_next_all_is_read_anew() {
    let etcd = Cluster::start(Kind::Etcd, 1, &plain()).await.unwrap();
    let mut other = etcd.client(0).unwrap();
    for key in ["/registry/gone", "/registry/kept"] {
        other.kv.put(put(key, "1")).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let foreign = foreign(&etcd, folder.path());
    let follow = || {
        let following = Arc::clone(&foreign);
        tokio::spawn(async move { following.run().await })
    };
    let following = follow();
    tokio::time::timeout(DEADLINE, foreign.ready())
        .await
        .unwrap();
    following.abort();
    assert!(following.await.is_err());

    let gone = pb::DeleteRangeRequest {
        key: "/registry/gone".into(),
        ..pb::DeleteRangeRequest::default()
    };
    other.kv.delete_range(gone).await.unwrap();
    let written = other.kv.put(put("/registry/new", "1")).await.unwrap();
    let revision = written.into_inner().header.unwrap().revision;
    let compaction = pb::CompactionRequest {
        revision,
        physical: true,
    };
    other.kv.compact(compaction).await.unwrap();
    let following = follow();
    until("it shows what is there now", || {
        value(&foreign, "/registry/new").is_some()
    })
    .await;
    assert_eq!(value(&foreign, "/registry/gone"), None);
    assert_eq!(value(&foreign, "/registry/kept").unwrap(), "1");
    let written = foreign.propose(Operation::Put(put("/registry/own", "1")));
    written.await.unwrap();
    following.abort();
}

#[tokio::test]
async fn of_three_members_of_etcd_one_may_die_and_the_next_one_is_asked() {
    let mut etcd = Cluster::start(Kind::Etcd, 3, &plain()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let foreign = foreign(&etcd, folder.path());
    let following = Arc::clone(&foreign);
    let following = tokio::spawn(async move { following.run().await });
    tokio::time::timeout(DEADLINE, foreign.ready())
        .await
        .unwrap();
    // The first of the list is the one that is asked.
    etcd.members[0].kill().unwrap();
    let written = || async {
        let put = Operation::Put(put("/registry/own", "2"));
        foreign.propose(put).await.map_err(anyhow::Error::from)
    };
    eventually_async("another member takes writes", DEADLINE, written)
        .await
        .unwrap();
    let mut other = etcd.client(1).unwrap();
    other.kv.put(put("/registry/other", "2")).await.unwrap();
    until("another member is followed", || {
        value(&foreign, "/registry/other").as_deref() == Some("2")
    })
    .await;
    following.abort();
}

#[tokio::test]
async fn a_server_that_retires_hands_over_at_once() {
    let etcd = Cluster::start(Kind::Etcd, 1, &plain()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let foreign = foreign(&etcd, folder.path());
    let me = Candidate {
        name: "n1".to_owned(),
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 32, 1)),
        notes: String::new(),
    };
    let standing = Arc::clone(&foreign);
    let tasks = tokio::spawn(async move { tokio::join!(standing.run(), standing.stand(&me)).0 });
    until("it leads", || foreign.leads()).await;
    tasks.abort();
    assert!(tasks.await.is_err());
    foreign.retire().await;
    assert!(!foreign.leads());
    let mut other = etcd.client(0).unwrap();
    let leader = pb::RangeRequest {
        key: "/skerry/leader".into(),
        ..pb::RangeRequest::default()
    };
    let held = other.kv.range(leader).await.unwrap().into_inner();
    assert_eq!(held.count, 0);
}
