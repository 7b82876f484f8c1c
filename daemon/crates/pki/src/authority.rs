//! The cluster's certificate authorities and its service account key: the same on every server.
//!
//! Loads them, and makes them where a cluster is formed.
//! Knows nothing about leaf certificates. Invariant: a loaded authority's key belongs to its
//! certificate.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use zeroize::Zeroizing;

use crate::file::{self, NewFile};
use crate::leaf::set_validity;
use crate::limits::{CA_CHAIN_MAX, CA_LIFE_SECONDS};
use crate::{AuthorityFile, AuthorityFiles, Clock, PkiError};

/// File of the service account key, below `tls/`.
pub(crate) const SERVICE_KEY: &str = "service.key";
/// The service account key that a cluster had first, once it has another.
pub(crate) const SEAL_KEY: &str = "seal.key";

/// One of the cluster's certificate authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Authority {
    Server,
    Client,
    RequestHeader,
    EtcdServer,
    EtcdPeer,
}

impl Authority {
    /// All of them.
    pub const ALL: [Authority; 5] = [
        Authority::Server,
        Authority::Client,
        Authority::RequestHeader,
        Authority::EtcdServer,
        Authority::EtcdPeer,
    ];

    fn stem(self) -> &'static str {
        match self {
            Authority::Server => "server-ca",
            Authority::Client => "client-ca",
            Authority::RequestHeader => "request-header-ca",
            Authority::EtcdServer => "etcd/server-ca",
            Authority::EtcdPeer => "etcd/peer-ca",
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

    /// File of what earlier authorities say of this one, below `tls/`; not every one has it.
    pub fn cross_name(self) -> String {
        format!("{}.cross.crt", self.stem())
    }

    fn common_name(self, now: u64) -> String {
        let noun = match self {
            Authority::Server => "server",
            Authority::Client => "client",
            Authority::RequestHeader => "request-header",
            Authority::EtcdServer => "etcd-server",
            Authority::EtcdPeer => "etcd-peer",
        };
        format!("skerry-{noun}-ca@{now}")
    }
}

/// An authority in memory, ready to sign.
pub(crate) struct LoadedAuthority {
    /// The file as it is, with the chain to a root where there is one, and what is trusted besides.
    pub(crate) pem: String,
    /// What its earlier authorities say of it; empty where there were none.
    pub(crate) cross_pem: String,
    /// Its own certificates of the file, up to its root; the first is the one that signs.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The one that signs, and behind its own chain those that did before.
    anchors: Vec<CertificateDer<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
    /// When the authority ends, in Unix seconds.
    pub(crate) not_after: u64,
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) key_pem: Zeroizing<String>,
}

impl LoadedAuthority {
    /// The certificate that signs.
    pub(crate) fn anchor(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// What a verifier of this authority's leaves trusts, and of those it has followed.
    pub(crate) fn anchors(&self) -> &[CertificateDer<'static>] {
        &self.anchors
    }

    /// What goes between a leaf and the root when the leaf is presented.
    pub(crate) fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    fn load(tls: &Path, authority: Authority) -> Result<Option<LoadedAuthority>, PkiError> {
        let certificate = tls.join(authority.certificate_name());
        let key = tls.join(authority.key_name());
        let key_pem = file::read(&key)?;
        let mut pem = file::read(&certificate)?;
        if let (Some(key_pem), None) = (&key_pem, &pem) {
            pem = finish_half_made_pair(&certificate, key_pem)?;
        }
        let cross = file::read(&tls.join(authority.cross_name()))?;
        let cross = cross.as_ref().map_or("", |text| text.as_str());
        match (pem, key_pem) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(PkiError::Missing { path: certificate }),
            (Some(_), None) => Err(PkiError::Missing { path: key }),
            (Some(pem), Some(key_pem)) => LoadedAuthority::from_pem(&pem, key_pem, cross)
                .map(Some)
                .map_err(|fault| match fault {
                    Fault::Certificate(reason) => PkiError::Certificate {
                        path: certificate,
                        reason,
                    },
                    Fault::Key(reason) => PkiError::Key { path: key, reason },
                    Fault::Mismatch => PkiError::KeyMismatch { key, certificate },
                }),
        }
    }

