//! What is counted of each schema's requests at a level, under upstream's names.

use std::sync::Arc;
use std::time::Duration;

use skerry_metrics::{Buckets, Text, Type};

/// Bounds of times, upstream's.
const SECONDS: [f64; 13] = [
    0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0,
];
/// Bounds of the lengths of queues, upstream's.
const LENGTHS: [f64; 8] = [0.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];
/// Bounds of seats, upstream's.
const SEATS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0];
/// Why requests are sent away.
pub(crate) const REASONS: [&str; 4] = ["queue-full", "concurrency-limit", "time-out", "cancelled"];

/// Of one schema at one level.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) schema: Arc<str>,
    pub(crate) level: Arc<str>,
    pub(crate) rejected: [u64; REASONS.len()],
    pub(crate) dispatched: u64,
    pub(crate) waiting: u64,
    pub(crate) seats_waiting: u64,
    pub(crate) executing: u64,
    pub(crate) seats: u64,
    /// Of those that did not run, and of those that did.
    waited: [Buckets<{ SECONDS.len() }>; 2],
    /// Of watches, and of others.
    ran: [Buckets<{ SECONDS.len() }>; 2],
    lengths: Buckets<{ LENGTHS.len() }>,
    widths: Buckets<{ SEATS.len() }>,
}

impl Row {
    pub(crate) fn of(schema: &Arc<str>, level: &Arc<str>) -> Row {
        Row {
            schema: Arc::clone(schema),
            level: Arc::clone(level),
            ..Row::default()
        }
    }

    pub(crate) fn waited(&mut self, runs: bool, time: Duration) {
        self.waited[usize::from(runs)].observe(&SECONDS, time.as_secs_f64());
    }

    pub(crate) fn ran(&mut self, watch: bool, time: Duration) {
        self.ran[usize::from(!watch)].observe(&SECONDS, time.as_secs_f64());
    }

    pub(crate) fn enqueued(&mut self, length: usize) {
        self.lengths.observe(&LENGTHS, length as f64);
    }

    pub(crate) fn wide(&mut self, seats: u32) {
        self.widths.observe(&SEATS, f64::from(seats));
    }

    pub(crate) fn rejected(&mut self, reason: &str) {
        if let Some(place) = REASONS.iter().position(|known| *known == reason) {
            self.rejected[place] += 1;
        }
    }

    fn labels(&self) -> [(&'static str, &str); 2] {
        [
            ("priority_level", &self.level),
            ("flow_schema", &self.schema),
        ]
    }

    fn and<'a>(&'a self, label: &'static str, value: &'a str) -> [(&'static str, &'a str); 3] {
        let [level, schema] = self.labels();
        [level, schema, (label, value)]
    }
}

/// A metric of rows: its name, its type, its help, and what a row says of it.
type Family = (
    &'static str,
    Type,
    &'static str,
    fn(&Row, &'static str, &mut Text),
);

fn histogram<const COUNT: usize>(
    text: &mut Text,
    name: &'static str,
    labels: &[(&str, &str)],
    bounds: [f64; COUNT],
    buckets: &Buckets<COUNT>,
) {
    if buckets.count() > 0 {
        let up_to = bounds.into_iter().zip(buckets.up_to());
        text.more(name)
            .histogram(labels, up_to, buckets.count(), buckets.sum());
    }
}

const FAMILIES: [Family; 10] = [
    (
        "apiserver_flowcontrol_rejected_requests_total",
        Type::Counter,
        "[BETA] Number of requests rejected by API Priority and Fairness subsystem",
        |row, name, text| {
            for (reason, count) in REASONS.iter().zip(row.rejected) {
                if count > 0 {
                    text.more(name).value(&row.and("reason", reason), count);
                }
            }
        },
    ),
    (
        "apiserver_flowcontrol_dispatched_requests_total",
        Type::Counter,
        "[BETA] Number of requests executed by API Priority and Fairness subsystem",
        |row, name, text| text.more(name).value(&row.labels(), row.dispatched),
    ),
    (
        "apiserver_flowcontrol_current_inqueue_requests",
        Type::Gauge,
        "[BETA] Number of requests currently pending in queues of the API Priority and Fairness subsystem",
        |row, name, text| text.more(name).value(&row.labels(), row.waiting),
    ),
    (
        "apiserver_flowcontrol_current_inqueue_seats",
        Type::Gauge,
        "[ALPHA] Number of seats currently pending in queues of the API Priority and Fairness subsystem",
        |row, name, text| text.more(name).value(&row.labels(), row.seats_waiting),
    ),
    (
        "apiserver_flowcontrol_current_executing_requests",
        Type::Gauge,
        "[BETA] Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem",
        |row, name, text| text.more(name).value(&row.labels(), row.executing),
    ),
    (
        "apiserver_flowcontrol_current_executing_seats",
        Type::Gauge,
        "[BETA] Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem",
        |row, name, text| text.more(name).value(&row.labels(), row.seats),
    ),
    (
        "apiserver_flowcontrol_request_queue_length_after_enqueue",
        Type::Histogram,
        "[ALPHA] Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued",
        |row, name, text| histogram(text, name, &row.labels(), LENGTHS, &row.lengths),
    ),
    (
        "apiserver_flowcontrol_work_estimated_seats",
        Type::Histogram,
        "[ALPHA] Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness",
        |row, name, text| histogram(text, name, &row.labels(), SEATS, &row.widths),
    ),
    (
        "apiserver_flowcontrol_request_wait_duration_seconds",
        Type::Histogram,
        "[BETA] Length of time a request spent waiting in its queue",
        |row, name, text| {
            for (execute, buckets) in ["false", "true"].iter().zip(&row.waited) {
                histogram(text, name, &row.and("execute", execute), SECONDS, buckets);
            }
        },
    ),
    (
        "apiserver_flowcontrol_request_execution_seconds",
        Type::Histogram,
        "[ALPHA] Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem",
        |row, name, text| {
            for (kind, buckets) in ["watch", "regular"].iter().zip(&row.ran) {
                histogram(text, name, &row.and("type", kind), SECONDS, buckets);
            }
        },
    ),
];

/// Writes one metric of all rows; false where there are no more.
pub(crate) fn write(rows: &[Row], family: usize, text: &mut Text) -> bool {
    let Some((name, kind, help, row)) = FAMILIES.get(family) else {
        return false;
    };
    text.labelled(name, *kind, help);
    rows.iter().for_each(|of| row(of, name, text));
    true
}

/// How many metrics of rows there are.
pub(crate) const FAMILIES_COUNT: usize = FAMILIES.len();
