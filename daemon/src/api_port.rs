//! What 6443 answers: joining and health. The Kubernetes API will be served beside them.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use skerry_consensus::Handle;
use skerry_listen::{Handler, Peer};
use skerry_supervisor::{ReplyBody, Supervisor};

/// The handler of the port.
#[derive(Clone)]
pub(crate) struct ApiPort {
    supervisor: Supervisor<Handle>,
}

impl ApiPort {
    pub(crate) fn new(supervisor: Supervisor<Handle>) -> Self {
        Self { supervisor }
    }
}

impl Handler for ApiPort {
    type Body = ReplyBody;

    async fn handle(self, _peer: Arc<Peer>, request: Request<Incoming>) -> Response<Self::Body> {
        self.supervisor.handle(request).await
    }
}
