//! Requests, from their arrival to their end.
//!
//! Pure: the time is given from outside, and whoever asks carries out what comes back. Knows nothing
//! about HTTP. Invariant: each request that arrives and is not refused is woken once at most and
//! ends once; whatever it took is then free.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use skerry_metrics::Text;

use crate::bootstrap;
use crate::level::{CATCH_ALL, EXEMPT, Level};
use crate::levels::{Held, share};
use crate::limits::{LEVELS_MAX, REBALANCE_INTERVAL, ROWS_MAX, WORD_BYTES_MAX, WORDS_MAX};
use crate::queues::Place;
use crate::schema::{Asked, Schema};
use crate::stats::{self, Row};
use crate::width::Listing;

/// How many may be in here.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Seats of all levels together, those without a limit apart.
    pub seats: u32,
    /// Requests that may wait, of all levels together.
    pub waiting: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Flow {
    pub(crate) room: Room,
    schemas: Vec<Schema>,
    pub(crate) levels: BTreeMap<Arc<str>, Held>,
    requests: HashMap<u64, Request>,
    last_id: u64,
    rows: Vec<Row>,
    pub(crate) nominal_sum: u32,
    pub(crate) fair_part: f64,
    /// When seats were lent last.
    balanced: Duration,
}

#[derive(Debug)]
struct Request {
    level: Arc<str>,
    row: Option<usize>,
    queue: Option<u32>,
    width: u32,
    arrived: Duration,
    /// None: it waits.
    started: Option<Duration>,
}

/// What becomes of a request that arrives.
#[derive(Debug)]
pub struct Arrival {
    /// By which it is known here.
    pub id: u64,
    /// The uid of its schema.
    pub schema: Arc<str>,
    /// The uid of its level.
    pub level: Arc<str>,
    /// What it is to do.
    pub verdict: Verdict,
    /// Others who need wait no longer.
    pub woken: Vec<Woken>,
}

/// See [`Arrival`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Run.
    Runs,
    /// Wait until it is woken.
    Waits,
    /// Go, and come again after so many seconds.
    Refused(u32),
}

/// A request that need wait no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Woken {
    /// Which.
    pub id: u64,
    /// What it is to do; not wait.
    pub verdict: Verdict,
}

impl Flow {
    /// With nothing but what there always is.
    #[must_use]
    pub fn new(room: Room) -> Flow {
        let mut flow = Flow {
            room,
            schemas: Vec::new(),
            levels: BTreeMap::new(),
            requests: HashMap::new(),
            last_id: 0,
            rows: Vec::new(),
            nominal_sum: 0,
            fair_part: 0.0,
            balanced: Duration::ZERO,
        };
        flow.configure(Vec::new(), Vec::new(), Duration::ZERO);
        flow
    }

    /// Takes other schemas and levels in the place of those it had.
    pub fn configure(
        &mut self,
        schemas: Vec<Schema>,
        levels: Vec<Level>,
        now: Duration,
    ) -> Vec<Woken> {
        for held in self.levels.values_mut() {
            held.wanted = false;
        }
        let mandatory = [EXEMPT, CATCH_ALL];
        let missing = mandatory
            .iter()
            .filter(|name| !levels.iter().any(|level| level.name() == **name));
        let imagined: Vec<Level> = missing.filter_map(|name| bootstrap::level(name)).collect();
        let room = LEVELS_MAX - mandatory.len();
        for level in imagined.into_iter().chain(levels.into_iter().take(room)) {
            let entry = self.levels.entry(Arc::clone(&level.name));
            entry
                .or_insert_with(|| Held::new(level.clone(), now))
                .take(level);
        }
        // What is busy goes when it is idle.
        self.levels
            .retain(|_, held| held.wanted || !held.queues.is_idle());
        self.schemas = self.ordered(schemas);
        let new = share(self);
        let mut woken = Vec::new();
        for name in new {
            woken.extend(self.dispatch(&name, now));
        }
        woken
    }

    /// Those whose level is there, in the order in which they are asked.
    fn ordered(&self, mut schemas: Vec<Schema>) -> Vec<Schema> {
        schemas.sort_by(|a, b| a.order().cmp(&b.order()));
        let (mut words, mut bytes) = (0, 0);
        schemas.retain(|schema| {
            let weight = schema.weight();
            let fits = words + weight.0 <= WORDS_MAX && bytes + weight.1 <= WORD_BYTES_MAX;
            let level = self.levels.get(&schema.level);
            let kept = fits && level.is_some_and(|held| held.wanted);
            if kept {
                words += weight.0;
                bytes += weight.1;
            }
            kept
        });
        let has = |name: &str| schemas.iter().any(|schema| *schema.name == *name);
        let (first, last) = (has(EXEMPT), has(CATCH_ALL));
        if !first && let Some(schema) = bootstrap::schema(EXEMPT) {
            schemas.insert(0, schema);
        }
        if !last && let Some(schema) = bootstrap::schema(CATCH_ALL) {
            schemas.push(schema);
        }
        schemas
    }

