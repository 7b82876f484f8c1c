//! Which refused peers have been logged.
//!
//! Invariant: bounded memory; each address is logged once, until so many others were refused that
//! it is forgotten.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::limits::REFUSED_PEERS_MAX;

/// The addresses that have been logged.
#[derive(Debug, Default)]
pub(crate) struct Refused(VecDeque<IpAddr>);

impl Refused {
    /// Whether a refusal of this address is still to be logged; it is logged from now on.
    pub(crate) fn is_new(&mut self, address: IpAddr) -> bool {
        if self.0.contains(&address) {
            return false;
        }
        if self.0.len() == REFUSED_PEERS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(address);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_new_once_and_the_memory_is_bounded() {
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let mut refused = Refused::default();
        assert!(refused.is_new(address(0)));
        assert!(!refused.is_new(address(0)));
        for n in 1..=REFUSED_PEERS_MAX as u32 {
            assert!(refused.is_new(address(n)));
        }
        assert_eq!(refused.0.len(), REFUSED_PEERS_MAX);
        assert!(refused.is_new(address(0)), "forgotten by now");
    }
}
