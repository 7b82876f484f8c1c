//! Lease: keys that vanish when nobody keeps them alive.

use std::sync::Arc;

use futures_util::StreamExt;
use skerry_consensus::ProposeError;
use skerry_proto::command::LeaseRevoke;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::{ApplyError, Reply, quota};
use tonic::Status;

use super::kv::unexpected;
use crate::api::Api;
use crate::errors;
use crate::grpc::{self, Body, RequestBody};
use crate::limits::KEEP_ALIVES_AT_ONCE;
use crate::method::Method;
use crate::who::Who;

impl Api {
    pub(crate) async fn lease_grant(
        &self,
        who: &Who,
        request: pb::LeaseGrantRequest,
    ) -> Result<pb::LeaseGrantResponse, Status> {
        self.check_quota(quota::LEASE_COST_BYTES).await?;
        self.require_user(who).await?;
        match self.propose(who, Operation::LeaseGrant(request)).await? {
            Reply::LeaseGrant(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) async fn lease_revoke(
        &self,
        who: &Who,
        request: pb::LeaseRevokeRequest,
    ) -> Result<pb::LeaseRevokeResponse, Status> {
        self.require_user(who).await?;
        let revoke = LeaseRevoke {
            id: request.id,
            expired: false,
        };
        match self.propose(who, Operation::LeaseRevoke(revoke)).await? {
            Reply::LeaseRevoke(mut response) => {
                self.fill(&mut response.header);
                Ok(response)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// One answer for each request of the stream, in order.
    pub(crate) async fn lease_keep_alive(
        self: &Arc<Self>,
        who: Who,
        body: RequestBody,
    ) -> Result<Body, Status> {
        let requests = grpc::requests::<pb::LeaseKeepAliveRequest>(body);
        let keeper = (Arc::clone(self), Arc::new(who.clone()));
        let answers = requests
            .map(move |request| {
                let (api, who) = keeper.clone();
                async move { api.keep_alive(&who, request?.id).await }
            })
            .buffered(KEEP_ALIVES_AT_ONCE);
        Ok(self.answers(Method::LeaseKeepAlive, who, answers))
    }

    async fn keep_alive(&self, who: &Who, id: i64) -> Result<pb::LeaseKeepAliveResponse, Status> {
        // The header is made before the renewal, so that its revision is not past a revocation
        // that the renewal did not see.
        let header = self.header();
        self.permit_lease_write(who, id).await?;
        let ttl = match self.handle.lease_keep_alive(id).await {
            Ok(ttl) => ttl,
            Err(error) if is_not_found(&error) => 0,
            Err(error) => return Err(errors::propose(&error)),
        };
        Ok(pb::LeaseKeepAliveResponse {
            header: Some(header),
            id,
            ttl,
        })
    }

    pub(crate) async fn lease_time_to_live(
        &self,
        who: &Who,
        request: pb::LeaseTimeToLiveRequest,
    ) -> Result<pb::LeaseTimeToLiveResponse, Status> {
        self.require_user(who).await?;
        if request.keys {
            self.permit_lease_read(who, &[request.id]).await?;
        }
        let remaining = match self.handle.lease_remaining(request.id).await {
            Ok(remaining) => Some(remaining),
            Err(error) if is_not_found(&error) => None,
            Err(error) => return Err(errors::propose(&error)),
        };
        let mut response = pb::LeaseTimeToLiveResponse {
            header: Some(self.header()),
            id: request.id,
            ttl: -1,
            ..Default::default()
        };
        if let Some((remaining, granted)) = remaining {
            response.ttl = remaining;
            response.granted_ttl = granted;
            if request.keys {
                let keys = self.view()?.lease_keys(request.id);
                response.keys = keys.map_err(|error| errors::store(&error))?;
            }
        }
        Ok(response)
    }

    pub(crate) async fn lease_leases(
        &self,
        who: &Who,
        _request: pb::LeaseLeasesRequest,
    ) -> Result<pb::LeaseLeasesResponse, Status> {
        let leases = self
            .view()?
            .leases()
            .map_err(|error| errors::store(&error))?;
        let mut ids: Vec<i64> = leases.iter().map(|lease| lease.id).collect();
        self.handle.sort_by_lease_end(&mut ids);
        self.permit_lease_read(who, &ids).await?;
        Ok(pb::LeaseLeasesResponse {
            header: Some(self.header()),
            leases: ids.into_iter().map(|id| pb::LeaseStatus { id }).collect(),
        })
    }
}

fn is_not_found(error: &ProposeError) -> bool {
    matches!(error, ProposeError::Refused(ApplyError::LeaseNotFound))
}
