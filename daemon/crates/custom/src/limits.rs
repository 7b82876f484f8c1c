//! The sizes that this crate refuses to exceed, with their units.

/// Levels of a schema, and of an object that is checked against one.
pub const DEPTH_MAX: usize = 128;
/// Errors of one object; what comes after is not said.
pub const ERRORS_MAX: usize = 256;
/// Unknown fields of one object that are named.
pub const UNKNOWN_FIELDS_MAX: usize = 256;
/// Nodes of one compiled schema.
pub const NODES_MAX: usize = 1 << 18;
/// Steps of one check of an object against its schema: a step is one value against one node.
pub const CHECKS_MAX: usize = 2_000_000;
/// Compiled patterns that one schema keeps.
pub const PATTERNS_KEPT_MAX: usize = 64;
/// What a kept pattern is reckoned to hold, in bytes.
pub const PATTERN_KEPT_BYTES: usize = 16 * 1024;
/// Selectable fields of one version.
pub const SELECTABLE_FIELDS_MAX: usize = 8;
/// What one rule may be reckoned to cost.
pub const RULE_COST_MAX: u64 = 10_000_000;
/// What all rules of one schema may be reckoned to cost.
pub const RULES_COST_MAX: u64 = 100_000_000;
/// Rules that are named when all together cost too much.
pub const RULES_NAMED_MAX: usize = 4;
/// What a compiled rule is reckoned to hold, in bytes.
pub const RULE_KEPT_BYTES: usize = 10 * 1024;
