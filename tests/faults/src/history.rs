//! The record of a run: what each client asked, when, and what it was told.
//!
//! Every written value is a number used once, so that a value read names its writer.
//! Times are nanoseconds since the run began, all from one monotonic clock.

/// A value: unique among all writes of a run.
pub type Value = u64;

/// Which key of the run's own prefix.
pub type Key = u32;

/// What a key held: the value and the revision that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// The unique value.
    pub value: Value,
    /// The store revision of the write (`mod_revision`).
    pub revision: i64,
}

/// What a client asked of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Linearizable read.
    Get,
    /// Read of the asked member's own state, which may lag.
    GetSerializable,
    /// Write without condition; the previous version is asked for.
    Put(Value),
    /// Delete; the previous version is asked for.
    Delete,
    /// Write if the key's `mod_revision` is `expected` (0: the key does not exist).
    Swap {
        /// The `mod_revision` compared with.
        expected: i64,
        /// Written where it is equal.
        value: Value,
    },
}

/// What the client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// The read, and what it found.
    Found(Option<Version>),
    /// The put or delete took effect on this previous version.
    Replaced(Option<Version>),
    /// The swap took effect.
    Swapped,
    /// The swap's condition did not hold; the key held this instead.
    Refused(Option<Version>),
    /// A timeout, a broken connection or any error: it may have been applied, may still
    /// be applied later, or never.
    Unknown,
}

/// One operation of one client on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The client task.
    pub client: u32,
    /// The member it asked.
    pub member: usize,
    /// The key.
    pub key: Key,
    /// When the request was sent.
    pub call: u64,
    /// When the answer was there. Without meaning for [`Response::Unknown`].
    pub answer: u64,
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub response: Response,
    /// The revision in the answer's header; 0 for [`Response::Unknown`].
    pub revision: i64,
}

/// One event of the store: a put (`Some`) or a delete (`None`) of a key at a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The store revision.
    pub revision: i64,
    /// The key.
    pub key: Key,
    /// The value put; `None`: the key was deleted.
    pub value: Option<Value>,
}

impl Operation {
    /// The value this operation writes, if it writes one.
    #[must_use]
    pub fn written(&self) -> Option<Value> {
        match self.request {
            Request::Put(value) | Request::Swap { value, .. } => Some(value),
            Request::Get | Request::GetSerializable | Request::Delete => None,
        }
    }

    /// The version this operation's answer shows, if it shows one.
    #[must_use]
    pub fn seen(&self) -> Option<Version> {
        match self.response {
            Response::Found(seen) | Response::Replaced(seen) | Response::Refused(seen) => seen,
            Response::Swapped | Response::Unknown => None,
        }
    }

    /// The revision at which this operation is known to have changed its key.
    #[must_use]
    pub fn effective_revision(&self) -> Option<i64> {
        match (self.request, self.response) {
            (Request::Put(_), Response::Replaced(_))
            | (Request::Delete, Response::Replaced(Some(_)))
            | (Request::Swap { .. }, Response::Swapped) => Some(self.revision),
            _ => None,
        }
    }
}
