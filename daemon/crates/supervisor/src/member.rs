//! The cluster as this process's own member sees it.

use std::sync::Arc;

use bytes::Bytes;
use skerry_consensus::{Caller, Handle, Member, ProposeError, ReadError, Status};
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::Reply;

use crate::cluster::{Cluster, Swap};

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

    async fn add_member(&self, name: String, peer_urls: Vec<String>) -> Result<u64, ProposeError> {
        let member = Member {
            name,
            peer_urls,
            client_urls: Vec::new(),
        };
        // Not to stay a learner: it gets its vote once it has caught up.
        self.member_join(member).await.map(|(id, _)| id)
    }

    async fn remove_member(&self, id: u64) -> Result<(), ProposeError> {
        self.member_remove(id).await.map(drop)
    }

    async fn displace_member(&self, id: u64) -> Result<(), ProposeError> {
        self.member_remove_silent(id).await.map(drop)
    }

    fn password_hash(&self, id: u64) -> Result<String, String> {
        let view = self.reader().view().map_err(|error| error.to_string())?;
        let member = view.member(id).map_err(|error| error.to_string())?;
        Ok(member
            .map(|member| member.password_hash)
            .unwrap_or_default())
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
        // As in a swap: etcd's users and roles are for its clients.
        self.propose(Caller::member(), operation).await.map(drop)
    }

    async fn swap(&self, swap: Swap) -> Result<bool, ProposeError> {
        // The server decides by rules of its own who may have this done.
        match self.propose(Caller::member(), swap.operation()).await? {
            Reply::Txn(reply) => Ok(reply.succeeded),
            _ => Ok(false),
        }
    }
}

impl Swap {
    /// As the store takes it.
    #[must_use]
    pub fn operation(self) -> Operation {
        let key = Bytes::from(self.key);
        let mut compare = pb::Compare {
            result: pb::compare::CompareResult::Equal.into(),
            key: key.clone(),
            ..pb::Compare::default()
        };
        match self.before {
            Some(value) => {
                compare.target = pb::compare::CompareTarget::Value.into();
                compare.target_union = Some(pb::compare::TargetUnion::Value(value));
            }
            None => {
                compare.target = pb::compare::CompareTarget::Version.into();
                compare.target_union = Some(pb::compare::TargetUnion::Version(0));
            }
        }
        let mut success = vec![put(key, self.after)];
        success.extend(
            self.put
                .into_iter()
                .map(|(key, value)| put(key.into(), value)),
        );
        success.extend(self.delete.into_iter().map(|key| {
            let delete = pb::DeleteRangeRequest {
                key: key.into(),
                ..pb::DeleteRangeRequest::default()
            };
            pb::request_op::Request::RequestDeleteRange(delete)
        }));
        let success = success.into_iter();
        Operation::Txn(pb::TxnRequest {
            compare: vec![compare],
            success: success
                .map(|request| pb::RequestOp {
                    request: Some(request),
                })
                .collect(),
            failure: Vec::new(),
        })
    }
}

fn put(key: Bytes, value: Bytes) -> pb::request_op::Request {
    pb::request_op::Request::RequestPut(pb::PutRequest {
        key,
        value,
        ..pb::PutRequest::default()
    })
}
