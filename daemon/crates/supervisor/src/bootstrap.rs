//! What a server that joins needs to be one: the cluster's authorities and service account key.
//!
//! Travels to it, and lies in the replicated store, encrypted under the join token's password.
//! Knows nothing about HTTP.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use skerry_consensus::ReadError;
use skerry_pki::{AuthorityFiles, CaHash, Password, Pki};
use zeroize::Zeroizing;

use crate::cluster::Cluster;
use crate::envelope::{self, Sealer};
use crate::error::BootstrapError;
use crate::limits::{RETRY_PAUSE_MAX, STORE_BOOTSTRAP_PAUSE_MIN, STORE_BOOTSTRAP_TIME_MAX};

/// Hex digits of the password's hash in the name of the stored copy, as in K3s.
const KEY_HASH_DIGITS: usize = 12;

/// The content of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The hash that the cluster's tokens pin, in hex.
    pub ca_hash: String,
    /// Authorities and service account key.
    pub files: AuthorityFiles,
    /// The sender's clock, in Unix seconds: a joining board may have none.
    pub time: u64,
}

impl Bootstrap {
    /// This node's.
    pub fn of(pki: &Pki) -> Bootstrap {
        Bootstrap {
            ca_hash: pki.ca_hash().to_string(),
            files: pki.authority_files(),
            time: pki.clock().now(),
        }
    }

    /// Encrypts it.
    pub fn seal(&self, sealer: &Sealer) -> Result<Vec<u8>, BootstrapError> {
        let text = serde_json::to_vec(self)
            .map(Zeroizing::new)
            .map_err(|error| BootstrapError::Form {
                reason: error.to_string(),
            })?;
        Ok(sealer.seal(&text)?)
    }

    /// Decrypts it, and checks that its files fit together and are of the cluster it names.
    pub fn open(envelope: &[u8], password: &Password) -> Result<Bootstrap, BootstrapError> {
        let text = envelope::open(envelope, password)?;
        let wrong = |reason: String| BootstrapError::Form { reason };
        let bootstrap: Bootstrap =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        bootstrap
            .files
            .check()
            .map_err(|error| wrong(error.to_string()))?;
        let bundle = bootstrap
            .files
            .text("server-ca.crt")
            .map_err(|error| wrong(error.to_string()))?;
        let hash = CaHash::of_bundle(bundle.as_bytes()).map(|(hash, _)| hash.to_string());
        if hash.as_deref() != Some(bootstrap.ca_hash.as_str()) {
            return Err(wrong("its server CA is not the one it names".to_owned()));
        }
        Ok(bootstrap)
    }
}

/// Where the copy in the replicated store lies: as in K3s, the key says by a few digits of a hash
/// which token it was encrypted under.
pub fn bootstrap_key(password: &Password) -> String {
    let hash = digest(&SHA256, password.expose().as_bytes());
    let mut key = String::from("/bootstrap/");
    for byte in &hash.as_ref()[..KEY_HASH_DIGITS / 2] {
        key.push_str(&format!("{byte:02x}"));
    }
    key
}

/// Puts the encrypted bootstrap data into the replicated store, unless it is there: whoever has a
/// snapshot and the token has all that the cluster was. Waits for the cluster to have a leader,
/// [`STORE_BOOTSTRAP_TIME_MAX`] at most.
pub(crate) async fn store_bootstrap(
    cluster: &impl Cluster,
    bootstrap: &Bootstrap,
    password: &Password,
) -> Result<(), BootstrapError> {
    store_within(STORE_BOOTSTRAP_TIME_MAX, cluster, bootstrap, password).await
}

async fn store_within(
    time_max: Duration,
    cluster: &impl Cluster,
    bootstrap: &Bootstrap,
    password: &Password,
) -> Result<(), BootstrapError> {
    let started = Instant::now();
    let mut pause = STORE_BOOTSTRAP_PAUSE_MIN;
    loop {
        match try_store_bootstrap(cluster, bootstrap, password).await {
            Err(BootstrapError::Read(error)) if !matches!(error, ReadError::Stopped) => {
                if started.elapsed() + pause > time_max {
                    return Err(error.into());
                }
            }
            outcome => return outcome,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_PAUSE_MAX);
    }
}

