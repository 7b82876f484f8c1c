//! Simple tokens: random letters that every member learns from the log and forgets by itself.
//!
//! In memory only, and this member's own: after a restart clients authenticate again, as with
//! etcd. Knows nothing about passwords or permissions. Invariant: at most
//! [`SIMPLE_TOKENS_MAX`] are held, and one that was not used for [`SIMPLE_TOKEN_TTL`] is refused.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ring::rand::{SecureRandom, SystemRandom};
use skerry_store::auth::AuthChange;
use tokio::sync::Notify;

use super::limits::{SIMPLE_TOKEN_TTL, SIMPLE_TOKENS_MAX};

const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const PREFIX_LETTERS: usize = 16;

/// The tokens that this member knows.
#[derive(Debug, Default)]
pub(super) struct SimpleTokens {
    tokens: Mutex<HashMap<String, Session>>,
    /// Told of every token that becomes known.
    issued: Notify,
}

#[derive(Debug)]
struct Session {
    user: String,
    ends: Instant,
}

/// The system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("no randomness for a token")]
pub(super) struct NoRandomness;

/// The random part of a new token.
pub(super) fn random_prefix() -> Result<String, NoRandomness> {
    // 208 is the largest multiple of 52 in a byte: what lies above would favour some letters.
    const FAIR: u8 = 208;
    let random = SystemRandom::new();
    let mut prefix = String::with_capacity(PREFIX_LETTERS);
    while prefix.len() < PREFIX_LETTERS {
        let mut bytes = [0; PREFIX_LETTERS];
        random.fill(&mut bytes).map_err(|_| NoRandomness)?;
        let letters = bytes.iter().filter(|byte| **byte < FAIR);
        let letters = letters.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        prefix.extend(letters.take(PREFIX_LETTERS - prefix.len()));
    }
    Ok(prefix)
}

/// The log index at which a token was made, if it has the form of one.
pub(super) fn index_of(token: &str) -> Option<u64> {
    let (_, index) = token.split_once('.')?;
    if !index.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    index.parse().ok()
}

impl SimpleTokens {
    /// The user of a token, which lives on from here.
    pub(super) fn user(&self, token: &str) -> Option<String> {
        self.user_at(token, Instant::now())
    }

    fn user_at(&self, token: &str, now: Instant) -> Option<String> {
        let mut tokens = self.lock();
        let session = tokens.get_mut(token)?;
        if session.ends <= now {
            tokens.remove(token);
            return None;
        }
        session.ends = now + SIMPLE_TOKEN_TTL;
        Some(session.user.clone())
    }

    /// Takes note of a change to authentication.
    pub(super) fn heed(&self, change: &AuthChange) {
        match change {
            AuthChange::Token { user, token } => self.add(user, token, Instant::now()),
            AuthChange::UserChanged(user) => self.lock().retain(|_, s| s.user != *user),
            AuthChange::Disabled => self.lock().clear(),
        }
    }

    /// Told whenever another token becomes known.
    pub(super) fn issued(&self) -> &Notify {
        &self.issued
    }

    fn add(&self, user: &str, token: &str, now: Instant) {
        let mut tokens = self.lock();
        if tokens.len() >= SIMPLE_TOKENS_MAX {
            tokens.retain(|_, session| session.ends > now);
        }
        if tokens.len() >= SIMPLE_TOKENS_MAX {
            let first = tokens.iter().min_by_key(|(_, session)| session.ends);
            if let Some(first) = first.map(|(token, _)| token.clone()) {
                tokens.remove(&first);
            }
        }
        let session = Session {
            user: user.to_owned(),
            ends: now + SIMPLE_TOKEN_TTL,
        };
        tokens.insert(token.to_owned(), session);
        drop(tokens);
        self.issued.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn token(user: &str, token: &str) -> AuthChange {
        AuthChange::Token {
            user: user.into(),
            token: token.into(),
        }
    }

    #[test]
    fn a_prefix_is_sixteen_letters_and_never_the_same() {
        let (one, two) = (random_prefix().unwrap(), random_prefix().unwrap());
        assert_eq!(one.len(), 16);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphabetic()));
        assert_ne!(one, two);
    }

    #[test]
    fn the_index_of_a_token_stands_behind_its_one_dot() {
        assert_eq!(index_of("abc.17"), Some(17));
        for text in [
            "abc",
            "abc.",
            "abc.x",
            "abc.1.2",
            "abc.+1",
            "abc.99999999999999999999",
        ] {
            assert_eq!(index_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_lives_as_long_as_it_is_used() {
        let tokens = SimpleTokens::default();
        let start = Instant::now();
        tokens.add("alice", "t.1", start);
        let almost = SIMPLE_TOKEN_TTL - Duration::from_secs(1);
        assert_eq!(
            tokens.user_at("t.1", start + almost).as_deref(),
            Some("alice")
        );
        assert_eq!(
            tokens.user_at("t.1", start + 2 * almost).as_deref(),
            Some("alice")
        );
        assert_eq!(
            tokens.user_at("t.1", start + 2 * almost + SIMPLE_TOKEN_TTL),
            None
        );
        assert_eq!(tokens.user_at("t.2", start), None);
    }

    #[test]
    fn tokens_end_with_their_user_and_with_authentication() {
        let tokens = SimpleTokens::default();
        tokens.heed(&token("alice", "a.1"));
        tokens.heed(&token("bob", "b.2"));
        tokens.heed(&AuthChange::UserChanged("alice".into()));
        assert_eq!(tokens.user("a.1"), None);
        assert_eq!(tokens.user("b.2").as_deref(), Some("bob"));
        tokens.heed(&AuthChange::Disabled);
        assert_eq!(tokens.user("b.2"), None);
    }

    #[test]
    fn the_token_that_ends_first_makes_room_at_the_limit() {
        let tokens = SimpleTokens::default();
        let start = Instant::now();
        for n in 0..SIMPLE_TOKENS_MAX {
            let at = start + Duration::from_millis(n as u64);
            tokens.add("u", &format!("t.{n}"), at);
        }
        let now = start + Duration::from_secs(60);
        tokens.add("u", "one more", now);
        assert_eq!(tokens.lock().len(), SIMPLE_TOKENS_MAX);
        assert_eq!(tokens.user_at("t.0", now), None);
        assert!(tokens.user_at("t.1", now).is_some());
        assert!(tokens.user_at("one more", now).is_some());
    }
}
