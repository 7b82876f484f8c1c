//! IP addresses and networks, read as Go's `net/netip` reads them, with its errors.
//!
//! Knows nothing about values of the language.

use skerry_selector::quoted;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address that has no zone and is no IPv4 address in IPv6's clothes.
///
/// # Errors
/// Upstream's words for what is wrong.
pub(super) fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let address = parse_addr(text).map_err(|error| {
        let text = quoted(text);
        format!("IP Address {text} parse error during conversion from string: {error}")
    })?;
    if address.has_zone {
        return Err(format!(
            "IP address {} with zone value is not allowed",
            quoted(text)
        ));
    }
    if is_mapped(address.ip) {
        return Err(mapped(text));
    }
    Ok(address.ip)
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
}

fn mapped(text: &str) -> String {
    format!("IPv4-mapped IPv6 address {} is not allowed", quoted(text))
}

/// An address with the zone that may follow it.
struct Address {
    ip: IpAddr,
    has_zone: bool,
}

/// Whether a text is an address of IPv6, with or without a zone, and why not.
pub(super) fn parse_ipv6(text: &str) -> Result<bool, String> {
    Ok(parse_addr(text)?.ip.is_ipv6())
}

fn refusal(text: &str, reason: &str, at: &str) -> String {
    let text = quoted(text);
    if at.is_empty() {
        format!("ParseAddr({text}): {reason}")
    } else {
        format!("ParseAddr({text}): {reason} (at {})", quoted(at))
    }
}

fn parse_addr(text: &str) -> Result<Address, String> {
    match text.bytes().find(|b| matches!(b, b'.' | b':' | b'%')) {
        Some(b'.') => Ok(Address {
            ip: IpAddr::V4(parse_v4(text, text)?.into()),
            has_zone: false,
        }),
        Some(b':') => parse_v6(text),
        Some(_) => Err(refusal(text, "missing IPv6 address", "")),
        None => Err(refusal(text, "unable to parse IP", "")),
    }
}

/// The four fields in a part of the text.
fn parse_v4(text: &str, part: &str) -> Result<[u8; 4], String> {
    let mut fields = [0; 4];
    let (mut field, mut value, mut digits) = (0, 0_u32, 0);
    for (index, c) in part.char_indices() {
        let at = &part[index..];
        if let Some(digit) = c.to_digit(10) {
            if digits == 1 && value == 0 {
                return Err(refusal(text, "IPv4 field has octet with leading zero", ""));
            }
            value = value * 10 + digit;
            digits += 1;
            fields[field] =
                u8::try_from(value).map_err(|_| refusal(text, "IPv4 field has value >255", ""))?;
        } else if c == '.' {
            if digits == 0 || at.len() == 1 {
                return Err(refusal(text, "IPv4 field must have at least one digit", at));
            }
            if field == 3 {
                return Err(refusal(text, "IPv4 address too long", ""));
            }
            field += 1;
            (value, digits) = (0, 0);
        } else {
            return Err(refusal(text, "unexpected character", at));
        }
    }
    if field < 3 {
        return Err(refusal(text, "IPv4 address too short", ""));
    }
    Ok(fields)
}

