//! Connecting to an address, and upstream's words where nothing listens there.
//!
//! Knows nothing about what would be said there.

use std::io;
use std::net::IpAddr;

use tokio::net::TcpStream;

use crate::limits::DIAL_TIME_MAX;

/// Connects and hangs up.
///
/// # Errors
/// Why not, as Go's `net` package puts it.
pub(crate) async fn dial(host: &str, port: u16) -> Result<(), String> {
    connect(host, port).await.map(drop)
}

/// Connects.
///
/// # Errors
/// Why not, as Go's `net` package puts it.
pub(crate) async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let connecting = TcpStream::connect((host, port));
    match tokio::time::timeout(DIAL_TIME_MAX, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(refused(host, port, &error)),
        Err(_) => Err(format!("dial tcp {}: i/o timeout", address(host, port))),
    }
}

fn address(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// Why no connection was made, as Go's `net` package puts it.
pub(crate) fn refused(host: &str, port: u16, error: &io::Error) -> String {
    // Without a number of the system's it is a name that nobody knows.
    if error.raw_os_error().is_none() {
        return format!("dial tcp: lookup {host}: no such host");
    }
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        other => other.to_string(),
    };
    format!("dial tcp {}: connect: {why}", address(host, port))
}
