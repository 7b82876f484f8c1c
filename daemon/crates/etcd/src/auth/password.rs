//! Passwords: hashed and checked away from the threads that serve, a few at a time.
//!
//! Knows nothing about users. Invariant: a password in the clear leaves this process's memory of
//! the one request that brought it neither to the log nor to an error.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bcrypt::HashParts;
use tokio::sync::Semaphore;
use tonic::Status;

use super::limits::{
    BCRYPT_COST_MAX, PASSWORD_BYTES_MAX, PASSWORD_HASHES_MAX, PASSWORD_WAITERS_MAX,
};
use crate::errors;

/// etcd's default.
const BCRYPT_COST: u32 = 10;

/// Where passwords are hashed.
#[derive(Debug)]
pub(super) struct Passwords {
    waiting: Semaphore,
    hashing: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Passwords {
        Passwords {
            waiting: Semaphore::new(PASSWORD_WAITERS_MAX + PASSWORD_HASHES_MAX),
            hashing: Arc::new(Semaphore::new(PASSWORD_HASHES_MAX)),
        }
    }

    /// The hash of a password, in base64 as the log carries it.
    pub(super) async fn hash(&self, password: String) -> Result<String, Status> {
        if password.len() > PASSWORD_BYTES_MAX {
            // Go's text, which etcd passes on.
            return Err(Status::unknown("bcrypt: password length exceeds 72 bytes"));
        }
        let hashed = self
            .on_a_thread(move || bcrypt::hash(password, BCRYPT_COST))
            .await?;
        let hashed = hashed.map_err(|error| Status::unknown(error.to_string()))?;
        Ok(STANDARD.encode(hashed))
    }

    /// Whether the password is the one that was hashed.
    pub(super) async fn check(&self, password: String, hashed: &[u8]) -> Result<bool, Status> {
        let Ok(hashed) = std::str::from_utf8(hashed).map(str::to_owned) else {
            return Ok(false);
        };
        match hashed.parse::<HashParts>() {
            Ok(parts) if parts.get_cost() <= BCRYPT_COST_MAX => {}
            _ => return Ok(false),
        }
        let equal = self
            .on_a_thread(move || bcrypt::verify(password, &hashed))
            .await?;
        Ok(equal.unwrap_or(false))
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Status> {
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Err(errors::TOO_MANY_REQUESTS.into());
        };
        let hashing = Arc::clone(&self.hashing).acquire_owned().await;
        let hashing = hashing.map_err(|_| Status::from(errors::STOPPED))?;
        // The permit goes with the work: a client that leaves does not free the core.
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(hashing);
            outcome
        });
        done.await.map_err(|_| errors::STOPPED.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn a_password_is_its_own_hash_and_no_other() {
        run(async {
            let passwords = Passwords::new();
            let hashed = STANDARD
                .decode(passwords.hash("secret".into()).await.unwrap())
                .unwrap();
            assert!(passwords.check("secret".into(), &hashed).await.unwrap());
            assert!(!passwords.check("Secret".into(), &hashed).await.unwrap());
            assert!(!passwords.check(String::new(), &hashed).await.unwrap());
        });
    }

    #[test]
    fn hashes_that_etcd_made_are_understood() {
        // golang.org/x/crypto/bcrypt of "allmine" (its own test vector).
        let hashed = b"$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga";
        run(async {
            let passwords = Passwords::new();
            assert!(passwords.check("allmine".into(), hashed).await.unwrap());
            assert!(!passwords.check("allyours".into(), hashed).await.unwrap());
        });
    }

    #[test]
    fn what_is_no_hash_or_a_costly_one_matches_nothing() {
        let costly = b"$2a$31$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga";
        run(async {
            let passwords = Passwords::new();
            for hashed in [&b""[..], b"plain", &[0xff; 60], costly] {
                assert!(!passwords.check(String::new(), hashed).await.unwrap());
            }
        });
    }

    #[test]
    fn a_password_that_bcrypt_would_cut_is_refused() {
        run(async {
            let passwords = Passwords::new();
            let longest = "x".repeat(PASSWORD_BYTES_MAX);
            assert!(passwords.hash(longest.clone()).await.is_ok());
            let refused = passwords.hash(longest + "x").await.unwrap_err();
            assert_eq!(
                refused.message(),
                "bcrypt: password length exceeds 72 bytes"
            );
        });
    }

    #[test]
    fn those_who_cannot_even_wait_are_told() {
        run(async {
            let passwords = Passwords::new();
            let total = u32::try_from(PASSWORD_WAITERS_MAX + PASSWORD_HASHES_MAX).unwrap();
            let _all = passwords.waiting.acquire_many(total).await.unwrap();
            let refused = passwords.hash("x".into()).await.unwrap_err();
            assert_eq!(refused.message(), "etcdserver: too many requests");
        });
    }
}
