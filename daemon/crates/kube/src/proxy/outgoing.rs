//! Who this server is towards others, and whom it trusts: what the API needs of the certificates.
//!
//! Knows nothing about files or authorities' keys.

use std::fmt::Debug;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;

/// See the module. Configurations offer HTTP/2 and HTTP/1.1.
pub trait Outgoing: Debug + Send + Sync {
    /// For calls to whoever answers, where that was asked for; as the front proxy, where that is to
    /// extend the API.
    ///
    /// # Errors
    /// What is wrong with this server's certificates.
    fn to_anyone(&self, as_front_proxy: bool) -> Result<Arc<ClientConfig>, String>;

    /// What this server shows as the front proxy.
    fn front_proxy(&self) -> Arc<dyn ResolvesClientCert>;

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
