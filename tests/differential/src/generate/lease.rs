//! Leases, with ids of the script's and of the server's choice.

use super::{kv, words};
use crate::script::{NTH_LEASE, Request};
use skerry_tests_harness::Random;
use skerry_tests_harness::proto::etcdserverpb as pb;

/// The leases that puts name.
pub(super) fn preparation() -> Vec<Request> {
    let grant = |id| Request::LeaseGrant(pb::LeaseGrantRequest { ttl: 4_000, id });
    words::LEASES.into_iter().map(grant).collect()
}

pub(super) fn any(random: &mut Random) -> Request {
    if random.below(60) == 0 {
        let id = 9_000 + random.between(0, 99);
        let keys = (0..1 + random.below(3))
            .map(|n| format!("short-lived/{n}"))
            .collect();
        return Request::LeaseExpiry { id, keys };
    }
    without_expiry(random)
}

/// As [`any`], but without steps that wait for time to pass.
pub(super) fn without_expiry(random: &mut Random) -> Request {
    match random.below(20) {
        0..=3 => Request::LeaseGrant(pb::LeaseGrantRequest {
            // Long enough to outlive the script; some are refused.
            ttl: match random.below(12) {
                0 | 1 => 9_000_000_000 + random.between(0, 1),
                _ => random.between(600, 5_000),
            },
            id: match random.below(4) {
                0 => 0,
                _ => *random.pick(&words::LEASES),
            },
        }),
        4..=5 => Request::LeaseRevoke(pb::LeaseRevokeRequest { id: id(random) }),
        6..=8 => Request::LeaseTimeToLive(pb::LeaseTimeToLiveRequest {
            id: id(random),
            keys: random.chance(60),
        }),
        9 => Request::LeaseLeases(pb::LeaseLeasesRequest {}),
        10..=11 => Request::LeaseKeepAlive((0..1 + random.below(3)).map(|_| id(random)).collect()),
        12..=16 => {
            let mut put = kv::put(random);
            if !put.ignore_lease {
                put.lease = id(random);
            }
            Request::Put(put)
        }
        17 => Request::DeleteRange(kv::delete(random)),
        18 => Request::Txn(super::txn::any(random, 1)),
        _ => Request::Range(kv::range(random)),
    }
}

fn id(random: &mut Random) -> i64 {
    match random.below(14) {
        0 => 0,
        1 => 31_337,
        2..=4 => NTH_LEASE + random.between(0, 2),
        _ => *random.pick(&words::LEASES),
    }
}
