//! Watchers, one per member, that reconnect from the last revision they saw plus one, and the
//! judgement that each saw every event once, in order and with its predecessor.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::task::JoinHandle;

use crate::history::{Event, Version};
use crate::limits::{CONNECT_DEADLINE, POLL_INTERVAL};
use crate::session::{PREFIX, Target, key_number, value_number, version};

/// An event as a watcher got it: with what it replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The event.
    pub event: Event,
    /// What the key held before, as the server says.
    pub previous: Option<Version>,
}

/// What one watcher has seen so far.
#[derive(Debug, Default)]
struct Log {
    seen: Vec<Seen>,
    connections: usize,
    /// The first breach of the protocol, if any.
    breach: Option<String>,
}

/// A watcher of one member that reconnects for as long as it lives.
#[derive(Debug)]
pub struct Watcher {
    member: usize,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Starts watching this member from the store's first revision.
    #[must_use]
    pub fn start(target: &Target) -> Self {
        Self::start_from(target, 1)
    }

    /// Starts watching this member from this revision.
    #[must_use]
    pub fn start_from(target: &Target, revision: i64) -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let task = tokio::spawn(follow(target.clone(), revision, Arc::clone(&log)));
        Self {
            member: target.member,
            log,
            task,
        }
    }

    fn with_log<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The revision of the last event seen.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.with_log(|log| log.seen.last().map_or(0, |seen| seen.event.revision))
    }

    /// Waits until an event of this revision or a later one was seen.
    ///
    /// # Errors
    /// When the deadline has passed, or the protocol was breached.
    pub async fn wait_for(&self, revision: i64, deadline: Duration) -> Result<()> {
        let until = Instant::now() + deadline;
        while self.revision() < revision {
            if let Some(breach) = self.with_log(|log| log.breach.clone()) {
                bail!("watcher of member {}: {breach}", self.member);
            }
            ensure!(
                Instant::now() < until,
                "the watcher of member {} saw revision {} only, not {revision}, within {deadline:?}",
                self.member,
                self.revision()
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Ends the watcher: all it saw, and over how many connections.
    ///
    /// # Errors
    /// When the protocol was breached.
    pub fn finish(self) -> Result<(Vec<Seen>, usize)> {
        self.task.abort();
        self.with_log(|log| match &log.breach {
            Some(breach) => bail!("watcher of member {}: {breach}", self.member),
            None => Ok((log.seen.clone(), log.connections)),
        })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(target: Target, first: i64, log: Arc<Mutex<Log>>) {
    loop {
        let next = {
            let log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.seen
                .last()
                .map_or(first, |seen| seen.event.revision + 1)
        };
        if let Ok(mut stream) = open(&target, next).await {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .connections += 1;
            while let Ok(Some(response)) = stream.message().await {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = take(&response, &mut log.seen) {
                    log.breach = Some(format!("{error:#}"));
                    return;
                }
            }
        }
        // The pace of reconnecting to a member that is down.
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Opens one watch on all keys of the run from this revision on, with previous versions.
///
/// # Errors
/// Where it is not confirmed within [`CONNECT_DEADLINE`].
pub async fn open(target: &Target, start_revision: i64) -> Result<WatchStream> {
    let mut client = target.client().await?;
    let options = WatchOptions::new()
        .with_prefix()
        .with_start_revision(start_revision)
        .with_prev_key();
    let opening = client.watch(PREFIX, Some(options));
    Ok(tokio::time::timeout(CONNECT_DEADLINE, opening)
        .await
        .context("no watch in time")??)
}

/// Appends the events of one response.
///
/// # Errors
/// Where the stream was cancelled, or an event is not newer than all of earlier responses.
fn take(response: &WatchResponse, seen: &mut Vec<Seen>) -> Result<()> {
    if response.canceled() {
        bail!(
            "cancelled by the server: {:?} (compacted at {})",
            response.cancel_reason(),
            response.compact_revision()
        );
    }
    let before = seen.last().map_or(0, |seen| seen.event.revision);
    let mut last = before;
    for event in response.events() {
        let kv = event.kv().context("an event without a key")?;
        let revision = kv.mod_revision();
        ensure!(
            revision > before,
            "revision {revision} came again, or its events came in two responses (seen: {before})"
        );
        ensure!(revision >= last, "revision {revision} came after {last}");
        last = revision;
        let value = match event.event_type() {
            EventType::Put => Some(value_number(kv.value())?),
            EventType::Delete => None,
        };
        let event_of_key = Event {
            revision,
            key: key_number(kv.key())?,
            value,
        };
        let previous = event.prev_kv().map(version).transpose()?;
        seen.push(Seen {
            event: event_of_key,
            previous,
        });
    }
    Ok(())
}

/// Reads the whole history of the run from one member, up to this revision.
///
/// # Errors
/// When the deadline passes before that revision is seen.
pub async fn replay(target: &Target, revision: i64, deadline: Duration) -> Result<Vec<Seen>> {
    replay_from(target, 1, revision, deadline).await
}

/// As [`replay`], from the revision `first` on.
///
/// # Errors
/// As [`replay`].
pub async fn replay_from(
    target: &Target,
    first: i64,
    last: i64,
    deadline: Duration,
) -> Result<Vec<Seen>> {
    let watcher = Watcher::start_from(target, first);
    watcher
        .wait_for(last, deadline)
        .await
        .context("reading the history again")?;
    Ok(watcher.finish()?.0)
}

/// Judges what a watcher saw against the store's history.
///
/// # Errors
/// Names the first event that is missing, comes twice, is out of place or shows a wrong
/// previous version.
pub fn compare(seen: &[Seen], history: &[Seen]) -> Result<()> {
    for (index, (got, expected)) in seen.iter().zip(history).enumerate() {
        ensure!(
            got == expected,
            "event {index}: the watcher saw {got:?}, the history has {expected:?}"
        );
    }
    ensure!(
        seen.len() == history.len(),
        "the watcher saw {} events, the history has {}",
        seen.len(),
        history.len()
    );
    Ok(())
}

/// As [`compare`], without previous versions: those from before a compaction are gone.
///
/// # Errors
/// As [`compare`].
pub fn compare_events(seen: &[Seen], history: &[Seen]) -> Result<()> {
    let bare = |seen: &[Seen]| -> Vec<Seen> {
        seen.iter()
            .map(|seen| Seen {
                previous: None,
                ..*seen
            })
            .collect()
    };
    compare(&bare(seen), &bare(history))
}

/// Judges the previous versions that a history shows against the history itself.
///
/// # Errors
/// Names the first event whose previous version is not what the key held.
pub fn check_previous(history: &[Seen]) -> Result<()> {
    let events: Vec<_> = history.iter().map(|seen| seen.event).collect();
    let states = crate::revisions::History::new(&events)?;
    for seen in history {
        let held = states.at(seen.event.key, seen.event.revision - 1);
        ensure!(seen.previous == held, "{seen:?} replaced {held:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(revision: i64, previous: Option<Version>) -> Seen {
        let value = u64::try_from(revision).ok();
        Seen {
            event: Event {
                revision,
                key: 0,
                value,
            },
            previous,
        }
    }

    #[test]
    fn a_missing_a_doubled_and_a_swapped_event_are_each_found() {
        let two = Some(Version {
            value: 2,
            revision: 2,
        });
        let three = Some(Version {
            value: 3,
            revision: 3,
        });
        let history = [seen(2, None), seen(3, two), seen(4, three)];
        assert!(compare(&history, &history).is_ok());
        assert!(check_previous(&history).is_ok());
        assert!(compare(&[history[0], history[2]], &history).is_err());
        assert!(compare(&[history[0], history[1], history[1], history[2]], &history).is_err());
        assert!(compare(&[history[1], history[0], history[2]], &history).is_err());
        assert!(compare(&history[..2], &history).is_err());
        assert!(check_previous(&[seen(2, None), seen(3, None)]).is_err());
    }
}
