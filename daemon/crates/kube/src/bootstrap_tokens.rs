//! Bootstrap tokens: Secrets of `kube-system` with which a new node shows who it is, once.
//!
//! Pure but for the look into the store. Invariant: a token is good only while its Secret is in the
//! store, says so, and has not expired; nothing of it is kept in memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use skerry_rbac::User;

use crate::engine::Engine;
use crate::object;
use crate::{time, user};

/// Where they are.
pub(crate) const NAMESPACE: &str = "kube-system";
/// How their names start.
pub(crate) const NAME_PREFIX: &str = "bootstrap-token-";
/// The type of such Secrets.
pub(crate) const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";

const USER_PREFIX: &str = "system:bootstrap:";
const GROUP: &str = "system:bootstrappers";
const ID_LETTERS: usize = 6;
const SECRET_LETTERS: usize = 16;
/// Letters of an extra group, behind its prefix.
const GROUP_LETTERS_MAX: usize = 256;

/// Identifier and secret of what looks like a bootstrap token.
pub(crate) fn parts(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let plain = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    (plain(id, ID_LETTERS) && plain(secret, SECRET_LETTERS)).then_some((id, secret))
}

fn field(secret: &Value, key: &str) -> Option<Vec<u8>> {
    let text = secret.get("data")?.get(key)?.as_str()?;
    STANDARD.decode(text).ok()
}

fn field_text(secret: &Value, key: &str) -> String {
    field(secret, key)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default()
}

/// When a token expires, in milliseconds since 1970; 0 where nobody can read when.
pub(crate) fn expiration_ms(secret: &Value) -> Option<i64> {
    match field_text(secret, "expiration").as_str() {
        "" => None,
        text => Some(skerry_kinds::parse_ms(text).unwrap_or(0)),
    }
}

/// Equal, in a time that does not tell where they differ.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).fold(0, |all, (l, r)| all | (l ^ r));
    left.len() == right.len() && std::hint::black_box(differing) == 0
}

fn groups(secret: &Value) -> Result<Vec<String>, String> {
    let mut groups = vec![GROUP.to_owned()];
    let extra = field_text(secret, "auth-extra-groups");
    for group in extra.split(',').filter(|_| !extra.is_empty()) {
        let rest = group.strip_prefix("system:bootstrappers:");
        let fits = rest.is_some_and(|rest| {
            let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            rest.len() <= GROUP_LETTERS_MAX
                && rest
                    .bytes()
                    .all(|byte| letter(byte) || matches!(byte, b':' | b'-'))
                && rest.bytes().last().is_some_and(letter)
        });
        if !fits {
            return Err(format!("{group:?} is no group of bootstrappers"));
        }
        groups.push(group.to_owned());
    }
    groups.sort();
    groups.dedup();
    Ok(groups)
}

/// Whose token this is, by its Secret.
fn identify(secret: &Value, id: &str, said: &str, now_ms: i64) -> Result<User, String> {
    let refused = |why: &str| Err(format!("the bootstrap token {id} {why}"));
    if object::is_terminating(secret) {
        return refused("is being deleted");
    }
    if secret.get("type").and_then(Value::as_str) != Some(SECRET_TYPE) {
        return refused("has a Secret of another type");
    }
    let known = field(secret, "token-secret").unwrap_or_default();
    if !is_same(&known, said.as_bytes()) {
        return refused("has another secret");
    }
    if field_text(secret, "token-id") != id {
        return refused("has a Secret with another identifier");
    }
    if expiration_ms(secret).is_some_and(|end| end <= now_ms) {
        return refused("has expired");
    }
    if field_text(secret, "usage-bootstrap-authentication") != "true" {
        return refused("is not for authentication");
    }
    Ok(user::authenticated(
        format!("{USER_PREFIX}{id}"),
        groups(secret)?,
    ))
}

impl Engine {
    /// The bearer of a bootstrap token.
    pub(crate) fn bootstrap_bearer(&self, id: &str, said: &str) -> Result<User, String> {
        let secrets = self.registry.find("", "v1", "secrets");
        let secrets = secrets.ok_or("no Secrets are served")?;
        let name = format!("{NAME_PREFIX}{id}");
        let found = self
            .read(secrets, NAMESPACE, &name)
            .map_err(|error| error.to_string())?;
        let found = found.ok_or_else(|| format!("there is no bootstrap token {id}"))?;
        let now_ms = i64::try_from(time::now().as_millis()).unwrap_or(i64::MAX);
        identify(&found.object, id, said, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "abcdef";
    const SECRET: &str = "0123456789abcdef";

    fn secret(changes: &[(&str, &str)]) -> Value {
        let mut fields = serde_json::Map::new();
        let usual = [
            ("token-id", ID),
            ("token-secret", SECRET),
            ("usage-bootstrap-authentication", "true"),
        ];
        for (key, text) in usual.iter().chain(changes) {
            fields.insert((*key).into(), STANDARD.encode(text).into());
        }
        json!({"metadata": {"name": "bootstrap-token-abcdef"}, "type": SECRET_TYPE, "data": fields})
    }

    #[test]
    fn a_token_is_an_identifier_and_a_secret() {
        let token = format!("{ID}.{SECRET}");
        assert_eq!(parts(&token), Some((ID, SECRET)));
        for odd in ["", ".", "abcdef", "abcdef.", "ABCDEF.0123456789abcdef"] {
            assert_eq!(parts(odd), None, "{odd}");
        }
        assert_eq!(parts(&format!("{token}0")), None);
        assert_eq!(parts(&format!("{token}.a")), None);
    }

    #[test]
    fn the_bearer_is_a_bootstrapper_and_in_the_groups_of_the_secret() {
        let extra = "system:bootstrappers:b,system:bootstrappers:a:1";
        let user = identify(&secret(&[("auth-extra-groups", extra)]), ID, SECRET, 1).unwrap();
        assert_eq!(user.name, "system:bootstrap:abcdef");
        let wanted = [
            "system:bootstrappers",
            "system:bootstrappers:a:1",
            "system:bootstrappers:b",
            "system:authenticated",
        ];
        assert_eq!(user.groups, wanted);
    }

    #[test]
    fn a_secret_that_does_not_say_so_makes_no_bearer() {
        let refused = |secret: &Value| identify(secret, ID, SECRET, 1_000_000_000).is_err();
        assert!(!refused(&secret(&[])));
        assert!(!refused(&secret(&[("expiration", "2100-01-01T00:00:00Z")])));
        for change in [
            ("expiration", "1970-01-01T00:00:01Z"),
            ("expiration", "soon"),
            ("token-id", "other1"),
            ("token-secret", "0123456789abcdeX"),
            ("token-secret", ""),
            ("usage-bootstrap-authentication", "false"),
            ("auth-extra-groups", "system:masters"),
            ("auth-extra-groups", "system:bootstrappers:"),
            ("auth-extra-groups", "system:bootstrappers:a-"),
        ] {
            assert!(refused(&secret(&[change])), "{change:?}");
        }
        let mut other = secret(&[]);
        other["type"] = "Opaque".into();
        assert!(refused(&other));
        let mut going = secret(&[]);
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert!(refused(&going));
    }
}
