//! Other authorities for the cluster, at an administrator's word: noted on every member while it
//! runs, used by it from its next start on.
//!
//! Knows nothing about how they are made or kept. Invariant: what a running server uses is what its
//! files below `tls/` say; those of the next start wait in one file beside them.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use skerry_consensus::Handle;
use skerry_kube::{EventNote, Local};
use skerry_pki::{AuthorityFile, AuthorityFiles, Pki, Succession};
use skerry_supervisor::{RotationError, Supervisor};

use crate::admin::{Refused, Routes};
use crate::config::Settings;

/// Where the server answers `skerry certificate rotate-ca`.
pub(crate) const ROUTE: &str = "certificate/rotate-ca";
/// Below `tls/`: what the next start takes.
pub(crate) const NEXT: &str = "next.json";
/// Between two looks at the store: one read of one key.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// After the files could not be read or written.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// What waits for a restart.
pub(crate) const RESTART: &str =
    "the cluster's authorities were rotated: restart this server to use the new ones";

/// What `rotate-ca` asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    files: Vec<(String, String)>,
    make_authorities: bool,
    make_service_key: bool,
    force: bool,
}

/// These routes and that of rotation.
pub(crate) fn routes(routes: Routes, supervisor: &Supervisor<Handle>) -> Routes {
    let supervisor = supervisor.clone();
    routes.at(Method::POST, ROUTE, move |ask| {
        let supervisor = supervisor.clone();
        async move { rotate(&supervisor, ask.body).await }
    })
}

async fn rotate(supervisor: &Supervisor<Handle>, body: Value) -> Result<Value, Refused> {
    let wanted: Wanted =
        serde_json::from_value(body).map_err(|error| Refused::bad_request(error.to_string()))?;
    let file = |(name, pem)| AuthorityFile::new(name, pem);
    let succession = Succession {
        given: wanted.files.into_iter().map(file).collect(),
        make_authorities: wanted.make_authorities,
        make_service_key: wanted.make_service_key,
        force: wanted.force,
    };
    match supervisor.rotate_authorities(&succession).await {
        Ok(hash) => {
            tracing::warn!("the cluster's authorities were rotated");
            Ok(json!({"caHash": hash.to_string()}))
        }
        Err(RotationError::Succession(error)) => Err(Refused::bad_request(error.to_string())),
        Err(error) => Err(anyhow::Error::from(error).into()),
    }
}

/// Notes what the next start is to use, for as long as the server runs.
pub(crate) async fn follow(
    supervisor: &Supervisor<Handle>,
    settings: &Settings,
    pki: &Pki,
    local: Option<Local>,
) {
    let own = pki.authority_files();
    let mut noted = None;
    loop {
        let pause = match note(supervisor, settings, &own, &mut noted).await {
            Ok(is_news) => {
                if is_news {
                    recognize(noted.as_ref(), local.as_ref());
                    tell(settings, local.as_ref()).await;
                }
                LOOK_INTERVAL
            }
            Err(error) => {
                tracing::error!(%error, "the cluster's authorities could not be kept");
                RETRY_INTERVAL
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// True where the next start will use others than this one.
async fn note(
    supervisor: &Supervisor<Handle>,
    settings: &Settings,
    own: &AuthorityFiles,
    noted: &mut Option<AuthorityFiles>,
) -> anyhow::Result<bool> {
    let Some(files) = supervisor.authorities_in_force().await? else {
        return Ok(false);
    };
    if noted.as_ref().is_some_and(|noted| noted.are(&files)) {
        return Ok(false);
    }
    let is_news = !files.are(own);
    match is_news {
        true => files.take_at_next_start(&settings.data_dir)?,
        false => AuthorityFiles::take_none_at_next_start(&settings.data_dir)?,
    }
    *noted = Some(files);
    Ok(is_news)
}

/// Members that have restarted sign with the new key; their tokens are good here, too.
fn recognize(files: Option<&AuthorityFiles>, local: Option<&Local>) {
    let (Some(files), Some(local)) = (files, local) else {
        return;
    };
    let recognized = files.text("service.key").map_err(anyhow::Error::from);
    let recognized = recognized.and_then(|pem| Ok(local.recognize_tokens_of(pem)?));
    if let Err(error) = recognized {
        tracing::error!(%error, "tokens signed with the new key are not recognized before a restart");
    }
}

async fn tell(settings: &Settings, local: Option<&Local>) {
    tracing::warn!("{RESTART}");
    let note = EventNote {
        kind: "Node",
        namespace: "",
        name: &settings.node_name,
        reason: "CertificateAuthoritiesRotated",
        warning: true,
        message: RESTART,
    };
    if let Some(local) = local {
        local.event(&note).await;
    }
}
