//! Servers become a cluster: real certificates, real consensus, real sockets, one machine.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use skerry_consensus::{Config, Consensus, FlushPolicy, Handle, Member, Start, Status};
use skerry_pki::{Clock, Identity, Pki, Token, TokenFile};
use skerry_store::FIRST_MEMBER_ID;
use skerry_supervisor::{
    Bootstrap, Cluster, JoinError, Me, ServerUrl, Supervisor, bootstrap_key, join,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Nothing here takes longer, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where a server of the test is found.
struct Place {
    name: &'static str,
    data_dir: PathBuf,
    peer: SocketAddr,
}

impl Place {
    fn new(name: &'static str, root: &Path) -> Place {
        // Not 127.0.0.1, from where this machine's own connections take their ports.
        let listener = std::net::TcpListener::bind("127.77.0.1:0").unwrap();
        Place {
            name,
            data_dir: root.join(name),
            peer: listener.local_addr().unwrap(),
        }
    }

    fn me(&self) -> Me {
        let Member {
            name,
            peer_urls,
            client_urls,
        } = self.member();
        Me {
            name,
            peer_urls,
            client_urls,
            cluster_id: None,
            password: skerry_supervisor::NodePassword::generate().unwrap(),
            critical: skerry_supervisor::CriticalValues::default(),
        }
    }

    fn member(&self) -> Member {
        Member {
            name: self.name.into(),
            peer_urls: vec![format!("https://{}", self.peer)],
            client_urls: vec!["https://127.0.0.1:2379".into()],
        }
    }

    fn identity(&self) -> Identity {
        Identity::new(self.name, vec!["127.0.0.1".parse().unwrap()])
    }

    fn clock(&self) -> Arc<Clock> {
        Arc::new(Clock::system())
    }
}

struct Server {
    handle: Handle,
    pki: Pki,
    token: Token,
    url: ServerUrl,
}

impl Server {
    async fn form(place: &Place) -> Server {
        let pki = Pki::load_or_create(&place.data_dir, place.identity(), place.clock()).unwrap();
        let token = TokenFile::of(&place.data_dir)
            .load_or_create(None, pki.ca_hash())
            .unwrap();
        let handle = start(place, &pki, 0xc1, FIRST_MEMBER_ID, Start::Form);
        Server::serve(handle, pki, token).await
    }

    async fn join(place: &Place, through: &Server) -> Result<Server, JoinError> {
        let servers = std::slice::from_ref(&through.url);
        let patience = Some(DEADLINE);
        let (me, clock) = (place.me(), place.clock());
        let joined = join(
            servers,
            &through.token,
            &me,
            &place.data_dir,
            &clock,
            patience,
        )
        .await?;
        let pki = Pki::load(&place.data_dir, place.identity(), clock).unwrap();
        let (cluster, member) = (joined.cluster_id, joined.member_id);
        let handle = start(place, &pki, cluster, member, Start::Join);
        Ok(Server::serve(handle, pki, joined.token).await)
    }

    async fn serve(handle: Handle, pki: Pki, token: Token) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let acceptor = TlsAcceptor::from(pki.server_config_api().unwrap());
        let supervisor = Supervisor::new(handle.clone(), &pki, &token).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, supervisor) = (acceptor.clone(), supervisor.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    _ = http
                        .serve_connection(TokioIo::new(stream), supervisor)
                        .await;
                });
            }
        });
        Server {
            handle,
            pki,
            token,
            url,
        }
    }

    /// Waits until this server's picture of the cluster is as wanted.
    async fn sees(&self, what: &str, wanted: impl Fn(&Status) -> bool) {
        let mut watched = self.handle.watch_status();
        let seen = watched.wait_for(|status| wanted(status));
        if tokio::time::timeout(DEADLINE, seen).await.is_err() {
            panic!("not {what} in time: {:?}", self.handle.status());
        }
    }

    async fn sees_voters(&self, names: &[&str]) {
        self.sees(&format!("a cluster of {names:?}"), |status| {
            let mut voters: Vec<&str> = Vec::new();
            for (_, member, learner) in &status.members {
                if *learner {
                    return false;
                }
                voters.push(&member.name);
            }
            voters.sort_unstable();
            voters == names && status.leader.is_some()
        })
        .await;
    }
}

