//! The queues of one level: who of those that wait runs next.
//!
//! Fair queuing by virtual time, as upstream's: R is the work that each busy queue has been given,
//! a queue's next request starts where its last one ended in R, and the one that would end first
//! runs. Queues with nothing in them are not there, so memory is that of the requests. Knows nothing
//! about schemas. Invariant: seats in use are above the limit only while a request runs that is
//! wider than the limit, or the limit was lowered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::level::Queuing;
use crate::limits::SERVICE_TIME;
use crate::shard;

/// Work, in seats times nanoseconds.
type Work = i128;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct QueueSet {
    pub(crate) exempt: bool,
    pub(crate) queuing: Option<Queuing>,
    /// Seats for now.
    pub(crate) limit: u32,
    /// Requests that may wait in all queues together.
    pub(crate) waiting_max: usize,
    queues: BTreeMap<u32, Queue>,
    progress: Work,
    last: Duration,
    /// The queue that was served last.
    robin: u32,
    enqueued: u64,
    pub(crate) waiting: usize,
    pub(crate) seats_waiting: u64,
    pub(crate) executing: usize,
    pub(crate) seats: u64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    seats_waiting: u64,
    executing: usize,
    seats: u64,
    /// Where in R its next request starts.
    next: Work,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    width: u32,
    arrived: Work,
}

/// What becomes of a request that arrives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It runs, in no queue.
    Runs,
    /// It waits in a queue, in which so many wait now; another one may have had to go.
    Waits(u32, usize, Option<u64>),
    /// There is no place.
    Refused(&'static str),
}

fn work(width: u64, time: Duration) -> Work {
    Work::from(width) * Work::try_from(time.as_nanos()).unwrap_or(Work::MAX >> 64)
}

