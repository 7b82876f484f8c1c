//! What an evaluation really does, counted beside its cost: upstream's units take comparing and
//! joining lists for one unit however long they are.
//!
//! Invariant: between two counts at zero, a thread does no more than the limit.

use crate::error::Error;
use std::cell::Cell;

/// Most elements compared, copied or shown in one evaluation.
pub(crate) const WORK_MAX: u64 = 10_000_000;

thread_local! {
    /// What is left to the evaluation that runs on this thread; outside of one nothing is counted.
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// Counts so many elements.
///
/// # Errors
/// The evaluation has done too much.
pub(crate) fn spend(elements: usize) -> Result<(), Error> {
    LEFT.with(|left| {
        let rest = left
            .get()
            .checked_sub(elements as u64)
            .ok_or(Error::CostExceeded)?;
        left.set(rest);
        Ok(())
    })
}

/// Runs with a count of its own.
pub(crate) fn counted<T>(run: impl FnOnce() -> T) -> T {
    let before = LEFT.with(|left| left.replace(WORK_MAX));
    let outcome = run();
    LEFT.with(|left| left.set(before));
    outcome
}
