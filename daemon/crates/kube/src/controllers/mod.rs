//! What the leader does without being asked, so that the API keeps its promises.
//!
//! Everything here may be stopped at any point and begun anew by another leader: each step is a
//! write under the condition that nothing has changed. Invariant: only the leader writes.

mod accounts;
mod bootstrap;
mod bootstrap_tokens;
mod certificates;
mod definitions;
mod encryption;
mod endpoints;
mod flow;
mod garbage;
mod namespaces;
mod policies;
mod quotas;
mod remaining;
mod roles;
mod service_network;
mod services;
mod warnings;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::engine::Engine;
use crate::limits::COMPACTION_INTERVAL;
use crate::storage::Leadership;

pub(crate) use bootstrap::{NAMESPACES, own_options};

/// Between two looks at who leads, while nobody is known to.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Between two looks at who leads, once somebody does.
const LEAD_INTERVAL: Duration = Duration::from_secs(1);
/// After something could not be done.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Does the leader's work whenever this member leads.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        match engine.storage.leadership() {
            Leadership::Here => {
                tokio::select! {
                    () = lead(&engine) => {}
                    () = leadership_lost(&engine) => {}
                }
            }
            Leadership::Elsewhere => tokio::time::sleep(LEAD_INTERVAL).await,
            Leadership::Nobody => tokio::time::sleep(LOOK_INTERVAL).await,
        }
    }
}

async fn leadership_lost(engine: &Engine) {
    while engine.storage.leadership() == Leadership::Here {
        tokio::time::sleep(LEAD_INTERVAL).await;
    }
}

async fn lead(engine: &Engine) {
    while let Err(error) = engine.make_missing().await {
        tracing::warn!(%error, "cannot make the first objects");
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
    engine.bootstrapped.store(true, Ordering::Relaxed);
    tokio::join!(
        accounts::run(engine),
        crate::aggregate::lead(engine),
        encryption::run(engine),
        endpoints::run(engine),
        flow::run(engine),
        bootstrap_tokens::run(engine),
        certificates::run(engine),
        definitions::run(engine),
        garbage::run(engine),
        namespaces::run(engine),
        policies::run(engine),
        quotas::run(engine),
        roles::run(engine),
        services::run(engine),
        compact(engine),
    );
}

/// Forgets history that is older than an interval.
async fn compact(engine: &Engine) {
    let mut before = None;
    loop {
        let Ok(view) = engine.storage.view() else {
            tokio::time::sleep(RETRY_INTERVAL).await;
            continue;
        };
        let (now, compacted) = (view.revision(), view.compact_revision());
        drop(view);
        // Where nothing is written, this writes nothing either: flash is worn by it.
        if let Some(before) = before.replace(now)
            && before > compacted
            && let Err(error) = engine.storage.compact(before).await
        {
            // Somebody else may have compacted further already.
            tracing::debug!(%error, revision = before, "cannot compact");
        }
        tokio::time::sleep(COMPACTION_INTERVAL).await;
    }
}
