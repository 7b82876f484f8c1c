//! Who this server is towards kubelets and extension servers, as the Kubernetes API asks for it.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use skerry_kube::Outgoing;
use skerry_pki::{Authority, FRONT_PROXY, Leaf, Pki};

/// See the module.
#[derive(Debug)]
pub(crate) struct Calls(pub(crate) Arc<Pki>);

impl Outgoing for Calls {
    fn to_anyone(&self, as_front_proxy: bool) -> Result<Arc<ClientConfig>, String> {
        let config = self.0.client_config_to_anyone(as_front_proxy);
        config.map_err(|error| error.to_string())
    }

    fn front_proxy(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::clone(self.0.live(Leaf::FrontProxy)) as _
    }

    fn to_kubelet(&self) -> Result<Arc<ClientConfig>, String> {
        let config = self.0.client_config_kubelet();
        config.map_err(|error| error.to_string())
    }

    fn client_authority(&self) -> String {
        self.0.authority_pem(Authority::Client).to_owned()
    }

    fn front_proxy_authority(&self) -> String {
        self.0.authority_pem(Authority::RequestHeader).to_owned()
    }

    fn front_proxy_name(&self) -> &'static str {
        FRONT_PROXY
    }
}
