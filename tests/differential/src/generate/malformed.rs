//! Requests that a server refuses, each in the words that clients match on.

use super::{kv, txn};
use crate::script::{Request, from_last};
use bytes::Bytes;
use pb::request_op::Request as Op;
use skerry_tests_harness::Random;
use skerry_tests_harness::proto::authpb;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::proto::v3electionpb::{CampaignRequest, LeaderRequest};

/// etcd's limit on a request, bytes.
const REQUEST_MAX: usize = 1_572_864;
/// etcd's limit on the operations of a transaction.
const OPERATIONS_MAX: usize = 128;

/// A random request with something wrong in it, or a harmless one.
pub(super) fn any(random: &mut Random) -> Request {
    let mut all = catalogue();
    // Leases of a few seconds would end at some later step, on each side at its own.
    all.retain(|request| !matches!(request, Request::LeaseGrant(grant) if grant.ttl < 100));
    if random.chance(40) {
        kv::any(random)
    } else {
        all.swap_remove(random.below(all.len()))
    }
}

/// One of each.
pub(super) fn catalogue() -> Vec<Request> {
    let mut all = vec![Request::Put(pb::PutRequest {
        key: "present".into(),
        value: "v".into(),
        ..Default::default()
    })];
    all.extend(ranges());
    all.extend(writes());
    all.extend(transactions());
    all.extend(leases());
    all.extend(auth());
    all.extend(maintenance());
    all.extend(members());
    all
}

fn ranges() -> Vec<Request> {
    let range = |change: fn(&mut pb::RangeRequest)| {
        let mut request = pb::RangeRequest {
            key: "present".into(),
            ..Default::default()
        };
        change(&mut request);
        Request::Range(request)
    };
    vec![
        range(|r| r.key = Bytes::new()),
        range(|r| (r.key, r.range_end) = (Bytes::new(), "\0".into())),
        range(|r| r.sort_order = 3),
        range(|r| r.sort_order = -1),
        range(|r| r.limit = i64::MIN),
        range(|r| r.revision = i64::MAX),
        range(|r| r.revision = i64::MIN),
        range(|r| (r.revision, r.serializable) = (i64::MAX, true)),
        range(|r| (r.min_mod_revision, r.max_mod_revision) = (5, 1)),
        range(|r| (r.keys_only, r.count_only) = (true, true)),
    ]
}

fn writes() -> Vec<Request> {
    let put = |change: fn(&mut pb::PutRequest)| {
        let mut request = pb::PutRequest {
            key: "present".into(),
            ..Default::default()
        };
        change(&mut request);
        Request::Put(request)
    };
    let delete = |key: &'static str, range_end: &'static str| {
        Request::DeleteRange(pb::DeleteRangeRequest {
            key: key.into(),
            range_end: range_end.into(),
            prev_kv: true,
        })
    };
    let compact = |revision| {
        Request::Compact(pb::CompactionRequest {
            revision,
            physical: true,
        })
    };
    vec![
        put(|p| p.key = Bytes::new()),
        put(|p| (p.ignore_value, p.value) = (true, "v".into())),
        put(|p| (p.ignore_lease, p.lease) = (true, 5)),
        put(|p| (p.ignore_value, p.key) = (true, "absent".into())),
        put(|p| (p.ignore_lease, p.key) = (true, "absent".into())),
        put(|p| (p.ignore_value, p.ignore_lease) = (true, true)),
        put(|p| p.lease = 999),
        put(|p| p.lease = i64::MIN),
        put(|p| p.value = vec![1; REQUEST_MAX - 100].into()),
        put(|p| p.value = vec![1; REQUEST_MAX].into()),
        put(|p| p.value = vec![1; REQUEST_MAX + 500 * 1024].into()),
        put(|p| p.value = vec![1; REQUEST_MAX + 600 * 1024].into()),
        put(|p| p.key = vec![b'k'; REQUEST_MAX].into()),
        delete("", ""),
        delete("", "\0"),
        delete("present", "a"),
        compact(-5),
        compact(0),
        compact(i64::MAX),
        compact(from_last(1)),
    ]
}

