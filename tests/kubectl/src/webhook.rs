//! A webhook of the test's own: a small TLS server in this process that answers as it is told.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

/// What a webhook answers.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A review, or whatever it is taken for.
    Json(Value),
    /// Status, content type and body.
    Raw(u16, &'static str, Vec<u8>),
    /// Nothing, until whoever asks gives up.
    Silence,
    /// The end of the connection.
    Close,
}

type Answer = dyn Fn(&Value) -> Reply + Send + Sync;

/// See the module. Ends when it is dropped.
pub struct Webhook {
    address: SocketAddr,
    authority: String,
    asked: Arc<Mutex<Vec<Value>>>,
    targets: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
}

impl Webhook {
    /// Starts one that answers with what `answer` makes of the question.
    pub fn start(answer: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Webhook {
        let names = ["localhost", "127.0.0.1", "hook.default.svc"];
        let names = names.map(str::to_owned).to_vec();
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
        let chain = vec![certified.cert.der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key))
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let webhook = Webhook {
            address: listener.local_addr().unwrap(),
            authority: STANDARD.encode(certified.cert.pem()),
            asked: Arc::default(),
            targets: Arc::default(),
            ends: Arc::default(),
        };
        let serving = Serving {
            config: Arc::new(config),
            answer: Arc::new(answer),
            asked: Arc::clone(&webhook.asked),
            targets: Arc::clone(&webhook.targets),
            ends: Arc::clone(&webhook.ends),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ends.load(Ordering::SeqCst) {
                    return;
                }
                let serving = serving.clone();
                std::thread::spawn(move || stream.map(|stream| serving.serve(stream)));
            }
        });
        webhook
    }

    /// One that allows everything.
    pub fn allowing() -> Webhook {
        Webhook::start(|review| Reply::Json(allowed(review)))
    }

    /// The `clientConfig` that leads to it.
    pub fn client(&self, path: &str) -> Value {
        json!({"url": format!("https://{}{path}", self.address), "caBundle": self.authority})
    }

    /// Certificates, as PEM in base64, that it is verified with.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked since it was asked this last.
    pub fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Paths and queries of what it was asked.
    pub fn targets(&self) -> Vec<String> {
        std::mem::take(&mut self.targets.lock().unwrap())
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

#[derive(Clone)]
struct Serving {
    config: Arc<rustls::ServerConfig>,
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<Value>>>,
    targets: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
}

impl Serving {
    /// One connection, until it ends.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .ok()?;
        let tls = rustls::ServerConnection::new(Arc::clone(&self.config)).ok()?;
        let mut stream = rustls::StreamOwned::new(tls, stream);
        let mut held = Vec::new();
        loop {
            let (target, body) = request(&mut stream, &mut held)?;
            let question: Value = serde_json::from_slice(&body).ok()?;
            self.targets.lock().unwrap().push(target);
            self.asked.lock().unwrap().push(question["request"].clone());
            let (status, media_type, body) = match (self.answer)(&question) {
                Reply::Json(value) => (200, "application/json", value.to_string().into_bytes()),
                Reply::Raw(status, media_type, body) => (status, media_type, body),
                Reply::Silence => {
                    // Whoever asked hangs up.
                    let _ = stream.read(&mut [0; 1]);
                    return None;
                }
                Reply::Close => return None,
            };
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body).ok()?;
            stream.flush().ok()?;
        }
    }
}

/// The next request: its target and its body.
fn request(stream: &mut impl Read, held: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let mut part = [0; 16 << 10];
    loop {
        if let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&held[..end]).to_lowercase();
            let first = String::from_utf8_lossy(&held[..end]);
            let target = first.split(' ').nth(1)?.to_owned();
            let headers: BTreeMap<&str, &str> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .collect();
            let length: usize = headers.get("content-length")?.parse().ok()?;
            let end = end + 4;
            if held.len() >= end + length {
                let body = held[end..end + length].to_vec();
                held.drain(..end + length);
                return Some((target, body));
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(read) => held.extend_from_slice(&part[..read]),
        }
    }
}

/// A review that answers a question with this.
pub fn answer(review: &Value, mut response: Value) -> Value {
    response["uid"] = review["request"]["uid"].clone();
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response})
}

/// A review that allows what is asked.
pub fn allowed(review: &Value) -> Value {
    answer(review, json!({"allowed": true}))
}

/// A review that allows what is asked once it has been changed so.
pub fn patched(review: &Value, patch: &Value) -> Value {
    let patch = STANDARD.encode(patch.to_string());
    answer(
        review,
        json!({"allowed": true, "patchType": "JSONPatch", "patch": patch}),
    )
}
