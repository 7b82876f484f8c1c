//! One request to the store and its answer: signed, bounded, and given up where nothing moves.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use ring::digest;
use skerry_token::time::rfc3339;

use crate::connect::Way;
use crate::error::{BucketError, Place, advice};
use crate::limits::{ANSWER_BYTES_MAX, CHUNK_BYTES, HEADERS_MAX, MESSAGE_BYTES_MAX, SILENCE_MAX};
use crate::settings::Settings;
use crate::sign::{Signed, Signer, encode, hex};
use crate::xml;

/// What a request carries.
#[derive(Clone)]
pub(crate) enum Payload {
    Text(String),
    /// So many bytes of a file, from there.
    Part {
        file: Arc<File>,
        offset: u64,
        length: u64,
    },
}

/// A request.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Without the bucket.
    pub(crate) key: String,
    /// Names in order.
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) payload: Payload,
    pub(crate) content_type: &'static str,
}

/// An answer that is no refusal.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    /// Empty where it went into a sink.
    pub(crate) text: String,
}

/// Where an answer's bytes go, and how many have gone.
pub(crate) struct Sink<'s> {
    pub(crate) out: &'s mut dyn Write,
    pub(crate) bytes: u64,
}

impl Payload {
    fn length(&self) -> u64 {
        match self {
            Payload::Text(text) => text.len() as u64,
            Payload::Part { length, .. } => *length,
        }
    }

    /// SHA-256, in hex.
    fn hash(&self) -> io::Result<String> {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut sent = Sent::of(self, Arc::default());
        while let Some(chunk) = sent.next()? {
            context.update(&chunk);
        }
        Ok(hex(context.finish().as_ref()))
    }
}

/// A payload that is being sent.
struct Sent {
    payload: Payload,
    done: u64,
    /// Bytes that went to and came from the store.
    moved: Arc<AtomicU64>,
}

impl Sent {
    fn of(payload: &Payload, moved: Arc<AtomicU64>) -> Sent {
        let payload = payload.clone();
        Sent {
            payload,
            done: 0,
            moved,
        }
    }

    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let left = self.payload.length() - self.done;
        if left == 0 {
            return Ok(None);
        }
        let chunk = match &self.payload {
            Payload::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Payload::Part { file, offset, .. } => {
                let length = usize::try_from(left)
                    .unwrap_or(CHUNK_BYTES)
                    .min(CHUNK_BYTES);
                let mut chunk = vec![0; length];
                file.read_exact_at(&mut chunk, offset + self.done)?;
                chunk.into()
            }
        };
        self.done += chunk.len() as u64;
        self.moved.fetch_add(chunk.len() as u64, Relaxed);
        Ok(Some(chunk))
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.next().map(|chunk| chunk.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.done == self.payload.length()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.payload.length() - self.done)
    }
}

/// Asks once.
pub(crate) async fn exchange(
    settings: &Settings,
    way: &Way,
    place: &Place,
    call: &Call,
    sink: Option<&mut Sink<'_>>,
) -> Result<Answer, BucketError> {
    let moved = Arc::new(AtomicU64::new(0));
    let request = request(settings, way, place, call, &moved)?;
    let exchange = async {
        let stream = way.connect(place).await?;
        let broken = |error: hyper::Error| broken(place, &error);
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let asking = async {
            let response = sender.send_request(request).await.map_err(broken)?;
            moved.fetch_add(1, Relaxed);
            answer(settings, place, response, sink, &moved).await
        };
        tokio::pin!(asking, connection);
        // An answer that is through needs its connection no more.
        tokio::select! {
            biased;
            answer = &mut asking => answer,
            _ = &mut connection => asking.await,
        }
    };
    tokio::pin!(exchange);
    let mut seen = 0;
    loop {
        if let Ok(answer) = tokio::time::timeout(SILENCE_MAX, &mut exchange).await {
            return answer;
        }
        let now = moved.load(Relaxed);
        if now == seen {
            return Err(BucketError::Silent {
                place: place.clone(),
            });
        }
        seen = now;
    }
}

fn broken(place: &Place, error: &hyper::Error) -> BucketError {
    use std::error::Error as _;
    let cause = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let place = place.clone();
    match error.is_parse() {
        true => BucketError::Answer { place, what: cause },
        false => BucketError::Broken { place, cause },
    }
}

