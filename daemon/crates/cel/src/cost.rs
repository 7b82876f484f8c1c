//! What an expression can cost at least and at most, reckoned before it runs.

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

pub(crate) fn estimate(_: &crate::env::Env, _: &crate::check::Checked, _: &dyn Sizes) -> Estimate {
    Estimate {
        min: 0,
        max: u64::MAX,
    }
}
