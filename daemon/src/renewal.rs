//! Certificates while the server runs: renewed before they end, at once where the clock was set or
//! an administrator says so; and who is told of those that will end.
//!
//! Knows nothing about how they are made. Invariant: connections under way go on.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use skerry_kube::{EventNote, Local};
use skerry_pki::{Leaf, Pki};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::admin::{Refused, Routes};
use crate::clock::{Keeper, Look};
use crate::config::Settings;
use crate::expiry::{self, days_left};
use crate::kubeconfig;

/// Where the server answers `skerry certificate rotate`.
pub(crate) const ROUTE: &str = "certificate/rotate";
/// How often certificates are looked at for renewal.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(3600);
/// How often the clock is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a server waits until it tells of its own certificates: the API is there by then.
const FIRST_WARNING: Duration = Duration::from_secs(60);
/// Fewer days than these are told of: a leaf that works is renewed long before.
const WARN_DAYS: f64 = 90.0;
/// Orders that wait.
const ORDERS_MAX: usize = 8;

/// What K3s calls the parts whose certificates are rotated, and which those are.
const SERVICES: [(&str, &[Leaf]); 4] = [
    ("admin", &[Leaf::Admin]),
    ("api-server", &[Leaf::ApiServer, Leaf::ApiServerClient]),
    ("auth-proxy", &[Leaf::FrontProxy]),
    (
        "etcd",
        &[Leaf::EtcdServer, Leaf::EtcdClient, Leaf::EtcdPeer],
    ),
];

/// To rotate these, and where to say how that went.
struct Order {
    leaves: Vec<Leaf>,
    done: oneshot::Sender<Result<Vec<Leaf>, String>>,
}

/// Where orders of administrators wait for [`Renewal::run`].
pub(crate) struct Orders(mpsc::Receiver<Order>);

/// These routes and that of rotation.
pub(crate) fn routes(routes: Routes) -> (Routes, Orders) {
    let (sender, orders) = mpsc::channel(ORDERS_MAX);
    let routes = routes.at(Method::POST, ROUTE, move |ask| {
        let sender = sender.clone();
        async move {
            let leaves = leaves_of(&ask.body["services"])?;
            let (done, outcome) = oneshot::channel();
            let stopping = || Refused::from(anyhow::anyhow!("the server is stopping"));
            let sent = sender.send(Order { leaves, done }).await;
            sent.map_err(|_| stopping())?;
            let rotated = outcome.await.map_err(|_| stopping())?;
            let rotated = rotated.map_err(|error| anyhow::anyhow!(error))?;
            let files = rotated.into_iter().map(Leaf::certificate_name);
            Ok(json!({"files": files.collect::<Vec<_>>()}))
        }
    });
    (routes, Orders(orders))
}

pub(crate) fn leaves_of(services: &Value) -> Result<Vec<Leaf>, Refused> {
    let Some(names) = services.as_array() else {
        return Ok(Leaf::ALL.to_vec());
    };
    let mut leaves = Vec::new();
    for name in names {
        let found = SERVICES.iter().find(|(known, _)| name == known);
        let Some((_, of_service)) = found else {
            let known = SERVICES.map(|(known, _)| known).join(", ");
            let message = format!("{name} is not one of the services {known}");
            return Err(Refused::bad_request(message));
        };
        leaves.extend_from_slice(of_service);
    }
    Ok(leaves)
}

/// What it takes to keep the certificates of a server good.
pub(crate) struct Renewal<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) pki: &'a Pki,
    /// Tells of certificates as events, where this server has the Kubernetes API.
    pub(crate) local: Option<Local>,
}

impl Renewal<'_> {
    /// Goes on for as long as the server runs.
    pub(crate) async fn run(&self, mut orders: Orders) {
        let mut keeper = Keeper::new(self.pki.clock(), &self.settings.data_dir);
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        let mut due = Instant::now();
        let mut warning_due = Instant::now() + FIRST_WARNING;
        loop {
            tokio::select! {
                Some(order) = orders.0.recv() => {
                    let rotated = self.pki.rotate(&order.leaves);
                    let rotated = rotated.map_err(|error| error.to_string());
                    let said = rotated.inspect(|leaves| self.renewed(leaves));
                    // Whoever has asked may have gone.
                    let _ = order.done.send(said);
                    expiry::measure(self.pki);
                }
                _ = ticks.tick() => {
                    let was_set = keeper.look() == Look::Set;
                    if was_set || due <= Instant::now() {
                        self.renew_due();
                        due = Instant::now() + RENEWAL_INTERVAL;
                    }
                    if was_set || warning_due <= Instant::now() {
                        self.warn().await;
                        warning_due = Instant::now() + RENEWAL_INTERVAL;
                    }
                }
            }
        }
    }

    fn renew_due(&self) {
        match self.pki.renew_due() {
            Ok(renewed) => self.renewed(&renewed),
            Err(error) => tracing::error!(%error, "a certificate could not be renewed"),
        }
        expiry::measure(self.pki);
    }

    fn renewed(&self, renewed: &[Leaf]) {
        if renewed.is_empty() {
            return;
        }
        tracing::info!(?renewed, "certificates were renewed");
        // The administrator's certificate stands in the kubeconfig too.
        if renewed.contains(&Leaf::Admin)
            && let Err(error) = kubeconfig::write(self.settings, self.pki)
        {
            tracing::error!(%error, "the kubeconfig could not be written again");
        }
    }

    /// Tells of certificates and authorities that end soon, in the log and as an event.
    async fn warn(&self) {
        let now = self.pki.clock().now();
        let mut ending = Vec::new();
        for (file, end) in self.pki.ends() {
            let days = days_left(end, now);
            if days < WARN_DAYS {
                ending.push(format!("{file}: {days:.0} days left"));
            }
        }
        if ending.is_empty() {
            return;
        }
        let message = format!("Node certificates require attention: {}", ending.join(", "));
        tracing::warn!("{message}");
        if let Some(local) = &self.local {
            let note = EventNote {
                kind: "Node",
                namespace: "",
                name: &self.settings.node_name,
                reason: "CertificateExpirationWarning",
                warning: true,
                message: &message,
            };
            local.event(&note).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_told_apart_and_none_named_is_all() {
        assert_eq!(leaves_of(&Value::Null).unwrap(), Leaf::ALL);
        assert_eq!(leaves_of(&json!(["admin"])).unwrap(), [Leaf::Admin]);
        let refused = leaves_of(&json!(["kubelet"])).unwrap_err();
        assert!(refused.message.contains("api-server"), "{refused}");
        let all: usize = SERVICES.iter().map(|(_, leaves)| leaves.len()).sum();
        assert_eq!(all, Leaf::ALL.len());
    }
}
