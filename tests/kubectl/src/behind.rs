//! Small servers behind the API: extension servers and kubelets, over TLS, as the test wants them.
//!
//! Knows nothing about what the tests assert. What was asked is kept; who asks has to show a
//! certificate of the authority that the server was given.

use std::convert::Infallible;
use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// What a server answers.
pub type Reply = Response<BoxBody<Bytes, Infallible>>;

/// How a server answers.
pub type Answering = Arc<dyn Fn(Request<Incoming>) -> Reply + Send + Sync>;

/// How a server answers that has read all of the request first.
pub type AnsweringWhole = Arc<dyn Fn(Request<Bytes>) -> Reply + Send + Sync>;

/// When a server answers.
#[derive(Clone)]
enum Manner {
    AtOnce(Answering),
    Whole(AnsweringWhole),
}

impl Manner {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        match self {
            Manner::AtOnce(answering) => answering(request),
            Manner::Whole(answering) => {
                let (head, body) = request.into_parts();
                match body.collect().await {
                    Ok(body) => answering(Request::from_parts(head, body.to_bytes())),
                    Err(_) => reply(400, "text/plain", "the body is not whole"),
                }
            }
        }
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method and its path with the query.
    pub line: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
}

impl Asked {
    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let found = self.headers.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).collect()
    }
}

/// Who signs servers' certificates, and knows whom they are asked by.
pub struct Signed {
    certificate: String,
    key: String,
    /// What the server is verified with, as PEM.
    pub authority: String,
}

impl Signed {
    /// By an authority of its own, for these names.
    pub fn by_itself(names: &[&str]) -> Signed {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "extension");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        Signed::sign(authority, Issuer::new(params, key), names)
    }

    /// By an authority whose certificate is in this file, and whose key is beside it.
    pub fn by(authority: &Path, names: &[&str]) -> Signed {
        let pem = std::fs::read_to_string(authority).unwrap();
        let key = std::fs::read_to_string(authority.with_extension("key")).unwrap();
        let key = KeyPair::from_pem(&key).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&pem, key).unwrap();
        Signed::sign(pem, issuer, names)
    }

    fn sign(authority: String, issuer: Issuer<'_, KeyPair>, names: &[&str]) -> Signed {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            authority,
        }
    }
}

/// A server; ends when it is dropped.
pub struct Behind {
    /// Where it listens, on all addresses.
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    /// Dropped, it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Behind {
    /// Starts one that takes callers of `callers`, an authority's file; on any free port where
    /// `port` is 0.
    pub fn start(port: u16, signed: &Signed, callers: &Path, answering: Answering) -> Behind {
        Behind::serve(port, signed, callers, Manner::AtOnce(answering))
    }

    /// As [`Behind::start`], for a server that reads what it is sent.
    pub fn start_whole(
        port: u16,
        signed: &Signed,
        callers: &Path,
        answering: AnsweringWhole,
    ) -> Behind {
        Behind::serve(port, signed, callers, Manner::Whole(answering))
    }

    fn serve(port: u16, signed: &Signed, callers: &Path, manner: Manner) -> Behind {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(callers).unwrap() {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let chain = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![chain], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = match port {
            0 => listen_anywhere(),
            port => std::net::TcpListener::bind(("0.0.0.0", port)).unwrap(),
        };
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let heard = Arc::clone(&asked);
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (acceptor, manner) = (acceptor.clone(), manner.clone());
                let (heard, counted) = (Arc::clone(&heard), Arc::clone(&counted));
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    counted.fetch_add(1, Ordering::SeqCst);
                    let service = service_fn(move |request: Request<Incoming>| {
                        heard.lock().unwrap().push(asked_of(&request));
                        let manner = manner.clone();
                        async move { Ok::<_, Infallible>(manner.answer(request).await) }
                    });
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let stream = TokioIo::new(stream);
                    let _ = server.serve_connection_with_upgrades(stream, service).await;
                });
            }
        };
        // kubectl is waited for on the test's own thread.
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().unwrap();
            runtime.block_on(async move {
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Behind {
            port,
            asked,
            connections,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// What it was asked, as far as the line starts so.
    pub fn asked(&self, start: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        let found = asked.iter().filter(|one| one.line.starts_with(start));
        found.cloned().collect()
    }
}

impl Behind {
    /// How many connections were made to it, TLS and all.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn asked_of(request: &Request<Incoming>) -> Asked {
    let target = request.uri().path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    let headers = request.headers().iter();
    let text =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
    Asked {
        line: format!("{} {target}", request.method()),
        headers: headers
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
    }
}

/// An answer that is all there.
pub fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    Response::builder()
        .status(status)
        .header("Content-Type", content_type)
        .body(Full::new(body.into()).boxed())
        .unwrap()
}

/// An address of this machine that is not its own loopback: those are no endpoints.
pub fn address_of_machine() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: this asks for the way there.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// Listens on a port that nobody's outgoing connection is given (Linux takes those from 32768 up):
/// a test that ends this server may listen there again.
fn listen_anywhere() -> std::net::TcpListener {
    const FIRST: u16 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let turn = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let offset = start.wrapping_add(turn) % COUNT;
        let port = FIRST + u16::try_from(offset).unwrap();
        if let Ok(listener) = std::net::TcpListener::bind(("0.0.0.0", port)) {
            return listener;
        }
    }
    panic!("no free port from {FIRST} on");
}
