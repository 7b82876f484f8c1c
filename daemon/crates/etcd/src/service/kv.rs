//! KV: ranges, puts, deletions, transactions, compaction.

use std::time::Duration;

use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::request_op::Request;
use skerry_store::{Reply, quota};
use tonic::Status;

use super::read::{LargeAnswer, may_be_large};
use crate::access::identity;
use crate::api::Api;
use crate::limits::TXN_OPERATIONS_MAX;
use crate::who::Who;
use crate::{check, errors};

/// How often a client's physical compaction is looked at.
const COMPACTED_POLL_INTERVAL: Duration = Duration::from_millis(10);

impl Api {
    pub(crate) async fn range(
        &self,
        who: &Who,
        request: pb::RangeRequest,
    ) -> Result<pb::RangeResponse, Status> {
        Ok(self.range_in_room(who, request).await?.0)
    }

    /// As [`Api::range`]; the room is to be held for as long as the answer is.
    pub(crate) async fn range_in_room(
        &self,
        who: &Who,
        request: pb::RangeRequest,
    ) -> Result<(pb::RangeResponse, Option<LargeAnswer>), Status> {
        if !request.serializable && self.is_learner(&self.status()) {
            return Err(errors::NOT_FOR_LEARNER.into());
        }
        check::range(&request)?;
        if !request.serializable {
            self.linearize().await?;
        }
        let room = match may_be_large(&request) {
            true => Some(self.room_for_large_answer().await?),
            false => None,
        };
        let caller = self.caller(who).await?;
        self.permit(|rules| {
            rules.permit_range(identity(&caller), &request.key, &request.range_end)
        })?;
        let mut response = self.read_range(request).await?;
        self.still_good(&caller)?;
        self.fill(&mut response.header);
        Ok((response, room))
    }

    pub(crate) async fn put(
        &self,
        who: &Who,
        request: pb::PutRequest,
    ) -> Result<pb::PutResponse, Status> {
        self.check_quota(quota::put_cost_bytes(&request)).await?;
        check::put(&request)?;
        match self.propose(who, Operation::Put(request)).await? {
            Reply::Put(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) async fn delete_range(
        &self,
        who: &Who,
        request: pb::DeleteRangeRequest,
    ) -> Result<pb::DeleteRangeResponse, Status> {
        check::delete_range(&request)?;
        match self.propose(who, Operation::DeleteRange(request)).await? {
            Reply::DeleteRange(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) async fn txn(
        &self,
        who: &Who,
        request: pb::TxnRequest,
    ) -> Result<pb::TxnResponse, Status> {
        self.check_quota(quota::txn_cost_bytes(&request)).await?;
        check::txn(&request, TXN_OPERATIONS_MAX)?;
        let mut response = match reads(&request) {
            Reads::No => match self.propose(who, Operation::Txn(request)).await? {
                Reply::Txn(response) => response,
                other => return Err(unexpected(&other)),
            },
            reads => {
                self.read_txn(who, request, reads == Reads::Serializable)
                    .await?
            }
        };
        self.fill(&mut response.header);
        Ok(response)
    }

    /// A transaction that writes nothing needs no entry in the log.
    async fn read_txn(
        &self,
        who: &Who,
        request: pb::TxnRequest,
        serializable: bool,
    ) -> Result<pb::TxnResponse, Status> {
        if !serializable {
            self.linearize().await?;
        }
        let caller = self.caller(who).await?;
        // Without puts no lease is looked at.
        let mut keys_of = |_| Ok(Vec::new());
        self.permit(|rules| rules.permit_txn(identity(&caller), &request, &mut keys_of))?;
        let response = self.read_operations(request).await?;
        self.still_good(&caller)?;
        Ok(response)
    }

    pub(crate) async fn compact(
        &self,
        who: &Who,
        request: pb::CompactionRequest,
    ) -> Result<pb::CompactionResponse, Status> {
        self.permit_admin(who).await?;
        let physical = request.physical;
        let mut response = match self.propose(who, Operation::Compaction(request)).await? {
            Reply::Compaction(response) => response,
            other => return Err(unexpected(&other)),
        };
        if physical {
            self.wait_until_compacted().await?;
        }
        self.fill(&mut response.header);
        Ok(response)
    }
}

impl Api {
    /// Returns once this member has given back the space of what was compacted.
    async fn wait_until_compacted(&self) -> Result<(), Status> {
        while self.view()?.is_compacting() {
            tokio::select! {
                () = tokio::time::sleep(COMPACTED_POLL_INTERVAL) => {}
                () = self.stop.requested() => return Err(errors::STOPPED.into()),
            }
        }
        Ok(())
    }
}

/// The state machine answered another question: a defect, not something that clients can cause.
pub(crate) fn unexpected(reply: &Reply) -> Status {
    tracing::error!(?reply, "the answer does not fit the request");
    Status::internal("etcdserver: the answer does not fit the request")
}

/// How a transaction that may write nothing reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// It may write.
    No,
    Serializable,
    Linearizable,
}

fn reads(request: &pb::TxnRequest) -> Reads {
    let mut reads = Reads::Serializable;
    for operation in request.success.iter().chain(&request.failure) {
        match &operation.request {
            Some(Request::RequestRange(range)) if range.serializable => {}
            Some(Request::RequestRange(_)) => reads = Reads::Linearizable,
            _ => return Reads::No,
        }
    }
    reads
}
