//! CertificateSigningRequests: who may ask, approve and sign, and what a signer makes of them.
//!
//! [`admit`] is on the way of a request, [`rules`] is pure; the leader's part is in
//! `controllers/certificates`. Knows nothing about keys: those stay with the [`Signer`].

mod admit;
pub(crate) mod rules;

pub(crate) use admit::fill;

use std::fmt::Debug;

/// The cluster's authorities, for those who may have something signed. Handed in from outside, so
/// that no key of an authority ever comes in here.
pub trait Signer: Debug + Send + Sync {
    /// Reads a request (PKCS#10 as PEM) and checks its signature; otherwise what is wrong with it.
    fn read(&self, pem: &[u8]) -> Result<RequestFacts, String>;

    /// Signs a request that was approved; a certificate and its chain, as PEM.
    fn sign(&self, pem: &[u8], terms: &Terms<'_>) -> Result<String, String>;

    /// When a certificate ends (PEM, the first of a chain), in seconds since 1970; otherwise what
    /// is wrong with it.
    fn end_of(&self, pem: &[u8]) -> Result<i64, String>;
}

/// What a request asks to be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// Common name of the subject.
    pub common_name: String,
    /// Organizations of the subject.
    pub organizations: Vec<String>,
    /// How many alternative names are host names.
    pub dns_names: usize,
    /// How many are mail addresses.
    pub email_addresses: usize,
    /// How many are IP addresses.
    pub ip_addresses: usize,
    /// How many are URIs.
    pub uris: usize,
}

/// Which authority of the cluster signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterAuthority {
    /// That of clients of the API server.
    Client,
    /// That of servers.
    Server,
}

/// What a certificate is to be.
#[derive(Debug, Clone)]
pub struct Terms<'a> {
    /// Who signs it.
    pub authority: ClusterAuthority,
    /// What it is for, as Kubernetes names it.
    pub usages: &'a [&'a str],
    /// How long it is good for, in seconds, unless the authority ends before.
    pub life_seconds: u64,
}
