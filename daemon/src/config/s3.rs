//! The settings of a bucket that snapshots go to besides the directory, under K3s's names.
//!
//! Invariant: no error tells a key.

use std::io::Read as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use skerry_bucket::{Lookup, Settings};

use super::parse;
use super::settings::{ConfigError, Given};

/// K3s's names of the environment, and the settings that they are.
pub(super) const ENVIRONMENT: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "etcd-s3-access-key"),
    ("AWS_SECRET_ACCESS_KEY", "etcd-s3-secret-key"),
    ("AWS_SESSION_TOKEN", "etcd-s3-session-token"),
];

const SECRET: &str = "etcd-s3-config-secret";
const TIMEOUT: &str = "etcd-s3-timeout";
/// A file of authorities, in bytes.
const AUTHORITIES_BYTES_MAX: u64 = 1 << 20;

/// The bucket that snapshots go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BucketOf {
    /// What the settings say.
    Settings(Box<Settings>),
    /// What a Secret says.
    Secret(BucketSecret),
}

/// A Secret in kube-system with the settings of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketSecret {
    pub(crate) name: String,
    /// How many snapshots are kept there: the Secret does not say it.
    pub(crate) retention: usize,
}

/// What the settings ask for, where they ask for a bucket; `retention` is the directory's.
pub(super) fn bucket(given: &Given, retention: usize) -> Result<Option<BucketOf>, ConfigError> {
    if !given.switch("etcd-s3")? {
        return Ok(None);
    }
    let mut settings = Settings {
        skip_verify: given.switch("etcd-s3-skip-ssl-verify")?,
        insecure: given.switch("etcd-s3-insecure")?,
        retention,
        ..Settings::default()
    };
    let texts = [
        ("etcd-s3-access-key", &mut settings.access_key),
        ("etcd-s3-secret-key", &mut settings.secret_key),
        ("etcd-s3-session-token", &mut settings.session_token),
        ("etcd-s3-bucket", &mut settings.bucket),
        ("etcd-s3-region", &mut settings.region),
        ("etcd-s3-proxy", &mut settings.proxy),
    ];
    for (name, place) in texts {
        if let Some(text) = given.text(name) {
            text.clone_into(place);
        }
    }
    if let Some(host) = given.parsed("etcd-s3-endpoint", endpoint)? {
        settings.endpoint = host;
    }
    if let Some(folder) = given.text("etcd-s3-folder") {
        folder.trim_matches('/').clone_into(&mut settings.folder);
    }
    if let Some(lookup) = given.parsed("etcd-s3-bucket-lookup-type", lookup)? {
        settings.lookup = lookup;
    }
    if let Some(timeout) = given.parsed(TIMEOUT, timeout)? {
        settings.timeout = timeout;
    }
    if let Some(pem) = given.parsed("etcd-s3-endpoint-ca", authorities)? {
        settings.authorities = pem;
    }
    let kept = given.parsed("etcd-s3-retention", |text| {
        text.parse()
            .map_err(|_| parse::expected("a number of snapshots, 0 for all", text))
    })?;
    settings.retention = kept.unwrap_or(settings.retention);
    if let Some(name) = given.text(SECRET).filter(|name| !name.is_empty()) {
        let untouched = Settings {
            retention: settings.retention,
            ..Settings::default()
        };
        if settings == untouched {
            return Ok(Some(BucketOf::Secret(BucketSecret {
                name: name.to_owned(),
                retention: settings.retention,
            })));
        }
        tracing::warn!(
            "Ignoring s3 configuration from {SECRET} {name:?} due to existing configuration from CLI or config file"
        );
    }
    // Whatever cannot be used is told now, not when the first snapshot is due.
    skerry_bucket::Bucket::open(&settings)
        .map_err(|error| given.error("etcd-s3", error.to_string()))?;
    Ok(Some(BucketOf::Settings(Box::new(settings))))
}

/// What a Secret says, of which `text` has the values and `authorities` the PEM.
pub(crate) fn of_secret(
    secret: &BucketSecret,
    text: impl Fn(&str) -> Option<String>,
    authorities: String,
) -> Result<Settings, String> {
    let plain = |name: &str| text(name).unwrap_or_default();
    let switch = |name: &str| lenient(secret, name, text(name), parse::switch).unwrap_or_default();
    let default = Settings::default();
    let timeout = lenient(secret, TIMEOUT, text(TIMEOUT), timeout);
    Ok(Settings {
        endpoint: text("etcd-s3-endpoint")
            .map_or(Ok(default.endpoint), |text| endpoint(&text))
            .map_err(|error| format!("etcd-s3-endpoint: {error}"))?,
        authorities,
        skip_verify: switch("etcd-s3-skip-ssl-verify"),
        insecure: switch("etcd-s3-insecure"),
        access_key: plain("etcd-s3-access-key"),
        secret_key: plain("etcd-s3-secret-key"),
        session_token: plain("etcd-s3-session-token"),
        bucket: plain("etcd-s3-bucket"),
        lookup: lookup(&plain("etcd-s3-bucket-lookup-type"))
            .map_err(|error| format!("etcd-s3-bucket-lookup-type: {error}"))?,
        region: text("etcd-s3-region").unwrap_or(default.region),
        folder: plain("etcd-s3-folder").trim_matches('/').to_owned(),
        proxy: plain("etcd-s3-proxy"),
        timeout: timeout.unwrap_or(default.timeout),
        retention: secret.retention,
    })
}

