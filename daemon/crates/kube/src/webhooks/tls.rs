//! Whom to believe to be a webhook: by the authorities that its configuration names, or those of
//! the system.
//!
//! Invariant: a certificate is believed for the name that was asked for, while it is valid, and
//! under an authority that was named, or because it is itself one of those that were named, which
//! is how Go takes certificates that sign themselves.

use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::limits::SYSTEM_AUTHORITIES_BYTES_MAX;

/// Where systems keep the authorities that they trust: the first that is there counts, as in Go.
const SYSTEM_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How to speak TLS to a server under these authorities, as PEM; empty: those of the system.
///
/// # Errors
/// They are none, in the words of upstream's client.
pub(super) fn config(authorities: &[u8]) -> Result<ClientConfig, String> {
    config_showing(authorities, None)
}

/// As [`config`], and shows a certificate to whoever wants one.
///
/// # Errors
/// As [`config`].
pub(crate) fn config_showing(
    authorities: &[u8],
    shown: Option<Arc<dyn ResolvesClientCert>>,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (roots, named) = match authorities {
        [] => (system(), Vec::new()),
        pem => {
            let all = CertificateDer::pem_slice_iter(pem);
            let named: Vec<CertificateDer<'static>> = all.filter_map(Result::ok).collect();
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(named.iter().cloned());
            (Arc::new(roots), named)
        }
    };
    if roots.is_empty() && named.is_empty() {
        return Err(match authorities {
            [] => "x509: system roots are not there".to_owned(),
            _ => "unable to load root certificates: unable to parse bytes as PEM block".to_owned(),
        });
    }
    let inner = match roots.is_empty() {
        true => None,
        false => Some(
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(|error| format!("unable to load root certificates: {error}"))?,
        ),
    };
    let verifier = Verifier {
        inner,
        named,
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match shown {
        Some(shown) => builder.with_client_cert_resolver(shown),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Connections are kept instead.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The authorities that the system trusts, read when they are first needed.
fn system() -> Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        let own = std::env::var("SSL_CERT_FILE").ok();
        let files = own.iter().map(String::as_str).chain(SYSTEM_FILES);
        for file in files {
            let mut pem = Vec::new();
            let Ok(opened) = std::fs::File::open(file) else {
                continue;
            };
            if let Err(error) = opened
                .take(SYSTEM_AUTHORITIES_BYTES_MAX)
                .read_to_end(&mut pem)
            {
                tracing::warn!(%error, file, "authorities cannot be read");
                continue;
            }
            roots.add_parsable_certificates(
                CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok),
            );
            break;
        }
        Arc::new(roots)
    };
    Arc::clone(SYSTEM.get_or_init(load))
}

/// See the module.
#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    named: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let by_authority = match &self.inner {
            Some(inner) => {
                inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(unknown.clone()),
        };
        let Err(error) = by_authority else {
            return by_authority;
        };
        if !self.named.iter().any(|named| named == end_entity) {
            // Webpki's word for a certificate that may sign others, and serves by itself.
            let is_other = matches!(error, Error::InvalidCertificate(CertificateError::Other(_)));
            return Err(if is_other { unknown } else { error });
        }
        check_time(end_entity, now)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Refuses a certificate before and after its time.
fn check_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let refused = |why| Err(Error::InvalidCertificate(why));
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else {
        return refused(CertificateError::BadEncoding);
    };
    let seconds = |time: x509_parser::time::ASN1Time| {
        let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    };
    let validity = parsed.validity();
    let (not_before, not_after) = (seconds(validity.not_before), seconds(validity.not_after));
    if now < not_before {
        let time = now;
        return refused(CertificateError::NotValidYetContext { time, not_before });
    }
    if now > not_after {
        let time = now;
        return refused(CertificateError::ExpiredContext { time, not_after });
    }
    Ok(())
}
