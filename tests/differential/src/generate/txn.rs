//! Transactions: comparisons of every kind, operations of every kind, nested to some depth.

use super::{kv, words};
use bytes::Bytes;
use pb::compare::TargetUnion;
use pb::request_op::Request as Op;
use skerry_tests_harness::Random;
use skerry_tests_harness::proto::etcdserverpb as pb;

/// A transaction with at most `depth` levels of others in it.
pub(super) fn any(random: &mut Random, depth: usize) -> pb::TxnRequest {
    let compares = random.below(4);
    let compare = (0..compares).map(|_| comparison(random)).collect();
    // Keys that two writes touch are refused: mostly each write has its own.
    let mut fresh = 0;
    let success = operations(random, depth, &mut fresh);
    let failure = operations(random, depth, &mut fresh);
    pb::TxnRequest {
        compare,
        success,
        failure,
    }
}

fn operations(random: &mut Random, depth: usize, fresh: &mut usize) -> Vec<pb::RequestOp> {
    let count = random.below(5);
    (0..count)
        .map(|_| operation(random, depth, fresh))
        .collect()
}

fn operation(random: &mut Random, depth: usize, fresh: &mut usize) -> pb::RequestOp {
    let request = match random.below(12) {
        0..=3 => Op::RequestRange(kv::range(random)),
        4..=7 => {
            let mut put = kv::put(random);
            if random.chance(92) {
                *fresh += 1;
                put.key = Bytes::from(format!("dir/{fresh}"));
            }
            Op::RequestPut(put)
        }
        8..=9 => {
            let mut delete = kv::delete(random);
            // A range without an end is no overlap to etcd, which then ends over an
            // `ignore_value` of a key that was deleted before.
            if random.chance(85) || delete.range_end == "\0" {
                *fresh += 1;
                delete.key = Bytes::from(format!("gone/{fresh}"));
                delete.range_end = Bytes::new();
            }
            Op::RequestDeleteRange(delete)
        }
        10..=11 if depth > 0 => {
            let mut nested = any(random, depth - 1);
            rename(&mut nested, fresh);
            Op::RequestTxn(nested)
        }
        _ => Op::RequestRange(kv::range(random)),
    };
    pb::RequestOp {
        request: Some(request),
    }
}

/// Keeps the writes of a nested transaction apart from those around it.
fn rename(txn: &mut pb::TxnRequest, fresh: &mut usize) {
    for operation in txn.success.iter_mut().chain(&mut txn.failure) {
        if let Some(Op::RequestPut(put)) = &mut operation.request
            && put.key.starts_with(b"dir/")
        {
            *fresh += 1;
            put.key = Bytes::from(format!("dir/{fresh}"));
        }
    }
}

fn comparison(random: &mut Random) -> pb::Compare {
    let target = random.below(5) as i32;
    let union = match target {
        0 => TargetUnion::Version(random.between(0, 3)),
        1 => TargetUnion::CreateRevision(revision(random)),
        2 => TargetUnion::ModRevision(revision(random)),
        3 => TargetUnion::Value(words::value(random)),
        _ => TargetUnion::Lease(words::lease(random)),
    };
    let (key, range_end) = words::range(random);
    pb::Compare {
        result: random.below(4) as i32,
        // Now and then the target and the value do not belong together, or are unknown.
        target: match random.below(40) {
            0 => random.below(5) as i32,
            1 => 7,
            _ => target,
        },
        key,
        range_end: if random.chance(60) {
            Bytes::new()
        } else {
            range_end
        },
        target_union: (!random.chance(4)).then_some(union),
    }
}

fn revision(random: &mut Random) -> i64 {
    if random.chance(40) {
        0
    } else {
        crate::script::from_last(-random.between(-1, 9))
    }
}
