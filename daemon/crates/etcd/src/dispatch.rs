//! From a request to the method that serves it: gRPC by path, everything else as plain HTTP.

use std::future::Future;
use std::sync::Arc;

use http::{Method as HttpMethod, Request, Response};
use hyper::body::Incoming;
use prost::Message;
use tonic::{Code, Status};

use crate::api::Api;
use crate::grpc::{self, Body, RangeAnswer, Received, RequestBody};
use crate::limits::{ANSWER_BYTES_MAX, ANSWER_PIECE_BYTES};
use crate::method::{self, Kind, Method};
use crate::who::Who;
use crate::{errors, gateway, http as plain};
use skerry_listen::{Handler, Peer, pressure};

/// Answers clients on the client port.
#[derive(Clone)]
pub(crate) struct ClientPort(pub(crate) Arc<Api>);

impl Handler for ClientPort {
    type Body = Body;

    fn handle(
        self,
        peer: Arc<Peer>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        let api = self.0;
        async move {
            if request.method() == HttpMethod::POST && grpc::is_grpc(request.headers()) {
                call(api, peer, request.map(RequestBody::Network)).await
            } else {
                Box::pin(answer_http(api, peer, request)).await
            }
        }
    }
}

/// Answers on the metrics port: health, metrics and version, nothing that needs to know who asks.
#[derive(Clone)]
pub(crate) struct MetricsPort(pub(crate) Arc<Api>);

impl Handler for MetricsPort {
    type Body = Body;

    fn handle(
        self,
        _peer: Arc<Peer>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        plain::answer(self.0, request)
    }
}

/// Answers what is not gRPC: the JSON gateway and plain HTTP, for pages of any origin.
async fn answer_http(api: Arc<Api>, peer: Arc<Peer>, request: Request<Incoming>) -> Response<Body> {
    let through_gateway = gateway::serves(request.uri().path());
    let mut response = if through_gateway && api.auth.refuses_at_gateway(&peer) {
        gateway::refuse_common_name()
    } else if request.method() == HttpMethod::OPTIONS {
        Response::new(Body::Empty)
    } else if through_gateway {
        let calls = GatewayCalls {
            api,
            peer: Arc::new(peer.without_name()),
        };
        gateway::answer(&calls, request).await
    } else {
        plain::answer(api, request).await
    };
    gateway::allow_any_origin(response.headers_mut());
    response
}

/// The way of a gateway request to the methods: as any call, but from nobody by certificate.
struct GatewayCalls {
    api: Arc<Api>,
    peer: Arc<Peer>,
}

impl gateway::Calls for GatewayCalls {
    fn call(
        &self,
        request: Request<gateway::Frames>,
    ) -> impl Future<Output = Response<Body>> + Send {
        let (api, peer) = (Arc::clone(&self.api), Arc::clone(&self.peer));
        call(api, peer, request.map(RequestBody::Process))
    }
}

/// Answers one gRPC call.
async fn call(api: Arc<Api>, peer: Arc<Peer>, request: Request<RequestBody>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let Some(method) = Method::of(path) else {
        return grpc::refuse(grpc::unimplemented(path, method::service_known(path)));
    };
    let who = Who {
        headers: parts.headers,
        peer,
    };
    api.metrics.started(method, who.client_version());
    if let Err(status) = admit(&api, method, &who) {
        return refuse(&api, method, status);
    }

    // The methods that a busy server spends its time in are awaited in place; the others are
    // boxed, so that they do not make the future of every call large.
    macro_rules! unary {
        ($function:ident) => {{
            let outcome = match receive(&api, &who, body).await {
                Ok(Received {
                    message, _share, ..
                }) => api.$function(&who, message).await,
                Err(status) => Err(status),
            };
            answer(&api, method, outcome)
        }};
    }
    macro_rules! rare {
        ($function:ident) => {
            Box::pin(async { unary!($function) }).await
        };
    }
    macro_rules! stream {
        ($function:ident) => {
            Box::pin(async {
                match api.$function(who, body).await {
                    Ok(body) => grpc::begin(body),
                    Err(status) => refuse(&api, method, status),
                }
            })
            .await
        };
    }

    match method {
        Method::Range => range(&api, &who, body).await,
        Method::Put => unary!(put),
        Method::Txn => unary!(txn),
        Method::DeleteRange => unary!(delete_range),
        Method::Compact => rare!(compact),
        Method::Watch => stream!(watch),
        Method::LeaseGrant => rare!(lease_grant),
        Method::LeaseRevoke => rare!(lease_revoke),
        Method::LeaseKeepAlive => stream!(lease_keep_alive),
        Method::LeaseTimeToLive => rare!(lease_time_to_live),
        Method::LeaseLeases => rare!(lease_leases),
        Method::MemberAdd => rare!(member_add),
        Method::MemberRemove => rare!(member_remove),
        Method::MemberUpdate => rare!(member_update),
        Method::MemberList => rare!(member_list),
        Method::MemberPromote => rare!(member_promote),
        Method::Alarm => rare!(alarm),
        Method::Status => rare!(maintenance_status),
        Method::Defragment => rare!(defragment),
        Method::Hash => rare!(hash),
        Method::HashKv => rare!(hash_kv),
        Method::Snapshot => stream!(snapshot),
        Method::MoveLeader => rare!(move_leader),
        Method::Downgrade => rare!(downgrade),
        Method::Campaign => rare!(campaign),
        Method::Proclaim => rare!(proclaim),
        Method::Leader => rare!(leader),
        Method::Observe => stream!(observe),
        Method::Resign => rare!(resign),
        Method::Lock => rare!(lock),
        Method::Unlock => rare!(unlock),
        Method::HealthCheck => rare!(health_check),
        Method::HealthWatch => stream!(health_watch),
        Method::AuthEnable => rare!(auth_enable),
        Method::AuthDisable => rare!(auth_disable),
        Method::AuthStatus => rare!(auth_status),
        Method::Authenticate => rare!(authenticate),
        Method::UserAdd => rare!(user_add),
        Method::UserGet => rare!(user_get),
        Method::UserList => rare!(user_list),
        Method::UserDelete => rare!(user_delete),
        Method::UserChangePassword => rare!(user_change_password),
        Method::UserGrantRole => rare!(user_grant_role),
        Method::UserRevokeRole => rare!(user_revoke_role),
        Method::RoleAdd => rare!(role_add),
        Method::RoleGet => rare!(role_get),
        Method::RoleList => rare!(role_list),
        Method::RoleDelete => rare!(role_delete),
        Method::RoleGrantPermission => rare!(role_grant_permission),
        Method::RoleRevokePermission => rare!(role_revoke_permission),
    }
}

