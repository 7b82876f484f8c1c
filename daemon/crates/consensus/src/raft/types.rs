//! The types that openraft is filled in with.
//!
//! Written by hand, for `declare_raft_types!` cannot set the responder. Invariant: nothing of
//! openraft's own serialisation reaches the disk or the wire; see [`super::record`].

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use openraft::raft::responder::Responder;
use openraft::type_config::alias;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Member;

/// A node of the Raft group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peer {
    /// What etcd's clients see of it.
    pub(crate) member: Member,
    /// Becomes a voter by itself as soon as it has caught up, and is removed if it never does.
    pub(crate) auto_promote: bool,
}

/// An encoded [`skerry_proto::command::Command`]: opaque here, never copied.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Data(pub(crate) Bytes);

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyBytes;
        impl Visitor<'_> for AnyBytes {
            type Value = Data;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Data, E> {
                Ok(Data(Bytes::copy_from_slice(bytes)))
            }
            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Data, E> {
                Ok(Data(Bytes::from(bytes)))
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Data, E> {
                Err(E::custom("no bytes"))
            }
        }
        deserializer
            .deserialize_byte_buf(AnyBytes)
            .map_err(D::Error::custom)
    }
}

/// What openraft learns of an applied entry: nothing, the store thread answers its clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done;

/// Takes the outcome of a write to whoever waits for it, without an allocation or a task.
pub(crate) struct Answer<T> {
    pub(crate) pending: crate::node::dispatch::Pending,
    pub(crate) finish: fn(crate::node::dispatch::Pending, T),
}

impl<T: 'static> Responder<TypeConfig, T> for Answer<T> {
    fn on_complete(self, result: T) {
        (self.finish)(self.pending, result);
    }
}

/// openraft's type parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TypeConfig;

impl openraft::RaftTypeConfig for TypeConfig {
    type D = Data;
    type R = Done;
    type NodeId = u64;
    type Node = Peer;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote;
    type Payload = Payload;
    type Entry = Entry;
    // The runtime that openraft re-exports is the one that its features configure.
    #[allow(deprecated)]
    type AsyncRuntime = openraft::impls::TokioRuntime;
    type Responder<T>
        = Answer<T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: openraft::OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

pub(crate) type LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, u64>;
pub(crate) type Vote = openraft::impls::Vote<LeaderId>;
pub(crate) type Payload = openraft::EntryPayload<Data, u64, Peer>;
pub(crate) type Entry = openraft::impls::Entry<LeaderId, Payload>;
pub(crate) type LogId = openraft::LogId<LeaderId>;
pub(crate) type Membership = openraft::Membership<u64, Peer>;
pub(crate) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Metrics = openraft::RaftMetrics<TypeConfig>;
pub(crate) type Raft = openraft::Raft<TypeConfig, super::state_machine::StateMachine>;

/// A log id in the words of the store.
pub(crate) fn to_store(id: &LogId) -> skerry_store::LogId {
    let leader = id.committed_leader_id();
    skerry_store::LogId {
        term: leader.term,
        node_id: leader.node_id,
        index: id.index(),
    }
}

/// A log id in the words of openraft.
pub(crate) fn from_store(id: &skerry_store::LogId) -> LogId {
    LogId::new(
        LeaderId {
            term: id.term,
            node_id: id.node_id,
        },
        id.index,
    )
}

/// The members that vote in the newest configuration.
pub(crate) fn voters(membership: &Membership) -> BTreeSet<u64> {
    membership.voter_ids().collect()
}
