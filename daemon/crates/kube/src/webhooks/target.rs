//! Where a webhook is: what a `clientConfig` says, read once.
//!
//! Pure. Knows nothing about connections. Invariant: the path is clean and begins with a slash.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Where HTTPS is served where nobody says.
const HTTPS_PORT: u16 = 443;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ClientConfig {
    pub(crate) server: Server,
    /// What is asked for: `/mutate`.
    pub(crate) path: String,
    /// Authorities as PEM; empty: those that the system trusts.
    pub(crate) authorities: Arc<[u8]>,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Server {
    /// A host, without brackets, and the authority as the URL has it.
    Url {
        host: String,
        port: u16,
        authority: String,
    },
    Service {
        namespace: String,
        name: String,
        port: u16,
    },
}

impl ClientConfig {
    /// Reads a `clientConfig`.
    ///
    /// # Errors
    /// What upstream says of one that names no server.
    pub(crate) fn read(config: &Value) -> Result<ClientConfig, String> {
        let text = |value: &Value, field: &str| {
            let text = value.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let bundle = text(config, "caBundle");
        let authorities = STANDARD
            .decode(&bundle)
            .map_err(|error| format!("caBundle: {error}"))?
            .into();
        if let Some(service) = config.get("service").filter(|service| service.is_object()) {
            let port = service.get("port").and_then(Value::as_u64);
            let server = Server::Service {
                namespace: text(service, "namespace"),
                name: text(service, "name"),
                port: port
                    .and_then(|port| u16::try_from(port).ok())
                    .unwrap_or(HTTPS_PORT),
            };
            let path = clean(&text(service, "path"));
            return Ok(ClientConfig {
                server,
                path,
                authorities,
            });
        }
        let url = text(config, "url");
        if url.is_empty() {
            return Err("webhook configuration must have either service or URL".to_owned());
        }
        let (server, path) = parse(&url).ok_or_else(|| format!("Unparsable URL: {url:?}"))?;
        Ok(ClientConfig {
            server,
            path,
            authorities,
        })
    }

    /// `name.namespace.svc:443`, or as the URL has it.
    pub(crate) fn authority(&self) -> String {
        match &self.server {
            Server::Url { authority, .. } => authority.clone(),
            Server::Service { port, .. } => format!("{}:{port}", self.host()),
        }
    }

    /// The name that the server's certificate must be valid for.
    pub(crate) fn host(&self) -> String {
        match &self.server {
            Server::Url { host, .. } => host.clone(),
            Server::Service {
                namespace, name, ..
            } => format!("{name}.{namespace}.svc"),
        }
    }
}

/// As errors name it.
impl fmt::Display for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority(), self.path)
    }
}

fn parse(url: &str) -> Option<(Server, String)> {
    let rest = url.strip_prefix("https://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[') {
        Some(address) => {
            let (host, port) = address.split_once(']')?;
            (host, port.strip_prefix(':').or(Some(port))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let port = match port {
        "" => HTTPS_PORT,
        port => port.parse().ok()?,
    };
    let is_clear = |c: char| c.is_ascii_graphic() && c != '@';
    if host.is_empty() || !authority.chars().all(is_clear) {
        return None;
    }
    let server = Server::Url {
        host: host.to_owned(),
        port,
        authority: authority.to_owned(),
    };
    Some((server, clean(path)))
}

/// A path as upstream's client makes one: without empty segments, dots, and a slash at the end.
fn clean(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => _ = kept.pop(),
            segment => kept.push(segment),
        }
    }
    let mut clean = String::from("/");
    for byte in kept.join("/").bytes() {
        match byte {
            b'!'..=b'~' if byte != b'?' && byte != b'#' && byte != b'"' => {
                clean.push(char::from(byte));
            }
            byte => clean.push_str(&format!("%{byte:02X}")),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_server_is_named_by_url_or_by_service() {
        let shown = |config: Value| ClientConfig::read(&config).map(|config| config.to_string());
        for (config, url) in [
            (json!({"url": "https://a.b"}), "https://a.b/"),
            (
                json!({"url": "https://a.b:8443/x//y/"}),
                "https://a.b:8443/x/y",
            ),
            (json!({"url": "https://[::1]:1/x?y"}), "https://[::1]:1/x"),
            (
                json!({"service": {"namespace": "n", "name": "s", "path": "/p/../q"}}),
                "https://s.n.svc:443/q",
            ),
            (
                json!({"service": {"namespace": "n", "name": "s", "port": 9}}),
                "https://s.n.svc:9/",
            ),
        ] {
            assert_eq!(shown(config).unwrap(), url);
        }
        for bad in [
            json!({}),
            json!({"url": "http://a"}),
            json!({"url": "https://"}),
            json!({"url": "https://a:b"}),
            json!({"url": "https://u@a"}),
            json!({"url": "https://a", "caBundle": "%"}),
            json!(5),
        ] {
            assert!(shown(bad.clone()).is_err(), "{bad}");
        }
    }
}
