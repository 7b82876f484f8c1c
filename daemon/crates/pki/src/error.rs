//! Why certificates, tokens or the kubeconfig could not be had; every variant names its place.

use std::io;
use std::path::PathBuf;

/// Certificates and keys.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of a certificate authority is not there, and this node may not make a new one.
    #[error(
        "{} is missing: copy it from another server of the cluster, or remove the data directory \
         and join again",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that cannot be used.
    #[error("{}: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A private key that cannot be used.
    #[error("{}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that belongs to another certificate.
    #[error("{} is not the key of {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// A name that no certificate can carry.
    #[error("'{name}' cannot stand in a certificate: {reason}")]
    Name {
        /// The node name or `--tls-san` value.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate could not be signed.
    #[error("cannot issue {}: {reason}", path.display())]
    Issue {
        /// The certificate's file.
        path: PathBuf,
        /// What the signer said.
        reason: String,
    },
    /// The certificate files of another cluster member that do not belong together.
    #[error("the cluster's certificate files are not usable: {name}: {reason}")]
    Transferred {
        /// The file's name below `tls/`.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system gave no random bytes.
    #[error("the system's random number generator failed")]
    Random,
    /// A TLS configuration could not be put together.
    #[error("cannot set up TLS for {port}: {source}")]
    Tls {
        /// Which port or connection.
        port: &'static str,
        /// What rustls said.
        source: rustls::Error,
    },
    /// A TLS verifier could not be put together.
    #[error("cannot set up TLS verification for {port}: {reason}")]
    Verifier {
        /// Which port or connection.
        port: &'static str,
        /// What rustls said.
        reason: String,
    },
}

/// A join token that cannot be understood. Never shows the token: it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing there.
    #[error("the token is empty")]
    Empty,
    /// Over the limit.
    #[error("the token is {bytes} bytes long, at most {max} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// White space or control characters inside.
    #[error("the token contains a character that is not printable ASCII, at byte {at}")]
    Character {
        /// Offset in bytes.
        at: usize,
    },
    /// The part after `K10` is not a SHA-256.
    #[error("the token's CA hash is not 64 hexadecimal digits")]
    CaHash,
    /// A token with a pin, but no user and password.
    #[error("the token is not of the form K10<CA hash>::server:<password>")]
    Form,
    /// A token made for something other than servers.
    #[error("the token is for user '{user}', a server joins with the token of user 'server'")]
    NotForServers {
        /// Its user.
        user: String,
    },
    /// No password.
    #[error("the token's password is empty")]
    NoPassword,
}

/// The file that holds the cluster's token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] PkiError),
    /// What the file holds is no token.
    #[error("{}: {source}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: TokenError,
    },
    /// The token given does not pin this cluster's certificate authority.
    #[error("token CA hash does not match the Cluster CA certificate hash: {given} != {cluster}")]
    CaHash {
        /// The pin in the token given.
        given: String,
        /// The hash of this cluster's server CA.
        cluster: String,
    },
    /// The token given is not the one that this cluster was formed with.
    #[error(
        "the token given is not the token of this cluster, which stands in {}: this server was \
         started with another token before",
        path.display()
    )]
    Differs {
        /// The file.
        path: PathBuf,
    },
}

/// The kubeconfig and the files beside it.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] PkiError),
    /// Neither the folder asked for nor the one to fall back on takes files.
    #[error("cannot write the kubeconfig: {first}; nor beside: {second}")]
    Nowhere {
        /// The folder asked for.
        first: Box<PkiError>,
        /// The fallback.
        second: Box<PkiError>,
    },
    /// A path without a file name.
    #[error("{} is not the path of a file", path.display())]
    Path {
        /// The path.
        path: PathBuf,
    },
}
