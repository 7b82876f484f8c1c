//! Every operation of authentication, with every error, run through the tables.

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use bytes::Bytes;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase};
use skerry_proto::authpb::permission::Type;
use skerry_proto::authpb::{Permission, UserAddOptions};
use skerry_proto::command::Authenticate;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;

use super::limits::AUTH_STATE_BYTES_MAX;
use super::{Auth, AuthChange};
use crate::{ApplyError, Reply};

/// One member's tables, and the log index of the next command.
struct Member {
    database: Database,
    auth: Auth,
    index: u64,
    heard: Arc<Mutex<Vec<AuthChange>>>,
}

impl Member {
    fn new() -> Member {
        let database = Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        let auth = Auth::load(Path::new("memory"), &database.begin_read().unwrap()).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        auth.handle()
            .listen(move |change| sink.lock().unwrap().push(change.clone()));
        Member {
            database,
            auth,
            index: 0,
            heard,
        }
    }

    fn apply(&mut self, operation: Operation) -> Result<Reply, ApplyError> {
        self.index += 1;
        let txn = self.database.begin_write().unwrap();
        let outcome = self
            .auth
            .apply(&txn, self.index, &operation, pb::ResponseHeader::default())
            .unwrap()
            .expect("an operation of authentication");
        txn.commit().unwrap();
        self.auth.publish();
        // What is written is what is held.
        let written =
            Auth::load(Path::new("memory"), &self.database.begin_read().unwrap()).unwrap();
        let (written, held) = (written.state(), self.auth.state());
        assert_eq!(written.enabled(), held.enabled());
        assert_eq!(written.revision(), held.revision());
        assert_eq!(written.users, held.users);
        assert_eq!(written.role_names(), held.role_names());
        for role in written.role_names() {
            assert_eq!(
                written.role_permissions(&role),
                held.role_permissions(&role)
            );
        }
        assert_eq!(written.bytes, held.bytes);
        outcome
    }

    fn revision(&self) -> u64 {
        self.auth.handle().state().revision()
    }

    fn heard(&self) -> Vec<AuthChange> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    /// Users `root` with the role, and `alice` with a password.
    fn enabled() -> Member {
        let mut member = Member::new();
        for operation in [
            user_add("root", "hash of root"),
            grant_role("root", "root"),
            user_add("alice", "hash of alice"),
            enable(),
        ] {
            member.apply(operation).unwrap();
        }
        member
    }
}