fn transactions() -> Vec<Request> {
    let op = |request| pb::RequestOp {
        request: Some(request),
    };
    let put = |key: &str| {
        op(Op::RequestPut(pb::PutRequest {
            key: key.to_owned().into(),
            ..Default::default()
        }))
    };
    let delete = |key: &str, end: &str| {
        op(Op::RequestDeleteRange(pb::DeleteRangeRequest {
            key: key.to_owned().into(),
            range_end: end.to_owned().into(),
            prev_kv: false,
        }))
    };
    let range = |change: fn(&mut pb::RangeRequest)| {
        let mut request = pb::RangeRequest {
            key: "present".into(),
            ..Default::default()
        };
        change(&mut request);
        op(Op::RequestRange(request))
    };
    let then = |success: Vec<pb::RequestOp>| {
        Request::Txn(pb::TxnRequest {
            success,
            ..Default::default()
        })
    };
    let nested = |success: Vec<pb::RequestOp>, failure: Vec<pb::RequestOp>| {
        op(Op::RequestTxn(pb::TxnRequest {
            success,
            failure,
            ..Default::default()
        }))
    };
    let compare = |change: fn(&mut pb::Compare)| {
        let mut compare = pb::Compare {
            key: "present".into(),
            ..Default::default()
        };
        change(&mut compare);
        Request::Txn(pb::TxnRequest {
            compare: vec![compare],
            success: vec![range(|_| {})],
            ..Default::default()
        })
    };
    let many = |count: usize| {
        (0..count)
            .map(|n| put(&format!("many/{n}")))
            .collect::<Vec<_>>()
    };
    vec![
        then(vec![]),
        then(many(OPERATIONS_MAX)),
        then(many(OPERATIONS_MAX + 1)),
        then(vec![nested(many(OPERATIONS_MAX), vec![])]),
        then(vec![nested(many(OPERATIONS_MAX - 1), vec![])]),
        Request::Txn(pb::TxnRequest {
            compare: vec![
                pb::Compare {
                    key: "k".into(),
                    ..Default::default()
                };
                OPERATIONS_MAX + 1
            ],
            ..Default::default()
        }),
        Request::Txn(pb::TxnRequest {
            failure: many(OPERATIONS_MAX + 1),
            ..Default::default()
        }),
        then(vec![pb::RequestOp { request: None }]),
        then(vec![put("same"), put("same")]),
        then(vec![put("same"), delete("same", "")]),
        then(vec![delete("s", "t"), put("same")]),
        then(vec![delete("same", ""), delete("same", "")]),
        then(vec![delete("s", "\0"), put("zzz")]),
        then(vec![put("same"), nested(vec![put("same")], vec![])]),
        then(vec![nested(vec![put("same")], vec![put("same")])]),
        then(vec![
            nested(vec![put("same")], vec![]),
            nested(vec![], vec![put("same")]),
        ]),
        then(vec![nested(vec![delete("a", "z")], vec![]), put("same")]),
        then(vec![nested(vec![], vec![delete("a", "z")]), put("same")]),
        then(vec![nested(vec![put("same")], vec![]), delete("a", "z")]),
        then(vec![put("")]),
        then(vec![delete("", "")]),
        then(vec![range(|r| r.key = Bytes::new())]),
        then(vec![range(|r| r.sort_order = 9)]),
        then(vec![range(|r| r.revision = i64::MAX)]),
        then(vec![
            put("before-the-error"),
            range(|r| r.revision = i64::MAX),
        ]),
        then(vec![op(Op::RequestPut(pb::PutRequest {
            key: "leased".into(),
            lease: 999,
            ..Default::default()
        }))]),
        then(vec![
            put("before-the-error"),
            op(Op::RequestPut(pb::PutRequest {
                key: "absent".into(),
                ignore_value: true,
                ..Default::default()
            })),
        ]),
        compare(|c| c.key = Bytes::new()),
        compare(|c| c.result = 9),
        compare(|c| c.target = 9),
        compare(|c| c.target = 3),
        compare(|c| c.range_end = "\0".into()),
    ]
}

fn leases() -> Vec<Request> {
    let grant = |ttl, id| Request::LeaseGrant(pb::LeaseGrantRequest { ttl, id });
    let revoke = |id| Request::LeaseRevoke(pb::LeaseRevokeRequest { id });
    vec![
        grant(0, 50),
        revoke(50),
        grant(-1, 51),
        revoke(51),
        grant(i64::MIN, 52),
        revoke(52),
        grant(9_000_000_001, 53),
        grant(i64::MAX, 54),
        grant(1, 55),
        revoke(55),
        grant(500, 56),
        grant(500, 56),
        grant(500, -56),
        revoke(999),
        revoke(0),
        Request::LeaseTimeToLive(pb::LeaseTimeToLiveRequest {
            id: 999,
            keys: true,
        }),
        Request::LeaseTimeToLive(pb::LeaseTimeToLiveRequest { id: 0, keys: false }),
        Request::LeaseKeepAlive(vec![999, 0, -1]),
    ]
}

