//! How a foreign etcd is spoken to: trusted by its CA, with a client certificate where one is given.
//!
//! Invariant: files that cannot be used at the start are an error; from then on they are read again
//! for each connection, so that certificates may be renewed under a server that runs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use skerry_foreign::Tls;
use skerry_pki::Clock;

use crate::config::ForeignEtcd;

/// What its connections are made with.
pub(crate) fn of(etcd: &ForeignEtcd, clock: &Arc<Clock>) -> anyhow::Result<Tls> {
    load(etcd, clock).context("datastore")?;
    let (etcd, clock) = (etcd.clone(), Arc::clone(clock));
    Ok(Arc::new(move || {
        load(&etcd, &clock).map_err(|error| io::Error::other(format!("{error:#}")))
    }))
}

fn load(etcd: &ForeignEtcd, clock: &Arc<Clock>) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = &etcd.ca {
        for authority in certificates(path)? {
            roots
                .add(authority)
                .with_context(|| path.display().to_string())?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_details(provider, Arc::clone(clock) as _)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match &etcd.certificate {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let place = || key.display().to_string();
            let key = PrivateKeyDer::from_pem_file(key).with_context(place)?;
            let config = config.with_client_auth_cert(chain, key);
            config.with_context(place)?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let place = || path.display().to_string();
    let found =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.with_context(place)?;
    anyhow::ensure!(!found.is_empty(), "{}: holds no certificate", place());
    Ok(found)
}
