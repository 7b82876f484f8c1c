//! Standing in line: what elections and locks have in common.
//!
//! Everybody in line under a name is a key `name/lease`, bound to that lease. The order is that of
//! creation, and whose turn it is to go is who has nobody before it. A place is given up with the
//! lease, by deleting the key, or when its client goes away while it waits.

use std::sync::Arc;

use bytes::Bytes;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use skerry_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use skerry_proto::etcdserverpb::request_op::Request;
use skerry_proto::etcdserverpb::response_op::Response;
use skerry_proto::mvccpb;
use skerry_store::KeyRange;
use tonic::Status;

use crate::api::Api;
use crate::errors;
use crate::who::Who;

/// Life of the lease of a client that brought none.
const SESSION_TTL_SECONDS: i64 = 60;

/// A place in line.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) key: Bytes,
    /// The revision at which the key was created.
    pub(super) revision: i64,
}

/// What came of joining a line.
pub(super) struct Joined {
    pub(super) header: Option<pb::ResponseHeader>,
    pub(super) place: Place,
    /// What stood at the place already, where the same lease joined before.
    pub(super) held: Option<mvccpb::KeyValue>,
    /// Whoever was first in line at that moment.
    pub(super) first: Option<mvccpb::KeyValue>,
}

/// An error as etcd passes it on here: its text without its code.
pub(super) fn passed_on(status: Status) -> Status {
    Status::unknown(status.message())
}

/// What all keys of a line start with.
pub(super) fn prefix(name: &Bytes) -> Bytes {
    [&name[..], b"/"].concat().into()
}

