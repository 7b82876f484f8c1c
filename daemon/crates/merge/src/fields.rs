//! Sets of fields: who owns what. Knows nothing about objects or their types.

mod element;
mod set;
mod wire;

pub use element::{Element, Path};
pub use set::Set;
pub use wire::BadFields;
