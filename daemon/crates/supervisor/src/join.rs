//! The client side: how a node becomes a member of a cluster that others have formed.
//!
//! Knows nothing about starting as that member. Invariant: nothing is written before a server
//! has taken this node in, and what is written then is all that a start needs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use skerry_pki::{
    CaHash, Clock, Token, TokenFile, client_config_trusting, client_config_unverified,
};
use zeroize::Zeroizing;

use crate::bootstrap::Bootstrap;
use crate::call::{Call, CallError, Times};
use crate::error::{BootstrapError, JoinError};
use crate::limits::{MESSAGE_CHARACTERS_MAX, RETRY_PAUSE_MAX, RETRY_PAUSE_MIN, SERVERS_MAX};
use crate::message::{
    JOIN_PATH, JOIN_VERSION, JoinAnswer, JoinRequest, KnownMember, RefusalAnswer,
};
use crate::node_password::NodePassword;
use crate::refusal::reason;
use crate::server_url::ServerUrl;
use crate::values::CriticalValues;

/// The node that wants in.
#[derive(Debug, Clone)]
pub struct Me {
    /// Its name.
    pub name: String,
    /// Where the other members will find it.
    pub peer_urls: Vec<String>,
    /// Where clients will find it.
    pub client_urls: Vec<String>,
    /// The cluster it was in before, where it knows one: it will join no other.
    pub cluster_id: Option<u64>,
    /// What it keeps, so that nobody else takes its name.
    pub password: NodePassword,
    /// Its settings that must be the same on every server.
    pub critical: CriticalValues,
}

/// What a node needs to start as a member; certificates and token lie in its data directory.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The server that took it in.
    pub server: ServerUrl,
    /// The cluster's id.
    pub cluster_id: u64,
    /// The id allocated to this node.
    pub member_id: u64,
    /// All members, this one included.
    pub members: Vec<KnownMember>,
    /// The cluster's token in full form.
    pub token: Token,
}

/// Asks the servers in turn to take this node in, round after round until `patience` is over
/// (for ever without one), and writes `tls/` and `token` below `data_dir`.
///
/// Servers that cannot be reached, or whose cluster has no leader, are asked again; a clear "no"
/// ends it after the round in which it came, if no other server of the round says yes.
pub async fn join(
    servers: &[ServerUrl],
    token: &Token,
    me: &Me,
    data_dir: &Path,
    clock: &Arc<Clock>,
    patience: Option<Duration>,
) -> Result<Joined, JoinError> {
    if servers.is_empty() {
        return Err(JoinError::NoServers);
    }
    if servers.len() > SERVERS_MAX {
        return Err(JoinError::TooManyServers {
            given: servers.len(),
            max: SERVERS_MAX,
        });
    }
    if token.pin().is_none() {
        tracing::warn!(
            "the token is a short one, without the hash of the cluster's CA: the server's \
             identity cannot be verified; use the full token from a server's token file"
        );
    }
    let joiner = Joiner {
        token,
        me,
        data_dir,
        clock,
    };
    let started = Instant::now();
    let mut pause = RETRY_PAUSE_MIN;
    loop {
        let (server, reason) = match joiner.round(servers).await? {
            Round::Joined(joined) => return Ok(*joined),
            Round::TryAgain { server, reason } => (server, reason),
        };
        let waited = started.elapsed();
        if patience.is_some_and(|patience| waited + pause > patience) {
            return Err(JoinError::Unreachable {
                server,
                reason,
                seconds: waited.as_secs(),
            });
        }
        tracing::info!(
            server,
            reason,
            pause_ms = pause.as_millis(),
            "no server yet, will retry"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_PAUSE_MAX);
    }
}

enum Round {
    Joined(Box<Joined>),
    TryAgain { server: String, reason: String },
}

enum Attempt {
    /// Asking again makes sense.
    Later(String),
    /// It does not.
    No(JoinError),
}

impl From<JoinError> for Attempt {
    fn from(error: JoinError) -> Attempt {
        Attempt::No(error)
    }
}

struct Joiner<'a> {
    token: &'a Token,
    me: &'a Me,
    data_dir: &'a Path,
    clock: &'a Arc<Clock>,
}

