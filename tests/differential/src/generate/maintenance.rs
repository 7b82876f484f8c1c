//! Alarms and what they forbid, status, hashes, and membership changes that are refused.

use super::{kv, txn};
use crate::script::{Request, from_last};
use skerry_tests_harness::Random;
use skerry_tests_harness::proto::etcdserverpb as pb;

pub(super) fn any(random: &mut Random) -> Request {
    match random.below(24) {
        0..=3 => Request::Alarm(pb::AlarmRequest {
            action: random.below(3) as i32,
            member_id: 0,
            // NONE is "all kinds" where alarms are listed or taken off.
            alarm: random.below(2) as i32,
        }),
        4..=5 => deactivate(pb::AlarmType::Nospace),
        6 => Request::Alarm(pb::AlarmRequest {
            action: 0,
            member_id: 0,
            alarm: 0,
        }),
        7 => Request::Status(pb::StatusRequest {}),
        8 => Request::HashKv(pb::HashKvRequest {
            revision: match random.below(5) {
                0..=1 => 0,
                2 => from_last(0),
                3 => from_last(-random.between(1, 20)),
                _ => from_last(random.between(1, 2)),
            },
        }),
        9 => Request::MemberList(pb::MemberListRequest {
            linearizable: random.chance(50),
        }),
        10 => Request::LeaseGrant(pb::LeaseGrantRequest { ttl: 1_000, id: 0 }),
        // A nested one may write under an alarm with etcd, and may not with Skerry.
        11 => Request::Txn(txn::any(random, 0)),
        12 => Request::Compact(kv::compact(random)),
        13 if random.chance(40) => Request::Defragment(pb::DefragmentRequest {}),
        _ => kv::any(random),
    }
}

fn deactivate(alarm: pb::AlarmType) -> Request {
    Request::Alarm(pb::AlarmRequest {
        action: 2,
        member_id: 0,
        alarm: alarm as i32,
    })
}
