//! Which requests run now: the seats of `skerry_flow`, and those who wait for one.
//!
//! Knows nothing about answers. Invariant: whoever has taken a seat gives it back when it is dropped,
//! and whoever waits and is dropped has left its queue.

mod ask;
mod follow;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skerry_flow::{Asked, Flow, Level, Listing, Room, Schema, Verdict, Woken};
use skerry_metrics::Text;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

pub(crate) use ask::Counts;
pub(crate) use follow::follow;

use crate::limits::{
    FLOW_WAIT_TIME_MAX, MUTATING_REQUESTS_MAX, REQUEST_BYTES, REQUESTS_MAX, REQUESTS_MIN,
    WAITING_REQUEST_BYTES, WAITING_SHARE,
};
use crate::metrics::Metrics;

/// See the module.
pub(crate) struct FlowControl {
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    pub(crate) counts: Counts,
}

struct Shared {
    started: Instant,
    /// How long anybody waits.
    patience: Duration,
    held: Mutex<Held>,
}

struct Held {
    flow: Flow,
    waiting: HashMap<u64, oneshot::Sender<Verdict>>,
}

/// What has become of a request, and the uids of its schema and its level.
pub(crate) struct Admission {
    pub(crate) schema: Arc<str>,
    pub(crate) level: Arc<str>,
    /// Its seat, or after how many seconds it may come again.
    pub(crate) seat: Result<Seat, u32>,
}

impl FlowControl {
    /// Seats for a server that may use so much memory.
    pub(crate) fn new(memory_budget: u64, metrics: &Arc<Metrics>) -> FlowControl {
        FlowControl::with(room(memory_budget), FLOW_WAIT_TIME_MAX, metrics)
    }

    fn with(room: Room, patience: Duration, metrics: &Arc<Metrics>) -> FlowControl {
        let flow = Flow::new(room);
        FlowControl {
            shared: Arc::new(Shared {
                started: Instant::now(),
                patience,
                held: Mutex::new(Held {
                    flow,
                    waiting: HashMap::new(),
                }),
            }),
            metrics: Arc::clone(metrics),
            counts: Counts::default(),
        }
    }

    /// Finds a seat for a request, and waits for it where that helps.
    pub(crate) async fn admit(
        &self,
        asked: &Asked<'_>,
        listing: impl FnOnce() -> Option<Listing>,
    ) -> Admission {
        let (arrival, seated) = self.shared.arrive(asked, listing);
        let verdict = match seated {
            None => arrival.verdict,
            Some(seated) => self.shared.wait(arrival.id, seated).await,
        };
        let mutating = !matches!(asked.verb, "get" | "list" | "watch" | "head" | "options");
        let seat = match verdict {
            Verdict::Refused(after) => Err(after),
            Verdict::Runs | Verdict::Waits => {
                gauge(&self.metrics, mutating).add(1);
                Ok(Seat {
                    place: Arc::new(Mutex::new(Some(Place {
                        shared: Arc::clone(&self.shared),
                        id: arrival.id,
                        watch: asked.verb == "watch",
                    }))),
                    ended: Mutex::default(),
                    mutating,
                    metrics: Arc::clone(&self.metrics),
                })
            }
        };
        Admission {
            schema: arrival.schema,
            level: arrival.level,
            seat,
        }
    }

    /// Takes other schemas and levels in the place of those it had.
    fn configure(&self, schemas: Vec<Schema>, levels: Vec<Level>) {
        let mut held = self.shared.held();
        let now = self.shared.started.elapsed();
        let woken = held.flow.configure(schemas, levels, now);
        held.wake(woken);
    }

    /// The text of one metric after the other, from 0; false where there are no more.
    pub(crate) fn metrics(&self, family: usize, text: &mut Text) -> bool {
        self.shared.held().flow.metrics(family, text)
    }

    /// How each level is doing.
    pub(crate) fn dump(&self) -> String {
        self.shared.held().flow.dump()
    }
}

