//! A foreign etcd as the Kubernetes API and the supervisor see a member's store.
//!
//! Invariant: while etcd does not answer, writes are refused at once, as without a quorum, and
//! reads are those of the replica.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use skerry_consensus::{ProposeError, ReadError, Role, Status};
use skerry_foreign::Foreign;
use skerry_kube::{Datastore, Leadership, Pending};
use skerry_proto::command::command::Operation;
use skerry_store::{Reader, Reply};
use skerry_supervisor::{Cluster, Swap};

/// See the module. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub(crate) struct OnEtcd(Arc<Foreign>);

impl OnEtcd {
    pub(crate) fn new(foreign: Foreign) -> OnEtcd {
        OnEtcd(Arc::new(foreign))
    }

    pub(crate) fn foreign(&self) -> &Foreign {
        &self.0
    }

    pub(crate) async fn write(&self, operation: Operation) -> Result<Reply, ProposeError> {
        if !self.0.is_reachable() {
            return Err(ProposeError::NoLeader);
        }
        self.0.propose(operation).await
    }
}

impl Datastore for OnEtcd {
    fn propose(&self, operation: Operation) -> Pending<'_, Result<Reply, ProposeError>> {
        Box::pin(self.write(operation))
    }

    fn linearize(&self) -> Pending<'_, Result<(), ReadError>> {
        Box::pin(self.0.linearize())
    }

    fn reader(&self) -> Reader {
        self.0.reader()
    }

    fn leadership(&self) -> Leadership {
        match self.0.is_reachable() {
            false => Leadership::Nobody,
            true if self.0.leads() => Leadership::Here,
            true => Leadership::Elsewhere,
        }
    }

    fn is_cut_off(&self) -> bool {
        !self.0.is_reachable()
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.0.addresses()
    }
}

impl Cluster for OnEtcd {
    fn status(&self) -> Arc<Status> {
        let reachable = self.0.is_reachable();
        let revision = self.0.revision().unsigned_abs();
        Arc::new(Status {
            cluster_id: self.0.cluster_id(),
            member_id: 0,
            role: match self.0.leads() {
                true => Role::Leader,
                false => Role::Follower,
            },
            // That there is one is all that is known.
            leader: reachable.then_some(0),
            term: 0,
            committed_index: revision,
            applied_index: revision,
            members: Vec::new(),
            out_of_reach: !reachable,
            fatal: None,
        })
    }

    fn store_serves(&self) -> Result<(), String> {
        let view = self.0.reader().view();
        view.map(drop).map_err(|error| error.to_string())
    }

    fn pulses(&self) -> [u64; 3] {
        [self.0.pulse(); 3]
    }

    async fn linearize(&self) -> Result<(), ReadError> {
        self.0.linearize().await
    }

    async fn add_member(&self, _: String, _: Vec<String>) -> Result<u64, ProposeError> {
        Err(ProposeError::NotEnoughStartedMembers)
    }

    async fn remove_member(&self, _: u64) -> Result<(), ProposeError> {
        Err(ProposeError::MemberNotFound)
    }

    async fn displace_member(&self, _: u64) -> Result<(), ProposeError> {
        Err(ProposeError::MemberNotFound)
    }

    fn password_hash(&self, _: u64) -> Result<String, String> {
        Ok(String::new())
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, String> {
        let view = self.0.reader().view().map_err(|error| error.to_string())?;
        let found = view
            .get(key.as_bytes())
            .map_err(|error| error.to_string())?;
        Ok(found.map(|found| found.value))
    }

    async fn put_if_absent(&self, key: &str, value: Bytes) -> Result<(), ProposeError> {
        let swap = Swap {
            key: key.to_owned(),
            before: None,
            after: value,
            put: Vec::new(),
            delete: Vec::new(),
        };
        self.write(swap.operation()).await.map(drop)
    }

    async fn swap(&self, swap: Swap) -> Result<bool, ProposeError> {
        match self.write(swap.operation()).await? {
            Reply::Txn(reply) => Ok(reply.succeeded),
            _ => Ok(false),
        }
    }
}
