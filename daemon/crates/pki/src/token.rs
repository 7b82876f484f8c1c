//! Join tokens: what an operator carries from the first server to the others.
//!
//! `K10<SHA-256 of the server CA, hex>::server:<password>` pins the cluster's authority, so that
//! the password is shown to nobody else. A bare password works too, without that protection.
//! Knows nothing about files or sockets. Invariant: neither Debug nor errors show the password.

use std::fmt;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::limits::{PASSWORD_RANDOM_BYTES, TOKEN_BYTES_MAX};
use crate::{CaHash, PkiError, TokenError, hex};

const PREFIX: &str = "K10";
const USER: &str = "server";

/// The shared secret of the cluster's servers.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// [`PASSWORD_RANDOM_BYTES`] random bytes, in hex.
    pub fn generate() -> Result<Password, PkiError> {
        let mut bytes = Zeroizing::new([0; PASSWORD_RANDOM_BYTES]);
        SystemRandom::new()
            .fill(bytes.as_mut())
            .map_err(|_| PkiError::Random)?;
        Ok(Password(Zeroizing::new(hex::encode(bytes.as_ref()))))
    }

    /// From the part of a token after the user.
    pub fn new(text: &str) -> Result<Password, TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong {
                bytes: text.len(),
                max: TOKEN_BYTES_MAX,
            });
        }
        if let Some(at) = text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(TokenError::Character { at });
        }
        if text.is_empty() {
            return Err(TokenError::NoPassword);
        }
        Ok(Password(Zeroizing::new(text.to_owned())))
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What tells it from others and says nothing else of it.
    pub(crate) fn digest(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        hex::encode(hmac::sign(&key, b"a token that was held before").as_ref())
    }

    /// Whether `presented` is this password, in a time that tells nothing about where they differ.
    pub fn matches(&self, presented: &[u8]) -> bool {
        // Compares digests under the password as the key: their length is fixed, and how far they
        // agree says nothing about the texts.
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let expected = hmac::sign(&key, self.0.as_bytes());
        hmac::verify(&key, presented, expected.as_ref()).is_ok()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A parsed join token.
#[derive(Debug, Clone)]
pub struct Token {
    pin: Option<CaHash>,
    password: Password,
}

impl Token {
    /// The full token of a cluster.
    pub fn new(pin: CaHash, password: Password) -> Token {
        Token {
            pin: Some(pin),
            password,
        }
    }

    /// Reads a token; white space around it is left out.
    pub fn parse(text: &str) -> Result<Token, TokenError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong {
                bytes: text.len(),
                max: TOKEN_BYTES_MAX,
            });
        }
        if let Some(at) = text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(TokenError::Character { at });
        }
        let Some(pinned) = text.strip_prefix(PREFIX) else {
            return Ok(Token {
                pin: None,
                password: Password::new(text)?,
            });
        };
        let (hash, credentials) = pinned.split_once("::").ok_or(TokenError::Form)?;
        let pin = match hash {
            "" => None,
            hash => Some(CaHash::from_hex(hash).ok_or(TokenError::CaHash)?),
        };
        let (user, password) = credentials.split_once(':').ok_or(TokenError::Form)?;
        if user != USER {
            return Err(TokenError::NotForServers {
                user: user.to_owned(),
            });
        }
        Ok(Token {
            pin,
            password: Password::new(password)?,
        })
    }

    /// The hash of the cluster's CA; a short token has none.
    pub fn pin(&self) -> Option<CaHash> {
        self.pin
    }

    /// The secret part.
    pub fn password(&self) -> &Password {
        &self.password
    }

    /// The name that goes with the password where both are asked for.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The token as an operator copies it. Secret.
    pub fn expose(&self) -> Zeroizing<String> {
        let password = self.password.expose();
        Zeroizing::new(match self.pin {
            Some(pin) => format!("{PREFIX}{pin}::{USER}:{password}"),
            None => password.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn tokens_read_as_k3s_reads_them() {
        let full = format!("K10{HASH}::server:secret");
        let colons = format!("K10{HASH}::server:a:b::c");
        let cases: &[(&str, Option<&str>, &str)] = &[
            ("secret", None, "secret"),
            ("  secret\n", None, "secret"),
            ("user:secret", None, "user:secret"),
            ("k10secret", None, "k10secret"),
            (&full, Some(HASH), "secret"),
            (&colons, Some(HASH), "a:b::c"),
            ("K10::server:secret", None, "secret"),
        ];
        for (text, pin, password) in cases {
            let token = Token::parse(text).unwrap();
            assert_eq!(
                token.pin().map(|pin| pin.to_string()).as_deref(),
                *pin,
                "{text}"
            );
            assert_eq!(token.password().expose(), *password, "{text}");
        }
    }

    #[test]
    fn a_token_that_cannot_be_one_says_what_is_wrong() {
        let short = format!("K10{}::server:x", &HASH[1..]);
        let letter = format!("K10{}g::server:x", &HASH[1..]);
        let bare = format!("K10{HASH}");
        let one_colon = format!("K10{HASH}:server:x");
        let no_user = format!("K10{HASH}::secret");
        let node = format!("K10{HASH}::node:x");
        let bootstrap = format!("K10{HASH}::abcdef.0123456789abcdef");
        let no_password = format!("K10{HASH}::server:");
        let cases: &[(&str, TokenError)] = &[
            ("", TokenError::Empty),
            (" \n", TokenError::Empty),
            ("two words", TokenError::Character { at: 3 }),
            ("p\u{e4}ss", TokenError::Character { at: 1 }),
            (&short, TokenError::CaHash),
            (&letter, TokenError::CaHash),
            (&bare, TokenError::Form),
            (&one_colon, TokenError::Form),
            (&no_user, TokenError::Form),
            (&bootstrap, TokenError::Form),
            (
                &node,
                TokenError::NotForServers {
                    user: "node".into(),
                },
            ),
            (&no_password, TokenError::NoPassword),
        ];
        for (text, error) in cases {
            assert_eq!(Token::parse(text).unwrap_err(), *error, "{text:?}");
        }
    }

    #[test]
    fn a_token_over_the_limit_is_refused() {
        assert!(Token::parse(&"a".repeat(TOKEN_BYTES_MAX)).is_ok());
        let error = Token::parse(&"a".repeat(TOKEN_BYTES_MAX + 1)).unwrap_err();
        assert_eq!(
            error,
            TokenError::TooLong {
                bytes: TOKEN_BYTES_MAX + 1,
                max: TOKEN_BYTES_MAX
            }
        );
    }

    #[test]
    fn what_is_written_reads_back_and_debug_hides_it() {
        let password = Password::generate().unwrap();
        assert_eq!(password.expose().len(), 2 * PASSWORD_RANDOM_BYTES);
        let pin = CaHash::from_hex(HASH).unwrap();
        let token = Token::new(pin, password);
        let again = Token::parse(&token.expose()).unwrap();
        assert_eq!(again.pin(), Some(pin));
        assert_eq!(again.password().expose(), token.password().expose());
        assert!(!format!("{token:?}").contains(token.password().expose()));
    }

    #[test]
    fn only_the_password_itself_matches() {
        let password = Password::new("correct horse".replace(' ', "-").as_str()).unwrap();
        assert!(password.matches(b"correct-horse"));
        for wrong in [
            &b""[..],
            b"correct-hors",
            b"correct-horse1",
            b"Correct-horse",
            b"\xff",
        ] {
            assert!(!password.matches(wrong));
        }
    }

    #[test]
    fn generated_passwords_differ() {
        let (one, two) = (Password::generate().unwrap(), Password::generate().unwrap());
        assert_ne!(one.expose(), two.expose());
    }

    /// Seeded, so that a failure repeats.
    #[test]
    fn no_text_makes_the_parser_panic_and_what_parses_survives_a_round_trip() {
        let mut state = 0x5eed_u64;
        let mut next = move |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let parts = [
            "K10", HASH, "::", ":", "server", "a", "", "\u{e9}", "\n", "K", ":::", "10",
        ];
        for round in 0..20_000 {
            let text: String = (0..next(9)).map(|_| parts[next(parts.len())]).collect();
            if let Ok(token) = Token::parse(&text) {
                // A short password may itself look like a prefix only with a pin before it.
                if let Ok(again) = Token::parse(&token.expose()) {
                    let same = again.password().expose() == token.password().expose();
                    assert!(same || token.pin().is_none(), "round {round}: {text:?}");
                }
            }
        }
    }
}
