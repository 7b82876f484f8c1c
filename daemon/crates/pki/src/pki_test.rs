//! What a node can rely on about its certificates: over starts, power cuts, changed names,
//! clocks that lie, and time.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::parse_chain;
use crate::limits::{
    CA_CHAIN_MAX, CA_LIFE_SECONDS, FILE_BYTES_MAX, LEAF_LIFE_SECONDS, LEAF_RENEW_SECONDS,
};
use crate::{
    AuthorityFile, AuthorityFiles, CLOCK_FLOOR, CaHash, Clock, Identity, Leaf, Pki, PkiError,
    client_config_trusting, client_config_unverified,
};

pub(crate) const NOW: u64 = CLOCK_FLOOR + 40_000_000;

pub(crate) fn clock_at(seconds: u64) -> Arc<Clock> {
    Arc::new(Clock::reading(move || seconds))
}

pub(crate) fn identity(name: &str) -> Identity {
    Identity::new(name, vec!["127.0.0.2".parse().unwrap()])
}

pub(crate) fn form(folder: &Path) -> Pki {
    Pki::load_or_create(folder, identity("one"), clock_at(NOW)).unwrap()
}

pub(crate) fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join("tls").join(name)).unwrap()
}

fn validity(folder: &Path, name: &str) -> (i64, i64) {
    let chain = parse_chain(read(folder, name).as_bytes()).unwrap();
    let (_, parsed) = X509Certificate::from_der(&chain[0]).unwrap();
    (
        parsed.validity().not_before.timestamp(),
        parsed.validity().not_after.timestamp(),
    )
}

/// A whole handshake in memory, and a byte each way; what went wrong otherwise.
pub(crate) fn handshake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &str,
) -> Result<(), String> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let mut wire = Vec::new();
    for _ in 0..10 {
        wire.clear();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server
                .process_new_packets()
                .map_err(|error| format!("server: {error}"))?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client
                .process_new_packets()
                .map_err(|error| format!("client: {error}"))?;
        }
        if !client.is_handshaking() && !server.is_handshaking() && !client.wants_write() {
            break;
        }
    }
    client.writer().write_all(b"?").unwrap();
    wire.clear();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut wire.as_slice()).unwrap();
    server
        .process_new_packets()
        .map_err(|error| format!("server: {error}"))?;
    let mut byte = [0];
    server
        .reader()
        .read_exact(&mut byte)
        .map_err(|error| error.to_string())
}

