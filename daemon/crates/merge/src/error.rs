//! What can be wrong with a patch, in the words that clients of Kubernetes know.

use thiserror::Error;

use crate::json_patch::Inapplicable;
use crate::limits::JSON_PATCH_OPERATIONS_MAX;

/// Why a patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The body is not a patch of its kind.
    #[error("error decoding patch: {0}")]
    Undecodable(String),
    /// A merge patch of `null`.
    #[error("Invalid JSON Patch")]
    NullMergePatch,
    /// More operations than a JSON patch may hold.
    #[error(
        "The allowed maximum operations in a JSON patch is {JSON_PATCH_OPERATIONS_MAX}, got {0}"
    )]
    TooManyOperations(usize),
    /// An operation of a JSON patch does not fit the object.
    #[error(transparent)]
    Inapplicable(#[from] Inapplicable),
    /// A directive of a strategic merge patch is not of its form.
    #[error("invalid patch format of {0}")]
    BadDirective(&'static str),
    /// Strategic merge patches know nothing about lists in lists.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// The type has no say in how it merges.
    #[error("strategic merge patch format is not supported")]
    NotStrategic,
    /// A strategic merge patch that does not fit the object or its type.
    #[error("{0}")]
    Mismatch(String),
}

/// What a server answers, by the sort of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 400, `BadRequest`.
    BadRequest,
    /// 413, `RequestEntityTooLarge`.
    TooLarge,
    /// 422, `Invalid` without details.
    Unprocessable,
    /// 500: upstream lets these through as they are.
    Internal,
}

impl PatchError {
    /// What a server answers to it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Undecodable(_)
            | Self::NullMergePatch
            | Self::BadDirective(_)
            | Self::NotStrategic => Fault::BadRequest,
            Self::TooManyOperations(_) => Fault::TooLarge,
            Self::Inapplicable(_) | Self::ListOfLists => Fault::Unprocessable,
            Self::Mismatch(_) => Fault::Internal,
        }
    }
}