/// As K3s: what cannot be read of these is told, and is as if it were not there.
fn lenient<T>(
    secret: &BucketSecret,
    name: &str,
    text: Option<String>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let parsed = parse(&text?);
    let told = parsed.inspect_err(|error| {
        tracing::warn!(
            "Failed to parse {name} value from S3 config secret {}: {error}",
            secret.name
        );
    });
    told.ok()
}

fn endpoint(text: &str) -> Result<String, String> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
    match !text.is_empty() && text.chars().all(is_host) {
        true => Ok(text.to_owned()),
        false => Err(parse::expected(
            "host or host:port, with --etcd-s3-insecure for plain HTTP",
            text,
        )),
    }
}

fn lookup(text: &str) -> Result<Lookup, String> {
    match text {
        "" | "auto" => Ok(Lookup::Auto),
        "dns" => Ok(Lookup::Dns),
        "path" => Ok(Lookup::Path),
        _ => Err(parse::expected("auto, dns or path", text)),
    }
}

/// As Go prints them too: `5m0s`.
fn timeout(text: &str) -> Result<std::time::Duration, String> {
    let plain = text
        .strip_suffix("m0s")
        .map(|minutes| format!("{minutes}m"));
    match parse::duration(plain.as_deref().unwrap_or(text))? {
        timeout if !timeout.is_zero() => Ok(timeout),
        _ => Err(parse::expected("more than 0s", text)),
    }
}

/// Files or PEM in base 64, parted by spaces: the PEM of all.
fn authorities(text: &str) -> Result<String, String> {
    let mut all = String::new();
    for word in text.split_ascii_whitespace() {
        let pem = match BASE64_STANDARD.decode(word) {
            Ok(pem) => pem,
            Err(_) => {
                let mut pem = Vec::new();
                let opened = std::fs::File::open(word);
                let read = opened.and_then(|file| {
                    let mut file = file.take(AUTHORITIES_BYTES_MAX);
                    file.read_to_end(&mut pem)
                });
                read.map_err(|error| format!("{word}: {error}"))?;
                pem
            }
        };
        all.push_str(&String::from_utf8_lossy(&pem));
        all.push('\n');
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn values_are_taken_as_k3s_takes_them() {
        assert_eq!(timeout("5m0s"), Ok(Duration::from_secs(300)));
        assert!(timeout("0s").is_err());
        assert_eq!(endpoint("[::1]:9000"), Ok("[::1]:9000".to_owned()));
        assert!(endpoint("https://minio:9000").is_err() && endpoint("").is_err());
        assert!(lookup("host").is_err());
        assert_eq!(authorities("YQ== Yg=="), Ok("a\nb\n".to_owned()));
        assert!(
            authorities("/not/there")
                .unwrap_err()
                .contains("/not/there")
        );
    }

    #[test]
    fn a_secret_says_what_the_flags_say_and_what_it_does_not_say_is_as_without_it() {
        let secret = BucketSecret {
            name: "kept".into(),
            retention: 3,
        };
        let values = |values: &'static [(&str, &str)]| {
            let text = |name: &str| {
                let found = values.iter().find(|(known, _)| *known == name);
                found.map(|(_, text)| (*text).to_owned())
            };
            of_secret(&secret, text, String::new())
        };
        let expected = Settings {
            bucket: "snaps".into(),
            folder: "deep/er".into(),
            insecure: true,
            retention: 3,
            ..Settings::default()
        };
        let said = values(&[
            ("etcd-s3-bucket", "snaps"),
            ("etcd-s3-folder", "/deep/er/"),
            ("etcd-s3-insecure", "true"),
            ("etcd-s3-skip-ssl-verify", "perhaps"),
            ("etcd-s3-timeout", "soon"),
        ]);
        assert_eq!(said, Ok(expected));
        let wrong = values(&[("etcd-s3-endpoint", "https://minio")]);
        assert!(wrong.unwrap_err().contains("etcd-s3-endpoint"));
    }
}
