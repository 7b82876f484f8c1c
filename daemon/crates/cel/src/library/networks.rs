//! `net.ip` and `net.cidr`: addresses and networks.

use super::address::{self, Network, parse_ip};
use super::call::{function, library_type, plain, text};
use super::price::{self, PARSE, TRAVERSAL, node_size, size};
use crate::cost::{CallEstimate, Estimate, Node, Size};
use crate::env::Version;
use crate::error::Error;
use crate::function::{Cost, Function, Library};
use crate::run::factor;
use crate::types::Type;
use crate::value::Value;
use std::net::IpAddr;

/// An address as a value.
#[derive(Debug, PartialEq, Eq)]
struct Ip(IpAddr);

library_type!(Ip, "net.IP", |ip| u64::from(address::width(ip.0)) / 8);
library_type!(Network, "net.CIDR", |net| u64::from(net.bits).div_ceil(8));

pub(super) const IP: Library = Library {
    name: "net.ip",
    since: Version(1, 30),
    until: None,
    functions: IP_TABLE,
    types: &["net.IP"],
};

pub(super) const CIDR: Library = Library {
    name: "net.cidr",
    since: Version(1, 30),
    until: None,
    functions: CIDR_TABLE,
    types: &["net.CIDR"],
};

/// `ip` walks a string, but for the member of a network, which is at hand.
const IP_COST: Cost = Cost::Of {
    run: |args, _| {
        let is_text = matches!(args.first(), Some(Value::String(_)));
        Some(if is_text {
            factor(size(args, 0), TRAVERSAL)
        } else {
            1
        })
    },
    estimate: |target, args| match target {
        Some(_) => price::plain(Estimate::fixed(1)),
        None => price::plain(node_size(args.first()).cost(TRAVERSAL)),
    },
};

const IP_TABLE: &[Function] = &[
    function(
        "string_to_ip",
        "ip(string): net.IP",
        |args| {
            parse_ip(text(args, 0)?)
                .map(|ip| Value::opaque(Ip(ip)))
                .map_err(Error::new)
        },
        IP_COST,
    ),
    plain("ip_family", "(net.IP).family(): int", |args| {
        Ok(Value::Int(if ip(args, 0)?.is_ipv4() { 4 } else { 6 }))
    }),
    function(
        "ip_is_canonical",
        "ip.isCanonical(string): bool",
        |args| {
            let given = text(args, 0)?;
            let ip = parse_ip(given).map_err(Error::new)?;
            Ok(Value::Bool(ip.to_string() == given))
        },
        Cost::Of {
            run: |args, _| Some(factor(size(args, 0), 2.0 * TRAVERSAL)),
            estimate: |_, args| price::plain(node_size(args.first()).cost(2.0 * TRAVERSAL)),
        },
    ),
    plain(
        "ip_is_unspecified",
        "(net.IP).isUnspecified(): bool",
        |args| is(args, |ip| ip.is_unspecified()),
    ),
    plain("ip_is_loopback", "(net.IP).isLoopback(): bool", |args| {
        is(args, |ip| ip.is_loopback())
    }),
    plain(
        "ip_is_link_local_multicast",
        "(net.IP).isLinkLocalMulticast(): bool",
        |args| is(args, address::is_link_local_multicast),
    ),
    plain(
        "ip_is_link_local_unicast",
        "(net.IP).isLinkLocalUnicast(): bool",
        |args| is(args, address::is_link_local_unicast),
    ),
    plain(
        "ip_is_global_unicast",
        "(net.IP).isGlobalUnicast(): bool",
        |args| is(args, address::is_global_unicast),
    ),
    function(
        "is_ip",
        "isIP(string): bool",
        |args| Ok(Value::Bool(parse_ip(text(args, 0)?).is_ok())),
        PARSE,
    ),
    plain("ip_to_string", "string(net.IP): string", |args| {
        Ok(Value::string(ip(args, 0)?.to_string()))
    }),
];

