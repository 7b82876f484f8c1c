//! Why a webhook has not answered, in the words of upstream's client.
//!
//! Pure. Knows nothing about what was asked. Invariant: what a server sends as its reason is cut
//! before it gets into a message.

use std::io;
use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError, Error as TlsError};
use serde_json::Value;

use crate::time;

/// Bytes of an answer that is no object which are shown: upstream's number.
const SHOWN_BYTES_MAX: usize = 2048;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody could be asked: what `clientConfig` says is not enough.
    #[error("could not get REST client: {0}")]
    Config(String),
    /// No answer came, or one that cannot be read.
    #[error("failed to call webhook: {0}")]
    Transport(String),
    /// The server has answered with an error.
    #[error("failed to call webhook: {message}")]
    Status {
        /// Of the HTTP answer, or of the `Status` in it.
        code: u16,
        message: String,
    },
}

impl CallError {
    /// The code that metrics show.
    pub(crate) fn code(&self) -> u16 {
        match self {
            CallError::Config(_) => 500,
            CallError::Transport(_) => 503,
            CallError::Status { code, .. } => *code,
        }
    }
}

/// What an HTTP status other than 2xx means, as upstream reads it.
pub(super) fn of_status(code: u16, content_type: &str, body: &[u8]) -> CallError {
    let is_text = content_type.is_empty() || content_type.starts_with("text/");
    let said = match is_text {
        true => String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES_MAX)])
            .trim()
            .to_owned(),
        false => "unknown".to_owned(),
    };
    // Upstream looks for a Status where it does not know the error better itself.
    if let Ok(status) = serde_json::from_slice::<Value>(body)
        && status.get("kind").and_then(Value::as_str) == Some("Status")
        && status.get("status").and_then(Value::as_str) == Some("Failure")
    {
        let message = status.get("message").and_then(Value::as_str);
        let told = status.get("code").and_then(Value::as_u64);
        return CallError::Status {
            code: told
                .and_then(|told| u16::try_from(told).ok())
                .unwrap_or(code),
            message: cut(message.unwrap_or_default()),
        };
    }
    let message = match code {
        400 => "the server rejected our request for an unknown reason",
        401 => "the server has asked for the client to provide credentials",
        403 | 415 => &said,
        404 => "the server could not find the requested resource",
        405 => "the server does not allow this method on the requested resource",
        406 if said.is_empty() || said == "unknown" => {
            "the server was unable to respond with a content type that the client supports"
        }
        406 => &said,
        409 => "the server reported a conflict",
        422 => "the server rejected our request due to an error in our request",
        429 => "the server has received too many requests and has asked us to try again later",
        503 => "the server is currently unable to handle the request",
        504 => {
            "the server was unable to return a response in the time allotted, but may still be processing the request"
        }
        500.. => {
            &format!("an error on the server ({said:?}) has prevented the request from succeeding")
        }
        code => &format!(
            "the server responded with the status code {code} but did not return more information"
        ),
    };
    CallError::Status {
        code,
        message: message.to_owned(),
    }
}

/// The beginning of what somebody else says.
fn cut(text: &str) -> String {
    let mut end = text.len().min(SHOWN_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// Why no TLS connection was made, as Go's `crypto/tls` puts it. `host` is whom it was to be with.
pub(super) fn of_handshake(error: &io::Error, host: &str) -> String {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::InvalidCertificate(why)) => {
            format!(
                "tls: failed to verify certificate: x509: {}",
                of_certificate(why, host)
            )
        }
        // What begins with other bytes than TLS does is nearly always plain HTTP.
        Some(TlsError::InvalidMessage(_)) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        Some(TlsError::AlertReceived(alert)) => {
            format!("remote error: tls: {}", of_alert(*alert))
        }
        Some(other) => format!("tls: {other}"),
        None => of_io(error),
    }
}

