//! One question to a webhook and its answer: connect, ask, read, all within a time and a size.
//!
//! Knows nothing about what is asked: admission and conversion use it alike. HTTP/1.1 alone, as
//! upstream speaks to webhooks that are not on its own machine. Invariant: whatever a server does,
//! the call ends in time, and holds no more than its share of memory.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_rustls::TlsConnector;

use super::failure::{CallError, of_handshake, of_io, of_status};
use super::pool::{Connection, Key, Pool};
use super::target::{ClientConfig, Server};
use super::tls;
use crate::decode;
use crate::dial::refused;
use crate::engine::Engine;
use crate::limits::{
    WEBHOOK_ANSWER_PLAIN_BYTES, WEBHOOK_ANSWERS_LARGE_MAX, WEBHOOK_CALLS_EACH_MAX,
    WEBHOOK_CALLS_MAX, WEBHOOK_HEAD_BYTES_MAX, WEBHOOK_QUESTIONS_BYTES_MAX,
};
use crate::proxy::resolve::Destination;

/// Questions are counted in so many bytes.
const UNIT_BYTES: usize = 1 << 10;
const DEADLINE: &str = "context deadline exceeded";

/// What all calls to webhooks share.
pub(crate) struct Client {
    pool: Arc<Pool>,
    calls: Semaphore,
    /// The turns of each server that is being asked: one that is slow leaves some to the others.
    turns: Mutex<HashMap<Server, Weak<Semaphore>>>,
    /// What is being sent, in units.
    questions: Semaphore,
    /// Answers that are being read which are no small ones.
    large: Semaphore,
}

impl Default for Client {
    fn default() -> Client {
        Client {
            pool: Arc::default(),
            calls: Semaphore::new(WEBHOOK_CALLS_MAX),
            turns: Mutex::default(),
            questions: Semaphore::new(WEBHOOK_QUESTIONS_BYTES_MAX / UNIT_BYTES),
            large: Semaphore::new(WEBHOOK_ANSWERS_LARGE_MAX),
        }
    }
}

impl Client {
    fn turns_of(&self, server: &Server) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = turns.get(server).and_then(Weak::upgrade) {
            return known;
        }
        // As many as are being asked at this moment: those that were asked before are forgotten.
        turns.retain(|_, one| one.strong_count() > 0);
        let made = Arc::new(Semaphore::new(WEBHOOK_CALLS_EACH_MAX));
        turns.insert(server.clone(), Arc::downgrade(&made));
        made
    }
}

impl Engine {
    /// Asks a webhook: posts an object and returns the object that it answers with, which is JSON
    /// and no longer than `cap` bytes. Waiting for its turn counts as part of the time.
    pub(crate) async fn call_webhook(
        &self,
        config: &ClientConfig,
        question: &(dyn Question + Sync),
        timeout: Duration,
        cap: usize,
    ) -> Result<Value, CallError> {
        let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
        let url = format!("{config}?timeout={seconds}s");
        let call = Call {
            engine: self,
            client: &self.webhooks.client,
            config,
            target: format!("{}?timeout={seconds}s", config.path),
            cap,
        };
        let answered = tokio::time::timeout(timeout, call.ask(question)).await;
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Failure::Told(error))) => Err(error),
            Ok(Err(Failure::Broken(why))) => Err(no_answer(&url, &why)),
            Err(_) => Err(no_answer(&url, DEADLINE)),
        }
    }
}

fn no_answer(url: &str, why: &str) -> CallError {
    CallError::Transport(format!("Post {url:?}: {why}"))
}

enum Failure {
    /// It is known what to say.
    Told(CallError),
    /// The connection has failed in some way.
    Broken(String),
}

impl Failure {
    fn broken(error: &hyper::Error) -> Failure {
        let io =
            std::error::Error::source(error).and_then(|inner| inner.downcast_ref::<io::Error>());
        Failure::Broken(match io {
            Some(error) => of_io(error),
            None if error.is_incomplete_message() => "EOF".to_owned(),
            None if error.is_parse() => format!("malformed HTTP response: {error}"),
            None => error.to_string(),
        })
    }
}

struct Call<'a> {
    engine: &'a Engine,
    client: &'a Client,
    config: &'a ClientConfig,
    target: String,
    cap: usize,
}

