//! What 6443 answers: joining and health, administrators' commands, and the Kubernetes API where
//! this server has one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use skerry_consensus::Handle;
use skerry_health::Health;
use skerry_kube::Api;
use skerry_listen::{BoxError, Handler, Peer};
use skerry_supervisor::{ReplyBody, Supervisor};

use crate::admin::Routes;
use crate::alone::Alone;
use crate::foreign::WithoutMember;
use crate::ground;

/// What those are told who write while this server's cluster gives way to another.
const GIVING_WAY: &str = "the server is joining another cluster";

/// The handler of the port.
#[derive(Clone)]
pub(crate) struct ApiPort {
    front: Front,
    admin: Routes,
    /// None on a member that is datastore only.
    api: Option<Api>,
    alone: Alone,
}

/// Who answers what is neither the API's nor an administrator's.
#[derive(Clone)]
pub(crate) enum Front {
    /// A member, which others may join.
    Member(Supervisor<Handle>),
    Foreign(Arc<WithoutMember>),
}

impl From<Supervisor<Handle>> for Front {
    fn from(supervisor: Supervisor<Handle>) -> Front {
        Front::Member(supervisor)
    }
}

impl From<WithoutMember> for Front {
    fn from(without: WithoutMember) -> Front {
        Front::Foreign(Arc::new(without))
    }
}

impl ApiPort {
    pub(crate) fn new(
        front: impl Into<Front>,
        admin: Routes,
        api: Option<Api>,
        alone: Alone,
    ) -> Self {
        Self {
            front: front.into(),
            admin,
            api,
            alone,
        }
    }
}

impl Handler for ApiPort {
    type Body = PortBody;

    async fn handle(self, peer: Arc<Peer>, request: Request<Incoming>) -> Response<PortBody> {
        if may_write(request.method()) {
            let gives_way = || (!self.alone.may_write()).then_some(GIVING_WAY);
            if let Some(reason) = ground::refusal().or_else(gives_way) {
                return unavailable(reason).map(PortBody::Supervisor);
            }
        }
        if Routes::serves(request.uri().path()) {
            let reply = self.admin.answer(&peer, request).await;
            return reply.map(PortBody::Supervisor);
        }
        match &self.api {
            Some(api) if is_of_the_api(request.uri().path()) => {
                api.answer(&peer, request).await.map(PortBody::Api)
            }
            _ => match &self.front {
                Front::Member(supervisor) => {
                    supervisor.handle(request).await.map(PortBody::Supervisor)
                }
                Front::Foreign(without) => without.answer(&request).map(PortBody::Supervisor),
            },
        }
    }
}

fn may_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The answer to a write that is not to be done here and now. `reason` needs no escapes.
fn unavailable(reason: &str) -> Response<ReplyBody> {
    let text = format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{reason}","reason":"ServiceUnavailable","code":503}}"#
    );
    let mut response = Response::new(ReplyBody::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Who asks for health is looked at by the API where there is one, as whoever asks for more is.
fn is_of_the_api(path: &str) -> bool {
    Health::serves(path) || !Supervisor::<Handle>::serves(path)
}

/// The bodies of both.
pub(crate) enum PortBody {
    Supervisor(ReplyBody),
    Api(skerry_kube::Body),
}

impl Body for PortBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            PortBody::Supervisor(body) => boxed(Pin::new(body).poll_frame(cx)),
            PortBody::Api(body) => boxed(Pin::new(body).poll_frame(cx)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            PortBody::Supervisor(body) => body.is_end_stream(),
            PortBody::Api(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            PortBody::Supervisor(body) => body.size_hint(),
            PortBody::Api(body) => body.size_hint(),
        }
    }
}

fn boxed<E: Into<BoxError>>(
    frame: Poll<Option<Result<Frame<Bytes>, E>>>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
}
