//! What is known of each level, and how many seats it has.

use std::sync::Arc;
use std::time::Duration;

use skerry_metrics::{Text, Type};

use crate::allocate::{Wanted, allocate};
use crate::demand::Demand;
use crate::flow::Flow;
use crate::level::Level;
use crate::queues::QueueSet;
use crate::retry::Retry;

/// Of its seats, how many one request may take: so many of a hundred.
const WIDTH_PERCENT: u32 = 15;

/// A level with its queues.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) level: Level,
    /// Somebody has configured it; otherwise it goes when it is idle.
    pub(crate) wanted: bool,
    pub(crate) queues: QueueSet,
    pub(crate) demand: Demand,
    pub(crate) retry: Retry,
    nominal: u32,
    least: u32,
    most: u32,
    target: f64,
    pub(crate) dispatched: u64,
    pub(crate) rejected: u64,
    pub(crate) timed_out: u64,
    pub(crate) cancelled: u64,
}

impl Held {
    pub(crate) fn new(level: Level, now: Duration) -> Held {
        let mut queues = QueueSet::default();
        queues.pass(now);
        let mut demand = Demand::default();
        demand.set(0.0, now);
        demand.look(now);
        Held {
            level,
            wanted: true,
            queues,
            demand,
            retry: Retry::default(),
            nominal: 0,
            least: 0,
            most: 0,
            target: 0.0,
            dispatched: 0,
            rejected: 0,
            timed_out: 0,
            cancelled: 0,
        }
    }

    pub(crate) fn take(&mut self, level: Level) {
        self.wanted = true;
        self.queues.exempt = level.exempt;
        self.queues.queuing = level.queuing;
        self.level = level;
    }

    /// The seats that one request may take; none: upstream's limit alone.
    pub(crate) fn width_max(&self) -> Option<u32> {
        let hand = self.level.queuing?.hand;
        let part = (u64::from(self.nominal) * u64::from(WIDTH_PERCENT)).div_ceil(100);
        let part = u32::try_from(part).unwrap_or(u32::MAX);
        Some(part.min(self.nominal / hand).max(1))
    }
}

