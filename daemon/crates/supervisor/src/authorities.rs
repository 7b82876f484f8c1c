//! The authorities of the cluster, once others have followed the first.
//!
//! They lie in the replicated store, sealed as the token in force is: also a member that was down
//! for several rotations finds them. A member takes them at its next start, which is not this
//! crate's. Invariant: they and the bootstrap data change in one transaction.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use skerry_pki::{AuthorityFiles, CaHash, Clock, Password, PkiError, Succession};

use crate::bootstrap::{self, Bootstrap, bootstrap_key};
use crate::cluster::{Cluster, Swap};
use crate::envelope::{self, Sealer};
use crate::error::BootstrapError;
use crate::limits::PBKDF2_ROUNDS_MIN;
use crate::rotation::{RotationError, wrapping};

/// Where they are.
const AUTHORITIES_KEY: &str = "/skerry/authorities";
/// What the key that seals is made for.
const PURPOSE: &[u8] = b"skerry authorities";

/// See the module.
pub(crate) struct Authorities {
    wrapping: Password,
    /// What this process uses.
    own: AuthorityFiles,
    /// What the store held at the last look, and what that means.
    seen: Mutex<Option<(Bytes, AuthorityFiles)>>,
}

impl Authorities {
    pub(crate) fn new(own: AuthorityFiles) -> Result<Authorities, PkiError> {
        Ok(Authorities {
            wrapping: wrapping(&own, PURPOSE)?,
            own,
            seen: Mutex::new(None),
        })
    }

    /// What the store holds here, where it holds any.
    pub(crate) async fn stored(
        &self,
        cluster: &impl Cluster,
    ) -> Result<Option<AuthorityFiles>, RotationError> {
        let Some(record) = cluster.get(AUTHORITIES_KEY).map_err(RotationError::Store)? else {
            return Ok(None);
        };
        if let Some((seen, files)) = &*self.seen.lock().unwrap_or_else(PoisonError::into_inner)
            && *seen == record
        {
            return Ok(Some(files.clone()));
        }
        let (wrapping, sealed) = (self.wrapping.clone(), record.clone());
        let opening = move || envelope::open(&sealed, &wrapping);
        let opened = tokio::task::spawn_blocking(opening).await;
        let text = opened.map_err(|_| RotationError::Stopping)??;
        let files: AuthorityFiles = serde_json::from_slice(&text).map_err(form)?;
        files.check()?;
        let seen = Some((record, files.clone()));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(Some(files))
    }

    /// The bootstrap data as the store is to hold it: with those that will be used.
    pub(crate) async fn in_force(
        &self,
        cluster: &impl Cluster,
        own: Bootstrap,
    ) -> Result<Bootstrap, RotationError> {
        match self.stored(cluster).await? {
            Some(files) => with(own, files),
            None => Ok(own),
        }
    }

    /// Has others follow those in force, for the whole cluster. What tokens pin from then on.
    pub(crate) async fn rotate(
        &self,
        cluster: &impl Cluster,
        own: Bootstrap,
        password: &Password,
        succession: &Succession,
        clock: &Clock,
    ) -> Result<CaHash, RotationError> {
        cluster.linearize().await?;
        let record = cluster.get(AUTHORITIES_KEY).map_err(RotationError::Store)?;
        let before = match self.stored(cluster).await? {
            Some(files) => files,
            None => self.own.clone(),
        };
        let files = before.followed_by(succession, clock)?;
        let text = serde_json::to_vec(&files).map(zeroize::Zeroizing::new);
        let text = text.map_err(form)?;
        let wrapping = self.wrapping.clone();
        let sealing = move || Sealer::with_rounds(&wrapping, PBKDF2_ROUNDS_MIN)?.seal(&text);
        let sealed = tokio::task::spawn_blocking(sealing).await;
        let sealed = sealed.map_err(|_| RotationError::Stopping)??;
        let bootstrap = with(own, files)?;
        let sealer = bootstrap::sealer(password.clone()).await?;
        let swap = Swap {
            key: AUTHORITIES_KEY.to_owned(),
            before: record,
            after: sealed.into(),
            put: vec![(bootstrap_key(password), bootstrap.seal(&sealer)?.into())],
            delete: Vec::new(),
        };
        match cluster.swap(swap).await? {
            true => CaHash::from_hex(&bootstrap.ca_hash).ok_or(RotationError::Conflict),
            false => Err(RotationError::Conflict),
        }
    }
}

fn with(own: Bootstrap, files: AuthorityFiles) -> Result<Bootstrap, RotationError> {
    let bundle = files.text("server-ca.crt")?;
    let hash = CaHash::of_bundle(bundle.as_bytes());
    let (hash, _) = hash.ok_or_else(|| BootstrapError::Form {
        reason: "server-ca.crt: the chain of certificates ends in no root".to_owned(),
    })?;
    Ok(Bootstrap {
        ca_hash: hash.to_string(),
        files,
        ..own
    })
}

fn form(error: serde_json::Error) -> RotationError {
    RotationError::Bootstrap(BootstrapError::Form {
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::pki;
    use crate::cluster::tests::FakeCluster;

    #[tokio::test]
    async fn what_one_member_rotates_the_others_find_also_where_it_was_rotated_twice() {
        let folder = tempfile::tempdir().unwrap();
        let pki = pki(folder.path());
        let password = Password::new("first").unwrap();
        let cluster = FakeCluster::of_one();
        let [one, two] = [(); 2].map(|()| Authorities::new(pki.authority_files()).unwrap());
        assert_eq!(two.stored(&cluster).await.unwrap(), None);
        let all = Succession {
            make_authorities: true,
            make_service_key: true,
            ..Succession::default()
        };
        let mut hashes = vec![pki.ca_hash().to_string()];
        for _ in 0..2 {
            let own = Bootstrap::of(&pki);
            let rotated = one.rotate(&cluster, own, &password, &all, pki.clock());
            hashes.push(rotated.await.unwrap().to_string());
            let found = two.stored(&cluster).await.unwrap().unwrap();
            assert_ne!(found, pki.authority_files());
            let stored = cluster.get(&bootstrap_key(&password)).unwrap().unwrap();
            let bootstrap = Bootstrap::open(&stored, &password).unwrap();
            assert_eq!(bootstrap.files, found);
            assert_eq!(Some(&bootstrap.ca_hash), hashes.last());
        }
        hashes.dedup();
        assert_eq!(hashes.len(), 3);
        let nothing = Succession::default();
        let own = Bootstrap::of(&pki);
        let same = one.rotate(&cluster, own, &password, &nothing, pki.clock());
        assert!(matches!(same.await, Err(RotationError::Succession(_))));
    }
}