/// The end of the range of all keys with a prefix that ends in a slash.
fn end_of(prefix: &Bytes) -> Bytes {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

/// The key of a lease in a line; as Go's `%x` writes a signed number.
fn key_of(prefix: &Bytes, lease: i64) -> Bytes {
    let sign = if lease < 0 { "-" } else { "" };
    let number = format!("{sign}{:x}", lease.unsigned_abs());
    [&prefix[..], number.as_bytes()].concat().into()
}

/// Whoever is first in line.
pub(super) fn first_in(prefix: &Bytes) -> pb::RangeRequest {
    pb::RangeRequest {
        key: prefix.clone(),
        range_end: end_of(prefix),
        limit: 1,
        sort_order: SortOrder::Ascend.into(),
        sort_target: SortTarget::Create.into(),
        ..Default::default()
    }
}

/// All keys of a line.
pub(super) fn range_of(prefix: &Bytes) -> KeyRange {
    KeyRange::new(prefix, &end_of(prefix))
}

pub(super) fn operation(request: Request) -> pb::RequestOp {
    pb::RequestOp {
        request: Some(request),
    }
}

/// Holds where a key was created at a revision; 0: where there is none.
pub(super) fn created_at(key: &Bytes, revision: i64) -> pb::Compare {
    pb::Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.clone(),
        range_end: Bytes::new(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
    }
}

/// The only key of a range in the answer to a transaction.
fn found(response: pb::ResponseOp) -> Option<mvccpb::KeyValue> {
    match response.response? {
        Response::ResponseRange(range) => range.kvs.into_iter().next(),
        _ => None,
    }
}

impl Api {
    /// The lease that a client brought, or a new one.
    pub(super) async fn session(&self, who: &Who, lease: i64) -> Result<i64, Status> {
        if lease != 0 {
            return Ok(lease);
        }
        let grant = pb::LeaseGrantRequest {
            ttl: SESSION_TTL_SECONDS,
            id: 0,
        };
        Ok(self.lease_grant(who, grant).await.map_err(passed_on)?.id)
    }

    /// Joins a line, or finds the place that the lease already has.
    pub(super) async fn join(
        &self,
        who: &Who,
        prefix: &Bytes,
        lease: i64,
        value: Bytes,
    ) -> Result<Joined, Status> {
        let key = key_of(prefix, lease);
        let own = pb::RangeRequest {
            key: key.clone(),
            ..Default::default()
        };
        let put = pb::PutRequest {
            key: key.clone(),
            value,
            lease,
            ..Default::default()
        };
        let first = operation(Request::RequestRange(first_in(prefix)));
        let request = pb::TxnRequest {
            compare: vec![created_at(&key, 0)],
            success: vec![operation(Request::RequestPut(put)), first.clone()],
            failure: vec![operation(Request::RequestRange(own)), first],
        };
        let response = self.txn(who, request).await.map_err(passed_on)?;
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        let mut responses = response.responses.into_iter();
        let held = responses.next().and_then(found);
        let first = responses.next().and_then(found);
        let revision = held.as_ref().map_or(revision, |held| held.create_revision);
        Ok(Joined {
            header: response.header,
            place: Place { key, revision },
            held,
            first,
        })
    }

    /// Returns once nobody in line was created before this revision.
    pub(super) async fn wait_for_turn(
        &self,
        who: &Who,
        prefix: &Bytes,
        revision: i64,
    ) -> Result<(), Status> {
        loop {
            let before = pb::RangeRequest {
                sort_order: SortOrder::Descend.into(),
                max_create_revision: revision - 1,
                ..first_in(prefix)
            };
            let response = self.range(who, before).await.map_err(passed_on)?;
            let Some(last) = response.kvs.into_iter().next() else {
                return Ok(());
            };
            self.wait_until_gone(&last).await?;
        }
    }

    async fn wait_until_gone(&self, kv: &mvccpb::KeyValue) -> Result<(), Status> {
        let signal = self.watches.signal(KeyRange::Key(kv.key.clone()));
        let mut signal = signal.ok_or_else(|| passed_on(errors::TOO_MANY_REQUESTS.into()))?;
        loop {
            let now = self
                .view()?
                .get(&kv.key)
                .map_err(|error| errors::store(&error))?;
            if now.is_none_or(|now| now.create_revision != kv.create_revision) {
                return Ok(());
            }
            tokio::select! {
                () = signal.fired() => {}
                () = self.stop.requested() => return Err(passed_on(errors::STOPPED.into())),
            }
        }
    }

    /// Gives up a place; nothing happens where it is somebody else's by now.
    pub(super) async fn give_up(
        &self,
        who: &Who,
        place: &Place,
    ) -> Result<Option<pb::ResponseHeader>, Status> {
        let delete = pb::DeleteRangeRequest {
            key: place.key.clone(),
            ..Default::default()
        };
        let request = pb::TxnRequest {
            compare: vec![created_at(&place.key, place.revision)],
            success: vec![operation(Request::RequestDeleteRange(delete))],
            failure: Vec::new(),
        };
        Ok(self.txn(who, request).await.map_err(passed_on)?.header)
    }
}

/// Gives up a place when it is dropped before [`Waiting::arrived`]: the client went away, or the
/// wait failed.
pub(super) struct Waiting(Option<(Arc<Api>, Who, Place)>);

impl Waiting {
    pub(super) fn new(api: &Arc<Api>, who: &Who, place: &Place) -> Waiting {
        Waiting(Some((Arc::clone(api), who.clone(), place.clone())))
    }

    pub(super) fn arrived(mut self) {
        self.0 = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some((api, who, place)) = self.0.take() else {
            return;
        };
        tokio::spawn(async move {
            if let Err(status) = api.give_up(&who, &place).await {
                // The lease will end it.
                tracing::debug!(reason = status.message(), "cannot give up a place in line");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_line_has_the_key_that_etcd_gives_it() {
        let prefix = prefix(&Bytes::from_static(b"name"));
        assert_eq!(key_of(&prefix, 0x32_69_5a), "name/32695a");
        assert_eq!(key_of(&prefix, -1), "name/-1");
        assert_eq!(key_of(&prefix, i64::MIN), "name/-8000000000000000");
        assert_eq!(end_of(&prefix), "name0");
    }
}
