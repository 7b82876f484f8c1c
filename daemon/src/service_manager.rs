//! What systemd is told: READY, STATUS, STOPPING, and a WATCHDOG that tells the truth.
//!
//! WATCHDOG=1 is sent only when every watched thread has made a step since the last one. The
//! thread that sends it is the API runtime's own, so that its step is the sending. A disk that
//! hangs stops the log thread's pulse, and with it the watchdog.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::ground;

/// The counters of the threads that must move.
pub(crate) type Pulses = [u64; 3];

/// What a server that joins asks for, again and again.
const START_EXTENSION: Duration = Duration::from_secs(90);
/// Notifications are sent at least this often per watchdog period: one that is late is no hang.
const SENDS_PER_PERIOD: u32 = 3;

/// Tells systemd; without one, or when its socket is gone, nothing happens.
pub(crate) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

/// Says in one line what the server is doing.
pub(crate) fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// The configuration is being read again: [`ready`] says that this is over.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the clock could not be read"),
    }
}

/// What was asked for is done.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Asks for more time before READY=1 must come.
pub(crate) fn extend_start(time: Duration) {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

/// Asks for more time for as long as it is polled: a server that waits for the one it joins has
/// not failed to start. Never returns.
pub(crate) async fn keep_starting() {
    let mut tick = tokio::time::interval(START_EXTENSION / 3);
    loop {
        tick.tick().await;
        extend_start(START_EXTENSION);
    }
}

/// Feeds systemd's watchdog for as long as all pulses move; never returns.
pub(crate) async fn feed_watchdog(pulses: impl Fn() -> Pulses) {
    let Some(period) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let mut watchdog = Watchdog { seen: pulses() };
    let mut tick = tokio::time::interval(interval(period));
    tick.tick().await;
    loop {
        tick.tick().await;
        let now = pulses();
        if !ground::watchdog_may_be_fed(period) {
            tracing::warn!("{}: the watchdog is not fed", ground::READ_ONLY);
        } else if watchdog.all_moved(now) {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::warn!(?now, "a thread has made no step: the watchdog is not fed");
        }
    }
}

fn interval(period: Duration) -> Duration {
    (period / SENDS_PER_PERIOD).max(Duration::from_millis(1))
}

struct Watchdog {
    seen: Pulses,
}

impl Watchdog {
    /// Whether every pulse moved since the last time that all had.
    fn all_moved(&mut self, now: Pulses) -> bool {
        let moved = self.seen.iter().zip(now).all(|(seen, now)| *seen != now);
        if moved {
            self.seen = now;
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_only_when_every_thread_has_moved() {
        let mut watchdog = Watchdog { seen: [0, 0, 0] };
        assert!(watchdog.all_moved([1, 1, 1]));
        assert!(!watchdog.all_moved([2, 2, 1]), "the third stands still");
        assert!(!watchdog.all_moved([3, 3, 1]));
        assert!(
            watchdog.all_moved([3, 3, 2]),
            "all have moved since the last feeding"
        );
    }
}
