//! The permission matrix: what each kind of caller may do.

use bytes::Bytes;
use skerry_proto::authpb::Permission;
use skerry_proto::authpb::permission::Type;
use skerry_proto::command::command::Operation;
use skerry_proto::command::{Command, LeaseRevoke};
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::request_op::Request;

use super::state::{AuthState, Role, User};
use super::{Identity, ROOT};
use crate::ApplyError;

const REVISION: u64 = 7;

fn permission(kind: Type, key: &'static str, range_end: &'static str) -> Permission {
    Permission {
        perm_type: kind as i32,
        key: Bytes::from_static(key.as_bytes()),
        range_end: Bytes::from_static(range_end.as_bytes()),
    }
}

fn user(roles: &[&str]) -> User {
    User {
        password: Bytes::new(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        no_password: true,
    }
}

/// `root`; `reader` of [a, c); `writer` of [a, c); `both` on key `b`; `tail` from `m` on; `none`.
fn state() -> AuthState {
    let mut state = AuthState {
        enabled: true,
        revision: REVISION,
        ..AuthState::default()
    };
    for (role, given) in [
        ("reads", permission(Type::Read, "a", "c")),
        ("writes", permission(Type::Write, "a", "c")),
        ("readwrites", permission(Type::Readwrite, "b", "")),
        ("tails", permission(Type::Readwrite, "m", "\0")),
    ] {
        state.put_role(role, Role::new(vec![given]));
    }
    for (name, roles) in [
        (ROOT, &[ROOT][..]),
        ("reader", &["reads"]),
        ("writer", &["writes"]),
        ("both", &["readwrites"]),
        ("tail", &["tails", "of a role that is gone"]),
        ("none", &[]),
    ] {
        state.put_user(name, user(roles));
    }
    state
}

fn who(user: &str) -> Identity<'_> {
    Identity {
        user,
        revision: REVISION,
    }
}

fn verdict(outcome: Result<(), ApplyError>) -> char {
    match outcome {
        Ok(()) => 'y',
        Err(ApplyError::PermissionDenied) => '-',
        Err(other) => panic!("neither permitted nor denied: {other}"),
    }
}

#[test]
fn the_matrix_of_users_and_ranges() {
    let state = state();
    let ranges: [(&[u8], &[u8]); 8] = [
        (b"b", b""),
        (b"b\0", b""),
        (b"c", b""),
        (b"a", b"c"),
        (b"a", b"d"),
        (b"\0", b"\0"),
        (b"m", b"\0"),
        (b"n", b"z"),
    ];
    // Reads of each range, then writes (deletions) of each.
    for (name, reads, writes) in [
        (ROOT, "yyyyyyyy", "yyyyyyyy"),
        ("reader", "yy-y----", "--------"),
        ("writer", "--------", "yy-y----"),
        ("both", "y-------", "y-------"),
        ("tail", "------yy", "------yy"),
        ("none", "--------", "--------"),
        ("unknown", "--------", "--------"),
    ] {
        let read: String = ranges
            .iter()
            .map(|(key, end)| verdict(state.permit_range(who(name), key, end)))
            .collect();
        let deleted: String = ranges
            .iter()
            .map(|(key, end)| verdict(state.permit_delete_range(who(name), key, end)))
            .collect();
        assert_eq!((read.as_str(), deleted.as_str()), (reads, writes), "{name}");
    }
}

#[test]
fn nobody_may_do_nothing_and_an_old_token_is_told_so() {
    let state = state();
    let nobody = Identity::default();
    assert_eq!(state.permit_put(nobody, b"b"), Err(ApplyError::UserEmpty));
    assert_eq!(state.permit_admin(nobody), Err(ApplyError::UserEmpty));
    let old = Identity {
        user: ROOT,
        revision: REVISION - 1,
    };
    assert_eq!(
        state.permit_put(old, b"b"),
        Err(ApplyError::AuthOldRevision)
    );
    // Administration is not bound to a revision.
    assert_eq!(state.permit_admin(old), Ok(()));
    assert_eq!(
        state.permit_admin(who("unknown")),
        Err(ApplyError::UserNotFound)
    );
    assert_eq!(
        state.permit_admin(who("both")),
        Err(ApplyError::PermissionDenied)
    );
}

