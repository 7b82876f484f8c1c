//! The space quota, as the member that takes a request holds it.
//!
//! The size of the state is asked at most once a second, and what was let through since is added:
//! a put pays one addition. Whoever finds the quota used up raises the NOSPACE alarm, and from
//! then on every member refuses writes until the alarm is disarmed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use tonic::Status;

use crate::api::Api;
use crate::errors;

/// How old a measured size may be.
const MEASURED_AGE_MAX: Duration = Duration::from_secs(1);

/// What is known of the space in use.
#[derive(Debug, Default)]
pub(crate) struct Quota(Mutex<Option<Measured>>);

#[derive(Debug, Clone, Copy)]
struct Measured {
    at: Instant,
    used_bytes: u64,
}

impl Quota {
    /// Adds `cost_bytes` to what is known, where that is recent and leaves room.
    fn take(&self, cost_bytes: u64, quota_bytes: u64) -> bool {
        let mut measured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(measured) = measured.as_mut() else {
            return false;
        };
        let used_bytes = measured.used_bytes.saturating_add(cost_bytes);
        if used_bytes >= quota_bytes || measured.at.elapsed() > MEASURED_AGE_MAX {
            return false;
        }
        measured.used_bytes = used_bytes;
        true
    }

    fn set(&self, used_bytes: u64) {
        let mut measured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *measured = Some(Measured {
            at: Instant::now(),
            used_bytes,
        });
    }
}

impl Api {
    /// Refuses a write of `cost_bytes` where the quota is used up; 0 always passes.
    pub(crate) async fn check_quota(&self, cost_bytes: u64) -> Result<(), Status> {
        let quota_bytes = self.options.quota_bytes;
        if cost_bytes == 0 || self.quota.take(cost_bytes, quota_bytes) {
            return Ok(());
        }
        let used_bytes = self.view()?.size_in_use_bytes();
        self.quota.set(used_bytes);
        if used_bytes.saturating_add(cost_bytes) < quota_bytes {
            return Ok(());
        }
        let alarm = pb::AlarmRequest {
            action: pb::alarm_request::AlarmAction::Activate.into(),
            member_id: self.status().member_id,
            alarm: pb::AlarmType::Nospace.into(),
        };
        // The refusal stands whether or not the alarm could be raised: the next write tries again.
        if let Err(status) = self.propose_as_member(Operation::Alarm(alarm)).await {
            tracing::warn!(reason = status.message(), "cannot raise the NOSPACE alarm");
        }
        Err(errors::NO_SPACE.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_let_through_counts_until_the_next_measure() {
        let quota = Quota::default();
        assert!(!quota.take(1, 100), "nothing is known yet");
        quota.set(80);
        assert!(quota.take(10, 100));
        assert!(!quota.take(10, 100), "90 are used");
        assert!(quota.take(9, 100));
        quota.set(0);
        assert!(quota.take(99, 100));
    }
}
