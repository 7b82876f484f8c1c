//! This node's certificates as one thing: loaded or made at start, renewed while running.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::{ClientConfig, ServerConfig};

use crate::authority::{Authorities, Authority, LoadedAuthority, make_folders};
use crate::callers::CallersOfApi;
use crate::examine;
use crate::leaf::{self, Leaf};
use crate::limits::LEAF_LIFE_SECONDS;
use crate::succession;
use crate::tls::{self, Callers};
use crate::{AuthorityFiles, CaHash, Clock, Identity, LiveCertificate, PkiError};

/// How many certificates a node has.
const LEAVES: usize = Leaf::ALL.len();

/// The authorities of the cluster and the certificates of this node.
pub struct Pki {
    tls: PathBuf,
    /// Names change while the server runs, in [`Pki::reload`] alone.
    identity: RwLock<Identity>,
    clock: Arc<Clock>,
    authorities: Authorities,
    leaves: [Arc<LiveCertificate>; LEAVES],
    ca_hash: CaHash,
}

impl Pki {
    /// For a node that forms a cluster: what is not below `<data_dir>/tls` yet is made.
    ///
    /// Authorities that stand there already, say from the operator, are used as they are. A power
    /// cut at any moment leaves a folder with which this works again.
    pub fn load_or_create(
        data_dir: &Path,
        identity: Identity,
        clock: Arc<Clock>,
    ) -> Result<Pki, PkiError> {
        Pki::open(data_dir, identity, clock, true)
    }

    /// For a node that is a member or has just joined: a missing authority is an error, because a
    /// new one would not be the cluster's. Leaves are issued as needed.
    pub fn load(data_dir: &Path, identity: Identity, clock: Arc<Clock>) -> Result<Pki, PkiError> {
        Pki::open(data_dir, identity, clock, false)
    }

    fn open(
        data_dir: &Path,
        identity: Identity,
        clock: Arc<Clock>,
        create: bool,
    ) -> Result<Pki, PkiError> {
        identity.check()?;
        let tls = make_folders(data_dir)?;
        succession::take_next(data_dir)?;
        let authorities = Authorities::load(&tls, &clock, create)?;
        // What this node has kept of a clock that once ran ahead must not end its authorities.
        let ends = Authority::ALL.map(|authority| authorities.get(authority).not_after);
        let end = ends.into_iter().min().unwrap_or(u64::MAX);
        clock.believe_up_to(end.saturating_sub(LEAF_LIFE_SECONDS));
        for leaf in Leaf::ALL {
            examine::witness(leaf, &tls, authorities.get(leaf.authority()), &clock)?;
        }
        let mut leaves = Vec::with_capacity(Leaf::ALL.len());
        for leaf in Leaf::ALL {
            let authority = authorities.get(leaf.authority());
            let issued = leaf::load_or_issue(leaf, &tls, authority, &identity, &clock)?;
            leaves.push(Arc::new(
                LiveCertificate::new(&issued).map_err(|error| unusable(&tls, leaf, &error))?,
            ));
        }
        let Ok(leaves) = <[Arc<LiveCertificate>; LEAVES]>::try_from(leaves) else {
            unreachable!("one was pushed for each of Leaf::ALL");
        };
        let bundle = &authorities.get(Authority::Server).pem;
        let ca_hash = CaHash::of_bundle(bundle.as_bytes())
            .map(|(hash, _)| hash)
            .ok_or_else(|| PkiError::Certificate {
                path: tls.join(Authority::Server.certificate_name()),
                reason: "the chain of certificates ends in no root".to_owned(),
            })?;
        Ok(Pki {
            tls,
            identity: RwLock::new(identity),
            clock,
            authorities,
            leaves,
            ca_hash,
        })
    }

    /// Issues those leaves again that are within a third of their life, and puts them in use.
    ///
    /// To be called now and then (say, hourly), and whenever the system's clock was set. Where a
    /// new leaf cannot be written it is used all the same, and the error says what failed. After
    /// [`Leaf::Admin`] was renewed the kubeconfig is to be written again.
    pub fn renew_due(&self) -> Result<Vec<Leaf>, PkiError> {
        self.renew(|leaf| {
            let authority = self.authorities.get(leaf.authority());
            let end = self.live(leaf).not_after();
            leaf::is_due(end, authority.not_after, &self.clock)
        })
    }

