//! Why a command was refused, and why the store could not go on.
//!
//! An [`ApplyError`] is part of the replicated outcome: every member refuses the same command for
//! the same reason. A [`StoreError`] is this member's own trouble with its disk.

use std::path::PathBuf;

/// A command or a read that the state refuses. The text is etcd's (`rpctypes`), without the
/// `etcdserver: ` prefix, which the API adds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ApplyError {
    #[error("mvcc: required revision has been compacted")]
    Compacted,
    #[error("mvcc: required revision is a future revision")]
    FutureRevision,
    #[error("key not found")]
    KeyNotFound,
    #[error("requested lease not found")]
    LeaseNotFound,
    #[error("lease already exists")]
    LeaseExists,
    #[error("too large lease TTL")]
    LeaseTtlTooLarge,
    #[error("mvcc: database space exceeded")]
    NoSpace,
    #[error("corrupt cluster")]
    Corrupt,
    #[error("root user does not exist")]
    RootUserNotExist,
    #[error("root user does not have root role")]
    RootRoleNotExist,
    #[error("user name already exists")]
    UserAlreadyExists,
    #[error("user name is empty")]
    UserEmpty,
    #[error("user name not found")]
    UserNotFound,
    #[error("role name already exists")]
    RoleAlreadyExists,
    #[error("role name not found")]
    RoleNotFound,
    #[error("role name is empty")]
    RoleEmpty,
    #[error("role is not granted to the user")]
    RoleNotGranted,
    #[error("permission is not granted to the role")]
    PermissionNotGranted,
    #[error("permission not given")]
    PermissionNotGiven,
    #[error("permission denied")]
    PermissionDenied,
    #[error("authentication failed, invalid user ID or password")]
    AuthFailed,
    /// The one refusal of authentication that etcd hands out under its inner text, as code
    /// `Unknown` and without a prefix.
    #[error("auth: authentication failed, password was given for no password user")]
    NoPasswordUser,
    #[error("authentication is not enabled")]
    AuthNotEnabled,
    #[error("invalid auth management")]
    InvalidAuthManagement,
    #[error("revision of auth store is old")]
    AuthOldRevision,
    #[error("invalid auth token")]
    InvalidAuthToken,
    /// An entry of a newer version, or not a command at all: the same on every member.
    #[error("unknown command in the replicated log: {0}")]
    UnknownCommand(String),
}

/// This member's store cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StoreError {
    #[error("{path}: cannot open the state: {source}", path = path.display())]
    Open {
        path: PathBuf,
        source: redb::DatabaseError,
    },
    #[error(
        "{path}: the state is corrupt: {what}; move the data directory aside and rejoin as a new member",
        path = path.display()
    )]
    Corrupt { path: PathBuf, what: String },
    #[error("{path}: {source}", path = path.display())]
    Redb {
        path: PathBuf,
        source: Box<redb::Error>,
    },
    #[error("{path}: {source}", path = path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("snapshot stream: {what}")]
    Snapshot { what: String },
    #[error("entry {found} of the log was to be applied, but {expected} comes next")]
    Gap { expected: u64, found: u64 },
    #[error("{path}: an earlier error stopped the state", path = path.display())]
    Stopped { path: PathBuf },
}

/// Why a read that a client asked for has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The state refuses it; the client is told.
    #[error(transparent)]
    Refused(#[from] ApplyError),
    /// This member's own trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}
