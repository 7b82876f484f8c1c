//! Label selectors and field selectors: their grammars, their matching, and
//! the exact words in which a bad one is refused.
//!
//! Pure: knows nothing of requests, storage or kinds. What is accepted here
//! is what kube-apiserver accepts, but for the sizes in [`limits`].

pub mod fields;
pub mod labels;
pub mod limits;
pub mod name;
mod quote;

pub use quote::quoted;
