//! Whether a member's place is vacant: its host answers, and says that nobody listens there.
//!
//! Knows nothing about who asks. Invariant: silence proves nothing: a member that a cut network or
//! a firewall hides may be alive.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::VACANT_ANSWER_TIME_MAX;
use crate::server_url::ServerUrl;

/// Whether connections to every one of these URLs are refused.
pub(crate) async fn is_vacant(urls: &[String]) -> bool {
    for url in urls {
        let Ok(url) = url.parse::<ServerUrl>() else {
            return false;
        };
        if !refuses(&url, VACANT_ANSWER_TIME_MAX).await {
            return false;
        }
    }
    !urls.is_empty()
}

async fn refuses(url: &ServerUrl, patience: Duration) -> bool {
    let connected = timeout(patience, TcpStream::connect((url.host(), url.port()))).await;
    matches!(connected, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_vacant_only_where_connections_are_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        assert!(!is_vacant(std::slice::from_ref(&url)).await, "it listens");
        drop(listener);
        assert!(is_vacant(std::slice::from_ref(&url)).await);
        assert!(!is_vacant(&[url, "nonsense".into()]).await);
        assert!(!is_vacant(&[]).await);
    }
}
