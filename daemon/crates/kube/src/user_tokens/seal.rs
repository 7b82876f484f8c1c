//! A user token as text: what it says of its bearer, under a seal that only the cluster can make.
//!
//! `skut1.<claims>.<seal>`: the claims are JSON in base64url, the seal is HMAC-SHA-256 over all that
//! stands before it. Pure. Invariant: the same user at the same generation is the same text,
//! whoever writes it, and whenever; nothing is read of a token before its seal was checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::limits::{USER_TOKEN_BYTES_MAX, USER_TOKEN_GROUPS_MAX, USER_TOKEN_NAME_BYTES_MAX};

/// How such tokens start: no service account's and no bootstrap token does.
const PREFIX: &str = "skut1.";

/// Whom a token is for, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    #[serde(rename = "user-id")]
    pub(crate) id: String,
    #[serde(rename = "user-info")]
    pub(crate) user: UserInfo,
}

/// Who the bearer is to the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserInfo {
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

impl Request {
    /// From a body: in the one order that the same user always has.
    pub(crate) fn read(body: &[u8]) -> Result<Request, String> {
        let mut request: Request =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if request.id.is_empty() || request.user.username.is_empty() {
            return Err("user-id and user-info.username must not be empty".into());
        }
        let user = &mut request.user;
        user.groups.sort();
        user.groups.dedup();
        if user.groups.len() > USER_TOKEN_GROUPS_MAX {
            return Err(format!("more than {USER_TOKEN_GROUPS_MAX} groups"));
        }
        let texts = [&request.id, &user.username, &user.uid];
        for text in texts.into_iter().chain(&user.groups) {
            if text.len() > USER_TOKEN_NAME_BYTES_MAX {
                return Err(format!(
                    "a name is longer than {USER_TOKEN_NAME_BYTES_MAX} bytes"
                ));
            }
            if text.chars().any(char::is_control) {
                return Err("a name holds a control character".into());
            }
        }
        Ok(request)
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) user: Request,
    /// How often tokens of this user have been revoked before.
    pub(crate) generation: u64,
}

/// Whether a bearer's token is one of these.
pub(crate) fn is_user_token(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// The token of these claims.
pub(crate) fn seal(secret: &[u8], claims: &Claims) -> Result<String, String> {
    let claims = serde_json::to_vec(claims).map_err(|error| error.to_string())?;
    let mut token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(claims));
    let seal = hmac::sign(&key(secret), token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(seal, &mut token);
    match token.len() > USER_TOKEN_BYTES_MAX {
        true => Err(format!(
            "the token would be longer than {USER_TOKEN_BYTES_MAX} bytes: fewer or shorter groups"
        )),
        false => Ok(token),
    }
}

/// What a token says, if its seal is the cluster's.
pub(crate) fn open(secret: &[u8], token: &str) -> Option<Claims> {
    if token.len() > USER_TOKEN_BYTES_MAX {
        return None;
    }
    let (sealed, seal) = token.rsplit_once('.')?;
    let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
    hmac::verify(&key(secret), sealed.as_bytes(), &seal).ok()?;
    let claims = URL_SAFE_NO_PAD.decode(sealed.strip_prefix(PREFIX)?).ok()?;
    serde_json::from_slice(&claims).ok()
}

fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = &[7; 32];

    fn claims(body: &str) -> Claims {
        Claims {
            user: Request::read(body.as_bytes()).unwrap(),
            generation: 0,
        }
    }

    const BODY: &str =
        r#"{"user-id": "a", "user-info": {"username": "b", "uid": "c", "groups": ["y", "x"]}}"#;

    #[test]
    fn the_same_user_is_the_same_token_however_it_is_asked_for() {
        let token = seal(SECRET, &claims(BODY)).unwrap();
        let other =
            r#"{"user-info":{"groups":["x","y","x"],"uid":"c","username":"b"},"user-id":"a"}"#;
        assert_eq!(seal(SECRET, &claims(other)).unwrap(), token);
        assert_eq!(open(SECRET, &token), Some(claims(BODY)));
        let again = Claims {
            generation: 1,
            ..claims(BODY)
        };
        assert_ne!(seal(SECRET, &again).unwrap(), token);
    }

    #[test]
    fn a_token_with_any_letter_changed_is_none() {
        let token = seal(SECRET, &claims(BODY)).unwrap();
        assert_eq!(open(&[8; 32], &token), None);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(open(SECRET, &changed), None, "{at}");
        }
        for odd in ["", ".", "skut1.", "skut1..", "skut1.e30."] {
            assert_eq!(open(SECRET, odd), None, "{odd}");
        }
    }

    #[test]
    fn a_request_out_of_bounds_is_refused_with_the_bound() {
        let of = |name: &str, groups: usize| {
            let groups: Vec<String> = (0..groups).map(|n| format!("g{n}")).collect();
            let body = serde_json::json!({
                "user-id": "a", "user-info": {"username": name, "groups": groups},
            });
            Request::read(body.to_string().as_bytes())
        };
        assert!(
            of(
                &"n".repeat(USER_TOKEN_NAME_BYTES_MAX),
                USER_TOKEN_GROUPS_MAX
            )
            .is_ok()
        );
        assert!(of(&"n".repeat(USER_TOKEN_NAME_BYTES_MAX + 1), 0).is_err());
        assert!(of("n", USER_TOKEN_GROUPS_MAX + 1).is_err());
        assert!(of("", 0).is_err());
        assert!(of("a\nb", 0).is_err());
        let mut longest = claims(BODY);
        longest.user.user.uid = "u".repeat(USER_TOKEN_BYTES_MAX);
        assert!(seal(SECRET, &longest).unwrap_err().contains("longer"));
        for body in ["", "[]", "{}", r#"{"user-id": "a"}"#] {
            assert!(Request::read(body.as_bytes()).is_err(), "{body}");
        }
        let odd = BODY.replace("\"uid\"", "\"extra\"");
        assert!(Request::read(odd.as_bytes()).unwrap_err().contains("extra"));
    }
}
