//! Certificate authorities, leaf certificates, join tokens, kubeconfig.
//!
//! Keeps the cluster's authorities and this node's certificates under `<data-dir>/tls`, in
//! K3s's layout, and turns them into TLS configurations whose certificates are replaced while
//! connections go on. Knows nothing about sockets, Raft or HTTP.
//!
//! ```text
//! tls/server-ca.{crt,key}            signs the API server (6443); the join token pins it
//! tls/client-ca.{crt,key}            signs those who may call the API server
//! tls/request-header-ca.{crt,key}    signs the proxy to aggregated API servers
//! tls/service.key                    signs service account tokens (ECDSA P-256, PKCS#8); behind the
//!                                    first key those that did before
//! tls/seal.key                       the first service.key, once there is another: what seals keys
//! tls/*-ca.cross.crt                 what authorities before say of the one that followed them
//! tls/next.json                      the authorities that the next start takes
//! tls/serving-kube-apiserver.{crt,key}
//! tls/client-admin.{crt,key}         CN=system:admin, O=system:masters
//! tls/client-kube-apiserver.{crt,key} CN=system:apiserver, O=system:masters, towards kubelets
//! tls/client-auth-proxy.{crt,key}    CN=system:auth-proxy, towards extension API servers
//! tls/etcd/server-ca.{crt,key}       signs the etcd API (2379) and its clients
//! tls/etcd/peer-ca.{crt,key}         signs the members (2380)
//! tls/etcd/server-client.{crt,key}
//! tls/etcd/peer-server-client.{crt,key}
//! tls/etcd/client.{crt,key}          for etcdctl --cert --key, with --cacert server-ca.crt
//! ```
//!
//! Invariant: a file of this crate is either absent or whole; the authorities of a cluster are
//! never made anew for a node that is a member already.

mod authority;
mod authority_files;
mod ca_hash;
mod callers;
mod clock;
mod cross;
mod error;
mod examine;
mod file;
mod hex;
mod identity;
mod inspect;
mod issue;
mod kubeconfig;
mod leaf;
pub mod limits;
mod live;
mod pki;
#[cfg(test)]
mod pki_test;
mod signing_request;
mod succession;
#[cfg(test)]
mod succession_test;
mod tls;
mod token;
mod token_file;
mod usage;

pub use authority::Authority;
pub use authority_files::{AuthorityFile, AuthorityFiles};
pub use ca_hash::CaHash;
pub use callers::{CallersOfApi, Standing};
pub use clock::{CLOCK_FLOOR, Clock};
pub use error::{KubeconfigError, PkiError, TokenError, TokenFileError};
pub use identity::Identity;
pub use inspect::{Inspected, inspect};
pub use issue::{IssueError, examine_certificates};
pub use kubeconfig::{Kubeconfig, write_kubeconfig};
pub use leaf::{FRONT_PROXY, Leaf};
pub use live::LiveCertificate;
pub use pki::Pki;
pub use signing_request::{RequestError, SigningRequest};
pub use succession::{Succession, SuccessionError};
pub use tls::{client_config_trusting, client_config_unverified};
pub use token::{Password, Token};
pub use token_file::{TokenFile, read_token_file};
