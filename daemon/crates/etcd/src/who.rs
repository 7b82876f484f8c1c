//! Who asks: what a request says of its sender, not yet judged.

use std::sync::Arc;

use http::HeaderMap;

use skerry_listen::Peer;

/// gRPC metadata or HTTP headers (a token, wishes) and the connection they came over.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) headers: HeaderMap,
    pub(crate) peer: Arc<Peer>,
}

impl Who {
    /// Whether the client would rather fail than talk to a member that knows no leader.
    pub(crate) fn requires_leader(&self) -> bool {
        self.headers
            .get("hasleader")
            .is_some_and(|value| value == "true")
    }

    /// The version of the API that the client says it speaks.
    pub(crate) fn client_version(&self) -> Option<&[u8]> {
        self.headers
            .get("client-api-version")
            .map(http::HeaderValue::as_bytes)
    }
}
