//! `skerry server --cluster-reset`: this member goes on alone, with what its disk holds, when the
//! others are gone for good.
//!
//! Knows nothing about how a membership is kept. Invariants: the cluster's id is another one before
//! the membership is, so that members of the old one are never taken for members of this; a reset
//! that was cut off is finished by another one, and until then the member does not serve; a second
//! reset needs the first one's mark deleted, by a start without the flag or by hand.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use ring::rand::{SecureRandom as _, SystemRandom};
use skerry_consensus::Member;

use crate::config::Settings;
use crate::farewell;
use crate::identity::{Identity, Stage};

/// Below the data directory: the cluster was reset and has not been started since.
const MARK: &str = "db/reset-flag";
/// Below the data directory: a reset has begun, and is not through.
const BEGUN: &str = "db/reset-begun";

/// Resets, says what is to be done now, and returns.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let data_dir = &settings.data_dir;
    refuse_repetition(data_dir)?;
    farewell::refuse(data_dir)?;
    let identity = Identity::load(data_dir)?.filter(|identity| identity.stage == Stage::Member);
    let Some(identity) = identity else {
        bail!(
            "cluster-reset: {} does not hold the data of a member; give the --data-dir of one that has served",
            data_dir.display()
        );
    };
    let member_id = identity.member_id;
    put_mark(data_dir, BEGUN)?;
    Identity {
        cluster_id: another_id()?,
        ..identity
    }
    .save(data_dir)?;
    let kept = skerry_consensus::reset(&data_dir.join("db"), member_id, &member(settings))
        .context("cluster-reset")?;
    mark(data_dir)?;
    remove_mark(data_dir, BEGUN)?;
    tracing::info!(
        members_before = kept.members,
        entries = kept.last_index,
        "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. Start each other server with --rejoin, which keeps the datastore it has aside, to have it join again"
    );
    Ok(())
}

/// What the only member says of itself.
pub(crate) fn member(settings: &Settings) -> Member {
    Member {
        name: settings.node_name.clone(),
        peer_urls: vec![settings.peer_url()],
        client_urls: vec![settings.client_url()],
    }
}

/// Refuses a reset after which the cluster was not started.
pub(crate) fn refuse_repetition(data_dir: &Path) -> anyhow::Result<()> {
    let mark = data_dir.join(MARK);
    if mark
        .try_exists()
        .with_context(|| mark.display().to_string())?
    {
        bail!(
            "cluster-reset was successfully performed, please remove the cluster-reset flag and start skerry normally, if you need to perform another cluster reset, you must first manually delete the {} file",
            mark.display()
        );
    }
    Ok(())
}

/// Notes that the cluster was reset.
pub(crate) fn mark(data_dir: &Path) -> anyhow::Result<()> {
    put_mark(data_dir, MARK)
}

/// A start without the flag: from now on another reset is another decision. Refused where one was
/// cut off.
pub(crate) fn is_over(data_dir: &Path) -> anyhow::Result<()> {
    let is_there = |name: &str| {
        let mark = data_dir.join(name);
        mark.try_exists()
            .with_context(|| mark.display().to_string())
    };
    // With both, it was cut off when all was done.
    if is_there(BEGUN)? && !is_there(MARK)? {
        let begun = data_dir.join(BEGUN);
        bail!(
            "a cluster reset of this member was begun and cut off ({} is there): start it with --cluster-reset once more",
            begun.display()
        );
    }
    remove_mark(data_dir, BEGUN)?;
    remove_mark(data_dir, MARK)
}

fn put_mark(data_dir: &Path, name: &str) -> anyhow::Result<()> {
    let mark = data_dir.join(name);
    File::create(&mark)
        .and_then(|file| file.sync_all())
        .and_then(|()| File::open(data_dir.join("db"))?.sync_all())
        .with_context(|| mark.display().to_string())
}

fn remove_mark(data_dir: &Path, name: &str) -> anyhow::Result<()> {
    let mark = data_dir.join(name);
    match std::fs::remove_file(&mark) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| mark.display().to_string())
        }
        _ => Ok(()),
    }
}

/// An id that no cluster has: two members that are reset by mistake do not meet as one.
pub(crate) fn another_id() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}
