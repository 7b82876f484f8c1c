//! The servers' own token while they run: rotated at an administrator's word, and kept in the token
//! file of each.
//!
//! Knows nothing about how it is kept in the cluster. Invariant: the file follows the token in
//! force, also on a member that was down when it changed.

use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::json;
use skerry_consensus::Handle;
use skerry_pki::{Password, Token, TokenFile, TokenFileError};
use skerry_supervisor::{Cluster, Supervisor};

use crate::admin::{Refused, Routes};

/// Where the server answers `skerry token rotate`.
pub(crate) const ROUTE: &str = "token/rotate";
/// Between two looks at the store: one read of one key.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// After the file could not be written, or the token not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// These routes and that of rotation.
pub(crate) fn routes<C: Cluster>(routes: Routes, supervisor: &Supervisor<C>) -> Routes {
    let supervisor = supervisor.clone();
    routes.at(Method::POST, ROUTE, move |ask| {
        let supervisor = supervisor.clone();
        async move {
            let given = ask.body["new-token"].as_str().map(Password::new);
            let given = given
                .transpose()
                .map_err(|error| Refused::bad_request(error.to_string()))?;
            let rotated = supervisor.rotate(given).await;
            rotated.map_err(anyhow::Error::from)?;
            tracing::info!("the token of the servers was rotated");
            Ok(json!({}))
        }
    })
}

/// Has the token file follow the token in force, for as long as the server runs; and the store hold
/// what the token opens, where `stores` says so.
pub(crate) async fn follow<C: Cluster>(supervisor: &Supervisor<C>, data_dir: &Path, stores: bool) {
    tokio::join!(follow_file(supervisor, data_dir), async {
        while stores && !is_stored(supervisor).await {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    });
}

async fn is_stored<C: Cluster>(supervisor: &Supervisor<C>) -> bool {
    match supervisor.store_bootstrap().await {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(%error, "the bootstrap data is not in the store yet");
            false
        }
    }
}

async fn follow_file<C: Cluster>(supervisor: &Supervisor<C>, data_dir: &Path) {
    let file = TokenFile::of(data_dir);
    let mut kept = None;
    loop {
        let pause = match keep(supervisor, &file, &mut kept).await {
            Ok(()) => LOOK_INTERVAL,
            Err(error) => {
                tracing::error!(%error, "the token in force could not be kept");
                RETRY_INTERVAL
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Waits for a quorum to say whether a token that this member did not know is the one in force: it
/// is, where it was rotated while this member was down. Otherwise the settings are wrong.
pub(crate) async fn prove(
    supervisor: &Supervisor<Handle>,
    handle: &Handle,
    data_dir: &Path,
    claimed: Option<&Token>,
) -> anyhow::Result<()> {
    let Some(claimed) = claimed else {
        return Ok(());
    };
    while handle.linearize().await.is_err() {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    supervisor.refresh().await?;
    let in_force = supervisor.token();
    let given = claimed.password().expose().as_bytes();
    match in_force.password().matches(given) {
        true => Ok(()),
        false => {
            let path = TokenFile::of(data_dir).path().to_owned();
            Err(TokenFileError::Differs { path }.into())
        }
    }
}

/// `kept`: what the file is known to hold.
async fn keep<C: Cluster>(
    supervisor: &Supervisor<C>,
    file: &TokenFile,
    kept: &mut Option<Password>,
) -> anyhow::Result<()> {
    supervisor.refresh().await?;
    let token = supervisor.token();
    let is_kept = |kept: &Password| kept.matches(token.password().expose().as_bytes());
    if kept.as_ref().is_some_and(is_kept) {
        return Ok(());
    }
    if file.follow(&token)? {
        let path = file.path().display();
        tracing::warn!(%path, "the token was rotated: the file holds the one in force");
    }
    *kept = Some(token.password().clone());
    Ok(())
}
