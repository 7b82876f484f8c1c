//! What a client of the etcd API authenticates with, and an authority to issue it for etcd.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files, as etcdctl's `--cacert`, `--cert` and `--key` want them.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Signs the servers' certificates.
    pub server_ca: PathBuf,
    /// The client's certificate.
    pub certificate: PathBuf,
    /// The client's key.
    pub key: PathBuf,
}

impl Credentials {
    /// As a Skerry member keeps them in its data directory.
    pub fn of_data_dir(data_dir: &Path) -> Self {
        let folder = data_dir.join("tls/etcd");
        Self {
            server_ca: folder.join("server-ca.crt"),
            certificate: folder.join("client.crt"),
            key: folder.join("client.key"),
        }
    }

    /// The subject common name of the client's certificate.
    pub fn common_name(&self) -> Result<String> {
        let certificate = CertificateDer::from_pem_file(&self.certificate)
            .with_context(|| format!("read {}", self.certificate.display()))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .with_context(|| format!("parse {}", self.certificate.display()))?;
        let name = parsed
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok());
        Ok(name.unwrap_or_default().to_owned())
    }

    /// A TLS client configuration that offers HTTP/2 only.
    pub(crate) fn client_config(&self) -> Result<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.server_ca)
            .with_context(|| format!("read {}", self.server_ca.display()))?
        {
            roots.add(certificate.context("a certificate in the server CA's file")?)?;
        }
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .with_context(|| format!("read {}", self.certificate.display()))?
            .collect::<Result<Vec<_>, _>>()
            .context("a certificate in the client's chain")?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("read {}", self.key.display()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

/// A certificate authority: one of its own for a cluster of the real etcd, or Skerry's.
pub struct Authority {
    folder: PathBuf,
    server_ca: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// What leads from the issuer to the root, where there is anything.
    chain: String,
}

impl Authority {
    /// Writes `ca.crt` into `folder`.
    pub fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let server_ca = folder.join("ca.crt");
        std::fs::write(&server_ca, certificate.pem())?;
        std::fs::write(folder.join("ca.key"), key.serialize_pem())?;
        Ok(Self {
            folder: folder.to_owned(),
            server_ca,
            issuer: Issuer::new(params, key),
            chain: String::new(),
        })
    }

    /// The authority for etcd clients of a Skerry member; what it issues goes into `folder`.
    pub fn of_data_dir(data_dir: &Path, folder: &Path) -> Result<Self> {
        Self::load_files(data_dir.join("tls/etcd/server-ca.crt"), folder)
    }

    /// The authority that [`Authority::create`] made in `made`; what it issues goes into `folder`.
    pub fn load(made: &Path, folder: &Path) -> Result<Self> {
        Self::load_files(made.join("ca.crt"), folder)
    }

    fn load_files(server_ca: PathBuf, folder: &Path) -> Result<Self> {
        let chain = std::fs::read_to_string(&server_ca)
            .with_context(|| format!("read {}", server_ca.display()))?;
        let key = std::fs::read_to_string(server_ca.with_extension("key"))?;
        let issuer = Issuer::from_ca_cert_pem(&chain, KeyPair::from_pem(&key)?)?;
        Ok(Self {
            folder: folder.to_owned(),
            server_ca,
            issuer,
            chain,
        })
    }

    /// Issues `<name>.crt` and `<name>.key` for `addresses`, good for servers and clients.
    pub fn issue(
        &self,
        name: &str,
        common_name: &str,
        addresses: &[IpAddr],
    ) -> Result<Credentials> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if !common_name.is_empty() {
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
        }
        params.subject_alt_names = addresses.iter().map(|ip| SanType::IpAddress(*ip)).collect();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let credentials = Credentials {
            server_ca: self.server_ca.clone(),
            certificate: self.folder.join(format!("{name}.crt")),
            key: self.folder.join(format!("{name}.key")),
        };
        std::fs::write(&credentials.certificate, certificate.pem() + &self.chain)?;
        std::fs::write(&credentials.key, key.serialize_pem())?;
        Ok(credentials)
    }
}
