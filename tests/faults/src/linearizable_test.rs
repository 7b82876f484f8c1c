//! Known good and bad records, and seeded comparison with a search by brute force.

use super::*;
use crate::history::{Request, Response, Value};
use skerry_tests_harness::Random;

fn operation(times: (u64, u64), request: Request, response: Response, revision: i64) -> Operation {
    let (call, answer) = times;
    Operation {
        client: 0,
        member: 0,
        key: 0,
        call,
        answer,
        request,
        response,
        revision,
    }
}

fn version(value: Value, revision: i64) -> Option<Version> {
    Some(Version { value, revision })
}

fn get(times: (u64, u64), found: Option<Version>) -> Operation {
    operation(times, Request::Get, Response::Found(found), 100)
}

fn put(times: (u64, u64), value: Value, revision: i64, previous: Option<Version>) -> Operation {
    operation(
        times,
        Request::Put(value),
        Response::Replaced(previous),
        revision,
    )
}

fn lost_put(call: u64, value: Value) -> Operation {
    operation((call, 0), Request::Put(value), Response::Unknown, 0)
}

fn lost_delete(call: u64) -> Operation {
    operation((call, 0), Request::Delete, Response::Unknown, 0)
}

fn accepted(operations: &[Operation]) -> bool {
    match check(operations) {
        Ok(()) => true,
        Err(NotLinearizable::Undecided(at)) => panic!("undecided at {at:?}"),
        Err(_) => false,
    }
}

#[test]
fn a_read_sees_the_write_that_was_answered_before_it() {
    assert!(accepted(&[
        put((0, 1), 7, 2, None),
        get((2, 3), version(7, 2))
    ]));
    assert!(!accepted(&[put((0, 1), 7, 2, None), get((2, 3), None)]));
}

#[test]
fn a_read_beside_a_write_may_see_either() {
    assert!(accepted(&[put((0, 5), 7, 2, None), get((1, 3), None)]));
    assert!(accepted(&[
        put((0, 5), 7, 2, None),
        get((1, 3), version(7, 2))
    ]));
}

#[test]
fn once_seen_a_running_write_stays_seen() {
    let write = put((0, 9), 7, 2, None);
    assert!(accepted(&[
        write,
        get((1, 2), None),
        get((3, 4), version(7, 2))
    ]));
    assert!(!accepted(&[
        write,
        get((1, 2), version(7, 2)),
        get((3, 4), None)
    ]));
}

#[test]
fn a_write_that_vanishes_again_is_refused() {
    let history = [
        put((0, 1), 7, 2, None),
        put((2, 3), 8, 3, version(7, 2)),
        get((4, 5), version(7, 2)),
    ];
    assert!(!accepted(&history));
}

#[test]
fn a_write_whose_answer_was_lost_may_show_up_late_or_never() {
    let first = put((0, 1), 7, 2, None);
    let lost = lost_put(2, 8);
    assert!(accepted(&[first, lost, get((10, 11), version(7, 2))]));
    assert!(accepted(&[
        first,
        lost,
        get((10, 11), version(7, 2)),
        get((12, 13), version(8, 3))
    ]));
    assert!(!accepted(&[
        first,
        lost,
        get((10, 11), version(8, 3)),
        get((12, 13), version(7, 2))
    ]));
}

#[test]
fn a_lost_write_is_not_applied_twice() {
    let history = [
        put((0, 1), 7, 2, None),
        lost_put(2, 8),
        get((3, 4), version(8, 3)),
        put((5, 6), 9, 4, version(8, 3)),
        get((7, 8), version(8, 5)),
    ];
    assert!(!accepted(&history));
}

#[test]
fn a_value_seen_before_its_write_was_asked_for_is_refused() {
    assert!(!accepted(&[get((0, 1), version(8, 3)), lost_put(5, 8)]));
}

#[test]
fn a_value_nobody_wrote_is_refused() {
    assert!(!accepted(&[get((0, 1), version(8, 3))]));
}

#[test]
fn a_delete_whose_answer_was_lost_may_happen_once_at_any_later_time() {
    let first = put((0, 1), 7, 2, None);
    let lost = lost_delete(2);
    let there = get((3, 4), version(7, 2));
    let gone = get((5, 6), None);
    assert!(accepted(&[first, lost, there, gone]));
    assert!(!accepted(&[first, lost, gone, get((7, 8), version(7, 2))]));
    assert!(!accepted(&[first, there, gone]));
    let again = put((7, 8), 9, 5, None);
    assert!(!accepted(&[
        first,
        lost,
        there,
        gone,
        again,
        get((9, 10), None)
    ]));
}

#[test]
fn two_swaps_on_the_same_revision_cannot_both_succeed() {
    let swap = |times, value, revision| {
        operation(
            times,
            Request::Swap { expected: 2, value },
            Response::Swapped,
            revision,
        )
    };
    let first = put((0, 1), 7, 2, None);
    assert!(accepted(&[first, swap((2, 9), 8, 3)]));
    assert!(!accepted(&[first, swap((2, 9), 8, 3), swap((2, 9), 9, 4)]));
}