/// Why a connection ended, as Go puts it.
pub(super) fn of_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        io::ErrorKind::ConnectionReset => "read: connection reset by peer".to_owned(),
        io::ErrorKind::BrokenPipe => "write: broken pipe".to_owned(),
        _ => cut(&error.to_string()),
    }
}

fn of_certificate(error: &CertificateError, host: &str) -> String {
    let expired = "certificate has expired or is not yet valid";
    let at = |unix: &rustls::pki_types::UnixTime| {
        time::rfc3339(std::time::Duration::from_secs(unix.as_secs()))
    };
    match error {
        CertificateError::Expired | CertificateError::NotValidYet => format!("{expired}: "),
        CertificateError::ExpiredContext { time, not_after } => {
            format!(
                "{expired}: current time {} is after {}",
                at(time),
                at(not_after)
            )
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            format!(
                "{expired}: current time {} is before {}",
                at(time),
                at(not_before)
            )
        }
        CertificateError::NotValidForNameContext { presented, .. } => names(presented, host),
        CertificateError::NotValidForName => names(&[], host),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "certificate specifies an incompatible key usage".to_owned()
        }
        other => other.to_string(),
    }
}

/// Whom a certificate is for, who is not the host.
fn names(presented: &[String], host: &str) -> String {
    // As rustls shows them: `DnsName("a")`, `IpAddress(10.0.0.1)`.
    let of_kind = |kind: &str| -> Vec<&str> {
        let inner = presented.iter().filter_map(|name| {
            let inner = name.strip_prefix(kind)?.strip_prefix('(')?;
            Some(inner.strip_suffix(')')?.trim_matches('"'))
        });
        inner.collect()
    };
    let is_address = host.parse::<IpAddr>().is_ok();
    let valid = match is_address {
        true => of_kind("IpAddress"),
        false => of_kind("DnsName"),
    };
    match valid.as_slice() {
        [] if is_address => {
            format!("cannot validate certificate for {host} because it doesn't contain any IP SANs")
        }
        [] => format!("certificate is not valid for any names, but wanted to match {host}"),
        names => format!("certificate is valid for {}, not {host}", names.join(", ")),
    }
}

fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::CertificateRequired => "certificate required",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::UnrecognisedName => "unrecognized name",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        AlertDescription::InternalError => "internal error",
        AlertDescription::AccessDenied => "access denied",
        _ => "unexpected message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_an_error_is_told_as_upstream_tells_it() {
        let told = |code, content_type, body: &str| {
            of_status(code, content_type, body.as_bytes()).to_string()
        };
        assert_eq!(
            told(404, "text/plain", "x"),
            "failed to call webhook: the server could not find the requested resource"
        );
        assert_eq!(
            told(500, "text/plain; charset=utf-8", "boom\n"),
            "failed to call webhook: an error on the server (\"boom\") has prevented the request from succeeding"
        );
        assert_eq!(
            told(500, "application/json", "{}"),
            "failed to call webhook: an error on the server (\"unknown\") has prevented the request from succeeding"
        );
        assert_eq!(
            told(302, "text/html", ""),
            "failed to call webhook: the server responded with the status code 302 but did not return more information"
        );
        let status = r#"{"kind":"Status","status":"Failure","message":"no","code":418}"#;
        let error = of_status(500, "application/json", status.as_bytes());
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (418, "failed to call webhook: no")
        );
        assert!(told(500, "", &"ä".repeat(SHOWN_BYTES_MAX)).len() < 2 * SHOWN_BYTES_MAX);
    }

    #[test]
    fn a_certificate_for_somebody_else_says_for_whom() {
        let presented = ["DnsName(\"a\")".to_owned(), "DnsName(\"b\")".to_owned()];
        assert_eq!(
            names(&presented, "c"),
            "certificate is valid for a, b, not c"
        );
        assert_eq!(
            names(&presented, "10.0.0.1"),
            "cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs"
        );
    }
}
