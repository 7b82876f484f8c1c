//! Which cluster a server is of: asked by servers that may be of another one.
//!
//! Answered to everybody: whoever asks shares no authority with this cluster. Nothing secret is
//! said. Knows nothing about what is done about it; what is heard here is proved by nobody.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use skerry_consensus::Status;
use skerry_pki::{Clock, client_config_unverified};

use crate::ServerUrl;
use crate::call::{Call, Times};
use crate::limits::WAITING_ANSWER_TIME_MAX;

/// The path of the question.
pub(crate) const CLUSTER_PATH: &str = "/v1-skerry/cluster";

/// What a server says of its cluster. Fields may be added: what is not known is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutCluster {
    /// Its id.
    pub cluster_id: u64,
    /// How many members it has.
    #[serde(default)]
    pub members: usize,
    /// Whether this server has formed it without having heard of all servers of its list.
    #[serde(default)]
    pub formed_alone: bool,
    /// Whether nobody but that server has written anything since.
    #[serde(default)]
    pub untouched: bool,
}

impl AboutCluster {
    /// As consensus knows it, of a server that has not formed it alone.
    #[must_use]
    pub fn of(status: &Status) -> AboutCluster {
        AboutCluster {
            cluster_id: status.cluster_id,
            members: status.members.len(),
            formed_alone: false,
            untouched: false,
        }
    }
}

/// What a server says of its cluster; none where nobody answers, or it does not know the question.
pub async fn about_cluster(server: &ServerUrl, clock: &Arc<Clock>) -> Option<AboutCluster> {
    let call = Call {
        server,
        tls: client_config_unverified(clock).ok()?,
        method: Method::GET,
        path: CLUSTER_PATH,
        authorization: None,
        body: Bytes::new(),
        times: Times::of(WAITING_ANSWER_TIME_MAX),
    };
    match call.send().await {
        Ok((StatusCode::OK, text)) => serde_json::from_slice(&text).ok(),
        _ => None,
    }
}
