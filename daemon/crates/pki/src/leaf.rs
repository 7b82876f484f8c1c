//! The certificates of this node: what they say, when they are issued, and when again.
//!
//! Knows nothing about TLS connections. Invariant: a leaf in use is signed by the authority on
//! disk, carries the names this node has now, and its key is its own.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use zeroize::Zeroizing;

use crate::authority::{Authority, LoadedAuthority};
use crate::examine;
use crate::identity::San;
use crate::limits::{LEAF_LIFE_SECONDS, LEAF_RENEW_SECONDS};
use crate::{Clock, Identity, PkiError, file};

/// The name of the API server towards extension servers: K3s's.
pub const FRONT_PROXY: &str = "system:auth-proxy";

/// One of this node's certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// Of the Kubernetes API server, on 6443.
    ApiServer,
    /// The administrator's, for the kubeconfig: it may do everything.
    Admin,
    /// Of the API server where it calls kubelets.
    ApiServerClient,
    /// Of the API server where it passes on to extension servers what clients ask.
    FrontProxy,
    /// Of the etcd API, on 2379. Signed by `etcd/server-ca`, as its clients' are.
    EtcdServer,
    /// Of a client of the etcd API.
    EtcdClient,
    /// Of a member, towards the other members, on 2380: both ends of a connection show it.
    EtcdPeer,
}

pub(crate) struct Wanted {
    pub(crate) common_name: &'static str,
    pub(crate) organization: Option<&'static str>,
    pub(crate) sans: BTreeSet<San>,
    pub(crate) server: bool,
    pub(crate) client: bool,
}

impl Leaf {
    /// All of them.
    pub const ALL: [Leaf; 7] = [
        Leaf::ApiServer,
        Leaf::Admin,
        Leaf::ApiServerClient,
        Leaf::FrontProxy,
        Leaf::EtcdServer,
        Leaf::EtcdClient,
        Leaf::EtcdPeer,
    ];

    fn stem(self) -> &'static str {
        match self {
            Leaf::ApiServer => "serving-kube-apiserver",
            Leaf::Admin => "client-admin",
            Leaf::ApiServerClient => "client-kube-apiserver",
            Leaf::FrontProxy => "client-auth-proxy",
            Leaf::EtcdServer => "etcd/server-client",
            Leaf::EtcdClient => "etcd/client",
            Leaf::EtcdPeer => "etcd/peer-server-client",
        }
    }

    /// File of the certificate, below `tls/`.
    pub fn certificate_name(self) -> String {
        format!("{}.crt", self.stem())
    }

    /// File of the key, below `tls/`.
    pub fn key_name(self) -> String {
        format!("{}.key", self.stem())
    }

    pub(crate) fn authority(self) -> Authority {
        match self {
            Leaf::ApiServer => Authority::Server,
            Leaf::Admin | Leaf::ApiServerClient => Authority::Client,
            Leaf::FrontProxy => Authority::RequestHeader,
            Leaf::EtcdServer | Leaf::EtcdClient => Authority::EtcdServer,
            Leaf::EtcdPeer => Authority::EtcdPeer,
        }
    }

    pub(crate) fn wanted(self, identity: &Identity) -> Wanted {
        let (common_name, organization) = match self {
            Leaf::ApiServer => ("kube-apiserver", None),
            Leaf::Admin => ("system:admin", Some("system:masters")),
            Leaf::ApiServerClient => ("system:apiserver", Some("system:masters")),
            Leaf::FrontProxy => (FRONT_PROXY, None),
            Leaf::EtcdServer => ("etcd-server", None),
            Leaf::EtcdClient => ("etcd-client", None),
            Leaf::EtcdPeer => ("etcd-peer", None),
        };
        let sans = match self {
            Leaf::ApiServer => identity.api_sans(),
            Leaf::EtcdServer | Leaf::EtcdPeer => identity.node_sans(),
            Leaf::Admin | Leaf::ApiServerClient | Leaf::FrontProxy | Leaf::EtcdClient => {
                BTreeSet::new()
            }
        };
        Wanted {
            common_name,
            organization,
            sans,
            server: matches!(self, Leaf::ApiServer | Leaf::EtcdServer | Leaf::EtcdPeer),
            client: !matches!(self, Leaf::ApiServer),
        }
    }
}

