//! What servers without a cluster tell each other, before there is anything to trust.
//!
//! A server that waits has no certificate yet. It answers every connection to its port with one
//! fatal TLS alert, which says that it is there, has no data, and what it waits for. Whoever has a
//! certificate is of a cluster. Nothing secret is said, and nothing heard here is believed for more
//! than what it costs: when a server forms a cluster, never whether one may be joined.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rustls::AlertDescription;
use skerry_pki::{Clock, PkiError, client_config_unverified};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::ServerUrl;
use crate::limits::{WAITING_ANSWER_TIME_MAX, WAITING_CONNECTIONS_MAX};

/// What a server without a cluster is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Join one.
    Join,
    /// Form one, unless there is one.
    Form,
}

/// What is known of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is of a cluster: it has a certificate.
    Serves,
    /// It is of none, and has no data.
    Waits(Intent),
    /// Something is there that does not say what it is: a member that recovers, most likely.
    Mute(String),
    /// Nobody is there.
    Away(String),
}

/// The first bytes of a client's first message are looked at, not kept.
const READ_BYTES: usize = 512;
/// TLS's record header (alert, version 1.2, two bytes), and that the alert is fatal.
const FATAL_ALERT: [u8; 6] = [21, 3, 3, 0, 2, 2];

impl Intent {
    fn alert(self) -> AlertDescription {
        match self {
            Intent::Join => AlertDescription::AccessDenied,
            Intent::Form => AlertDescription::UserCanceled,
        }
    }

    /// What an alert says, where it is one of these.
    pub(crate) fn of_alert(alert: AlertDescription) -> Option<Intent> {
        [Intent::Join, Intent::Form]
            .into_iter()
            .find(|intent| intent.alert() == alert)
    }
}

/// Asks a server whether it is of a cluster.
pub async fn standing(server: &ServerUrl, clock: &Arc<Clock>) -> Result<Standing, PkiError> {
    let tls = client_config_unverified(clock)?;
    Ok(ask(server, tls, WAITING_ANSWER_TIME_MAX).await)
}

async fn ask(server: &ServerUrl, tls: Arc<rustls::ClientConfig>, time_max: Duration) -> Standing {
    let connecting = tokio::time::timeout(time_max, TcpStream::connect(server.address()));
    let stream = match connecting.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Standing::Away(error.to_string()),
        Err(_) => return Standing::Away("no connection in time".to_owned()),
    };
    let connector = TlsConnector::from(tls);
    let greeting = connector.connect(server.server_name(), stream);
    match tokio::time::timeout(time_max, greeting).await {
        Ok(Ok(_)) => Standing::Serves,
        Ok(Err(error)) => match intent_of(&error) {
            Some(intent) => Standing::Waits(intent),
            None => Standing::Mute(error.to_string()),
        },
        Err(_) => Standing::Mute("it does not answer".to_owned()),
    }
}

/// What a server that waits said instead of a handshake.
pub(crate) fn intent_of(error: &std::io::Error) -> Option<Intent> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Intent::of_alert(*alert),
        _ => None,
    }
}

/// Answers whoever connects, for as long as it is polled.
pub async fn tell(listener: &TcpListener, intent: Intent) -> Infallible {
    let mut answers = JoinSet::new();
    loop {
        if answers.len() >= WAITING_CONNECTIONS_MAX {
            answers.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                answers.spawn(tokio::time::timeout(
                    WAITING_ANSWER_TIME_MAX,
                    answer(stream, intent),
                ));
            }
            // Out of descriptors: those that are answered give theirs back.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        while answers.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream, intent: Intent) -> std::io::Result<()> {
    // What is closed with bytes unread is reset, and the alert is lost with it.
    let mut hello = [0; READ_BYTES];
    if stream.read(&mut hello).await? == 0 {
        return Ok(());
    }
    let [type_, major, minor, high, low, fatal] = FATAL_ALERT;
    let alert = [type_, major, minor, high, low, fatal, intent.alert().into()];
    stream.write_all(&alert).await?;
    stream.shutdown().await?;
    while stream.read(&mut hello).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use skerry_pki::{Identity, Pki};

    use super::*;

    async fn there() -> (TcpListener, ServerUrl) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        (listener, url.parse().unwrap())
    }

    async fn standing_of(server: &ServerUrl) -> Standing {
        standing(server, &Arc::new(Clock::system())).await.unwrap()
    }

    #[tokio::test]
    async fn a_server_that_waits_says_for_what() {
        for intent in [Intent::Join, Intent::Form] {
            let (listener, server) = there().await;
            let telling = tokio::spawn(async move { tell(&listener, intent).await });
            for _ in 0..3 {
                assert_eq!(standing_of(&server).await, Standing::Waits(intent));
            }
            telling.abort();
        }
    }

    #[tokio::test]
    async fn whoever_has_a_certificate_is_of_a_cluster() {
        let (listener, server) = there().await;
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::new("one", vec![]);
        let pki = Pki::load_or_create(folder.path(), identity, Arc::new(Clock::system())).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(pki.server_config_api().unwrap());
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            acceptor.accept(stream).await.map(drop)
        });
        assert_eq!(standing_of(&server).await, Standing::Serves);
        serving.abort();
    }

    #[tokio::test]
    async fn nobody_and_somebody_who_says_nothing_are_told_apart() {
        let (listener, server) = there().await;
        // The kernel takes the connection, nobody speaks.
        let tls = client_config_unverified(&Arc::new(Clock::system())).unwrap();
        let standing = ask(&server, tls, Duration::from_millis(50)).await;
        assert!(matches!(standing, Standing::Mute(_)), "{standing:?}");
        drop(listener);
        let standing = standing_of(&server).await;
        assert!(matches!(standing, Standing::Away(_)), "{standing:?}");
    }
}
