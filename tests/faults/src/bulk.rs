//! Many small writes at once, outside the keys of the run and unrecorded: they move the log on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

use crate::limits::{BULK_DEADLINE, POLL_INTERVAL};
use crate::session::Target;

/// Writes under way at once.
const AT_ONCE: usize = 64;

/// The key that is written.
const KEY: &str = "bulk";

/// Has this many writes acknowledged by one member.
///
/// # Errors
/// Where that takes longer than [`BULK_DEADLINE`].
pub async fn write(target: &Target, writes: usize) -> Result<()> {
    let client = target.client().await?;
    let left = Arc::new(AtomicUsize::new(writes));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (mut client, left) = (client.clone(), Arc::clone(&left));
        tasks.spawn(async move {
            while left.load(Ordering::Relaxed) > 0 {
                if client.put(KEY, "", None).await.is_err() {
                    // Not counted, and tried again, but not at once.
                    tokio::time::sleep(POLL_INTERVAL).await;
                } else {
                    let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        left.checked_sub(1)
                    });
                }
            }
        });
    }
    let done = tokio::time::timeout(BULK_DEADLINE, async {
        while let Some(task) = tasks.join_next().await {
            task?;
        }
        anyhow::Ok(())
    });
    done.await
        .with_context(|| format!("{writes} writes took longer than {BULK_DEADLINE:?}"))?
}
