//! What a certificate is for: Kubernetes' names, as X.509 writes them.
//!
//! Pure. Invariant: a name that is not known is an error, never left out.

use crate::IssueError;
use crate::issue::{BIT_STRING, tlv};

/// KeyUsage as a bit string without zeros at its end; bit 0 is the highest.
pub(crate) fn key_usage(bits: u16) -> Vec<u8> {
    let [first, second] = bits.to_be_bytes();
    let bytes: &[u8] = if second == 0 {
        &[first]
    } else {
        &[first, second]
    };
    let unused = bytes.last().map_or(0, |last| last.trailing_zeros() as u8);
    tlv(BIT_STRING, &[&[unused], bytes])
}

/// Kubernetes' names of usages, as bits of KeyUsage and as identifiers of extended usages.
pub(crate) fn usages_of(usages: &[&str]) -> Result<(u16, Vec<&'static [u8]>), IssueError> {
    let mut bits = 0;
    let mut extended: Vec<&'static [u8]> = Vec::new();
    for usage in usages {
        let bit = match *usage {
            "signing" | "digital signature" => 0,
            "content commitment" => 1,
            "key encipherment" => 2,
            "data encipherment" => 3,
            "key agreement" => 4,
            "cert sign" => 5,
            "crl sign" => 6,
            "encipher only" => 7,
            "decipher only" => 8,
            other => {
                extended.push(purpose(other)?);
                continue;
            }
        };
        bits |= 0x8000 >> bit;
    }
    extended.sort_unstable();
    extended.dedup();
    Ok((bits, extended))
}

fn purpose(usage: &str) -> Result<&'static [u8], IssueError> {
    Ok(match usage {
        "any" => b"\x55\x1d\x25\x00",
        "server auth" => b"\x2b\x06\x01\x05\x05\x07\x03\x01",
        "client auth" => b"\x2b\x06\x01\x05\x05\x07\x03\x02",
        "code signing" => b"\x2b\x06\x01\x05\x05\x07\x03\x03",
        "email protection" | "s/mime" => b"\x2b\x06\x01\x05\x05\x07\x03\x04",
        "ipsec end system" => b"\x2b\x06\x01\x05\x05\x07\x03\x05",
        "ipsec tunnel" => b"\x2b\x06\x01\x05\x05\x07\x03\x06",
        "ipsec user" => b"\x2b\x06\x01\x05\x05\x07\x03\x07",
        "timestamping" => b"\x2b\x06\x01\x05\x05\x07\x03\x08",
        "ocsp signing" => b"\x2b\x06\x01\x05\x05\x07\x03\x09",
        "microsoft sgc" => b"\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x03",
        "netscape sgc" => b"\x60\x86\x48\x01\x86\xf8\x42\x04\x01",
        other => return Err(IssueError::Usage(other.to_owned())),
    })
}
