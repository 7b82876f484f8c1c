//! The clock of a stream whose watchers want to hear that nothing has happened.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Ticks once an interval and up to a tenth, chosen for each stream, so that streams which were
/// opened together do not tick together.
#[derive(Debug)]
pub(super) struct Ticker {
    period: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Ticker {
    pub(super) fn new(interval: Duration) -> Ticker {
        let tenth = (interval / 10).as_millis().max(1);
        let jitter = u128::from(RandomState::new().hash_one(0)) % tenth;
        let jitter = Duration::from_millis(u64::try_from(jitter).unwrap_or(0));
        Ticker {
            period: interval + jitter,
            sleep: None,
        }
    }

    /// Starts the clock with the first watcher that asks.
    pub(super) fn start(&mut self) {
        if self.sleep.is_none() {
            self.sleep = Some(Box::pin(tokio::time::sleep(self.period)));
        }
    }

    /// Whether a period has passed; its end wakes the task.
    pub(super) fn poll_tick(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(sleep) = &mut self.sleep else {
            return false;
        };
        if sleep.as_mut().poll(cx) == Poll::Pending {
            return false;
        }
        sleep.as_mut().reset(Instant::now() + self.period);
        // Registers the next tick.
        let _ = sleep.as_mut().poll(cx);
        true
    }
}
