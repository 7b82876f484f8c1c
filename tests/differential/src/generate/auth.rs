//! Users, roles, permissions, and requests of several users under them.

use super::{kv, lease, maintenance, txn, watch, words};
use crate::script::{Request, Step};
use bytes::Bytes;
use skerry_tests_harness::Random;
use skerry_tests_harness::proto::authpb;
use skerry_tests_harness::proto::etcdserverpb as pb;

const USERS: [&str; 5] = ["root", "alice", "bob", "carol", ""];
const ROLES: [&str; 5] = ["root", "reader", "writer", "keeper", ""];

fn step(user: Option<&str>, request: Request) -> Step {
    Step {
        user: user.map(str::to_owned),
        request,
    }
}

fn authenticate(name: &str, password: &str) -> Request {
    Request::Authenticate(pb::AuthenticateRequest {
        name: name.into(),
        password: password.into(),
    })
}

fn grant_role(user: &str, role: &str) -> Request {
    Request::UserGrantRole(pb::AuthUserGrantRoleRequest {
        user: user.into(),
        role: role.into(),
    })
}

fn permission(role: &str, kind: i32, key: &'static str, range_end: &'static str) -> Request {
    Request::RoleGrantPermission(pb::AuthRoleGrantPermissionRequest {
        name: role.into(),
        perm: Some(authpb::Permission {
            perm_type: kind,
            key: key.into(),
            range_end: range_end.into(),
        }),
    })
}

fn add_user(name: &str) -> Request {
    Request::UserAdd(pb::AuthUserAddRequest {
        name: name.into(),
        password: name.into(),
        ..Default::default()
    })
}

fn add_role(name: &str) -> Request {
    Request::RoleAdd(pb::AuthRoleAddRequest { name: name.into() })
}

/// Brings back what random steps have taken away: root, and who it works with.
pub(super) fn restoration() -> Vec<Step> {
    let enable = Request::AuthEnable(pb::AuthEnableRequest {});
    let mut requests = vec![
        add_user("root"),
        add_role("root"),
        grant_role("root", "root"),
        enable,
    ];
    requests.push(authenticate("root", "root"));
    for (user, role) in [("alice", "reader"), ("bob", "writer")] {
        requests.extend([add_user(user), add_role(role), grant_role(user, role)]);
    }
    requests.extend([
        permission("reader", 0, "a", "e"),
        permission("writer", 2, "b", "dir/b"),
        authenticate("alice", "alice"),
        authenticate("bob", "bob"),
    ]);
    requests
        .into_iter()
        .map(|request| step(Some("root"), request))
        .collect()
}

/// Enables authentication the way an administrator does, mistakes included.
pub(super) fn preparation() -> Vec<Step> {
    let enable = || Request::AuthEnable(pb::AuthEnableRequest {});
    let status = || Request::AuthStatus(pb::AuthStatusRequest {});
    let mut requests = vec![
        status(),
        enable(),
        authenticate("root", "root"),
        add_user("root"),
        enable(),
        add_role("root"),
        grant_role("root", "root"),
        add_user("alice"),
        add_user("bob"),
        add_role("reader"),
        add_role("writer"),
        permission("reader", 0, "a", "e"),
        permission("reader", 0, "dir/", "dir0"),
        permission("writer", 2, "b", "dir/b"),
        permission("writer", 1, "e", ""),
        grant_role("alice", "reader"),
        grant_role("bob", "writer"),
    ];
    for key in ["a", "b", "dir/a", "e"] {
        requests.push(Request::Put(pb::PutRequest {
            key: key.into(),
            value: "before".into(),
            ..Default::default()
        }));
    }
    requests.extend([enable(), status(), enable()]);
    let mut steps = requests
        .into_iter()
        .map(|request| step(None, request))
        .collect::<Vec<_>>();
    for name in ["root", "alice", "bob"] {
        steps.push(step(None, authenticate(name, name)));
    }
    steps
}

pub(super) fn any(random: &mut Random) -> Step {
    let user = match random.below(12) {
        0..=4 => Some("root"),
        5..=6 => Some("alice"),
        7..=8 => Some("bob"),
        9 => Some("carol"),
        10 => Some("forged"),
        _ => None,
    };
    let request = request(random);
    // Who may ask these has changed among the releases of 3.5: anybody, administrators, and by
    // now whoever has a name. Root may with all of them.
    let changed = matches!(
        request,
        Request::Status(_)
            | Request::MemberList(_)
            | Request::LeaseLeases(_)
            | Request::LeaseTimeToLive(_)
            | Request::Alarm(pb::AlarmRequest { action: 0, .. })
    );
    step(if changed { Some("root") } else { user }, request)
}

