//! Another token for the servers, while all of them run.
//!
//! The token in force is in the replicated store, sealed under the cluster's service account key,
//! which every member has and no client: so also a member that was down for several rotations finds
//! it. Before the first rotation there is none, and the token file's is in force.
//!
//! Invariant: the token in force and the bootstrap data sealed under it change in one transaction.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use ring::hmac;
use skerry_pki::{AuthorityFiles, Password, PkiError, TokenError};
use tokio::sync::OnceCell;

use crate::bootstrap::{self, Bootstrap, bootstrap_key};
use crate::cluster::{Cluster, Swap};
use crate::envelope::{self, EnvelopeError, Sealer};
use crate::error::BootstrapError;
use crate::limits::PBKDF2_ROUNDS_MIN;

/// Where the token in force is.
const TOKEN_KEY: &str = "/skerry/server-token";
/// What the key that seals is made for.
const PURPOSE: &[u8] = b"skerry server token";

/// Why the token was not changed, or the one in force is not known.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The store cannot be read here.
    #[error("the store does not answer: {0}")]
    Store(String),
    /// The cluster does not answer.
    #[error(transparent)]
    Read(#[from] skerry_consensus::ReadError),
    /// The cluster has not taken the change.
    #[error(transparent)]
    Propose(#[from] skerry_consensus::ProposeError),
    /// Somebody else has changed the token meanwhile.
    #[error("the token was rotated by somebody else at the same time")]
    Conflict,
    /// It cannot be sealed, or what is in the store does not open.
    #[error("{TOKEN_KEY}: {0}")]
    Envelope(#[from] EnvelopeError),
    /// What is sealed is no token.
    #[error("{TOKEN_KEY}: {0}")]
    Token(#[from] TokenError),
    /// The bootstrap data cannot be sealed.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// A key is missing, or the system has no random numbers.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Nobody follows the authorities in force.
    #[error(transparent)]
    Succession(#[from] skerry_pki::SuccessionError),
    /// The new token is the one in force.
    #[error("the new token is the one that is in force already")]
    Same,
    /// The work was cut short: the server stops.
    #[error("the server is stopping")]
    Stopping,
}

/// What seals for all members: every one has the file that it is made from, and no client does.
pub(crate) fn wrapping(files: &AuthorityFiles, purpose: &[u8]) -> Result<Password, PkiError> {
    let shared = files.sealing_text()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, shared.as_bytes());
    let mut hex = String::new();
    for byte in hmac::sign(&key, purpose).as_ref() {
        hex.push_str(&format!("{byte:02x}"));
    }
    Password::new(&hex).map_err(|error| PkiError::Transferred {
        name: "service.key".to_owned(),
        reason: error.to_string(),
    })
}

/// The password in force, and what is sealed under it.
pub(crate) struct Credential {
    pub(crate) password: Password,
    pub(crate) sealer: OnceCell<Sealer>,
    /// What the store held when this was found out.
    record: Option<Bytes>,
}

/// See the module.
pub(crate) struct Rotation {
    wrapping: Password,
    current: RwLock<Arc<Credential>>,
}

impl Rotation {
    pub(crate) fn new(password: Password, files: &AuthorityFiles) -> Result<Rotation, PkiError> {
        Ok(Rotation {
            wrapping: wrapping(files, PURPOSE)?,
            current: RwLock::new(Arc::new(Credential {
                password,
                sealer: OnceCell::new(),
                record: None,
            })),
        })
    }

    pub(crate) fn current(&self) -> Arc<Credential> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks what the store holds here; true where the token in force is another one than before.
    pub(crate) async fn refresh(&self, cluster: &impl Cluster) -> Result<bool, RotationError> {
        let record = cluster.get(TOKEN_KEY).map_err(RotationError::Store)?;
        let before = self.current();
        if record == before.record {
            return Ok(false);
        }
        let Some(envelope) = record.clone() else {
            // Nothing but an older snapshot takes it away again: the token stays.
            return Ok(false);
        };
        let wrapping = self.wrapping.clone();
        let opening = move || envelope::open(&envelope, &wrapping);
        let opened = tokio::task::spawn_blocking(opening).await;
        let text = opened.map_err(|_| RotationError::Stopping)??;
        let password = Password::new(&String::from_utf8_lossy(&text))?;
        Ok(self.adopt(password, record, &before))
    }

    fn adopt(&self, password: Password, record: Option<Bytes>, before: &Credential) -> bool {
        let same = before.password.matches(password.expose().as_bytes());
        let next = Credential {
            password,
            sealer: OnceCell::new(),
            record,
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        !same
    }

    /// Puts another token in force for the whole cluster.
    pub(crate) async fn rotate(
        &self,
        cluster: &impl Cluster,
        bootstrap: &Bootstrap,
        password: Password,
    ) -> Result<(), RotationError> {
        cluster.linearize().await?;
        self.refresh(cluster).await?;
        let before = self.current();
        if before.password.matches(password.expose().as_bytes()) {
            return Err(RotationError::Same);
        }
        let (wrapping, text) = (self.wrapping.clone(), password.expose().to_owned());
        let sealing = move || {
            // The password that seals is 256 random bits: rounds add nothing.
            Sealer::with_rounds(&wrapping, PBKDF2_ROUNDS_MIN)?.seal(text.as_bytes())
        };
        let sealed = tokio::task::spawn_blocking(sealing).await;
        let record = Bytes::from(sealed.map_err(|_| RotationError::Stopping)??);
        let sealer = bootstrap::sealer(password.clone()).await?;
        let swap = Swap {
            key: TOKEN_KEY.to_owned(),
            before: before.record.clone(),
            after: record.clone(),
            put: vec![(bootstrap_key(&password), bootstrap.seal(&sealer)?.into())],
            delete: vec![bootstrap_key(&before.password)],
        };
        if !cluster.swap(swap).await? {
            return Err(RotationError::Conflict);
        }
        self.adopt(password, Some(record), &before);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::pki;
    use crate::cluster::tests::FakeCluster;

    fn word(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    #[tokio::test]
    async fn what_one_member_rotates_the_others_find_whatever_they_knew() {
        let folder = tempfile::tempdir().unwrap();
        let pki = pki(folder.path());
        let files = pki.authority_files();
        let cluster = FakeCluster::of_one();
        let one = Rotation::new(word("first"), &files).unwrap();
        let two = Rotation::new(word("first"), &files).unwrap();
        assert!(!two.refresh(&cluster).await.unwrap());
        let bootstrap = Bootstrap::of(&pki);
        for next in ["second", "third"] {
            one.rotate(&cluster, &bootstrap, word(next)).await.unwrap();
        }
        assert!(two.refresh(&cluster).await.unwrap());
        assert!(!two.refresh(&cluster).await.unwrap());
        assert_eq!(two.current().password.expose(), "third");
        let again = one.rotate(&cluster, &bootstrap, word("third")).await;
        assert!(matches!(again, Err(RotationError::Same)), "{again:?}");

        // The bootstrap data opens under the new token, and no other copy is left.
        let keys = cluster.0.lock().unwrap().keys.clone();
        let copies: Vec<&String> = keys.keys().filter(|key| key.starts_with("/boot")).collect();
        assert_eq!(copies, [&bootstrap_key(&word("third"))]);
        let opened = Bootstrap::open(&keys[copies[0]], &word("third")).unwrap();
        assert_eq!(opened.files, files);
    }
}