fn request(
    settings: &Settings,
    way: &Way,
    place: &Place,
    call: &Call,
    moved: &Arc<AtomicU64>,
) -> Result<Request<Sent>, BucketError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let time = rfc3339(i64::try_from(now).unwrap_or(i64::MAX));
    let time: String = time.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let hash = call.payload.hash().map_err(|cause| BucketError::File {
        place: place.clone(),
        cause,
    })?;
    let host = match way.port {
        80 if settings.insecure => way.host.clone(),
        443 if !settings.insecure => way.host.clone(),
        port => format!("{}:{port}", way.host),
    };
    let (_, _, before) = settings.host();
    let path = format!("{before}{}", encode(&call.key, true));
    let pairs = call.query.iter();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={}", encode(value, false)))
        .collect();
    let query = pairs.join("&");
    let mut headers = vec![
        ("host", host),
        ("x-amz-content-sha256", hash.clone()),
        ("x-amz-date", time.clone()),
    ];
    if !settings.session_token.is_empty() {
        headers.push(("x-amz-security-token", settings.session_token.clone()));
    }
    let signer = Signer {
        access_key: &settings.access_key,
        secret_key: &settings.secret_key,
        region: &settings.region,
        time: &time,
    };
    let authorization = signer.authorization(&Signed {
        method: call.method.as_str(),
        path: &path,
        query: &query,
        headers: &headers,
        hash: &hash,
    });
    let uri = match query.as_str() {
        "" => path,
        query => format!("{path}?{query}"),
    };
    let unusable = |what: &str| BucketError::Settings {
        what: format!("{what} cannot stand in a request"),
    };
    let mut request = Request::new(Sent::of(&call.payload, Arc::clone(moved)));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri.parse().map_err(|_| unusable("etcd-s3-bucket"))?;
    for (name, text) in headers {
        let what = match name {
            "host" => "etcd-s3-endpoint",
            _ => "etcd-s3-session-token",
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| unusable(what))?;
        value.set_sensitive(name == "x-amz-security-token");
        match name {
            "host" => request.headers_mut().insert(HOST, value),
            _ => request.headers_mut().insert(name, value),
        };
    }
    let value = HeaderValue::try_from(authorization);
    let value = value.map_err(|_| unusable("etcd-s3-access-key or etcd-s3-region"))?;
    request.headers_mut().insert(AUTHORIZATION, value);
    let content_type = HeaderValue::from_static(call.content_type);
    request.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(request)
}

async fn answer(
    settings: &Settings,
    place: &Place,
    response: Response<Incoming>,
    sink: Option<&mut Sink<'_>>,
    moved: &AtomicU64,
) -> Result<Answer, BucketError> {
    let (head, mut body) = response.into_parts();
    let mut sink = sink.filter(|_| head.status.is_success());
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(place, &error))?;
        let Some(bytes) = frame.data_ref() else {
            continue;
        };
        moved.fetch_add(bytes.len() as u64, Relaxed);
        match &mut sink {
            Some(sink) => {
                let written = sink.out.write_all(bytes);
                written.map_err(|cause| BucketError::File {
                    place: place.clone(),
                    cause,
                })?;
                sink.bytes += bytes.len() as u64;
            }
            None if text.len() + bytes.len() > ANSWER_BYTES_MAX => {
                return Err(BucketError::Answer {
                    place: place.clone(),
                    what: format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"),
                });
            }
            None => text.extend_from_slice(bytes),
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    match head.status.is_success() {
        true => Ok(Answer {
            headers: head.headers,
            text,
        }),
        false => Err(refused(settings, place, head.status, &text)),
    }
}

/// What a refusal says.
pub(crate) fn refused(
    settings: &Settings,
    place: &Place,
    status: StatusCode,
    text: &str,
) -> BucketError {
    let (mut code, mut message) = (String::new(), String::new());
    xml::read(text, |path, text| match path {
        ["Error", "Code"] => code = plain(settings, text),
        ["Error", "Message"] => message = plain(settings, text),
        _ => {}
    });
    BucketError::Refused {
        place: place.clone(),
        advice: advice(status, &code),
        status,
        message,
        code: match code.is_empty() {
            true => "refused".to_owned(),
            false => code,
        },
    }
}

/// What a store said, fit for a log: of one line, short, and without what must stay secret.
fn plain(settings: &Settings, text: &str) -> String {
    let mut text = text.to_owned();
    for secret in [&settings.secret_key, &settings.session_token] {
        if !secret.is_empty() {
            text = text.replace(secret.as_str(), "***");
        }
    }
    let letters = text.chars().filter(|c| !c.is_control());
    letters.take(MESSAGE_BYTES_MAX).collect()
}
