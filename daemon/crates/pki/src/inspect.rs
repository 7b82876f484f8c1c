//! What the certificates in a data directory say: for people, beside a server that may be running.
//!
//! Reads only. Knows nothing about whether they belong together.

use std::path::Path;

use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate, X509Name};

use crate::authority::{Authority, parse_chain};
use crate::leaf::Leaf;
use crate::{PkiError, file};

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Its file, below `tls/`.
    pub file: String,
    /// The common name of whose it is.
    pub common_name: String,
    /// The common name of who has signed it.
    pub issuer: String,
    /// What it may be used for.
    pub usages: Vec<&'static str>,
    /// When it ends, in Unix seconds.
    pub not_after: u64,
}

/// The leaves and authorities of a data directory, as far as they are there.
pub fn inspect(data_dir: &Path) -> Result<Vec<Inspected>, PkiError> {
    let tls = data_dir.join("tls");
    let leaves = Leaf::ALL.into_iter().map(Leaf::certificate_name);
    let authorities = Authority::ALL.into_iter().map(Authority::certificate_name);
    let mut all = Vec::new();
    for name in leaves.chain(authorities) {
        let path = tls.join(&name);
        let Some(pem) = file::read(&path)? else {
            continue;
        };
        let wrong = |reason: String| PkiError::Certificate {
            path: path.clone(),
            reason,
        };
        let chain = parse_chain(pem.as_bytes()).map_err(wrong)?;
        let (_, parsed) = X509Certificate::from_der(&chain[0])
            .map_err(|_| wrong("not an X.509 certificate".to_owned()))?;
        all.push(Inspected {
            file: name,
            common_name: common_name(parsed.subject()),
            issuer: common_name(parsed.issuer()),
            usages: usages(&parsed),
            not_after: u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0),
        });
    }
    Ok(all)
}

fn common_name(name: &X509Name<'_>) -> String {
    let mut names = name.iter_common_name();
    let first = names.next().and_then(|name| name.as_str().ok());
    first.unwrap_or_default().to_owned()
}

fn usages(certificate: &X509Certificate<'_>) -> Vec<&'static str> {
    let mut usages = Vec::new();
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::ExtendedKeyUsage(extended) => {
                usages.extend(extended.client_auth.then_some("ClientAuth"));
                usages.extend(extended.server_auth.then_some("ServerAuth"));
            }
            ParsedExtension::KeyUsage(usage) if usage.key_cert_sign() => usages.push("CertSign"),
            _ => {}
        }
    }
    usages
}