impl Call<'_> {
    async fn ask(&self, question: &(dyn Question + Sync)) -> Result<Value, Failure> {
        const OPEN: &str = "semaphores of the client are never closed";
        let turns = self.client.turns_of(&self.config.server);
        let _own = turns.acquire().await.expect(OPEN);
        let _turn = self.client.calls.acquire().await.expect(OPEN);
        let units =
            (question.length() / UNIT_BYTES + 1).min(WEBHOOK_QUESTIONS_BYTES_MAX / UNIT_BYTES);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let room = self.client.questions.acquire_many(units).await.expect(OPEN);
        let body = Bytes::from(question.bytes());
        let key = Key::of(self.config);
        let (response, connection) = match self.client.pool.take(&key) {
            // Its server may have hung up a moment ago: then another one is as good as the first.
            Some(connection) => match self.send(connection, body.clone()).await {
                Ok(answered) => answered,
                Err(_) => self.send(self.connect().await?, body).await?,
            },
            None => self.send(self.connect().await?, body).await?,
        };
        drop(room);
        let status = response.status();
        let header = response.headers().get(CONTENT_TYPE);
        let header = header.and_then(|value| value.to_str().ok());
        let content_type = header.unwrap_or_default().to_owned();
        let (body, _large) = self.read(response).await?;
        self.client.pool.keep(key, connection);
        if !(200..=206).contains(&status.as_u16()) {
            return Err(Failure::Told(of_status(
                status.as_u16(),
                &content_type,
                &body,
            )));
        }
        if body.is_empty() {
            let why = format!(
                "0-length response with status code: {} and content type: {content_type}",
                status.as_u16()
            );
            return Err(Failure::Told(CallError::Transport(why)));
        }
        let decoded = decode::json(&body);
        let decoded =
            decoded.map_err(|error| Failure::Told(CallError::Transport(error.message)))?;
        Ok(decoded.value)
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let told = |why| Failure::Told(CallError::Config(why));
        let tls = tls::config(&self.config.authorities).map_err(told)?;
        let host = self.config.host();
        let name = ServerName::try_from(host.clone())
            .map_err(|_| told(format!("{host:?} is no name of a host")))?;
        let stream = self.dial().await?;
        // Small questions: waiting to fill packets helps nobody. Works without, too.
        _ = stream.set_nodelay(true);
        let connector = TlsConnector::from(Arc::new(tls));
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| Failure::Broken(of_handshake(&error, &host)))?;
        let made = http1::Builder::new()
            .max_buf_size(WEBHOOK_HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = made.map_err(|error| Failure::broken(&error))?;
        // Ends with the last handle to it.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a webhook has ended");
            }
        });
        Ok(sender)
    }

    async fn dial(&self) -> Result<TcpStream, Failure> {
        let destination = match &self.config.server {
            Server::Url { host, port, .. } => Destination::new(host, *port),
            Server::Service {
                namespace,
                name,
                port,
            } => self
                .engine
                .resolve_service(namespace, name, *port)
                .map_err(|error| match error.code {
                    // As whoever lists Services says it.
                    404 => Failure::Broken(format!("service {name:?} not found")),
                    _ => Failure::Broken(error.message),
                })?,
        };
        let Destination { host, port } = destination;
        let connected = TcpStream::connect((host.as_str(), port)).await;
        connected.map_err(|error| Failure::Broken(refused(&host, port, &error)))
    }

    async fn send(
        &self,
        mut connection: Connection,
        body: Bytes,
    ) -> Result<(Response<Incoming>, Connection), Failure> {
        let mut request = Request::post(&self.target).body(Full::new(body));
        if let Ok(request) = &mut request {
            let headers = request.headers_mut();
            if let Ok(host) = HeaderValue::try_from(self.config.authority()) {
                headers.insert(HOST, host);
            }
            let json = HeaderValue::from_static("application/json");
            headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
            headers.insert(CONTENT_TYPE, json);
            headers.insert(
                USER_AGENT,
                HeaderValue::from_static("kube-apiserver-admission"),
            );
        }
        let request = request.map_err(|error| Failure::Broken(error.to_string()))?;
        let failed = |error: hyper::Error| Failure::broken(&error);
        connection.ready().await.map_err(failed)?;
        let response = connection.send_request(request).await.map_err(failed)?;
        Ok((response, connection))
    }

    /// The body of an answer; one that is not small holds a place as long as it is looked at.
    async fn read(
        &self,
        response: Response<Incoming>,
    ) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Failure> {
        let mut body = response.into_body();
        let mut whole = BytesMut::new();
        let mut large = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::broken(&error))?;
            let Ok(part) = frame.into_data() else {
                continue;
            };
            let length = whole.len() + part.len();
            if length > self.cap {
                let why = format!("the answer is longer than {} bytes", self.cap);
                return Err(Failure::Broken(why));
            }
            if length > WEBHOOK_ANSWER_PLAIN_BYTES && large.is_none() {
                large = self.client.large.acquire().await.ok();
            }
            whole.extend_from_slice(&part);
        }
        Ok((whole.freeze(), large))
    }
}

/// What can be asked: anything that is JSON. It is written only once there is room for it.
pub(crate) trait Question {
    /// Bytes of it.
    fn length(&self) -> usize;
    fn bytes(&self) -> Vec<u8>;
}

impl<T: Serialize> Question for T {
    fn length(&self) -> usize {
        length(self)
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn length(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, part: &[u8]) -> io::Result<usize> {
            self.0 += part.len();
            Ok(part.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}
