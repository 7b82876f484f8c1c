//! Who asks: tokens, certificates and passwords become a caller's name and the auth revision at
//! which it was known.
//!
//! What callers may do is a question for the replicated rules
//! ([`AuthState`](skerry_store::auth::AuthState)); nothing here decides it. Invariant: a password
//! in the clear never reaches the log, and neither a password nor a token a message of ours.

mod authority;
mod jwt;
mod limits;
mod options;
mod password;
mod service;
mod simple;
mod tokens;

pub(crate) use authority::Authority;
pub use jwt::{Algorithm, KeyError};
pub use options::{AuthOptions, JwtOptions, TokenOptions, TokenOptionsError};
