//! Checked expressions made into steps, and steps evaluated.
//!
//! Knows nothing about text and types. Invariant: an evaluation ends when its budget is spent.

mod attribute;
mod charge;
mod fold;
mod machine;
mod plan;
pub(crate) mod work;

pub(crate) use charge::factor;
pub(crate) use machine::Machine;
pub(crate) use plan::plan;

use crate::function::Function;
use crate::map::Entries;
use crate::value::Value;
use std::sync::Arc;

/// One step of an evaluation.
#[derive(Debug)]
pub(crate) enum Step {
    Constant(Value<'static>),
    Attribute(Box<Attribute>),
    And(Box<[Step; 2]>),
    Or(Box<[Step; 2]>),
    Equal(Box<[Step; 2]>),
    Unequal(Box<[Step; 2]>),
    NotStrictlyFalse(Box<Step>),
    Call(Box<Call>),
    /// `x in [1, 2, 3]` with literals only.
    Within(Box<(Step, Entries<'static>)>),
    OrOptional(Box<[Step; 2]>),
    OrValue(Box<[Step; 2]>),
    List(Box<ListStep>),
    Map(Box<MapStep>),
    Object(Box<ObjectStep>),
    Fold(Box<FoldStep>),
    /// `accumulator + [item]`, without copying the accumulator.
    Append(Box<(usize, Step)>),
    /// `cel.@mapInsert(accumulator, ...)`, likewise.
    Insert(Box<(usize, Vec<Step>)>),
}

/// A value and what is selected from it.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) root: Root,
    pub(crate) qualifiers: Vec<Qualifier>,
    /// The last qualifier only asks whether it is there (`has`).
    pub(crate) test_only: bool,
}

/// Where an attribute begins.
#[derive(Debug)]
pub(crate) enum Root {
    Variable(Arc<str>),
    /// A variable of a comprehension, by its place.
    Local(usize),
    Step(Step),
    Conditional(Box<(Step, Attribute, Attribute)>),
}

/// One selection.
#[derive(Debug)]
pub(crate) struct Qualifier {
    pub(crate) key: Key,
    pub(crate) optional: bool,
}

/// What selects.
#[derive(Debug)]
pub(crate) enum Key {
    Constant(Value<'static>),
    Attribute(Attribute),
    Step(Step),
}

/// A call of a function.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) overloads: Vec<&'static Function>,
    pub(crate) args: Vec<Step>,
    pub(crate) cost: CallCost,
}

/// How a call's cost is found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallCost {
    One,
    /// A tenth of the first operand.
    Traversal,
    /// The size of the second operand.
    Container,
    /// A tenth of the smaller operand.
    Comparison,
    /// A tenth of both operands.
    Concatenation,
    Matches,
    Contains,
    /// What the library says.
    Library(fn(&[Value<'_>], &Value<'_>) -> Option<u64>),
}

/// A list to be made.
#[derive(Debug)]
pub(crate) struct ListStep {
    pub(crate) items: Vec<(Step, bool)>,
}

/// A map to be made.
#[derive(Debug)]
pub(crate) struct MapStep {
    pub(crate) entries: Vec<(Step, Step, bool)>,
}

/// An object to be made.
#[derive(Debug)]
pub(crate) struct ObjectStep {
    pub(crate) name: Arc<str>,
    pub(crate) fields: Vec<(Arc<str>, Step, bool)>,
}

/// A comprehension; its variables lie at `slot` and after.
#[derive(Debug)]
pub(crate) struct FoldStep {
    pub(crate) slot: usize,
    pub(crate) two: bool,
    /// Nothing is gone through: the accumulator names a value.
    pub(crate) binding: bool,
    pub(crate) range: Step,
    pub(crate) initial: Step,
    pub(crate) condition: Step,
    pub(crate) step: Step,
    pub(crate) result: Step,
}
