//! The network that Services have their addresses in.
//!
//! Pure. Invariant: neither the network itself nor its last address is given to a Service.

use std::net::Ipv4Addr;

/// The addresses of Services: `10.43.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceNetwork {
    base: u32,
    bits: u32,
}

impl ServiceNetwork {
    /// `None` where it is no IPv4 network with room for Services (at most /28).
    #[must_use]
    pub fn parse(text: &str) -> Option<ServiceNetwork> {
        let (address, bits) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let bits: u32 = bits.parse().ok()?;
        if !(8..=28).contains(&bits) {
            return None;
        }
        let base = u32::from(address) & (u32::MAX << (32 - bits));
        Some(ServiceNetwork { base, bits })
    }

    fn size(self) -> u32 {
        1 << (32 - self.bits)
    }

    /// The address of the Service `kubernetes`.
    #[must_use]
    pub fn first(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    pub(super) fn contains(self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(self.base);
        // Neither the network itself nor its last address.
        (1..self.size() - 1).contains(&offset)
    }

    /// An address above the part that is left to those who choose their own.
    pub(super) fn any(self, random: u32) -> Ipv4Addr {
        let chosen = (self.size() / 16).clamp(16, 256).min(self.size() / 2);
        Ipv4Addr::from(self.base + chosen + random % (self.size() - 1 - chosen))
    }
}

impl std::fmt::Display for ServiceNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_give_only_their_own_addresses() {
        let network = ServiceNetwork::parse("10.43.0.0/16").unwrap();
        assert_eq!(network.first().to_string(), "10.43.0.1");
        for random in [0, 1, u32::MAX, 65_535, 12_345_678] {
            let address = network.any(random);
            assert!(network.contains(address), "{address}");
            assert!(u32::from(address) - network.base >= 256, "{address}");
        }
        let small = ServiceNetwork::parse("10.0.0.16/28").unwrap();
        for random in 0..100 {
            assert!(small.contains(small.any(random)));
        }
        let rounded = ServiceNetwork::parse("10.43.0.1/24").unwrap();
        assert_eq!(rounded.to_string(), "10.43.0.0/24");
        for text in [
            "",
            "10.43.0.0",
            "fd00::/108",
            "10.43.0.0/30",
            "10.43.0.0/x",
            "1/16",
        ] {
            assert_eq!(ServiceNetwork::parse(text), None, "{text}");
        }
        assert!(!network.contains(Ipv4Addr::new(10, 43, 0, 0)));
        assert!(!network.contains(Ipv4Addr::new(10, 43, 255, 255)));
        assert!(!network.contains(Ipv4Addr::new(10, 42, 0, 1)));
    }
}
