//! The authorities and the token of servers on a foreign etcd: the first server makes them and puts
//! them there, sealed under the token, and the others take them from there.
//!
//! The key and the envelope are those of a member's bootstrap data, so that rotating the token works
//! the same. Invariants: of servers that start at once exactly one makes the authorities; a server
//! never puts its own in place of those that are there, nor theirs in place of its own once it has
//! served.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use skerry_pki::{CaHash, Clock, Password, Pki, Token, TokenFile};
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::Reply;
use skerry_supervisor::{Bootstrap, Cluster, Sealer, Supervisor, bootstrap_key};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::mark::Mark;
use super::store::OnEtcd;
use crate::config::Settings;
use crate::membership::pki_identity;

const COPIES: &[u8] = b"/bootstrap/";
const COPIES_END: &[u8] = b"/bootstrap0";
const OBJECTS: &[u8] = b"/registry/";
const OBJECTS_END: &[u8] = b"/registry0";
/// Before etcd is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Waits for etcd, then for authorities and token.
pub(crate) async fn establish(
    settings: &Settings,
    store: &OnEtcd,
    clock: Arc<Clock>,
) -> anyhow::Result<(Arc<Pki>, Token)> {
    let data_dir = &settings.data_dir;
    let given = settings.token.as_deref().map(Token::parse).transpose();
    let given = given.context("token")?;
    store.foreign().ready().await;
    loop {
        while let Err(error) = Cluster::linearize(store).await {
            tracing::debug!(%error, "waiting for the datastore");
            sleep(RETRY_PAUSE).await;
        }
        let established = if holds(store, COPIES, COPIES_END)? {
            take(settings, store, given.as_ref(), &clock)
                .await
                .map(Some)
        } else if Mark::load(data_dir)?.is_some() {
            bail!(
                "{}: this server is of a cluster, and the datastore holds none: restore it, or name \
                 the right one; to begin anew with an empty one, remove db/foreign.json on one server",
                data_dir.display()
            )
        } else {
            make(settings, store, given.as_ref(), &clock).await
        };
        if let Some((pki, token)) = established? {
            let mark = Mark {
                ca_hash: pki.ca_hash().to_string(),
            };
            mark.save(data_dir)?;
            return Ok((Arc::new(pki), token));
        }
    }
}

/// Whether a key is there.
fn holds(store: &OnEtcd, key: &'static [u8], range_end: &'static [u8]) -> anyhow::Result<bool> {
    let request = pb::RangeRequest {
        key: Bytes::from_static(key),
        range_end: Bytes::from_static(range_end),
        limit: 1,
        keys_only: true,
        ..pb::RangeRequest::default()
    };
    let found = store.foreign().reader().view()?.range(&request)?;
    Ok(!found.kvs.is_empty())
}

/// Makes the cluster's authorities, or puts those there that lie in the data directory; none where
/// another server was first, or etcd did not say what it did.
async fn make(
    settings: &Settings,
    store: &OnEtcd,
    given: Option<&Token>,
    clock: &Arc<Clock>,
) -> anyhow::Result<Option<(Pki, Token)>> {
    let data_dir = &settings.data_dir;
    let has_authorities = data_dir.join("tls/server-ca.key").exists();
    if !has_authorities && holds(store, OBJECTS, OBJECTS_END)? {
        bail!(
            "the datastore holds the objects of a Kubernetes cluster and not its certificate \
             authorities; to take that cluster over put them below {}/tls, or name an etcd of its \
             own",
            data_dir.display()
        );
    }
    let identity = pki_identity(settings);
    let pki = Pki::load_or_create(data_dir, identity, Arc::clone(clock))?;
    let file = TokenFile::of(data_dir);
    let is_own = given.is_none() && file.load()?.is_none();
    // Before etcd has what only this token opens.
    let token = file.load_or_create(given, pki.ca_hash())?;
    let password = token.password().clone();
    let key = bootstrap_key(&password);
    let bootstrap = Bootstrap::of(&pki);
    let sealing = move || bootstrap.seal(&Sealer::new(&password)?);
    let sealed = spawn_blocking(sealing).await??;
    match store.write(put_first(key, sealed.into())).await {
        Ok(Reply::Txn(answer)) if answer.succeeded => {
            tracing::info!("the datastore is new: it has the authorities of this server");
            Ok(Some((pki, token)))
        }
        answer => {
            if let Err(error) = answer {
                tracing::warn!(%error, "the datastore did not take the authorities; asking again");
                sleep(RETRY_PAUSE).await;
            } else if is_own {
                // It opens nothing.
                let path = file.path();
                std::fs::remove_file(path).with_context(|| path.display().to_string())?;
            }
            Ok(None)
        }
    }
}

