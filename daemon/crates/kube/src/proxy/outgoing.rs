//! Who this server is towards others, and whom it trusts: what the API needs of the certificates.
//!
//! Knows nothing about files or authorities' keys.

use std::fmt::Debug;
use std::sync::Arc;

use rustls::ClientConfig;

/// Whom a call takes for the server that it means.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Who shows a certificate that one of these, as PEM, has signed.
    Bundle(&'a [u8]),
    /// Anyone: it was asked for.
    Anyone,
}

/// See the module. Configurations offer HTTP/2 and HTTP/1.1.
pub trait Outgoing: Debug + Send + Sync {
    /// For calls to a server that somebody else runs; as the front proxy, where it extends the API.
    ///
    /// # Errors
    /// What the bundle is instead of certificates.
    fn to_server(
        &self,
        trust: Trust<'_>,
        as_front_proxy: bool,
    ) -> Result<Arc<ClientConfig>, String>;

    /// For calls to a node's kubelet.
    ///
    /// # Errors
    /// What is wrong with this server's certificates.
    fn to_kubelet(&self) -> Result<Arc<ClientConfig>, String>;

    /// Certificates, as PEM, that clients of the API are verified with.
    fn client_authority(&self) -> String;

    /// Certificates, as PEM, that front proxies are verified with.
    fn front_proxy_authority(&self) -> String;

    /// What this server is called as a front proxy; others of that name are believed as well.
    fn front_proxy_name(&self) -> &'static str;
}
