//! Snapshots on schedule, for as long as the server runs.

use std::time::{Duration, Instant};

use skerry_archive::{Schedule, Timer};
use skerry_listen::Stop;
use skerry_token::time::rfc3339;

use super::limits::{APART_FROM_SECONDS, LOOK_INTERVAL, MEMBERS_APART_MAX};
use super::take::Snapshots;

/// Takes what is due until the server stops. What fails is told of where it fails, and tried again
/// when the next is due.
pub(crate) async fn rounds(snapshots: Snapshots, stop: Stop) {
    let Some(schedule) = snapshots.settings().schedule.clone() else {
        return;
    };
    tokio::select! {
        () = keep(snapshots, schedule) => {}
        () = stop.requested() => {}
    }
}

async fn keep(snapshots: Snapshots, schedule: Schedule) {
    let started = Instant::now();
    let mut timer = Timer::new(schedule.clone(), snapshots.now(), started.elapsed());
    let next = rfc3339(i64::try_from(timer.next()).unwrap_or(i64::MAX));
    tracing::info!(%schedule, next, "snapshots are taken on schedule");
    loop {
        let left = Duration::from_secs(timer.next().saturating_sub(snapshots.now()).max(1));
        tokio::time::sleep(left.min(LOOK_INTERVAL)).await;
        if !timer.is_due(snapshots.now(), started.elapsed()) {
            continue;
        }
        tokio::time::sleep(apart(&schedule, snapshots.now(), snapshots.member_id())).await;
        if snapshots.is_learner() {
            tracing::info!("no snapshot is taken: this member is a learner yet");
            continue;
        }
        snapshots.save_scheduled().await;
    }
}

/// Members do not read all of their state in the same second.
fn apart(schedule: &Schedule, now: u64, member_id: u64) -> Duration {
    match schedule.next(now).saturating_sub(now) {
        ..APART_FROM_SECONDS => Duration::ZERO,
        _ => Duration::from_secs(member_id % MEMBERS_APART_MAX),
    }
}
