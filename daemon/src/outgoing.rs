//! Who this server is towards kubelets and extension servers, as the Kubernetes API asks for it.

use std::sync::Arc;

use rustls::ClientConfig;
use skerry_kube::{Outgoing, Trust};
use skerry_pki::{Authority, FRONT_PROXY, Pki};

/// See the module.
#[derive(Debug)]
pub(crate) struct Calls(pub(crate) Arc<Pki>);

impl Outgoing for Calls {
    fn to_server(
        &self,
        trust: Trust<'_>,
        as_front_proxy: bool,
    ) -> Result<Arc<ClientConfig>, String> {
        let trust = match trust {
            Trust::Bundle(pem) => skerry_pki::Trust::Bundle(pem),
            Trust::Anyone => skerry_pki::Trust::Anyone,
        };
        let config = self.0.client_config_of(&trust, as_front_proxy);
        config.map_err(|error| error.to_string())
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
