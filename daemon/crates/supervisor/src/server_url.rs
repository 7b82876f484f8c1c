//! `https://host:port` of a server to join.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::ServerName;

use crate::error::ServerUrlError;
use crate::limits::URL_BYTES_MAX;

const DEFAULT_PORT: u16 = 6443;

/// Where a server is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// As TLS knows it: a DNS name, or an address (IPv6 without brackets).
    host: String,
    port: u16,
}

impl ServerUrl {
    /// The DNS name or address, IPv6 without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What to connect to.
    pub(crate) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// What its certificate must be valid for.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        ServerName::try_from(self.host.clone()).expect("parsing checked that the host is a name")
    }

    /// `host:port`, as HTTP's Host header has it.
    pub(crate) fn authority(&self) -> String {
        let ServerUrl { host, port } = self;
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<ServerUrl, ServerUrlError> {
        let wrong = |reason| ServerUrlError {
            url: text.chars().take(80).collect(),
            reason,
        };
        let url = text.trim();
        if url.len() > URL_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        let rest = url
            .strip_prefix("https://")
            .ok_or(wrong("it must begin with https://"))?;
        let authority = rest.trim_end_matches('/');
        if authority.contains(['/', '?', '#', '@']) {
            return Err(wrong("only https://host:port is expected"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(wrong("a ']' is missing"))?;
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(wrong("between [ and ] stands no IPv6 address"));
                }
                (host, port)
            }
            None => match authority.find(':') {
                Some(at) => authority.split_at(at),
                None => (authority, ""),
            },
        };
        let port = match port.strip_prefix(':') {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port
                .parse()
                .map_err(|_| wrong("its port is not a number up to 65535"))?,
            None if port.is_empty() => DEFAULT_PORT,
            _ => return Err(wrong("its port is not a number up to 65535")),
        };
        if port == 0 {
            return Err(wrong("its port is 0"));
        }
        if ServerName::try_from(host).is_err() {
            return Err(wrong("its host is neither a name nor an address"));
        }
        Ok(ServerUrl {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers_are_read() {
        let cases = [
            ("https://a.example.com:7443", "https://a.example.com:7443"),
            ("https://127.0.0.1:6443", "https://127.0.0.1:6443"),
            (" https://one/ ", "https://one:6443"),
            ("https://[fd00::1]:6443", "https://[fd00::1]:6443"),
            ("https://[fd00::1]", "https://[fd00::1]:6443"),
        ];
        for (text, url) in cases {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), url);
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_with_the_reason() {
        let long = format!("https://{}", "a".repeat(URL_BYTES_MAX));
        let cases = [
            ("", "https://"),
            ("one:6443", "https://"),
            ("http://one:6443", "https://"),
            ("https://", "host"),
            ("https://one:port", "port"),
            ("https://one:", "port"),
            ("https://one:+1", "port"),
            ("https://one:70000", "port"),
            ("https://one:0", "port"),
            ("https://fd00::1:6443", "port"),
            ("https://[fd00::1:6443", "]"),
            ("https://[one]:6443", "IPv6"),
            ("https://user:pass@one:6443", "host:port"),
            ("https://one/path", "host:port"),
            ("https://o ne", "host"),
            (&long, "long"),
        ];
        for (text, reason) in cases {
            let error = text.parse::<ServerUrl>().unwrap_err();
            assert!(error.reason.contains(reason), "{text}: {error}");
        }
    }
}
