//! Encryption of what is kept: whether it is on, with which key, and how that is changed.
//!
//! A change is one write of the keyring; the leader then writes every object anew that is not kept
//! as the keyring says. Knows nothing about ciphers. Invariant: a key that an object may be sealed
//! with stays in the keyring.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use skerry_store::KeyRange;

use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::{ENCRYPTED_RESOURCES_MAX, KEYRING_KEYS_MAX};
use crate::server::Api;
use crate::storage::keyring::{Contents, Keyring, Secret, Stage};
use crate::storage::{KEYRING, Known, Outcome, StorageError};
use crate::time;

/// After the changes of the keyring could not be followed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What an administrator may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionChange {
    /// Encrypt from now on, and all that is there.
    Enable,
    /// Write what comes, and all that is there, in the clear.
    Disable,
    /// As [`EncryptionChange::Enable`], with a new key.
    RotateKeys,
    /// Look at all that is there once more.
    Reencrypt,
}

/// See the module.
#[derive(Clone)]
pub struct Encryption(Arc<Engine>);

impl Api {
    /// Encryption of what this API keeps.
    pub fn encryption(&self) -> Encryption {
        Encryption(self.shared_engine())
    }
}

impl Encryption {
    /// As K3s's servers say it: `enable` is missing where nothing was ever encrypted.
    ///
    /// # Errors
    /// The state cannot be read, or the keys cannot be opened.
    pub fn status(&self) -> Result<Value, ApiError> {
        let Some(keyring) = keyring(self.0.storage.vault().refresh()?)? else {
            return Ok(json!({}));
        };
        let Contents {
            enabled,
            stage,
            resources,
            keys,
            ..
        } = &keyring.contents;
        let mut names = keys.iter().map(|key| key.name.as_str());
        Ok(json!({
            "enable": enabled,
            "stage": stage,
            "resources": resources,
            // There is one keyring, which all servers read.
            "hashmatch": true,
            "activekey": names.next().unwrap_or_default(),
            "inactivekeys": names.collect::<Vec<_>>(),
        }))
    }

    /// Changes it; what is there follows.
    ///
    /// # Errors
    /// It makes no sense now, or it cannot be written.
    pub async fn change(&self, change: EncryptionChange) -> Result<(), ApiError> {
        let engine = &self.0;
        engine.freshen().await;
        let known = keyring(engine.storage.vault().refresh()?)?;
        let (revision, next) = match known {
            None if change == EncryptionChange::Enable => {
                let resources = match engine.encrypted.is_empty() {
                    true => vec!["secrets".to_owned()],
                    false => engine.encrypted.clone(),
                };
                (0, engine.first_contents(&resources)?)
            }
            None => {
                let text = "secrets-encryption is not enabled: 'secrets-encrypt enable' is first";
                return Err(ApiError::bad_request(text));
            }
            Some(keyring) => (keyring.revision, changed(&keyring.contents, change)?),
        };
        match engine.storage.write_keyring(revision, &next).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Conflict => {
                let text = "secrets-encryption was changed at the same time; look at its status";
                Err(ApiError::new(409, "Conflict", text))
            }
        }
    }
}

fn keyring(known: Known) -> Result<Option<Arc<Keyring>>, ApiError> {
    match known {
        Known::None => Ok(None),
        Known::Keyring(keyring) => Ok(Some(keyring)),
        Known::Closed(_, error) => Err(ApiError::internal(error)),
    }
}

fn changed(now: &Contents, change: EncryptionChange) -> Result<Contents, ApiError> {
    let mut next = now.clone();
    next.stage = Stage::ReencryptActive;
    match change {
        EncryptionChange::Enable => next.enabled = true,
        EncryptionChange::Disable => next.enabled = false,
        EncryptionChange::Reencrypt => {}
        EncryptionChange::RotateKeys if !now.enabled => {
            let text = "secrets-encryption is disabled: there is no key to rotate";
            return Err(ApiError::bad_request(text));
        }
        EncryptionChange::RotateKeys => {
            if now.stage == Stage::ReencryptActive || now.keys.len() >= KEYRING_KEYS_MAX {
                let text = "reencryption is under way: its end has to be waited for";
                return Err(ApiError::bad_request(text));
            }
            let name = format!("aesgcmkey-{}", time::rfc3339(time::now()));
            if now.keys.iter().any(|key| key.name == name) {
                return Err(ApiError::bad_request("keys were rotated in this second"));
            }
            let secret = Secret::new(name).map_err(ApiError::internal)?;
            next.keys.insert(0, secret);
        }
    }
    Ok(next)
}

impl Engine {
    /// The keyring with which encryption begins.
    pub(crate) fn first_contents(&self, resources: &[String]) -> Result<Contents, ApiError> {
        if resources.len() > ENCRYPTED_RESOURCES_MAX {
            let text = format!("more than {ENCRYPTED_RESOURCES_MAX} resources");
            return Err(ApiError::bad_request(text));
        }
        let kept = self.registry.kept();
        let prefix = |name: &String| {
            let (plural, group) = name.split_once('.').unwrap_or((name, ""));
            let found = kept
                .iter()
                .find(|one| one.plural == plural && one.group == group);
            match found {
                Some(found) => Ok(format!("/registry/{}/", found.storage_prefix)),
                // It may be defined later.
                None if !group.is_empty() => Ok(format!("/registry/{group}/{plural}/")),
                None => Err(ApiError::bad_request(format!("there are no {plural}"))),
            }
        };
        Ok(Contents {
            enabled: true,
            stage: Stage::ReencryptActive,
            prefixes: resources.iter().map(prefix).collect::<Result<_, _>>()?,
            resources: resources.to_vec(),
            keys: vec![Secret::new("aesgcmkey".into()).map_err(ApiError::internal)?],
        })
    }
}

/// Has this member seal what it writes as the keyring says that the log holds.
pub(crate) async fn follow(engine: Arc<Engine>) {
    loop {
        if let Err(error) = follow_keyring(&engine).await {
            tracing::debug!(%error, "the keyring is looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow_keyring(engine: &Engine) -> Result<(), StorageError> {
    let keys = KeyRange::Key(Bytes::from_static(KEYRING.as_bytes()));
    let from = engine.storage.view()?.revision() + 1;
    let mut cursor = engine.storage.watch(keys, from)?;
    loop {
        engine.storage.vault().refresh()?;
        cursor.next().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_added_in_front_and_never_taken_away_by_a_change() {
        let first = Contents {
            enabled: true,
            stage: Stage::ReencryptFinished,
            resources: Vec::new(),
            prefixes: Vec::new(),
            keys: vec![Secret::new("aesgcmkey".into()).unwrap()],
        };
        let rotated = changed(&first, EncryptionChange::RotateKeys).unwrap();
        let names: Vec<&str> = rotated.keys.iter().map(|key| key.name.as_str()).collect();
        assert!(names[0].starts_with("aesgcmkey-") && names[1] == "aesgcmkey");
        assert_eq!(rotated.stage, Stage::ReencryptActive);
        let Err(busy) = changed(&rotated, EncryptionChange::RotateKeys) else {
            panic!("rotated twice at once");
        };
        assert!(busy.message.contains("under way"));
        let off = changed(&rotated, EncryptionChange::Disable).unwrap();
        assert!(!off.enabled && off.keys.len() == 2);
        assert!(changed(&off, EncryptionChange::RotateKeys).is_err());
        assert!(changed(&off, EncryptionChange::Enable).unwrap().enabled);
    }
}