fn hashed(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn enable() -> Operation {
    Operation::AuthEnable(pb::AuthEnableRequest {})
}

fn disable() -> Operation {
    Operation::AuthDisable(pb::AuthDisableRequest {})
}

fn user_add(name: &str, password: &str) -> Operation {
    Operation::AuthUserAdd(pb::AuthUserAddRequest {
        name: name.to_owned(),
        hashed_password: hashed(password),
        ..Default::default()
    })
}

fn user_add_no_password(name: &str) -> Operation {
    Operation::AuthUserAdd(pb::AuthUserAddRequest {
        name: name.to_owned(),
        options: Some(UserAddOptions { no_password: true }),
        ..Default::default()
    })
}

fn user_delete(name: &str) -> Operation {
    Operation::AuthUserDelete(pb::AuthUserDeleteRequest {
        name: name.to_owned(),
    })
}

fn change_password(name: &str, hashed_password: String) -> Operation {
    Operation::AuthUserChangePassword(pb::AuthUserChangePasswordRequest {
        name: name.to_owned(),
        hashed_password,
        ..Default::default()
    })
}

fn grant_role(user: &str, role: &str) -> Operation {
    Operation::AuthUserGrantRole(pb::AuthUserGrantRoleRequest {
        user: user.to_owned(),
        role: role.to_owned(),
    })
}

fn revoke_role(name: &str, role: &str) -> Operation {
    Operation::AuthUserRevokeRole(pb::AuthUserRevokeRoleRequest {
        name: name.to_owned(),
        role: role.to_owned(),
    })
}

fn user_get(name: &str) -> Operation {
    Operation::AuthUserGet(pb::AuthUserGetRequest {
        name: name.to_owned(),
    })
}

fn role_add(name: &str) -> Operation {
    Operation::AuthRoleAdd(pb::AuthRoleAddRequest {
        name: name.to_owned(),
    })
}

fn role_get(role: &str) -> Operation {
    Operation::AuthRoleGet(pb::AuthRoleGetRequest {
        role: role.to_owned(),
    })
}

fn role_delete(role: &str) -> Operation {
    Operation::AuthRoleDelete(pb::AuthRoleDeleteRequest {
        role: role.to_owned(),
    })
}

fn permission(kind: Type, key: &str, range_end: &str) -> Permission {
    Permission {
        perm_type: kind as i32,
        key: Bytes::copy_from_slice(key.as_bytes()),
        range_end: Bytes::copy_from_slice(range_end.as_bytes()),
    }
}

fn grant(name: &str, perm: Permission) -> Operation {
    Operation::AuthRoleGrantPermission(pb::AuthRoleGrantPermissionRequest {
        name: name.to_owned(),
        perm: Some(perm),
    })
}

fn revoke(role: &str, key: &str, range_end: &str) -> Operation {
    Operation::AuthRoleRevokePermission(pb::AuthRoleRevokePermissionRequest {
        role: role.to_owned(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        range_end: Bytes::copy_from_slice(range_end.as_bytes()),
    })
}

fn authenticate(name: &str) -> Operation {
    Operation::Authenticate(Authenticate {
        name: name.to_owned(),
        token: "abcdefghijklmnop".to_owned(),
    })
}

/// What happens to the revision.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Revision {
    Moves,
    Stays,
}
use Revision::{Moves, Stays};

#[test]
fn every_operation_answers_as_etcd_does() {
    type Outcome = Result<Revision, ApplyError>;
    let mut member = Member::new();
    assert_eq!(member.revision(), 1, "etcd counts its first start");
    let script: Vec<(Operation, Outcome)> = vec![
        (enable(), Err(ApplyError::RootUserNotExist)),
        (disable(), Ok(Stays)),
        (authenticate("root"), Err(ApplyError::AuthNotEnabled)),
        (user_add("", "x"), Err(ApplyError::UserEmpty)),
        (user_add("root", "x"), Ok(Moves)),
        (user_add("root", "x"), Err(ApplyError::UserAlreadyExists)),
        (enable(), Err(ApplyError::RootRoleNotExist)),
        (grant_role("nobody", "root"), Err(ApplyError::UserNotFound)),
        (grant_role("root", "nothing"), Err(ApplyError::RoleNotFound)),
        (grant_role("root", "root"), Ok(Moves)),
        (grant_role("root", "root"), Ok(Stays)),
        (enable(), Ok(Stays)),
        (enable(), Ok(Stays)),
        (user_delete("root"), Err(ApplyError::InvalidAuthManagement)),
        (
            revoke_role("root", "root"),
            Err(ApplyError::InvalidAuthManagement),
        ),
        (role_delete("root"), Err(ApplyError::InvalidAuthManagement)),
        (user_add_no_password("cert"), Ok(Moves)),
        (authenticate("cert"), Err(ApplyError::AuthFailed)),
        (authenticate("nobody"), Err(ApplyError::AuthFailed)),
        (authenticate("root"), Ok(Stays)),
        (user_delete("nobody"), Err(ApplyError::UserNotFound)),
        (
            change_password("nobody", hashed("y")),
            Err(ApplyError::UserNotFound),
        ),
        (change_password("root", hashed("y")), Ok(Moves)),
        (
            change_password("root", "no base64!".into()),
            Err(ApplyError::NoPasswordUser),
        ),
        (change_password("cert", "no base64!".into()), Ok(Moves)),
        (user_get("nobody"), Err(ApplyError::UserNotFound)),
        (user_get("cert"), Ok(Stays)),
        (revoke_role("nobody", "root"), Err(ApplyError::UserNotFound)),
        (revoke_role("cert", "root"), Err(ApplyError::RoleNotGranted)),
        (role_add(""), Err(ApplyError::RoleEmpty)),
        (role_add("r"), Ok(Moves)),
        (role_add("r"), Err(ApplyError::RoleAlreadyExists)),
        (role_get("nothing"), Err(ApplyError::RoleNotFound)),
        (role_get("r"), Ok(Stays)),
        (
            Operation::AuthRoleGrantPermission(pb::AuthRoleGrantPermissionRequest {
                name: "r".into(),
                perm: None,
            }),
            Err(ApplyError::PermissionNotGiven),
        ),
        (
            grant("r", permission(Type::Read, "", "")),
            Err(ApplyError::InvalidAuthManagement),
        ),
        (
            grant("r", permission(Type::Read, "b", "a")),
            Err(ApplyError::InvalidAuthManagement),
        ),
        (
            grant("nothing", permission(Type::Read, "a", "")),
            Err(ApplyError::RoleNotFound),
        ),
        (grant("r", permission(Type::Read, "a", "")), Ok(Moves)),
        (grant("r", permission(Type::Readwrite, "a", "")), Ok(Moves)),
        (grant("r", permission(Type::Write, "m", "\0")), Ok(Moves)),
        (revoke("nothing", "a", ""), Err(ApplyError::RoleNotFound)),
        (revoke("r", "a", "b"), Err(ApplyError::PermissionNotGranted)),
        (revoke("r", "a", ""), Ok(Moves)),
        (grant_role("cert", "r"), Ok(Moves)),
        (revoke_role("cert", "r"), Ok(Moves)),
        (grant_role("cert", "r"), Ok(Moves)),
        (role_delete("nothing"), Err(ApplyError::RoleNotFound)),
        (role_delete("r"), Ok(Moves)),
        (revoke_role("cert", "r"), Err(ApplyError::RoleNotGranted)),
        (user_delete("cert"), Ok(Moves)),
        (disable(), Ok(Moves)),
        (disable(), Ok(Stays)),
        (revoke_role("root", "root"), Ok(Moves)),
        (user_delete("root"), Ok(Moves)),
    ];
    for (step, (operation, expected)) in script.into_iter().enumerate() {
        let before = member.revision();
        let outcome = member.apply(operation.clone()).map(|_| ());
        let moved = if member.revision() == before {
            Stays
        } else {
            Moves
        };
        match expected {
            Ok(revision) => {
                assert_eq!(outcome, Ok(()), "step {step}: {operation:?}");
                assert_eq!(moved, revision, "step {step}: {operation:?}");
            }
            Err(error) => {
                assert_eq!(outcome, Err(error), "step {step}: {operation:?}");
                assert_eq!(moved, Stays, "step {step}: {operation:?}");
            }
        }
    }
}

#[test]
fn lists_are_ordered_and_roles_of_a_user_too() {
    let mut member = Member::enabled();
    for role in ["z", "b", "root"] {
        member.apply(role_add(role)).unwrap();
        member.apply(grant_role("alice", role)).unwrap();
    }
    let roles: Vec<String> = ["b", "root", "z"].map(String::from).into();
    let header = Some(pb::ResponseHeader::default());
    assert_eq!(
        member.apply(user_get("alice")),
        Ok(Reply::AuthUserGet(pb::AuthUserGetResponse {
            header,
            roles: roles.clone()
        }))
    );
    assert_eq!(
        member.apply(Operation::AuthRoleList(pb::AuthRoleListRequest {})),
        Ok(Reply::AuthRoleList(pb::AuthRoleListResponse {
            header,
            roles
        }))
    );
    assert_eq!(
        member.apply(Operation::AuthUserList(pb::AuthUserListRequest {})),
        Ok(Reply::AuthUserList(pb::AuthUserListResponse {
            header,
            users: ["alice", "root"].map(String::from).into(),
        }))
    );
}

#[test]
fn permissions_are_ordered_by_key_and_replaced_in_place() {
    let mut member = Member::new();
    member.apply(role_add("r")).unwrap();
    for given in [
        permission(Type::Read, "b", ""),
        permission(Type::Read, "a", "b"),
        permission(Type::Read, "a", "c"),
        permission(Type::Write, "a", "b"),
        // Behind the first of its key: etcd adds it again.
        permission(Type::Write, "a", "c"),
    ] {
        member.apply(grant("r", given)).unwrap();
    }
    let expected = vec![
        permission(Type::Write, "a", "b"),
        permission(Type::Read, "a", "c"),
        permission(Type::Write, "a", "c"),
        permission(Type::Read, "b", ""),
    ];
    assert_eq!(member.auth.state().role_permissions("r"), Ok(expected));
    // Taking a range back takes all that were given on it.
    member.apply(revoke("r", "a", "c")).unwrap();
    let left = vec![
        permission(Type::Write, "a", "b"),
        permission(Type::Read, "b", ""),
    ];
    assert_eq!(member.auth.state().role_permissions("r"), Ok(left));
}

#[test]
fn deleting_a_role_takes_it_from_all_users() {
    let mut member = Member::enabled();
    member.apply(role_add("r")).unwrap();
    member.apply(grant_role("alice", "r")).unwrap();
    member.apply(grant_role("root", "r")).unwrap();
    member.apply(role_delete("r")).unwrap();
    let state = member.auth.handle().state();
    assert_eq!(state.user_roles("alice"), Ok(vec![]));
    assert_eq!(state.user_roles("root"), Ok(vec!["root".to_owned()]));
}

#[test]
fn listeners_hear_of_tokens_and_of_what_ends_them() {
    let mut member = Member::enabled();
    member.heard();
    let reply = member.apply(authenticate("alice")).unwrap();
    let token = format!("abcdefghijklmnop.{}", member.index);
    let Reply::Authenticate(response) = reply else {
        panic!("not a token: {reply:?}");
    };
    assert_eq!(response.token, token);
    member
        .apply(change_password("alice", hashed("new")))
        .unwrap();
    member.apply(grant_role("alice", "root")).unwrap();
    member.apply(user_delete("alice")).unwrap();
    member.apply(disable()).unwrap();
    assert_eq!(
        member.heard(),
        [
            AuthChange::Token {
                user: "alice".into(),
                token
            },
            AuthChange::UserChanged("alice".into()),
            AuthChange::UserChanged("alice".into()),
            AuthChange::Disabled,
        ]
    );
}

#[test]
fn readers_see_a_batch_only_once_it_is_committed() {
    let mut member = Member::new();
    let handle = member.auth.handle();
    let txn = member.database.begin_write().unwrap();
    member
        .auth
        .apply(&txn, 1, &role_add("r"), pb::ResponseHeader::default())
        .unwrap();
    assert_eq!(handle.state().role_names(), Vec::<String>::new());
    assert_eq!(member.auth.state().role_names(), ["r"]);
    txn.commit().unwrap();
    member.auth.publish();
    assert_eq!(handle.state().role_names(), ["r"]);
}

#[test]
fn a_replaced_database_shows_through_handles_that_were_given_out() {
    let mut member = Member::enabled();
    let handle = member.auth.handle();
    member.heard();
    let other = Member::new();
    member
        .auth
        .reload(&other.database.begin_read().unwrap())
        .unwrap();
    assert!(!handle.state().enabled());
    assert_eq!(member.heard(), [AuthChange::Disabled]);
}

#[test]
fn users_and_roles_cannot_outgrow_their_limit() {
    let mut member = Member::new();
    let big = "k".repeat(1 << 20);
    member.apply(role_add("r")).unwrap();
    let mut granted = 0;
    let refused = loop {
        let key = format!("{granted}{big}");
        match member.apply(grant("r", permission(Type::Read, &key, ""))) {
            Ok(_) => granted += 1,
            Err(error) => break error,
        }
        assert!(granted < 10, "the limit was not reached");
    };
    assert_eq!(
        (granted, refused),
        (AUTH_STATE_BYTES_MAX / big.len() - 1, ApplyError::NoSpace)
    );
    // What shrinks is always possible, and makes room.
    member.apply(revoke("r", &format!("0{big}"), "")).unwrap();
    member
        .apply(grant("r", permission(Type::Read, &big, "")))
        .unwrap();
}
