//! `skerry ready`: whether this node's server takes reads and writes, for whoever looks after it: a
//! container engine's health check, or a root that is on trial after an update.
//!
//! Says nothing but what `/readyz` says.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use super::certificate::taken;
use crate::admin::Client;
use crate::config::Settings;

const USAGE: &str = "\
usage:
  skerry ready [--wait SECONDS] [flags]   fails unless this node's server is ready

With --wait it becomes so within that time. The flags are those of `skerry server`; --data-dir and
--node-ip say which server is asked.
";

/// Pause between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Nobody waits longer than a day.
const WAIT_SECONDS_MAX: u64 = 24 * 3600;

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return super::print(USAGE);
    }
    let (wait, flags) = taken(words, &["--wait"])?;
    let wait = match wait {
        Some(text) => seconds(&text).with_context(|| format!("--wait {text}"))?,
        None => Duration::ZERO,
    };
    let settings = Settings::load(&flags, std::env::vars()).context("configuration")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let until = Instant::now() + wait;
        loop {
            let looked = look(&settings).await;
            if looked.is_ok() || Instant::now() >= until {
                return looked;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    })
}

/// The certificate is read each time: at the first start there is none yet.
async fn look(settings: &Settings) -> anyhow::Result<()> {
    Client::of(settings)?.is_ok("/readyz").await
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let seconds: u64 = text.parse().context("a number of seconds is wanted")?;
    anyhow::ensure!(
        seconds <= WAIT_SECONDS_MAX,
        "at most {WAIT_SECONDS_MAX} seconds"
    );
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_of_seconds_within_reason() {
        assert_eq!(seconds("300").unwrap(), Duration::from_secs(300));
        for odd in ["", "5m", "-1", "86401", "18446744073709551616"] {
            assert!(seconds(odd).is_err(), "{odd}");
        }
    }
}