/// A certificate and its key, as on disk and ready for TLS.
pub(crate) struct IssuedLeaf {
    /// The leaf, then what leads to the root.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    /// In Unix seconds.
    pub(crate) not_after: u64,
    pub(crate) pem: String,
    pub(crate) key_pem: Zeroizing<String>,
}

/// The leaf on disk where it is good to use, otherwise a new one in its place.
pub(crate) fn load_or_issue(
    leaf: Leaf,
    tls: &Path,
    authority: &LoadedAuthority,
    identity: &Identity,
    clock: &Clock,
) -> Result<IssuedLeaf, PkiError> {
    let wanted = leaf.wanted(identity);
    match examine::load(leaf, tls, authority, &wanted, clock)? {
        Ok(found) => return Ok(found),
        Err(reason) => tracing::info!(certificate = leaf.stem(), %reason, "issuing a certificate"),
    }
    let issued = sign(leaf, tls, authority, &wanted, clock)?;
    save(leaf, tls, &issued)?;
    Ok(issued)
}

/// Whether a leaf that ends then is to be issued again.
pub(crate) fn is_due(not_after: u64, authority_not_after: u64, clock: &Clock) -> bool {
    // Where the authority itself ends soon, a new leaf would end no later: not again each time.
    not_after < clock.now().saturating_add(LEAF_RENEW_SECONDS) && not_after < authority_not_after
}

/// Writes a leaf and its key.
pub(crate) fn save(leaf: Leaf, tls: &Path, issued: &IssuedLeaf) -> Result<(), PkiError> {
    // A power cut may lose or tear either: `examine` sees it, and they are issued anew.
    file::write_lazily(&tls.join(leaf.key_name()), &issued.key_pem, file::SECRET)?;
    file::write_lazily(
        &tls.join(leaf.certificate_name()),
        &issued.pem,
        file::PUBLIC,
    )
}

/// A new key, and the authority's signature on what the node is called now.
pub(crate) fn sign(
    leaf: Leaf,
    tls: &Path,
    authority: &LoadedAuthority,
    wanted: &Wanted,
    clock: &Clock,
) -> Result<IssuedLeaf, PkiError> {
    let failed = |reason: String| PkiError::Issue {
        path: tls.join(leaf.certificate_name()),
        reason,
    };
    let pair = KeyPair::generate().map_err(|error| failed(error.to_string()))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(organization) = wanted.organization {
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization);
    }
    params
        .distinguished_name
        .push(DnType::CommonName, wanted.common_name);
    for san in &wanted.sans {
        params.subject_alt_names.push(match san {
            San::Ip(address) => SanType::IpAddress(*address),
            San::Dns(name) => {
                SanType::DnsName(name.as_str().try_into().map_err(|error: rcgen::Error| {
                    PkiError::Name {
                        name: name.clone(),
                        reason: error.to_string(),
                    }
                })?)
            }
        });
    }
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    if wanted.server {
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if wanted.client {
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    params.use_authority_key_identifier_extension = true;
    let not_after = clock
        .now()
        .saturating_add(LEAF_LIFE_SECONDS)
        .min(authority.not_after);
    set_validity(&mut params, not_after);
    let certificate = params
        .signed_by(&pair, &authority.issuer)
        .map_err(|error| failed(error.to_string()))?;
    let mut pem = certificate.pem();
    let mut chain = vec![certificate.der().clone()];
    for intermediate in authority.intermediates() {
        pem.push_str(&pem_of(intermediate));
        chain.push(intermediate.clone());
    }
    let key_pem = Zeroizing::new(pair.serialize_pem());
    let key = private_key(&key_pem).map_err(failed)?;
    Ok(IssuedLeaf {
        chain,
        key,
        not_after,
        pem,
        key_pem,
    })
}

/// Valid from 1970 (see [`crate::Clock`] for why) to `not_after`, in Unix seconds.
pub(crate) fn set_validity(params: &mut CertificateParams, not_after: u64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch;
    params.not_after = epoch + Duration::from_secs(not_after.min(END_OF_9999));
}

/// The last second that a certificate can name.
const END_OF_9999: u64 = 253_402_300_799;

pub(crate) fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())
}

pub(crate) fn pem_of(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
