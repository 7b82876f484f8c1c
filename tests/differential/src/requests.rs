//! Which method of which service carries which request.

use crate::normal::{order_equals, order_equals_in_txn};
use crate::resolve::Known;
use crate::script::Request;
use crate::side::Outcome;
use skerry_tests_harness::Client;

/// Sends a unary request; streams are not answered here.
pub(crate) async fn send(mut client: Client, request: Request, known: &mut Known) -> Outcome {
    macro_rules! unary {
        ($($variant:ident => $service:ident.$method:ident,)*) => {
            match request {
                $(Request::$variant(request) => {
                    Outcome::of(client.$service.$method(request).await, known)
                })*
                Request::Range(request) => {
                    let mut result = client.kv.range(request.clone()).await;
                    if let Ok(response) = &mut result {
                        order_equals(&request, response.get_mut());
                    }
                    Outcome::of(result, known)
                }
                Request::Txn(request) => {
                    let mut result = client.kv.txn(request.clone()).await;
                    if let Ok(response) = &mut result {
                        order_equals_in_txn(&request, response.get_mut());
                    }
                    Outcome::of(result, known)
                }
                Request::Watch(_)
                | Request::LeaseExpiry { .. }
                | Request::LeaseKeepAlive(_)
                | Request::Restart => unreachable!("no unary request, done elsewhere"),
            }
        };
    }
    unary! {
        Put => kv.put,
        DeleteRange => kv.delete_range,
        Compact => kv.compact,
        LeaseGrant => lease.lease_grant,
        LeaseRevoke => lease.lease_revoke,
        LeaseTimeToLive => lease.lease_time_to_live,
        LeaseLeases => lease.lease_leases,
        AuthEnable => auth.auth_enable,
        AuthDisable => auth.auth_disable,
        AuthStatus => auth.auth_status,
        Authenticate => auth.authenticate,
        UserAdd => auth.user_add,
        UserGet => auth.user_get,
        UserList => auth.user_list,
        UserDelete => auth.user_delete,
        UserChangePassword => auth.user_change_password,
        UserGrantRole => auth.user_grant_role,
        UserRevokeRole => auth.user_revoke_role,
        RoleAdd => auth.role_add,
        RoleGet => auth.role_get,
        RoleList => auth.role_list,
        RoleDelete => auth.role_delete,
        RoleGrantPermission => auth.role_grant_permission,
        RoleRevokePermission => auth.role_revoke_permission,
        Alarm => maintenance.alarm,
        Status => maintenance.status,
        HashKv => maintenance.hash_kv,
        Defragment => maintenance.defragment,
        MoveLeader => maintenance.move_leader,
        Downgrade => maintenance.downgrade,
        MemberList => cluster.member_list,
        MemberAdd => cluster.member_add,
        MemberRemove => cluster.member_remove,
        MemberUpdate => cluster.member_update,
        MemberPromote => cluster.member_promote,
        Lock => lock.lock,
        Unlock => lock.unlock,
        Campaign => election.campaign,
        Proclaim => election.proclaim,
        Leader => election.leader,
        Resign => election.resign,
    }
}
