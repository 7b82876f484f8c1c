//! The cluster's authorities as the Kubernetes API sees them: it asks for signatures, and never
//! gets a key.

use std::sync::Arc;

use skerry_kube::{ClusterAuthority, RequestFacts, Signer, Terms};
use skerry_pki::{Authority, Pki, SigningRequest};

/// See the module.
#[derive(Debug)]
pub(crate) struct Certificates(pub(crate) Arc<Pki>);

impl Signer for Certificates {
    fn read(&self, pem: &[u8]) -> Result<RequestFacts, String> {
        let request = SigningRequest::from_pem(pem).map_err(|error| error.to_string())?;
        Ok(RequestFacts {
            dns_names: request.dns_names.len(),
            email_addresses: request.email_addresses.len(),
            ip_addresses: request.ip_addresses.len(),
            uris: request.uris.len(),
            common_name: request.common_name,
            organizations: request.organizations,
        })
    }

    fn sign(&self, pem: &[u8], terms: &Terms<'_>) -> Result<String, String> {
        let request = SigningRequest::from_pem(pem).map_err(|error| error.to_string())?;
        let authority = match terms.authority {
            ClusterAuthority::Client => Authority::Client,
            ClusterAuthority::Server => Authority::Server,
        };
        self.0
            .issue(authority, &request, terms.usages, terms.life_seconds)
            .map_err(|error| error.to_string())
    }

    fn end_of(&self, pem: &[u8]) -> Result<i64, String> {
        skerry_pki::examine_certificates(pem)
    }
}
