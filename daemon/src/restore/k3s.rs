//! The authorities that K3s keeps in its store, encrypted under its token.
//!
//! ```text
//! value    salt ":" Base64 of (nonce (12) | AES-256-GCM)
//! key      PBKDF2-HMAC-SHA1 of the token's password and the salt, 4096 rounds
//! content  JSON: name -> {Timestamp, Content: Base64 of a PEM file}
//! ```
//!
//! Its private keys are in the older forms of SEC 1 and PKCS#1; PKCS#8 is those in an envelope.
//! Knows nothing about where they go.

use std::collections::HashMap;
use std::num::NonZeroU32;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2;
use serde::Deserialize;
use skerry_pki::{AuthorityFile, AuthorityFiles, Password};

const ROUNDS: u32 = 4_096;

/// What K3s calls them, and the files that they are in both.
const FILES: [(&str, &str); 11] = [
    ("ServerCA", "server-ca.crt"),
    ("ServerCAKey", "server-ca.key"),
    ("ClientCA", "client-ca.crt"),
    ("ClientCAKey", "client-ca.key"),
    ("RequestHeaderCA", "request-header-ca.crt"),
    ("RequestHeaderCAKey", "request-header-ca.key"),
    ("ETCDServerCA", "etcd/server-ca.crt"),
    ("ETCDServerCAKey", "etcd/server-ca.key"),
    ("ETCDPeerCA", "etcd/peer-ca.crt"),
    ("ETCDPeerCAKey", "etcd/peer-ca.key"),
    ("ServiceKey", "service.key"),
];

/// DER of the AlgorithmIdentifiers of keys on P-256 and of RSA.
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
const RSA: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    #[serde(default)]
    content: String,
}

/// What the password opens of the copies; nothing where it opens none.
pub(super) fn open(
    copies: &[(String, Vec<u8>)],
    password: &Password,
) -> anyhow::Result<Option<AuthorityFiles>> {
    let opened = copies
        .iter()
        .rev()
        .find_map(|(_, copy)| decrypt(copy, password));
    let Some(text) = opened else {
        return Ok(None);
    };
    let kept: HashMap<String, Kept> =
        serde_json::from_slice(&text).context("what K3s keeps of its authorities")?;
    let mut files = Vec::with_capacity(FILES.len());
    for (theirs, ours) in FILES {
        let kept = kept
            .get(theirs)
            .with_context(|| format!("K3s's bootstrap data has no {theirs}"))?;
        let pem = pem(&kept.content).with_context(|| format!("K3s's {theirs}"))?;
        files.push(AuthorityFile::new(ours.to_owned(), pem));
    }
    let files = AuthorityFiles(files);
    files.check()?;
    Ok(Some(files))
}

fn decrypt(copy: &[u8], password: &Password) -> Option<Vec<u8>> {
    let (salt, sealed) = std::str::from_utf8(copy).ok()?.split_once(':')?;
    let sealed = STANDARD.decode(sealed.trim_ascii()).ok()?;
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut key = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA1,
        NonZeroU32::new(ROUNDS)?,
        salt.as_bytes(),
        password.expose().as_bytes(),
        &mut key,
    );
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?);
    let mut text = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key
        .open_in_place(nonce, Aad::empty(), &mut text)
        .ok()?
        .len();
    text.truncate(length);
    Some(text)
}

/// The text of a file, with the first private key in the form that is read here.
fn pem(content: &str) -> anyhow::Result<String> {
    let text = STANDARD.decode(content).context("not Base64")?;
    let text = String::from_utf8(text).context("not PEM")?;
    for (label, algorithm) in [("EC PRIVATE KEY", P256), ("RSA PRIVATE KEY", RSA)] {
        let Some(der) = block(&text, label) else {
            continue;
        };
        let mut body = vec![0x02, 0x01, 0x00];
        body.extend_from_slice(algorithm);
        body.extend(tagged(0x04, &der));
        return Ok(armored("PRIVATE KEY", &tagged(0x30, &body)));
    }
    Ok(text)
}

/// The content of the first block of this label.
fn block(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

fn armored(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// A value of DER, of less than 65,536 bytes.
fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = body.len().to_be_bytes();
    match body.len() {
        ..0x80 => out.push(length[7]),
        0x80..0x100 => out.extend_from_slice(&[0x81, length[7]]),
        _ => out.extend_from_slice(&[0x82, length[6], length[7]]),
    }
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use skerry_pki::{Clock, Identity, Pki};

    use super::*;

    /// As Go writes a private key on P-256: what PKCS#8 has in an envelope.
    fn as_k3s_has_it(pem: &str) -> String {
        let Some(der) = block(pem, "PRIVATE KEY") else {
            return pem.to_owned();
        };
        let at = der.windows(P256.len()).position(|place| place == P256);
        let inner = &der[at.unwrap() + P256.len() + 2..];
        armored("EC PRIVATE KEY", inner)
    }

    fn sealed(text: &[u8], password: &str) -> Vec<u8> {
        let (salt, nonce) = ("0123456789abcdef", [7; NONCE_LEN]);
        let mut key = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA1,
            NonZeroU32::new(4096).unwrap(),
            salt.as_bytes(),
            password.as_bytes(),
            &mut key,
        );
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
        let mut sealed = text.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, Aad::empty(), &mut sealed)
            .unwrap();
        let sealed = [&nonce[..], &sealed].concat();
        format!("{salt}:{}", STANDARD.encode(sealed)).into_bytes()
    }

    #[test]
    fn what_k3s_keeps_of_its_authorities_is_opened_by_its_token_alone() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::new("one", vec!["127.0.0.1".parse().unwrap()]);
        let clock = Arc::new(Clock::system());
        let pki = Pki::load_or_create(folder.path(), identity, clock).unwrap();
        let files = pki.authority_files();
        let kept = FILES.map(|(theirs, ours)| {
            let pem = as_k3s_has_it(files.text(ours).unwrap());
            let content = STANDARD.encode(pem);
            let kept = json!({"Timestamp": "2024-01-01T00:00:00Z", "Content": content});
            (theirs.to_owned(), kept)
        });
        let mut kept = serde_json::Map::from_iter(kept);
        kept.insert("IPSECKey".into(), json!({"Content": "bm9uZQ=="}));
        let copy = |kept: &serde_json::Map<_, _>| {
            let text = serde_json::to_vec(kept).unwrap();
            vec![("2bb80d537b1d".to_owned(), sealed(&text, "secret"))]
        };
        let copies = copy(&kept);
        let password = Password::new("secret").unwrap();
        let opened = open(&copies, &password).unwrap().unwrap();
        let ca = "server-ca.crt";
        assert_eq!(opened.text(ca).unwrap(), files.text(ca).unwrap());
        assert!(
            opened
                .text("service.key")
                .unwrap()
                .contains("BEGIN PRIVATE KEY")
        );
        opened.install(tempfile::tempdir().unwrap().path()).unwrap();
        let other = Password::new("other").unwrap();
        assert!(open(&copies, &other).unwrap().is_none());
        assert!(
            open(&[("x".into(), b"no:thing".to_vec())], &password)
                .unwrap()
                .is_none()
        );

        kept.remove("ETCDPeerCA");
        let error = open(&copy(&kept), &password).unwrap_err().to_string();
        assert!(error.contains("ETCDPeerCA"), "{error}");
    }

    #[test]
    fn lengths_of_keys_of_any_size_are_those_of_der() {
        assert_eq!(tagged(4, &[1; 3])[..2], [4, 3]);
        assert_eq!(tagged(4, &[1; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tagged(4, &[1; 1200])[..4], [4, 0x82, 4, 176]);
    }
}
