//! The keys that values are encrypted with, and what an encrypted value looks like.
//!
//! ```text
//! value:    "k8s:enc:aesgcm:v1:" name ":" nonce (12) AES-256-GCM (the key in the store is covered)
//! keyring:  "SKKR" nonce (12) AES-256-GCM of JSON, under a key that only servers can make
//! ```
//!
//! Values have the form that kube-apiserver gives them. Pure but for randomness. Invariant: a value
//! opens only under the key of the store that it was sealed for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::limits::KEYRING_KEYS_MAX;

const PREFIX: &[u8] = b"k8s:enc:aesgcm:v1:";
const MAGIC: &[u8] = b"SKKR";
const KEY_BYTES: usize = 32;
/// What the key of the keyring is made for.
const PURPOSE: &[u8] = b"skerry secrets encryption, keyring, version 1";

/// Why something cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error(
        "unable to transform key {0:?}: no matching key was found for the provided AES transformer"
    )]
    NoKey(String),
    #[error("unable to transform key {0:?}: the value was altered, or sealed for another key")]
    Altered(String),
    #[error(
        "the keys of secrets encryption were sealed by servers with another tls/service.key, or altered"
    )]
    Keyring,
    #[error("this server has no tls/service.key, which opens the keys of secrets encryption")]
    NoServiceKey,
    #[error("the system's random number generator failed")]
    Random,
}

/// How far the objects in the store are what the keyring says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Some may still be as they were before.
    ReencryptActive,
    /// All are.
    ReencryptFinished,
}

/// One key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) name: String,
    /// 32 bytes in Base64.
    secret: String,
}

/// What is kept in the store.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Contents {
    /// Whether what is written is sealed.
    pub(crate) enabled: bool,
    pub(crate) stage: Stage,
    /// `secrets`, `deployments.apps`.
    pub(crate) resources: Vec<String>,
    /// Where their objects are kept.
    pub(crate) prefixes: Vec<String>,
    /// The first one seals, all open.
    pub(crate) keys: Vec<Secret>,
}

impl Secret {
    pub(crate) fn new(name: String) -> Result<Secret, SealError> {
        let bytes: [u8; KEY_BYTES] = random()?;
        let secret = STANDARD.encode(bytes);
        Ok(Secret { name, secret })
    }
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| SealError::Random)?;
    Ok(bytes)
}

fn key(bytes: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes)
        .ok()
        .map(LessSafeKey::new)
}

/// The key that keyrings are sealed with: every server has the file that it is made from.
pub(super) fn master(service_key: &str) -> Option<LessSafeKey> {
    let made = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, service_key.as_bytes()),
        PURPOSE,
    );
    key(made.as_ref())
}

fn seal(key: &LessSafeKey, about: &[u8], head: &[u8], text: &[u8]) -> Result<Bytes, SealError> {
    let nonce: [u8; NONCE_LEN] = random()?;
    let mut sealed = text.to_vec();
    let tag = key.seal_in_place_separate_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(about),
        &mut sealed,
    );
    let tag = tag.map_err(|_| SealError::Random)?;
    Ok([head, &nonce, &sealed, tag.as_ref()].concat().into())
}

fn open(key: &LessSafeKey, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut rest = rest.to_vec();
    let bytes = key
        .open_in_place(nonce, Aad::from(about), &mut rest)
        .ok()?
        .len();
    rest.truncate(bytes);
    Some(rest)
}

impl Contents {
    /// As it is kept at `place`.
    pub(super) fn seal(&self, master: &LessSafeKey, place: &str) -> Result<Bytes, SealError> {
        let text = serde_json::to_vec(self).map_err(|_| SealError::Keyring)?;
        seal(master, place.as_bytes(), MAGIC, &text)
    }
}

/// Keys that can be used, and the revision that they were written at.
pub(crate) struct Keyring {
    pub(crate) revision: i64,
    pub(crate) contents: Contents,
    /// What a value begins with that was sealed with the key.
    keys: Vec<(Vec<u8>, LessSafeKey)>,
}

impl Keyring {
    /// Opens what is kept at `place`.
    pub(super) fn open(
        master: &LessSafeKey,
        place: &str,
        sealed: &[u8],
        revision: i64,
    ) -> Result<Keyring, SealError> {
        let sealed = sealed.strip_prefix(MAGIC).ok_or(SealError::Keyring)?;
        let text = open(master, place.as_bytes(), sealed).ok_or(SealError::Keyring)?;
        let contents: Contents = serde_json::from_slice(&text).map_err(|_| SealError::Keyring)?;
        let keys = contents.keys.iter().take(KEYRING_KEYS_MAX).map(|secret| {
            let bytes = STANDARD.decode(&secret.secret).ok()?;
            Some((head(&secret.name), key(&bytes)?))
        });
        let keys: Option<Vec<_>> = keys.collect();
        Ok(Keyring {
            revision,
            keys: keys.ok_or(SealError::Keyring)?,
            contents,
        })
    }

