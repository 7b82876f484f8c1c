//! The setting `auth-token`: which kind of token, and what it needs, in etcd's own syntax
//! (`simple`, or `jwt,pub-key=<file>,priv-key=<file>,sign-method=<name>,ttl=<duration>`).
//!
//! Pure: files are read by [`jwt`](super::jwt). What is not understood is an error.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::jwt::Algorithm;

/// Life of a JWT where the setting does not say: etcd's five minutes.
const JWT_TTL_DEFAULT: Duration = Duration::from_secs(300);

/// How callers are told apart while authentication is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthOptions {
    /// The kind of token that who shows a password is given.
    pub tokens: TokenOptions,
    /// Whether who shows no token is the user that its certificate names, which is etcd's
    /// `--client-cert-auth`.
    pub client_cert_auth: bool,
}

impl Default for AuthOptions {
    fn default() -> AuthOptions {
        AuthOptions {
            tokens: TokenOptions::Simple,
            client_cert_auth: true,
        }
    }
}

/// Which kind of token the server gives out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TokenOptions {
    /// Random letters, known to all members for five minutes after their last use.
    #[default]
    Simple,
    /// JSON web tokens, signed here and believed by all that have the key.
    Jwt(JwtOptions),
}

/// How to sign and verify JSON web tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtOptions {
    /// `sign-method`
    pub algorithm: Algorithm,
    /// `pub-key`: a public key or a certificate, in PEM.
    pub public_key: Option<PathBuf>,
    /// `priv-key`: a private key in PEM, or the secret itself for HMAC.
    pub private_key: Option<PathBuf>,
    /// `ttl`
    pub ttl: Duration,
}

/// The setting cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum TokenOptionsError {
    #[error("auth-token: unknown type of token {0:?}; known are simple and jwt")]
    UnknownType(String),
    #[error("auth-token: {0:?} is not of the form name=value")]
    NotAPair(String),
    #[error("auth-token: {0} is given twice")]
    Twice(String),
    #[error("auth-token: unknown setting {0:?}; known are pub-key, priv-key, sign-method, ttl")]
    UnknownSetting(String),
    #[error("auth-token: jwt needs sign-method")]
    NoSignMethod,
    #[error("auth-token: unknown sign-method {0:?}; known are {known}", known = Algorithm::names())]
    UnknownSignMethod(String),
    #[error("auth-token: ttl {0:?} is not a duration such as 5m or 1h30m")]
    BadTtl(String),
}

impl FromStr for TokenOptions {
    type Err = TokenOptionsError;

    fn from_str(text: &str) -> Result<TokenOptions, TokenOptionsError> {
        let mut parts = text.split(',');
        let kind = parts.next().unwrap_or_default();
        let mut settings = BTreeMap::new();
        for part in parts {
            let (name, value) = part
                .split_once('=')
                .filter(|(_, value)| !value.contains('='))
                .ok_or_else(|| TokenOptionsError::NotAPair(part.to_owned()))?;
            if settings.insert(name, value).is_some() {
                return Err(TokenOptionsError::Twice(name.to_owned()));
            }
        }
        match kind {
            "simple" => match settings.into_keys().next() {
                None => Ok(TokenOptions::Simple),
                Some(name) => Err(TokenOptionsError::UnknownSetting(name.to_owned())),
            },
            "jwt" => jwt(settings).map(TokenOptions::Jwt),
            other => Err(TokenOptionsError::UnknownType(other.to_owned())),
        }
    }
}

fn jwt(mut settings: BTreeMap<&str, &str>) -> Result<JwtOptions, TokenOptionsError> {
    let mut given = |name| settings.remove(name).filter(|value| !value.is_empty());
    let algorithm = given("sign-method").ok_or(TokenOptionsError::NoSignMethod)?;
    let algorithm = Algorithm::of(algorithm)
        .ok_or_else(|| TokenOptionsError::UnknownSignMethod(algorithm.to_owned()))?;
    let ttl = match given("ttl") {
        None => JWT_TTL_DEFAULT,
        Some(text) => duration(text).ok_or_else(|| TokenOptionsError::BadTtl(text.to_owned()))?,
    };
    let options = JwtOptions {
        algorithm,
        public_key: given("pub-key").map(PathBuf::from),
        private_key: given("priv-key").map(PathBuf::from),
        ttl,
    };
    match settings.into_keys().next() {
        None => Ok(options),
        Some(name) => Err(TokenOptionsError::UnknownSetting(name.to_owned())),
    }
}

/// Go's syntax of durations, as far as it makes sense for a lifetime: numbers with the units `h`,
/// `m`, `s` and `ms`, one after the other; a number may have a fraction.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds: f64 = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after;
    }
    (!total.is_zero()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_read_as_etcd_reads_it() {
        assert_eq!("simple".parse(), Ok(TokenOptions::Simple));
        let jwt = "jwt,pub-key=a.pem,priv-key=b.pem,sign-method=RS256,ttl=10m".parse();
        let options = JwtOptions {
            algorithm: Algorithm::of("RS256").unwrap(),
            public_key: Some("a.pem".into()),
            private_key: Some("b.pem".into()),
            ttl: Duration::from_secs(600),
        };
        assert_eq!(jwt, Ok(TokenOptions::Jwt(options)));
        let Ok(TokenOptions::Jwt(options)) = "jwt,sign-method=HS256".parse() else {
            panic!("refused");
        };
        assert_eq!((options.ttl, options.private_key), (JWT_TTL_DEFAULT, None));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (text, error) in [
            ("", TokenOptionsError::UnknownType(String::new())),
            ("opaque", TokenOptionsError::UnknownType("opaque".into())),
            (
                "simple,ttl=5m",
                TokenOptionsError::UnknownSetting("ttl".into()),
            ),
            ("jwt", TokenOptionsError::NoSignMethod),
            ("jwt,sign-method=", TokenOptionsError::NoSignMethod),
            (
                "jwt,sign-method=none",
                TokenOptionsError::UnknownSignMethod("none".into()),
            ),
            (
                "jwt,sign-method",
                TokenOptionsError::NotAPair("sign-method".into()),
            ),
            (
                "jwt,sign-method=a=b",
                TokenOptionsError::NotAPair("sign-method=a=b".into()),
            ),
            ("jwt,ttl=1s,ttl=1s", TokenOptionsError::Twice("ttl".into())),
            (
                "jwt,sign-method=HS256,ttl=soon",
                TokenOptionsError::BadTtl("soon".into()),
            ),
            (
                "jwt,sign-method=HS256,key=x",
                TokenOptionsError::UnknownSetting("key".into()),
            ),
        ] {
            assert_eq!(text.parse::<TokenOptions>(), Err(error), "{text}");
        }
    }

    #[test]
    fn durations_are_gos() {
        for (text, seconds) in [
            ("90s", 90.0),
            ("1h30m", 5400.0),
            ("1.5h", 5400.0),
            ("250ms", 0.25),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "m",
            "5x",
            "-5m",
            "0s",
            "1e3s",
            "5m3",
            "99999999999999999999h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
