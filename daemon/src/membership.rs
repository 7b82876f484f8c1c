//! How this server comes to be a member: it is one already, it forms a cluster of one, or it joins.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use skerry_consensus::{Handle, Member, Start};
use skerry_pki::{CaHash, Clock, Pki, Token, TokenFile, TokenFileError};
use skerry_supervisor::{JoinError, Me, NodePassword, ServerUrl};
use tokio::net::TcpListener;

use crate::alone;
use crate::config::Settings;
use crate::forming::{self, Heard, Roster};
use crate::identity::{Identity, Stage};
use crate::{node_password, service_manager};

/// How long a new member waits for the others until it says so, each time.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(30);

/// All that the datastore needs to know of this member.
pub(crate) struct Membership {
    pub(crate) identity: Identity,
    pub(crate) member: Member,
    /// What the others know of this node's password.
    pub(crate) password_hash: String,
    pub(crate) start: Start,
    pub(crate) pki: Arc<Pki>,
    pub(crate) token: Token,
    /// The token given, where it is not the one that this member knows.
    pub(crate) claimed: Option<Token>,
}

impl Membership {
    /// Waits until the datastore holds something, and notes that: an empty one will be a lost one.
    pub(crate) async fn settle(&self, data_dir: &Path, handle: &Handle) -> anyhow::Result<()> {
        if self.identity.stage == Stage::Member {
            return Ok(());
        }
        let mut status = handle.watch_status();
        loop {
            let held = status.wait_for(|status| status.applied_index > 0);
            match tokio::time::timeout(SILENCE_TIME_MAX, held).await {
                Ok(Ok(_)) => break,
                // The datastore has stopped, and says why elsewhere.
                Ok(Err(_)) => return Ok(()),
                Err(_) if self.identity.stage == Stage::Joining => tracing::warn!(
                    "no member of the cluster has sent this new one anything at {}: see whether they reach it there; one that is not reached for minutes is removed, and joins again when it is started with --rejoin",
                    self.member.peer_urls.join(", ")
                ),
                Err(_) => {}
            }
        }
        let identity = Identity {
            stage: Stage::Member,
            ..self.identity.clone()
        };
        Ok(identity.save(data_dir)?)
    }
}

/// Finds out which member this is; joins or prepares to form if it is none yet.
///
/// Whoever connects to `api` while this server is of no cluster is told so.
pub(crate) async fn establish(
    settings: &Settings,
    api: &TcpListener,
) -> anyhow::Result<Membership> {
    let clock = Arc::new(crate::clock::of(&settings.data_dir));
    let given = settings
        .token
        .as_deref()
        .map(Token::parse)
        .transpose()
        .context("token")?;
    let data_dir = &settings.data_dir;
    let known = Identity::load(data_dir)?;
    if known.is_none() {
        refuse_leftovers(data_dir)?;
    }
    let password = node_password::of(data_dir)?;
    let (identity, pki) = match known {
        // Only a new cluster makes authorities; a member has them already.
        Some(identity) => (identity, certificates(settings, clock)?),
        None => form_or_join(settings, api, given.as_ref(), &password, clock).await?,
    };
    node_password::keep(data_dir, &password)?;
    let start = match identity.stage {
        Stage::Forming => Start::Form,
        Stage::Joining => Start::Join,
        Stage::Member => Start::Restart,
    };
    let file = TokenFile::of(data_dir).in_cluster(pki.ca_bundle());
    let (token, claimed) = match file.load_or_create(given.as_ref(), pki.ca_hash()) {
        // It may have been rotated while this member was down: the store knows.
        Err(TokenFileError::Differs { .. }) if start == Start::Restart => {
            (file.load_or_create(None, pki.ca_hash())?, given)
        }
        token => (token?, None),
    };
    let member = Member {
        name: settings.node_name.clone(),
        peer_urls: vec![settings.peer_url()],
        client_urls: vec![settings.client_url()],
    };
    Ok(Membership {
        identity,
        member,
        password_hash: password.hash(),
        start,
        pki: Arc::new(pki),
        token,
        claimed,
    })
}

/// A server has its identity before its datastore: one without the other is another member's, and
/// this server would take its place, and its id.
fn refuse_leftovers(data_dir: &Path) -> anyhow::Result<()> {
    let state = data_dir.join("db/state.redb");
    if state
        .try_exists()
        .with_context(|| state.display().to_string())?
    {
        bail!(
            "{}: this is the datastore of a member whose db/identity.json is missing; restore that file, or remove the member and move the data directory aside to join as a new one",
            data_dir.display()
        );
    }
    Ok(())
}

