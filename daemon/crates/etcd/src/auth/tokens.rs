//! The kinds of tokens behind one face.

use std::sync::Arc;
use std::time::SystemTime;

use skerry_consensus::Status as ClusterStatus;
use skerry_store::auth::AuthHandle;
use tokio::sync::watch;

use super::jwt::{Claims, Jwt, KeyError};
use super::limits::{TOKEN_BYTES_MAX, TOKEN_WAIT_MAX};
use super::options::TokenOptions;
use super::simple::{self, SimpleTokens};

/// Gives out tokens and knows them again.
#[derive(Debug)]
pub(super) enum Tokens {
    /// Made by applying a command, so that all members know them.
    Simple(Arc<SimpleTokens>),
    /// Signed by the member that checked the password.
    Jwt(Box<Jwt>),
}

impl Tokens {
    /// Reads keys, and begins to listen to what the log says of tokens.
    pub(super) fn open(options: &TokenOptions, rules: &AuthHandle) -> Result<Tokens, KeyError> {
        match options {
            TokenOptions::Simple => {
                let tokens = Arc::new(SimpleTokens::default());
                let heeding = Arc::clone(&tokens);
                rules.listen(move |change| heeding.heed(change));
                Ok(Tokens::Simple(tokens))
            }
            TokenOptions::Jwt(options) => Ok(Tokens::Jwt(Box::new(Jwt::open(options)?))),
        }
    }

    /// What a token says: the user, and the auth revision for kinds that carry one. `None` for
    /// one that is not, or no longer, good. Waits for this member to apply what made the token.
    pub(super) async fn claims(
        &self,
        token: &str,
        status: &watch::Receiver<Arc<ClusterStatus>>,
    ) -> Option<(String, Option<u64>)> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        match self {
            Tokens::Jwt(jwt) => {
                let Claims { user, revision } = jwt.verify(token, SystemTime::now())?;
                Some((user, Some(revision)))
            }
            Tokens::Simple(tokens) => match tokens.user(token) {
                Some(user) => Some((user, None)),
                None => {
                    let wait = wait_for(tokens, token, status.clone());
                    let user = tokio::time::timeout(TOKEN_WAIT_MAX, wait).await.ok()??;
                    Some((user, None))
                }
            },
        }
    }
}

/// The user of a token that the entry at its index may yet make known.
async fn wait_for(
    tokens: &SimpleTokens,
    token: &str,
    mut status: watch::Receiver<Arc<ClusterStatus>>,
) -> Option<String> {
    let index = simple::index_of(token)?;
    loop {
        let mut issued = std::pin::pin!(tokens.issued().notified());
        issued.as_mut().enable();
        // In this order: what is applied has made its token known.
        let applied = status.borrow_and_update().applied_index >= index;
        if let Some(user) = tokens.user(token) {
            return Some(user);
        }
        if applied {
            return None;
        }
        tokio::select! {
            () = issued => {}
            changed = status.changed() => changed.ok()?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skerry_consensus::Role;
    use skerry_store::auth::AuthChange;

    fn status(applied_index: u64) -> Arc<ClusterStatus> {
        Arc::new(ClusterStatus {
            cluster_id: 1,
            member_id: 1,
            role: Role::Follower,
            leader: Some(2),
            term: 1,
            committed_index: applied_index,
            applied_index,
            members: Vec::new(),
            out_of_reach: false,
            fatal: None,
        })
    }

    fn issue(tokens: &SimpleTokens) {
        tokens.heed(&AuthChange::Token {
            user: "alice".into(),
            token: "abc.7".into(),
        });
    }

    fn paused<F: Future>(future: F) -> F::Output {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_member_that_lags_waits_for_the_entry_that_makes_the_token() {
        paused(async {
            let simple = Arc::new(SimpleTokens::default());
            let tokens = Tokens::Simple(Arc::clone(&simple));
            let (sender, receiver) = watch::channel(status(5));
            let claims = tokens.claims("abc.7", &receiver);
            let apply = async {
                sender.send_replace(status(6));
                tokio::task::yield_now().await;
                issue(&simple);
                sender.send_replace(status(7));
            };
            let (claims, ()) = tokio::join!(claims, apply);
            assert_eq!(claims, Some(("alice".into(), None)));
        });
    }

    #[test]
    fn a_token_that_was_never_made_is_refused_once_its_entry_is_applied() {
        paused(async {
            let simple = Arc::new(SimpleTokens::default());
            let tokens = Tokens::Simple(Arc::clone(&simple));
            let (sender, receiver) = watch::channel(status(7));
            assert_eq!(tokens.claims("abc.7", &receiver).await, None);
            assert_eq!(tokens.claims("no index", &receiver).await, None);
            let long = "a".repeat(TOKEN_BYTES_MAX);
            assert_eq!(tokens.claims(&format!("{long}.1"), &receiver).await, None);
            // The server stops: nothing will be applied any more.
            let waiting = tokens.claims("abc.9", &receiver);
            let (claims, ()) = tokio::join!(waiting, async { drop(sender) });
            assert_eq!(claims, None);
        });
    }
}
