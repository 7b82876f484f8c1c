//! Whether this member can go on, and whether clients should come here: the checks of the member
//! itself.
//!
//! Live: its threads move, its disk answers, its store can be read. Ready: a majority of the
//! members answers, too. Without one a node still serves reads; whoever wants those asks
//! `/readyz?exclude=etcd-readiness`.

use std::sync::Arc;
use std::time::Instant;

use http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use skerry_health::{Check, Health, Probe, Pulses, Report};

use crate::cluster::Cluster;
use crate::limits::{READY_WAIT_MAX, STILL_TIME_MAX};
use crate::reply::{self, Reply};

/// The checks of a member of `cluster`, under upstream's names.
pub(crate) fn checks<C: Cluster>(cluster: &Arc<C>) -> Health {
    let health = Health::default();
    health.add(Check::now("ping", &Probe::ALL, || Ok(())));
    // Lines are written by the thread that answers this.
    health.add(Check::now("log", &Probe::ALL, || Ok(())));
    let member = Arc::clone(cluster);
    let pulses = Pulses::new(["consensus", "the log", "the store"], STILL_TIME_MAX);
    health.add(Check::now("etcd", &Probe::ALL, move || {
        member.status().fatal.clone().map_or(Ok(()), Err)?;
        pulses.look(member.pulses(), Instant::now())?;
        member.store_serves()
    }));
    let member = Arc::clone(cluster);
    health.add(Check::new("etcd-readiness", &[Probe::Ready], move || {
        let member = Arc::clone(&member);
        async move { has_quorum(&*member).await }
    }));
    health
}

async fn has_quorum(cluster: &impl Cluster) -> Result<(), String> {
    if cluster.status().leader.is_none() {
        return Err("the cluster has no leader".to_owned());
    }
    match tokio::time::timeout(READY_WAIT_MAX, cluster.linearize()).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("no answer from the leader in time".to_owned()),
    }
}

/// As a probe gets it.
pub(crate) fn reply(report: Report) -> Reply {
    let status = StatusCode::from_u16(report.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response: Response<_> = reply::text(status, report.text);
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}
