//! Whom to believe to be the store: by the authorities of the settings, or those of the system.
//!
//! Invariant: nobody is believed unseen but where the settings say so.

use std::io::Read as _;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::error::BucketError;
use crate::limits::AUTHORITIES_BYTES_MAX;
use crate::settings::Settings;

/// Where systems keep the authorities that they trust: the first that is there counts.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How to speak TLS to the store.
pub(crate) fn config(settings: &Settings) -> Result<Arc<ClientConfig>, BucketError> {
    let failed = |what: String| BucketError::Settings { what };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let builder = match settings.skip_verify {
        true => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Whoever(provider))),
        false => builder.with_root_certificates(roots(settings)?),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn roots(settings: &Settings) -> Result<RootCertStore, BucketError> {
    let failed = |what: &str| BucketError::Settings {
        what: what.to_owned(),
    };
    let mut roots = RootCertStore::empty();
    if !settings.authorities.is_empty() {
        let named = CertificateDer::pem_slice_iter(settings.authorities.as_bytes());
        roots.add_parsable_certificates(named.filter_map(Result::ok));
        if roots.is_empty() {
            return Err(failed("no certificates loaded from etcd-s3-endpoint-ca"));
        }
        return Ok(roots);
    }
    let own = std::env::var("SSL_CERT_FILE").ok();
    for file in own.iter().map(String::as_str).chain(SYSTEM_FILES) {
        let Ok(opened) = std::fs::File::open(file) else {
            continue;
        };
        let mut pem = Vec::new();
        let read = opened.take(AUTHORITIES_BYTES_MAX).read_to_end(&mut pem);
        if let Err(error) = read {
            tracing::warn!(%error, file, "authorities cannot be read");
            continue;
        }
        let found = CertificateDer::pem_slice_iter(&pem);
        roots.add_parsable_certificates(found.filter_map(Result::ok));
        break;
    }
    match roots.is_empty() {
        true => Err(failed(
            "this system trusts no authorities (/etc/ssl/certs/ca-certificates.crt): give the \
             store's with --etcd-s3-endpoint-ca",
        )),
        false => Ok(roots),
    }
}

/// For `--etcd-s3-skip-ssl-verify`: whoever answers has the key that it shows, no more.
#[derive(Debug)]
struct Whoever(Arc<CryptoProvider>);

impl ServerCertVerifier for Whoever {
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
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