    /// Whether a level is there that schemas can send requests to.
    #[must_use]
    pub fn has_level(&self, name: &str) -> bool {
        self.levels.get(name).is_some_and(|held| held.wanted)
    }

    fn schema_of(&self, asked: &Asked<'_>) -> Option<&Schema> {
        let mut schemas = self.schemas.iter();
        let matching = schemas.find(|schema| schema.matches(asked));
        // Everybody is in one of the groups of the last one; this is for whoever is in neither.
        matching.or_else(|| self.schemas.iter().find(|one| *one.name == *CATCH_ALL))
    }

    /// A request arrives; `listing` is asked how much of a list it is, if it is one.
    pub fn arrive(
        &mut self,
        asked: &Asked<'_>,
        now: Duration,
        listing: impl FnOnce() -> Option<Listing>,
    ) -> Arrival {
        self.last_id += 1;
        let id = self.last_id;
        let found = self.schema_of(asked);
        let found = found.map(|schema| (schema.clone_names(), schema.flow(asked)));
        let nobody = || (Default::default(), 0);
        let ((name, uid, level), flow) = found.unwrap_or_else(nobody);
        let Some(held) = self.levels.get_mut(&level) else {
            return Arrival {
                id,
                schema: uid,
                level: Arc::default(),
                verdict: Verdict::Refused(1),
                woken: Vec::new(),
            };
        };
        let width = match held.level.exempt {
            true => 1,
            false => listing().map_or(1, |listing| listing.seats(held.width_max())),
        };
        held.queues.pass(now);
        let place = held.queues.arrive(id, width, flow);
        held.demand.set(held.queues.demand(), now);
        let level_uid = Arc::clone(&held.level.uid);
        let exempt = held.level.exempt;
        let row = row(&mut self.rows, &name, &level);
        let counted = row.map(|row| &mut self.rows[row]);
        let mut woken = Vec::new();
        let verdict = match place {
            Place::Refused(reason) => {
                if let Some(row) = counted {
                    row.wide(width);
                    row.rejected(reason);
                    row.waited(false, Duration::ZERO);
                }
                held.rejected += 1;
                Verdict::Refused(held.retry.refused(now.as_secs()))
            }
            Place::Runs => {
                if let Some(row) = counted {
                    row.wide(width);
                    row.executing += 1;
                    row.seats += u64::from(width);
                    row.dispatched += 1;
                    if !exempt {
                        row.waited(true, Duration::ZERO);
                    }
                }
                held.dispatched += 1;
                Verdict::Runs
            }
            Place::Waits(_, length, displaced) => {
                if let Some(row) = counted {
                    row.wide(width);
                    row.enqueued(length);
                    row.waiting += 1;
                    row.seats_waiting += u64::from(width);
                }
                woken.extend(displaced.map(|id| Woken {
                    id,
                    verdict: self.gone(id, "queue-full", now),
                }));
                Verdict::Waits
            }
        };
        if !matches!(verdict, Verdict::Refused(_)) {
            let queue = match place {
                Place::Waits(queue, ..) => Some(queue),
                Place::Runs | Place::Refused(_) => None,
            };
            let request = Request {
                level: Arc::clone(&level),
                row,
                queue,
                width,
                arrived: now,
                started: queue.is_none().then_some(now),
            };
            self.requests.insert(id, request);
        }
        let mut arrival = Arrival {
            id,
            schema: uid,
            level: level_uid,
            verdict,
            woken,
        };
        if verdict == Verdict::Waits {
            arrival.woken.extend(self.dispatch(&level, now));
            let own = arrival.woken.iter().position(|woken| woken.id == id);
            if let Some(own) = own {
                arrival.verdict = arrival.woken.swap_remove(own).verdict;
            }
        }
        arrival
    }

    /// Lets all run that may.
    fn dispatch(&mut self, level: &str, now: Duration) -> Vec<Woken> {
        let mut woken = Vec::new();
        let Some(held) = self.levels.get_mut(level) else {
            return woken;
        };
        held.queues.pass(now);
        while let Some(id) = held.queues.dispatch() {
            held.dispatched += 1;
            if let Some(request) = self.requests.get_mut(&id) {
                request.started = Some(now);
                if let Some(row) = request.row.map(|row| &mut self.rows[row]) {
                    row.waiting -= 1;
                    row.seats_waiting -= u64::from(request.width);
                    row.executing += 1;
                    row.seats += u64::from(request.width);
                    row.dispatched += 1;
                    row.waited(true, now.saturating_sub(request.arrived));
                }
            }
            woken.push(Woken {
                id,
                verdict: Verdict::Runs,
            });
        }
        held.demand.set(held.queues.demand(), now);
        woken
    }

