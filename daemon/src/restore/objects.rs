//! What becomes of the values of a snapshot that another API server has written.
//!
//! Skerry keeps objects as JSON where they were; upstream's server writes those of built-in kinds in
//! protobuf. Knows nothing about where the values are from and where they go. Invariant: a value that
//! Skerry could not read refuses the snapshot, by the name of its key.

use anyhow::bail;
use bytes::Bytes;

use super::limits::{BOOTSTRAP_BYTES_MAX, BOOTSTRAPS_MAX};

const OBJECTS: &[u8] = b"/registry/";
const BOOTSTRAPS: &[u8] = b"/bootstrap/";
/// How protobuf and encrypted values begin.
const PROTOBUF: &[u8] = b"k8s\0";
const ENCRYPTED: &[u8] = b"k8s:enc:";
/// What API servers keep there for themselves, by the kinds of which there is no JSON.
const OWN: [&[u8]; 3] = [
    b"/registry/masterleases/",
    b"/registry/peerserverleases/",
    b"/registry/ranges/",
];

/// How bootstrap data begins that Skerry has sealed.
const SEALED: &[u8] = b"SKBD";

/// Bootstrap data by the names of its keys.
pub(super) type Copies = Vec<(String, Vec<u8>)>;

/// Looks at values one after the other.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// Of Skerry's servers, also of such that ran on a foreign etcd. They stay where they are.
    pub(super) own: Copies,
    /// Of K3s's.
    pub(super) k3s: Copies,
    /// The first key whose value is encrypted.
    encrypted: Option<String>,
}

impl Objects {
    /// The value to keep; nothing where the key is to be left out.
    pub(super) fn convert(&mut self, key: &[u8], value: Bytes) -> Result<Option<Bytes>, String> {
        if let Some(name) = key.strip_prefix(BOOTSTRAPS) {
            let is_own = value.starts_with(SEALED);
            let copies = if is_own { &mut self.own } else { &mut self.k3s };
            keep(copies, name, &value)?;
            return Ok(is_own.then_some(value));
        }
        if !key.starts_with(OBJECTS) {
            return Ok(Some(value));
        }
        if OWN.iter().any(|own| key.starts_with(own)) {
            return Ok(None);
        }
        if value.starts_with(ENCRYPTED) && self.encrypted.is_none() {
            self.encrypted = Some(key.escape_ascii().to_string());
        }
        if !value.starts_with(PROTOBUF) {
            return Ok(Some(value));
        }
        let decoded = skerry_wire::decode(&value, skerry_wire::Limits::default());
        let decoded = decoded.map_err(|error| format!("the object cannot be read: {error}"))?;
        Ok(Some(decoded.value.to_string().into()))
    }

    /// Refuses what is encrypted, where it is not Skerry that has the keys, sealed in the store.
    pub(super) fn check(&self, is_own: bool) -> anyhow::Result<()> {
        match &self.encrypted {
            Some(key) if !is_own && self.own.is_empty() => bail!(
                "{key} is encrypted with keys of another API server: disable secrets encryption there, have all that was encrypted written anew and take another snapshot"
            ),
            _ => Ok(()),
        }
    }
}

/// Later values of the same key take the place of earlier ones.
fn keep(copies: &mut Copies, name: &[u8], value: &[u8]) -> Result<(), String> {
    if value.len() > BOOTSTRAP_BYTES_MAX {
        return Err("the bootstrap data is too long".into());
    }
    let name = String::from_utf8_lossy(name).into_owned();
    copies.retain(|(other, _)| *other != name);
    if copies.len() == BOOTSTRAPS_MAX {
        copies.remove(0);
    }
    copies.push((name, value.to_vec()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(objects: &mut Objects, key: &str, value: &[u8]) -> Result<Option<Bytes>, String> {
        objects.convert(key.as_bytes(), Bytes::copy_from_slice(value))
    }

    #[test]
    fn what_skerry_reads_is_kept_and_what_only_others_read_is_refused_or_left_out() {
        let mut objects = Objects::default();
        let json: &[u8] = b"{\"kind\":\"Thing\"}";
        for (key, value) in [("/registry/things/a", json), ("other", b"k8s\0")] {
            let kept = convert(&mut objects, key, value).unwrap();
            assert_eq!(kept.as_deref(), Some(value));
        }
        let left_out = convert(&mut objects, "/registry/masterleases/1", b"k8s\0?");
        assert_eq!(left_out, Ok(None));
        assert!(convert(&mut objects, "/registry/pods/a/b", b"k8s\0?").is_err());
        let namespace = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x05\x0a\x03\x0a\x01n";
        let kept = convert(&mut objects, "/registry/namespaces/n", namespace);
        let kept: serde_json::Value = serde_json::from_slice(&kept.unwrap().unwrap()).unwrap();
        assert_eq!(kept["metadata"]["name"], "n");
        assert_eq!(kept["kind"], "Namespace");
        assert!(objects.check(false).is_ok());

        let secret = "/registry/secrets/a/b";
        convert(&mut objects, secret, b"k8s:enc:aescbc:v1:key:x").unwrap();
        let refused = objects.check(false).unwrap_err().to_string();
        assert!(refused.starts_with(secret), "{refused}");
        assert!(objects.check(true).is_ok());
    }

    #[test]
    fn bootstrap_data_is_told_apart_and_the_newest_copies_are_kept() {
        let mut objects = Objects::default();
        let own = convert(&mut objects, "/bootstrap/own", b"SKBD1").unwrap();
        assert!(own.is_some() && objects.own.len() == 1);
        for number in 0..BOOTSTRAPS_MAX + 3 {
            let key = format!("/bootstrap/{number}");
            assert_eq!(convert(&mut objects, &key, b"old"), Ok(None));
            assert_eq!(convert(&mut objects, &key, b"new"), Ok(None));
        }
        assert_eq!(objects.k3s.len(), BOOTSTRAPS_MAX);
        let last = (format!("{}", BOOTSTRAPS_MAX + 2), b"new".to_vec());
        assert_eq!(objects.k3s.last(), Some(&last));
        let long = vec![b' '; BOOTSTRAP_BYTES_MAX + 1];
        assert!(convert(&mut objects, "/bootstrap/long", &long).is_err());
        // Another server's encrypted values are Skerry's own where its bootstrap data is.
        convert(&mut objects, "/registry/secrets/a", b"k8s:enc:aesgcm:v1:k:").unwrap();
        assert!(objects.check(false).is_ok());
    }
}
