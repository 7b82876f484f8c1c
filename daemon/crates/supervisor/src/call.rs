//! One HTTP request to a server over TLS, bounded in time and size.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::ServerUrl;
use crate::limits::{ANSWER_BYTES_MAX, ANSWER_TIME_MAX, CONNECT_TIME_MAX};
use crate::waiting::intent_of;

/// Why no answer came.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The server's certificate was refused: another try will not help.
    Certificate(rustls::CertificateError),
    /// Anything that time may heal.
    Transport(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Certificate(error) => write!(f, "certificate: {error}"),
            CallError::Transport(reason) => f.write_str(reason),
        }
    }
}

pub(crate) struct Call<'a> {
    pub(crate) server: &'a ServerUrl,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) body: Bytes,
    pub(crate) times: Times,
}

/// How long each half of a call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    connect_max: Duration,
    answer_max: Duration,
}

impl Times {
    /// The same for both.
    pub(crate) fn of(time: Duration) -> Times {
        Times {
            connect_max: time,
            answer_max: time,
        }
    }
}

impl Default for Times {
    fn default() -> Times {
        Times {
            connect_max: CONNECT_TIME_MAX,
            answer_max: ANSWER_TIME_MAX,
        }
    }
}

impl Call<'_> {
    /// Connects, asks, and reads the whole answer.
    pub(crate) async fn send(self) -> Result<(StatusCode, Bytes), CallError> {
        let connecting = tokio::time::timeout(self.times.connect_max, self.connect());
        let stream = connecting
            .await
            .map_err(|_| CallError::Transport("no connection in time".to_owned()))??;
        let exchange = tokio::time::timeout(self.times.answer_max, self.exchange(stream));
        exchange
            .await
            .map_err(|_| CallError::Transport("no answer in time".to_owned()))?
    }

    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, CallError> {
        let stream = TcpStream::connect(self.server.address())
            .await
            .map_err(|error| CallError::Transport(error.to_string()))?;
        // One small request: waiting to fill packets helps nobody. Works without, too.
        _ = stream.set_nodelay(true);
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        connector
            .connect(self.server.server_name(), stream)
            .await
            .map_err(|error| {
                if intent_of(&error).is_some() {
                    let waits = "it waits for a cluster too";
                    return CallError::Transport(waits.to_owned());
                }
                let tls = error
                    .get_ref()
                    .and_then(|inner| inner.downcast_ref::<rustls::Error>());
                match tls {
                    Some(rustls::Error::InvalidCertificate(reason)) => {
                        CallError::Certificate(reason.clone())
                    }
                    _ => CallError::Transport(error.to_string()),
                }
            })
    }

    async fn exchange(
        self,
        stream: tokio_rustls::client::TlsStream<TcpStream>,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let failed = |error: &dyn fmt::Display| CallError::Transport(error.to_string());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = http::Uri::from_static(self.path);
        let host = HeaderValue::try_from(self.server.authority());
        let headers = request.headers_mut();
        headers.insert(HOST, host.map_err(|error| failed(&error))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(mut authorization) = self.authorization {
            authorization.set_sensitive(true);
            headers.insert(AUTHORIZATION, authorization);
        }
        let asking = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| failed(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            Ok((status, body.map_err(|error| failed(&error))?.to_bytes()))
        };
        // The connection is driven here, and dropped with the answer: nothing is left behind.
        let mut connection = std::pin::pin!(connection);
        let mut asking = std::pin::pin!(asking);
        tokio::select! {
            biased;
            answer = &mut asking => answer,
            ended = &mut connection => match ended {
                Err(error) => Err(failed(&error)),
                // The server has closed after its last byte, which may still be with `asking`.
                Ok(()) => asking.await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use skerry_pki::{Clock, Identity, Pki, client_config_unverified};
    use tokio::net::TcpListener;

    use super::*;

    const AT_ONCE: Duration = Duration::from_millis(1);
    const NEVER: Duration = Duration::from_secs(3600);

    async fn call(server: &ServerUrl, times: Times) -> CallError {
        let tls = client_config_unverified(&Arc::new(Clock::system())).unwrap();
        let call = Call {
            server,
            tls,
            method: Method::GET,
            path: "/cacerts",
            authorization: None,
            body: Bytes::new(),
            times,
        };
        call.send().await.expect_err("the server does not answer")
    }

    #[tokio::test]
    async fn a_server_that_does_not_speak_tls_or_not_http_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("https://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        // The kernel takes the connection, nobody speaks.
        let times = Times {
            connect_max: AT_ONCE,
            answer_max: NEVER,
        };
        let error = call(&server, times).await.to_string();
        assert!(error.contains("no connection in time"), "{error}");

        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::new("one", vec![]);
        let pki = Pki::load_or_create(folder.path(), identity, Arc::new(Clock::system())).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(pki.server_config_api().unwrap());
        let mute = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    held.push(stream);
                }
            }
        });
        let times = Times {
            connect_max: NEVER,
            answer_max: AT_ONCE,
        };
        let error = call(&server, times).await.to_string();
        assert!(error.contains("no answer in time"), "{error}");
        mute.abort();
    }
}
