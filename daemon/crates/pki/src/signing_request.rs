//! A request for a certificate (PKCS#10), as somebody outside has made it.
//!
//! Knows nothing about authorities. Invariant: one that is in hand is signed by the key it names.

use ring::signature as ring_signature;
use ring::signature::{UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension};

/// Why a request cannot be used; the texts are those that clients of Kubernetes know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not PEM, or PEM of something else.
    #[error("PEM block type must be CERTIFICATE REQUEST")]
    Pem,
    /// Not PKCS#10.
    #[error("asn1: structure error: not a certificate request")]
    Structure,
    /// Signed in a way that is not known here.
    #[error("x509: cannot verify signature: algorithm unimplemented")]
    Algorithm,
    /// Not signed by the key that it names.
    #[error("{0}")]
    Signature(&'static str),
}

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SigningRequest {
    /// Of the subject; the last, where there are several.
    pub common_name: String,
    /// Of the subject.
    pub organizations: Vec<String>,
    /// Alternative names that are host names.
    pub dns_names: Vec<String>,
    /// Alternative names that are mail addresses.
    pub email_addresses: Vec<String>,
    /// Alternative names that are IP addresses, of 4 or 16 bytes.
    pub ip_addresses: Vec<Vec<u8>>,
    /// Alternative names that are URIs.
    pub uris: Vec<String>,
    /// The subject, as DER.
    pub(crate) subject: Vec<u8>,
    /// The key and its kind, as DER.
    pub(crate) public_key: Vec<u8>,
}

impl SigningRequest {
    /// Reads a request, and checks that its sender has the key.
    pub fn from_pem(pem: &[u8]) -> Result<SigningRequest, RequestError> {
        let der =
            CertificateSigningRequestDer::from_pem_slice(pem).map_err(|_| RequestError::Pem)?;
        let (rest, parsed) =
            X509CertificationRequest::from_der(&der).map_err(|_| RequestError::Structure)?;
        // A signature is whole bytes.
        if !rest.is_empty() || parsed.signature_value.unused_bits != 0 {
            return Err(RequestError::Structure);
        }
        verify(&parsed)?;
        let info = &parsed.certification_request_info;
        let mut request = SigningRequest {
            subject: info.subject.as_raw().to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
            ..SigningRequest::default()
        };
        for name in info.subject.iter_common_name() {
            name.as_str()
                .map_err(|_| RequestError::Structure)?
                .clone_into(&mut request.common_name);
        }
        for name in info.subject.iter_organization() {
            let name = name.as_str().map_err(|_| RequestError::Structure)?;
            request.organizations.push(name.to_owned());
        }
        for extension in parsed.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                request.take_names(&names.general_names)?;
            }
        }
        Ok(request)
    }

    fn take_names(&mut self, names: &[GeneralName<'_>]) -> Result<(), RequestError> {
        for name in names {
            match name {
                GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                GeneralName::RFC822Name(name) => self.email_addresses.push((*name).to_owned()),
                GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(bytes) if matches!(bytes.len(), 4 | 16) => {
                    self.ip_addresses.push(bytes.to_vec());
                }
                GeneralName::IPAddress(_) | GeneralName::Invalid(..) => {
                    return Err(RequestError::Structure);
                }
                // As upstream: kinds of names that it does not know are left out.
                _ => {}
            }
        }
        Ok(())
    }
}

/// An uncompressed point of the curve P-256, and of P-384.
const P256_POINT_BYTES: usize = 65;
const P384_POINT_BYTES: usize = 97;

fn verify(request: &X509CertificationRequest<'_>) -> Result<(), RequestError> {
    let info = &request.certification_request_info;
    let key = &info.subject_pki.subject_public_key.data;
    let of = request.signature_algorithm.algorithm.to_id_string();
    let ecdsa = "x509: ECDSA verification failure";
    let rsa = "crypto/rsa: verification error";
    let (algorithm, failure): (&'static dyn VerificationAlgorithm, _) =
        match (of.as_str(), key.len()) {
            ("1.2.840.10045.4.3.2", P256_POINT_BYTES) => {
                (&ring_signature::ECDSA_P256_SHA256_ASN1, ecdsa)
            }
            ("1.2.840.10045.4.3.3", P256_POINT_BYTES) => {
                (&ring_signature::ECDSA_P256_SHA384_ASN1, ecdsa)
            }
            ("1.2.840.10045.4.3.2", P384_POINT_BYTES) => {
                (&ring_signature::ECDSA_P384_SHA256_ASN1, ecdsa)
            }
            ("1.2.840.10045.4.3.3", P384_POINT_BYTES) => {
                (&ring_signature::ECDSA_P384_SHA384_ASN1, ecdsa)
            }
            ("1.2.840.113549.1.1.11", _) => (&ring_signature::RSA_PKCS1_2048_8192_SHA256, rsa),
            ("1.2.840.113549.1.1.12", _) => (&ring_signature::RSA_PKCS1_2048_8192_SHA384, rsa),
            ("1.2.840.113549.1.1.13", _) => (&ring_signature::RSA_PKCS1_2048_8192_SHA512, rsa),
            ("1.3.101.112", _) => (
                &ring_signature::ED25519,
                "x509: Ed25519 verification failure",
            ),
            _ => return Err(RequestError::Algorithm),
        };
    UnparsedPublicKey::new(algorithm, key)
        .verify(info.raw, &request.signature_value.data)
        .map_err(|_| RequestError::Signature(failure))
}
