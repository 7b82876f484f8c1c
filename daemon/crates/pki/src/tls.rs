//! TLS configurations of the ports: who shows which certificate, and whom each trusts.
//!
//! Knows nothing about files or sockets. TLS 1.2 and 1.3, the ring provider, and a clock with a
//! floor (see [`Clock`]) everywhere.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::limits::{CLIENT_SESSIONS_MAX, TLS_SESSIONS_MAX};
use crate::{Clock, LiveCertificate, PkiError};

/// Whether a listener lets callers in that show no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callers {
    /// Only those with a certificate of the authority.
    Certified,
    /// A certificate is asked for and, if shown, must be good: 6443, where `/cacerts`, health and
    /// joining have to work before a caller has one, and bearer tokens identify others.
    Anyone,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn http_protocols() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

fn roots(
    port: &'static str,
    anchors: &[CertificateDer<'static>],
) -> Result<Arc<RootCertStore>, PkiError> {
    let mut roots = RootCertStore::empty();
    for anchor in anchors {
        roots
            .add(anchor.clone())
            .map_err(|source| PkiError::Tls { port, source })?;
    }
    Ok(Arc::new(roots))
}

pub(crate) fn client_verifier(
    port: &'static str,
    anchors: &[CertificateDer<'static>],
    callers: Callers,
) -> Result<Arc<dyn ClientCertVerifier>, PkiError> {
    let builder = WebPkiClientVerifier::builder_with_provider(roots(port, anchors)?, provider());
    let builder = match callers {
        Callers::Certified => builder,
        Callers::Anyone => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| PkiError::Verifier {
        port,
        reason: error.to_string(),
    })
}

/// A listener: shows `certificate`, trusts callers of `anchors`.
pub(crate) fn server_config(
    port: &'static str,
    certificate: Arc<LiveCertificate>,
    anchors: &[CertificateDer<'static>],
    callers: Callers,
    http: bool,
    clock: &Arc<Clock>,
) -> Result<Arc<ServerConfig>, PkiError> {
    let verifier = client_verifier(port, anchors, callers)?;
    let mut config = server_config_with(port, certificate, verifier, clock)?;
    if http {
        config.alpn_protocols = http_protocols();
    }
    Ok(Arc::new(config))
}

/// A listener of HTTP that lets in whom `callers` knows, and whoever shows no certificate.
pub(crate) fn server_config_for(
    port: &'static str,
    certificate: Arc<LiveCertificate>,
    callers: Arc<dyn ClientCertVerifier>,
    clock: &Arc<Clock>,
) -> Result<Arc<ServerConfig>, PkiError> {
    let mut config = server_config_with(port, certificate, callers, clock)?;
    config.alpn_protocols = http_protocols();
    Ok(Arc::new(config))
}

fn server_config_with(
    port: &'static str,
    certificate: Arc<LiveCertificate>,
    verifier: Arc<dyn ClientCertVerifier>,
    clock: &Arc<Clock>,
) -> Result<ServerConfig, PkiError> {
    let mut config = ServerConfig::builder_with_details(provider(), Arc::clone(clock) as _)
        .with_safe_default_protocol_versions()
        .map_err(|source| PkiError::Tls { port, source })?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    config.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
    Ok(config)
}

fn client_config(
    port: &'static str,
    verifier: Arc<dyn ServerCertVerifier>,
    certificate: Option<Arc<dyn ResolvesClientCert>>,
    clock: &Arc<Clock>,
) -> Result<ClientConfig, PkiError> {
    let builder = ClientConfig::builder_with_details(provider(), Arc::clone(clock) as _)
        .with_safe_default_protocol_versions()
        .map_err(|source| PkiError::Tls { port, source })?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Ok(match certificate {
        Some(certificate) => builder.with_client_cert_resolver(certificate),
        None => builder.with_no_client_auth(),
    })
}

fn server_verifier(
    port: &'static str,
    anchors: &[CertificateDer<'static>],
) -> Result<Arc<WebPkiServerVerifier>, PkiError> {
    WebPkiServerVerifier::builder_with_provider(roots(port, anchors)?, provider())
        .build()
        .map_err(|error| PkiError::Verifier {
            port,
            reason: error.to_string(),
        })
}

/// A caller that trusts servers of `anchors` under the name it called them by.
pub(crate) fn named_client_config(
    port: &'static str,
    certificate: Option<Arc<LiveCertificate>>,
    anchors: &[CertificateDer<'static>],
    clock: &Arc<Clock>,
) -> Result<Arc<ClientConfig>, PkiError> {
    let verifier = server_verifier(port, anchors)?;
    let certificate = certificate.map(|live| live as Arc<dyn ResolvesClientCert>);
    let mut config = client_config(port, verifier, certificate, clock)?;
    config.alpn_protocols = http_protocols();
    Ok(Arc::new(config))
}

/// A member that calls another: whoever shows a certificate of `anchors` is a member, at whatever
/// address it is found today.
pub(crate) fn peer_client_config(
    port: &'static str,
    certificate: Arc<LiveCertificate>,
    anchors: &[CertificateDer<'static>],
    clock: &Arc<Clock>,
) -> Result<Arc<ClientConfig>, PkiError> {
    let verifier = Arc::new(AnyName(server_verifier(port, anchors)?));
    Ok(Arc::new(client_config(
        port,
        verifier,
        Some(certificate),
        clock,
    )?))
}

/// A caller of HTTP servers that nobody vouches for: it was asked for.
pub(crate) fn client_config_to_anyone(
    shown: Option<Arc<LiveCertificate>>,
    clock: &Arc<Clock>,
) -> Result<Arc<ClientConfig>, PkiError> {
    let verifier = Arc::new(Anyone(provider()));
    let shown = shown.map(|live| live as Arc<dyn ResolvesClientCert>);
    let mut config = client_config("another server", verifier, shown, clock)?;
    config.resumption = Resumption::in_memory_sessions(CLIENT_SESSIONS_MAX);
    config.alpn_protocols = http_protocols();
    Ok(Arc::new(config))
}

/// For a server that joins: HTTP/1.1 to servers of `anchor`, the certificate that the token's
/// hash stands for. Shows no certificate.
pub fn client_config_trusting(
    anchor: &CertificateDer<'static>,
    clock: &Arc<Clock>,
) -> Result<Arc<ClientConfig>, PkiError> {
    let verifier = server_verifier("joining", std::slice::from_ref(anchor))?;
    Ok(Arc::new(client_config("joining", verifier, None, clock)?))
}

/// For `GET /cacerts` alone, whose answer is checked against the token afterwards: trusts anyone.
/// Nothing secret may be sent over it.
pub fn client_config_unverified(clock: &Arc<Clock>) -> Result<Arc<ClientConfig>, PkiError> {
    let verifier = Arc::new(Anyone(provider()));
    Ok(Arc::new(client_config("joining", verifier, None, clock)?))
}

/// Checks the chain and leaves the name aside.
///
/// The peer authority signs members and nobody else, and every member can sign for every name:
/// a name in the certificate proves nothing more, and would break a member whose address moved.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            // The name is looked at last: all else was found good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Trusts every certificate whose owner holds its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, Pki};

    #[test]
    fn a_listener_keeps_no_more_sessions_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::new("one", vec![]);
        let clock = Arc::new(Clock::system());
        let pki = Pki::load_or_create(folder.path(), identity, clock).unwrap();
        let config = pki.server_config_api().unwrap();
        let key = |number: usize| number.to_be_bytes().to_vec();
        for number in 0..2 * TLS_SESSIONS_MAX {
            assert!(config.session_storage.put(key(number), vec![1]));
        }
        let kept = (0..2 * TLS_SESSIONS_MAX)
            .filter(|number| config.session_storage.get(&key(*number)).is_some())
            .count();
        assert!((1..=TLS_SESSIONS_MAX).contains(&kept), "{kept}");
    }
}