    /// Issues these leaves again, and puts them in use, as [`Pki::renew_due`] does.
    pub fn rotate(&self, leaves: &[Leaf]) -> Result<Vec<Leaf>, PkiError> {
        self.renew(|leaf| leaves.contains(&leaf))
    }

    /// Reads the leaves from disk again, issues those anew that do not fit `identity` or the clock,
    /// and puts what is not in use yet in use: those are answered.
    ///
    /// Authorities stay as they are. After an error all that is in use is as it was.
    pub fn reload(&self, identity: Identity) -> Result<Vec<Leaf>, PkiError> {
        identity.check()?;
        let mut found = Vec::with_capacity(LEAVES);
        for leaf in Leaf::ALL {
            let authority = self.authorities.get(leaf.authority());
            let issued = leaf::load_or_issue(leaf, &self.tls, authority, &identity, &self.clock)?;
            let fits = LiveCertificate::new(&issued);
            fits.map_err(|error| unusable(&self.tls, leaf, &error))?;
            found.push((leaf, issued));
        }
        let mut taken = Vec::new();
        for (leaf, issued) in found {
            let live = self.live(leaf);
            if live.current().cert != issued.chain {
                let replaced = live.replace(&issued);
                replaced.map_err(|error| unusable(&self.tls, leaf, &error))?;
                taken.push(leaf);
            }
        }
        *self
            .identity
            .write()
            .unwrap_or_else(PoisonError::into_inner) = identity;
        Ok(taken)
    }

    fn renew(&self, is_wanted: impl Fn(Leaf) -> bool) -> Result<Vec<Leaf>, PkiError> {
        let identity = self.identity.read().unwrap_or_else(PoisonError::into_inner);
        let mut renewed = Vec::new();
        let mut failed = None;
        for leaf in Leaf::ALL {
            let authority = self.authorities.get(leaf.authority());
            let live = self.live(leaf);
            if !is_wanted(leaf) {
                continue;
            }
            let wanted = leaf.wanted(&identity);
            let issued = leaf::sign(leaf, &self.tls, authority, &wanted, &self.clock)?;
            live.replace(&issued)
                .map_err(|error| unusable(&self.tls, leaf, &error))?;
            renewed.push(leaf);
            failed = leaf::save(leaf, &self.tls, &issued).err().or(failed);
        }
        failed.map_or(Ok(renewed), Err)
    }

    /// The certificate in use of one kind.
    pub fn live(&self, leaf: Leaf) -> &Arc<LiveCertificate> {
        &self.leaves[leaf as usize]
    }

    /// The first end of a certificate in use, in Unix seconds.
    pub fn earliest_end(&self) -> u64 {
        self.leaves
            .iter()
            .map(|live| live.not_after())
            .min()
            .unwrap_or(0)
    }

    /// When each certificate in use and each authority ends, in Unix seconds, by the name of its
    /// file below `tls/`.
    pub fn ends(&self) -> Vec<(String, u64)> {
        let leaves = Leaf::ALL.into_iter();
        let leaves = leaves.map(|leaf| (leaf.certificate_name(), self.live(leaf).not_after()));
        let authorities = Authority::ALL.into_iter();
        let authorities = authorities.map(|authority| {
            let end = self.authorities.get(authority).not_after;
            (authority.certificate_name(), end)
        });
        leaves.chain(authorities).collect()
    }

    pub(crate) fn authority(&self, authority: Authority) -> &LoadedAuthority {
        self.authorities.get(authority)
    }

    /// The clock that certificates are checked against.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// `server-ca.crt` as it stands on disk: what `GET /cacerts` answers.
    pub fn ca_bundle(&self) -> &str {
        &self.authorities.get(Authority::Server).pem
    }

    /// The hash of [`Pki::ca_bundle`] that join tokens pin.
    pub fn ca_hash(&self) -> CaHash {
        self.ca_hash
    }

    /// What a server that joins needs of this one. Secret.
    pub fn authority_files(&self) -> AuthorityFiles {
        self.authorities.files()
    }

    /// Where a certificate of this node stands on disk, and its key.
    pub fn paths(&self, leaf: Leaf) -> (PathBuf, PathBuf) {
        (
            self.tls.join(leaf.certificate_name()),
            self.tls.join(leaf.key_name()),
        )
    }

