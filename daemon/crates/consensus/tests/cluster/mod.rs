//! Members in one process: certificates, free ports, directories, and waiting with a deadline.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::new_without_default,
    clippy::unwrap_used
)]

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use skerry_consensus::{
    Caller, Config, Consensus, FlushPolicy, Handle, Member, ProposeError, Start,
};
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::Reply;

pub const CLUSTER: u64 = 0x5eed;
pub const HEARTBEAT: Duration = Duration::from_millis(60);
pub const ELECTION: Duration = Duration::from_millis(600);
/// Nothing in a test takes longer unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The certificate authority of a cluster.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn leaf(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let chain = vec![leaf.der().clone()];
        (chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }

    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider.clone());
        let (chain, key) = self.leaf();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    pub fn client(&self) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (chain, key) = self.leaf();
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }
}

/// A port that was free a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// One member: what it is started with again and again.
pub struct Box1 {
    pub config: Config,
    pub handle: Option<Handle>,
}

/// A cluster in a temporary directory.
pub struct Cluster {
    pub authority: Authority,
    pub directory: tempfile::TempDir,
    pub boxes: Vec<Box1>,
}

impl Cluster {
    /// A cluster of one.
    pub fn form() -> Self {
        let authority = Authority::new();
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = Self {
            authority,
            directory,
            boxes: Vec::new(),
        };
        let config = cluster.config(skerry_store::FIRST_MEMBER_ID, free_address());
        let handle = Consensus::start(config.clone(), Start::Form).unwrap();
        cluster.boxes.push(Box1 {
            config,
            handle: Some(handle),
        });
        cluster
    }

    /// A cluster of so many voters.
    pub async fn of(count: usize) -> Self {
        let mut cluster = Self::form();
        while cluster.boxes.len() < count {
            cluster.join().await;
        }
        cluster
    }

    pub fn config(&self, member_id: u64, peer_address: SocketAddr) -> Config {
        let name = format!("box-{member_id}");
        let db_dir: PathBuf = self.directory.path().join(&name);
        Config {
            cluster_id: CLUSTER,
            member_id,
            member: Member {
                name,
                peer_urls: vec![format!("https://{peer_address}")],
                client_urls: vec![format!("https://127.0.0.1:{}", 10_000 + member_id)],
            },
            db_dir,
            cache_bytes: 4 << 20,
            quota_bytes: 1 << 30,
            command_bytes_max: Config::COMMAND_BYTES_DEFAULT,
            flush: FlushPolicy::default(),
            heartbeat: HEARTBEAT,
            election: ELECTION,
            learner_stall: Config::LEARNER_STALL_DEFAULT,
            password_hash: String::new(),
            peer_hints: Vec::new(),
            peer_address,
            peer_server_tls: self.authority.server(),
            peer_client_tls: self.authority.client(),
        }
    }

    /// Adds a member and waits until it votes. Returns its place.
    pub async fn join(&mut self) -> usize {
        let address = free_address();
        let urls = vec![format!("https://{address}")];
        let handle = self.any();
        let (id, _) = settled(|| handle.member_add(urls.clone(), false)).await;
        let config = self.config(id, address);
        let handle = Consensus::start(config.clone(), Start::Join).unwrap();
        self.boxes.push(Box1 {
            config,
            handle: Some(handle),
        });
        until("the new member votes", || {
            self.any()
                .status()
                .members
                .iter()
                .any(|(member, _, learner)| *member == id && !learner)
        })
        .await;
        self.boxes.len() - 1
    }

    /// A handle of some member that runs.
    pub fn any(&self) -> Handle {
        self.boxes
            .iter()
            .find_map(|one| one.handle.clone())
            .unwrap()
    }

    pub fn handle(&self, place: usize) -> Handle {
        self.boxes[place].handle.clone().unwrap()
    }

    /// The place of the member that leads, once all that run agree on it.
    pub async fn leader(&self) -> usize {
        let mut place = 0;
        until("all that run know the same leader", || {
            let known: Vec<_> = self
                .boxes
                .iter()
                .filter_map(|one| one.handle.as_ref())
                .map(|h| h.status().leader)
                .collect();
            let Some(Some(leader)) = known.first() else {
                return false;
            };
            let Some(found) = self
                .boxes
                .iter()
                .position(|one| one.config.member_id == *leader)
            else {
                return false;
            };
            place = found;
            self.boxes[place].handle.is_some() && known.iter().all(|one| *one == Some(*leader))
        })
        .await;
        place
    }

    /// As if the power of a member had gone.
    pub async fn kill(&mut self, place: usize) {
        let handle = self.boxes[place].handle.take().unwrap();
        tokio::task::spawn_blocking(move || handle.abandon())
            .await
            .unwrap();
    }

    pub async fn stop(&mut self, place: usize) {
        self.boxes[place].handle.take().unwrap().shutdown().await;
    }

    pub fn restart(&mut self, place: usize) {
        let config = self.boxes[place].config.clone();
        self.boxes[place].handle = Some(Consensus::start(config, Start::Restart).unwrap());
    }

    pub async fn stop_all(&mut self) {
        for place in 0..self.boxes.len() {
            if self.boxes[place].handle.is_some() {
                self.stop(place).await;
            }
        }
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Tries until something succeeds: elections come and go.
pub async fn settled<T, F: Future<Output = Result<T, ProposeError>>>(
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(Instant::now() < deadline, "it never succeeds: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn put(key: &str, value: impl Into<Bytes>) -> Operation {
    Operation::Put(pb::PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.into(),
        ..pb::PutRequest::default()
    })
}

pub async fn propose(handle: &Handle, operation: Operation) -> Result<Reply, ProposeError> {
    handle.propose(Caller::default(), operation).await
}

/// The value of a key on this member, without asking anybody else.
pub fn get(handle: &Handle, key: &str) -> Option<Bytes> {
    let kv = handle.reader().view().unwrap().get(key.as_bytes()).unwrap();
    kv.map(|kv| kv.value)
}

/// Runs a test on a runtime like that of the API.
///
/// `SKERRY_TEST_LOG=debug` shows what the members say.
pub fn run(test: impl Future<Output = ()>) {
    if let Ok(Ok(level)) =
        std::env::var("SKERRY_TEST_LOG").map(|level| level.parse::<tracing::Level>())
    {
        let _ = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_test_writer()
            .try_init();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}
