//! Where the state is: with the servers themselves, or in a foreign etcd.
//!
//! K3s's four settings. Endpoints that are this server or one of its list mean the members
//! themselves, so that one file may name all of them on every node. Invariant: a list that names
//! both is refused, for one of the two is a mistake.

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;

use super::settings::{ConfigError, Given, host_of};

const ENDPOINT: &str = "datastore-endpoint";
const CA: &str = "datastore-cafile";
const CERTIFICATE: &str = "datastore-certfile";
const KEY: &str = "datastore-keyfile";
const PORT: u16 = 2379;
/// Members of one etcd that are named.
const ENDPOINTS_MAX: usize = 16;

/// A foreign etcd, and what it is spoken to with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignEtcd {
    /// `http://host:port` or `https://host:port`.
    pub(crate) endpoints: Vec<String>,
    pub(crate) ca: Option<PathBuf>,
    /// A client certificate and its key.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
}

/// The foreign etcd that is named, if one is. `servers`: the list of this cluster's own.
pub(super) fn foreign(
    given: &Given,
    node_ip: IpAddr,
    servers: &[String],
) -> Result<Option<ForeignEtcd>, ConfigError> {
    let endpoints = given.text(ENDPOINT).unwrap_or_default().split(',');
    let endpoints: Vec<&str> = endpoints
        .map(str::trim)
        .filter(|endpoint| !endpoint.is_empty())
        .collect();
    let own_port = given.parsed("etcd-client-port", super::parse::port)?;
    let own = Own {
        hosts: servers.iter().filter_map(|url| host_of(url)).collect(),
        node: node_ip.to_string(),
        port: own_port.unwrap_or(PORT),
    };
    given.check(ENDPOINT, || {
        endpoints.iter().try_for_each(|endpoint| check(endpoint))
    })?;
    let (ours, foreign): (Vec<&str>, Vec<&str>) =
        endpoints.iter().partition(|endpoint| own.has(endpoint));
    let Some(one) = foreign.first() else {
        return Ok(None);
    };
    given.check(ENDPOINT, || match ours.first() {
        Some(own) => Err(format!(
            "'{own}' is one of this cluster's own servers and '{one}' is not: name either the \
             members of a foreign etcd, or none but own servers"
        )),
        None if foreign.len() > ENDPOINTS_MAX => {
            Err(format!("at most {ENDPOINTS_MAX} endpoints are named"))
        }
        None => Ok(()),
    })?;
    for name in ["server", "rejoin", "disable-apiserver", "cluster-reset"] {
        if given.text(name).is_some_and(|value| value != "false") {
            let what = format!(
                "does not go with a foreign datastore ('{ENDPOINT}' names '{one}', which is none \
                 of the servers): servers find each other there"
            );
            return Err(given.error(name, what));
        }
    }
    let file = |name| given.text(name).map(PathBuf::from);
    given.check(CA, || {
        let is_tls = foreign.iter().any(|url| url.starts_with("https://"));
        match given.text(CA) {
            None if is_tls => Err(format!("'{one}' is verified with nothing: name its CA")),
            _ => Ok(()),
        }
    })?;
    let certificate = match (file(CERTIFICATE), file(KEY)) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (Some(_), None) => return Err(given.error(CERTIFICATE, format!("'{KEY}' is missing"))),
        (None, Some(_)) => return Err(given.error(KEY, format!("'{CERTIFICATE}' is missing"))),
    };
    Ok(Some(ForeignEtcd {
        endpoints: foreign.into_iter().map(str::to_owned).collect(),
        ca: file(CA),
        certificate,
    }))
}

/// The servers of this cluster.
struct Own<'a> {
    hosts: Vec<&'a str>,
    node: String,
    port: u16,
}

impl Own<'_> {
    fn has(&self, endpoint: &str) -> bool {
        let Ok(url) = endpoint.parse::<Uri>() else {
            return false;
        };
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        // An etcd beside a server is at a port of its own.
        url.port_u16().unwrap_or(PORT) == self.port
            && (host == self.node || self.hosts.contains(&host))
    }
}

fn check(endpoint: &str) -> Result<(), String> {
    let wanted = || super::parse::expected("an etcd such as https://host:2379", endpoint);
    let url: Uri = endpoint.parse().map_err(|_| wanted())?;
    match url.scheme_str() {
        Some("http" | "https") if url.host().is_some_and(|host| !host.is_empty()) => Ok(()),
        _ => Err(wanted()),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Settings;

    fn load(line: &str) -> Result<Settings, String> {
        let line = format!("--node-name n --node-ip 127.0.0.1 {line}");
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Settings::load(&words, std::iter::empty()).map_err(|error| error.to_string())
    }

    fn error(line: &str) -> String {
        load(line).unwrap_err()
    }

    #[test]
    fn endpoints_of_the_cluster_itself_mean_the_embedded_store() {
        let flags = "--server https://127.0.0.2:6443 --datastore-endpoint";
        let own = load(&format!(
            "{flags} https://127.0.0.1:2379,https://127.0.0.2:2379"
        ));
        assert!(own.unwrap().foreign.is_none());
        assert!(error(&format!("{flags} https://192.0.2.1:2379")).contains("192.0.2.1"));
    }

    #[test]
    fn endpoints_of_others_mean_a_foreign_etcd() {
        let flags = "--datastore-endpoint";
        let tls = load(&format!(
            "{flags} https://192.0.2.1:2379,https://192.0.2.2 --datastore-cafile /ca \
             --datastore-certfile /crt --datastore-keyfile /key"
        ));
        let tls = tls.unwrap().foreign.unwrap();
        assert_eq!(
            tls.endpoints,
            ["https://192.0.2.1:2379", "https://192.0.2.2"]
        );
        assert!(tls.ca.is_some() && tls.certificate.is_some());
        let beside = load(&format!("{flags} http://127.0.0.1:12379"));
        assert!(beside.unwrap().foreign.is_some());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (flags, words) in [
            (
                "https://127.0.0.1:2379,https://192.0.2.1:2379",
                "own servers",
            ),
            ("https://192.0.2.1:2379", "'datastore-cafile'"),
            ("mysql://192.0.2.1", "expected an etcd"),
            ("192.0.2.1:2379", "expected an etcd"),
            (
                "http://192.0.2.1 --server https://192.0.2.9:6443",
                "'server': does not go with a foreign datastore",
            ),
            ("http://192.0.2.1 --rejoin", "'rejoin'"),
            ("http://192.0.2.1 --cluster-reset", "'cluster-reset'"),
            (
                "http://192.0.2.1 --disable-apiserver",
                "'disable-apiserver'",
            ),
            (
                "http://192.0.2.1 --datastore-certfile /x",
                "'datastore-keyfile' is missing",
            ),
        ] {
            let said = error(&format!("--datastore-endpoint {flags}"));
            assert!(said.contains(words), "{flags}: {said}");
        }
    }
}