fn start(place: &Place, pki: &Pki, cluster_id: u64, member_id: u64, start: Start) -> Handle {
    let (peer_server_tls, peer_client_tls) = pki.peer_configs().unwrap();
    let config = Config {
        cluster_id,
        member_id,
        member: place.member(),
        db_dir: place.data_dir.join("db"),
        cache_bytes: 1 << 20,
        quota_bytes: 64 << 20,
        command_bytes_max: Config::COMMAND_BYTES_DEFAULT,
        flush: FlushPolicy::default(),
        heartbeat: Duration::from_millis(100),
        election: Duration::from_millis(1_000),
        learner_stall: Config::LEARNER_STALL_DEFAULT,
        password_hash: String::new(),
        peer_hints: Vec::new(),
        peer_address: place.peer,
        peer_server_tls,
        peer_client_tls,
    };
    Consensus::start(config, start).unwrap()
}

#[tokio::test]
async fn three_servers_become_one_cluster_and_each_can_take_the_next_one_in() {
    let root = tempfile::tempdir().unwrap();
    let [one, two, three] = ["one", "two", "three"].map(|name| Place::new(name, root.path()));

    let first = Server::form(&one).await;
    let storing = |server: &Server| {
        Supervisor::new(server.handle.clone(), &server.pki, &server.token).unwrap()
    };
    storing(&first).store_bootstrap().await.unwrap();
    let second = Server::join(&two, &first).await.unwrap();
    // The third joins through a server that does not lead.
    let third = Server::join(&three, &second).await.unwrap();
    for server in [&first, &second, &third] {
        server.sees_voters(&["one", "three", "two"]).await;
    }

    // What the first one stored has reached the last one, which can read it.
    third.handle.linearize().await.unwrap();
    let key = bootstrap_key(third.token.password());
    let stored = Cluster::get(&third.handle, &key)
        .unwrap()
        .expect("the bootstrap data");
    let bootstrap = Bootstrap::open(&stored, third.token.password()).unwrap();
    assert_eq!(bootstrap.files, third.pki.authority_files());
    // And it is not stored twice.
    storing(&third).store_bootstrap().await.unwrap();
    let view = third.handle.reader().view().unwrap();
    assert_eq!(view.get(key.as_bytes()).unwrap().unwrap().version, 1);

    for server in [first, second, third] {
        server.handle.shutdown().await;
    }
}

#[tokio::test]
async fn without_a_quorum_nobody_is_let_in_and_nothing_is_written() {
    let root = tempfile::tempdir().unwrap();
    let [one, two, three] = ["one", "two", "three"].map(|name| Place::new(name, root.path()));
    let first = Server::form(&one).await;
    let second = Server::join(&two, &first).await.unwrap();
    first.sees_voters(&["one", "two"]).await;
    second.handle.shutdown().await;

    let servers = std::slice::from_ref(&first.url);
    let (me, clock, patience) = (three.me(), three.clock(), Some(Duration::ZERO));
    let error = join(
        servers,
        &first.token,
        &me,
        &three.data_dir,
        &clock,
        patience,
    )
    .await
    .unwrap_err();
    assert!(matches!(error, JoinError::Unreachable { .. }), "{error}");
    assert!(!three.data_dir.exists());
    first.handle.shutdown().await;
}

#[tokio::test]
async fn a_third_server_that_lost_its_disk_comes_back_under_a_new_id() {
    let root = tempfile::tempdir().unwrap();
    let [one, two, three] = ["one", "two", "three"].map(|name| Place::new(name, root.path()));
    let first = Server::form(&one).await;
    let second = Server::join(&two, &first).await.unwrap();
    let third = Server::join(&three, &first).await.unwrap();
    for server in [&first, &second] {
        server.sees_voters(&["one", "three", "two"]).await;
    }
    let old = third.handle.status().member_id;
    third.handle.shutdown().await;

    std::fs::remove_dir_all(&three.data_dir).unwrap();
    let three = Place::new("three", root.path());
    let error = Server::join(&three, &second)
        .await
        .err()
        .expect("the name is taken");
    assert!(matches!(error, JoinError::DuplicateName { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("skerry member remove {old:x}")),
        "{error}"
    );

    first.handle.member_remove(old).await.unwrap();
    let third = Server::join(&three, &second).await.unwrap();
    assert_ne!(third.handle.status().member_id, old);
    third.sees_voters(&["one", "three", "two"]).await;
    for server in [first, second, third] {
        server.handle.shutdown().await;
    }
}
