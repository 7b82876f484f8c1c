//! Records that agree with a store's history, and records that do not.

use super::*;

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

fn event(revision: i64, value: Option<Value>) -> Event {
    Event {
        revision,
        key: 0,
        value,
    }
}

fn put(times: (u64, u64), value: Value, revision: i64, previous: Option<Version>) -> Operation {
    operation(
        times,
        Request::Put(value),
        Response::Replaced(previous),
        revision,
    )
}

const SEVEN: Option<Version> = Some(Version {
    value: 7,
    revision: 2,
});

#[test]
fn answers_that_agree_with_the_history_are_accepted() {
    let operations = [
        put((0, 1), 7, 2, None),
        operation((2, 3), Request::Get, Response::Found(SEVEN), 2),
        operation(
            (4, 5),
            Request::Swap {
                expected: 2,
                value: 8,
            },
            Response::Swapped,
            3,
        ),
        operation((6, 7), Request::GetSerializable, Response::Found(SEVEN), 2),
        operation(
            (8, 9),
            Request::Delete,
            Response::Replaced(Some(Version {
                value: 8,
                revision: 3,
            })),
            4,
        ),
    ];
    let events = [event(2, Some(7)), event(3, Some(8)), event(4, None)];
    assert_eq!(check(&operations, &events), Ok(()));
}

#[test]
fn an_acknowledged_write_that_the_store_does_not_have_is_lost() {
    let write = put((0, 1), 7, 2, None);
    assert_eq!(check(&[write], &[]), Err(Contradiction::Lost(write)));
    let delete = operation((2, 3), Request::Delete, Response::Replaced(SEVEN), 3);
    assert_eq!(
        check(&[write, delete], &[event(2, Some(7))]),
        Err(Contradiction::Lost(delete))
    );
}

#[test]
fn a_write_without_an_answer_may_be_there_or_not() {
    let write = operation((0, 0), Request::Put(7), Response::Unknown, 0);
    assert_eq!(check(&[write], &[]), Ok(()));
    assert_eq!(check(&[write], &[event(2, Some(7))]), Ok(()));
}

#[test]
fn a_write_that_took_effect_twice_is_found() {
    let write = operation((0, 0), Request::Put(7), Response::Unknown, 0);
    let twice = event(3, Some(7));
    assert_eq!(
        check(&[write], &[event(2, Some(7)), twice]),
        Err(Contradiction::Twice(twice))
    );
}

#[test]
fn a_value_that_nobody_wrote_is_found() {
    let invented = event(2, Some(7));
    assert_eq!(
        check(&[], &[invented]),
        Err(Contradiction::Invented(invented))
    );
}

#[test]
fn a_serializable_read_must_show_the_store_as_it_was_at_its_revision() {
    let write = put((0, 1), 7, 2, None);
    let read = |found, revision| {
        operation(
            (2, 3),
            Request::GetSerializable,
            Response::Found(found),
            revision,
        )
    };
    let events = [event(2, Some(7))];
    assert_eq!(check(&[write, read(None, 1)], &events), Ok(()));
    let wrong = read(None, 2);
    let held = SEVEN;
    assert_eq!(
        check(&[write, wrong], &events),
        Err(Contradiction::Disagrees {
            operation: wrong,
            held
        })
    );
}

#[test]
fn a_linearizable_read_older_than_an_earlier_answer_is_stale() {
    let write = put((0, 1), 7, 2, None);
    let read = operation((2, 3), Request::Get, Response::Found(None), 1);
    assert_eq!(
        check(&[write, read], &[event(2, Some(7))]),
        Err(Contradiction::Stale {
            operation: read,
            seen: 2
        })
    );
    let beside = Operation { call: 1, ..read };
    assert_eq!(check(&[write, beside], &[event(2, Some(7))]), Ok(()));
}

#[test]
fn a_history_out_of_order_is_found() {
    let late = event(2, Some(8));
    assert_eq!(
        History::new(&[event(3, Some(7)), late]).err(),
        Some(Contradiction::Disorder(late))
    );
}