#[test]
fn a_cluster_forms_in_an_empty_folder_with_k3s_files_and_modes() {
    let folder = tempfile::tempdir().unwrap();
    form(folder.path());
    let keys = [
        "server-ca",
        "client-ca",
        "request-header-ca",
        "etcd/server-ca",
        "etcd/peer-ca",
        "serving-kube-apiserver",
        "client-admin",
        "etcd/server-client",
        "etcd/peer-server-client",
        "etcd/client",
    ];
    for stem in keys {
        let mode = |suffix: &str| {
            let path = folder.path().join("tls").join(format!("{stem}.{suffix}"));
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        };
        assert_eq!((mode("key"), mode("crt")), (0o600, 0o644), "{stem}");
    }
    let mode = |name: &str| {
        fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode("tls/service.key"), 0o600);
    assert_eq!(mode("tls"), 0o700);
    assert!(read(folder.path(), "service.key").starts_with("-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn a_second_start_changes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let first = form(folder.path());
    let second = Pki::load(folder.path(), identity("one"), clock_at(NOW + 86_400)).unwrap();
    assert_eq!(first.authority_files(), second.authority_files());
    for leaf in Leaf::ALL {
        assert_eq!(
            first.live(leaf).current().cert,
            second.live(leaf).current().cert,
            "{leaf:?}"
        );
    }
}

#[test]
fn every_certificate_is_valid_from_1970_and_ends_a_life_after_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    form(folder.path());
    for leaf in Leaf::ALL {
        let (start, end) = validity(folder.path(), &leaf.certificate_name());
        assert_eq!(
            (start, end as u64),
            (0, NOW + LEAF_LIFE_SECONDS),
            "{leaf:?}"
        );
    }
    let (start, end) = validity(folder.path(), "server-ca.crt");
    assert_eq!((start, end as u64), (0, NOW + CA_LIFE_SECONDS));
}

#[test]
fn a_box_that_wakes_in_1970_makes_certificates_that_others_take() {
    let folder = tempfile::tempdir().unwrap();
    let woken = Pki::load_or_create(folder.path(), identity("one"), clock_at(60)).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    woken.authority_files().install(elsewhere.path()).unwrap();
    let set = Pki::load(
        elsewhere.path(),
        identity("two"),
        clock_at(CLOCK_FLOOR + 86_400),
    )
    .unwrap();
    for (server, client) in [(&woken, &set), (&set, &woken)] {
        let config = server.peer_configs().unwrap().0;
        handshake(client.peer_configs().unwrap().1, config, "127.0.0.2").unwrap();
    }
}

#[test]
fn with_the_clock_unset_new_certificates_last_from_the_newest_one_seen() {
    let folder = tempfile::tempdir().unwrap();
    form(folder.path());
    let woken = Pki::load(folder.path(), identity("renamed"), clock_at(60)).unwrap();
    assert_eq!(
        woken.live(Leaf::ApiServer).not_after(),
        NOW + LEAF_LIFE_SECONDS
    );
}

#[test]
fn a_leaf_is_issued_again_when_names_change_and_authorities_stay() {
    let folder = tempfile::tempdir().unwrap();
    let first = form(folder.path());
    let mut changed = identity("one");
    changed.tls_sans.push("api.example.com".into());
    let second = Pki::load(folder.path(), changed.clone(), clock_at(NOW)).unwrap();
    assert_eq!(first.authority_files(), second.authority_files());
    let same = |leaf| first.live(leaf).current().cert == second.live(leaf).current().cert;
    assert!(!same(Leaf::ApiServer));
    assert!(same(Leaf::EtcdServer) && same(Leaf::EtcdPeer) && same(Leaf::Admin));
    let config = second.client_config_admin().unwrap();
    handshake(
        config,
        second.server_config_api().unwrap(),
        "api.example.com",
    )
    .unwrap();
    changed.node_ips = vec!["127.0.0.3".parse().unwrap()];
    let third = Pki::load(folder.path(), changed, clock_at(NOW)).unwrap();
    let config = third.client_config_etcd().unwrap();
    handshake(config, third.server_config_etcd().unwrap(), "127.0.0.3").unwrap();
}

#[test]
fn names_that_change_while_the_server_runs_are_in_the_next_handshake_and_stay_there() {
    let folder = tempfile::tempdir().unwrap();
    let pki = form(folder.path());
    let config = pki.server_config_api().unwrap();
    assert!(pki.reload(identity("one")).unwrap().is_empty());
    let mut changed = identity("one");
    changed.tls_sans.push("api.example.com".into());
    assert_eq!(pki.reload(changed.clone()).unwrap(), [Leaf::ApiServer]);
    let meet = || {
        let client = pki.client_config_admin().unwrap();
        handshake(client, Arc::clone(&config), "api.example.com")
    };
    meet().unwrap();
    pki.rotate(&[Leaf::ApiServer]).unwrap();
    meet().unwrap();
    // A name that no certificate can carry changes nothing.
    let mut wrong = identity("one");
    wrong.tls_sans.push("no name at all".into());
    pki.reload(wrong).unwrap_err();
    meet().unwrap();
    // What another process has issued is taken from the disk.
    let other = Pki::load(folder.path(), changed.clone(), clock_at(NOW)).unwrap();
    other.rotate(&[Leaf::Admin]).unwrap();
    assert_eq!(pki.reload(changed).unwrap(), [Leaf::Admin]);
}

#[test]
fn a_leaf_within_a_third_of_its_life_is_issued_again_at_start() {
    let folder = tempfile::tempdir().unwrap();
    form(folder.path());
    let last_good = NOW + LEAF_LIFE_SECONDS - LEAF_RENEW_SECONDS;
    let kept = Pki::load(folder.path(), identity("one"), clock_at(last_good)).unwrap();
    assert_eq!(kept.earliest_end(), NOW + LEAF_LIFE_SECONDS);
    let renewed = Pki::load(folder.path(), identity("one"), clock_at(last_good + 1)).unwrap();
    assert_eq!(renewed.earliest_end(), last_good + 1 + LEAF_LIFE_SECONDS);
}

#[test]
fn certificates_are_renewed_while_connections_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(NOW));
    let reading = Arc::clone(&now);
    let clock = Arc::new(Clock::reading(move || reading.load(Ordering::Relaxed)));
    let pki = Pki::load_or_create(folder.path(), identity("one"), clock).unwrap();
    let (server, client) = pki.peer_configs().unwrap();
    let etcd = (
        pki.client_config_etcd().unwrap(),
        pki.server_config_etcd().unwrap(),
    );
    assert_eq!(pki.renew_due().unwrap(), vec![]);

    // A year and a day without a restart: all have ended.
    now.store(NOW + LEAF_LIFE_SECONDS + 86_400, Ordering::Relaxed);
    let error = handshake(Arc::clone(&client), Arc::clone(&server), "127.0.0.2").unwrap_err();
    assert!(error.contains("expired"), "{error}");

    assert_eq!(pki.renew_due().unwrap(), Leaf::ALL);
    handshake(client, server, "127.0.0.2").unwrap();
    handshake(etcd.0, etcd.1, "127.0.0.2").unwrap();
    let end = now.load(Ordering::Relaxed) + LEAF_LIFE_SECONDS;
    assert_eq!(validity(folder.path(), "etcd/client.crt").1 as u64, end);
}

