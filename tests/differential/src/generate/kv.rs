//! Ranges, puts, deletes, compaction.

use super::words;
use crate::script::{Request, from_last};
use skerry_tests_harness::Random;
use skerry_tests_harness::proto::etcdserverpb as pb;

pub(super) fn any(random: &mut Random) -> Request {
    match random.below(20) {
        0..=8 => Request::Range(range(random)),
        9 if random.chance(40) => Request::Compact(compact(random)),
        _ => write(random),
    }
}

pub(super) fn write(random: &mut Random) -> Request {
    match random.below(10) {
        0..=1 => Request::DeleteRange(delete(random)),
        _ => Request::Put(put(random)),
    }
}

fn sort_order(random: &mut Random) -> i32 {
    match random.below(60) {
        0 => 3,
        1 => -1,
        _ => random.below(3) as i32,
    }
}

pub(super) fn range(random: &mut Random) -> pb::RangeRequest {
    let (key, range_end) = words::range(random);
    let sorted = random.chance(50);
    pb::RangeRequest {
        key,
        range_end,
        limit: match random.below(12) {
            0..=2 => random.between(1, 4),
            3 => 1_000_000,
            4 if random.chance(30) => -random.between(1, 2),
            _ => 0,
        },
        revision: words::revision(random),
        sort_order: if sorted { sort_order(random) } else { 0 },
        // A target that is not in the enumeration ends the real etcd.
        sort_target: if sorted { random.below(5) as i32 } else { 0 },
        serializable: random.chance(20),
        keys_only: random.chance(15),
        count_only: random.chance(10),
        min_mod_revision: words::bound(random),
        max_mod_revision: words::bound(random),
        min_create_revision: words::bound(random),
        max_create_revision: words::bound(random),
    }
}

pub(super) fn put(random: &mut Random) -> pb::PutRequest {
    let ignore_value = random.chance(8);
    let ignore_lease = random.chance(8);
    pb::PutRequest {
        key: words::key(random),
        // Both together are refused.
        value: if ignore_value && random.chance(90) {
            "".into()
        } else {
            words::value(random)
        },
        lease: if ignore_lease && random.chance(90) {
            0
        } else {
            words::lease(random)
        },
        prev_kv: random.chance(40),
        ignore_value,
        ignore_lease,
    }
}

pub(super) fn delete(random: &mut Random) -> pb::DeleteRangeRequest {
    let (key, range_end) = words::range(random);
    // Everything goes only now and then.
    let narrow = random.chance(60);
    pb::DeleteRangeRequest {
        key,
        range_end: if narrow { "".into() } else { range_end },
        prev_kv: random.chance(50),
    }
}

pub(super) fn compact(random: &mut Random) -> pb::CompactionRequest {
    pb::CompactionRequest {
        revision: match random.below(12) {
            0..=6 => from_last(-random.between(0, 30)),
            7..=8 => from_last(0),
            9 => from_last(random.between(1, 2)),
            10 => random.between(0, 3),
            _ => -1,
        },
        physical: random.chance(50),
    }
}
