//! What says which bucket, and how it is reached.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the bucket is named in a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lookup {
    /// By host at Amazon, by path elsewhere.
    #[default]
    Auto,
    /// `https://bucket.endpoint/key`
    Dns,
    /// `https://endpoint/bucket/key`
    Path,
}

/// See the module. Prints without keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `host` or `host:port`
    pub endpoint: String,
    /// PEM that the store's certificate must stem from; empty: the system's authorities.
    pub authorities: String,
    /// Take whatever certificate.
    pub skip_verify: bool,
    /// Plain HTTP.
    pub insecure: bool,
    /// The key's id.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
    /// Empty: none.
    pub session_token: String,
    /// Which bucket.
    pub bucket: String,
    /// How it is named.
    pub lookup: Lookup,
    /// What requests are signed for.
    pub region: String,
    /// What is before the names of snapshots, without slashes at its ends; empty: nothing.
    pub folder: String,
    /// `http://[user:password@]host:port`; empty: none.
    pub proxy: String,
    /// What one operation may take.
    pub timeout: Duration,
    /// How many scheduled ones are kept; 0: all.
    pub retention: usize,
}

impl Default for Settings {
    /// As K3s has them.
    fn default() -> Settings {
        Settings {
            endpoint: "s3.amazonaws.com".to_owned(),
            authorities: String::new(),
            skip_verify: false,
            insecure: false,
            access_key: String::new(),
            secret_key: String::new(),
            session_token: String::new(),
            bucket: String::new(),
            lookup: Lookup::Auto,
            region: "us-east-1".to_owned(),
            folder: String::new(),
            proxy: String::new(),
            timeout: Duration::from_secs(300),
            retention: 5,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The key of a snapshot of that name.
    pub fn key(&self, name: &str) -> String {
        match self.folder.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        }
    }

    /// `s3://bucket/folder/name`
    pub fn location(&self, name: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(name))
    }

    pub(crate) fn is_amazon(&self) -> bool {
        let host = self.endpoint.split(':').next().unwrap_or_default();
        host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
    }

    pub(crate) fn is_by_host(&self) -> bool {
        match self.lookup {
            Lookup::Dns => true,
            Lookup::Path => false,
            // A certificate of *.s3.amazonaws.com is not one of a.b.s3.amazonaws.com.
            Lookup::Auto => self.is_amazon() && !self.bucket.contains('.'),
        }
    }

    /// The host and port to connect to, and the path before the key.
    pub(crate) fn host(&self) -> (String, u16, String) {
        let endpoint = match self.endpoint.as_str() {
            "s3.amazonaws.com" if self.region != "us-east-1" => {
                format!("s3.{}.amazonaws.com", self.region)
            }
            other => other.to_owned(),
        };
        let standard = if self.insecure { 80 } else { 443 };
        let (host, port) = match endpoint.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host.to_owned(), port.parse().unwrap_or(standard))
            }
            _ => (endpoint, standard),
        };
        match self.is_by_host() {
            true => (format!("{}.{host}", self.bucket), port, "/".to_owned()),
            false => (host, port, format!("/{}/", self.bucket)),
        }
    }

    /// `https://host:port`, as people name it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.insecure { "http" } else { "https" };
        format!("{scheme}://{}", self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_by_host_at_amazon_and_by_path_elsewhere() {
        let of = |endpoint: &str, bucket: &str, lookup| Settings {
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            lookup,
            region: "eu-west-1".to_owned(),
            ..Settings::default()
        };
        let amazon = of("s3.amazonaws.com", "b", Lookup::Auto).host();
        let host = "b.s3.eu-west-1.amazonaws.com".to_owned();
        assert_eq!(amazon, (host, 443, "/".to_owned()));
        let dotted = of("s3.amazonaws.com", "a.b", Lookup::Auto).host();
        assert_eq!(dotted.2, "/a.b/");
        let own = of("minio:9000", "b", Lookup::Auto).host();
        assert_eq!(own, ("minio".to_owned(), 9000, "/b/".to_owned()));
        let six = of("[::1]", "b", Lookup::Path).host();
        assert_eq!(six, ("[::1]".to_owned(), 443, "/b/".to_owned()));
        assert_eq!(of("minio", "b", Lookup::Dns).host().0, "b.minio");
    }

    #[test]
    fn keys_are_not_printed() {
        let settings = Settings {
            access_key: "known".into(),
            secret_key: "hidden".into(),
            session_token: "hidden".into(),
            ..Settings::default()
        };
        assert!(!format!("{settings:?}").contains("hidden"));
    }
}