    /// A request that waited, and has left its queue, is sent away.
    fn gone(&mut self, id: u64, reason: &str, now: Duration) -> Verdict {
        let Some(request) = self.requests.remove(&id) else {
            return Verdict::Refused(1);
        };
        if let Some(row) = request.row.map(|row| &mut self.rows[row]) {
            row.waiting -= 1;
            row.seats_waiting -= u64::from(request.width);
            row.rejected(reason);
            row.waited(false, now.saturating_sub(request.arrived));
        }
        let held = self.levels.get_mut(&request.level);
        Verdict::Refused(held.map_or(1, |held| {
            held.demand.set(held.queues.demand(), now);
            held.rejected += 1;
            held.retry.refused(now.as_secs())
        }))
    }

    /// A request has waited long enough, or nobody wants its answer any more (`cancelled`).
    pub fn give_up(&mut self, id: u64, cancelled: bool, now: Duration) -> (Verdict, Vec<Woken>) {
        let waits = self.requests.get(&id);
        let Some(request) = waits.filter(|request| request.started.is_none()) else {
            return (Verdict::Runs, Vec::new());
        };
        let (level, queue) = (Arc::clone(&request.level), request.queue);
        if let (Some(held), Some(queue)) = (self.levels.get_mut(&level), queue) {
            held.queues.pass(now);
            held.queues.leave(queue, id);
            match cancelled {
                true => held.cancelled += 1,
                false => held.timed_out += 1,
            }
        }
        let reason = if cancelled { "cancelled" } else { "time-out" };
        let verdict = self.gone(id, reason, now);
        // It may have been too wide, and in the way of another.
        let woken = self.dispatch(&level, now);
        self.forget_if_unwanted(&level);
        (verdict, woken)
    }

    /// A request that ran has ended; `watch`: with the first part of a watch.
    pub fn finish(&mut self, id: u64, watch: bool, now: Duration) -> Vec<Woken> {
        let runs = self.requests.get(&id);
        if runs.is_none_or(|request| request.started.is_none()) {
            return Vec::new();
        }
        let Some(request) = self.requests.remove(&id) else {
            return Vec::new();
        };
        let ran = now.saturating_sub(request.started.unwrap_or(now));
        if let Some(row) = request.row.map(|row| &mut self.rows[row]) {
            row.executing -= 1;
            row.seats -= u64::from(request.width);
            row.ran(watch, ran);
        }
        if let Some(held) = self.levels.get_mut(&request.level) {
            held.queues.pass(now);
            held.queues.finish(request.queue, request.width);
        }
        let woken = self.dispatch(&request.level, now);
        self.forget_if_unwanted(&request.level);
        woken
    }

    fn forget_if_unwanted(&mut self, level: &str) {
        let goes = |held: &Held| !held.wanted && held.queues.is_idle();
        if self.levels.get(level).is_some_and(goes) {
            self.levels.remove(level);
        }
    }

    /// Lends the seats of levels that do not need them to those that do, where it is time to; to be
    /// called whenever something happens, and at [`Flow::due`] while somebody waits.
    pub fn tick(&mut self, now: Duration) -> Vec<Woken> {
        match now >= self.due() {
            true => self.rebalance(now),
            false => Vec::new(),
        }
    }

    /// When it is time to lend seats anew.
    #[must_use]
    pub fn due(&self) -> Duration {
        self.balanced + REBALANCE_INTERVAL
    }

    pub(crate) fn rebalance(&mut self, now: Duration) -> Vec<Woken> {
        self.balanced = now;
        for held in self.levels.values_mut() {
            held.queues.pass(now);
            held.demand.look(now);
        }
        let mut woken = Vec::new();
        for name in share(self) {
            woken.extend(self.dispatch(&name, now));
        }
        woken
    }

    /// Whether nobody runs and nobody waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// The text of one metric after the other, from 0; false where there are no more.
    pub fn metrics(&self, family: usize, text: &mut Text) -> bool {
        match family.checked_sub(stats::FAMILIES_COUNT) {
            None => stats::write(&self.rows, family, text),
            Some(family) => self.metrics_of_levels(family, text),
        }
    }
}

/// The row of a schema at a level, where there is room for it.
fn row(rows: &mut Vec<Row>, schema: &Arc<str>, level: &Arc<str>) -> Option<usize> {
    let known = rows
        .iter()
        .position(|row| row.schema == *schema && row.level == *level);
    known.or_else(|| {
        (rows.len() < ROWS_MAX).then(|| {
            rows.push(Row::of(schema, level));
            rows.len() - 1
        })
    })
}
