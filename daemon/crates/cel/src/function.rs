//! Functions that expressions call: overloads with a signature in text, in static tables.
//!
//! Knows nothing about the checker's ways. Invariant: an implementation gets as many arguments as
//! the signature has, of types that fit it or of any type where the argument was `dyn`.

use crate::cost::{CallEstimate, Node};
use crate::env::Version;
use crate::error::Error;
use crate::value::Value;
use std::fmt;

/// What an overload does. The receiver of a member call is the first argument. With `dyn` operands
/// the values may be of types that the signature does not have: answer `no such overload`.
pub type Implementation = for<'a> fn(&[Value<'a>]) -> Result<Value<'a>, Error>;

/// One overload of a function.
///
/// The signature: `name(string, list(T)): bool` is a global function,
/// `(string).name(int): string` a member. Types are written as they print (`int`, `uint`,
/// `timestamp`, `duration`, `list(T)`, `map(K, V)`, `optional_type(T)`, `type(T)`, `dyn`, `null`);
/// one capital letter is a type parameter; every other name is an opaque type. A global function's
/// name may have dots (`sets.contains`, `optional.of`).
#[derive(Clone, Copy)]
pub struct Function {
    /// The overload's id, as upstream's (`string_to_quantity`); unique.
    pub id: &'static str,
    /// The signature.
    pub signature: &'static str,
    /// What it does.
    pub call: Implementation,
    /// What it costs.
    pub cost: Cost,
}

/// What a call of an overload costs, besides its arguments.
#[derive(Clone, Copy)]
pub enum Cost {
    /// As cel-go reckons calls that nobody has said more of: 1.
    One,
    /// Reckoned from the values at run time, and from sizes in estimates; `None` from either means
    /// that the default is right after all.
    Of {
        /// The cost of a call that was made, from its arguments (the receiver first) and result.
        run: fn(&[Value<'_>], &Value<'_>) -> Option<u64>,
        /// The estimate, from the receiver and the arguments.
        estimate: fn(Option<&Node<'_>>, &[Node<'_>]) -> Option<CallEstimate>,
    },
}

/// Functions that came together, with the versions that have them.
pub struct Library {
    /// The name, for readers.
    pub name: &'static str,
    /// The first version of Kubernetes that has it.
    pub since: Version,
    /// The first version that has it no more.
    pub until: Option<Version>,
    /// The overloads.
    pub functions: &'static [Function],
    /// Names of types that expressions may write (`kubernetes.Quantity`).
    pub types: &'static [&'static str],
}

impl Library {
    /// Whether a version has it.
    #[must_use]
    pub fn is_in(&self, version: Version) -> bool {
        self.since <= version && self.until.is_none_or(|until| version < until)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}