fn request(random: &mut Random) -> Request {
    match random.below(30) {
        0..=13 => access(random),
        14..=15 => users(random),
        16..=17 => membership(random),
        18..=20 => roles(random),
        21..=22 => permissions(random),
        23..=25 => {
            let name = *random.pick(&USERS);
            authenticate(name, if random.chance(80) { name } else { "wrong" })
        }
        26 => Request::AuthStatus(pb::AuthStatusRequest {}),
        27 => Request::AuthEnable(pb::AuthEnableRequest {}),
        28 if random.chance(20) => Request::AuthDisable(pb::AuthDisableRequest {}),
        _ => match maintenance::any(random) {
            Request::Alarm(alarm) if alarm.action == 1 => Request::Status(pb::StatusRequest {}),
            other => other,
        },
    }
}

fn access(random: &mut Random) -> Request {
    match random.below(20) {
        0..=7 => kv::any(random),
        8..=11 => kv::write(random),
        12..=14 => Request::Txn(txn::any(random, 1)),
        15..=17 => lease::without_expiry(random),
        _ => {
            let mut watching = watch::any(random);
            // What is written during the stream must not change who may watch.
            watching.writes.truncate(2);
            // Whether a range without an end is permitted was judged too mildly for long.
            for create in watching
                .creates
                .iter_mut()
                .filter(|create| create.range_end == "\0")
            {
                create.range_end = Bytes::new();
            }
            Request::Watch(watching)
        }
    }
}

fn users(random: &mut Random) -> Request {
    let name = random.pick(&USERS).to_string();
    match random.below(8) {
        0..=2 => Request::UserAdd(pb::AuthUserAddRequest {
            password: if random.chance(85) {
                name.clone()
            } else {
                String::new()
            },
            options: random.chance(30).then(|| authpb::UserAddOptions {
                no_password: random.chance(50),
            }),
            name,
            hashed_password: String::new(),
        }),
        3..=4 => Request::UserGet(pb::AuthUserGetRequest { name }),
        5 => Request::UserList(pb::AuthUserListRequest {}),
        6 => Request::UserDelete(pb::AuthUserDeleteRequest { name }),
        _ if name == "root" => Request::UserList(pb::AuthUserListRequest {}),
        _ => Request::UserChangePassword(pb::AuthUserChangePasswordRequest {
            password: name.clone(),
            name,
            hashed_password: String::new(),
        }),
    }
}

fn membership(random: &mut Random) -> Request {
    let user = random.pick(&USERS).to_string();
    let role = random.pick(&ROLES).to_string();
    if random.chance(65) {
        grant_role(&user, &role)
    } else {
        Request::UserRevokeRole(pb::AuthUserRevokeRoleRequest { name: user, role })
    }
}

fn roles(random: &mut Random) -> Request {
    let role = random.pick(&ROLES).to_string();
    match random.below(8) {
        0..=2 => Request::RoleAdd(pb::AuthRoleAddRequest { name: role }),
        3..=5 => Request::RoleGet(pb::AuthRoleGetRequest { role }),
        6 => Request::RoleList(pb::AuthRoleListRequest {}),
        _ => Request::RoleDelete(pb::AuthRoleDeleteRequest { role }),
    }
}

fn permissions(random: &mut Random) -> Request {
    let role = random.pick(&ROLES).to_string();
    let (key, range_end) = words::range(random);
    if random.chance(70) {
        let perm = authpb::Permission {
            perm_type: if random.chance(4) {
                5
            } else {
                random.below(3) as i32
            },
            key,
            range_end,
        };
        let perm = (!random.chance(4)).then_some(perm);
        return Request::RoleGrantPermission(pb::AuthRoleGrantPermissionRequest {
            name: role,
            perm,
        });
    }
    // Those of the preparation, so that some are there to be revoked.
    let (key, range_end) = match random.below(4) {
        0 => (Bytes::from_static(b"a"), Bytes::from_static(b"e")),
        1 => (Bytes::from_static(b"e"), Bytes::new()),
        _ => (key, range_end),
    };
    Request::RoleRevokePermission(pb::AuthRoleRevokePermissionRequest {
        role,
        key,
        range_end,
    })
}
