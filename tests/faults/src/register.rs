//! The model: one key of the store as a register that holds a version or nothing.
//!
//! Pure. Revisions are part of the model: a write must get a revision above all that the
//! key had before, and a swap succeeds exactly when the revision it names is the key's own.

use crate::history::{Request, Response, Value, Version};

/// What the key holds, and the highest revision known to have changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Register {
    floor: i64,
    value: Option<Value>,
}

/// One operation as the model sees it, after unknown outcomes have been resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A read that found this.
    Get(Option<Version>),
    /// A put that took effect at `version.revision`. `previous`: what it reported to have
    /// replaced, where the answer is known.
    Put {
        /// What the key holds from then on.
        version: Version,
        /// What it replaced, if that is known.
        previous: Option<Option<Version>>,
    },
    /// A delete that took effect and reported this as the previous version.
    Delete(Option<Version>, i64),
    /// A delete of which nothing is known.
    DeleteUnknown,
    /// A swap that took effect.
    Swap {
        /// The revision compared with.
        expected: i64,
        /// What the key holds from then on.
        version: Version,
    },
    /// A swap that was refused because the key held this.
    Refused {
        /// The revision compared with.
        expected: i64,
        /// What the key held.
        found: Option<Version>,
    },
}

impl Register {
    /// What the key holds.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.value.map(|value| Version {
            value,
            revision: self.floor,
        })
    }

    fn mod_revision(&self) -> i64 {
        self.version().map_or(0, |version| version.revision)
    }

    fn put(&self, version: Version) -> Option<Self> {
        (version.revision > self.floor).then_some(Self {
            floor: version.revision,
            value: Some(version.value),
        })
    }

    /// The register after this step; `None`: the step cannot happen in this state.
    #[must_use]
    pub fn after(&self, step: &Step) -> Option<Self> {
        match *step {
            Step::Get(found) => (found == self.version()).then_some(*self),
            Step::Put { version, previous } => {
                let agrees = previous.is_none_or(|previous| previous == self.version());
                agrees.then(|| self.put(version)).flatten()
            }
            Step::Delete(previous, _) if previous != self.version() => None,
            Step::Delete(None, _) => Some(*self),
            Step::Delete(Some(_), revision) => (revision > self.floor).then_some(Self {
                floor: revision,
                value: None,
            }),
            Step::DeleteUnknown => Some(Self {
                floor: self.floor,
                value: None,
            }),
            Step::Swap { expected, version } => (self.mod_revision() == expected)
                .then(|| self.put(version))
                .flatten(),
            Step::Refused { expected, found } => {
                (found == self.version() && self.mod_revision() != expected).then_some(*self)
            }
        }
    }
}

impl Step {
    /// The step of an operation whose outcome is known, given its header revision;
    /// `None` for an unknown outcome or for an answer that does not fit the request.
    #[must_use]
    pub fn of(request: Request, response: Response, revision: i64) -> Option<Self> {
        match (request, response) {
            (Request::Get | Request::GetSerializable, Response::Found(found)) => {
                Some(Self::Get(found))
            }
            (Request::Put(value), Response::Replaced(previous)) => Some(Self::Put {
                version: Version { value, revision },
                previous: Some(previous),
            }),
            (Request::Delete, Response::Replaced(previous)) => {
                Some(Self::Delete(previous, revision))
            }
            (Request::Swap { expected, value }, Response::Swapped) => Some(Self::Swap {
                expected,
                version: Version { value, revision },
            }),
            (Request::Swap { expected, .. }, Response::Refused(found)) => {
                Some(Self::Refused { expected, found })
            }
            _ => None,
        }
    }
}