    fn covers(&self, place: &[u8]) -> bool {
        let mut prefixes = self.contents.prefixes.iter();
        prefixes.any(|prefix| place.starts_with(prefix.as_bytes()))
    }

    /// As a value is kept under a key of the store; none: as it is.
    pub(super) fn seal(&self, place: &[u8], value: &[u8]) -> Result<Option<Bytes>, SealError> {
        match self.keys.first() {
            Some((head, key)) if self.contents.enabled && self.covers(place) => {
                seal(key, place, head, value).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What was sealed; none where no key of these has sealed it.
    pub(super) fn open_value(
        &self,
        place: &[u8],
        value: &[u8],
    ) -> Result<Option<Bytes>, SealError> {
        let opened = self.keys.iter().find_map(|(head, key)| {
            let sealed = value.strip_prefix(head.as_slice())?;
            Some(open(key, place, sealed))
        });
        match opened {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text.into())),
            Some(None) => Err(SealError::Altered(shown(place))),
        }
    }

    /// Whether a value is kept as it would be if it were written now.
    pub(crate) fn is_current(&self, place: &[u8], value: &[u8]) -> bool {
        match self.keys.first() {
            Some((head, _)) if self.contents.enabled && self.covers(place) => {
                value.starts_with(head)
            }
            _ => !is_sealed(value),
        }
    }
}

fn head(name: &str) -> Vec<u8> {
    [PREFIX, name.as_bytes(), b":"].concat()
}

/// No object begins like this.
pub(super) fn is_sealed(value: &[u8]) -> bool {
    value.starts_with(PREFIX)
}

pub(super) fn shown(place: &[u8]) -> String {
    String::from_utf8_lossy(place).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "/skerry/secrets-encryption";

    fn contents(names: &[&str]) -> Contents {
        Contents {
            enabled: true,
            stage: Stage::ReencryptFinished,
            resources: vec!["secrets".into()],
            prefixes: vec!["/registry/secrets/".into()],
            keys: names
                .iter()
                .map(|name| Secret::new((*name).into()).unwrap())
                .collect(),
        }
    }

    fn keyring(contents: &Contents) -> Keyring {
        let master = master("a key").unwrap();
        let sealed = contents.seal(&master, PLACE).unwrap();
        Keyring::open(&master, PLACE, &sealed, 1).unwrap()
    }

    #[test]
    fn a_value_opens_under_its_own_place_with_its_own_key_and_not_otherwise() {
        let mut contents = contents(&["old"]);
        let old = keyring(&contents);
        let (place, value) = (b"/registry/secrets/a/b".as_slice(), b"{\"a\":1}".as_slice());
        let sealed = old.seal(place, value).unwrap().unwrap();
        assert!(sealed.starts_with(b"k8s:enc:aesgcm:v1:old:"));
        assert_eq!(sealed.len(), 22 + 12 + value.len() + 16);
        contents
            .keys
            .insert(0, Secret::new("new:with:colons".into()).unwrap());
        let new = keyring(&contents);
        for keyring in [&old, &new] {
            let opened = keyring.open_value(place, &sealed).unwrap().unwrap();
            assert_eq!(opened, value);
        }
        assert!(old.is_current(place, &sealed) && !new.is_current(place, &sealed));
        let moved = old.open_value(b"/registry/secrets/a/c", &sealed);
        assert!(matches!(moved, Err(SealError::Altered(_))), "{moved:?}");
        let newer = new.seal(place, value).unwrap().unwrap();
        assert_eq!(old.open_value(place, &newer).unwrap(), None);
        assert_eq!(old.seal(b"/registry/pods/a/b", value).unwrap(), None);
        contents.enabled = false;
        let disabled = keyring(&contents);
        assert_eq!(disabled.seal(place, value).unwrap(), None);
        assert!(disabled.is_current(place, value) && !disabled.is_current(place, &newer));
        assert_eq!(disabled.open_value(place, &newer).unwrap().unwrap(), value);
    }

    #[test]
    fn a_keyring_opens_for_servers_of_the_cluster_alone() {
        let sealed = contents(&["a"])
            .seal(&master("a key").unwrap(), PLACE)
            .unwrap();
        let text = contents(&["a"]);
        let secret = text.keys[0].secret.as_bytes();
        assert!(!sealed.windows(secret.len()).any(|part| part == secret));
        for (key, place) in [("another", PLACE), ("a key", "/skerry/other")] {
            let opened = Keyring::open(&master(key).unwrap(), place, &sealed, 1);
            assert!(matches!(opened, Err(SealError::Keyring)));
        }
        for cut in 0..sealed.len() {
            let opened = Keyring::open(&master("a key").unwrap(), PLACE, &sealed[..cut], 1);
            assert!(opened.is_err());
        }
    }
}