impl Joiner<'_> {
    async fn round(&self, servers: &[ServerUrl]) -> Result<Round, JoinError> {
        let mut no = None;
        let mut later = None;
        for server in servers {
            match self.ask(server).await {
                Ok(joined) => return Ok(Round::Joined(Box::new(joined))),
                Err(Attempt::Later(reason)) => later = Some((server.to_string(), reason)),
                // The disk is this node's own: another server has no other.
                Err(Attempt::No(error @ (JoinError::Files(_) | JoinError::Token(_)))) => {
                    return Err(error);
                }
                Err(Attempt::No(error)) => {
                    // The only one's "no" is what the caller gets to say.
                    if servers.len() > 1 {
                        tracing::warn!(%error, "a server did not take this node in");
                    }
                    no.get_or_insert(error);
                }
            }
        }
        match (no, later) {
            (Some(error), _) => Err(error),
            (None, Some((server, reason))) => Ok(Round::TryAgain { server, reason }),
            (None, None) => Err(JoinError::NoServers),
        }
    }

    async fn ask(&self, server: &ServerUrl) -> Result<Joined, Attempt> {
        let (hash, anchor) = self.cluster_ca(server).await?;
        // From here on the server is one of the cluster that the token pins.
        let answer = self.request(server, &anchor).await?;
        let name = server.to_string();
        if let Some(ours) = self.me.cluster_id
            && ours != answer.cluster_id
        {
            let theirs = answer.cluster_id;
            return Err(JoinError::ClusterId {
                server: name,
                ours,
                theirs,
            }
            .into());
        }
        let bootstrap = self.open(&name, &answer, hash).await?;
        self.clock.witness(bootstrap.time);
        bootstrap
            .files
            .install(self.data_dir)
            .map_err(JoinError::Files)?;
        let token = Token::new(hash, self.token.password().clone());
        TokenFile::of(self.data_dir)
            .store(&token)
            .map_err(JoinError::Files)?;
        Ok(Joined {
            server: server.clone(),
            cluster_id: answer.cluster_id,
            member_id: answer.member_id,
            members: answer.members,
            token,
        })
    }

    /// The server's CA, compared with the token's pin. The only thing asked of a server that is
    /// not verified; nothing secret is sent.
    async fn cluster_ca(
        &self,
        server: &ServerUrl,
    ) -> Result<(CaHash, CertificateDer<'static>), Attempt> {
        let tls = client_config_unverified(self.clock).map_err(JoinError::Files)?;
        let call = Call {
            server,
            tls,
            method: Method::GET,
            path: "/cacerts",
            authorization: None,
            body: Bytes::new(),
            times: Times::default(),
        };
        let (status, bundle) = call
            .send()
            .await
            .map_err(|error| Attempt::Later(error.to_string()))?;
        if status != StatusCode::OK {
            return Err(Attempt::Later(format!("/cacerts: {status}")));
        }
        let name = server.to_string();
        let Some((hash, anchor)) = CaHash::of_bundle(&bundle) else {
            return Err(JoinError::CaCerts { server: name }.into());
        };
        match self.token.pin() {
            // One that has signed before vouches for its followers.
            Some(pin) if pin != hash => match pin.certificate_in(&bundle) {
                Some(earlier) => Ok((hash, earlier)),
                None => Err(JoinError::CaHash {
                    server: name,
                    token: pin.to_string(),
                    cluster: hash.to_string(),
                }
                .into()),
            },
            _ => Ok((hash, anchor)),
        }
    }

    async fn request(
        &self,
        server: &ServerUrl,
        anchor: &CertificateDer<'static>,
    ) -> Result<JoinAnswer, Attempt> {
        let tls = client_config_trusting(anchor, self.clock).map_err(JoinError::Files)?;
        let request = JoinRequest {
            version: JOIN_VERSION,
            name: self.me.name.clone(),
            peer_urls: self.me.peer_urls.clone(),
            client_urls: self.me.client_urls.clone(),
            cluster_id: self.me.cluster_id,
            password: Some(self.me.password.shown()),
            critical: self.me.critical.clone(),
        };
        let name = server.to_string();
        let unclear = |reason: String| JoinError::Answer {
            server: name.clone(),
            reason,
        };
        let body = serde_json::to_vec(&request).map_err(|error| unclear(error.to_string()))?;
        let call = Call {
            server,
            tls,
            method: Method::POST,
            path: JOIN_PATH,
            authorization: Some(self.authorization()?),
            body: body.into(),
            times: Times::default(),
        };
        let (status, body) = match call.send().await {
            Ok(answer) => answer,
            Err(CallError::Transport(reason)) => return Err(Attempt::Later(reason)),
            Err(CallError::Certificate(error)) => {
                return Err(JoinError::Certificate {
                    server: name,
                    reason: explain(&error),
                }
                .into());
            }
        };
        if status == StatusCode::OK {
            return serde_json::from_slice(&body)
                .map_err(|error| unclear(error.to_string()).into());
        }
        match serde_json::from_slice(&body) {
            Ok(refusal) => Err(self.refused(name, refusal)),
            // A proxy, or a server that does not know the route.
            Err(_) => Err(unclear(format!("HTTP status {status}")).into()),
        }
    }

    fn authorization(&self) -> Result<HeaderValue, JoinError> {
        let credentials = Zeroizing::new(format!(
            "{}:{}",
            self.token.user(),
            self.token.password().expose()
        ));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(credentials.as_bytes())));
        let value = HeaderValue::try_from(basic.as_str());
        Ok(value.expect("Base64 has no character that a header must not have"))
    }

    fn refused(&self, server: String, refusal: RefusalAnswer) -> Attempt {
        let RefusalAnswer {
            reason,
            message,
            cluster_id,
            differs,
        } = refusal;
        let message = printable(&message);
        if let Some((key, theirs)) = differs.filter(|_| reason == reason::CRITICAL_VALUE) {
            return JoinError::CriticalValue {
                server,
                ours: self.me.critical.get(&key).unwrap_or_default().to_owned(),
                key: printable(&key),
                theirs: printable(&theirs),
            }
            .into();
        }
        match (reason.as_str(), self.me.cluster_id, cluster_id) {
            (reason::UNAVAILABLE, ..) => Attempt::Later(message),
            (reason::WRONG_PASSWORD, ..) => JoinError::WrongPassword { server }.into(),
            (reason::DUPLICATE_NAME, ..) => JoinError::DuplicateName { server, message }.into(),
            (reason::OTHER_CLUSTER, Some(ours), Some(theirs)) => JoinError::ClusterId {
                server,
                ours,
                theirs,
            }
            .into(),
            _ => JoinError::Refused { server, message }.into(),
        }
    }

    async fn open(
        &self,
        server: &str,
        answer: &JoinAnswer,
        hash: CaHash,
    ) -> Result<Bootstrap, JoinError> {
        let wrong = |source| JoinError::Bootstrap {
            server: server.to_owned(),
            source,
        };
        let form = |reason: String| wrong(BootstrapError::Form { reason });
        let envelope = STANDARD
            .decode(&answer.bootstrap)
            .map_err(|error| form(error.to_string()))?;
        let password = self.token.password().clone();
        let opening = tokio::task::spawn_blocking(move || Bootstrap::open(&envelope, &password));
        let opened = opening.await.map_err(|error| form(error.to_string()))?;
        let bootstrap = opened.map_err(wrong)?;
        if bootstrap.ca_hash != hash.to_string() {
            return Err(form(
                "it is of another cluster than the server's certificate".to_owned(),
            ));
        }
        Ok(bootstrap)
    }
}

/// Another program's words, fit for a line of the log.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars()
        .take(MESSAGE_CHARACTERS_MAX)
        .map(shown)
        .collect()
}

fn explain(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("{error}; name the address with --tls-san on that server")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_programs_words_are_one_short_line() {
        assert_eq!(printable("two\nlines\u{1b}[31m"), "two lines [31m");
        let long = "\u{e9}".repeat(MESSAGE_CHARACTERS_MAX + 1);
        assert_eq!(printable(&long).chars().count(), MESSAGE_CHARACTERS_MAX);
    }
}
