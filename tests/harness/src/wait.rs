//! Waiting for a condition with a deadline; nothing here sleeps for a guessed time.

use anyhow::{Result, bail};
use std::future::Future;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Looks at `condition` until it holds; the last error is told when `deadline` has passed.
pub fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Result<T>,
) -> Result<T> {
    let until = Instant::now() + deadline;
    loop {
        match condition() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= until => {
                bail!("{what}: not within {deadline:?}: {error:#}")
            }
            Err(_) => std::thread::sleep(POLL),
        }
    }
}

/// As [`eventually`], for conditions that need a runtime. One look may take 5 s at most.
pub async fn eventually_async<T, F>(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let until = Instant::now() + deadline;
    loop {
        let outcome = match tokio::time::timeout(Duration::from_secs(5), condition()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("no answer within 5 s")),
        };
        match outcome {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= until => {
                bail!("{what}: not within {deadline:?}: {error:#}")
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