fn parse_v6(text: &str) -> Result<Address, String> {
    let refuse = |reason: &str, at: &str| refusal(text, reason, at);
    let (mut rest, zone) = match text.split_once('%') {
        Some((_, "")) => return Err(refuse("zone must be a non-empty string", "")),
        Some((rest, zone)) => (rest, Some(zone)),
        None => (text, None),
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(16);
    let mut ellipsis = None;
    if let Some(after) = rest.strip_prefix("::") {
        ellipsis = Some(0);
        rest = after;
    }
    // An address that is all ellipsis has no more fields.
    let only_ellipsis = ellipsis.is_some() && rest.is_empty();
    while bytes.len() < 16 && !only_ellipsis {
        let end = rest
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(rest.len());
        if end > 4 {
            return Err(refuse("each group must have 4 or less digits", rest));
        }
        if end == 0 {
            return Err(refuse(
                "each colon-separated field must have at least one digit",
                rest,
            ));
        }
        if rest[end..].starts_with('.') {
            if ellipsis.is_none() && bytes.len() != 12 {
                let reason = "embedded IPv4 address must replace the final 2 fields of the address";
                return Err(refuse(reason, rest));
            }
            if bytes.len() > 12 {
                let reason =
                    "too many hex fields to fit an embedded IPv4 at the end of the address";
                return Err(refuse(reason, rest));
            }
            bytes.extend(parse_v4(text, rest)?);
            rest = "";
            break;
        }
        let field = u16::from_str_radix(&rest[..end], 16).unwrap_or_default();
        bytes.extend(field.to_be_bytes());
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
        let Some(after) = rest.strip_prefix(':') else {
            return Err(refuse("unexpected character, want colon", rest));
        };
        if after.is_empty() {
            return Err(refuse("colon must be followed by more characters", rest));
        }
        rest = after;
        if let Some(after) = rest.strip_prefix(':') {
            if ellipsis.is_some() {
                return Err(refuse("multiple :: in address", rest));
            }
            ellipsis = Some(bytes.len());
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    if !rest.is_empty() {
        return Err(refuse("trailing garbage after address", rest));
    }
    match ellipsis {
        None if bytes.len() < 16 => return Err(refuse("address string too short", "")),
        Some(_) if bytes.len() == 16 => {
            return Err(refuse(
                "the :: must expand to at least one field of zeros",
                "",
            ));
        }
        Some(place) => {
            let missing = 16 - bytes.len();
            bytes.splice(place..place, std::iter::repeat_n(0, missing));
        }
        None => {}
    }
    let bytes: [u8; 16] = bytes.try_into().unwrap_or_default();
    Ok(Address {
        ip: IpAddr::V6(Ipv6Addr::from(bytes)),
        has_zone: zone.is_some(),
    })
}

/// A network: an address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) ip: IpAddr,
    pub(super) bits: u8,
}

impl Network {
    /// # Errors
    /// Upstream's words for what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let network = Self::parse_prefix(text).map_err(|reason| {
            let text = quoted(text);
            format!(
                "network address parse error during conversion from string: \
                 netip.ParsePrefix({text}): {reason}"
            )
        })?;
        if is_mapped(network.ip) {
            return Err(mapped(text));
        }
        Ok(network)
    }

    fn parse_prefix(text: &str) -> Result<Self, String> {
        let (address, bits) = text.rsplit_once('/').ok_or("no '/'")?;
        let address = parse_addr(address)?;
        if address.has_zone {
            return Err("IPv6 zones cannot be present in a prefix".to_owned());
        }
        let bad = || format!("bad bits after slash: {}", quoted(bits));
        let is_plain = bits.bytes().all(|b| b.is_ascii_digit());
        if !is_plain || (bits.len() > 1 && bits.starts_with('0')) {
            return Err(bad());
        }
        let number: i64 = bits.parse().map_err(|_| bad())?;
        match u8::try_from(number) {
            Ok(bits) if bits <= width(address.ip) => Ok(Self {
                ip: address.ip,
                bits,
            }),
            _ => Err("prefix length out of range".to_owned()),
        }
    }

    /// The network's own address: the bits that do not count are zero.
    pub(super) fn masked(self) -> Self {
        let bits = u32::from(self.bits);
        let ip = match self.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(ip) & mask))
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(ip) & mask))
            }
        };
        Self { ip, ..self }
    }

    pub(super) fn contains(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.ip.is_ipv4() && Self { ip, ..self }.masked() == self.masked()
    }

    /// Whether all addresses of another network are in it.
    pub(super) fn contains_network(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.ip)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

/// How many bits an address has.
pub(super) const fn width(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

pub(super) fn is_link_local_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
        IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
    }
}

pub(super) fn is_link_local_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
    }
}

/// As Go has it: everything that is not some other kind, private addresses as well.
pub(super) fn is_global_unicast(ip: IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(Ipv4Addr::BROADCAST));
    !(ip.is_unspecified()
        || is_broadcast
        || ip.is_loopback()
        || ip.is_multicast()
        || is_link_local_unicast(ip))
}
