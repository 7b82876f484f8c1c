//! Keys of JSON web tokens, read from the files that etcd takes: PEM for RSA and ECDSA, the bytes
//! themselves for HMAC.
//!
//! Knows nothing about tokens. Invariant: where a private and a public key are both given, they
//! belong together.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{self, EcdsaKeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::{PemObject, SectionKind};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::auth::limits::KEY_FILE_BYTES_MAX;

/// How tokens are signed (RFC 7518).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    name: &'static str,
    family: Family,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    Ecdsa,
    Hmac,
}

const ALGORITHMS: [Algorithm; 11] = [
    Algorithm {
        name: "RS256",
        family: Family::Rsa,
    },
    Algorithm {
        name: "RS384",
        family: Family::Rsa,
    },
    Algorithm {
        name: "RS512",
        family: Family::Rsa,
    },
    Algorithm {
        name: "PS256",
        family: Family::Rsa,
    },
    Algorithm {
        name: "PS384",
        family: Family::Rsa,
    },
    Algorithm {
        name: "PS512",
        family: Family::Rsa,
    },
    Algorithm {
        name: "ES256",
        family: Family::Ecdsa,
    },
    Algorithm {
        name: "ES384",
        family: Family::Ecdsa,
    },
    Algorithm {
        name: "HS256",
        family: Family::Hmac,
    },
    Algorithm {
        name: "HS384",
        family: Family::Hmac,
    },
    Algorithm {
        name: "HS512",
        family: Family::Hmac,
    },
];

impl Algorithm {
    /// The algorithm of this name.
    pub fn of(name: &str) -> Option<Algorithm> {
        ALGORITHMS
            .into_iter()
            .find(|algorithm| algorithm.name == name)
    }

    /// All names, for an error.
    pub(crate) fn names() -> String {
        ALGORITHMS.map(|algorithm| algorithm.name).join(", ")
    }

