//! Through a proxy, which connects to the store and sees nothing of what is said over TLS.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::BucketError;
use crate::limits::PROXY_BYTES_MAX;

/// Where it is, and as whom.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// `host:port`
    pub(crate) address: String,
    /// `user:password`, in base 64.
    credentials: Option<String>,
}

impl Proxy {
    /// `http://[user:password@]host[:port]`; empty or `none`: no proxy.
    pub(crate) fn of(text: &str) -> Result<Option<Proxy>, BucketError> {
        // Never with the text: it may hold a password.
        let failed = |what: &str| BucketError::Settings {
            what: format!("etcd-s3-proxy: {what}"),
        };
        if matches!(text, "" | "none") {
            return Ok(None);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(failed("proxy URL must include scheme and host"));
        };
        if scheme != "http" {
            return Err(failed("wants http://host:port, as no other proxy is known"));
        }
        let authority = rest.split('/').next().unwrap_or_default();
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, authority),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
        if host.is_empty() || !host.chars().all(is_plain) {
            return Err(failed("proxy URL must include scheme and host"));
        }
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.contains(']'));
        Ok(Some(Proxy {
            address: if has_port {
                host.to_owned()
            } else {
                format!("{host}:80")
            },
            credentials: credentials.map(|text| BASE64_STANDARD.encode(text)),
        }))
    }

    /// Has it connect to `target`, `host:port`.
    pub(crate) async fn tunnel(&self, stream: &mut TcpStream, target: &str) -> Result<(), String> {
        let mut asked = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(credentials) = &self.credentials {
            asked.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
        }
        asked.push_str("\r\n");
        let io = |error: std::io::Error| error.to_string();
        stream.write_all(asked.as_bytes()).await.map_err(io)?;
        let mut answer = Vec::new();
        // Byte for byte: what is behind the answer is the store's.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() == PROXY_BYTES_MAX {
                return Err("its answer is too long".to_owned());
            }
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) => return Err("it closed the connection".to_owned()),
            }
        }
        let answer = String::from_utf8_lossy(&answer);
        let line = answer.lines().next().unwrap_or_default();
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("HTTP/1.1" | "HTTP/1.0"), Some("200")) => Ok(()),
            _ => Err(line.chars().filter(|c| !c.is_control()).take(100).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_urls_and_their_passwords_are_not_told() {
        assert!(Proxy::of("none").unwrap().is_none());
        let proxy = Proxy::of("http://u:p@proxy.example:3128/")
            .unwrap()
            .unwrap();
        assert_eq!(proxy.address, "proxy.example:3128");
        assert_eq!(proxy.credentials.as_deref(), Some("dTpw"));
        let proxy = Proxy::of("http://[::1]").unwrap().unwrap();
        assert_eq!(proxy.address, "[::1]:80");
        for bad in [
            "proxy:1",
            "http://",
            "https://u:hidden@p",
            "http://u:hidden@a\r\nb",
        ] {
            let error = Proxy::of(bad).err().unwrap().to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
