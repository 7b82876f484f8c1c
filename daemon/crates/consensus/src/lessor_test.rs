//! The lessor under a clock that the tests turn by hand.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn leading(leases: &[(i64, i64, i64)], extend: Duration, now: Instant) -> Lessor {
    let mut lessor = Lessor::default();
    lessor.expect(7);
    let leases = leases
        .iter()
        .map(|&(id, ttl_seconds, remaining_seconds)| Lease {
            id,
            ttl_seconds,
            remaining_seconds,
        })
        .collect();
    lessor.load(7, leases, extend, now);
    lessor
}

#[test]
fn a_lease_is_revoked_when_its_life_is_over_and_again_if_that_failed() {
    let t0 = Instant::now();
    let mut lessor = leading(&[], Duration::ZERO, t0);
    lessor.changed(
        &[LeaseChange::Granted {
            id: 1,
            ttl_seconds: 10,
        }],
        t0,
    );
    assert_eq!(lessor.expired(t0 + 9 * SECOND, 10), []);
    assert_eq!(lessor.expired(t0 + 10 * SECOND, 10), [1]);
    assert_eq!(
        lessor.expired(t0 + 11 * SECOND, 10),
        [],
        "its revocation is under way"
    );
    assert_eq!(lessor.renew(1, t0 + 11 * SECOND), Renewal::Expired);
    assert_eq!(lessor.expired(t0 + 13 * SECOND, 10), [1]);
    lessor.changed(&[LeaseChange::Revoked { id: 1 }], t0 + 13 * SECOND);
    assert_eq!(lessor.expired(t0 + 60 * SECOND, 10), []);
    assert_eq!(lessor.renew(1, t0), Renewal::NotFound);
}

#[test]
fn a_renewed_lease_has_its_whole_life_again() {
    let t0 = Instant::now();
    let mut lessor = leading(&[(1, 10, 0)], Duration::ZERO, t0);
    let renewed = Renewal::Renewed {
        ttl_seconds: 10,
        clear_checkpoint: false,
    };
    assert_eq!(lessor.renew(1, t0 + 9 * SECOND), renewed);
    assert_eq!(lessor.expired(t0 + 18 * SECOND, 10), []);
    assert_eq!(lessor.remaining(1, t0 + 18 * SECOND), Ok((1, 10)));
    assert_eq!(lessor.expired(t0 + 19 * SECOND, 10), [1]);
}

#[test]
fn a_new_leader_gives_what_the_checkpoint_left_and_an_election_on_top() {
    let t0 = Instant::now();
    let mut lessor = leading(&[(1, 1_000, 20), (2, 30, 0)], 5 * SECOND, t0);
    assert_eq!(lessor.remaining(1, t0), Ok((25, 1_000)));
    assert_eq!(lessor.remaining(2, t0), Ok((35, 30)));
    let renewed = Renewal::Renewed {
        ttl_seconds: 1_000,
        clear_checkpoint: true,
    };
    assert_eq!(
        lessor.renew(1, t0),
        renewed,
        "the state must forget the 20 seconds"
    );
}

#[test]
fn who_does_not_lead_knows_no_deadlines() {
    let t0 = Instant::now();
    let mut lessor = leading(&[(1, 10, 0)], Duration::ZERO, t0);
    lessor.demote();
    assert_eq!(lessor.renew(1, t0), Renewal::NotPrimary);
    assert_eq!(lessor.expired(t0 + 60 * SECOND, 10), []);
    lessor.changed(
        &[LeaseChange::Granted {
            id: 2,
            ttl_seconds: 1,
        }],
        t0,
    );
    assert_eq!(lessor.expired(t0 + 60 * SECOND, 10), []);
    lessor.load(7, vec![], Duration::ZERO, t0);
    assert_eq!(
        lessor.renew(1, t0),
        Renewal::NotPrimary,
        "leases of a term that is over"
    );
}

#[test]
fn long_lives_are_noted_at_intervals_and_short_ones_never() {
    let t0 = Instant::now();
    let mut lessor = leading(&[(1, 3_600, 0), (2, 60, 0)], Duration::ZERO, t0);
    let due = t0 + LEASE_CHECKPOINT_INTERVAL;
    assert_eq!(lessor.checkpoints(due - SECOND, 10), []);
    assert_eq!(lessor.checkpoints(due, 10), [(1, 3_300)]);
    assert_eq!(lessor.checkpoints(due, 10), []);
    assert_eq!(
        lessor.checkpoints(due + LEASE_CHECKPOINT_INTERVAL, 10),
        [(1, 3_000)]
    );
}

#[test]
fn before_leadership_goes_all_lives_are_told_and_none_is_longer_than_was_granted() {
    let t0 = Instant::now();
    let lessor = leading(&[(1, 10, 0), (2, 20, 5)], 3 * SECOND, t0);
    assert_eq!(lessor.all_remaining(t0 + SECOND), [(1, 10), (2, 7)]);
}

#[test]
fn one_round_expires_no_more_than_its_bound() {
    let t0 = Instant::now();
    let leases: Vec<(i64, i64, i64)> = (1..=5).map(|id| (id, id, 0)).collect();
    let mut lessor = leading(&leases, Duration::ZERO, t0);
    assert_eq!(lessor.next_look(), Some(t0 + SECOND));
    assert_eq!(lessor.expired(t0 + 10 * SECOND, 3), [1, 2, 3]);
    assert_eq!(lessor.expired(t0 + 10 * SECOND, 3), [4, 5]);
}