/// What is asked of every call before its message is read.
fn admit(api: &Api, method: Method, who: &Who) -> Result<(), Status> {
    if let Some(gate) = &api.options.gate
        && method.may_write()
        && let Some(reason) = (gate.0)()
    {
        return Err(Status::unavailable(reason));
    }
    if pressure::is_high() && method.needs_memory() {
        return Err(errors::NO_MEMORY.into());
    }
    let needs_leader = who.requires_leader();
    let learner_may = match method.kind() {
        // A range is judged once it is known whether it is serializable.
        Kind::Unary => matches!(method, Method::Status | Method::Range | Method::HealthCheck),
        Kind::ServerStream | Kind::BidiStream => {
            matches!(method, Method::Snapshot | Method::HealthWatch)
        }
    };
    if learner_may && !needs_leader {
        return Ok(());
    }
    let status = api.status();
    if !learner_may && api.is_learner(&status) {
        return Err(errors::NOT_FOR_LEARNER.into());
    }
    if needs_leader && status.leader.is_none() {
        return Err(errors::NO_LEADER.into());
    }
    Ok(())
}

async fn receive<M: Message + Default>(
    api: &Api,
    who: &Who,
    body: RequestBody,
) -> Result<Received<M>, Status> {
    let received = grpc::receive(&who.headers, body, &api.room).await?;
    api.metrics.received_bytes.add(received.bytes as u64);
    Ok(received)
}

/// A range, whose answer may be too large to be held twice.
async fn range(api: &Api, who: &Who, body: RequestBody) -> Response<Body> {
    let outcome = match receive(api, who, body).await {
        Ok(received) => api.range_in_room(who, received.message).await,
        Err(status) => Err(status),
    };
    match outcome {
        Ok((response, Some(room))) => {
            let length = response.encoded_len();
            if (2 * ANSWER_PIECE_BYTES..=ANSWER_BYTES_MAX).contains(&length) {
                api.metrics.handled(Method::Range, Code::Ok);
                api.metrics.sent_bytes.add(length as u64);
                return grpc::begin(Body::stream(RangeAnswer::new(response, room)));
            }
            answer(api, Method::Range, Ok(response))
        }
        Ok((response, None)) => answer(api, Method::Range, Ok(response)),
        Err(status) => refuse(api, Method::Range, status),
    }
}

fn answer<M: Message>(api: &Api, method: Method, outcome: Result<M, Status>) -> Response<Body> {
    match outcome {
        Ok(message) => {
            let length = message.encoded_len();
            if length > ANSWER_BYTES_MAX {
                let text = "grpc: trying to send message larger than max";
                let text = format!("{text} ({length} vs. {ANSWER_BYTES_MAX})");
                return refuse(api, method, Status::resource_exhausted(text));
            }
            let frame = grpc::frame(&message);
            api.metrics.handled(method, Code::Ok);
            api.metrics.sent_bytes.add(frame.len() as u64);
            grpc::respond(frame)
        }
        Err(status) => refuse(api, method, status),
    }
}

fn refuse(api: &Api, method: Method, status: Status) -> Response<Body> {
    api.metrics.handled(method, status.code());
    grpc::refuse(status)
}
