//! Certificates for those who ask for one, signed by an authority of the cluster.
//!
//! Written here as DER (RFC 5280), because subject and key are taken over byte by byte: rcgen keeps
//! one organization of several. Knows nothing about who may ask. Invariant: what is signed here is
//! no authority, and ends no later than the one that signs.

use rcgen::{KeyPair, SigningKey};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::authority::{Authority, LoadedAuthority};
use crate::leaf::pem_of;
use crate::limits::{BACKDATE_SECONDS, SERIAL_BYTES, SHORT_LIFE_SECONDS};
use crate::usage::{key_usage, usages_of};
use crate::{Pki, SigningRequest};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The authority's own certificate cannot be read again.
    #[error("the certificate of the authority cannot be read")]
    Authority,
    /// The authority's key is of a kind that signs nothing here.
    #[error("the key of the authority is of an unknown kind")]
    Key,
    /// No certificate can stand for such a usage.
    #[error("unrecognized usage values: [{0:?}]")]
    Usage(String),
    /// The authority ends.
    #[error("the signer has expired: NotAfter={0}")]
    Expired(u64),
    /// No certificate can name such a time.
    #[error("the time {0} cannot stand in a certificate")]
    Time(u64),
    /// The signature could not be made.
    #[error("cannot sign: {0}")]
    Sign(String),
}

impl Pki {
    /// A certificate for what a request asks, as PEM. Usages are named as Kubernetes names them.
    pub fn issue(
        &self,
        authority: Authority,
        request: &SigningRequest,
        usages: &[&str],
        life_seconds: u64,
    ) -> Result<String, IssueError> {
        let signer = self.authority(authority);
        let now = self.clock().now();
        issue(signer, request, usages, life_seconds, now)
    }
}

/// When the first certificate of a PEM text ends, in Unix seconds; an error in upstream's words
/// where there is anything but certificates.
pub fn examine_certificates(pem: &[u8]) -> Result<i64, String> {
    let mut end = None;
    for der in CertificateDer::pem_slice_iter(pem) {
        let der = der.map_err(|error| error.to_string())?;
        let (_, parsed) = X509Certificate::from_der(&der)
            .map_err(|_| "x509: malformed certificate".to_owned())?;
        end = end.or(Some(parsed.validity().not_after.timestamp()));
    }
    end.ok_or_else(|| "must contain at least one CERTIFICATE PEM block".to_owned())
}

fn issue(
    signer: &LoadedAuthority,
    request: &SigningRequest,
    usages: &[&str],
    life_seconds: u64,
    now: u64,
) -> Result<String, IssueError> {
    let start = now.saturating_sub(BACKDATE_SECONDS);
    if now >= signer.not_after {
        return Err(IssueError::Expired(signer.not_after));
    }
    // A long life is counted from the start that the certificate names, a short one from now.
    let from = if life_seconds < SHORT_LIFE_SECONDS {
        now
    } else {
        start
    };
    let end = from.saturating_add(life_seconds).min(signer.not_after);
    let (_, parsed) =
        X509Certificate::from_der(&signer.chain[0]).map_err(|_| IssueError::Authority)?;
    let key_identifier =
        parsed
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0.to_vec()),
                _ => None,
            });
    let algorithm = algorithm(signer.issuer.key())?;
    let validity = sequence(&[&time(start)?, &time(end)?]);
    let extensions = extensions(request, usages, key_identifier.as_deref())?;
    let body = sequence(&[
        &tlv(0xa0, &[&tlv(INTEGER, &[&[2]])]),
        &tlv(INTEGER, &[&serial()?]),
        algorithm,
        parsed.subject().as_raw(),
        &validity,
        &request.subject,
        &request.public_key,
        &tlv(0xa3, &[&extensions]),
    ]);
    let signature = signer
        .issuer
        .key()
        .sign(&body)
        .map_err(|error| IssueError::Sign(error.to_string()))?;
    let certificate = sequence(&[&body, algorithm, &tlv(BIT_STRING, &[&[0], &signature])]);
    let mut pem = pem_of(&CertificateDer::from(certificate));
    for intermediate in signer.intermediates() {
        pem.push_str(&pem_of(intermediate));
    }
    Ok(pem)
}