fn percent(of: u32, percent: u32) -> u32 {
    let share = (u64::from(of) * u64::from(percent) + 50) / 100;
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// Divides the seats anew; the levels whose requests may go on for it.
pub(crate) fn share(flow: &mut Flow) -> Vec<Arc<str>> {
    let shares = flow
        .levels
        .values()
        .map(|held| u64::from(held.level.shares));
    let shares = shares.sum::<u64>().max(1);
    let seats = flow.room.seats;
    let mut sum = 0_u32;
    for held in flow.levels.values_mut() {
        let level = &held.level;
        let nominal = (u64::from(seats) * u64::from(level.shares)).div_ceil(shares);
        held.nominal = u32::try_from(nominal).unwrap_or(u32::MAX);
        held.least = held.nominal - percent(held.nominal, level.lendable).min(held.nominal);
        let borrowed = level
            .borrowing
            .map_or(seats, |part| percent(held.nominal, part));
        held.most = held.nominal.saturating_add(borrowed);
        sum = sum.saturating_add(held.nominal);
    }
    flow.nominal_sum = sum;
    for held in flow.levels.values_mut() {
        let waiting = flow.room.waiting as u64 * u64::from(held.nominal) / u64::from(sum.max(1));
        let hand = held.level.queuing.map_or(0, |queuing| queuing.hand);
        held.queues.waiting_max = (waiting as usize).max(hand as usize);
    }
    lend(flow);
    flow.levels.keys().cloned().collect()
}

/// What each level has for now, by what it could have used lately.
fn lend(flow: &mut Flow) {
    let mut left = i64::from(flow.nominal_sum);
    let (mut least_sum, mut low_sum) = (0_i64, 0_i64);
    let mut wanted = Vec::new();
    let high = |held: &Held| held.demand.seen.high as u32;
    let low = |held: &Held| held.least.max(held.nominal.min(high(held)));
    for held in flow.levels.values() {
        if held.level.exempt {
            left -= i64::from(held.least.max(high(held)));
            continue;
        }
        let low = low(held);
        least_sum += i64::from(held.least);
        low_sum += i64::from(low);
        wanted.push(Wanted {
            target: f64::from(low).max(held.demand.seen.smoothed),
            low: f64::from(low),
            high: f64::from(held.most),
        });
    }
    let (part, allocated) = match left <= low_sum {
        true => (0.0, Vec::new()),
        false => allocate(f64::from(flow.nominal_sum), &wanted),
    };
    flow.fair_part = part;
    let mut limited = 0;
    for held in flow.levels.values_mut() {
        if held.level.exempt {
            let high = held.demand.seen.high as u32;
            held.queues.limit = held.least.max(high);
            continue;
        }
        held.target = wanted[limited].target;
        let low = low(held);
        held.queues.limit = if left <= least_sum {
            held.least
        } else if left <= low_sum {
            let share = (left - least_sum) as f64 / (low_sum - least_sum) as f64;
            held.least + (f64::from(low - held.least) * share).round() as u32
        } else {
            allocated[limited].round() as u32
        };
        limited += 1;
    }
}

/// A metric of levels: its name, its help, and its value.
type Family = (&'static str, &'static str, fn(&Held) -> f64);

const FAMILIES: [Family; 9] = [
    (
        "apiserver_flowcontrol_nominal_limit_seats",
        "[BETA] Nominal number of execution seats configured for each priority level",
        |held| f64::from(held.nominal),
    ),
    (
        "apiserver_flowcontrol_lower_limit_seats",
        "[ALPHA] Configured lower bound on number of execution seats available to each priority level",
        |held| f64::from(held.least),
    ),
    (
        "apiserver_flowcontrol_upper_limit_seats",
        "[ALPHA] Configured upper bound on number of execution seats available to each priority level",
        |held| f64::from(held.most),
    ),
    (
        "apiserver_flowcontrol_current_limit_seats",
        "[ALPHA] current derived number of execution seats available to each priority level",
        |held| f64::from(held.queues.limit),
    ),
    (
        "apiserver_flowcontrol_demand_seats_high_watermark",
        "[ALPHA] High watermark, over last adjustment period, of demand_seats",
        |held| held.demand.seen.high,
    ),
    (
        "apiserver_flowcontrol_demand_seats_average",
        "[ALPHA] Time-weighted average, over last adjustment period, of demand_seats",
        |held| held.demand.seen.average,
    ),
    (
        "apiserver_flowcontrol_demand_seats_stdev",
        "[ALPHA] Time-weighted standard deviation, over last adjustment period, of demand_seats",
        |held| held.demand.seen.deviation,
    ),
    (
        "apiserver_flowcontrol_demand_seats_smoothed",
        "[ALPHA] Smoothed seat demands",
        |held| held.demand.seen.smoothed,
    ),
    (
        "apiserver_flowcontrol_target_seats",
        "[ALPHA] Seat allocation targets",
        |held| held.target,
    ),
];

impl Flow {
    pub(crate) fn metrics_of_levels(&self, family: usize, text: &mut Text) -> bool {
        if let Some((name, help, value)) = FAMILIES.get(family) {
            let mut all = text.labelled(name, Type::Gauge, help);
            for (level, held) in &self.levels {
                all.number(&[("priority_level", level)], value(held));
            }
        } else if family == FAMILIES.len() {
            text.seconds(
                "apiserver_flowcontrol_seat_fair_frac",
                Type::Gauge,
                "[ALPHA] Fair fraction of server's concurrency to allocate to each priority level that can use it",
                self.fair_part,
            );
        }
        family <= FAMILIES.len()
    }

    /// One line a level, as upstream's dump of priority levels.
    #[must_use]
    pub fn dump(&self) -> String {
        const HEAD: [&str; 10] = [
            "PriorityLevelName",
            "ActiveQueues",
            "IsIdle",
            "IsQuiescing",
            "WaitingRequests",
            "ExecutingRequests",
            "DispatchedRequests",
            "RejectedRequests",
            "TimedoutRequests",
            "CancelledRequests",
        ];
        let mut rows = vec![HEAD.map(str::to_owned)];
        for (name, held) in &self.levels {
            rows.push([
                (**name).to_owned(),
                held.queues.active().to_string(),
                held.queues.is_idle().to_string(),
                (!held.wanted).to_string(),
                held.queues.waiting.to_string(),
                held.queues.executing.to_string(),
                held.dispatched.to_string(),
                held.rejected.to_string(),
                held.timed_out.to_string(),
                held.cancelled.to_string(),
            ]);
        }
        let mut widths = [8; HEAD.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.len() + 2);
            }
        }
        let mut text = String::new();
        for row in &rows {
            let (last, first) = row
                .split_last()
                .map_or(("", &[][..]), |(last, first)| (last.as_str(), first));
            for (cell, width) in first.iter().zip(widths) {
                let cell = format!("{cell},");
                text.push_str(&format!("{cell:width$}"));
            }
            text.push_str(last);
            text.push('\n');
        }
        text
    }
}
