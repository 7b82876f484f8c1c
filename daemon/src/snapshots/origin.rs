//! Where this server's snapshots are from, and what a restore needs besides the keys.
//!
//! Invariant: what stands in a snapshot is of the same moment as its keys, but for the members,
//! which are those that this server knows of when it is asked.

use std::sync::Arc;

use skerry_archive::{ArchiveError, Describe, METADATA_VERSION, Member, Metadata, Origin};
use skerry_consensus::{Handle, Status};
use skerry_pki::{Password, Pki};
use skerry_supervisor::{Bootstrap, Sealer, Supervisor, bootstrap_key};

use crate::command_line;

/// What this server says of its snapshots.
pub(crate) fn describe(
    handle: &Handle,
    supervisor: &Supervisor<Handle>,
    pki: &Arc<Pki>,
) -> Describe {
    let (handle, supervisor, pki) = (handle.clone(), supervisor.clone(), Arc::clone(pki));
    Describe::new(move |view| {
        let token = supervisor.token();
        let password = token.password();
        let key = bootstrap_key(password);
        let stored = view.get(key.as_bytes())?;
        let stored = stored.map(|stored| stored.value.to_vec());
        let fingerprint = key.rsplit('/').next().map(str::to_owned);
        Ok(Origin {
            metadata: Metadata {
                time: pki.clock().now(),
                revision: view.revision(),
                token_fingerprint: fingerprint,
                ..of_cluster(&handle.status())
            },
            bootstrap: Some(bootstrap(stored, password, &pki)?),
        })
    })
}

fn of_cluster(status: &Status) -> Metadata {
    let members = status
        .members
        .iter()
        .map(|(id, member, is_learner)| Member {
            id: *id,
            name: member.name.clone(),
            peer_urls: member.peer_urls.clone(),
            client_urls: member.client_urls.clone(),
            is_learner: *is_learner,
        });
    let own = status.members.iter();
    let own = own.filter(|(id, ..)| *id == status.member_id);
    Metadata {
        version: METADATA_VERSION,
        program: command_line::version().trim_end().to_owned(),
        node_name: own.map(|(_, member, _)| member.name.clone()).collect(),
        cluster_id: status.cluster_id,
        member_id: status.member_id,
        members: members.collect(),
        ..Metadata::default()
    }
}

/// The copy that the cluster keeps: it has the authorities in force. Where it is not there yet, or
/// one of etcd's users has changed it, this server's own.
fn bootstrap(
    stored: Option<Vec<u8>>,
    password: &Password,
    pki: &Pki,
) -> Result<Vec<u8>, ArchiveError> {
    if let Some(stored) = stored {
        match Bootstrap::open(&stored, password) {
            Ok(_) => return Ok(stored),
            Err(error) => tracing::warn!(
                %error,
                "the bootstrap data in the store cannot be opened: the snapshot has this server's"
            ),
        }
    }
    let failed = |error: String| ArchiveError::Metadata { reason: error };
    let sealer = Sealer::new(password).map_err(|error| failed(error.to_string()))?;
    let sealed = Bootstrap::of(pki).seal(&sealer);
    sealed.map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use skerry_pki::{Clock, Identity};

    use super::*;

    #[test]
    fn what_a_snapshot_carries_opens_under_the_token_whatever_the_store_holds() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::new("one", vec!["127.0.0.1".parse().unwrap()]);
        let clock = Arc::new(Clock::system());
        let pki = Pki::load_or_create(folder.path(), identity, clock).unwrap();
        let password = Password::new("secret").unwrap();
        let own = bootstrap(None, &password, &pki).unwrap();
        assert_eq!(bootstrap(Some(own.clone()), &password, &pki).unwrap(), own);
        let other = Password::new("other").unwrap();
        let of_other = bootstrap(None, &other, &pki).unwrap();
        for changed in [b"garbage".to_vec(), of_other] {
            let sealed = bootstrap(Some(changed), &password, &pki).unwrap();
            let opened = Bootstrap::open(&sealed, &password).unwrap();
            assert_eq!(opened.files, pki.authority_files());
        }
    }
}
