//! An authority's certificate for the one that follows it: whoever trusts the old one trusts what
//! the new one signs, where this is shown with it.
//!
//! Knows nothing about files. Invariant: name and key are taken over byte by byte from the new
//! authority, so that both of its certificates are good for the same leaves.

use rcgen::SigningKey as _;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

use crate::authority::LoadedAuthority;
use crate::issue::{
    BIT_STRING, INTEGER, IssueError, OCTET_STRING, algorithm, extension, sequence, serial, time,
    tlv,
};

/// DER of BOOLEAN TRUE.
const TRUE: [u8; 3] = [1, 1, 0xff];
/// digitalSignature, keyCertSign and cRLSign, as the bits of a BIT STRING.
const USAGES: [u8; 2] = [1, 0x86];

/// What `old` says of `new`; ends when the first of the two does.
pub(crate) fn cross_sign(
    old: &LoadedAuthority,
    new: &LoadedAuthority,
) -> Result<CertificateDer<'static>, IssueError> {
    let parse = |der| X509Certificate::from_der(der).map_err(|_| IssueError::Authority);
    let (_, signer) = parse(old.anchor())?;
    let (_, subject) = parse(new.anchor())?;
    let mut extensions = vec![
        extension(19, true, &sequence(&[&TRUE])),
        extension(15, true, &tlv(BIT_STRING, &[&USAGES])),
    ];
    if let Some(identifier) = key_identifier(&subject) {
        extensions.push(extension(14, false, &tlv(OCTET_STRING, &[identifier])));
    }
    if let Some(identifier) = key_identifier(&signer) {
        let value = sequence(&[&tlv(0x80, &[identifier])]);
        extensions.push(extension(35, false, &value));
    }
    let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
    let algorithm = algorithm(old.issuer.key())?;
    let body = sequence(&[
        &tlv(0xa0, &[&tlv(INTEGER, &[&[2]])]),
        &tlv(INTEGER, &[&serial()?]),
        algorithm,
        signer.subject().as_raw(),
        // From 1970, as the authorities: a board's clock may not be set.
        &sequence(&[&time(0)?, &time(old.not_after.min(new.not_after))?]),
        subject.subject().as_raw(),
        subject.public_key().raw,
        &tlv(0xa3, &[&sequence(&extensions)]),
    ]);
    let signature = old.issuer.key().sign(&body);
    let signature = signature.map_err(|error| IssueError::Sign(error.to_string()))?;
    let whole = sequence(&[&body, algorithm, &tlv(BIT_STRING, &[&[0], &signature])]);
    Ok(CertificateDer::from(whole))
}

fn key_identifier<'a>(certificate: &X509Certificate<'a>) -> Option<&'a [u8]> {
    let mut extensions = certificate.extensions().iter();
    extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0),
        _ => None,
    })
}