#[test]
fn with_authentication_off_everybody_may_do_everything() {
    let state = AuthState {
        enabled: false,
        ..state()
    };
    let nobody = Identity::default();
    assert_eq!(state.permit_put(nobody, b"b"), Ok(()));
    assert_eq!(state.permit_range(nobody, b"\0", b"\0"), Ok(()));
    assert_eq!(state.permit_admin(nobody), Ok(()));
    assert_eq!(state.permit_user_get(nobody, "root"), Ok(()));
}

#[test]
fn users_see_themselves_and_their_roles() {
    let state = state();
    assert_eq!(state.permit_user_get(who("reader"), "reader"), Ok(()));
    assert_eq!(
        state.permit_user_get(who("reader"), "writer"),
        Err(ApplyError::PermissionDenied)
    );
    assert_eq!(state.permit_role_get(who("reader"), "reads"), Ok(()));
    assert_eq!(
        state.permit_role_get(who("reader"), "writes"),
        Err(ApplyError::PermissionDenied)
    );
    assert_eq!(
        state.permit_role_get(Identity::default(), "reads"),
        Err(ApplyError::UserEmpty)
    );
}

fn command(user: &str, operation: Operation) -> Command {
    Command {
        user: user.to_owned(),
        auth_revision: REVISION,
        operation: Some(operation),
        ..Command::default()
    }
}

/// Lease 1 holds `b`, lease 2 holds `b` and `z`; no other lease holds anything.
fn keys_of(lease: i64) -> Result<Vec<Bytes>, ApplyError> {
    Ok(match lease {
        1 => vec![Bytes::from_static(b"b")],
        2 => vec![Bytes::from_static(b"b"), Bytes::from_static(b"z")],
        _ => Vec::new(),
    })
}

fn may(user: &str, operation: Operation) -> Result<(), ApplyError> {
    state().permit_command(&command(user, operation), &mut keys_of)
}

fn put(key: &'static str) -> pb::PutRequest {
    pb::PutRequest {
        key: Bytes::from_static(key.as_bytes()),
        ..Default::default()
    }
}

const DENIED: Result<(), ApplyError> = Err(ApplyError::PermissionDenied);

#[test]
fn a_put_that_asks_for_the_old_value_needs_reading_too() {
    let asking = pb::PutRequest {
        prev_kv: true,
        ..put("b")
    };
    assert_eq!(may("writer", Operation::Put(put("b"))), Ok(()));
    assert_eq!(may("writer", Operation::Put(asking.clone())), DENIED);
    assert_eq!(may("both", Operation::Put(asking)), Ok(()));
}

#[test]
fn a_put_on_a_lease_needs_the_right_to_write_all_its_keys() {
    for (lease, outcome) in [(0, Ok(())), (1, Ok(())), (2, DENIED), (3, Ok(()))] {
        let leased = pb::PutRequest { lease, ..put("b") };
        assert_eq!(
            may("writer", Operation::Put(leased.clone())),
            outcome,
            "{lease}"
        );
        assert_eq!(may(ROOT, Operation::Put(leased)), Ok(()));
    }
}

#[test]
fn a_lease_is_revoked_by_who_may_write_its_keys_or_by_time() {
    let revoke = |id, expired| Operation::LeaseRevoke(LeaseRevoke { id, expired });
    assert_eq!(may("writer", revoke(1, false)), Ok(()));
    assert_eq!(may("writer", revoke(2, false)), DENIED);
    assert_eq!(may(ROOT, revoke(2, false)), Ok(()));
    let by_the_clock = Command {
        operation: Some(revoke(2, true)),
        ..Command::default()
    };
    assert_eq!(state().permit_command(&by_the_clock, &mut keys_of), Ok(()));
}

#[test]
fn a_deletion_that_asks_for_the_old_values_needs_reading_too() {
    let delete = |prev_kv| {
        Operation::DeleteRange(pb::DeleteRangeRequest {
            key: Bytes::from_static(b"a"),
            range_end: Bytes::from_static(b"c"),
            prev_kv,
        })
    };
    assert_eq!(may("writer", delete(false)), Ok(()));
    assert_eq!(may("writer", delete(true)), DENIED);
    assert_eq!(may("reader", delete(true)), DENIED);
}