    pub(super) fn name(self) -> &'static str {
        self.name
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum KeyError {
    #[error("{path}: {source}", path = path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: longer than {KEY_FILE_BYTES_MAX} bytes", path = path.display())]
    TooLong { path: PathBuf },
    #[error("{path}: no {wanted} in it", path = path.display())]
    NotFound { path: PathBuf, wanted: &'static str },
    #[error("{path}: {what}", path = path.display())]
    Unusable { path: PathBuf, what: String },
    #[error("auth-token: {algorithm} needs {wanted}")]
    Missing {
        algorithm: &'static str,
        wanted: &'static str,
    },
    #[error("auth-token: the public and the private key do not belong together")]
    Mismatch,
}

/// Signs, where it can, and verifies.
pub(super) struct Key {
    signing: Option<Signing>,
    verifying: Verifying,
}

enum Signing {
    Rsa(RsaKeyPair, &'static dyn signature::RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Hmac,
}

enum Verifying {
    Public(UnparsedPublicKey<Vec<u8>>),
    Hmac(hmac::Key),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("signs", &self.signing.is_some())
            .finish_non_exhaustive()
    }
}

impl Key {
    pub(super) fn read(
        algorithm: Algorithm,
        private: Option<&Path>,
        public: Option<&Path>,
    ) -> Result<Key, KeyError> {
        if algorithm.family == Family::Hmac {
            let path = private.ok_or(KeyError::Missing {
                algorithm: algorithm.name,
                wanted: "priv-key",
            })?;
            let secret = read(path)?;
            return Ok(Key {
                signing: Some(Signing::Hmac),
                verifying: Verifying::Hmac(hmac::Key::new(hmac_algorithm(algorithm), &secret)),
            });
        }
        let signing = private
            .map(|path| read_private(algorithm, path))
            .transpose()?;
        let own = signing.as_ref().map(Signing::public_key);
        let given = public.map(read_public).transpose()?;
        if let (Some(own), Some(given)) = (&own, &given)
            && own != given
        {
            return Err(KeyError::Mismatch);
        }
        let point = own.or(given).ok_or(KeyError::Missing {
            algorithm: algorithm.name,
            wanted: "priv-key or pub-key",
        })?;
        Ok(Key {
            signing,
            verifying: Verifying::Public(UnparsedPublicKey::new(verification(algorithm), point)),
        })
    }

    /// The signature, in the form that JWS wants; `None` where only the public key is known.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match (self.signing.as_ref()?, &self.verifying) {
            (Signing::Rsa(key, padding), _) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*padding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            (Signing::Ecdsa(key), _) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
            (Signing::Hmac, Verifying::Hmac(key)) => {
                Some(hmac::sign(key, message).as_ref().to_vec())
            }
            (Signing::Hmac, Verifying::Public(_)) => None,
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.verifying {
            Verifying::Public(key) => key.verify(message, signature).is_ok(),
            Verifying::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

impl Signing {
    fn public_key(&self) -> Vec<u8> {
        match self {
            Signing::Rsa(key, _) => key.public_key().as_ref().to_vec(),
            Signing::Ecdsa(key) => key.public_key().as_ref().to_vec(),
            Signing::Hmac => Vec::new(),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let failed = |source| KeyError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mut content = Vec::new();
    let mut bounded = file.take(KEY_FILE_BYTES_MAX + 1);
    bounded.read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(KeyError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(content)
}

/// The first section of a PEM file that one may want, with what it is.
fn section(
    path: &Path,
    wanted: &'static str,
    kinds: &[SectionKind],
) -> Result<(SectionKind, Vec<u8>), KeyError> {
    let content = read(path)?;
    let found = <(SectionKind, Vec<u8>)>::pem_slice_iter(&content)
        .filter_map(Result::ok)
        .find(|(kind, _)| kinds.contains(kind));
    found.ok_or(KeyError::NotFound {
        path: path.to_owned(),
        wanted,
    })
}

fn read_private(algorithm: Algorithm, path: &Path) -> Result<Signing, KeyError> {
    let unusable = |error: ring::error::KeyRejected| KeyError::Unusable {
        path: path.to_owned(),
        what: error.to_string(),
    };
    let wanted = "private key in PEM";
    match algorithm.family {
        Family::Rsa => {
            let kinds = [SectionKind::RsaPrivateKey, SectionKind::PrivateKey];
            let key = match section(path, wanted, &kinds)? {
                (SectionKind::RsaPrivateKey, der) => RsaKeyPair::from_der(&der),
                (_, der) => RsaKeyPair::from_pkcs8(&der),
            };
            Ok(Signing::Rsa(key.map_err(unusable)?, padding(algorithm)))
        }
        Family::Ecdsa => {
            let random = SystemRandom::new();
            let curve = signing(algorithm);
            let kinds = [SectionKind::EcPrivateKey, SectionKind::PrivateKey];
            let key = match section(path, wanted, &kinds)? {
                (SectionKind::EcPrivateKey, der) => {
                    let (secret, point) = sec1(&der).ok_or_else(|| KeyError::Unusable {
                        path: path.to_owned(),
                        what: "not an EC private key with its public key (RFC 5915)".to_owned(),
                    })?;
                    EcdsaKeyPair::from_private_key_and_public_key(curve, secret, point, &random)
                }
                (_, der) => EcdsaKeyPair::from_pkcs8(curve, &der, &random),
            };
            Ok(Signing::Ecdsa(key.map_err(unusable)?))
        }
        Family::Hmac => Ok(Signing::Hmac),
    }
}

/// The key itself, out of a public key or a certificate.
fn read_public(path: &Path) -> Result<Vec<u8>, KeyError> {
    let unusable = |what: String| KeyError::Unusable {
        path: path.to_owned(),
        what,
    };
    let kinds = [SectionKind::PublicKey, SectionKind::Certificate];
    let (kind, der) = section(path, "public key or certificate in PEM", &kinds)?;
    if kind == SectionKind::Certificate {
        let (_, certificate) = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| unusable(error.to_string()))?;
        return Ok(certificate.public_key().subject_public_key.data.to_vec());
    }
    let (_, key) =
        SubjectPublicKeyInfo::from_der(&der).map_err(|error| unusable(error.to_string()))?;
    Ok(key.subject_public_key.data.to_vec())
}

/// Secret and point of an `ECPrivateKey` (RFC 5915):
/// `SEQUENCE { 1, OCTET STRING secret, [0] curve OPTIONAL, [1] BIT STRING point OPTIONAL }`.
fn sec1(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const INTEGER: u8 = 0x02;
    const BIT_STRING: u8 = 0x03;
    const OCTET_STRING: u8 = 0x04;
    const SEQUENCE: u8 = 0x30;
    const CURVE: u8 = 0xa0;
    const POINT: u8 = 0xa1;
    let (body, _) = element(der, SEQUENCE)?;
    let (_, body) = element(body, INTEGER)?;
    let (secret, body) = element(body, OCTET_STRING)?;
    let body = element(body, CURVE).map_or(body, |(_, rest)| rest);
    let (point, _) = element(body, POINT)?;
    let (point, _) = element(point, BIT_STRING)?;
    let (unused_bits, point) = point.split_first()?;
    (*unused_bits == 0).then_some((secret, point))
}

/// Content of the DER element at the front, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn padding(algorithm: Algorithm) -> &'static dyn signature::RsaEncoding {
    match algorithm.name {
        "RS256" => &signature::RSA_PKCS1_SHA256,
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        _ => &signature::RSA_PSS_SHA512,
    }
}

fn signing(algorithm: Algorithm) -> &'static signature::EcdsaSigningAlgorithm {
    match algorithm.name {
        "ES256" => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        _ => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    }
}

fn verification(algorithm: Algorithm) -> &'static dyn signature::VerificationAlgorithm {
    match algorithm.name {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        "ES256" => &signature::ECDSA_P256_SHA256_FIXED,
        _ => &signature::ECDSA_P384_SHA384_FIXED,
    }
}

fn hmac_algorithm(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm.name {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    }
}
