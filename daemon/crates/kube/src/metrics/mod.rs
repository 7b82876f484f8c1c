//! What the front door counts, under kube-apiserver's names where they mean the same.
//!
//! Counting a request is one look into a table. Everything else is asked when somebody reads.
//! Invariant: nothing that clients send makes another row: tables have rows for what there is.

mod admission;
mod measured;
mod objects;
mod read;
mod requests;

use std::sync::{Mutex, PoisonError};

use skerry_metrics::{Counter, Gauge};

pub(crate) use admission::{AdmissionMetrics, Conditions};
pub(crate) use measured::{Measure, Measured};
pub(crate) use read::{MEDIA_TYPE, Reading, slis};
pub(crate) use requests::{EventCounter, Seen};

use crate::webhooks::Observations;
use objects::Objects;
use requests::Requests;

/// See the module.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<Requests>,
    objects: Objects,
    /// Requests under way that only read, and those that write; watches apart.
    pub(crate) read_only: Gauge,
    pub(crate) mutating: Gauge,
    pub(crate) authentication: Attempts,
    pub(crate) authorization: Attempts,
    users: [Counter; USERS.len()],
    /// Audit events that were written.
    pub(crate) audit_events: Counter,
    pub(crate) admission: AdmissionMetrics,
    pub(crate) webhooks: Observations,
}

/// How often something was tried, and what came out.
#[derive(Default)]
pub(crate) struct Attempts {
    /// Somebody known, or something allowed.
    pub(crate) passed: Counter,
    /// Nobody known, or nothing that allows it.
    pub(crate) failed: Counter,
    /// Proof that is wrong.
    pub(crate) refused: Counter,
}

/// The names of users that are told apart, as upstream does; the last two stand for many.
const USERS: [&str; 7] = [
    "admin",
    "client",
    "kube_proxy",
    "kubelet",
    "system:serviceaccount:kube-system:default",
    "email_id",
    "other",
];

impl Metrics {
    /// A request of a user that is known.
    pub(crate) fn count_user(&self, name: &str) {
        let known = USERS[..USERS.len() - 2]
            .iter()
            .position(|user| *user == name);
        let place = known.unwrap_or(match name.contains('@') {
            true => USERS.len() - 2,
            false => USERS.len() - 1,
        });
        self.users[place].increment();
    }

    fn with_requests<T>(&self, act: impl FnOnce(&mut Requests) -> T) -> T {
        act(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_counted_under_a_few_names() {
        let metrics = Metrics::default();
        for name in ["admin", "a@b", "system:admin", "jane", "kubelet"] {
            metrics.count_user(name);
        }
        let counts: Vec<u64> = metrics.users.iter().map(Counter::get).collect();
        assert_eq!(counts, [1, 0, 0, 1, 0, 1, 2]);
    }
}