    pub(crate) fn from_pem(
        pem: &str,
        key_pem: Zeroizing<String>,
        cross_pem: &str,
    ) -> Result<LoadedAuthority, Fault> {
        let mut chain = parse_chain(pem.as_bytes()).map_err(Fault::Certificate)?;
        let earlier = chain.split_off(own_length(&chain));
        let mut anchors = vec![chain[0].clone()];
        anchors.extend(earlier);
        let mut intermediates = chain.clone();
        // The root is known to whoever verifies; one that is its own root is trusted as it is.
        intermediates.pop();
        if !cross_pem.is_empty() {
            let cross = parse_chain(cross_pem.as_bytes()).map_err(Fault::Certificate)?;
            intermediates.extend(cross);
        }
        let unreadable = |_| Fault::Certificate("not an X.509 certificate".to_owned());
        let (_, parsed) = X509Certificate::from_der(&chain[0]).map_err(unreadable)?;
        if !parsed.is_ca() {
            return Err(Fault::Certificate("not a certificate authority".to_owned()));
        }
        if !is_plain(parsed.subject()) {
            let reason = "its subject has an attribute twice, or two in one place";
            return Err(Fault::Certificate(reason.to_owned()));
        }
        let key = KeyPair::from_pem(&key_pem)
            .map_err(|error| Fault::Key(format!("not a private key in PKCS#8 PEM: {error}")))?;
        if key.subject_public_key_info() != parsed.public_key().raw {
            return Err(Fault::Mismatch);
        }
        let not_after = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        let issuer = Issuer::from_ca_cert_der(&chain[0], key)
            .map_err(|error| Fault::Certificate(error.to_string()))?;
        Ok(LoadedAuthority {
            pem: pem.to_owned(),
            cross_pem: cross_pem.to_owned(),
            chain,
            anchors,
            intermediates,
            not_after,
            issuer,
            key_pem,
        })
    }

    /// A new one, not on disk yet.
    pub(crate) fn create(
        tls: &Path,
        authority: Authority,
        clock: &Clock,
    ) -> Result<LoadedAuthority, PkiError> {
        let certificate = tls.join(authority.certificate_name());
        let failed = |error: rcgen::Error| PkiError::Issue {
            path: certificate.clone(),
            reason: error.to_string(),
        };
        let pair = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, authority.common_name(clock.now()));
        set_validity(&mut params, clock.now().saturating_add(CA_LIFE_SECONDS));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
        ];
        let pem = params.self_signed(&pair).map_err(failed)?.pem();
        let key_pem = Zeroizing::new(pair.serialize_pem());
        LoadedAuthority::from_pem(&pem, key_pem, "").map_err(|fault| PkiError::Issue {
            path: certificate.clone(),
            reason: fault.to_string(),
        })
    }
}

/// A key whose certificate was staged when the power went: the certificate gets its name now.
fn finish_half_made_pair(
    certificate: &Path,
    key_pem: &Zeroizing<String>,
) -> Result<Option<Zeroizing<String>>, PkiError> {
    let staged = file::staged_name(certificate);
    let Some(pem) = file::read(&staged)? else {
        return Ok(None);
    };
    if LoadedAuthority::from_pem(&pem, key_pem.clone(), "").is_err() {
        return Ok(None);
    }
    file::commit(&staged, certificate)?;
    file::sync_folder_of(certificate)?;
    Ok(Some(pem))
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Certificate(String),
    #[error("{0}")]
    Key(String),
    #[error("the key is not the certificate's")]
    Mismatch,
}

/// All authorities and the service account key.
pub(crate) struct Authorities {
    loaded: [LoadedAuthority; 5],
    service_key: Zeroizing<String>,
    /// What keys are sealed with, once that is no longer the service key.
    seal_key: Option<Zeroizing<String>>,
}

impl Authorities {
    pub(crate) fn get(&self, authority: Authority) -> &LoadedAuthority {
        &self.loaded[authority as usize]
    }

    /// Loads them; with `create`, makes those that are not there.
    pub(crate) fn load(tls: &Path, clock: &Clock, create: bool) -> Result<Authorities, PkiError> {
        let mut loaded = Vec::with_capacity(Authority::ALL.len());
        for authority in Authority::ALL {
            loaded.push(match LoadedAuthority::load(tls, authority)? {
                Some(found) => found,
                None if create => LoadedAuthority::create(tls, authority, clock)?,
                None => {
                    return Err(PkiError::Missing {
                        path: tls.join(authority.certificate_name()),
                    });
                }
            });
        }
        let Ok(loaded) = <[LoadedAuthority; 5]>::try_from(loaded) else {
            unreachable!("one was pushed for each of Authority::ALL");
        };
        let service_key = service_key(tls, create)?;
        let authorities = Authorities {
            loaded,
            service_key,
            seal_key: file::read(&tls.join(SEAL_KEY))?,
        };
        if create {
            authorities.save(tls)?;
        }
        Ok(authorities)
    }

