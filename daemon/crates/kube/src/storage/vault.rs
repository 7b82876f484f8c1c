//! Seals values on their way into the store, and opens them on their way out.
//!
//! Knows nothing about what the values are. Invariant: a value that the log has sealed with a key
//! can be opened wherever it is applied: the keyring with that key lies before it in the same log,
//! and is read when the key is missing.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ring::aead::LessSafeKey;
use skerry_store::Reader;

use super::keyring::{self, Contents, Keyring, SealError, is_sealed, shown};
use super::{StorageError, Stored};

/// Where the keyring is kept: no object is.
pub(crate) const PLACE: &str = "/skerry/secrets-encryption";

/// What may be sealed while nobody can say what is: never written as it is then.
const SECRETS: &[u8] = b"/registry/secrets/";

/// See the module.
pub(crate) struct Vault {
    reader: Reader,
    master: Option<LessSafeKey>,
    known: Mutex<Known>,
}

/// What is known of the keyring.
#[derive(Clone)]
pub(crate) enum Known {
    /// There is none: nothing was ever encrypted.
    None,
    Keyring(Arc<Keyring>),
    /// There is one at this revision, and it cannot be opened.
    Closed(i64, SealError),
}

impl Vault {
    pub(super) fn new(reader: Reader, service_key: Option<&str>) -> Arc<Vault> {
        let vault = Vault {
            reader,
            master: service_key.and_then(keyring::master),
            known: Mutex::new(Known::None),
        };
        if let Err(error) = vault.refresh() {
            tracing::error!(%error, "the keys of secrets encryption cannot be read");
        }
        Arc::new(vault)
    }

    /// What was known when it was looked at last.
    pub(crate) fn known(&self) -> Known {
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at what this member's state says now.
    pub(crate) fn refresh(&self) -> Result<Known, StorageError> {
        let kept = self.reader.view()?.get(PLACE.as_bytes())?;
        let Some(kept) = kept else {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Known::None;
            return Ok(Known::None);
        };
        let revision = kept.mod_revision;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Known::Keyring(keyring) if keyring.revision == revision => {}
            Known::Closed(at, _) if *at == revision => {}
            _ => {
                let opened = match &self.master {
                    Some(master) => Keyring::open(master, PLACE, &kept.value, revision),
                    None => Err(SealError::NoServiceKey),
                };
                *known = match opened {
                    Ok(keyring) => Known::Keyring(Arc::new(keyring)),
                    Err(error) => {
                        tracing::error!(%error, "secrets can be neither read nor written");
                        Known::Closed(revision, error)
                    }
                };
            }
        }
        Ok(known.clone())
    }

    /// A keyring as it is kept.
    pub(super) fn closed(&self, contents: &Contents) -> Result<Bytes, SealError> {
        let master = self.master.as_ref().ok_or(SealError::NoServiceKey)?;
        contents.seal(master, PLACE)
    }

    /// A value as it is kept.
    pub(super) fn seal(&self, place: &[u8], value: Bytes) -> Result<Bytes, StorageError> {
        match self.known() {
            Known::None => Ok(value),
            Known::Keyring(keyring) => Ok(keyring.seal(place, &value)?.unwrap_or(value)),
            Known::Closed(_, error) if place.starts_with(SECRETS) => Err(error.into()),
            Known::Closed(..) => Ok(value),
        }
    }

    /// What is kept, as it was written.
    pub(super) fn open(&self, stored: impl Into<Stored>) -> Result<Stored, StorageError> {
        let mut stored = stored.into();
        if is_sealed(&stored.value) {
            stored.value = self.open_value(&stored.key, &stored.value)?;
        }
        Ok(stored)
    }

    fn open_value(&self, place: &[u8], value: &[u8]) -> Result<Bytes, StorageError> {
        if let Known::Keyring(keyring) = self.known()
            && let Some(value) = keyring.open_value(place, value)?
        {
            return Ok(value);
        }
        // The key may be younger than what is known.
        match self.refresh()? {
            Known::Keyring(keyring) => {
                let opened = keyring.open_value(place, value)?;
                Ok(opened.ok_or_else(|| SealError::NoKey(shown(place)))?)
            }
            Known::None => Err(SealError::NoKey(shown(place)).into()),
            Known::Closed(_, error) => Err(error.into()),
        }
    }
}