fn room(memory_budget: u64) -> Room {
    let fitting = usize::try_from(memory_budget / REQUEST_BYTES).unwrap_or(usize::MAX);
    let of = |max: usize| fitting.min(max).max(REQUESTS_MIN);
    let seats = of(REQUESTS_MAX) + of(MUTATING_REQUESTS_MAX);
    let waiting = memory_budget / WAITING_SHARE / WAITING_REQUEST_BYTES;
    Room {
        seats: u32::try_from(seats).unwrap_or(u32::MAX),
        waiting: usize::try_from(waiting).unwrap_or(usize::MAX).max(seats),
    }
}

fn gauge(metrics: &Metrics, mutating: bool) -> &skerry_metrics::Gauge {
    match mutating {
        true => &metrics.mutating,
        false => &metrics.read_only,
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrive(
        &self,
        asked: &Asked<'_>,
        listing: impl FnOnce() -> Option<Listing>,
    ) -> (skerry_flow::Arrival, Option<oneshot::Receiver<Verdict>>) {
        let mut held = self.held();
        held.tick(self.started.elapsed());
        let mut arrival = held.flow.arrive(asked, self.started.elapsed(), listing);
        held.wake(std::mem::take(&mut arrival.woken));
        let waits = (arrival.verdict == Verdict::Waits).then(|| {
            let (sender, seated) = oneshot::channel();
            held.waiting.insert(arrival.id, sender);
            seated
        });
        (arrival, waits)
    }

    async fn wait(self: &Arc<Self>, id: u64, mut seated: oneshot::Receiver<Verdict>) -> Verdict {
        let waiting = Waiting {
            shared: Arc::clone(self),
            id,
            done: false,
        };
        let ends = self.started.elapsed() + self.patience;
        loop {
            let now = self.started.elapsed();
            let until = self.held().flow.due().min(ends);
            let wait = until.saturating_sub(now);
            if let Ok(verdict) = timeout(wait, &mut seated).await {
                return waiting.ends(verdict.unwrap_or(Verdict::Refused(1)));
            }
            let now = self.started.elapsed();
            let mut held = self.held();
            held.tick(now);
            if now >= ends && seated.try_recv().is_err() {
                let (verdict, woken) = held.flow.give_up(id, false, now);
                held.waiting.remove(&id);
                held.wake(woken);
                drop(held);
                return waiting.ends(verdict);
            }
        }
    }
}

impl Held {
    fn tick(&mut self, now: Duration) {
        let woken = self.flow.tick(now);
        self.wake(woken);
    }

    fn wake(&mut self, woken: Vec<Woken>) {
        for one in woken {
            if let Some(sender) = self.waiting.remove(&one.id) {
                // Who has gone meanwhile gives back what it got.
                let _ = sender.send(one.verdict);
            }
        }
    }
}

/// A request that waits.
struct Waiting {
    shared: Arc<Shared>,
    id: u64,
    done: bool,
}

impl Waiting {
    fn ends(mut self, verdict: Verdict) -> Verdict {
        self.done = true;
        verdict
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let now = self.shared.started.elapsed();
        let mut held = self.shared.held();
        held.waiting.remove(&self.id);
        let (_, woken) = held.flow.give_up(self.id, true, now);
        held.wake(woken);
        // It may have been seated without having heard of it.
        let woken = held.flow.finish(self.id, false, now);
        held.wake(woken);
    }
}

/// What is given back when a request ends.
struct Place {
    shared: Arc<Shared>,
    id: u64,
    watch: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.shared.started.elapsed();
        let mut held = self.shared.held();
        held.tick(now);
        let woken = held.flow.finish(self.id, self.watch, now);
        held.wake(woken);
    }
}

/// A seat that was taken; given back when this is dropped.
pub(crate) struct Seat {
    place: Arc<Mutex<Option<Place>>>,
    /// Ends the wait of [`Seat::for_a_while`].
    ended: Mutex<Option<oneshot::Sender<()>>>,
    mutating: bool,
    metrics: Arc<Metrics>,
}

