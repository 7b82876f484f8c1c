//! Why another server could not be asked, in the words that Go's `net/http` has for it.

use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage};

/// See the module. The text does not say what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyError {
    /// No connection was made.
    #[error("{0}")]
    Dial(String),
    /// No TLS was spoken over it.
    #[error("{0}")]
    Tls(String),
    /// What came over it was no answer.
    #[error("{0}")]
    Http(String),
    /// It took longer than it may.
    #[error("context deadline exceeded")]
    Timeout,
    /// Something else than the upgrade was answered.
    #[error("invalid upgrade response: status code {0}")]
    NotUpgraded(u16),
    /// As many connections were upgraded as there may be.
    #[error("too many connections have been upgraded")]
    TooMany,
}

impl ProxyError {
    /// Why a handshake failed.
    pub(crate) fn of_handshake(error: &io::Error, name: &str) -> ProxyError {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        ProxyError::Tls(match inner {
            Some(inner) => of_tls(inner, name),
            None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".into(),
            None if error.kind() == io::ErrorKind::ConnectionReset => {
                "read: connection reset by peer".into()
            }
            None => error.to_string(),
        })
    }

    /// Why no answer came.
    pub(crate) fn of_http(error: &hyper::Error) -> ProxyError {
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return ProxyError::Http("EOF".into());
        }
        if error.is_timeout() {
            return ProxyError::Timeout;
        }
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        ProxyError::Http(match error.is_parse() {
            true => format!("malformed HTTP response: {text}"),
            false => text,
        })
    }
}

fn of_tls(error: &TlsError, name: &str) -> String {
    const CERTIFICATE: &str = "tls: failed to verify certificate: x509:";
    match error {
        TlsError::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("{CERTIFICATE} certificate signed by unknown authority")
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                format!("{CERTIFICATE} certificate has expired or is not yet valid")
            }
            CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
                let names: Vec<&str> = presented.iter().map(|name| plain(name)).collect();
                let names = names.join(", ");
                format!("{CERTIFICATE} certificate is valid for {names}, not {name}")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "{CERTIFICATE} certificate is not valid for any names, but wanted to match {name}"
                )
            }
            other => format!("{CERTIFICATE} {other}"),
        },
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "http: server gave HTTP response to HTTPS client".into()
        }
        TlsError::AlertReceived(alert) => format!("remote error: tls: {}", said(*alert)),
        other => format!("tls: {other}"),
    }
}

/// A name as rustls prints it: `DnsName("a")`.
fn plain(name: &str) -> &str {
    let mut parts = name.split('"');
    parts.nth(1).unwrap_or(name)
}

fn said(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::BadCertificate => "bad certificate".into(),
        AlertDescription::UnknownCA => "unknown certificate authority".into(),
        AlertDescription::CertificateRequired => "certificate required".into(),
        AlertDescription::HandshakeFailure => "handshake failure".into(),
        AlertDescription::ProtocolVersion => "protocol version not supported".into(),
        AlertDescription::UnrecognisedName => "unrecognized name".into(),
        other => format!("{other:?}"),
    }
}
