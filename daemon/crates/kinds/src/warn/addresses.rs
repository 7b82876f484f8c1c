//! Addresses and ranges in forms that are not the one that they should have.
//!
//! What is neither is not looked at: it was refused, or was stored before anybody did.

use std::net::IpAddr;

use serde_json::Value;

use crate::path::Path;
use crate::value::{list, text};

pub(super) fn addresses(values: &Value, path: &Path<'_>, said: &mut Vec<String>) {
    for (i, value) in list(values).iter().enumerate() {
        address(text(value), &path.index(i), said);
    }
}

/// An address as it is meant: leading zeros were once taken for decimal, and an IPv4 address may
/// be written as one of IPv6.
fn meant(value: &str) -> Option<IpAddr> {
    match value.parse::<IpAddr>() {
        Ok(ip) => Some(ip.to_canonical()),
        Err(_) => {
            let numbers: Option<Vec<u8>> = value.split('.').map(|part| part.parse().ok()).collect();
            let numbers: [u8; 4] = numbers?.try_into().ok()?;
            Some(IpAddr::from(numbers))
        }
    }
}

/// Whether upstream's newer, strict reader takes it for what is meant.
fn is_standard(value: &str, meant: IpAddr) -> bool {
    value.parse() == Ok(meant)
}

pub(super) fn address(value: &str, path: &Path<'_>, said: &mut Vec<String>) {
    let Some(ip) = meant(value) else { return };
    let better = ip.to_string();
    if !is_standard(value, ip) {
        said.push(format!(
            "{path}: non-standard IP address {value:?} is invalid: use {better:?}"
        ));
    } else if ip.is_ipv6() && better != value {
        said.push(format!(
            "{path}: IPv6 address {value:?} should be in RFC 5952 canonical format ({better:?})"
        ));
    }
}

pub(super) fn range(value: &str, path: &Path<'_>, said: &mut Vec<String>) {
    let Some((host, prefix)) = value.split_once('/') else {
        return;
    };
    let (Some(ip), Ok(bits)) = (meant(host), prefix.parse::<u32>()) else {
        return;
    };
    // The prefix of an IPv4 address that is written as one of IPv6 counts those bits too.
    let is_mapped = ip.is_ipv4() && host.contains(':');
    let Some(bits) = bits.checked_sub(if is_mapped { 96 } else { 0 }) else {
        return;
    };
    let bits_max = if ip.is_ipv4() { 32 } else { 128 };
    if bits > bits_max {
        return;
    }
    let first = match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4((ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    };
    let better = format!("{first}/{bits}");
    let is_ambiguous = first != ip;
    if is_ambiguous {
        said.push(format!("{path}: CIDR value {value:?} is ambiguous in this context (should be {better:?} or \"{ip}/{bits_max}\"?)"));
    }
    let has_zeros = prefix.len() > 1 && prefix.starts_with('0');
    if !is_standard(host, ip) || has_zeros {
        said.push(format!(
            "{path}: non-standard CIDR value {value:?} is invalid: use {better:?}"
        ));
    } else if !is_ambiguous && ip.is_ipv6() && better != value {
        said.push(format!(
            "{path}: IPv6 CIDR value {value:?} should be in RFC 5952 canonical format ({better:?})"
        ));
    }
}

/// The blocks of a NetworkPolicy.
pub(super) fn policy(spec: &Value, said: &mut Vec<String>) {
    let root = Path::root("spec");
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        let path = root.child(rules);
        for (i, rule) in list(&spec[rules]).iter().enumerate() {
            let path = path.index(i);
            let path = path.child(peers);
            for (j, peer) in list(&rule[peers]).iter().enumerate() {
                let path = path.index(j);
                let path = path.child("ipBlock");
                let block = &peer["ipBlock"];
                range(text(&block["cidr"]), &path.child("cidr"), said);
                let path = path.child("except");
                for (k, except) in list(&block["except"]).iter().enumerate() {
                    range(text(except), &path.index(k), said);
                }
            }
        }
    }
}
