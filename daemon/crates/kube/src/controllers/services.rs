//! The Service `kubernetes` with the addresses of all members, and what was claimed for Services
//! that are not there.
//!
//! Invariant: a claim is given back only when its Service did not have it at two looks that are far
//! apart: no clock has to be right for that.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::{RETRY_INTERVAL, own_options};
use crate::call;
use crate::decode;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::CLAIM_LOOK_INTERVAL;
use crate::object;
use crate::options::WriteOptions;
use crate::services::{NODE_PORTS, held};
use crate::storage::{self, Write};

const NAME: &str = "kubernetes";
const NAMESPACE: &str = "default";

/// Between two looks at who the members are.
const MEMBERS_INTERVAL: Duration = Duration::from_secs(2);

/// Between two looks at the object of the network: upstream's is 10 seconds.
const NETWORK_INTERVAL: Duration = Duration::from_secs(2);

pub(super) async fn run(engine: &Engine) {
    let kubernetes = async {
        let mut told: Option<Vec<IpAddr>> = None;
        loop {
            let addresses = engine.storage.addresses();
            if !addresses.is_empty() && told.as_ref() != Some(&addresses) {
                match engine.settle_kubernetes(&addresses).await {
                    Ok(()) => told = Some(addresses),
                    Err(error) => tracing::warn!(%error, "cannot write the Service kubernetes"),
                }
            }
            tokio::time::sleep(MEMBERS_INTERVAL).await;
        }
    };
    let network = async {
        loop {
            if let Err(error) = engine.settle_service_network().await {
                tracing::warn!(%error, "cannot write the ServiceCIDR kubernetes");
            }
            tokio::time::sleep(NETWORK_INTERVAL).await;
        }
    };
    let claims = async {
        let mut suspects = HashSet::new();
        loop {
            if let Err(error) = engine.give_back_unused(&mut suspects).await {
                tracing::warn!(%error, "claims of Services are looked at later");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            tokio::time::sleep(CLAIM_LOOK_INTERVAL).await;
        }
    };
    tokio::join!(kubernetes, network, claims);
}

impl Engine {
    async fn settle_kubernetes(&self, addresses: &[IpAddr]) -> Result<(), ApiError> {
        let port = self.api_port;
        let service = json!({
            "metadata": {"name": NAME, "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {
                "type": "ClusterIP",
                "clusterIP": self.services.first().to_string(),
                "sessionAffinity": "None",
                "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
            },
        });
        self.make_first("", "v1", "services", NAMESPACE, service)
            .await?;
        let mut ips: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        ips.sort_unstable();
        ips.dedup();
        let ports = json!([{"name": "https", "port": port, "protocol": "TCP"}]);
        let listed: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
        let endpoints = json!({
            "metadata": {"name": NAME, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": [{"addresses": listed, "ports": ports}],
        });
        self.settle("", "endpoints", endpoints, "subsets").await?;
        let six = addresses.iter().all(IpAddr::is_ipv6);
        let listed: Vec<Value> = ips
            .iter()
            .map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}}))
            .collect();
        let slice = json!({
            "metadata": {"name": NAME, "labels": {"kubernetes.io/service-name": NAME}},
            "addressType": if six { "IPv6" } else { "IPv4" },
            "endpoints": listed,
            "ports": ports,
        });
        self.settle("discovery.k8s.io", "endpointslices", slice, "endpoints")
            .await
    }

    /// Makes an object, or gives its field the value that it should have.
    async fn settle(
        &self,
        group: &str,
        plural: &str,
        mut wanted: Value,
        field: &str,
    ) -> Result<(), ApiError> {
        let options = WriteOptions {
            unchecked: true,
            ..own_options()
        };
        let mut call = self.own_call("update", group, "v1", plural, NAMESPACE, NAME)?;
        call.is_exempt = true;
        let Some(kept) = self.read(&call.resource, NAMESPACE, NAME)? else {
            call::conform(&mut wanted, group, "v1", &call.resource.kind)?;
            object::metadata_mut(&mut wanted).insert("namespace".into(), NAMESPACE.into());
            self.create_object(&call, wanted, &options).await?;
            return Ok(());
        };
        if kept.object.get(field) == wanted.get(field) {
            return Ok(());
        }
        let mut next = kept.object.clone();
        next[field] = wanted[field].take();
        match self.replace(&call, &kept, next, &options).await? {
            Some(_) => Ok(()),
            None => Err(ApiError::modified(call.about())),
        }
    }

    /// Gives back claims whose Service does not have them.
    async fn give_back_unused(
        &self,
        suspects: &mut HashSet<(String, i64)>,
    ) -> Result<(), ApiError> {
        let before = std::mem::take(suspects);
        let found = self.registry.find("", "v1", "services");
        let services = found.cloned().ok_or_else(ApiError::no_such_path)?;
        for prefix in ["/registry/ipaddresses/", NODE_PORTS] {
            let mut listing = self.storage.list(storage::below(prefix), 0)?;
            loop {
                let chunk = listing.next_chunk()?;
                if chunk.is_empty() {
                    break;
                }
                for stored in chunk {
                    let claim = decode::stored(&stored.value)?;
                    let owner = claim.pointer("/spec/parentRef");
                    let text = |field: &str| {
                        owner
                            .and_then(|owner| owner.get(field)?.as_str())
                            .unwrap_or_default()
                    };
                    let other = text("resource");
                    if !matches!(other, "" | "services") {
                        continue;
                    }
                    let key = String::from_utf8_lossy(&stored.key).into_owned();
                    let service = self.read(&services, text("namespace"), text("name"))?;
                    if service.is_some_and(|service| held(&service.object).contains(&key)) {
                        continue;
                    }
                    let suspect = (key, stored.revision);
                    if !before.contains(&suspect) {
                        suspects.insert(suspect);
                        continue;
                    }
                    let (key, _) = suspect;
                    tracing::info!(key, "giving back what no Service has");
                    self.storage
                        .write(&key, stored.revision, Write::Delete)
                        .await?;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}