#[test]
fn a_transaction_needs_every_comparison_and_both_branches() {
    let compare = |key: &'static str| pb::Compare {
        key: Bytes::from_static(key.as_bytes()),
        ..Default::default()
    };
    let op = |request| pb::RequestOp {
        request: Some(request),
    };
    let read = |key: &'static str| {
        op(Request::RequestRange(pb::RangeRequest {
            key: Bytes::from_static(key.as_bytes()),
            ..Default::default()
        }))
    };
    let write = |key| op(Request::RequestPut(put(key)));
    let delete = |key: &'static str, prev_kv| {
        op(Request::RequestDeleteRange(pb::DeleteRangeRequest {
            key: Bytes::from_static(key.as_bytes()),
            range_end: Bytes::new(),
            prev_kv,
        }))
    };
    let nested = |txn| op(Request::RequestTxn(txn));
    let txn = |compare: Vec<_>, success: Vec<_>, failure: Vec<_>| pb::TxnRequest {
        compare,
        success,
        failure,
    };
    let may_txn = |user, txn| may(user, Operation::Txn(txn));

    assert_eq!(may_txn("none", txn(vec![], vec![], vec![])), Ok(()));
    assert_eq!(
        may_txn("reader", txn(vec![compare("b")], vec![read("b")], vec![])),
        Ok(())
    );
    assert_eq!(
        may_txn("reader", txn(vec![compare("z")], vec![], vec![])),
        DENIED
    );
    assert_eq!(
        may_txn("reader", txn(vec![], vec![read("b")], vec![read("z")])),
        DENIED
    );
    assert_eq!(
        may_txn("both", txn(vec![compare("b")], vec![write("b")], vec![])),
        Ok(())
    );
    assert_eq!(
        may_txn("both", txn(vec![], vec![], vec![write("z")])),
        DENIED
    );
    assert_eq!(
        may_txn("writer", txn(vec![], vec![delete("b", false)], vec![])),
        Ok(())
    );
    assert_eq!(
        may_txn("writer", txn(vec![], vec![delete("b", true)], vec![])),
        DENIED
    );
    let inner = txn(vec![], vec![], vec![write("z")]);
    assert_eq!(
        may_txn("both", txn(vec![], vec![nested(inner)], vec![])),
        DENIED
    );
}

#[test]
fn administration_is_for_roots_role_and_the_cluster_itself_needs_no_caller() {
    let administration = [
        Operation::AuthEnable(pb::AuthEnableRequest {}),
        Operation::AuthDisable(pb::AuthDisableRequest {}),
        Operation::AuthUserAdd(pb::AuthUserAddRequest::default()),
        Operation::AuthUserDelete(pb::AuthUserDeleteRequest::default()),
        Operation::AuthUserChangePassword(pb::AuthUserChangePasswordRequest::default()),
        Operation::AuthUserGrantRole(pb::AuthUserGrantRoleRequest::default()),
        Operation::AuthUserRevokeRole(pb::AuthUserRevokeRoleRequest::default()),
        Operation::AuthUserList(pb::AuthUserListRequest {}),
        Operation::AuthRoleAdd(pb::AuthRoleAddRequest::default()),
        Operation::AuthRoleDelete(pb::AuthRoleDeleteRequest::default()),
        Operation::AuthRoleGrantPermission(pb::AuthRoleGrantPermissionRequest::default()),
        Operation::AuthRoleRevokePermission(pb::AuthRoleRevokePermissionRequest::default()),
        Operation::AuthRoleList(pb::AuthRoleListRequest {}),
    ];
    for operation in administration {
        assert_eq!(may("reader", operation.clone()), DENIED, "{operation:?}");
        assert_eq!(
            may("", operation.clone()),
            Err(ApplyError::UserEmpty),
            "{operation:?}"
        );
        assert_eq!(may(ROOT, operation.clone()), Ok(()), "{operation:?}");
    }
    let own = [
        Operation::LeaseCheckpoint(Default::default()),
        Operation::MemberIdAllocate(Default::default()),
        Operation::MemberAttributes(Default::default()),
        Operation::Authenticate(Default::default()),
    ];
    for operation in own {
        let command = Command {
            operation: Some(operation),
            ..Command::default()
        };
        assert_eq!(state().permit_command(&command, &mut keys_of), Ok(()));
    }
}