#[test]
fn a_renewal_that_cannot_be_written_is_in_use_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(NOW));
    let reading = Arc::clone(&now);
    let clock = Arc::new(Clock::reading(move || reading.load(Ordering::Relaxed)));
    let pki = Pki::load_or_create(folder.path(), identity("one"), clock).unwrap();
    fs::rename(folder.path().join("tls"), folder.path().join("gone")).unwrap();
    now.store(NOW + LEAF_LIFE_SECONDS, Ordering::Relaxed);
    let error = pki.renew_due().unwrap_err();
    assert!(matches!(error, PkiError::Write { .. }), "{error}");
    assert_eq!(pki.earliest_end(), NOW + 2 * LEAF_LIFE_SECONDS);
}

#[test]
fn a_leaf_never_outlives_its_authority_and_is_not_renewed_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    form(folder.path());
    let late = NOW + CA_LIFE_SECONDS - 86_400;
    let pki = Pki::load(folder.path(), identity("one"), clock_at(late)).unwrap();
    assert_eq!(pki.earliest_end(), NOW + CA_LIFE_SECONDS);
    assert_eq!(pki.renew_due().unwrap(), vec![]);
}

#[test]
fn a_leaf_that_is_damaged_or_not_of_this_cluster_is_issued_again() {
    let other = tempfile::tempdir().unwrap();
    form(other.path());
    type Damage = fn(&Path, &Path);
    let cases: &[(&str, Damage)] = &[
        ("certificate gone", |tls, _| {
            fs::remove_file(tls.join("etcd/client.crt")).unwrap()
        }),
        ("key gone", |tls, _| {
            fs::remove_file(tls.join("etcd/client.key")).unwrap()
        }),
        ("certificate empty", |tls, _| {
            fs::write(tls.join("etcd/client.crt"), "").unwrap()
        }),
        ("key is no key", |tls, _| {
            fs::write(tls.join("etcd/client.key"), "x").unwrap()
        }),
        ("key of another", |tls, other| {
            fs::copy(other.join("etcd/client.key"), tls.join("etcd/client.key")).unwrap();
        }),
        ("pair of another cluster", |tls, other| {
            fs::copy(other.join("etcd/client.key"), tls.join("etcd/client.key")).unwrap();
            fs::copy(other.join("etcd/client.crt"), tls.join("etcd/client.crt")).unwrap();
        }),
        ("pair of another kind", |tls, _| {
            fs::copy(tls.join("client-admin.key"), tls.join("etcd/client.key")).unwrap();
            fs::copy(tls.join("client-admin.crt"), tls.join("etcd/client.crt")).unwrap();
        }),
    ];
    for (what, damage) in cases {
        let folder = tempfile::tempdir().unwrap();
        form(folder.path());
        damage(&folder.path().join("tls"), &other.path().join("tls"));
        let pki = Pki::load(folder.path(), identity("one"), clock_at(NOW)).unwrap();
        let config = pki.client_config_etcd().unwrap();
        handshake(config, pki.server_config_etcd().unwrap(), "localhost")
            .unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[test]
fn a_missing_or_damaged_authority_is_named_and_never_made_anew_for_a_member() {
    type Damage = fn(&Path);
    let cases: &[(&str, &str, Damage)] = &[
        ("no certificate", "server-ca.crt", |tls| {
            fs::remove_file(tls.join("server-ca.crt")).unwrap();
        }),
        ("no key", "etcd/peer-ca.key", |tls| {
            fs::remove_file(tls.join("etcd/peer-ca.key")).unwrap();
        }),
        ("no pair", "client-ca.crt", |tls| {
            fs::remove_file(tls.join("client-ca.crt")).unwrap();
            fs::remove_file(tls.join("client-ca.key")).unwrap();
        }),
        ("no service key", "service.key", |tls| {
            fs::remove_file(tls.join("service.key")).unwrap();
        }),
        ("key of another", "client-ca.key", |tls| {
            fs::copy(tls.join("server-ca.key"), tls.join("client-ca.key")).unwrap();
        }),
        ("empty certificate", "client-ca.crt", |tls| {
            fs::write(tls.join("client-ca.crt"), "").unwrap();
        }),
        ("not a key", "client-ca.key", |tls| {
            fs::write(tls.join("client-ca.key"), "not a key").unwrap();
        }),
        ("a leaf", "client-ca.crt", |tls| {
            fs::copy(tls.join("client-admin.crt"), tls.join("client-ca.crt")).unwrap();
            fs::copy(tls.join("client-admin.key"), tls.join("client-ca.key")).unwrap();
        }),
    ];
    for (what, name, damage) in cases {
        let folder = tempfile::tempdir().unwrap();
        form(folder.path());
        damage(&folder.path().join("tls"));
        let error = Pki::load(folder.path(), identity("one"), clock_at(NOW)).unwrap_err();
        assert!(error.to_string().contains(name), "{what}: {error}");
    }
}

#[test]
fn a_power_cut_while_the_authorities_are_made_is_healed_by_the_next_start() {
    let whole = tempfile::tempdir().unwrap();
    form(whole.path());
    let pem = read(whole.path(), "server-ca.crt");
    // The key had its name, the certificate had not; nothing after it was made.
    let folder = tempfile::tempdir().unwrap();
    let tls = folder.path().join("tls");
    fs::create_dir_all(tls.join("etcd")).unwrap();
    fs::write(
        tls.join("server-ca.key"),
        read(whole.path(), "server-ca.key"),
    )
    .unwrap();
    fs::write(tls.join("server-ca.crt.new"), &pem).unwrap();
    let pki = form(folder.path());
    assert_eq!(pki.ca_bundle(), pem);
    // Neither had its name.
    let folder = tempfile::tempdir().unwrap();
    let tls = folder.path().join("tls");
    fs::create_dir_all(tls.join("etcd")).unwrap();
    fs::write(tls.join("server-ca.key.new"), "torn").unwrap();
    form(folder.path());
}

#[test]
fn a_server_that_joins_gets_all_it_needs_and_talks_to_the_first() {
    let one = tempfile::tempdir().unwrap();
    let first = form(one.path());
    let wire = serde_json::to_vec(&first.authority_files()).unwrap();
    let two = tempfile::tempdir().unwrap();
    // It was in a cluster of its own before.
    form(two.path());
    let files: AuthorityFiles = serde_json::from_slice(&wire).unwrap();
    files.install(two.path()).unwrap();
    let second = Pki::load(two.path(), identity("two"), clock_at(NOW)).unwrap();
    assert_eq!(first.ca_hash(), second.ca_hash());
    let (server, client) = (
        first.peer_configs().unwrap().0,
        second.peer_configs().unwrap().1,
    );
    handshake(client, server, "127.0.0.2").unwrap();
    let mode = fs::metadata(two.path().join("tls/etcd/peer-ca.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn authority_files_that_are_incomplete_or_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = form(folder.path()).authority_files();
    let target = tempfile::tempdir().unwrap();
    type Damage = fn(&mut Vec<AuthorityFile>);
    let cases: &[(&str, Damage)] = &[
        ("one missing", |files| _ = files.pop()),
        ("one too many", |files| {
            files.push(AuthorityFile {
                name: "../../etc/passwd".into(),
                pem: "x".to_owned().into(),
            });
        }),
        ("keys swapped", |files| {
            let pem = files[1].pem.clone();
            files[1].pem = std::mem::replace(&mut files[3].pem, pem);
        }),
        ("one too large", |files| {
            let size = usize::try_from(FILE_BYTES_MAX).unwrap() + 1;
            files[0].pem = " ".repeat(size).into();
        }),
        ("a chain too long", |files| {
            let pem = files[0].pem.repeat(CA_CHAIN_MAX + 1);
            files[0].pem = pem.into();
        }),
        ("no key for service accounts", |files| {
            files[10].pem = "nothing".to_owned().into();
        }),
    ];
    for (what, damage) in cases {
        let mut files = good.clone();
        damage(&mut files.0);
        let error = files.install(target.path()).unwrap_err();
        assert!(
            matches!(error, PkiError::Transferred { .. }),
            "{what}: {error}"
        );
    }
    assert!(!target.path().join("tls").exists());
}

#[test]
fn the_pin_is_the_hash_of_what_cacerts_serves() {
    let folder = tempfile::tempdir().unwrap();
    let pki = form(folder.path());
    let bytes = fs::read(folder.path().join("tls/server-ca.crt")).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    assert_eq!(
        pki.ca_hash().to_string(),
        crate::hex::encode(digest.as_ref())
    );
    let (hash, anchor) = CaHash::of_bundle(pki.ca_bundle().as_bytes()).unwrap();
    assert_eq!(hash, pki.ca_hash());
    let trusting = client_config_trusting(&anchor, pki.clock()).unwrap();
    handshake(trusting, pki.server_config_api().unwrap(), "127.0.0.2").unwrap();
    for nothing in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA"] {
        assert!(CaHash::of_bundle(nothing.as_bytes()).is_none());
    }
}

#[test]
fn only_the_pinned_root_of_a_bundle_is_trusted() {
    let good = tempfile::tempdir().unwrap();
    let evil = tempfile::tempdir().unwrap();
    let (good, evil) = (form(good.path()), form(evil.path()));
    // Somebody in the middle puts an authority of theirs before the one that is pinned.
    let bundle = format!("{}{}", evil.ca_bundle(), good.ca_bundle());
    let (hash, _) = CaHash::of_bundle(bundle.as_bytes()).unwrap();
    assert_ne!(
        hash,
        good.ca_hash(),
        "the first authority is what a bundle says it is"
    );
    let anchor = good.ca_hash().certificate_in(bundle.as_bytes()).unwrap();
    let trusting = client_config_trusting(&anchor, good.clock()).unwrap();
    let error = handshake(trusting, evil.server_config_api().unwrap(), "127.0.0.2").unwrap_err();
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn every_port_lets_in_whom_it_should_and_nobody_else() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, theirs) = (form(ours.path()), form(theirs.path()));
    let open = client_config_unverified(ours.clock()).unwrap();
    let api = || ours.server_config_api().unwrap();
    let etcd = || ours.server_config_etcd().unwrap();
    let peer = || ours.peer_configs().unwrap().0;
    let name = "127.0.0.2";

    handshake(ours.client_config_admin().unwrap(), api(), name).unwrap();
    handshake(Arc::clone(&open), api(), name).unwrap();
    handshake(ours.client_config_etcd().unwrap(), etcd(), name).unwrap();
    handshake(ours.peer_configs().unwrap().1, peer(), "192.0.2.99").unwrap();

    let refused = [
        (
            "6443, foreign server",
            handshake(
                ours.client_config_admin().unwrap(),
                theirs.server_config_api().unwrap(),
                name,
            ),
        ),
        (
            "6443, other name",
            handshake(ours.client_config_admin().unwrap(), api(), "192.0.2.99"),
        ),
        (
            "2379, no certificate",
            handshake(Arc::clone(&open), etcd(), name),
        ),
        (
            "2379, foreign client",
            handshake(theirs.client_config_etcd().unwrap(), etcd(), name),
        ),
        (
            "2379, other name",
            handshake(ours.client_config_etcd().unwrap(), etcd(), "192.0.2.99"),
        ),
        ("2380, no certificate", handshake(open, peer(), name)),
        (
            "2380, etcd client",
            handshake(ours.client_config_etcd().unwrap(), peer(), name),
        ),
        (
            "2380, foreign member",
            handshake(theirs.peer_configs().unwrap().1, peer(), name),
        ),
    ];
    for (what, result) in refused {
        assert!(result.is_err(), "{what}");
    }
}
