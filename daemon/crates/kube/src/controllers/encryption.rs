//! Writes every object anew that is not kept as the keyring says: in the clear, or sealed with an
//! older key.
//!
//! Where it stands is seen on the objects: after a crash, or with another leader, it goes on with
//! those that are left. Invariant: it is said to be finished only after a look at all of them that
//! found none, a while after the last that was found.

use std::sync::Arc;

use tokio::time::sleep;

use super::RETRY_INTERVAL;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::REENCRYPTION_QUIET_TIME;
use crate::storage::keyring::{Keyring, Stage};
use crate::storage::{self, Known, Outcome, Write};

/// Keys that stay once nothing is sealed with another than the first: what was before in the
/// history of an object is still read.
const KEYS_KEPT: usize = 2;

pub(super) async fn run(engine: &Engine) {
    loop {
        match settle(engine).await {
            // A keyring changes seldom, and by an administrator who looks on.
            Ok(()) => sleep(RETRY_INTERVAL).await,
            Err(error) => {
                tracing::warn!(%error, "reencryption goes on later");
                sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

async fn settle(engine: &Engine) -> Result<(), ApiError> {
    let keyring = match engine.storage.vault().known() {
        Known::None if !engine.encrypted.is_empty() => {
            let contents = engine.first_contents(&engine.encrypted)?;
            engine.storage.write_keyring(0, &contents).await?;
            return Ok(());
        }
        Known::Keyring(keyring) if keyring.contents.stage == Stage::ReencryptActive => keyring,
        _ => return Ok(()),
    };
    let mut written = 0;
    let mut clean = false;
    loop {
        let found = engine.reencrypt(&keyring).await?;
        written += found;
        if found == 0 && clean {
            break;
        }
        clean = found == 0;
        sleep(REENCRYPTION_QUIET_TIME).await;
        if !is_still(engine, &keyring) {
            return Ok(());
        }
    }
    let mut contents = keyring.contents.clone();
    contents.stage = Stage::ReencryptFinished;
    contents.keys.truncate(KEYS_KEPT);
    let done = engine.storage.write_keyring(keyring.revision, &contents);
    if let Outcome::Done(revision) = done.await? {
        tracing::info!(objects = written, "reencryption has finished");
        if written > 0 {
            // What they were is history that nobody should read any more.
            engine.storage.compact(revision).await?;
        }
    }
    Ok(())
}

fn is_still(engine: &Engine, keyring: &Arc<Keyring>) -> bool {
    match engine.storage.vault().known() {
        Known::Keyring(known) => known.revision == keyring.revision,
        _ => false,
    }
}

impl Engine {
    /// Writes anew what is not kept as the keyring says: how many there were.
    async fn reencrypt(&self, keyring: &Arc<Keyring>) -> Result<u64, ApiError> {
        let mut found = 0;
        for prefix in &keyring.contents.prefixes {
            let mut listing = self.storage.list_kept(storage::below(prefix))?;
            loop {
                let chunk = listing.next_chunk()?;
                if chunk.is_empty() {
                    break;
                }
                for kept in chunk {
                    if keyring.is_current(&kept.key, &kept.value) {
                        continue;
                    }
                    if !is_still(self, keyring) {
                        return Ok(found);
                    }
                    found += 1;
                    let opened = self.storage.opened(kept)?;
                    let key = String::from_utf8_lossy(&opened.key).into_owned();
                    let put = Write::Put(opened.value, opened.lease);
                    // Whoever has changed it meanwhile has written it as it should be, or the
                    // next look finds it.
                    self.storage.write(&key, opened.revision, put).await?;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(found)
    }
}
