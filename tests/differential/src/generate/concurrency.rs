//! The lock and election services, as far as nobody has to wait for another.

use super::kv;
use crate::script::{Request, from_last};
use bytes::Bytes;
use skerry_tests_harness::Random;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use skerry_tests_harness::proto::v3lockpb::{LockRequest, UnlockRequest};

const LEASES: [i64; 3] = [101, 102, 103];

/// The leases that everything is held with.
pub(super) fn preparation() -> Vec<Request> {
    let grant = |id| Request::LeaseGrant(pb::LeaseGrantRequest { ttl: 4_000, id });
    LEASES.into_iter().map(grant).collect()
}

pub(super) fn any(random: &mut Random) -> Vec<Request> {
    match random.below(4) {
        0 => locks(random),
        1..=2 => election(random),
        _ => vec![kv::any(random)],
    }
}

fn owned_key(name: &str, lease: i64) -> Bytes {
    Bytes::from(format!("{name}/{lease:x}"))
}

fn locks(random: &mut Random) -> Vec<Request> {
    let name = *random.pick(&["lock", "other/lock", ""]);
    let lease = *random.pick(&LEASES);
    let lock = Request::Lock(LockRequest {
        name: name.into(),
        lease,
    });
    let unlock = Request::Unlock(UnlockRequest {
        key: owned_key(name, lease),
    });
    let mut steps = vec![lock.clone()];
    if random.chance(30) {
        // The same owner has it already.
        steps.push(lock);
    }
    if random.chance(20) {
        steps.push(Request::Lock(LockRequest {
            name: "nobody's".into(),
            lease: 555_555,
        }));
    }
    steps.push(all());
    steps.push(unlock.clone());
    if random.chance(30) {
        steps.push(unlock);
    }
    steps
}

fn all() -> Request {
    Request::Range(pb::RangeRequest {
        key: "\0".into(),
        range_end: "\0".into(),
        ..Default::default()
    })
}

fn election(random: &mut Random) -> Vec<Request> {
    let name = *random.pick(&["election", "an/election", ""]);
    let lease = *random.pick(&LEASES);
    let key = |offset| LeaderKey {
        name: name.into(),
        key: owned_key(name, lease),
        rev: from_last(offset),
        lease,
    };
    let campaign = |value: &'static str| {
        Request::Campaign(CampaignRequest {
            name: name.into(),
            lease,
            value: value.into(),
        })
    };
    let proclaim = |offset| {
        Request::Proclaim(ProclaimRequest {
            leader: Some(key(offset)),
            value: "again".into(),
        })
    };
    let leader = || Request::Leader(LeaderRequest { name: name.into() });
    let mut steps = vec![leader(), campaign("first"), leader()];
    let mut passed = 0;
    if random.chance(50) {
        steps.push(campaign("second"));
        passed += 1;
    }
    if random.chance(60) {
        steps.push(proclaim(-passed));
        passed += 1;
        steps.push(leader());
    }
    if random.chance(20) {
        steps.push(proclaim(-passed - 1));
    }
    if random.chance(10) {
        steps.push(Request::Proclaim(ProclaimRequest {
            leader: None,
            value: "nobody".into(),
        }));
        steps.push(Request::Resign(ResignRequest { leader: None }));
    }
    steps.push(Request::Resign(ResignRequest {
        leader: Some(key(-passed)),
    }));
    steps.push(leader());
    // Whatever was left stands in nobody's way.
    steps.push(Request::DeleteRange(pb::DeleteRangeRequest {
        key: owned_key(name, lease),
        ..Default::default()
    }));
    steps
}
