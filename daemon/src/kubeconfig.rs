//! Writes the administrator's kubeconfig, where the settings want it or where it can be written.

use std::path::Path;

use skerry_pki::{Kubeconfig, Pki};

use crate::config::Settings;

/// A read-only /etc sends the kubeconfig here.
const FALLBACK_DIR: &str = "/run/skerry";
/// Below the data directory: where it goes if that is read-only too, as in a container.
const LAST_DIR: &str = "kubeconfig";

/// Writes kubeconfig, CA and client certificate.
pub(crate) fn write(settings: &Settings, pki: &Pki) -> anyhow::Result<()> {
    if settings.disable_apiserver {
        return Ok(());
    }
    let address = std::net::SocketAddr::new(settings.advertise, settings.https_port);
    let kubeconfig = Kubeconfig::admin(pki, format!("https://{address}"))?;
    let last = settings.data_dir.join(LAST_DIR);
    let fallbacks = [Path::new(FALLBACK_DIR), &last];
    // A server that cannot hand out a kubeconfig still serves those who have one.
    match skerry_pki::write_kubeconfig(
        &kubeconfig,
        &settings.kubeconfig,
        settings.kubeconfig_mode,
        &fallbacks,
    ) {
        Ok(path) => tracing::info!(path = %path.display(), "wrote the kubeconfig"),
        Err(error) => tracing::warn!(%error, "the kubeconfig could not be written"),
    }
    Ok(())
}