#[test]
fn a_swap_is_refused_only_where_the_revision_differs() {
    let refused = |found| {
        let request = Request::Swap {
            expected: 2,
            value: 8,
        };
        operation((2, 3), request, Response::Refused(found), 5)
    };
    let first = put((0, 1), 7, 2, None);
    assert!(!accepted(&[first, refused(version(7, 2))]));
    assert!(!accepted(&[first, refused(None)]));
    let second = put((0, 9), 9, 4, version(7, 2));
    assert!(accepted(&[first, second, refused(version(9, 4))]));
}

#[test]
fn revisions_of_a_key_only_grow() {
    let first = put((0, 1), 7, 5, None);
    assert!(!accepted(&[first, put((2, 3), 8, 4, version(7, 5))]));
}

#[test]
fn keys_are_judged_each_by_itself() {
    let mut other = get((2, 3), None);
    other.key = 1;
    assert!(accepted(&[put((0, 1), 7, 2, None), other]));
}

#[test]
fn forty_writes_that_all_overlap_are_decided_or_called_undecided() {
    let operations: Vec<_> = (0..40).map(|n| lost_put(n, n)).collect();
    assert!(accepted(&operations));
    // Blind puts, all seen only at the end, in one chain: every order must be considered.
    let mut chain: Vec<Operation> = (1..=40)
        .map(|n| {
            let revision = i64::try_from(n).unwrap_or(0) + 1;
            put(
                (0, 1_000),
                n,
                revision,
                (n > 1).then(|| version(n - 1, revision - 1)).flatten(),
            )
        })
        .collect();
    assert!(accepted(&chain));
    chain[20].response = Response::Replaced(None);
    assert!(!accepted(&chain));
}

#[test]
fn a_search_beyond_its_bound_says_undecided() {
    // Sixty writes seen only by reads that run to the end: any subset in revision order may
    // have happened before the first read, which nothing explains.
    let mut operations = Vec::new();
    for n in 1..=60_u64 {
        let revision = i64::try_from(n).unwrap_or(0) + 1;
        operations.push(lost_put(0, n));
        operations.push(get((0, 1_000), version(n, revision)));
    }
    operations.push(get((1, 2), version(999, 999)));
    assert!(matches!(
        check(&operations),
        Err(NotLinearizable::Undecided(_))
    ));
}

/// Tries every order that respects real time; unknown outcomes may be left out.
fn brute_force(operations: &[Operation]) -> bool {
    fn place(left: &[&Operation], register: Register) -> bool {
        let known_left = left.iter().filter(|one| one.response != Response::Unknown);
        let Some(first_answer) = known_left.map(|one| one.answer).min() else {
            return true;
        };
        (0..left.len()).any(|at| {
            if left[at].call > first_answer {
                return false;
            }
            let mut rest = left.to_vec();
            let one = rest.remove(at);
            let next = match (one.response, one.request) {
                (Response::Unknown, Request::Delete) => register.after(&Step::DeleteUnknown),
                (Response::Unknown, Request::Put(value)) => {
                    // Revisions are numbered by value in these records.
                    let version = Version {
                        value,
                        revision: revision_of(value),
                    };
                    register.after(&Step::Put {
                        version,
                        previous: None,
                    })
                }
                (Response::Unknown, _) => Some(register),
                (response, request) => {
                    let step = Step::of(request, response, one.revision);
                    step.and_then(|step| register.after(&step))
                }
            };
            next.is_some_and(|next| place(&rest, next))
        })
    }
    place(&operations.iter().collect::<Vec<_>>(), Register::default())
}

fn revision_of(value: Value) -> i64 {
    i64::try_from(value).unwrap_or(0) * 10
}

fn below(random: &mut Random, bound: u64) -> u64 {
    random.bits() % bound
}

/// A run of a real register with overlapping operations, lost answers, and now and then a lie.
fn random_record(random: &mut Random) -> Vec<Operation> {
    let mut operations = Vec::new();
    let mut held: Option<Version> = None;
    let lies = random.below(3) == 0;
    for n in 1..=3 + below(random, 6) {
        let at = n * 10;
        let times = (at - below(random, 25).min(at), at + below(random, 25));
        let lost = random.below(4) == 0;
        let before = if lies && random.below(4) == 0 {
            version(below(random, n) + 1, 10)
        } else {
            held
        };
        let before = before.map(|one| Version {
            revision: revision_of(one.value),
            ..one
        });
        let kind = random.below(3);
        let applied = !lost || random.below(2) == 0;
        let (request, response) = match kind {
            0 => (Request::Get, Response::Found(before)),
            1 => (Request::Put(n), Response::Replaced(before)),
            _ => (Request::Delete, Response::Replaced(before)),
        };
        if applied {
            match kind {
                1 => held = version(n, revision_of(n)),
                2 => held = None,
                _ => {}
            }
        }
        let response = if lost { Response::Unknown } else { response };
        operations.push(operation(times, request, response, revision_of(n)));
    }
    operations
}

#[test]
fn the_search_agrees_with_brute_force_on_thousands_of_small_records() {
    const SEED: u64 = 20_260_101;
    println!("seed {SEED}");
    let mut random = Random::new(SEED);
    let (mut good, mut bad) = (0, 0);
    for round in 0..4_000 {
        let record = random_record(&mut random);
        let expected = brute_force(&record);
        assert_eq!(accepted(&record), expected, "round {round}: {record:#?}");
        if expected { good += 1 } else { bad += 1 }
    }
    assert!(
        good > 500 && bad > 500,
        "a useful mix: {good} good, {bad} bad"
    );
}