const CIDR_TABLE: &[Function] = &[
    function(
        "string_to_cidr",
        "cidr(string): net.CIDR",
        |args| parse(args, 0).map(Value::opaque),
        PARSE,
    ),
    function(
        "cidr_contains_ip_string",
        "(net.CIDR).containsIP(string): bool",
        |args| {
            let net = network(args, 0)?;
            // As upstream, whatever is wrong with the address.
            let ip = parse_ip(text(args, 1)?).map_err(|_| Error::no_such_overload())?;
            Ok(Value::Bool(net.contains(ip)))
        },
        CONTAINS_IP,
    ),
    function(
        "cidr_contains_ip_ip",
        "(net.CIDR).containsIP(net.IP): bool",
        |args| Ok(Value::Bool(network(args, 0)?.contains(ip(args, 1)?))),
        CONTAINS_IP,
    ),
    function(
        "cidr_contains_cidr_string",
        "(net.CIDR).containsCIDR(string): bool",
        |args| {
            Ok(Value::Bool(
                network(args, 0)?.contains_network(parse(args, 1)?),
            ))
        },
        CONTAINS_NETWORK,
    ),
    function(
        "cidr_contains_cidr",
        "(net.CIDR).containsCIDR(net.CIDR): bool",
        |args| {
            Ok(Value::Bool(
                network(args, 0)?.contains_network(network(args, 1)?),
            ))
        },
        CONTAINS_NETWORK,
    ),
    function(
        "cidr_ip",
        "(net.CIDR).ip(): net.IP",
        |args| Ok(Value::opaque(Ip(network(args, 0)?.ip))),
        IP_COST,
    ),
    plain(
        "cidr_prefix_length",
        "(net.CIDR).prefixLength(): int",
        |args| Ok(Value::Int(network(args, 0)?.bits.into())),
    ),
    plain("cidr_masked", "(net.CIDR).masked(): net.CIDR", |args| {
        Ok(Value::opaque(network(args, 0)?.masked()))
    }),
    function(
        "is_cidr",
        "isCIDR(string): bool",
        |args| Ok(Value::Bool(Network::parse(text(args, 0)?).is_ok())),
        PARSE,
    ),
    plain("cidr_to_string", "string(net.CIDR): string", |args| {
        Ok(Value::string(network(args, 0)?.to_string()))
    }),
];

fn ip(args: &[Value<'_>], index: usize) -> Result<IpAddr, Error> {
    super::call::opaque::<Ip>(args, index).map(|ip| ip.0)
}

fn network(args: &[Value<'_>], index: usize) -> Result<Network, Error> {
    super::call::opaque::<Network>(args, index).copied()
}

fn parse(args: &[Value<'_>], index: usize) -> Result<Network, Error> {
    Network::parse(text(args, index)?).map_err(|reason| {
        Error::new(format!(
            "network address parse error during conversion from string: {reason}"
        ))
    })
}

fn is<'a>(args: &[Value<'a>], holds: fn(IpAddr) -> bool) -> Result<Value<'a>, Error> {
    Ok(Value::Bool(holds(ip(args, 0)?)))
}

/// An operand that is a string has to be read first.
fn reading(args: &[Value<'_>]) -> u64 {
    match args.get(1) {
        Some(Value::String(_)) => factor(size(args, 1), TRAVERSAL),
        _ => 0,
    }
}

/// An address's bytes, as estimates see them.
const BYTES: Size = Size { min: 4, max: 16 };

fn contains_estimate(args: &[Node<'_>], more: Estimate) -> Option<CallEstimate> {
    let other = args.first()?;
    let mut cost = BYTES.plus(BYTES).cost(TRAVERSAL).plus(more);
    if *other.kind == Type::String {
        cost = cost.plus(other.size_or_unknown().cost(TRAVERSAL));
    }
    price::plain(cost)
}

const CONTAINS_IP: Cost = Cost::Of {
    run: |args, _| Some(factor(2 * size(args, 0), TRAVERSAL) + reading(args)),
    estimate: |_, args| contains_estimate(args, Estimate::fixed(0)),
};

const CONTAINS_NETWORK: Cost = Cost::Of {
    run: |args, _| {
        let bytes = size(args, 0);
        let compared = factor(2 * bytes, TRAVERSAL) + factor(bytes, TRAVERSAL) + 1;
        Some(compared + reading(args))
    },
    estimate: |_, args| contains_estimate(args, BYTES.cost(TRAVERSAL).plus(Estimate::fixed(1))),
};