impl QueueSet {
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting == 0 && self.executing == 0
    }

    /// Seats that could be used now.
    pub(crate) fn demand(&self) -> f64 {
        (self.seats + self.seats_waiting) as f64
    }

    /// Queues with a request that waits.
    pub(crate) fn active(&self) -> usize {
        let queues = self.queues.values();
        queues.filter(|queue| !queue.waiting.is_empty()).count()
    }

    /// Lets virtual time pass; to be called before anything changes.
    pub(crate) fn pass(&mut self, now: Duration) {
        let time = now.saturating_sub(self.last);
        self.last = self.last.max(now);
        let active = self.queues.len() as u64;
        if active > 0 {
            // What is given, and not, as upstream has it, what could be: R would run away from
            // queues whose requests are so wide that seats stay free.
            let given: u64 = self.queues.values().map(|queue| queue.seats).sum();
            self.progress += work(given, time) / Work::from(active);
            // Work is charged while it is done. Upstream charges it at the end, and lets queues of
            // long requests go first again and again meanwhile.
            for queue in self.queues.values_mut() {
                queue.next += work(queue.seats, time);
            }
        }
    }

    /// A request finds its place; it is not dispatched yet where it waits.
    pub(crate) fn arrive(&mut self, id: u64, width: u32, flow: u64) -> Place {
        let Some(queuing) = self.queuing.filter(|_| !self.exempt) else {
            if !self.exempt && !self.fits(width) {
                return Place::Refused("concurrency-limit");
            }
            self.executing += 1;
            self.seats += u64::from(width);
            return Place::Runs;
        };
        let hand = shard::deal(flow, queuing.queues, queuing.hand);
        let offset = (self.enqueued % hand.len() as u64) as usize;
        self.enqueued += 1;
        let seats_waiting = |queue: &u32| {
            self.queues
                .get(queue)
                .map_or(0, |queue| queue.seats_waiting)
        };
        let turned = (0..hand.len()).map(|turn| hand[(offset + turn) % hand.len()]);
        let Some(chosen) = turned.min_by_key(seats_waiting) else {
            return Place::Refused("queue-full");
        };
        let length = self.length(chosen);
        let mut displaced = None;
        // It runs at once only where nobody waits: upstream asks whether a seat is free, which one
        // that is too wide for it leaves free while others queue up behind it.
        if self.waiting > 0 || !self.fits(width) {
            if length >= queuing.length as usize {
                return Place::Refused("queue-full");
            }
            if self.waiting >= self.waiting_max.max(1) {
                displaced = self.displace(length);
                if displaced.is_none() {
                    return Place::Refused("queue-full");
                }
            }
        }
        let progress = self.progress;
        let queue = self.queues.entry(chosen).or_default();
        if queue.waiting.is_empty() && queue.executing == 0 {
            queue.next = progress;
        }
        queue.waiting.push_back(Waiting {
            id,
            width,
            arrived: progress,
        });
        queue.seats_waiting += u64::from(width);
        queue.bound();
        let length = queue.waiting.len();
        self.waiting += 1;
        self.seats_waiting += u64::from(width);
        Place::Waits(chosen, length, displaced)
    }

    fn length(&self, queue: u32) -> usize {
        self.queues
            .get(&queue)
            .map_or(0, |queue| queue.waiting.len())
    }

    /// Takes the newest request out of the longest queue, where one is longer than so much.
    fn displace(&mut self, length: usize) -> Option<u64> {
        let longest = self
            .queues
            .iter()
            .max_by_key(|(_, queue)| queue.waiting.len());
        let (place, queue) = longest?;
        // Otherwise the one that arrives would only take the turn of another.
        if queue.waiting.len() <= length + 1 {
            return None;
        }
        let (place, id) = (*place, queue.waiting.back()?.id);
        self.leave(place, id);
        Some(id)
    }

    /// A request waits no longer.
    pub(crate) fn leave(&mut self, place: u32, id: u64) {
        let Some(queue) = self.queues.get_mut(&place) else {
            return;
        };
        if let Some(at) = queue.waiting.iter().position(|one| one.id == id)
            && let Some(gone) = queue.waiting.remove(at)
        {
            queue.seats_waiting -= u64::from(gone.width);
            queue.bound();
            self.waiting -= 1;
            self.seats_waiting -= u64::from(gone.width);
        }
        self.drop_if_empty(place);
    }

    fn drop_if_empty(&mut self, place: u32) {
        let empty = |queue: &Queue| queue.waiting.is_empty() && queue.executing == 0;
        if self.queues.get(&place).is_some_and(empty) {
            self.queues.remove(&place);
        }
    }

    /// The next request that may run, if one may.
    pub(crate) fn dispatch(&mut self) -> Option<u64> {
        if self.waiting == 0 || self.seats >= u64::from(self.limit) {
            return None;
        }
        let after = self.queues.range(self.robin.saturating_add(1)..);
        let before = self.queues.range(..=self.robin);
        let ends = |(place, queue): (&u32, &Queue)| {
            let first = queue.waiting.front()?;
            let end = queue.next + work(u64::from(first.width), SERVICE_TIME);
            Some((end, *place, first.width))
        };
        // The first of those that end at the same time: the one that was served last comes last.
        let next = after.chain(before).filter_map(ends);
        let (_, place, width) = next.min_by_key(|(end, ..)| *end)?;
        if !self.fits(width) {
            return None;
        }
        self.robin = place;
        let queue = self.queues.get_mut(&place)?;
        let taken = queue.waiting.pop_front()?;
        let width = u64::from(taken.width);
        queue.seats_waiting -= width;
        queue.executing += 1;
        queue.seats += width;
        queue.next += work(width, SERVICE_TIME);
        queue.bound();
        self.waiting -= 1;
        self.seats_waiting -= width;
        self.executing += 1;
        self.seats += width;
        Some(taken.id)
    }

    /// A request has ended.
    pub(crate) fn finish(&mut self, place: Option<u32>, width: u32) {
        let width = u64::from(width);
        self.executing -= 1;
        self.seats -= width;
        let Some(place) = place else { return };
        if let Some(queue) = self.queues.get_mut(&place) {
            queue.executing -= 1;
            queue.seats -= width;
            // The guess that it was charged for at first.
            queue.next -= work(width, SERVICE_TIME);
            queue.bound();
        }
        self.drop_if_empty(place);
    }

    fn fits(&self, width: u32) -> bool {
        let (width, limit) = (u64::from(width), u64::from(self.limit));
        match width > limit {
            true => self.executing == 0,
            false => self.seats + width <= limit,
        }
    }
}

impl Queue {
    /// A queue that was not busy has saved nothing up.
    fn bound(&mut self) {
        if let Some(first) = self.waiting.front() {
            self.next = self.next.max(first.arrived);
        }
    }
}
