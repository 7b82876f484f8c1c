//! What upstream's admission plugins fill in and refuse.
//!
//! Pure: the object comes in with the objects that it is judged by, and is changed in place or
//! refused with upstream's words. It knows nothing of requests, storage or users. Invariant:
//! whatever the shape of an object, nothing panics, and what a plugin fills in it fills in once.

pub mod default_class;
pub mod limit_ranger;
pub mod pod_security;
pub mod priority;
pub mod quota;
pub mod runtime_class;
pub mod service_account;
pub mod tolerations;
mod value;

/// Why an object is refused: what follows `... is forbidden: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self(why)
    }
}