    /// Writes those that are not on disk. A key gets its name before its certificate, so that
    /// `finish_half_made_pair` can go on from a power cut between the two.
    fn save(&self, tls: &Path) -> Result<(), PkiError> {
        let mut files = Vec::with_capacity(Authority::ALL.len() * 2 + 1);
        for (authority, loaded) in Authority::ALL.into_iter().zip(&self.loaded) {
            let (key, certificate) = (authority.key_name(), authority.certificate_name());
            files.push((key, loaded.key_pem.as_str(), file::SECRET));
            files.push((certificate, loaded.pem.as_str(), file::PUBLIC));
        }
        files.push((SERVICE_KEY.to_owned(), &self.service_key, file::SECRET));
        let missing = files.into_iter().map(|(name, text, mode)| NewFile {
            path: tls.join(name),
            text,
            mode,
        });
        // The operator's own files keep the permissions they have.
        let missing: Vec<NewFile<'_>> = missing.filter(|file| !file.path.exists()).collect();
        if !missing.is_empty() {
            tracing::info!(
                files = missing.len(),
                "made the cluster's certificate authorities"
            );
        }
        file::write_all(&missing)
    }

    pub(crate) fn files(&self) -> AuthorityFiles {
        let mut files = Vec::with_capacity(Authority::ALL.len() * 2 + 1);
        for (authority, loaded) in Authority::ALL.into_iter().zip(&self.loaded) {
            files.push(AuthorityFile {
                name: authority.certificate_name(),
                pem: Zeroizing::new(loaded.pem.clone()),
            });
            files.push(AuthorityFile {
                name: authority.key_name(),
                pem: loaded.key_pem.clone(),
            });
            if !loaded.cross_pem.is_empty() {
                files.push(AuthorityFile {
                    name: authority.cross_name(),
                    pem: Zeroizing::new(loaded.cross_pem.clone()),
                });
            }
        }
        files.push(AuthorityFile {
            name: SERVICE_KEY.to_owned(),
            pem: self.service_key.clone(),
        });
        if let Some(seal_key) = &self.seal_key {
            files.push(AuthorityFile {
                name: SEAL_KEY.to_owned(),
                pem: seal_key.clone(),
            });
        }
        AuthorityFiles(files)
    }
}

/// The one on disk, or with `create` a new one that is not there yet.
fn service_key(tls: &Path, create: bool) -> Result<Zeroizing<String>, PkiError> {
    let path = tls.join(SERVICE_KEY);
    if let Some(pem) = file::read(&path)? {
        KeyPair::from_pem(&pem).map_err(|error| PkiError::Key {
            path,
            reason: format!("not a private key in PKCS#8 PEM: {error}"),
        })?;
        return Ok(pem);
    }
    if !create {
        return Err(PkiError::Missing { path });
    }
    let pair = KeyPair::generate().map_err(|error| PkiError::Issue {
        path,
        reason: error.to_string(),
    })?;
    Ok(Zeroizing::new(pair.serialize_pem()))
}

/// Makes `<data_dir>/tls/etcd`, and answers `<data_dir>/tls`.
pub(crate) fn make_folders(data_dir: &Path) -> Result<std::path::PathBuf, PkiError> {
    let tls = data_dir.join("tls");
    file::make_folder(&tls.join("etcd"), true)?;
    file::sync_folder_of(&tls)?;
    Ok(tls)
}

/// Whether a name is written the same again in the leaves of its authority: rcgen keeps one attribute
/// of a kind, each in a place of its own. Clients would find no issuer of another name.
pub(crate) fn is_plain(name: &X509Name<'_>) -> bool {
    let mut kinds = std::collections::HashSet::new();
    name.iter().all(|place| {
        let mut attributes = place.iter();
        let first = attributes.next();
        let is_new = first.is_some_and(|first| kinds.insert(first.attr_type().clone()));
        is_new && attributes.next().is_none()
    })
}

/// How many of a file's certificates, at least one, lead from the first to its root.
pub(crate) fn own_length(chain: &[CertificateDer<'_>]) -> usize {
    let mut length = 1;
    while let (Some(last), next) = (chain.get(length - 1), chain.get(length)) {
        let (Ok((_, last)), Some(next)) = (X509Certificate::from_der(last), next) else {
            break;
        };
        let is_root = last.subject().as_raw() == last.issuer().as_raw();
        let leads_on = X509Certificate::from_der(next)
            .is_ok_and(|(_, next)| next.subject().as_raw() == last.issuer().as_raw());
        if is_root || !leads_on {
            break;
        }
        length += 1;
    }
    length
}

/// The certificates of a PEM file, at least one.
pub(crate) fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        if chain.len() == CA_CHAIN_MAX {
            return Err(format!("more than {CA_CHAIN_MAX} certificates"));
        }
        chain.push(certificate.map_err(|error| format!("not a PEM file: {error}"))?);
    }
    if chain.is_empty() {
        Err("holds no certificate".to_owned())
    } else {
        Ok(chain)
    }
}
