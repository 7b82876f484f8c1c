//! The language's syntax: tokens, trees, macros.
//!
//! Knows nothing about types. Invariant: no text makes the parser fail but by an issue, and no tree
//! is deeper than the limits say.

pub(crate) mod ast;
mod lexer;
pub(crate) mod macros;
mod nesting;
pub(crate) mod parser;
pub(crate) mod source;
mod unquote;
