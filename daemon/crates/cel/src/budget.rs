//! What an evaluation may cost, and what it has cost: upstream's cost tracker seen from outside.
//!
//! Invariant: an evaluation ends soon after its cost passes the limit, whatever the expression.

use crate::limits::PER_CALL_COST_MAX;

/// The limit of an evaluation's cost and the count of it.
///
/// Every [`crate::Program::eval`] starts counting at zero against the limit; [`Budget::spent`] is
/// the last evaluation's cost (upstream's `EvalDetails.ActualCost`), which the caller takes from
/// the budget of the object or binding.
pub struct Budget<'b> {
    pub(crate) limit: u64,
    pub(crate) spent: u64,
    interrupted: Option<&'b dyn Fn() -> bool>,
}

impl<'b> Budget<'b> {
    /// Upstream's limit for one call.
    #[must_use]
    pub fn per_call() -> Self {
        Self::limited(PER_CALL_COST_MAX)
    }

    /// Another limit for one call.
    #[must_use]
    pub fn limited(limit: u64) -> Self {
        Self {
            limit,
            spent: 0,
            interrupted: None,
        }
    }

    /// Asks `interrupted` now and then within comprehensions; `true` ends the evaluation with
    /// `operation interrupted`.
    #[must_use]
    pub fn interruptible(mut self, interrupted: &'b dyn Fn() -> bool) -> Self {
        self.interrupted = Some(interrupted);
        self
    }

    /// Whether the caller wants the evaluation to end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.is_some_and(|ask| ask())
    }

    /// What one call may cost.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// What the last evaluation has cost, in upstream's units, also when it failed.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.spent
    }
}
