//! gRPC's health service: this member serves for as long as it answers.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tonic::Status;

use crate::api::Api;
use crate::grpc::{self, Body, RequestBody};
use crate::method::Method;
use crate::rpc::health::health_check_response::ServingStatus;
use crate::rpc::health::{HealthCheckRequest, HealthCheckResponse};
use crate::who::Who;

impl Api {
    /// As in etcd, only the server as a whole has a status.
    pub(crate) async fn health_check(
        &self,
        _who: &Who,
        request: HealthCheckRequest,
    ) -> Result<HealthCheckResponse, Status> {
        if !request.service.is_empty() {
            return Err(Status::not_found("unknown service"));
        }
        Ok(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        })
    }

    /// The status once; it changes with the end of the stream.
    pub(crate) async fn health_watch(
        self: &Arc<Self>,
        who: Who,
        body: RequestBody,
    ) -> Result<Body, Status> {
        let request = grpc::receive(&who.headers, body, &self.room).await?;
        let request: HealthCheckRequest = request.message;
        let status = match request.service.as_str() {
            "" => ServingStatus::Serving,
            _ => ServingStatus::ServiceUnknown,
        };
        let once = stream::once(async move {
            Ok(HealthCheckResponse {
                status: status.into(),
            })
        });
        Ok(self.answers(Method::HealthWatch, who, once.chain(stream::pending())))
    }
}
