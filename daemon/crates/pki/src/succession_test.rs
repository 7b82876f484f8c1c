//! What members and clients can rely on while other authorities follow those of a cluster.

use std::path::Path;
use std::sync::Arc;

use crate::pki_test::{NOW, clock_at, form, handshake, identity, read};
use crate::{
    AuthorityFile, AuthorityFiles, CaHash, Pki, Succession, SuccessionError, TokenFile,
    client_config_trusting,
};

fn made() -> Succession {
    Succession {
        make_authorities: true,
        make_service_key: true,
        ..Succession::default()
    }
}

fn load(folder: &Path) -> Pki {
    Pki::load(folder, identity("one"), clock_at(NOW)).unwrap()
}

fn followed(files: &AuthorityFiles, succession: &Succession) -> AuthorityFiles {
    files.followed_by(succession, &clock_at(NOW)).unwrap()
}

/// A node with these files, in a folder of its own.
fn node(files: &AuthorityFiles) -> (tempfile::TempDir, Pki) {
    let folder = tempfile::tempdir().unwrap();
    files.install(folder.path()).unwrap();
    let pki = load(folder.path());
    (folder, pki)
}

fn take_each_other(one: &Pki, two: &Pki) {
    let name = "127.0.0.2";
    for (client, server) in [(one, two), (two, one)] {
        let peer = server.peer_configs().unwrap().0;
        handshake(client.peer_configs().unwrap().1, peer, name).unwrap();
        let etcd = server.server_config_etcd().unwrap();
        handshake(client.client_config_etcd().unwrap(), etcd, name).unwrap();
        let api = server.server_config_api().unwrap();
        handshake(client.client_config_admin().unwrap(), api, name).unwrap();
    }
}

#[test]
fn members_before_and_after_take_each_other_also_over_two_rotations() {
    let folder = tempfile::tempdir().unwrap();
    let first = form(folder.path());
    let second = followed(&first.authority_files(), &made());
    let third = followed(&second, &made());
    let (_two, two) = node(&second);
    let (_three, three) = node(&third);
    for (one, other) in [(&first, &two), (&two, &three), (&first, &three)] {
        take_each_other(one, other);
    }
    let stranger = tempfile::tempdir().unwrap();
    let stranger = form(stranger.path());
    let api = three.server_config_api().unwrap();
    let name = "127.0.0.2";
    assert!(
        handshake(
            stranger.client_config_admin().unwrap(),
            Arc::clone(&api),
            name
        )
        .is_err()
    );

    // What tokens have pinned vouches for what they pin now.
    for pki in [&first, &two, &three] {
        let bundle = three.ca_bundle().as_bytes();
        let anchor = pki.ca_hash().certificate_in(bundle).unwrap();
        let trusting = client_config_trusting(&anchor, &clock_at(NOW)).unwrap();
        handshake(trusting, Arc::clone(&api), name).unwrap();
    }
    let pin = stranger.ca_hash();
    assert_eq!(pin.certificate_in(three.ca_bundle().as_bytes()), None);
    assert_ne!(first.ca_hash(), three.ca_hash());
    let (hash, _) = CaHash::of_bundle(three.ca_bundle().as_bytes()).unwrap();
    assert_eq!(hash, three.ca_hash());
}

#[test]
fn the_next_start_takes_them_whenever_the_power_was_cut_and_the_token_follows() {
    let folder = tempfile::tempdir().unwrap();
    let first = form(folder.path());
    let token = TokenFile::of(folder.path());
    let before = token.load_or_create(None, first.ca_hash()).unwrap();
    let next = followed(&first.authority_files(), &made());
    next.take_at_next_start(folder.path()).unwrap();
    assert_eq!(read(folder.path(), "server-ca.crt"), first.ca_bundle());
    // Some files had their names already.
    std::fs::write(
        folder.path().join("tls/client-ca.key"),
        next.text("client-ca.key").unwrap().as_bytes(),
    )
    .unwrap();
    let second = load(folder.path());
    assert!(second.authority_files().are(&next));
    assert!(!folder.path().join("tls/next.json").exists());
    let token = token.in_cluster(second.ca_bundle());
    let after = token.load_or_create(Some(&before), second.ca_hash());
    assert_eq!(after.unwrap().pin(), Some(second.ca_hash()));
    let sealing = |files: &AuthorityFiles| files.sealing_text().unwrap().clone();
    assert_eq!(sealing(&next), sealing(&first.authority_files()));
    assert_eq!(
        read(folder.path(), "service.key").matches("BEGIN").count(),
        2
    );
}

