//! How much work one question may cost.

/// Single grants (one verb on one resource of one group) that the escalation
/// check takes a role apart into. Upstream has no bound, and a role of a few
/// hundred kilobytes could make billions.
pub const GRANTS_MAX: usize = 20_000;

/// Comparisons of such a grant with a rule that is held.
pub const COMPARISONS_MAX: usize = 2_000_000;

/// Missing grants named in the refusal of an escalation.
pub const MISSING_NAMED_MAX: usize = 1_000;
