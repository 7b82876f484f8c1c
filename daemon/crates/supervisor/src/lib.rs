//! Joining a cluster: bootstrap data, node-to-node services.
//!
//! The server side answers on 6443: `/cacerts`, `/ping`, health, and the join route, which takes
//! a new member in and hands it the cluster's certificate authorities, encrypted under the join
//! token. The client side is [`join()`]. Knows nothing about listeners (the daemon's) or Raft.
//!
//! ```text
//! joiner                                     server
//!   GET /cacerts  (TLS not verified)  ---->
//!   <----  the server CA; its hash is compared with the token's
//!   POST /v1-skerry/join  (TLS verified with that CA; Basic server:<password>)  ---->
//!          {version, name, peer_urls, client_urls}
//!          the name is free? a member id is allocated, a learner added
//!   <----  {cluster_id, member_id, members, bootstrap: AES-256-GCM under the password}
//!   writes tls/ and token, starts as that member
//! ```
//!
//! Invariant: the password leaves this node only towards a server that the token's pin has
//! proved; a short token has no pin, and the log says so.

mod admit;
mod authorities;
mod bootstrap;
mod bucket;
mod call;
mod cluster;
mod envelope;
mod error;
mod health;
mod join;
#[cfg(test)]
mod join_test;
pub mod limits;
mod meeting;
mod member;
mod message;
mod node_password;
mod refusal;
mod reply;
mod rotation;
mod server;
#[cfg(test)]
mod server_test;
mod server_url;
mod vacant;
mod values;
mod waiting;

pub use bootstrap::{Bootstrap, bootstrap_key};
pub use cluster::{Cluster, Swap};
pub use envelope::{EnvelopeError, Sealer, open as open_envelope};
pub use error::{BootstrapError, JoinError, ServerUrlError};
pub use join::{Joined, Me, join};
pub use meeting::{AboutCluster, about_cluster};
pub use message::KnownMember;
pub use node_password::NodePassword;
pub use reply::ReplyBody;
pub use rotation::RotationError;
pub use server::Supervisor;
pub use server_url::ServerUrl;
pub use values::CriticalValues;
pub use waiting::{Intent, Standing, standing, tell};