const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;

pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            // At most 8, so that it fits beside the mark.
            out.push(0x80 | (bytes.len() - zeros) as u8);
            out.extend_from_slice(&bytes[zeros..]);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, parts)
}

/// The AlgorithmIdentifier of the signatures that a key makes.
pub(crate) fn algorithm(key: &KeyPair) -> Result<&'static [u8], IssueError> {
    let of = key.algorithm();
    if of == &PKCS_ECDSA_P256_SHA256 {
        Ok(b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02")
    } else if of == &PKCS_ECDSA_P384_SHA384 {
        Ok(b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03")
    } else if of == &PKCS_RSA_SHA256 {
        Ok(b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00")
    } else if of == &PKCS_ED25519 {
        Ok(b"\x30\x05\x06\x03\x2b\x65\x70")
    } else {
        Err(IssueError::Key)
    }
}

pub(crate) fn serial() -> Result<[u8; SERIAL_BYTES], IssueError> {
    let mut serial = [0; SERIAL_BYTES];
    SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| IssueError::Sign("no random bytes".into()))?;
    // Positive, and never with a zero byte in front.
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

/// UTCTime until 2049, GeneralizedTime from 2050 on.
pub(crate) fn time(seconds: u64) -> Result<Vec<u8>, IssueError> {
    let wrong = || IssueError::Time(seconds);
    let instant = i64::try_from(seconds).map_err(|_| wrong())?;
    let at = ASN1Time::from_timestamp(instant)
        .map_err(|_| wrong())?
        .to_datetime();
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    Ok(match at.year() {
        year @ ..2050 => tlv(
            UTC_TIME,
            &[format!("{:02}{rest}", year.rem_euclid(100)).as_bytes()],
        ),
        year => tlv(GENERALIZED_TIME, &[format!("{year:04}{rest}").as_bytes()]),
    })
}

/// Below 2.5.29, the arc of certificate extensions.
pub(crate) fn extension(last: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let mark: &[u8] = if critical { &[BOOLEAN, 1, 0xff] } else { &[] };
    sequence(&[
        &tlv(OBJECT_IDENTIFIER, &[&[0x55, 0x1d, last]]),
        mark,
        &tlv(OCTET_STRING, &[value]),
    ])
}

fn extensions(
    request: &SigningRequest,
    usages: &[&str],
    key_identifier: Option<&[u8]>,
) -> Result<Vec<u8>, IssueError> {
    let mut all = Vec::new();
    let (bits, extended) = usages_of(usages)?;
    if bits != 0 {
        all.push(extension(15, true, &key_usage(bits)));
    }
    if !extended.is_empty() {
        let purposes: Vec<Vec<u8>> = extended
            .iter()
            .map(|purpose| tlv(OBJECT_IDENTIFIER, &[purpose]))
            .collect();
        let purposes: Vec<&[u8]> = purposes.iter().map(Vec::as_slice).collect();
        all.push(extension(37, false, &sequence(&purposes)));
    }
    all.push(extension(19, true, &sequence(&[])));
    if let Some(identifier) = key_identifier {
        all.push(extension(
            35,
            false,
            &sequence(&[&tlv(0x80, &[identifier])]),
        ));
    }
    let texts = |tag: u8, names: &[String]| -> Vec<Vec<u8>> {
        names
            .iter()
            .map(|name| tlv(tag, &[name.as_bytes()]))
            .collect()
    };
    let mut names = texts(0x82, &request.dns_names);
    names.extend(texts(0x81, &request.email_addresses));
    names.extend(request.ip_addresses.iter().map(|ip| tlv(0x87, &[ip])));
    names.extend(texts(0x86, &request.uris));
    if !names.is_empty() {
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        // Where the subject is empty the names are all there is.
        let critical = request.subject.len() <= 2;
        all.push(extension(17, critical, &sequence(&names)));
    }
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    Ok(sequence(&all))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{CertificateParams, DistinguishedName, DnType};

    use super::*;
    use crate::limits::CA_LIFE_SECONDS;
    use crate::{Clock, Identity, RequestError};

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    fn pki(folder: &std::path::Path) -> Pki {
        let clock = Arc::new(Clock::reading(|| NOW));
        let identity = Identity::new("a", vec!["10.0.0.1".parse().unwrap()]);
        Pki::load_or_create(folder, identity, clock).unwrap()
    }

    fn request(hosts: &[&str]) -> String {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name = DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, "system:nodes");
        name.push(DnType::CommonName, "system:node:a");
        let key = KeyPair::generate().unwrap();
        params.serialize_request(&key).unwrap().pem().unwrap()
    }

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn a_certificate_says_what_was_asked_for_and_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let pki = pki(folder.path());
        let asked = SigningRequest::from_pem(request(&["a.example", "10.0.0.9"]).as_bytes());
        let asked = asked.unwrap();
        assert_eq!(asked.common_name, "system:node:a");
        assert_eq!(asked.organizations, ["system:nodes"]);
        assert_eq!(asked.dns_names, ["a.example"]);
        assert_eq!(asked.ip_addresses, [vec![10, 0, 0, 9]]);

        let usages = ["digital signature", "key encipherment", "server auth"];
        let pem = pki.issue(Authority::Server, &asked, &usages, DAY).unwrap();
        assert_eq!(
            examine_certificates(pem.as_bytes()),
            Ok((NOW + DAY - BACKDATE_SECONDS) as i64)
        );
        let der = der(&pem);
        let (rest, found) = X509Certificate::from_der(&der).unwrap();
        assert!(rest.is_empty());
        assert_eq!(found.subject().as_raw(), asked.subject);
        assert_eq!(found.public_key().raw, asked.public_key);
        let start = found.validity().not_before.timestamp();
        assert_eq!(start, (NOW - BACKDATE_SECONDS) as i64);
        assert!(!found.is_ca());
        let usage = found.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
        let extended = found.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.server_auth && !extended.client_auth && !extended.any);
        let names = found.subject_alternative_name().unwrap().unwrap().value;
        assert_eq!(names.general_names.len(), 2);
        let authority = &pki.authority(Authority::Server).chain[0];
        let (_, authority) = X509Certificate::from_der(authority).unwrap();
        assert_eq!(found.issuer().as_raw(), authority.subject().as_raw());
    }

    #[test]
    fn a_short_life_is_counted_from_now_and_none_is_longer_than_the_authority() {
        let folder = tempfile::tempdir().unwrap();
        let pki = pki(folder.path());
        let asked = SigningRequest::from_pem(request(&[]).as_bytes()).unwrap();
        let end = |life: u64| {
            let pem = pki.issue(Authority::Client, &asked, &["client auth"], life);
            examine_certificates(pem.unwrap().as_bytes()).unwrap() as u64
        };
        assert_eq!(end(600), NOW + 600);
        assert_eq!(end(u64::MAX), pki.authority(Authority::Client).not_after);
        let signer = pki.authority(Authority::Client);
        let late = issue(signer, &asked, &[], DAY, NOW + CA_LIFE_SECONDS);
        assert!(matches!(late, Err(IssueError::Expired(_))));
    }

    #[test]
    fn a_request_that_was_touched_says_nothing_that_was_not_signed() {
        let pem = request(&["a.example"]);
        let der = rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(pem.as_bytes());
        let der = der.unwrap().to_vec();
        let read = |der: &[u8]| {
            let text = pem_of(&CertificateDer::from(der.to_vec()));
            let text = text.replace("CERTIFICATE-", "CERTIFICATE REQUEST-");
            SigningRequest::from_pem(text.as_bytes())
        };
        let whole = read(&der).unwrap();
        for place in 0..der.len() {
            let mut touched = der.clone();
            touched[place] ^= 0x15;
            // The name of the signature's algorithm is itself not signed.
            if let Ok(found) = read(&touched) {
                assert_eq!(found, whole, "byte {place}");
            }
            assert!(read(&der[..place]).is_err(), "{place} bytes");
        }
        assert_eq!(SigningRequest::from_pem(b"hello"), Err(RequestError::Pem));
    }
}