async fn try_store_bootstrap(
    cluster: &impl Cluster,
    bootstrap: &Bootstrap,
    password: &Password,
) -> Result<(), BootstrapError> {
    let key = bootstrap_key(password);
    cluster.linearize().await?;
    let present = cluster
        .get(&key)
        .map_err(|reason| BootstrapError::Form { reason })?;
    if present.is_some() {
        return Ok(());
    }
    let sealer = sealer(password.clone()).await?;
    let envelope = bootstrap.seal(&sealer)?;
    Ok(cluster.put_if_absent(&key, Bytes::from(envelope)).await?)
}

/// Derives the key away from the thread that serves.
pub(crate) async fn sealer(password: Password) -> Result<Sealer, BootstrapError> {
    let sealer = tokio::task::spawn_blocking(move || Sealer::new(&password)).await;
    let sealer = sealer.map_err(|error| BootstrapError::Form {
        reason: error.to_string(),
    })?;
    Ok(sealer?)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use skerry_pki::{Clock, Identity};

    use super::*;
    use crate::EnvelopeError;
    use crate::cluster::tests::FakeCluster;

    pub(crate) fn pki(folder: &std::path::Path) -> Pki {
        let identity = Identity::new("one", vec!["127.0.0.1".parse().unwrap()]);
        Pki::load_or_create(folder, identity, Arc::new(Clock::system())).unwrap()
    }

    #[tokio::test]
    async fn the_first_member_stores_the_bootstrap_data_once_and_the_token_opens_it() {
        let folder = tempfile::tempdir().unwrap();
        let pki = pki(folder.path());
        let password = Password::new("secret").unwrap();
        let cluster = FakeCluster::of_one();
        for _ in 0..2 {
            store_bootstrap(&cluster, &Bootstrap::of(&pki), &password)
                .await
                .unwrap();
        }
        // sha256("secret") = 2bb80d537b1d...
        let stored = cluster.get("/bootstrap/2bb80d537b1d").unwrap().unwrap();
        cluster.change(|fake| assert_eq!(fake.puts, 1));
        let bootstrap = Bootstrap::open(&stored, &password).unwrap();
        assert_eq!(bootstrap.files, pki.authority_files());
        let error = Bootstrap::open(&stored, &Password::new("other").unwrap()).unwrap_err();
        assert!(
            matches!(error, BootstrapError::Envelope(EnvelopeError::Password)),
            "{error}"
        );
    }

    #[tokio::test]
    async fn storing_waits_for_a_leader_but_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let pki = pki(folder.path());
        let password = Password::new("secret").unwrap();
        let cluster = FakeCluster::of_one();
        cluster.change(|fake| fake.linearize = Err(ReadError::NoLeader));
        let stored = store_within(Duration::ZERO, &cluster, &Bootstrap::of(&pki), &password).await;
        assert!(
            matches!(stored, Err(BootstrapError::Read(ReadError::NoLeader))),
            "{stored:?}"
        );
        let healing = Arc::clone(&cluster);
        let healed = tokio::spawn(async move {
            healing.change(|fake| fake.linearize = Ok(()));
        });
        store_bootstrap(&cluster, &Bootstrap::of(&pki), &password)
            .await
            .unwrap();
        healed.await.unwrap();
    }

    #[test]
    fn bootstrap_data_that_contradicts_itself_is_refused() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let password = Password::new("secret").unwrap();
        let sealer = Sealer::new(&password).unwrap();
        let mut mixed = Bootstrap::of(&pki(one.path()));
        mixed.ca_hash = pki(two.path()).ca_hash().to_string();
        let error = Bootstrap::open(&mixed.seal(&sealer).unwrap(), &password).unwrap_err();
        assert!(
            error.to_string().contains("not the one it names"),
            "{error}"
        );
        let mut partial = Bootstrap::of(&pki(one.path()));
        partial.files.0.pop();
        let error = Bootstrap::open(&partial.seal(&sealer).unwrap(), &password).unwrap_err();
        assert!(error.to_string().contains("service.key"), "{error}");
        let text = sealer.seal(b"{}").unwrap();
        assert!(matches!(
            Bootstrap::open(&text, &password),
            Err(BootstrapError::Form { .. })
        ));
    }
}