/// Puts a key where there is no bootstrap data yet, under whatever token.
fn put_first(key: String, value: Bytes) -> Operation {
    use pb::compare::{CompareResult, CompareTarget, TargetUnion};
    let nothing = pb::Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: Bytes::from_static(COPIES),
        range_end: Bytes::from_static(COPIES_END),
        target_union: Some(TargetUnion::CreateRevision(0)),
    };
    let put = pb::request_op::Request::RequestPut(pb::PutRequest {
        key: key.into(),
        value,
        ..pb::PutRequest::default()
    });
    Operation::Txn(pb::TxnRequest {
        compare: vec![nothing],
        success: vec![pb::RequestOp { request: Some(put) }],
        failure: Vec::new(),
    })
}

/// Takes the authorities that are there.
async fn take(
    settings: &Settings,
    store: &OnEtcd,
    given: Option<&Token>,
    clock: &Arc<Clock>,
) -> anyhow::Result<(Pki, Token)> {
    let data_dir = &settings.data_dir;
    let file = TokenFile::of(data_dir);
    let held = file.load()?;
    let mark = Mark::load(data_dir)?;
    let known = held.iter().chain(given).map(Token::password);
    let mut opened = None;
    for password in known.cloned() {
        if let Some(bootstrap) = open(store, &password).await? {
            opened = Some((bootstrap, password));
            break;
        }
    }
    if opened.is_none()
        && mark.is_some()
        && let Some(held) = &held
        && let Some(password) = rotated(settings, store, held, clock).await?
    {
        opened = open(store, &password)
            .await?
            .map(|bootstrap| (bootstrap, password));
    }
    let Some((bootstrap, password)) = opened else {
        bail!(match known_at_all(given, held.as_ref()) {
            false =>
                "the datastore is that of a cluster: a server of it needs its token; give --token \
                 or --token-file, as in <data-dir>/token of one of its servers",
            true =>
                "the datastore is that of a cluster with another token than this server's; give \
                 its token with --token or --token-file, as in <data-dir>/token of one of its \
                 servers",
        });
    };
    if mark
        .as_ref()
        .is_some_and(|mark| mark.ca_hash != bootstrap.ca_hash)
    {
        bail!(
            "{}: this server is of another cluster than the one in the datastore (its server CA \
             has another hash); give another --data-dir, or another --datastore-endpoint",
            data_dir.display()
        );
    }
    let ca_hash = CaHash::from_hex(&bootstrap.ca_hash).context("bootstrap data: no hash")?;
    if let Some(pin) = given.and_then(Token::pin)
        && pin != ca_hash
    {
        bail!("the token given pins the CA {pin}, the cluster in the datastore has {ca_hash}");
    }
    clock.witness(bootstrap.time);
    if mark.is_none() {
        bootstrap.files.install(data_dir)?;
        file.store(&Token::new(ca_hash, password.clone()))?;
    }
    let pki = Pki::load(data_dir, pki_identity(settings), Arc::clone(clock))?;
    file.follow(&Token::new(pki.ca_hash(), password))?;
    let token = file.load_or_create(given, pki.ca_hash())?;
    Ok((pki, token))
}

fn known_at_all(given: Option<&Token>, held: Option<&Token>) -> bool {
    given.is_some() || held.is_some()
}

/// The bootstrap data under this password, where there is any.
async fn open(store: &OnEtcd, password: &Password) -> anyhow::Result<Option<Bootstrap>> {
    let key = bootstrap_key(password);
    let Some(envelope) = store.get(&key).map_err(anyhow::Error::msg)? else {
        return Ok(None);
    };
    let password = password.clone();
    let opening = move || Bootstrap::open(&envelope, &password);
    let opened = spawn_blocking(opening).await?;
    let opened = opened.with_context(|| {
        format!("{key}: the datastore holds what another program put there, or it was altered")
    })?;
    Ok(Some(opened))
}

/// The password in force, where it was rotated while this server was down.
async fn rotated(
    settings: &Settings,
    store: &OnEtcd,
    held: &Token,
    clock: &Arc<Clock>,
) -> anyhow::Result<Option<Password>> {
    let identity = pki_identity(settings);
    let pki = Pki::load(&settings.data_dir, identity, Arc::clone(clock))?;
    let supervisor = Supervisor::new(store.clone(), &pki, held)?;
    let token = supervisor.refresh().await?;
    Ok(token.map(|token| token.password().clone()))
}
