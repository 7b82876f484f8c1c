//! What goes wrong with a store: where, what it said, and what to do.

use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;

use crate::limits::{SILENCE_MAX, TRIES_MAX};
use crate::settings::Settings;

/// Which object of which bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Box<Named>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    endpoint: String,
    bucket: String,
    /// Empty: the bucket itself.
    key: String,
}

impl Place {
    pub(crate) fn of(settings: &Settings, key: String) -> Place {
        Place(Box::new(Named {
            endpoint: settings.url(),
            bucket: settings.bucket.clone(),
            key,
        }))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named {
            endpoint,
            bucket,
            key,
        } = &*self.0;
        write!(f, "s3://{bucket}/{key} at {endpoint}")
    }
}

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// Settings that cannot be used.
    #[error("{what}")]
    Settings {
        /// Which, and why.
        what: String,
    },
    /// The store refused.
    #[error(
        "{place}: {}{code} ({status}){}; {advice}",
        missing(code, place),
        said(message)
    )]
    Refused {
        /// Where.
        place: Place,
        /// HTTP's code.
        status: StatusCode,
        /// S3's code, such as `NoSuchBucket`.
        code: String,
        /// What the store says besides.
        message: String,
        /// What to do.
        advice: &'static str,
    },
    /// No connection.
    #[error("{place}: cannot connect: {cause}; check --etcd-s3-endpoint and the network")]
    Connect {
        /// Where.
        place: Place,
        /// Why.
        cause: io::Error,
    },
    /// TLS fails.
    #[error(
        "{place}: the store's certificate or its TLS is not accepted: {cause}; give its authority \
         with --etcd-s3-endpoint-ca, or --etcd-s3-insecure where it speaks plain HTTP"
    )]
    Tls {
        /// Where.
        place: Place,
        /// Why.
        cause: io::Error,
    },
    /// The proxy refuses.
    #[error("{place}: the proxy {proxy} does not connect to it: {what}; check --etcd-s3-proxy")]
    Proxy {
        /// Where.
        place: Place,
        /// Which proxy.
        proxy: String,
        /// What it said.
        what: String,
    },
    /// The connection broke.
    #[error("{place}: the store broke off: {cause}; try again")]
    Broken {
        /// Where.
        place: Place,
        /// Why.
        cause: String,
    },
    /// Nothing comes any more.
    #[error("{place}: the store is silent since {}s; try again", SILENCE_MAX.as_secs())]
    Silent {
        /// Where.
        place: Place,
    },
    /// Not through in time.
    #[error(
        "{place}: not through within {timeout:?}; a slower store needs a longer --etcd-s3-timeout"
    )]
    TimedOut {
        /// Where.
        place: Place,
        /// What was allowed.
        timeout: Duration,
    },
    /// Not the answer of S3.
    #[error("{place}: {what}; is this endpoint an S3 store?")]
    Answer {
        /// Where.
        place: Place,
        /// What is wrong.
        what: String,
    },
    /// This machine's file.
    #[error("{place}: the file here cannot be used: {cause}")]
    File {
        /// Where.
        place: Place,
        /// Why.
        cause: io::Error,
    },
}

fn said(message: &str) -> String {
    match message {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

/// As K3s says it.
fn missing(code: &str, place: &Place) -> String {
    match code {
        "NoSuchBucket" => format!("bucket {} does not exist: ", place.0.bucket),
        _ => String::new(),
    }
}

impl BucketError {
    /// Whether the object, or its bucket, is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, BucketError::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// Whether asking again may help, and does no harm.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            BucketError::Refused { status, code, .. } => {
                matches!(
                    code.as_str(),
                    "SlowDown" | "RequestTimeout" | "InternalError"
                ) || status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED
                    || *status == StatusCode::TOO_MANY_REQUESTS
            }
            BucketError::Connect { .. } | BucketError::Broken { .. } => true,
            _ => false,
        }
    }
}

/// What to do about a refusal.
pub(crate) fn advice(status: StatusCode, code: &str) -> &'static str {
    match code {
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken" => {
            "check --etcd-s3-access-key, --etcd-s3-secret-key and --etcd-s3-session-token"
        }
        "AccessDenied" | "AllAccessDisabled" => {
            "the access key needs s3:ListBucket on the bucket, s3:GetObject, s3:PutObject and \
             s3:DeleteObject on what is in it"
        }
        "NoSuchBucket" => "make the bucket, or correct --etcd-s3-bucket",
        "NoSuchKey" => "`skerry etcd-snapshot list --s3` says which snapshots there are",
        "RequestTimeTooSkewed" => "set this machine's clock",
        "AuthorizationHeaderMalformed"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "IllegalLocationConstraintException" => {
            "the bucket is in another region: correct --etcd-s3-region"
        }
        "InsufficientStorage" | "XMinioStorageFull" | "QuotaExceeded" => {
            "make room at the store: lower --etcd-s3-retention, or prune"
        }
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            const { assert!(TRIES_MAX == 4, "the text says how often") }
            "the store does not manage, though asked 4 times: try later"
        }
        _ if status == StatusCode::FORBIDDEN => "check the access key and what it may do",
        _ => "check --etcd-s3-endpoint and --etcd-s3-bucket",
    }
}
