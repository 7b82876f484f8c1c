//! Service account tokens: JSON Web Tokens with upstream's claims.
//!
//! Mints and verifies them, checks that what they are bound to still lives,
//! and publishes the keys for others to verify with. Knows nothing of requests
//! or storage; the time, ids and the objects are the caller's to bring.
//! Invariant: no claim is looked at, but for the issuer, before the signature
//! has been verified.

pub mod bound;
pub mod claims;
pub mod discovery;
pub mod key;
pub mod limits;
pub mod request;
pub mod time;
pub mod verify;

pub use claims::Claims;
pub use key::{Keys, SigningKey};
pub use verify::{Verified, VerifyError};