    /// 6443: HTTP; callers may show a certificate of the client CA, or of the request-header CA.
    pub fn server_config_api(&self) -> Result<Arc<ServerConfig>, PkiError> {
        let live = Arc::clone(self.live(Leaf::ApiServer));
        let callers = self.callers()?;
        tls::server_config_for("6443", live, Arc::new(callers), &self.clock)
    }

    /// Tells whose authority has signed what callers of 6443 show.
    pub fn callers(&self) -> Result<CallersOfApi, PkiError> {
        let client = self.authorities.get(Authority::Client).anchors();
        let front_proxy = self.authorities.get(Authority::RequestHeader).anchors();
        CallersOfApi::new("6443", client, front_proxy, &self.clock)
    }

    /// The certificate of an authority, as PEM: what others check this cluster's callers with.
    pub fn authority_pem(&self, authority: Authority) -> &str {
        &self.authorities.get(authority).pem
    }

    /// For calls to a kubelet, whose certificate the cluster's authority has signed.
    pub fn client_config_kubelet(&self) -> Result<Arc<ClientConfig>, PkiError> {
        let live = Arc::clone(self.live(Leaf::ApiServerClient));
        let anchor = self.authorities.get(Authority::Server).anchors();
        tls::named_client_config("kubelets", Some(live), anchor, &self.clock)
    }

    /// For calls to servers that nobody vouches for; as the front proxy, where one extends the API.
    pub fn client_config_to_anyone(
        &self,
        as_front_proxy: bool,
    ) -> Result<Arc<ClientConfig>, PkiError> {
        let shown = as_front_proxy.then(|| Arc::clone(self.live(Leaf::FrontProxy)));
        tls::client_config_to_anyone(shown, &self.clock)
    }

    /// 2379: HTTP; callers must show a certificate of `etcd/server-ca`.
    pub fn server_config_etcd(&self) -> Result<Arc<ServerConfig>, PkiError> {
        let authority = Authority::EtcdServer;
        self.server_config(
            "2379",
            Leaf::EtcdServer,
            authority,
            Callers::Certified,
            true,
        )
    }

    /// 2380, both directions: both ends must show a certificate of `etcd/peer-ca`. The protocol
    /// is the members' own, so none is negotiated.
    pub fn peer_configs(&self) -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), PkiError> {
        let authority = Authority::EtcdPeer;
        let server =
            self.server_config("2380", Leaf::EtcdPeer, authority, Callers::Certified, false)?;
        let live = Arc::clone(self.live(Leaf::EtcdPeer));
        let anchor = self.authorities.get(authority).anchors();
        let client = tls::peer_client_config("2380", live, anchor, &self.clock)?;
        Ok((server, client))
    }

    /// For a client of 2379, this node's or another's.
    pub fn client_config_etcd(&self) -> Result<Arc<ClientConfig>, PkiError> {
        let live = Arc::clone(self.live(Leaf::EtcdClient));
        let anchor = self.authorities.get(Authority::EtcdServer).anchors();
        tls::named_client_config("2379", Some(live), anchor, &self.clock)
    }

    /// For a client of 6443 with the administrator's rights.
    pub fn client_config_admin(&self) -> Result<Arc<ClientConfig>, PkiError> {
        let live = Arc::clone(self.live(Leaf::Admin));
        let anchor = self.authorities.get(Authority::Server).anchors();
        tls::named_client_config("6443", Some(live), anchor, &self.clock)
    }

    fn server_config(
        &self,
        port: &'static str,
        leaf: Leaf,
        callers_authority: Authority,
        callers: Callers,
        http: bool,
    ) -> Result<Arc<ServerConfig>, PkiError> {
        let live = Arc::clone(self.live(leaf));
        let anchor = self.authorities.get(callers_authority).anchors();
        tls::server_config(port, live, anchor, callers, http, &self.clock)
    }
}

impl fmt::Debug for Pki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pki")
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

fn unusable(tls: &Path, leaf: Leaf, error: &rustls::Error) -> PkiError {
    PkiError::Key {
        path: tls.join(leaf.key_name()),
        reason: error.to_string(),
    }
}
