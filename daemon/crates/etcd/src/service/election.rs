//! Election: one leader among the clients that campaign under a name.
//!
//! Key layout and errors are etcd's, whose server runs a client of its own for this.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::request_op::Request;
use skerry_proto::mvccpb;
use skerry_proto::mvccpb::event::EventType;
use skerry_proto::v3electionpb as epb;
use skerry_store::KeyRange;
use tonic::Status;

use super::events::Events;
use super::queue::{self, Place, Waiting, created_at, operation, passed_on};
use crate::api::Api;
use crate::errors;
use crate::grpc::{self, Body, RequestBody};
use crate::method::Method;
use crate::who::Who;

const NOT_LEADER: &str = "election: not leader";
const NO_LEADER: &str = "election: no leader";
const MISSING_LEADER: &str = "\"leader\" field must be provided";

impl Api {
    /// Returns once the caller leads.
    pub(crate) async fn campaign(
        self: &Arc<Self>,
        who: &Who,
        request: epb::CampaignRequest,
    ) -> Result<epb::CampaignResponse, Status> {
        let lease = self.session(who, request.lease).await?;
        let prefix = queue::prefix(&request.name);
        let joined = self
            .join(who, &prefix, lease, request.value.clone())
            .await?;
        let place = joined.place;
        let waiting = Waiting::new(self, who, &place);
        if joined.held.is_some_and(|held| held.value != request.value) {
            self.announce(who, &place, lease, request.value).await?;
        }
        self.wait_for_turn(who, &prefix, place.revision).await?;
        waiting.arrived();
        Ok(epb::CampaignResponse {
            header: joined.header,
            leader: Some(epb::LeaderKey {
                name: request.name,
                key: place.key,
                rev: place.revision,
                lease,
            }),
        })
    }

    /// Gives the leader's place another value.
    pub(crate) async fn proclaim(
        &self,
        who: &Who,
        request: epb::ProclaimRequest,
    ) -> Result<epb::ProclaimResponse, Status> {
        let leader = request
            .leader
            .ok_or_else(|| Status::unknown(MISSING_LEADER))?;
        let lease = self.session(who, leader.lease).await?;
        let place = Place {
            key: leader.key,
            revision: leader.rev,
        };
        let header = self.announce(who, &place, lease, request.value).await?;
        Ok(epb::ProclaimResponse { header })
    }

    async fn announce(
        &self,
        who: &Who,
        place: &Place,
        lease: i64,
        value: Bytes,
    ) -> Result<Option<pb::ResponseHeader>, Status> {
        let put = pb::PutRequest {
            key: place.key.clone(),
            value,
            lease,
            ..Default::default()
        };
        let request = pb::TxnRequest {
            compare: vec![created_at(&place.key, place.revision)],
            success: vec![operation(Request::RequestPut(put))],
            failure: Vec::new(),
        };
        let response = self.txn(who, request).await.map_err(passed_on)?;
        if !response.succeeded {
            return Err(Status::unknown(NOT_LEADER));
        }
        Ok(response.header)
    }

    /// Whoever leads now.
    pub(crate) async fn leader(
        &self,
        who: &Who,
        request: epb::LeaderRequest,
    ) -> Result<epb::LeaderResponse, Status> {
        let first = queue::first_in(&queue::prefix(&request.name));
        let response = self.range(who, first).await.map_err(passed_on)?;
        let kv = response.kvs.into_iter().next();
        let kv = kv.ok_or_else(|| Status::unknown(NO_LEADER))?;
        Ok(epb::LeaderResponse {
            header: response.header,
            kv: Some(kv),
        })
    }

    /// Gives up leading, or campaigning.
    pub(crate) async fn resign(
        &self,
        who: &Who,
        request: epb::ResignRequest,
    ) -> Result<epb::ResignResponse, Status> {
        let leader = request
            .leader
            .ok_or_else(|| Status::unknown(MISSING_LEADER))?;
        let place = Place {
            key: leader.key,
            revision: leader.rev,
        };
        Ok(epb::ResignResponse {
            header: self.give_up(who, &place).await?,
        })
    }

    /// Tells of each leader, and of each value that a leader proclaims.
    pub(crate) async fn observe(
        self: &Arc<Self>,
        who: Who,
        body: RequestBody,
    ) -> Result<Body, Status> {
        let request = grpc::receive(&who.headers, body, &self.room).await?;
        let request: epb::LeaderRequest = request.message;
        let observer = Observer {
            api: Arc::clone(self),
            who: who.clone(),
            prefix: queue::prefix(&request.name),
            following: None,
        };
        let leaders = stream::try_unfold(observer, |mut observer| async move {
            let leader = observer.next().await?;
            Ok(leader.map(|leader| (leader, observer)))
        });
        Ok(self.answers(Method::Observe, who, leaders))
    }
}

/// Looks for a leader, then follows it until its key is gone.
struct Observer {
    api: Arc<Api>,
    who: Who,
    prefix: Bytes,
    following: Option<Events>,
}

impl Observer {
    /// The next leader or value; `None` where history was compacted away, at which etcd ends the
    /// stream.
    async fn next(&mut self) -> Result<Option<epb::LeaderResponse>, Status> {
        while let Some(following) = &mut self.following {
            let Some((event, revision)) = following.next().await? else {
                return Ok(None);
            };
            if event.r#type() == EventType::Delete {
                self.following = None;
            } else if let Some(kv) = event.kv {
                let header = Some(self.api.header_at(revision));
                return Ok(Some(epb::LeaderResponse {
                    header,
                    kv: Some(kv),
                }));
            }
        }
        let first = queue::first_in(&self.prefix);
        let found = self.api.range(&self.who, first).await.map_err(passed_on)?;
        let revision = found.header.as_ref().map_or(0, |header| header.revision);
        let (kv, revision) = match found.kvs.into_iter().next() {
            Some(kv) => (kv, revision),
            None => match self.first_candidate(revision).await? {
                Some(kv) => {
                    let revision = kv.mod_revision;
                    (kv, revision)
                }
                None => return Ok(None),
            },
        };
        let range = KeyRange::Key(kv.key.clone());
        self.following = Some(self.events(range, revision + 1)?);
        let header = Some(self.api.header_at(revision));
        Ok(Some(epb::LeaderResponse {
            header,
            kv: Some(kv),
        }))
    }

    async fn first_candidate(&self, revision: i64) -> Result<Option<mvccpb::KeyValue>, Status> {
        let mut events = self.events(queue::range_of(&self.prefix), revision)?;
        while let Some((event, _)) = events.next().await? {
            if event.r#type() == EventType::Put {
                return Ok(event.kv);
            }
        }
        Ok(None)
    }

    fn events(&self, range: KeyRange, from: i64) -> Result<Events, Status> {
        let events = Events::new(&self.api, range, from);
        events.ok_or_else(|| passed_on(errors::TOO_MANY_REQUESTS.into()))
    }
}
