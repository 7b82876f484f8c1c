//! What goes into the state machine and what comes out of it.
//!
//! Knows nothing about Raft beyond the position of an entry: the membership travels as opaque
//! bytes, stored in the same transaction as the data it is valid for.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use skerry_proto::etcdserverpb as pb;

use crate::ApplyError;

/// The position of an entry in the replicated log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogId {
    /// Term of the leader that proposed the entry.
    pub term: u64,
    /// Raft id of that leader.
    pub node_id: u64,
    /// Index in the log; the first entry has index 0.
    pub index: u64,
}

/// One committed entry of the replicated log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it stands in the log.
    pub log_id: LogId,
    /// What it asks for.
    pub payload: Payload,
}

/// The content of an entry.
#[derive(Debug, Clone)]
pub enum Payload {
    /// A leader's first entry: moves the applied position and nothing else.
    Blank,
    /// An encoded [`skerry_proto::command::Command`].
    Command(Bytes),
    /// The membership in force from here on, encoded by the consensus crate.
    Membership(Bytes),
}

/// What applying one command gave, for the client that waits for it.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Position of the entry.
    pub log_id: LogId,
    /// Raft id of the member whose client waits; 0 where nobody does.
    pub origin: u64,
    /// That member's number for the wait.
    pub request: u64,
    /// The answer. Headers carry `revision` and `raft_term`; the ids of cluster and member are
    /// filled in by the API, which knows them.
    pub outcome: Result<Reply, ApplyError>,
}

/// The answer to one command: etcd's own response messages.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Reply {
    Put(pb::PutResponse),
    DeleteRange(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse),
    Compaction(pb::CompactionResponse),
    LeaseGrant(pb::LeaseGrantResponse),
    LeaseRevoke(pb::LeaseRevokeResponse),
    LeaseCheckpoint,
    Alarm(pb::AlarmResponse),
    /// The id that was handed out.
    MemberId(u64),
    MemberAttributes,
    AuthEnable(pb::AuthEnableResponse),
    AuthDisable(pb::AuthDisableResponse),
    Authenticate(pb::AuthenticateResponse),
    AuthUserAdd(pb::AuthUserAddResponse),
    AuthUserGet(pb::AuthUserGetResponse),
    AuthUserList(pb::AuthUserListResponse),
    AuthUserDelete(pb::AuthUserDeleteResponse),
    AuthUserChangePassword(pb::AuthUserChangePasswordResponse),
    AuthUserGrantRole(pb::AuthUserGrantRoleResponse),
    AuthUserRevokeRole(pb::AuthUserRevokeRoleResponse),
    AuthRoleAdd(pb::AuthRoleAddResponse),
    AuthRoleGet(pb::AuthRoleGetResponse),
    AuthRoleList(pb::AuthRoleListResponse),
    AuthRoleDelete(pb::AuthRoleDeleteResponse),
    AuthRoleGrantPermission(pb::AuthRoleGrantPermissionResponse),
    AuthRoleRevokePermission(pb::AuthRoleRevokePermissionResponse),
}

impl Payload {
    /// Bytes that the entry carries.
    pub fn bytes(&self) -> usize {
        match self {
            Payload::Blank => 0,
            Payload::Command(bytes) | Payload::Membership(bytes) => bytes.len(),
        }
    }
}

impl Reply {
    /// The header of the answer, where its message has one.
    pub fn header_mut(&mut self) -> Option<&mut pb::ResponseHeader> {
        let header = match self {
            Reply::Put(reply) => &mut reply.header,
            Reply::DeleteRange(reply) => &mut reply.header,
            Reply::Txn(reply) => &mut reply.header,
            Reply::Compaction(reply) => &mut reply.header,
            Reply::LeaseGrant(reply) => &mut reply.header,
            Reply::LeaseRevoke(reply) => &mut reply.header,
            Reply::Alarm(reply) => &mut reply.header,
            Reply::AuthEnable(reply) => &mut reply.header,
            Reply::AuthDisable(reply) => &mut reply.header,
            Reply::Authenticate(reply) => &mut reply.header,
            Reply::AuthUserAdd(reply) => &mut reply.header,
            Reply::AuthUserGet(reply) => &mut reply.header,
            Reply::AuthUserList(reply) => &mut reply.header,
            Reply::AuthUserDelete(reply) => &mut reply.header,
            Reply::AuthUserChangePassword(reply) => &mut reply.header,
            Reply::AuthUserGrantRole(reply) => &mut reply.header,
            Reply::AuthUserRevokeRole(reply) => &mut reply.header,
            Reply::AuthRoleAdd(reply) => &mut reply.header,
            Reply::AuthRoleGet(reply) => &mut reply.header,
            Reply::AuthRoleList(reply) => &mut reply.header,
            Reply::AuthRoleDelete(reply) => &mut reply.header,
            Reply::AuthRoleGrantPermission(reply) => &mut reply.header,
            Reply::AuthRoleRevokePermission(reply) => &mut reply.header,
            Reply::LeaseCheckpoint | Reply::MemberId(_) | Reply::MemberAttributes => return None,
        };
        Some(header.get_or_insert_default())
    }
}
