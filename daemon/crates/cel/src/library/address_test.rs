use super::address::{self, Network, parse_ip};
use std::net::IpAddr;

fn ip(text: &str) -> IpAddr {
    parse_ip(text).expect("an address")
}

fn network(text: &str) -> Network {
    Network::parse(text).expect("a network")
}

#[test]
fn addresses_are_read_and_written_in_canonical_form() {
    for (text, canonical) in [
        ("127.0.0.1", "127.0.0.1"),
        ("2001:DB8::68", "2001:db8::68"),
        ("::", "::"),
        ("1::", "1::"),
        ("0:0:0:1:0:0:0:0", "0:0:0:1::"),
        ("1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"),
        ("::1.2.3.4", "::102:304"),
        ("1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"),
    ] {
        assert_eq!(ip(text).to_string(), canonical);
    }
}

#[test]
fn what_is_no_address_is_refused_in_gos_words() {
    for (text, reason) in [
        ("", "unable to parse IP"),
        ("host", "unable to parse IP"),
        ("%eth0", "missing IPv6 address"),
        ("192.168.0.1.0", "IPv4 address too long"),
        ("1.2.3", "IPv4 address too short"),
        ("1.2.3.256", "IPv4 field has value >255"),
        ("1.2.3.04", "IPv4 field has octet with leading zero"),
        (
            "1..2.3",
            "IPv4 field must have at least one digit (at \".2.3\")",
        ),
        (
            "1.2.3.",
            "IPv4 field must have at least one digit (at \".\")",
        ),
        ("1.2.3.x", "unexpected character (at \"x\")"),
        ("1:2:3", "address string too short"),
        (
            "1:2:3:4:5:6:7:8:9",
            "trailing garbage after address (at \"9\")",
        ),
        ("1::2::3", "multiple :: in address (at \":3\")"),
        (
            "1:2:3:4:5:6:7:",
            "colon must be followed by more characters (at \":\")",
        ),
        (
            "1:2:3:4:5:6:7:8::",
            "the :: must expand to at least one field of zeros",
        ),
        (
            "12345::",
            "each group must have 4 or less digits (at \"12345::\")",
        ),
        ("fe80::1%", "zone must be a non-empty string"),
        (
            "1:x",
            "each colon-separated field must have at least one digit (at \"x\")",
        ),
        ("1x:2", "unexpected character, want colon (at \"x:2\")"),
    ] {
        let wanted = format!(
            "IP Address \"{text}\" parse error during conversion from string: \
             ParseAddr(\"{text}\"): {reason}"
        );
        assert_eq!(parse_ip(text), Err(wanted), "{text}");
    }
    let refused = |text: &str| parse_ip(text).expect_err("no address");
    assert_eq!(
        refused("fe80::1%eth0"),
        "IP address \"fe80::1%eth0\" with zone value is not allowed"
    );
    assert_eq!(
        refused("::ffff:1.2.3.4"),
        "IPv4-mapped IPv6 address \"::ffff:1.2.3.4\" is not allowed"
    );
}

#[test]
fn addresses_are_of_the_kinds_that_go_says() {
    let kinds = |text: &str| {
        let ip = ip(text);
        [
            ip.is_unspecified(),
            ip.is_loopback(),
            address::is_link_local_multicast(ip),
            address::is_link_local_unicast(ip),
            address::is_global_unicast(ip),
        ]
    };
    let all = [
        ("0.0.0.0", [true, false, false, false, false]),
        ("::", [true, false, false, false, false]),
        ("127.0.0.1", [false, true, false, false, false]),
        ("::1", [false, true, false, false, false]),
        ("224.0.0.1", [false, false, true, false, false]),
        ("224.0.1.1", [false; 5]),
        ("ff02::1", [false, false, true, false, false]),
        ("ff00::1", [false; 5]),
        ("169.254.169.254", [false, false, false, true, false]),
        ("fe80::1", [false, false, false, true, false]),
        ("192.168.0.1", [false, false, false, false, true]),
        ("255.255.255.255", [false; 5]),
        ("fd80::1", [false, false, false, false, true]),
    ];
    for (text, wanted) in all {
        assert_eq!(kinds(text), wanted, "{text}");
    }
}

#[test]
fn networks_contain_addresses_and_networks() {
    let net = network("192.168.0.1/24");
    assert_eq!(net.to_string(), "192.168.0.1/24");
    assert_eq!(net.masked().to_string(), "192.168.0.0/24");
    assert!(net.contains(ip("192.168.0.255")));
    assert!(!net.contains(ip("192.168.1.0")));
    assert!(!net.contains(ip("::1")));
    assert!(net.contains_network(network("192.168.0.0/25")));
    assert!(!net.contains_network(network("192.168.0.0/23")));
    assert!(!net.contains_network(network("192.169.0.1/32")));
    let net = network("2001:db8:1::/32");
    assert_eq!(net.masked().to_string(), "2001:db8::/32");
    assert!(net.contains(ip("2001:db8::1")));
    assert!(!net.contains_network(network("2001:db8::/31")));
    assert!(network("0.0.0.0/0").contains(ip("1.2.3.4")));
    assert_eq!(network("::1/0").masked().to_string(), "::/0");
}

#[test]
fn what_is_no_network_is_refused_in_gos_words() {
    for (text, reason) in [
        ("192.168.0.0", "no '/'"),
        ("192.168.0.0/", "bad bits after slash: \"\""),
        ("192.168.0.0/33", "prefix length out of range"),
        ("192.168.0.0/08", "bad bits after slash: \"08\""),
        ("192.168.0.0/+8", "bad bits after slash: \"+8\""),
        ("1.2.3/8", "ParseAddr(\"1.2.3\"): IPv4 address too short"),
        ("fe80::1%a/8", "IPv6 zones cannot be present in a prefix"),
    ] {
        let wanted = format!(
            "network address parse error during conversion from string: \
             netip.ParsePrefix(\"{text}\"): {reason}"
        );
        assert_eq!(Network::parse(text), Err(wanted));
    }
}
