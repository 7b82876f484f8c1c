//! What an expression can cost at least and at most, reckoned before it runs: cel-go's estimator
//! with kube-apiserver's options.
//!
//! Knows nothing about values. Invariant: sums and products saturate, so that no expression makes
//! an estimate small by making it huge.

mod calls;
mod estimator;
mod sizes;

pub(crate) use estimator::estimate;

use crate::types::Type;

/// A range of costs, in upstream's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// The least it can cost.
    pub min: u64,
    /// The most it can cost; saturates at `u64::MAX`.
    pub max: u64,
}

/// A range of sizes: elements of a list, pairs of a map, code points of a string, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The smallest it can be.
    pub min: u64,
    /// The largest it can be.
    pub max: u64,
}

/// A number of units times a cost for each, rounded up.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn scale(units: u64, cost: f64) -> u64 {
    // A double that is too large becomes the largest integer.
    (units as f64 * cost).ceil() as u64
}

impl Estimate {
    /// Always this much.
    #[must_use]
    pub const fn fixed(cost: u64) -> Self {
        Self {
            min: cost,
            max: cost,
        }
    }

    /// Both, one after the other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }

    /// One for each unit of the other.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_mul(other.min),
            max: self.max.saturating_mul(other.max),
        }
    }

    /// As many times, rounded up.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            min: scale(self.min, factor),
            max: scale(self.max, factor),
        }
    }

    /// One of the two.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

impl Size {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        min: 0,
        max: u64::MAX,
    };

    /// Always this many.
    #[must_use]
    pub const fn fixed(size: u64) -> Self {
        Self {
            min: size,
            max: size,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }

    /// One for each of the other.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_mul(other.min),
            max: self.max.saturating_mul(other.max),
        }
    }

    /// One of the two.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// What it costs at so much for each unit, rounded up.
    #[must_use]
    pub fn cost(self, each: f64) -> Estimate {
        Estimate {
            min: scale(self.min, each),
            max: scale(self.max, each),
        }
    }

    /// What it costs at an estimate for each unit.
    #[must_use]
    pub fn cost_each(self, each: Estimate) -> Estimate {
        Estimate {
            min: self.min.saturating_mul(each.min),
            max: self.max.saturating_mul(each.max),
        }
    }
}

/// What a call costs, and how large its result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallEstimate {
    /// The cost of the call itself.
    pub cost: Estimate,
    /// The size of the result, when it is known.
    pub result: Option<Size>,
}

/// An operand, as an estimate sees it.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Its checked type.
    pub kind: &'a Type,
    /// Its size; `None` when nothing bounds it.
    pub size: Option<Size>,
    /// The text, where the operand is a string literal.
    pub literal: Option<&'a str>,
    /// The number, where the operand is an int literal.
    pub number: Option<i64>,
    /// The size of a list's items, where the list is read from a variable.
    pub items: Option<Size>,
}

impl Node<'_> {
    /// Its size, or all that it could be.
    #[must_use]
    pub fn size_or_unknown(&self) -> Size {
        self.size.unwrap_or(Size::UNKNOWN)
    }
}

/// Who knows how large variables can get, besides the schemas of their types.
pub trait Sizes {
    /// The size at a path: the variable's name, then fields, `@items`, `@keys` and `@values`.
    fn size(&self, path: &[String], kind: &Type) -> Option<Size>;
}

/// Nothing is known but what the schemas of declared types say.
impl Sizes for () {
    fn size(&self, _: &[String], _: &Type) -> Option<Size> {
        None
    }
}
