//! What a script consists of: steps, each one request (or one conversation on a stream) as one
//! user. Knows nothing about servers.

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::proto::v3electionpb::{
    CampaignRequest, LeaderRequest, ProclaimRequest, ResignRequest,
};
use skerry_tests_harness::proto::v3lockpb::{LockRequest, UnlockRequest};

/// Revisions at or above this mean "the last one seen, plus the rest": see [`from_last`].
pub const FROM_LAST: i64 = 1 << 52;
/// Leases at or above this mean "the n-th lease to which the server gave an id".
pub const NTH_LEASE: i64 = 1 << 53;

/// The revision `offset` after (or, below zero, before) the last one seen when the step runs.
pub const fn from_last(offset: i64) -> i64 {
    FROM_LAST + offset
}

/// One request, as one user.
#[derive(Debug, Clone)]
pub struct Step {
    /// Whose token is sent: that of the last `Authenticate` of this name. None: no token.
    pub user: Option<String>,
    /// What is sent.
    pub request: Request,
}

/// A watch stream, from its creation to its end.
#[derive(Debug, Clone, Default)]
pub struct Watching {
    /// Sent one after the other on one stream.
    pub creates: Vec<pb::WatchCreateRequest>,
    /// Watch ids that are cancelled before anything is written.
    pub cancel: Vec<i64>,
    /// Done by the same user once every creation was answered.
    pub writes: Vec<Request>,
}

/// Everything that can be asked.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Request {
    Range(pb::RangeRequest),
    Put(pb::PutRequest),
    DeleteRange(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Compact(pb::CompactionRequest),
    Watch(Watching),
    LeaseGrant(pb::LeaseGrantRequest),
    LeaseRevoke(pb::LeaseRevokeRequest),
    LeaseTimeToLive(pb::LeaseTimeToLiveRequest),
    LeaseLeases(pb::LeaseLeasesRequest),
    /// Several keep-alives on one stream.
    LeaseKeepAlive(Vec<i64>),
    /// Grants the shortest lease, attaches the keys, and watches them go.
    LeaseExpiry {
        id: i64,
        keys: Vec<String>,
    },
    AuthEnable(pb::AuthEnableRequest),
    AuthDisable(pb::AuthDisableRequest),
    AuthStatus(pb::AuthStatusRequest),
    Authenticate(pb::AuthenticateRequest),
    UserAdd(pb::AuthUserAddRequest),
    UserGet(pb::AuthUserGetRequest),
    UserList(pb::AuthUserListRequest),
    UserDelete(pb::AuthUserDeleteRequest),
    UserChangePassword(pb::AuthUserChangePasswordRequest),
    UserGrantRole(pb::AuthUserGrantRoleRequest),
    UserRevokeRole(pb::AuthUserRevokeRoleRequest),
    RoleAdd(pb::AuthRoleAddRequest),
    RoleGet(pb::AuthRoleGetRequest),
    RoleList(pb::AuthRoleListRequest),
    RoleDelete(pb::AuthRoleDeleteRequest),
    RoleGrantPermission(pb::AuthRoleGrantPermissionRequest),
    RoleRevokePermission(pb::AuthRoleRevokePermissionRequest),
    Alarm(pb::AlarmRequest),
    Status(pb::StatusRequest),
    HashKv(pb::HashKvRequest),
    Defragment(pb::DefragmentRequest),
    MoveLeader(pb::MoveLeaderRequest),
    Downgrade(pb::DowngradeRequest),
    MemberList(pb::MemberListRequest),
    MemberAdd(pb::MemberAddRequest),
    MemberRemove(pb::MemberRemoveRequest),
    MemberUpdate(pb::MemberUpdateRequest),
    MemberPromote(pb::MemberPromoteRequest),
    Lock(LockRequest),
    Unlock(UnlockRequest),
    Campaign(CampaignRequest),
    Proclaim(ProclaimRequest),
    Leader(LeaderRequest),
    Resign(ResignRequest),
    /// The member that would be asked is killed and started again.
    Restart,
}
