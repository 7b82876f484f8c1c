//! What becomes of the values of a snapshot that another API server has written.
//!
//! Skerry keeps objects as JSON where they were; upstream's server writes those of built-in kinds in
//! protobuf. Knows nothing about where the values are from and where they go. Invariant: a value that
//! Skerry could not read refuses the snapshot, by the name of its key.

use bytes::Bytes;

use super::limits::{K3S_BOOTSTRAP_BYTES_MAX, K3S_BOOTSTRAPS_MAX};

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

/// Looks at values one after the other.
pub(super) struct Objects {
    is_own: bool,
    /// K3s's bootstrap data, by the names of their keys.
    pub(super) bootstraps: Vec<(String, Vec<u8>)>,
}

impl Objects {
    /// `is_own`: of a snapshot that Skerry has written.
    pub(super) fn of(is_own: bool) -> Objects {
        Objects {
            is_own,
            bootstraps: Vec::new(),
        }
    }

    /// The value to keep; nothing where the key is to be left out.
    pub(super) fn convert(&mut self, key: &[u8], value: Bytes) -> Result<Option<Bytes>, String> {
        if self.is_own {
            return Ok(Some(value));
        }
        if let Some(name) = key.strip_prefix(BOOTSTRAPS) {
            self.bootstrap(name, &value)?;
            return Ok(None);
        }
        if !key.starts_with(OBJECTS) {
            return Ok(Some(value));
        }
        if OWN.iter().any(|own| key.starts_with(own)) {
            return Ok(None);
        }
        if value.starts_with(ENCRYPTED) {
            return Err("it is encrypted with keys of another API server: disable secrets encryption there, have all Secrets written anew and take another snapshot".into());
        }
        if !value.starts_with(PROTOBUF) {
            return Ok(Some(value));
        }
        let decoded = skerry_wire::decode(&value, skerry_wire::Limits::default());
        let decoded = decoded.map_err(|error| format!("the object cannot be read: {error}"))?;
        Ok(Some(decoded.value.to_string().into()))
    }

    /// Later values of the same key take the place of earlier ones.
    fn bootstrap(&mut self, name: &[u8], value: &[u8]) -> Result<(), String> {
        if value.len() > K3S_BOOTSTRAP_BYTES_MAX {
            return Err("the bootstrap data is too long".into());
        }
        let name = String::from_utf8_lossy(name).into_owned();
        self.bootstraps.retain(|(other, _)| *other != name);
        if self.bootstraps.len() == K3S_BOOTSTRAPS_MAX {
            self.bootstraps.remove(0);
        }
        self.bootstraps.push((name, value.to_vec()));
        Ok(())
    }
}
