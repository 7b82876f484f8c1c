//! A server with one member of its own, in the clear, and clients of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use skerry_consensus::{Config, Consensus, FlushPolicy, Handle, Start};
use skerry_etcd::rpc::etcdserverpb as rpc;
use skerry_etcd::rpc::v3electionpb::election_client::ElectionClient;
use skerry_etcd::rpc::v3lockpb::lock_client::LockClient;
use skerry_etcd::{AuthOptions, Options, Server, Transport};
use skerry_proto::etcdserverpb as pb;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Member {
    pub address: SocketAddr,
    pub server: Server,
    pub handle: Handle,
    serving: JoinHandle<()>,
    pub dir: tempfile::TempDir,
}

impl Member {
    pub async fn start() -> Member {
        Member::start_with(Options {
            election_timeout: ELECTION,
            ..Options::default()
        })
        .await
    }

    pub async fn start_with(options: Options) -> Member {
        Member::start_with_auth(options, &AuthOptions::default()).await
    }

    pub async fn start_with_auth(options: Options, auth: &AuthOptions) -> Member {
        let dir = tempfile::tempdir().unwrap();
        let handle = start(dir.path(), options.quota_bytes, Start::Form);
        let mut status = handle.watch_status();
        in_time(status.wait_for(|status| status.leader.is_some()))
            .await
            .unwrap();
        Member::serve(dir, handle, options, auth).await
    }

    /// A member that waits for a cluster which never calls.
    pub async fn start_alone() -> Member {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            election_timeout: ELECTION,
            ..Options::default()
        };
        let handle = start(dir.path(), options.quota_bytes, Start::Join);
        Member::serve(dir, handle, options, &AuthOptions::default()).await
    }

    async fn serve(
        dir: tempfile::TempDir,
        handle: Handle,
        options: Options,
        auth: &AuthOptions,
    ) -> Member {
        let server = Server::with_auth(handle.clone(), options, auth).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(server.serve(listener, Transport::Plaintext));
        Member {
            address,
            server,
            handle,
            serving,
            dir,
        }
    }

    pub async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub async fn kv(&self) -> rpc::kv_client::KvClient<Channel> {
        rpc::kv_client::KvClient::new(self.channel().await).max_decoding_message_size(64 << 20)
    }

    pub async fn watch(&self) -> rpc::watch_client::WatchClient<Channel> {
        rpc::watch_client::WatchClient::new(self.channel().await)
            .max_decoding_message_size(64 << 20)
    }

    pub async fn lease(&self) -> rpc::lease_client::LeaseClient<Channel> {
        rpc::lease_client::LeaseClient::new(self.channel().await)
    }

    pub async fn cluster(&self) -> rpc::cluster_client::ClusterClient<Channel> {
        rpc::cluster_client::ClusterClient::new(self.channel().await)
    }

    pub async fn maintenance(&self) -> rpc::maintenance_client::MaintenanceClient<Channel> {
        rpc::maintenance_client::MaintenanceClient::new(self.channel().await)
    }

    pub async fn election(&self) -> ElectionClient<Channel> {
        ElectionClient::new(self.channel().await)
    }

    pub async fn lock(&self) -> LockClient<Channel> {
        LockClient::new(self.channel().await)
    }

    /// Stops serving; returns once everything has ended.
    pub async fn stop(self) {
        self.server.stop();
        in_time(self.serving).await.unwrap();
        in_time(self.handle.shutdown()).await;
    }
}

/// Election timeout of the member; a lease lives at least one and a half.
const ELECTION: Duration = Duration::from_millis(200);

/// A cluster of one, whose peer port nobody will call.
fn start(dir: &Path, quota_bytes: u64, how: Start) -> Handle {
    let authority = Authority::new();
    let config = Config {
        cluster_id: 0x5eed,
        member_id: match how {
            Start::Join => skerry_store::FIRST_MEMBER_ID + 1,
            Start::Form | Start::Restart => skerry_store::FIRST_MEMBER_ID,
        },
        member: skerry_consensus::Member {
            name: "one".to_owned(),
            peer_urls: vec!["https://127.0.0.1:2380".to_owned()],
            client_urls: vec!["http://127.0.0.1:2379".to_owned()],
        },
        db_dir: dir.join("db"),
        cache_bytes: 4 << 20,
        quota_bytes,
        command_bytes_max: Config::COMMAND_BYTES_DEFAULT,
        flush: FlushPolicy::default(),
        heartbeat: ELECTION / 10,
        election: ELECTION,
        learner_stall: Config::LEARNER_STALL_DEFAULT,
        password_hash: String::new(),
        peer_hints: Vec::new(),
        peer_address: "127.0.0.1:0".parse().unwrap(),
        peer_server_tls: authority.server(),
        peer_client_tls: authority.client(),
    };
    Consensus::start(config, how).unwrap()
}

/// A certificate authority of its own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn leaf(&self, name: Option<&str>) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![leaf.der().clone()], key)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }

    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider.clone());
        let (chain, key) = self.leaf(None);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }

    pub fn client(&self) -> Arc<ClientConfig> {
        self.client_named(None)
    }

    /// A client whose certificate has this common name.
    pub fn client_named(&self, name: Option<&str>) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (chain, key) = self.leaf(name);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }
}

/// The outcome, or the end of the test's patience.
pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes too long")
}

pub fn put(key: &str, value: impl Into<Vec<u8>>) -> pb::PutRequest {
    pb::PutRequest {
        key: key.as_bytes().to_vec().into(),
        value: value.into().into(),
        ..Default::default()
    }
}

pub fn get(key: &str) -> pb::RangeRequest {
    pb::RangeRequest {
        key: key.as_bytes().to_vec().into(),
        ..Default::default()
    }
}

pub fn delete(key: &str) -> pb::DeleteRangeRequest {
    pb::DeleteRangeRequest {
        key: key.as_bytes().to_vec().into(),
        ..Default::default()
    }
}

/// The end of the range of all keys with a prefix.
pub fn prefix_end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().unwrap() += 1;
    end
}