/// A server that is no member becomes one.
async fn form_or_join(
    settings: &Settings,
    api: &TcpListener,
    token: Option<&Token>,
    password: &NodePassword,
    clock: Arc<Clock>,
) -> anyhow::Result<(Identity, Pki)> {
    alone::unmark(&settings.data_dir)?;
    let roster = Roster::of(settings).await?;
    if roster.others.is_empty() && settings.rejoin {
        bail!("rejoin: --server names no other server to join");
    }
    if roster.others.is_empty() {
        return form(settings, clock);
    }
    let token = token.context(
        "joining a cluster needs its token: give --token or --token-file, as in <data-dir>/token of a server",
    )?;
    let deciding = async {
        if roster.is_first {
            match forming::is_there_a_cluster(&roster, &clock).await? {
                Heard::Cluster => {}
                Heard::Nothing => return form(settings, Arc::clone(&clock)),
                Heard::NotFromAll => {
                    alone::mark(&settings.data_dir)?;
                    return form(settings, Arc::clone(&clock));
                }
            }
        }
        let identity = join(settings, &roster.others, token, password, &clock).await?;
        Ok((identity, certificates(settings, Arc::clone(&clock))?))
    };
    tokio::select! {
        outcome = deciding => outcome,
        never = skerry_supervisor::tell(api, roster.intent()) => match never {},
    }
}

/// Prepares a cluster of one.
fn form(settings: &Settings, clock: Arc<Clock>) -> anyhow::Result<(Identity, Pki)> {
    let pki = Pki::load_or_create(&settings.data_dir, pki_identity(settings), clock)?;
    let identity = Identity {
        cluster_id: cluster_id(&pki.ca_hash()),
        member_id: skerry_store::FIRST_MEMBER_ID,
        node_name: settings.node_name.clone(),
        stage: Stage::Forming,
    };
    identity.save(&settings.data_dir)?;
    Ok((identity, pki))
}

async fn join(
    settings: &Settings,
    servers: &[ServerUrl],
    token: &Token,
    password: &NodePassword,
    clock: &Arc<Clock>,
) -> anyhow::Result<Identity> {
    service_manager::status("joining the cluster");
    let me = Me {
        name: settings.node_name.clone(),
        peer_urls: vec![settings.peer_url()],
        client_urls: vec![settings.client_url()],
        cluster_id: None,
        password: password.clone(),
        critical: settings.critical.values(),
    };
    let joined =
        skerry_supervisor::join(servers, token, &me, &settings.data_dir, clock, None).await;
    let joined = match joined {
        Err(JoinError::CriticalValue { ref key, .. }) => {
            let place = settings.critical.place(key);
            joined.with_context(|| place)?
        }
        other => other?,
    };
    tracing::info!(server = %joined.server, member = joined.member_id, "joined the cluster");
    let identity = Identity {
        cluster_id: joined.cluster_id,
        member_id: joined.member_id,
        node_name: settings.node_name.clone(),
        stage: Stage::Joining,
    };
    identity.save(&settings.data_dir)?;
    Ok(identity)
}

/// The certificates of a server that is a member already.
fn certificates(settings: &Settings, clock: Arc<Clock>) -> anyhow::Result<Pki> {
    Ok(Pki::load(
        &settings.data_dir,
        pki_identity(settings),
        clock,
    )?)
}

pub(crate) fn pki_identity(settings: &Settings) -> skerry_pki::Identity {
    let mut ips = vec![settings.node_ip, settings.advertise];
    if !settings.bind.is_unspecified() {
        ips.push(settings.bind);
    }
    ips.sort_unstable();
    ips.dedup();
    let mut identity = skerry_pki::Identity::new(settings.node_name.clone(), ips);
    identity.tls_sans.clone_from(&settings.tls_san);
    identity.service_ips = vec![settings.service_cidr.first().into()];
    identity
}

/// The cluster's id: the first bytes of the hash that its join tokens pin.
fn cluster_id(ca_hash: &CaHash) -> u64 {
    u64::from_str_radix(&ca_hash.to_string()[..16], 16).expect("a hash is 64 hex digits")
}
