//! Why a server could not join, in words for the operator who reads the log.

use skerry_consensus::{ProposeError, ReadError};
use skerry_pki::{PkiError, TokenFileError};

use crate::EnvelopeError;

/// `--server` that is no URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{url}' is not the URL of a server: {reason}")]
pub struct ServerUrlError {
    /// What was given.
    pub url: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Bootstrap data that could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// It could not be encrypted or decrypted.
    #[error("bootstrap data: {0}")]
    Envelope(#[from] EnvelopeError),
    /// What came out of the envelope is not what a server puts in.
    #[error("bootstrap data is not understood: {reason}")]
    Form {
        /// What is wrong with it.
        reason: String,
    },
    /// The replicated store could not be read.
    #[error("cannot read bootstrap data from the store: {0}")]
    Read(#[from] ReadError),
    /// The replicated store did not take it.
    #[error("cannot put bootstrap data into the store: {0}")]
    Write(#[from] ProposeError),
}

/// Why this node is not a member now.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No server was named.
    #[error("no server to join was given")]
    NoServers,
    /// More servers were named than anybody has.
    #[error("{given} servers to join were given, at most {max} are tried")]
    TooManyServers {
        /// How many.
        given: usize,
        /// The limit.
        max: usize,
    },
    /// The server is not of the cluster that the token was made for.
    #[error(
        "{server}: token CA hash does not match the Cluster CA certificate hash: {token} != \
         {cluster}: this token is of another cluster, or somebody stands between"
    )]
    CaHash {
        /// The server asked.
        server: String,
        /// The token's pin.
        token: String,
        /// The hash of what the server serves.
        cluster: String,
    },
    /// What `/cacerts` answered is no certificate.
    #[error("{server}: /cacerts holds no usable certificate authority")]
    CaCerts {
        /// The server asked.
        server: String,
    },
    /// The server's certificate was not signed by its own CA, has ended, or is for other names.
    #[error("{server}: its certificate is not good: {reason}")]
    Certificate {
        /// The server asked.
        server: String,
        /// What rustls said, and what to do where that is known.
        reason: String,
    },
    /// The password is not this cluster's.
    #[error("{server}: the token's password is wrong for this cluster")]
    WrongPassword {
        /// The server asked.
        server: String,
    },
    /// A running member has this node's name.
    #[error("{server}: {message}")]
    DuplicateName {
        /// The server asked.
        server: String,
        /// Its own words: which member, and what to do.
        message: String,
    },
    /// This node belonged to another cluster.
    #[error("{server}: is of cluster {theirs:x}, this node is of cluster {ours:x}")]
    ClusterId {
        /// The server asked.
        server: String,
        /// What this node knows.
        ours: u64,
        /// What the server said.
        theirs: u64,
    },
    /// A setting that must be the same on every server is not.
    #[error(
        "critical configuration value mismatch between servers: '{key}' is '{theirs}' on \
         {server} and '{ours}' here"
    )]
    CriticalValue {
        /// The server asked.
        server: String,
        /// The setting.
        key: String,
        /// Its value in the cluster.
        theirs: String,
        /// Its value here.
        ours: String,
    },
    /// The server said no, for another reason.
    #[error("{server}: the join was refused: {message}")]
    Refused {
        /// The server asked.
        server: String,
        /// Its own words.
        message: String,
    },
    /// The answer is not one that a server of this version gives.
    #[error("{server}: its answer is not understood: {reason}")]
    Answer {
        /// The server asked.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The bootstrap data in the answer is not usable.
    #[error("{server}: {source}")]
    Bootstrap {
        /// The server asked.
        server: String,
        /// What is wrong with it.
        source: BootstrapError,
    },
    /// No server could be reached, or none could take a member in, within the time given.
    #[error("no server could be joined within {seconds} s; the last one: {server}: {reason}")]
    Unreachable {
        /// The server asked last.
        server: String,
        /// What went wrong with it.
        reason: String,
        /// How long it was tried.
        seconds: u64,
    },
    /// The files of the cluster could not be written.
    #[error(transparent)]
    Files(#[from] PkiError),
    /// The token could not be written.
    #[error(transparent)]
    Token(#[from] TokenFileError),
}
