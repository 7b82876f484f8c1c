//! Seeded scripts of operations: few keys, so that everything happens to the same ones.

use bytes::Bytes;
use skerry_proto::command::command::Operation;
use skerry_proto::command::{
    LeaseCheckpoint, LeaseRevoke, MemberAttributes, MemberIdAllocate, lease_checkpoint::Remaining,
};
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::compare::TargetUnion;
use skerry_proto::etcdserverpb::request_op::Request;

use crate::random::Random;

const KEYS: [&[u8]; 10] = [
    b"", b"\0", b"a", b"a\0", b"a\0b", b"ab", b"b", b"b\xff", b"c", b"zz",
];

/// A source of operations.
pub(crate) struct Script {
    pub(crate) random: Random,
    /// Whether alarms are raised: they stop most of everything else for a while.
    alarms: bool,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Script {
        let mut random = Random::new(seed);
        let alarms = random.one_in(4);
        Script { random, alarms }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.below(end)
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.random.one_in(times)
    }

    pub(crate) fn key(&mut self) -> Bytes {
        let place = self.below(KEYS.len() as u64) as usize;
        Bytes::from_static(KEYS[place])
    }

    fn range_end(&mut self) -> Bytes {
        match self.below(4) {
            0 => Bytes::new(),
            1 => Bytes::from_static(&[0]),
            _ => self.key(),
        }
    }

    fn value(&mut self) -> Bytes {
        let len = match self.below(20) {
            0 => 0,
            1 => 5_000,
            _ => self.below(9),
        };
        let byte = b'0' + self.below(4) as u8;
        Bytes::from(vec![byte; len as usize])
    }

    /// A number around the revisions that there are.
    fn revision(&mut self, newest: i64) -> i64 {
        match self.below(12) {
            0 => -1,
            1 => newest + 1,
            _ => self.below(newest as u64 + 1) as i64,
        }
    }

    fn lease(&mut self) -> i64 {
        match self.below(3) {
            0 => self.below(5) as i64 - 1,
            _ => 0,
        }
    }

    /// An operation on a state at revision `newest`.
    pub(crate) fn operation(&mut self, newest: i64) -> Operation {
        match self.below(100) {
            0..40 => Operation::Put(self.put()),
            40..50 => Operation::DeleteRange(self.delete()),
            50..78 => Operation::Txn(self.txn(newest, 2)),
            78..82 => Operation::Compaction(pb::CompactionRequest {
                revision: self.revision(newest),
                physical: self.one_in(2),
            }),
            82..87 => Operation::LeaseGrant(pb::LeaseGrantRequest {
                id: self.below(5) as i64 - 1,
                ttl: match self.below(6) {
                    0 => 9_000_000_001,
                    1 => 0,
                    _ => 60,
                },
            }),
            87..91 => Operation::LeaseRevoke(LeaseRevoke {
                id: self.below(5) as i64 - 1,
                expired: self.one_in(2),
            }),
            91..93 => Operation::LeaseCheckpoint(LeaseCheckpoint {
                leases: (0..self.below(3))
                    .map(|_| Remaining {
                        id: self.below(5) as i64 - 1,
                        seconds: self.below(40) as i64 - 1,
                    })
                    .collect(),
            }),
            93..96 => Operation::Alarm(pb::AlarmRequest {
                action: match self.alarms {
                    true => self.below(3) as i32,
                    false => 0,
                },
                member_id: 1 + self.below(2),
                alarm: self.below(3) as i32,
            }),
            96..98 => Operation::MemberIdAllocate(MemberIdAllocate {}),
            _ => Operation::MemberAttributes(MemberAttributes {
                id: self.below(9),
                name: format!("node-{}", self.below(3)),
                client_urls: vec!["https://127.0.0.1:2379".into()],
                password_hash: format!("hash-{}", self.below(2)),
            }),
        }
    }

    pub(crate) fn put(&mut self) -> pb::PutRequest {
        pb::PutRequest {
            key: self.key(),
            value: self.value(),
            lease: self.lease(),
            prev_kv: self.one_in(3),
            ignore_value: self.one_in(10),
            ignore_lease: self.one_in(10),
        }
    }

    fn delete(&mut self) -> pb::DeleteRangeRequest {
        pb::DeleteRangeRequest {
            key: self.key(),
            range_end: self.range_end(),
            prev_kv: self.one_in(2),
        }
    }

    /// A range request with any options.
    pub(crate) fn range(&mut self, newest: i64) -> pb::RangeRequest {
        let filter = |script: &mut Script| match script.one_in(8) {
            true => script.revision(newest).max(0),
            false => 0,
        };
        let filters = [filter(self), filter(self), filter(self), filter(self)];
        pb::RangeRequest {
            key: self.key(),
            range_end: self.range_end(),
            limit: match self.one_in(2) {
                true => self.below(6) as i64 - 1,
                false => 0,
            },
            revision: match self.one_in(2) {
                true => self.revision(newest),
                false => 0,
            },
            sort_order: self.below(3) as i32,
            sort_target: self.below(5) as i32,
            serializable: self.one_in(2),
            keys_only: self.one_in(4),
            count_only: self.one_in(6),
            min_mod_revision: filters[0],
            max_mod_revision: filters[1],
            min_create_revision: filters[2],
            max_create_revision: filters[3],
        }
    }

    fn txn(&mut self, newest: i64, depth: u32) -> pb::TxnRequest {
        let compares = self.below(3);
        pb::TxnRequest {
            compare: (0..compares).map(|_| self.compare(newest)).collect(),
            success: self.branch(newest, depth),
            failure: self.branch(newest, depth),
        }
    }

    fn branch(&mut self, newest: i64, depth: u32) -> Vec<pb::RequestOp> {
        let operations = self.below(4);
        (0..operations)
            .map(|_| pb::RequestOp {
                request: match self.below(13) {
                    0..4 => Some(Request::RequestRange(self.range(newest))),
                    4..8 => Some(Request::RequestPut(self.put())),
                    8..10 => Some(Request::RequestDeleteRange(self.delete())),
                    10..12 if depth > 0 => Some(Request::RequestTxn(self.txn(newest, depth - 1))),
                    _ => None,
                },
            })
            .collect()
    }

    fn compare(&mut self, newest: i64) -> pb::Compare {
        let revision = self.revision(newest);
        let small = self.below(4) as i64;
        pb::Compare {
            result: self.below(5) as i32,
            target: self.below(6) as i32,
            key: self.key(),
            range_end: match self.one_in(3) {
                true => self.range_end(),
                false => Bytes::new(),
            },
            target_union: match self.below(6) {
                0 => Some(TargetUnion::Version(small)),
                1 => Some(TargetUnion::CreateRevision(revision)),
                2 => Some(TargetUnion::ModRevision(revision)),
                3 => Some(TargetUnion::Value(self.value())),
                4 => Some(TargetUnion::Lease(small)),
                _ => None,
            },
        }
    }
}