impl Seat {
    /// Gives the place back after a time even if the answer is not through: clients that read
    /// slowly must not keep others out.
    pub(crate) fn for_a_while(&self, time: Duration) {
        let (ended, gone) = oneshot::channel();
        let place = Arc::clone(&self.place);
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        tokio::spawn(async move {
            // Both ends of the wait mean the same.
            let _ = timeout(time, gone).await;
            drop(take(&place));
        });
    }
}

fn take(place: &Mutex<Option<Place>>) -> Option<Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Drop for Seat {
    fn drop(&mut self) {
        drop(take(&self.place));
        gauge(&self.metrics, self.mutating).subtract(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skerry_flow::Target;

    fn asked<'a>(user: &'a str, groups: &'a [String]) -> Asked<'a> {
        Asked {
            user,
            groups,
            verb: "create",
            target: Target::Path("/x"),
        }
    }

    #[tokio::test]
    async fn seats_are_given_back_and_administrators_need_none() {
        let metrics: Arc<Metrics> = Arc::default();
        let flow = FlowControl::new(0, &metrics);
        let everybody = ["system:authenticated".to_owned()];
        let seats = 2 * REQUESTS_MIN;
        let mut taken = Vec::new();
        for _ in 0..seats {
            let admission = flow.admit(&asked("jane", &everybody), || None).await;
            taken.push(admission.seat.ok().unwrap());
        }
        assert_eq!(metrics.mutating.get(), seats as u64);
        let refused = flow.admit(&asked("jane", &everybody), || None).await;
        assert_eq!(refused.seat.err(), Some(1));
        let masters = ["system:masters".to_owned()];
        let admin = flow.admit(&asked("admin", &masters), || None).await;
        assert!(admin.seat.is_ok());
        drop((taken, admin));
        assert_eq!(metrics.mutating.get(), 0);
        let admission = flow.admit(&asked("jane", &everybody), || None).await;
        let seat = admission.seat.ok().unwrap();
        seat.for_a_while(Duration::from_millis(1));
        let place = Arc::clone(&seat.place);
        let given_back = async {
            while place.lock().unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), given_back).await.unwrap();
        assert!(flow.shared.held().flow.is_idle());
    }

    #[tokio::test]
    async fn who_waits_goes_after_a_while_or_with_its_client() {
        let patience = Duration::from_millis(50);
        let flow = FlowControl::with(room(0), patience, &Arc::default());
        let everybody = ["system:authenticated".to_owned()];
        flow.configure(
            skerry_flow::wanted()
                .iter()
                .filter(|one| one.plural == skerry_flow::SCHEMAS)
                .map(|one| Schema::read(&one.object))
                .collect(),
            skerry_flow::wanted()
                .iter()
                .filter(|one| one.plural == skerry_flow::LEVELS)
                .filter_map(|one| Level::read(&one.object))
                .collect(),
        );
        let mut taken = Vec::new();
        let jane = asked("jane", &everybody);
        let refused = loop {
            match flow.admit(&jane, || None).await.seat {
                Ok(seat) => taken.push(seat),
                Err(after) => break after,
            }
        };
        assert!((1..=32).contains(&refused));
        let waited = flow.shared.started.elapsed();
        assert!(waited >= patience, "{waited:?}");
        assert!(!taken.is_empty());
        let mut gone = Box::pin(flow.admit(&jane, || None));
        assert!(futures_util::poll!(&mut gone).is_pending());
        drop(gone);
        let mut next = Box::pin(flow.admit(&jane, || None));
        assert!(futures_util::poll!(&mut next).is_pending());
        taken.pop();
        assert!(next.await.seat.is_ok());
        drop(taken);
        let held = flow.shared.held();
        assert!(held.flow.is_idle() && held.waiting.is_empty());
    }
}
