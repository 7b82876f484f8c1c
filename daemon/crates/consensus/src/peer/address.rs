//! Peer URLs: `https://host:port`.

/// Host and port of a peer URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads a URL; nothing where it is not one that can be connected to.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once("]:")?,
            None => authority.rsplit_once(':')?,
        };
        let sound = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        let port = port.parse().ok().filter(|port| *port != 0)?;
        sound.then(|| Self {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_both_kinds_of_ip_addresses_are_read_and_nothing_else() {
        let address = |url| Address::parse(url).map(|a| (a.host, a.port));
        assert_eq!(address("https://a.b:2380"), Some(("a.b".into(), 2380)));
        assert_eq!(
            address("https://127.0.0.1:1/"),
            Some(("127.0.0.1".into(), 1))
        );
        assert_eq!(address("https://[::1]:2380"), Some(("::1".into(), 2380)));
        for bad in [
            "",
            "http://a:1",
            "https://a",
            "https://:1",
            "https://a:0",
            "https://a:99999",
            "https://[::1]",
            "https://a/b:1",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }
}