fn auth() -> Vec<Request> {
    let user = |name: &str, password: &str| {
        Request::UserAdd(pb::AuthUserAddRequest {
            name: name.into(),
            password: password.into(),
            ..Default::default()
        })
    };
    let permission = |name: &str, perm: Option<authpb::Permission>| {
        Request::RoleGrantPermission(pb::AuthRoleGrantPermissionRequest {
            name: name.into(),
            perm,
        })
    };
    let perm = |perm_type, key: &'static str, range_end: &'static str| {
        Some(authpb::Permission {
            perm_type,
            key: key.into(),
            range_end: range_end.into(),
        })
    };
    vec![
        user("", "p"),
        user("nopassword", ""),
        user("present", "p"),
        user("present", "p"),
        Request::UserAdd(pb::AuthUserAddRequest {
            name: "both".into(),
            password: "p".into(),
            options: Some(authpb::UserAddOptions { no_password: true }),
            ..Default::default()
        }),
        Request::UserAdd(pb::AuthUserAddRequest {
            name: "hashed".into(),
            hashed_password: "bm90IGEgaGFzaA==".into(),
            ..Default::default()
        }),
        Request::UserAdd(pb::AuthUserAddRequest {
            name: "badly hashed".into(),
            hashed_password: "%%%".into(),
            ..Default::default()
        }),
        Request::UserGet(pb::AuthUserGetRequest {
            name: "absent".into(),
        }),
        Request::UserDelete(pb::AuthUserDeleteRequest {
            name: "absent".into(),
        }),
        Request::UserChangePassword(pb::AuthUserChangePasswordRequest {
            name: "absent".into(),
            password: "p".into(),
            ..Default::default()
        }),
        Request::UserGrantRole(pb::AuthUserGrantRoleRequest {
            user: "absent".into(),
            role: "absent".into(),
        }),
        Request::UserGrantRole(pb::AuthUserGrantRoleRequest {
            user: "present".into(),
            role: "absent".into(),
        }),
        Request::UserRevokeRole(pb::AuthUserRevokeRoleRequest {
            name: "present".into(),
            role: "absent".into(),
        }),
        Request::RoleAdd(pb::AuthRoleAddRequest {
            name: String::new(),
        }),
        Request::RoleAdd(pb::AuthRoleAddRequest {
            name: "role".into(),
        }),
        Request::RoleAdd(pb::AuthRoleAddRequest {
            name: "role".into(),
        }),
        Request::RoleGet(pb::AuthRoleGetRequest {
            role: "absent".into(),
        }),
        Request::RoleDelete(pb::AuthRoleDeleteRequest {
            role: "absent".into(),
        }),
        permission("role", None),
        permission("absent", perm(0, "a", "")),
        permission("role", perm(0, "", "")),
        permission("role", perm(1, "b", "a")),
        permission("role", perm(9, "a", "")),
        permission("role", perm(2, "", "\0")),
        permission("role", perm(2, "a", "a")),
        Request::RoleGet(pb::AuthRoleGetRequest {
            role: "role".into(),
        }),
        Request::RoleRevokePermission(pb::AuthRoleRevokePermissionRequest {
            role: "role".into(),
            key: "never granted".into(),
            range_end: Bytes::new(),
        }),
        Request::AuthEnable(pb::AuthEnableRequest {}),
        Request::AuthDisable(pb::AuthDisableRequest {}),
        Request::Authenticate(pb::AuthenticateRequest {
            name: "present".into(),
            password: "p".into(),
        }),
        Request::AuthStatus(pb::AuthStatusRequest {}),
        Request::UserList(pb::AuthUserListRequest {}),
        Request::RoleList(pb::AuthRoleListRequest {}),
    ]
}

fn maintenance() -> Vec<Request> {
    let alarm = |action, alarm| {
        Request::Alarm(pb::AlarmRequest {
            action,
            member_id: 0,
            alarm,
        })
    };
    let downgrade = |action, version: &str| {
        Request::Downgrade(pb::DowngradeRequest {
            action,
            version: version.into(),
        })
    };
    vec![
        alarm(1, 0),
        alarm(0, 0),
        alarm(2, 0),
        alarm(0, 7),
        Request::HashKv(pb::HashKvRequest { revision: i64::MAX }),
        Request::HashKv(pb::HashKvRequest { revision: -1 }),
        Request::MoveLeader(pb::MoveLeaderRequest { target_id: 0 }),
        Request::MoveLeader(pb::MoveLeaderRequest { target_id: 4_711 }),
        downgrade(0, ""),
        downgrade(0, "3.x"),
        downgrade(0, "3.5.0"),
        downgrade(0, "3.3.0"),
        downgrade(2, ""),
        downgrade(9, "3.4.0"),
        Request::Leader(LeaderRequest {
            name: "nobody".into(),
        }),
        Request::Leader(LeaderRequest { name: Bytes::new() }),
        Request::Campaign(CampaignRequest {
            name: "e".into(),
            lease: 999,
            value: "v".into(),
        }),
    ]
}

fn members() -> Vec<Request> {
    let add = |urls: &[&str]| {
        Request::MemberAdd(pb::MemberAddRequest {
            peer_ur_ls: urls.iter().map(ToString::to_string).collect(),
            is_learner: true,
        })
    };
    let update = |urls: &[&str]| {
        Request::MemberUpdate(pb::MemberUpdateRequest {
            id: 4_711,
            peer_ur_ls: urls.iter().map(ToString::to_string).collect(),
        })
    };
    vec![
        add(&[]),
        add(&[""]),
        add(&["not a url"]),
        add(&["https://127.0.0.9"]),
        add(&["ftp://127.0.0.9:1"]),
        add(&["https://127.0.0.9:1/path"]),
        Request::MemberRemove(pb::MemberRemoveRequest { id: 4_711 }),
        Request::MemberPromote(pb::MemberPromoteRequest { id: 4_711 }),
        update(&[]),
        update(&["https://127.0.0.9:1"]),
        Request::MemberList(pb::MemberListRequest { linearizable: true }),
        Request::MemberList(pb::MemberListRequest {
            linearizable: false,
        }),
        Request::Txn(txn::any(&mut Random::new(1), 3)),
    ]
}
