//! Who calls the API: holders of the client CA's certificates are users, those of the
//! request-header CA's say in each request for whom they ask.
//!
//! Knows nothing about names and headers. Invariant: nobody is taken for what the authority that
//! has signed their certificate does not sign for.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::tls::{Callers, client_verifier};
use crate::{Clock, PkiError};

/// See the module.
#[derive(Debug)]
pub struct CallersOfApi {
    client: Arc<dyn ClientCertVerifier>,
    front_proxy: Arc<dyn ClientCertVerifier>,
    /// Both authorities' names.
    hints: Vec<DistinguishedName>,
    clock: Arc<Clock>,
}

/// What the holder of a certificate may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The user that it names.
    pub user: bool,
    /// A front proxy, which says for whom it asks.
    pub front_proxy: bool,
}

impl CallersOfApi {
    pub(crate) fn new(
        port: &'static str,
        client: &[CertificateDer<'static>],
        front_proxy: &[CertificateDer<'static>],
        clock: &Arc<Clock>,
    ) -> Result<CallersOfApi, PkiError> {
        let client = client_verifier(port, client, Callers::Anyone)?;
        let front_proxy = client_verifier(port, front_proxy, Callers::Anyone)?;
        let mut hints = client.root_hint_subjects().to_vec();
        hints.extend_from_slice(front_proxy.root_hint_subjects());
        Ok(CallersOfApi {
            client,
            front_proxy,
            hints,
            clock: Arc::clone(clock),
        })
    }

    /// What a chain that a handshake has shown makes of its holder.
    pub fn standing(&self, chain: &[CertificateDer<'_>]) -> Standing {
        let (Some((leaf, intermediates)), Some(now)) =
            (chain.split_first(), self.clock.current_time())
        else {
            return Standing {
                user: false,
                front_proxy: false,
            };
        };
        let of = |authority: &Arc<dyn ClientCertVerifier>| {
            let verified = authority.verify_client_cert(leaf, intermediates, now);
            verified.is_ok()
        };
        Standing {
            user: of(&self.client),
            front_proxy: of(&self.front_proxy),
        }
    }
}

impl ClientCertVerifier for CallersOfApi {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verify = |authority: &Arc<dyn ClientCertVerifier>| {
            authority.verify_client_cert(end_entity, intermediates, now)
        };
        verify(&self.client).or_else(|error| verify(&self.front_proxy).map_err(|_| error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.client.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.client.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.client.supported_verify_schemes()
    }
}
