//! The one table from what went wrong to what etcd's clients match on: gRPC code and exact text.
//!
//! The texts are etcd's `rpctypes`. Clients decide by them whether to retry, so they are part of
//! the protocol.

use skerry_consensus::{ProposeError, ReadError};
use skerry_store::{ApplyError, QueryError, StoreError};
use tonic::{Code, Status};

/// A code with the text that etcd gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) Code, pub(crate) &'static str);

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        Status::new(refusal.0, refusal.1)
    }
}

macro_rules! refusals {
    ($($name:ident = $code:ident, $text:literal;)*) => {
        $(#[doc = $text] pub(crate) const $name: Refusal = Refusal(Code::$code, concat!("etcdserver: ", $text));)*

        /// All of them by name, for the test that holds the table against the protocol.
        #[cfg(test)]
        const ALL: &[(&str, Refusal)] = &[$((stringify!($name), $name)),*];
    };
}

refusals! {
    EMPTY_KEY = InvalidArgument, "key is not provided";
    KEY_NOT_FOUND = InvalidArgument, "key not found";
    VALUE_PROVIDED = InvalidArgument, "value is provided";
    LEASE_PROVIDED = InvalidArgument, "lease is provided";
    TOO_MANY_OPS = InvalidArgument, "too many operations in txn request";
    DUPLICATE_KEY = InvalidArgument, "duplicate key given in txn request";
    COMPACTED = OutOfRange, "mvcc: required revision has been compacted";
    FUTURE_REVISION = OutOfRange, "mvcc: required revision is a future revision";
    // etcd has no such limit.
    NO_MEMORY = ResourceExhausted, "memory budget exceeded";
    NO_SPACE = ResourceExhausted, "mvcc: database space exceeded";
    LEASE_NOT_FOUND = NotFound, "requested lease not found";
    LEASE_EXISTS = FailedPrecondition, "lease already exists";
    LEASE_TTL_TOO_LARGE = OutOfRange, "too large lease TTL";
    MEMBER_EXISTS = FailedPrecondition, "member ID already exist";
    PEER_URL_EXISTS = FailedPrecondition, "Peer URLs already exists";
    // etcd hands this one out without its code.
    NOT_ENOUGH_STARTED = Unknown, "re-configuration failed due to not enough started members";
    BAD_MEMBER_URLS = InvalidArgument, "given member URLs are invalid";
    MEMBER_NOT_FOUND = NotFound, "member not found";
    MEMBER_NOT_LEARNER = FailedPrecondition, "can only promote a learner member";
    LEARNER_NOT_READY = FailedPrecondition, "can only promote a learner member which is in sync with leader";
    TOO_MANY_LEARNERS = FailedPrecondition, "too many learner members in cluster";
    REQUEST_TOO_LARGE = InvalidArgument, "request is too large";
    // As NOT_ENOUGH_STARTED.
    TOO_MANY_REQUESTS = Unknown, "too many requests";
    ROOT_USER_NOT_EXIST = FailedPrecondition, "root user does not exist";
    ROOT_ROLE_NOT_EXIST = FailedPrecondition, "root user does not have root role";
    USER_ALREADY_EXISTS = FailedPrecondition, "user name already exists";
    USER_EMPTY = InvalidArgument, "user name is empty";
    USER_NOT_FOUND = FailedPrecondition, "user name not found";
    ROLE_ALREADY_EXISTS = FailedPrecondition, "role name already exists";
    ROLE_NOT_FOUND = FailedPrecondition, "role name not found";
    ROLE_EMPTY = InvalidArgument, "role name is empty";
    AUTH_FAILED = InvalidArgument, "authentication failed, invalid user ID or password";
    PERMISSION_NOT_GIVEN = InvalidArgument, "permission not given";
    PERMISSION_DENIED = PermissionDenied, "permission denied";
    ROLE_NOT_GRANTED = FailedPrecondition, "role is not granted to the user";
    PERMISSION_NOT_GRANTED = FailedPrecondition, "permission is not granted to the role";
    AUTH_NOT_ENABLED = FailedPrecondition, "authentication is not enabled";
    INVALID_AUTH_TOKEN = Unauthenticated, "invalid auth token";
    INVALID_AUTH_MANAGEMENT = InvalidArgument, "invalid auth management";
    AUTH_OLD_REVISION = InvalidArgument, "revision of auth store is old";
    NO_LEADER = Unavailable, "no leader";
    NOT_LEADER = FailedPrecondition, "not leader";
    LEADER_CHANGED = Unavailable, "leader changed";
    STOPPED = Unavailable, "server stopped";
    TIMEOUT = Unavailable, "request timed out";
    TIMEOUT_LEADER_FAILURE = Unavailable, "request timed out, possibly due to previous leader failure";
    TIMEOUT_CONNECTION_LOST = Unavailable, "request timed out, possibly due to connection lost";
    UNHEALTHY = Unavailable, "unhealthy cluster";
    CORRUPT = DataLoss, "corrupt cluster";
    NOT_FOR_LEARNER = Unavailable, "rpc not supported for learner";
    BAD_TRANSFEREE = FailedPrecondition, "bad leader transferee";
    WRONG_DOWNGRADE_VERSION = InvalidArgument, "wrong downgrade target version format";
    INVALID_DOWNGRADE_TARGET = InvalidArgument, "invalid downgrade target version";
    NO_INFLIGHT_DOWNGRADE = FailedPrecondition, "no inflight downgrade job";
}

/// What the state machine refused.
pub(crate) fn apply(error: &ApplyError) -> Status {
    let refusal = match error {
        ApplyError::Compacted => COMPACTED,
        ApplyError::FutureRevision => FUTURE_REVISION,
        ApplyError::KeyNotFound => KEY_NOT_FOUND,
        ApplyError::LeaseNotFound => LEASE_NOT_FOUND,
        ApplyError::LeaseExists => LEASE_EXISTS,
        ApplyError::LeaseTtlTooLarge => LEASE_TTL_TOO_LARGE,
        ApplyError::NoSpace => NO_SPACE,
        ApplyError::Corrupt => CORRUPT,
        ApplyError::RootUserNotExist => ROOT_USER_NOT_EXIST,
        ApplyError::RootRoleNotExist => ROOT_ROLE_NOT_EXIST,
        ApplyError::UserAlreadyExists => USER_ALREADY_EXISTS,
        ApplyError::UserEmpty => USER_EMPTY,
        ApplyError::UserNotFound => USER_NOT_FOUND,
        ApplyError::RoleAlreadyExists => ROLE_ALREADY_EXISTS,
        ApplyError::RoleNotFound => ROLE_NOT_FOUND,
        ApplyError::RoleEmpty => ROLE_EMPTY,
        ApplyError::RoleNotGranted => ROLE_NOT_GRANTED,
        ApplyError::PermissionNotGranted => PERMISSION_NOT_GRANTED,
        ApplyError::PermissionNotGiven => PERMISSION_NOT_GIVEN,
        ApplyError::PermissionDenied => PERMISSION_DENIED,
        ApplyError::AuthFailed => AUTH_FAILED,
        ApplyError::AuthNotEnabled => AUTH_NOT_ENABLED,
        ApplyError::InvalidAuthManagement => INVALID_AUTH_MANAGEMENT,
        ApplyError::AuthOldRevision => AUTH_OLD_REVISION,
        ApplyError::InvalidAuthToken => INVALID_AUTH_TOKEN,
        ApplyError::NoPasswordUser => return Status::unknown(error.to_string()),
        ApplyError::UnknownCommand(_) => {
            return Status::unknown(format!("etcdserver: {error}"));
        }
    };
    refusal.into()
}

/// A proposal that did not come back as applied.
pub(crate) fn propose(error: &ProposeError) -> Status {
    let refusal = match error {
        ProposeError::Refused(refused) => return apply(refused),
        ProposeError::NoLeader => NO_LEADER,
        ProposeError::Timeout => TIMEOUT,
        ProposeError::TimeoutLeaderFailure => TIMEOUT_LEADER_FAILURE,
        ProposeError::TimeoutConnectionLost => TIMEOUT_CONNECTION_LOST,
        ProposeError::TooLarge => REQUEST_TOO_LARGE,
        ProposeError::TooManyRequests => TOO_MANY_REQUESTS,
        ProposeError::Stopped => STOPPED,
        ProposeError::MemberExists => MEMBER_EXISTS,
        ProposeError::PeerUrlExists => PEER_URL_EXISTS,
        ProposeError::MemberNotFound => MEMBER_NOT_FOUND,
        ProposeError::MemberNotLearner => MEMBER_NOT_LEARNER,
        ProposeError::LearnerNotReady => LEARNER_NOT_READY,
        ProposeError::TooManyLearners => TOO_MANY_LEARNERS,
        ProposeError::NotEnoughStartedMembers => NOT_ENOUGH_STARTED,
        // Of the second, clients never hear: none asks for that.
        ProposeError::Unhealthy | ProposeError::MemberHeard | ProposeError::MemberName(_) => {
            UNHEALTHY
        }
        ProposeError::NotLeader => NOT_LEADER,
        ProposeError::BadTransferee => BAD_TRANSFEREE,
    };
    refusal.into()
}

/// A linearizable read that could not be placed.
pub(crate) fn read(error: &ReadError) -> Status {
    let refusal = match error {
        ReadError::NoLeader => NO_LEADER,
        ReadError::LeaderChanged => LEADER_CHANGED,
        ReadError::Timeout => TIMEOUT,
        ReadError::Stopped => STOPPED,
    };
    refusal.into()
}

/// A read of the state that has no answer.
pub(crate) fn query(error: &QueryError) -> Status {
    match error {
        QueryError::Refused(refused) => apply(refused),
        QueryError::Store(trouble) => store(trouble),
    }
}

/// This member's own trouble with its disk: no text of etcd's fits, and the path must not leak to
/// clients, so it goes to the log.
pub(crate) fn store(error: &StoreError) -> Status {
    tracing::error!(%error, "the state cannot be read");
    Status::internal("etcdserver: the state of this member cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(status: &Status) -> (Code, &str) {
        (status.code(), status.message())
    }

    #[test]
    fn every_refusal_of_the_state_machine_has_its_own_text() {
        let cases = [
            (ApplyError::Compacted, Code::OutOfRange),
            (ApplyError::FutureRevision, Code::OutOfRange),
            (ApplyError::KeyNotFound, Code::InvalidArgument),
            (ApplyError::LeaseNotFound, Code::NotFound),
            (ApplyError::LeaseExists, Code::FailedPrecondition),
            (ApplyError::LeaseTtlTooLarge, Code::OutOfRange),
            (ApplyError::NoSpace, Code::ResourceExhausted),
            (ApplyError::Corrupt, Code::DataLoss),
            (ApplyError::RootUserNotExist, Code::FailedPrecondition),
            (ApplyError::RootRoleNotExist, Code::FailedPrecondition),
            (ApplyError::UserAlreadyExists, Code::FailedPrecondition),
            (ApplyError::UserEmpty, Code::InvalidArgument),
            (ApplyError::UserNotFound, Code::FailedPrecondition),
            (ApplyError::RoleAlreadyExists, Code::FailedPrecondition),
            (ApplyError::RoleNotFound, Code::FailedPrecondition),
            (ApplyError::RoleEmpty, Code::InvalidArgument),
            (ApplyError::RoleNotGranted, Code::FailedPrecondition),
            (ApplyError::PermissionNotGranted, Code::FailedPrecondition),
            (ApplyError::PermissionNotGiven, Code::InvalidArgument),
            (ApplyError::PermissionDenied, Code::PermissionDenied),
            (ApplyError::AuthFailed, Code::InvalidArgument),
            (ApplyError::AuthNotEnabled, Code::FailedPrecondition),
            (ApplyError::InvalidAuthManagement, Code::InvalidArgument),
            (ApplyError::AuthOldRevision, Code::InvalidArgument),
            (ApplyError::InvalidAuthToken, Code::Unauthenticated),
        ];
        for (error, code) in cases {
            let status = apply(&error);
            assert_eq!(
                pair(&status),
                (code, format!("etcdserver: {error}").as_str())
            );
            let refused = propose(&ProposeError::Refused(error));
            assert_eq!(pair(&refused), pair(&status));
        }
    }

    #[test]
    fn every_failed_proposal_has_the_text_that_clients_match_on() {
        let cases = [
            (ProposeError::NoLeader, Code::Unavailable),
            (ProposeError::Timeout, Code::Unavailable),
            (ProposeError::TimeoutLeaderFailure, Code::Unavailable),
            (ProposeError::TimeoutConnectionLost, Code::Unavailable),
            (ProposeError::TooLarge, Code::InvalidArgument),
            (ProposeError::TooManyRequests, Code::Unknown),
            (ProposeError::Stopped, Code::Unavailable),
            (ProposeError::MemberExists, Code::FailedPrecondition),
            (ProposeError::PeerUrlExists, Code::FailedPrecondition),
            (ProposeError::MemberNotFound, Code::NotFound),
            (ProposeError::MemberNotLearner, Code::FailedPrecondition),
            (ProposeError::LearnerNotReady, Code::FailedPrecondition),
            (ProposeError::TooManyLearners, Code::FailedPrecondition),
            (ProposeError::NotEnoughStartedMembers, Code::Unknown),
            (ProposeError::Unhealthy, Code::Unavailable),
            (ProposeError::NotLeader, Code::FailedPrecondition),
            (ProposeError::BadTransferee, Code::FailedPrecondition),
        ];
        for (error, code) in cases {
            let status = propose(&error);
            assert_eq!(
                pair(&status),
                (code, format!("etcdserver: {error}").as_str())
            );
        }
    }

    #[test]
    fn every_failed_read_has_the_text_that_clients_match_on() {
        for error in [
            ReadError::NoLeader,
            ReadError::LeaderChanged,
            ReadError::Timeout,
            ReadError::Stopped,
        ] {
            let status = read(&error);
            assert_eq!(
                pair(&status),
                (Code::Unavailable, format!("etcdserver: {error}").as_str())
            );
        }
    }

    #[test]
    fn no_two_refusals_share_a_text() {
        let mut texts: Vec<_> = ALL.iter().map(|(_, refusal)| refusal.1).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), ALL.len());
        for (name, refusal) in ALL {
            assert!(refusal.1.starts_with("etcdserver: "), "{name}");
        }
    }
}
