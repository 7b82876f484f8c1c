//! The limits of an expression and of its evaluation, as kube-apiserver sets them.

/// Longest expression that is parsed, in code points (cel-go's default).
pub const EXPRESSION_CODE_POINTS_MAX: usize = 100_000;

/// Deepest nesting of an expression (cel-go's parser recursion limit).
pub const NESTING_MAX: usize = 250;

/// What one evaluation may cost (upstream's `PerCallLimit`).
pub const PER_CALL_COST_MAX: u64 = 1_000_000;

/// What all rules of one object, or of one policy binding, may cost (`RuntimeCELCostBudget`).
pub const RUNTIME_COST_MAX: u64 = 10_000_000;

/// What the match conditions of one webhook or binding may cost
/// (`RuntimeCELCostBudgetMatchConditions`).
pub const MATCH_CONDITIONS_COST_MAX: u64 = 2_500_000;

/// Turns of a comprehension between two looks at the interruption (`CheckFrequency`).
pub const INTERRUPT_CHECK_TURNS: u32 = 100;

/// Largest request body that estimates reckon with, in bytes (`MaxRequestSizeBytes`).
pub const REQUEST_BYTES_MAX: u64 = 3 * 1024 * 1024;

/// Longest text that a message expression may yield, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 5 * 1024;

/// Deepest tree of an expression, macros expanded: what evaluation has stack for. cel-go has no
/// such limit, as Go's stacks grow.
pub const TREE_DEPTH_MAX: usize = 600;

/// Largest type of a subexpression, in parts; expressions can double a type at every step.
pub const TYPE_PARTS_MAX: usize = 1_000;

/// Most nodes of an expression, macros expanded: some copy what they are called on.
pub const NODES_MAX: usize = 200_000;
/// Longest regular expression, in bytes (Go has no limit but its program's size).
pub const REGEXP_BYTES_MAX: usize = 64 * 1024;

/// Deepest nesting of groups in a regular expression (Go has 1000, of everything that nests).
pub const REGEXP_DEPTH_MAX: usize = 200;

/// Most turns of one counted repetition, and of repetitions within each other (Go's limit).
pub const REGEXP_REPEAT_MAX: u32 = 1000;

/// Most instructions of a compiled regular expression: 12 bytes each.
pub const REGEXP_INSTRUCTIONS_MAX: usize = 32_768;

/// Deepest value that an expression can make of its own, JSON aside.
pub const VALUE_NESTING_MAX: usize = 300;

/// Longest string that one call of a function makes, in bytes (upstream: none; no request is
/// larger, and only doubling comes this far).
pub const STRING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest list that one call of a function makes (upstream: what the cost of one evaluation,
/// counted afterwards, lets through: a million).
pub const LIST_ITEMS_MAX: usize = 250_000;

/// Most digits after the point that `format` writes (upstream: no limit).
pub const FORMAT_PRECISION_MAX: usize = 1000;
