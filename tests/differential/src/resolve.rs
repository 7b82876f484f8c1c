//! Replaces the placeholders of a script by what the server at hand gave: its last revision and
//! the ids of the leases it chose.

use crate::script::{FROM_LAST, NTH_LEASE, Request, Watching};
use skerry_tests_harness::proto::etcdserverpb as pb;

/// What placeholders stand for on one side.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The highest revision in any header so far.
    pub last_revision: i64,
    /// Leases whose ids the server chose, in the order they were granted.
    pub leases: Vec<i64>,
}

/// How far a placeholder may lie from its base.
const REACH: i64 = 1 << 20;

impl Known {
    fn revision(&self, value: &mut i64) {
        if (FROM_LAST - REACH..FROM_LAST + REACH).contains(value) {
            *value = self.last_revision + (*value - FROM_LAST);
        }
    }

    fn lease(&self, value: &mut i64) {
        if (NTH_LEASE..NTH_LEASE + REACH).contains(value) {
            let nth = (*value - NTH_LEASE) as usize;
            *value = self.leases.get(nth).copied().unwrap_or(*value);
        }
    }

    /// `request` as it is sent to this side.
    pub fn resolve(&self, mut request: Request) -> Request {
        self.request(&mut request);
        request
    }

    fn request(&self, request: &mut Request) {
        match request {
            Request::Range(range) => self.range(range),
            Request::Put(put) => self.lease(&mut put.lease),
            Request::Txn(txn) => self.txn(txn),
            Request::Compact(compact) if compact.revision >= FROM_LAST - REACH => {
                self.revision(&mut compact.revision);
                // Revision 0 is a riddle of its own, which no client asks.
                compact.revision = compact.revision.max(1);
            }
            Request::HashKv(hash) => self.revision(&mut hash.revision),
            Request::LeaseRevoke(revoke) => self.lease(&mut revoke.id),
            Request::LeaseTimeToLive(ttl) => self.lease(&mut ttl.id),
            Request::LeaseKeepAlive(ids) => ids.iter_mut().for_each(|id| self.lease(id)),
            Request::Proclaim(request) => {
                request
                    .leader
                    .iter_mut()
                    .for_each(|leader| self.revision(&mut leader.rev));
            }
            Request::Resign(request) => {
                request
                    .leader
                    .iter_mut()
                    .for_each(|leader| self.revision(&mut leader.rev));
            }
            Request::Watch(Watching {
                creates, writes, ..
            }) => {
                creates
                    .iter_mut()
                    .for_each(|create| self.revision(&mut create.start_revision));
                // Revisions within them are those of when the stream began.
                writes.iter_mut().for_each(|write| self.request(write));
            }
            _ => {}
        }
    }

    fn range(&self, range: &mut pb::RangeRequest) {
        for revision in [
            &mut range.revision,
            &mut range.min_mod_revision,
            &mut range.max_mod_revision,
            &mut range.min_create_revision,
            &mut range.max_create_revision,
        ] {
            self.revision(revision);
        }
    }

    fn txn(&self, txn: &mut pb::TxnRequest) {
        use pb::compare::TargetUnion;
        use pb::request_op::Request as Op;
        for compare in &mut txn.compare {
            match &mut compare.target_union {
                Some(TargetUnion::CreateRevision(value) | TargetUnion::ModRevision(value)) => {
                    self.revision(value);
                }
                Some(TargetUnion::Lease(value)) => self.lease(value),
                _ => {}
            }
        }
        for operation in txn.success.iter_mut().chain(&mut txn.failure) {
            match &mut operation.request {
                Some(Op::RequestRange(range)) => self.range(range),
                Some(Op::RequestPut(put)) => self.lease(&mut put.lease),
                Some(Op::RequestTxn(nested)) => self.txn(nested),
                Some(Op::RequestDeleteRange(_)) | None => {}
            }
        }
    }
}
