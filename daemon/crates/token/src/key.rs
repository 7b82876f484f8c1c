//! Keys that sign tokens (ES256 or RS256) and keys that verify them.
//!
//! A key's id is the SHA-256 of its public half, as upstream has it, so that
//! the same key has the same id wherever it serves.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use serde_json::{Value, json};

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither kind of private key.
    #[error("not a PKCS#8 private key of ECDSA P-256 or of RSA with 2048 to 4096 bits")]
    Unknown,
    /// No randomness, or a key that does not fit.
    #[error("the signing operation failed")]
    Sign,
}

/// A key that signs.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
    random: SystemRandom,
}

enum Pair {
    Ecdsa(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

/// A key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: String,
    parts: Parts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Parts {
    /// The uncompressed point: 4, x, y.
    P256(Vec<u8>),
    /// RSAPublicKey in DER, and its numbers.
    Rsa {
        der: Vec<u8>,
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

/// DER of a SubjectPublicKeyInfo up to the point of a P-256 key.
const P256_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// DER of the AlgorithmIdentifier of RSA.
const RSA_ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

impl SigningKey {
    /// A private key in PKCS#8 DER.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random) {
            let public = PublicKey::p256(pair.public_key().as_ref());
            return Ok(Self {
                pair: Pair::Ecdsa(Box::new(pair)),
                public,
                random,
            });
        }
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| KeyError::Unknown)?;
        let public = PublicKey::rsa(pair.public());
        Ok(Self {
            pair: Pair::Rsa(Box::new(pair)),
            public,
            random,
        })
    }

    /// A new ECDSA P-256 key in PKCS#8 DER.
    pub fn generate() -> Result<Vec<u8>, KeyError> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|der| der.as_ref().to_vec())
            .map_err(|_| KeyError::Sign)
    }

    /// The half that may be known.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            Pair::Ecdsa(pair) => pair
                .sign(&self.random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Sign),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature)
                    .map_err(|_| KeyError::Sign)?;
                Ok(signature)
            }
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.public.id)
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    fn p256(point: &[u8]) -> Self {
        let info = [&P256_INFO, point].concat();
        Self {
            id: id(&info),
            parts: Parts::P256(point.to_vec()),
        }
    }

    fn rsa(key: &rsa::PublicKey) -> Self {
        let der = key.as_ref().to_vec();
        let bits = tagged(0x03, &[&[0], der.as_slice()].concat());
        let info = tagged(0x30, &[&RSA_ALGORITHM, bits.as_slice()].concat());
        let numbers = rsa::PublicKeyComponents::<Vec<u8>>::from(key);
        Self {
            id: id(&info),
            parts: Parts::Rsa {
                der,
                modulus: numbers.n,
                exponent: numbers.e,
            },
        }
    }

    /// The key's id in headers and key sets.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `ES256` or `RS256`.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.parts {
            Parts::P256(_) => "ES256",
            Parts::Rsa { .. } => "RS256",
        }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.parts {
            Parts::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            Parts::Rsa { der, .. } => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
                .verify(message, signature)
                .is_ok(),
        }
    }

    /// The key as a JSON Web Key.
    pub(crate) fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut key = json!({"use": "sig", "kid": self.id, "alg": self.algorithm()});
        match &self.parts {
            Parts::P256(point) => {
                let half = point.len() / 2;
                key["kty"] = json!("EC");
                key["crv"] = json!("P-256");
                key["x"] = json!(encode(point.get(1..=half).unwrap_or_default()));
                key["y"] = json!(encode(point.get(half + 1..).unwrap_or_default()));
            }
            Parts::Rsa {
                modulus, exponent, ..
            } => {
                key["kty"] = json!("RSA");
                key["n"] = json!(encode(modulus));
                key["e"] = json!(encode(exponent));
            }
        }
        key
    }
}

/// The key that signs and all keys that verify: its own, and those that
/// signed before.
#[derive(Debug)]
pub struct Keys {
    signing: SigningKey,
    verifying: Vec<PublicKey>,
}

impl Keys {
    /// Signs with `signing`; verifies with it and with `earlier`.
    #[must_use]
    pub fn new(signing: SigningKey, earlier: Vec<PublicKey>) -> Self {
        let mut verifying = vec![signing.public.clone()];
        for key in earlier {
            if !verifying.contains(&key) {
                verifying.push(key);
            }
        }
        Self { signing, verifying }
    }

    /// All keys that verify, the signing one first.
    #[must_use]
    pub fn verifying(&self) -> &[PublicKey] {
        &self.verifying
    }

    /// A signed token of a payload.
    pub fn sign(&self, payload: &Value) -> Result<String, KeyError> {
        let header = json!({"alg": self.signing.public.algorithm(), "kid": self.signing.public.id});
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload.to_string(), &mut token);
        let signature = self.signing.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

fn id(info: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, info))
}

/// A DER element.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: &[u8] = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut out = vec![tag];
    match significant {
        [] => out.push(0),
        [one] if *one < 0x80 => out.push(*one),
        many => {
            // A usize has at most eight bytes.
            out.push(0x80 | u8::try_from(many.len()).unwrap_or(8));
            out.extend_from_slice(many);
        }
    }
    out.extend_from_slice(content);
    out
}
