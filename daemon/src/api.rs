//! The Kubernetes API of this server, from its settings, certificates and store.
//!
//! Knows nothing about what the store is. Invariant: what cannot work is an error before anything
//! is answered.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use skerry_health::{Check, Health, Probe};
use skerry_kube::{Api, Datastore};
use skerry_listen::{Stop, Transport};
use skerry_pki::Pki;

use crate::certificates::Certificates;
use crate::config::{AuditSettings, Settings};
use crate::ground;
use crate::outgoing::Calls;

/// Serves the state of `datastore`; `health` gets checks of the API.
pub(crate) fn start(
    settings: &Settings,
    pki: &Arc<Pki>,
    datastore: Arc<dyn Datastore>,
    health: Health,
) -> anyhow::Result<Api> {
    let service_key = settings.data_dir.join("tls/service.key");
    let place = || service_key.display().to_string();
    let address = SocketAddr::new(settings.advertise, settings.https_port);
    let options = skerry_kube::Options {
        server_address: address.to_string(),
        port: settings.https_port,
        services: settings.service_cidr,
        node_ports: settings.node_ports,
        authority: pki.ca_bundle().to_owned(),
        memory_budget: settings.memory_budget,
        health,
        service_key: Some(std::fs::read_to_string(&service_key).with_context(place)?),
        sealing_key: Some(pki.authority_files().sealing_text()?.to_string()),
        audit: settings.audit.as_ref().map(start_audit).transpose()?,
        guards_owners: settings.guards_owners,
        more_metrics: crate::gauges::write,
        encrypted: settings.encrypted.clone(),
        outgoing: Some(Arc::new(Calls(Arc::clone(pki)))),
        signer: Some(Arc::new(Certificates(Arc::clone(pki)))),
    };
    Api::start(datastore, options).with_context(place)
}

/// How 6443 is spoken, and who the callers are that show certificates.
pub(crate) fn transport(pki: &Pki) -> anyhow::Result<Transport> {
    let tls = pki.server_config_api()?;
    let callers = pki.callers()?;
    let standing = move |chain: &[rustls::pki_types::CertificateDer<'_>]| {
        let standing = callers.standing(chain);
        skerry_listen::Standing {
            user: standing.user,
            front_proxy: standing.front_proxy,
        }
    };
    let tls = Arc::new(move || Arc::clone(&tls));
    Ok(Transport::TlsOfTwo(tls, Arc::new(standing)))
}

/// Has a server that stops say so, to those who ask whether it is ready.
pub(crate) fn tell_of_stop(health: &Health, stop: &Stop) {
    let stop = stop.clone();
    let is_stopping = move || match stop.is_requested() {
        true => Err("the server is shutting down".into()),
        false => Ok(()),
    };
    health.add(Check::now("shutdown", &[Probe::Ready], is_stopping));
}

/// Has a server that can write nothing say so.
pub(crate) fn tell_of_ground(health: &Health) {
    let takes_writes = || ground::refusal().map_or(Ok(()), |reason| Err(reason.to_owned()));
    health.add(Check::now("data-dir", &[Probe::Ready], takes_writes));
}

/// Opens the audit log before anything is answered.
fn start_audit(settings: &AuditSettings) -> anyhow::Result<Arc<skerry_kube::Audit>> {
    let policy = match &settings.policy {
        Some(path) => skerry_audit::Policy::read(path)?,
        None => {
            tracing::warn!("no --audit-policy-file: nothing is recorded in the audit log");
            skerry_audit::Policy::default()
        }
    };
    let audit = skerry_kube::Audit::start(policy, settings.file.clone(), settings.mode)?;
    Ok(Arc::new(audit))
}
