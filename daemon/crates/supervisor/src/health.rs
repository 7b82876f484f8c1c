//! Liveness and readiness, in the words of a Kubernetes API server.
//!
//! Live: the member can go on. Ready: it has been in touch with a leader once and its store
//! answers reads. A quorum that is lost later leaves a node ready: it still serves reads.

use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;

use crate::cluster::Cluster;
use crate::limits::READY_WAIT_MAX;
use crate::reply::{self, Reply};

type Check = (&'static str, Result<(), String>);

/// What has been seen so far.
#[derive(Debug, Default)]
pub(crate) struct Health {
    joined_in: AtomicBool,
}

impl Health {
    pub(crate) fn live(&self, name: &str, cluster: &impl Cluster, verbose: bool) -> Reply {
        answer(name, verbose, &[("ping", Ok(())), member(cluster)])
    }

    pub(crate) async fn ready(&self, name: &str, cluster: &impl Cluster, verbose: bool) -> Reply {
        let consensus = ("etcd-readiness", self.caught_up(cluster).await);
        let store = ("etcd", cluster.store_serves());
        answer(
            name,
            verbose,
            &[("ping", Ok(())), member(cluster), store, consensus],
        )
    }

    async fn caught_up(&self, cluster: &impl Cluster) -> Result<(), String> {
        if self.joined_in.load(Ordering::Relaxed) {
            return Ok(());
        }
        match tokio::time::timeout(READY_WAIT_MAX, cluster.linearize()).await {
            Ok(Ok(())) => {
                self.joined_in.store(true, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer from a leader yet".to_owned()),
        }
    }
}

fn member(cluster: &impl Cluster) -> Check {
    ("member", cluster.status().fatal.clone().map_or(Ok(()), Err))
}

fn answer(name: &str, verbose: bool, checks: &[Check]) -> Reply {
    let failed = checks.iter().any(|(_, result)| result.is_err());
    if !failed && !verbose {
        return reply::text(StatusCode::OK, "ok");
    }
    let mut body = String::new();
    for (check, result) in checks {
        match result {
            Ok(()) => body.push_str(&format!("[+]{check} ok\n")),
            Err(_) => body.push_str(&format!("[-]{check} failed: reason withheld\n")),
        }
        if let Err(reason) = result {
            tracing::debug!(check, reason, "a health check failed");
        }
    }
    let (status, verdict) = if failed {
        (StatusCode::INTERNAL_SERVER_ERROR, "failed")
    } else {
        (StatusCode::OK, "passed")
    };
    body.push_str(&format!("{name} check {verdict}\n"));
    reply::text(status, body)
}
