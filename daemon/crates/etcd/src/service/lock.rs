//! Lock: a named mutex, held for as long as a lease lives.

use std::sync::Arc;

use bytes::Bytes;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::v3lockpb as lpb;
use tonic::Status;

use super::queue::{self, Waiting, passed_on};
use crate::api::Api;
use crate::who::Who;

const SESSION_EXPIRED: &str = "mutex: session is expired";

impl Api {
    /// Returns once the caller holds the lock.
    pub(crate) async fn lock(
        self: &Arc<Self>,
        who: &Who,
        request: lpb::LockRequest,
    ) -> Result<lpb::LockResponse, Status> {
        let lease = self.session(who, request.lease).await?;
        let prefix = queue::prefix(&request.name);
        let joined = self.join(who, &prefix, lease, Bytes::new()).await?;
        let place = joined.place;
        if joined
            .first
            .is_none_or(|first| first.create_revision == place.revision)
        {
            return Ok(lpb::LockResponse {
                header: joined.header,
                key: place.key,
            });
        }
        let waiting = Waiting::new(self, who, &place);
        self.wait_for_turn(who, &prefix, place.revision).await?;
        // The lease may have ended while its client waited.
        let own = pb::RangeRequest {
            key: place.key.clone(),
            ..Default::default()
        };
        let own = self.range(who, own).await.map_err(passed_on)?;
        if own.kvs.is_empty() {
            return Err(Status::unknown(SESSION_EXPIRED));
        }
        waiting.arrived();
        Ok(lpb::LockResponse {
            header: own.header,
            key: place.key,
        })
    }

    /// Gives the lock up.
    pub(crate) async fn unlock(
        &self,
        who: &Who,
        request: lpb::UnlockRequest,
    ) -> Result<lpb::UnlockResponse, Status> {
        let delete = pb::DeleteRangeRequest {
            key: request.key,
            ..Default::default()
        };
        let response = self.delete_range(who, delete).await.map_err(passed_on)?;
        Ok(lpb::UnlockResponse {
            header: response.header,
        })
    }
}