#[test]
fn what_was_given_is_used_and_what_would_end_trust_needs_force() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, theirs) = (form(ours.path()), form(theirs.path()));
    let files = ours.authority_files();
    let file = |name: &str| {
        let text = theirs.authority_files().text(name).unwrap().to_string();
        AuthorityFile::new(name.to_owned(), text)
    };
    let given = |names: &[&str]| Succession {
        given: names.iter().map(|name| file(name)).collect(),
        ..Succession::default()
    };
    let next = followed(&files, &given(&["etcd/peer-ca.crt", "etcd/peer-ca.key"]));
    let new = theirs.authority_files();
    let key = |files: &AuthorityFiles, name: &str| files.text(name).unwrap().clone();
    assert_eq!(
        key(&next, "etcd/peer-ca.key"),
        key(&new, "etcd/peer-ca.key")
    );
    assert_eq!(key(&next, "server-ca.key"), key(&files, "server-ca.key"));
    let (_folder, next) = node(&next);
    take_each_other(&ours, &next);

    let refused = |succession: &Succession, now: u64| {
        let followed = files.followed_by(succession, &clock_at(now));
        followed.unwrap_err()
    };
    let half = refused(&given(&["client-ca.crt"]), NOW);
    assert!(matches!(half, SuccessionError::Half { .. }), "{half}");
    let nothing = refused(&Succession::default(), NOW);
    assert!(matches!(nothing, SuccessionError::Nothing), "{nothing}");
    let service = given(&["service.key"]);
    let lost = refused(&service, NOW).to_string();
    assert!(lost.contains("--force"), "{lost}");
    let forced = Succession {
        force: true,
        ..service
    };
    assert_eq!(
        key(&followed(&files, &forced), "service.key"),
        key(&new, "service.key")
    );
    let mut odd = given(&[]);
    odd.given = vec![AuthorityFile::new("../x.key".into(), String::new())];
    let unknown = refused(&odd, NOW);
    assert!(
        matches!(unknown, SuccessionError::Unknown { .. }),
        "{unknown}"
    );
    let ends = refused(&given(&["client-ca.crt", "client-ca.key"]), u64::MAX / 2);
    assert!(ends.to_string().contains("expired"), "{ends}");
}

#[test]
fn names_that_leaves_would_not_repeat_are_told() {
    use x509_parser::prelude::{FromDer, X509Name};

    // One place with "O=a", one with "CN=a", and one with both.
    let (o, cn) = (
        b"\x30\x08\x06\x03\x55\x04\x0a\x0c\x01a",
        b"\x30\x08\x06\x03\x55\x04\x03\x0c\x01a",
    );
    let place = |attributes: &[&[u8]]| {
        let content = attributes.concat();
        [&[0x31, content.len() as u8], content.as_slice()].concat()
    };
    let is_plain = |places: &[Vec<u8>]| {
        let content = places.concat();
        let der = [&[0x30, content.len() as u8], content.as_slice()].concat();
        let (_, name) = X509Name::from_der(&der).unwrap();
        crate::authority::is_plain(&name)
    };
    assert!(is_plain(&[place(&[o]), place(&[cn])]));
    assert!(!is_plain(&[place(&[o]), place(&[o]), place(&[cn])]));
    assert!(!is_plain(&[place(&[o, cn])]));
}
