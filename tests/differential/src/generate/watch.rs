//! Watch streams with one to four watchers and some writes.

use super::{kv, txn, words};
use crate::script::{Request, Watching, from_last};
use skerry_tests_harness::Random;
use skerry_tests_harness::proto::etcdserverpb as pb;

pub(super) fn any(random: &mut Random) -> Watching {
    let creates = (0..1 + random.below(4))
        .map(|_| create(random))
        .collect::<Vec<_>>();
    let cancel = (0..random.below(8).saturating_sub(5))
        .map(|_| random.between(0, 3))
        .collect();
    let writes = (0..random.below(6))
        .map(|_| match random.below(5) {
            0 => Request::Txn(txn::any(random, 1)),
            _ => kv::write(random),
        })
        .collect();
    Watching {
        creates,
        cancel,
        writes,
    }
}

pub(super) fn create(random: &mut Random) -> pb::WatchCreateRequest {
    let (key, range_end) = words::range(random);
    let watch_id = match random.below(12) {
        0..=1 => random.between(1, 4),
        2 if random.chance(40) => -1,
        _ => 0,
    };
    pb::WatchCreateRequest {
        key,
        range_end,
        start_revision: match random.below(20) {
            // When the id of a compacted watcher can be taken again is a matter of time.
            _ if watch_id > 0 => 0,
            0..=7 => 0,
            8..=12 => from_last(-random.between(0, 20)),
            13..=14 => from_last(random.between(1, 3)),
            15 => from_last(100_000),
            16 => 1,
            17 => random.between(1, 8),
            18 => from_last(-random.between(20, 60)),
            _ => -random.between(1, 2),
        },
        progress_notify: random.chance(20),
        filters: (0..random.below(8).saturating_sub(5))
            .map(|_| random.below(2) as i32)
            .collect(),
        prev_kv: random.chance(50),
        watch_id,
        fragment: random.chance(20),
    }
}
