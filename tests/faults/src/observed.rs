//! Resolves operations whose outcome the client never learnt, by what others saw later.
//!
//! Sound because values are unique and every write reports what it replaced: an unknown
//! write whose value nobody ever saw can be left out without changing any other answer;
//! one whose value was seen must have happened before the first sight of it was answered,
//! and the sight tells its revision. Only unknown deletes stay truly unknown.

use std::collections::HashMap;

use crate::history::{Operation, Request, Response, Value, Version};
use crate::register::Step;

/// An operation ready for the checker.
#[derive(Clone, Copy, Debug)]
pub struct Resolved {
    /// Where it came from, for reports.
    pub operation: Operation,
    /// What it does to the register.
    pub step: Step,
    /// From when on it may happen.
    pub call: u64,
    /// By when it has happened; `None`: perhaps never.
    pub answer: Option<u64>,
}

/// The first sight of a value: when it was answered at the earliest, and the version seen.
fn first_sights(operations: &[Operation]) -> HashMap<Value, (u64, Version)> {
    let mut sights: HashMap<Value, (u64, Version)> = HashMap::new();
    for operation in operations {
        let Some(version) = operation.seen() else {
            continue;
        };
        sights
            .entry(version.value)
            .and_modify(|(at, _)| *at = (*at).min(operation.answer))
            .or_insert((operation.answer, version));
    }
    sights
}

/// Turns the linearizable operations on one key into steps of the model.
#[must_use]
pub fn resolve(operations: &[Operation]) -> Vec<Resolved> {
    let sights = first_sights(operations);
    operations
        .iter()
        .filter(|operation| operation.request != Request::GetSerializable)
        .filter_map(|operation| {
            let (step, answer) = match operation.response {
                Response::Unknown => guess(operation, &sights)?,
                response => {
                    let step = Step::of(operation.request, response, operation.revision)?;
                    (step, Some(operation.answer))
                }
            };
            Some(Resolved {
                operation: *operation,
                step,
                call: operation.call,
                answer,
            })
        })
        .collect()
}

fn guess(
    operation: &Operation,
    sights: &HashMap<Value, (u64, Version)>,
) -> Option<(Step, Option<u64>)> {
    match operation.request {
        Request::Get | Request::GetSerializable => None,
        Request::Delete => Some((Step::DeleteUnknown, None)),
        Request::Put(value) => {
            let (at, version) = *sights.get(&value)?;
            Some((
                Step::Put {
                    version,
                    previous: None,
                },
                Some(at),
            ))
        }
        Request::Swap { expected, value } => {
            let (at, version) = *sights.get(&value)?;
            Some((Step::Swap { expected, version }, Some(at)))
        }
    }
}
