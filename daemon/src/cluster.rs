//! The cluster as the supervisor asks for it, answered by this member's consensus handle.

use std::sync::Arc;

use bytes::Bytes;
use skerry_consensus::{Caller, Handle, ProposeError, ReadError, Status};
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_supervisor::Cluster;

/// A member that runs in this process.
#[derive(Clone)]
pub(crate) struct LocalCluster {
    handle: Handle,
}

impl LocalCluster {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

impl Cluster for LocalCluster {
    fn status(&self) -> Arc<Status> {
        self.handle.status()
    }

    fn store_serves(&self) -> Result<(), String> {
        self.handle
            .reader()
            .view()
            .map(drop)
            .map_err(|error| error.to_string())
    }

    async fn linearize(&self) -> Result<(), ReadError> {
        self.handle.linearize().await
    }

    async fn add_member(&self, peer_urls: Vec<String>) -> Result<u64, ProposeError> {
        // Not to stay a learner: it gets its vote once it has caught up.
        self.handle
            .member_add(peer_urls, false)
            .await
            .map(|(id, _)| id)
    }

    async fn remove_member(&self, id: u64) -> Result<(), ProposeError> {
        self.handle.member_remove(id).await.map(drop)
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, String> {
        let view = self
            .handle
            .reader()
            .view()
            .map_err(|error| error.to_string())?;
        let found = view
            .get(key.as_bytes())
            .map_err(|error| error.to_string())?;
        Ok(found.map(|kv| kv.value))
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
        let operation = Operation::Txn(pb::TxnRequest {
            compare: vec![absent],
            success: vec![pb::RequestOp {
                request: Some(pb::request_op::Request::RequestPut(put)),
            }],
            failure: Vec::new(),
        });
        self.handle
            .propose(Caller::default(), operation)
            .await
            .map(drop)
    }
}
