//! Whether a leaf on disk is good to use, and why not.
//!
//! Reads, and issues nothing. Knows nothing about TLS connections.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use rcgen::{KeyPair, PublicKeyData};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use zeroize::Zeroizing;

use crate::authority::{LoadedAuthority, parse_chain};
use crate::identity::San;
use crate::leaf::{IssuedLeaf, Leaf, Wanted, is_due, private_key};
use crate::limits::LEAF_LIFE_SECONDS;
use crate::{Clock, PkiError, file};

/// Why a leaf on disk is replaced.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stale {
    #[error("there is none yet")]
    Absent,
    #[error("the one on disk cannot be read: {0}")]
    Unreadable(String),
    #[error("the key on disk is not its own")]
    Mismatch,
    #[error("the one on disk is of another certificate authority")]
    OtherAuthority,
    #[error("this node's names and addresses have changed")]
    Names,
    #[error("less than a third of its life is left")]
    Due,
}

/// The leaf on disk, or why it is replaced.
pub(crate) fn load(
    leaf: Leaf,
    tls: &Path,
    authority: &LoadedAuthority,
    wanted: &Wanted,
    clock: &Clock,
) -> Result<Result<IssuedLeaf, Stale>, PkiError> {
    let pem = file::read(&tls.join(leaf.certificate_name()))?;
    let key_pem = file::read(&tls.join(leaf.key_name()))?;
    let (Some(pem), Some(key_pem)) = (pem, key_pem) else {
        return Ok(Err(Stale::Absent));
    };
    Ok(examine(&pem, key_pem, authority, wanted, clock))
}

fn examine(
    pem: &str,
    key_pem: Zeroizing<String>,
    authority: &LoadedAuthority,
    wanted: &Wanted,
    clock: &Clock,
) -> Result<IssuedLeaf, Stale> {
    let chain = parse_chain(pem.as_bytes()).map_err(Stale::Unreadable)?;
    let (_, parsed) = X509Certificate::from_der(&chain[0])
        .map_err(|_| Stale::Unreadable("not an X.509 certificate".to_owned()))?;
    let key = KeyPair::from_pem(&key_pem).map_err(|error| Stale::Unreadable(error.to_string()))?;
    if key.subject_public_key_info() != parsed.public_key().raw {
        return Err(Stale::Mismatch);
    }
    if chain[1..] != *authority.intermediates() || !is_signed_by(&parsed, authority) {
        return Err(Stale::OtherAuthority);
    }
    if !says(&parsed, wanted) {
        return Err(Stale::Names);
    }
    let not_after = end_of(&parsed);
    if is_due(not_after, authority.not_after, clock) {
        return Err(Stale::Due);
    }
    let key = private_key(&key_pem).map_err(Stale::Unreadable)?;
    Ok(IssuedLeaf {
        chain,
        key,
        not_after,
        pem: pem.to_owned(),
        key_pem,
    })
}

fn is_signed_by(leaf: &X509Certificate<'_>, authority: &LoadedAuthority) -> bool {
    let Ok((_, signer)) = X509Certificate::from_der(authority.anchor()) else {
        return false;
    };
    if leaf.issuer().as_raw() != signer.subject().as_raw() {
        return false;
    }
    // Every authority that Skerry makes is of this kind; another one's signature stays unchecked
    // here, and shows when the certificate is used.
    let signature = &leaf.signature_value.data;
    let key = &signer.public_key().subject_public_key.data;
    key.len() != P256_POINT_BYTES
        || UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
            .verify(leaf.tbs_certificate.as_ref(), signature)
            .is_ok()
}

/// An uncompressed point of the curve P-256.
const P256_POINT_BYTES: usize = 65;

fn says(leaf: &X509Certificate<'_>, wanted: &Wanted) -> bool {
    let text = |attribute: Option<&x509_parser::prelude::AttributeTypeAndValue<'_>>| {
        attribute
            .and_then(|value| value.as_str().ok())
            .map(str::to_owned)
    };
    let subject = leaf.subject();
    let usages =
        leaf.extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::ExtendedKeyUsage(usages) => {
                    Some((usages.server_auth, usages.client_auth))
                }
                _ => None,
            });
    text(subject.iter_common_name().next()).as_deref() == Some(wanted.common_name)
        && text(subject.iter_organization().next()).as_deref() == wanted.organization
        && usages == Some((wanted.server, wanted.client))
        && sans_of(leaf) == wanted.sans
}

fn sans_of(leaf: &X509Certificate<'_>) -> BTreeSet<San> {
    let mut sans = BTreeSet::new();
    for extension in leaf.extensions() {
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
            continue;
        };
        for name in &names.general_names {
            match name {
                GeneralName::DNSName(name) => _ = sans.insert(San::Dns((*name).to_owned())),
                GeneralName::IPAddress(bytes) => {
                    if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                        sans.insert(San::Ip(IpAddr::from(four)));
                    } else if let Ok(sixteen) = <[u8; 16]>::try_from(*bytes) {
                        sans.insert(San::Ip(IpAddr::from(sixteen)));
                    }
                }
                _ => {}
            }
        }
    }
    sans
}

/// Tells the clock when the leaf on disk was issued: with the system's clock unset, it is not
/// earlier than that now.
pub(crate) fn witness(
    leaf: Leaf,
    tls: &Path,
    authority: &LoadedAuthority,
    clock: &Clock,
) -> Result<(), PkiError> {
    let Some(pem) = file::read(&tls.join(leaf.certificate_name()))? else {
        return Ok(());
    };
    let Ok(chain) = parse_chain(pem.as_bytes()) else {
        return Ok(());
    };
    if let Ok((_, parsed)) = X509Certificate::from_der(&chain[0])
        && is_signed_by(&parsed, authority)
    {
        clock.witness(end_of(&parsed).saturating_sub(LEAF_LIFE_SECONDS));
    }
    Ok(())
}

fn end_of(certificate: &X509Certificate<'_>) -> u64 {
    u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0)
}
