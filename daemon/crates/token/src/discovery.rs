//! What others need to verify tokens: the key set and where to find it.

use serde_json::{Value, json};

use crate::key::Keys;

/// Path of the OpenID configuration.
pub const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
/// Path of the key set.
pub const KEYS_PATH: &str = "/openid/v1/jwks";
/// Content type of the key set; the configuration is plain JSON.
pub const KEYS_CONTENT_TYPE: &str = "application/jwk-set+json";
/// Of both documents.
pub const CACHE_CONTROL: &str = "public, max-age=3600";

/// The OpenID configuration.
#[must_use]
pub fn configuration(keys: &Keys, issuer: &str, keys_url: &str) -> Value {
    let mut algorithms: Vec<&str> = keys.verifying().iter().map(|key| key.algorithm()).collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    json!({
        "issuer": issuer,
        "jwks_uri": keys_url,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
    })
}

/// The JSON Web Key Set.
#[must_use]
pub fn key_set(keys: &Keys) -> Value {
    let keys: Vec<Value> = keys
        .verifying()
        .iter()
        .map(crate::key::PublicKey::jwk)
        .collect();
    json!({"keys": keys})
}
