//! SIGHUP: configuration and certificates are read again while the server runs.
//!
//! What can change without a restart does; what cannot is named in the log. Knows nothing about
//! manifests, whose folder is watched. Invariant: a configuration that a start would refuse changes
//! nothing, and neither do certificates that cannot be read.

use anyhow::Context as _;
use skerry_pki::{Leaf, Pki};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Settings, changes};
use crate::{expiry, kubeconfig, logging, membership, service_manager};

/// The signal, which ends the process no more once this is made.
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// To be made before anything that takes time.
    pub(crate) fn new() -> anyhow::Result<Hangups> {
        let signal = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
        Ok(Hangups(signal))
    }

    /// Reads again whenever it is asked to, for as long as the server runs.
    pub(crate) async fn follow(mut self, settings: &Settings, pki: &Pki) {
        let mut running = settings.clone();
        while self.0.recv().await.is_some() {
            service_manager::reloading();
            match reload(&mut running, pki) {
                Ok(()) => tracing::info!("the configuration was read again"),
                Err(error) => {
                    tracing::error!("the configuration stays as it is: {error:#}");
                }
            }
            service_manager::ready();
        }
        // Nothing ends what the server does beside this.
        std::future::pending().await
    }
}

/// `running` takes on what is carried out.
fn reload(running: &mut Settings, pki: &Pki) -> anyhow::Result<()> {
    // The words behind `skerry server`.
    let flags: Vec<String> = std::env::args().skip(2).collect();
    let read = Settings::load(&flags, std::env::vars()).context("configuration")?;
    let wanted = running.with_live(&read);
    let taken = pki.reload(membership::pki_identity(&wanted));
    let taken = taken.context("certificates")?;
    // What waits for a restart is told at each reload, until there is one.
    for change in changes(running, &read) {
        let (name, old, new) = (change.name, change.old, change.new);
        match change.needs_restart {
            true => tracing::warn!("{name}: from {old} to {new} needs a restart"),
            false => tracing::info!("{name}: from {old} to {new}"),
        }
    }
    logging::set_debug(read.debug);
    *running = wanted;
    if !taken.is_empty() {
        tracing::info!(renewed = ?taken, "certificates were read again");
        expiry::measure(pki);
    }
    // The administrator's certificate stands in the kubeconfig too.
    if taken.contains(&Leaf::Admin) {
        kubeconfig::write(running, pki).context("kubeconfig")?;
    }
    Ok(())
}
