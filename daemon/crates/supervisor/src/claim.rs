//! Who may have a name, decided in the store: two servers that let others in at the same time decide
//! alike.
//!
//! A name is claimed before a member is added for it, and settled afterwards. Knows nothing about
//! HTTP. Invariant: of those that ask for one name in different places, one at most has its claim
//! settled; a claim whose server is gone ends after [`CLAIM_TIME_MAX`], by a clock that nobody sets.

use std::time::Instant;

use bytes::Bytes;

use crate::admit::{Admission, Joining, Pending, admit};
use crate::cluster::{Cluster, Swap};
use crate::limits::{CLAIM_TIME_MAX, CLAIM_TRIES_MAX};
use crate::message::JoinRequest;
use crate::refusal::Refusal;

/// Where it stands in the store.
const KEY: &str = "/skerry/joining";

/// A claim of another server that stands in somebody's way here, and since when.
pub(crate) type Watched = Option<(Joining, Instant)>;

/// Decides what is to be done, and takes the name; also what the store holds then.
pub(crate) async fn claim<C: Cluster>(
    cluster: &C,
    request: &JoinRequest,
    watched: &mut Watched,
) -> Result<(Admission, Bytes), Refusal> {
    for _ in 0..CLAIM_TRIES_MAX {
        let before = cluster.get(KEY).map_err(Refusal::Failed)?;
        let mut pending = Pending::read(before.as_deref());
        if let Some(other) = pending.unsettled(request) {
            let since = match watched {
                Some((known, since)) if known == other => *since,
                _ => watched.insert((other.clone(), Instant::now())).1,
            };
            if since.elapsed() < CLAIM_TIME_MAX {
                return Err(busy(request, &other.urls()));
            }
        }
        let status = cluster.status();
        let admission = admit(&status, &pending, request)?;
        pending.claim(request, &status);
        let after = pending.write();
        if swap(cluster, before, after.clone()).await? {
            return Ok((admission, after));
        }
        cluster.linearize().await?;
    }
    Err(too_many())
}

/// Notes which member a server has become. If somebody else has its name by now, as this took too
/// long, it is removed again.
pub(crate) async fn settle<C: Cluster>(
    cluster: &C,
    request: &JoinRequest,
    id: u64,
    claimed: Bytes,
) -> Result<(), Refusal> {
    if change(cluster, claimed, |pending| pending.settle(request, id)).await? {
        return Ok(());
    }
    cluster.remove_member(id).await?;
    Err(busy(request, "another address"))
}

/// The name is free again. Where this fails, it is after a while.
pub(crate) async fn release<C: Cluster>(cluster: &C, request: &JoinRequest, claimed: Bytes) {
    let released = change(cluster, claimed, |pending| {
        pending.release(request);
        true
    });
    if let Err(error) = released.await {
        tracing::debug!(%error, "the name of a server that was not let in stays taken for a while");
    }
}

/// Changes what the store holds, which was `known`; false where there is nothing to change.
async fn change<C: Cluster>(
    cluster: &C,
    known: Bytes,
    change: impl Fn(&mut Pending) -> bool,
) -> Result<bool, Refusal> {
    let mut before = Some(known);
    for _ in 0..CLAIM_TRIES_MAX {
        let mut pending = Pending::read(before.as_deref());
        if !change(&mut pending) {
            return Ok(false);
        }
        if swap(cluster, before, pending.write()).await? {
            return Ok(true);
        }
        cluster.linearize().await?;
        before = cluster.get(KEY).map_err(Refusal::Failed)?;
    }
    Err(too_many())
}

async fn swap<C: Cluster>(
    cluster: &C,
    before: Option<Bytes>,
    after: Bytes,
) -> Result<bool, Refusal> {
    let swap = Swap {
        key: KEY.to_owned(),
        before,
        after,
        put: Vec::new(),
        delete: Vec::new(),
    };
    Ok(cluster.swap(swap).await?)
}

fn busy(request: &JoinRequest, urls: &str) -> Refusal {
    let name = &request.name;
    Refusal::Unavailable(format!(
        "another server is joining as '{name}' at this moment, from {urls}"
    ))
}

fn too_many() -> Refusal {
    Refusal::Unavailable("too many servers join at this moment".to_owned())
}
