//! Why a join is refused: the HTTP status, a word for the joining program, a text for people.

use http::StatusCode;
use skerry_consensus::{ProposeError, ReadError};

use crate::message::RefusalAnswer;

/// A join that did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the token's password is wrong")]
    WrongPassword,
    #[error("too many wrong passwords, or too many servers join at once: try again later")]
    TooMany,
    #[error("the request is not understood: {0}")]
    Malformed(String),
    #[error("the request is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the request did not arrive in time")]
    TooSlow,
    /// The first half is K3s's wording, which operators search for.
    #[error(
        "duplicate node name found, please use a unique name for this node: '{name}' is member \
         {id:x} at {urls}; if that member is gone for good, remove it first with \
         'skerry member remove {id:x}'"
    )]
    DuplicateName { name: String, id: u64, urls: String },
    /// K3s's wording but for where the password is kept and how a name is given.
    #[error(
        "Node password rejected, duplicate hostname or contents of '<data-dir>/node-password' may \
         not match server node-passwd entry, try a unique node name with the --node-name flag: \
         '{name}' is member {id:x}; if that member is gone for good, remove it first with \
         'skerry member remove {id:x}'"
    )]
    NodePassword { name: String, id: u64 },
    #[error(
        "a member with these peer URLs exists already: {urls}; if it is gone for good, remove it \
         first with 'skerry member remove'"
    )]
    PeerUrlInUse { urls: String },
    #[error("this is cluster {ours:x}, the node was in cluster {theirs:x}")]
    OtherCluster { ours: u64, theirs: u64 },
    /// The first words are K3s's.
    #[error(
        "critical configuration value mismatch between servers: '{key}' is '{ours}' in this \
         cluster and '{theirs}' on the server that wants to join"
    )]
    CriticalValue {
        key: String,
        ours: String,
        theirs: String,
    },
    /// Worth another try.
    #[error("the cluster cannot take a member in at the moment: {0}")]
    Unavailable(String),
    #[error("the member could not be added: {0}")]
    Failed(String),
}

/// The words that a joining program acts on.
pub(crate) mod reason {
    pub(crate) const WRONG_PASSWORD: &str = "wrong_password";
    pub(crate) const DUPLICATE_NAME: &str = "duplicate_name";
    pub(crate) const PEER_URL_IN_USE: &str = "peer_url_in_use";
    pub(crate) const OTHER_CLUSTER: &str = "other_cluster";
    pub(crate) const CRITICAL_VALUE: &str = "critical_value";
    pub(crate) const MALFORMED: &str = "malformed";
    pub(crate) const UNAVAILABLE: &str = "unavailable";
    pub(crate) const FAILED: &str = "failed";
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refusal::WrongPassword => StatusCode::UNAUTHORIZED,
            Refusal::NodePassword { .. } => StatusCode::FORBIDDEN,
            Refusal::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::DuplicateName { .. }
            | Refusal::PeerUrlInUse { .. }
            | Refusal::CriticalValue { .. }
            | Refusal::OtherCluster { .. } => StatusCode::CONFLICT,
            Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn answer(&self) -> RefusalAnswer {
        let (reason, cluster_id) = match self {
            Refusal::WrongPassword => (reason::WRONG_PASSWORD, None),
            Refusal::DuplicateName { .. } | Refusal::NodePassword { .. } => {
                (reason::DUPLICATE_NAME, None)
            }
            Refusal::PeerUrlInUse { .. } => (reason::PEER_URL_IN_USE, None),
            Refusal::OtherCluster { ours, .. } => (reason::OTHER_CLUSTER, Some(*ours)),
            Refusal::CriticalValue { .. } => (reason::CRITICAL_VALUE, None),
            Refusal::Malformed(_) | Refusal::TooLarge(_) => (reason::MALFORMED, None),
            Refusal::TooMany | Refusal::TooSlow | Refusal::Unavailable(_) => {
                (reason::UNAVAILABLE, None)
            }
            Refusal::Failed(_) => (reason::FAILED, None),
        };
        RefusalAnswer {
            reason: reason.to_owned(),
            message: self.to_string(),
            cluster_id,
            differs: match self {
                Refusal::CriticalValue { key, ours, .. } => Some((key.clone(), ours.clone())),
                _ => None,
            },
        }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        Refusal::Unavailable(error.to_string())
    }
}

impl From<ProposeError> for Refusal {
    fn from(error: ProposeError) -> Refusal {
        match error {
            // What time heals, or the next server.
            ProposeError::NoLeader
            | ProposeError::Timeout
            | ProposeError::TimeoutLeaderFailure
            | ProposeError::TimeoutConnectionLost
            | ProposeError::TooManyRequests
            | ProposeError::TooManyLearners
            | ProposeError::NotEnoughStartedMembers
            | ProposeError::Unhealthy
            | ProposeError::MemberHeard
            | ProposeError::NotLeader
            | ProposeError::Stopped => Refusal::Unavailable(error.to_string()),
            other => Refusal::Failed(other.to_string()),
        }
    }
}
