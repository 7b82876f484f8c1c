//! The cluster as this process's own member sees it.

use std::sync::Arc;

use bytes::Bytes;
use skerry_consensus::{Caller, Handle, ProposeError, ReadError, Status};
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;

use crate::cluster::Cluster;

impl Cluster for Handle {
    fn status(&self) -> Arc<Status> {
        Handle::status(self)
    }

    fn store_serves(&self) -> Result<(), String> {
        self.reader()
            .view()
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn pulses(&self) -> [u64; 3] {
        let pulse = self.pulse();
        [pulse.consensus, pulse.log, pulse.store]
    }

    async fn linearize(&self) -> Result<(), ReadError> {
        Handle::linearize(self).await
    }

    async fn add_member(&self, peer_urls: Vec<String>) -> Result<u64, ProposeError> {
        // Not to stay a learner: it gets its vote once it has caught up.
        self.member_add(peer_urls, false).await.map(|(id, _)| id)
    }

    async fn remove_member(&self, id: u64) -> Result<(), ProposeError> {
        self.member_remove(id).await.map(drop)
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, String> {
        let view = self.reader().view().map_err(|error| error.to_string())?;
        let found = view
            .get(key.as_bytes())
            .map_err(|error| error.to_string())?;
        Ok(found.map(|found| found.value))
    }

    async fn put_if_absent(&self, key: &str, value: Bytes) -> Result<(), ProposeError> {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let absent = pb::Compare {
            result: pb::compare::CompareResult::Equal.into(),
            target: pb::compare::CompareTarget::Version.into(),
            key: key.clone(),
            target_union: Some(pb::compare::TargetUnion::Version(0)),
            ..pb::Compare::default()
        };
        let put = pb::PutRequest {
            key,
            value,
            ..pb::PutRequest::default()
        };
        let put = pb::request_op::Request::RequestPut(put);
        let operation = Operation::Txn(pb::TxnRequest {
            compare: vec![absent],
            success: vec![pb::RequestOp { request: Some(put) }],
            failure: Vec::new(),
        });
        self.propose(Caller::default(), operation).await.map(drop)
    }
}
