//! Gives Services their cluster addresses and node ports, and takes them back.
//!
//! Each address and each port that is given out has a key of its own, so that no two members give
//! the same one: an `IPAddress` object, as upstream's, and a line under `/registry/skerry/`.
//! Invariant: a stored Service has only what is claimed for it. What was claimed and then not used,
//! because the power went, is found by the controller of services and given back.

mod addresses;
mod network;
mod ports;

use serde_json::{Value, json};

pub use self::network::ServiceNetwork;
pub use self::ports::NodePorts;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::{About, ApiError};
use crate::object;
use crate::registry::Resource;
use crate::storage::{Outcome, Write};

/// Where claimed node ports are kept.
pub(crate) const NODE_PORTS: &str = "/registry/skerry/nodeports/";

/// The namespace and name of a Service.
type Owner = (String, String);

/// Keys that were claimed for a Service which is not stored yet.
#[derive(Debug, Default)]
pub(crate) struct Claims(Vec<(String, i64)>);

pub(crate) fn is_service(resource: &Resource) -> bool {
    resource.group.is_empty() && resource.kind == "Service"
}

fn text<'o>(spec: &'o Value, field: &str) -> &'o str {
    spec.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn wants_address(spec: &Value) -> bool {
    matches!(
        text(spec, "type"),
        "" | "ClusterIP" | "NodePort" | "LoadBalancer"
    )
}

/// The addresses and node ports that a Service has.
pub(crate) fn held(service: &Value) -> Vec<String> {
    let Some(spec) = service.get("spec") else {
        return Vec::new();
    };
    let addresses = spec.get("clusterIPs").and_then(Value::as_array);
    let addresses = addresses.into_iter().flatten().filter_map(Value::as_str);
    let addresses = addresses
        .filter(|address| *address != "None")
        .map(address_key);
    let ports = spec.get("ports").and_then(Value::as_array);
    let ports = ports.into_iter().flatten();
    let ports = ports.filter_map(|port| port.get("nodePort")?.as_i64());
    let health = spec.get("healthCheckNodePort").and_then(Value::as_i64);
    let ports = ports.chain(health);
    let mut keys: Vec<String> = addresses
        .chain(ports.filter(|port| *port != 0).map(port_key))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn address_key(address: &str) -> String {
    format!("/registry/ipaddresses/{address}")
}

fn port_key(port: i64) -> String {
    format!("{NODE_PORTS}{port}")
}

impl Engine {
    /// Gives a Service what it asks for and lacks. `old` is what it was, where it was.
    pub(crate) async fn give(
        &self,
        call: &Call,
        service: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<Claims, ApiError> {
        let mut claims = Claims::default();
        if !is_service(&call.resource) {
            return Ok(claims);
        }
        let has = old.map(held).unwrap_or_default();
        let given = self.give_all(service, &has, dry_run, &mut claims).await;
        match given {
            Ok(()) => Ok(claims),
            Err(error) => {
                self.give_back(claims).await;
                Err(error)
            }
        }
    }

    async fn give_all(
        &self,
        service: &mut Value,
        has: &[String],
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<(), ApiError> {
        let owner = (
            object::namespace(service).to_owned(),
            object::name(service).to_owned(),
        );
        let spec = service.get("spec").cloned().unwrap_or_default();
        if wants_address(&spec) && text(&spec, "clusterIP") != "None" {
            let address = match text(&spec, "clusterIP") {
                "" => self.claim_any_address(&owner, dry_run, claims).await?,
                chosen => {
                    if !has.contains(&address_key(chosen)) {
                        self.claim_address(chosen, &owner, dry_run, claims).await?;
                    }
                    chosen.to_owned()
                }
            };
            let spec = object::fields_of(service, "spec");
            spec.insert("clusterIP".into(), address.clone().into());
            spec.insert("clusterIPs".into(), json!([address]));
        }
        if wants_address(&spec) {
            let spec = object::fields_of(service, "spec");
            spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
            spec.entry("ipFamilyPolicy")
                .or_insert_with(|| "SingleStack".into());
        }
        self.give_node_ports(service, has, &owner, dry_run, claims)
            .await
    }

    /// Claims a key that nobody has; whether it could be had.
    async fn claim(
        &self,
        key: &str,
        value: Value,
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<bool, ApiError> {
        if dry_run {
            return Ok(self.storage.get(key)?.is_none());
        }
        let write = Write::Put(crate::answer::json(&value).into(), 0);
        match self.storage.write(key, 0, write).await? {
            Outcome::Done(revision) => {
                claims.0.push((key.to_owned(), revision));
                Ok(true)
            }
            Outcome::Conflict => Ok(false),
        }
    }

    /// Gives back what was claimed for a Service that was not stored. What cannot be given back now
    /// is found later.
    pub(crate) async fn give_back(&self, claims: Claims) {
        for (key, revision) in claims.0 {
            if let Err(error) = self.storage.write(&key, revision, Write::Delete).await {
                tracing::debug!(key, %error, "a claim is given back later");
            }
        }
    }

    /// Gives back what a Service had and has no more.
    pub(crate) async fn take_back(&self, resource: &Resource, old: &Value, new: Option<&Value>) {
        if !is_service(resource) {
            return;
        }
        let keeps = new.map(held).unwrap_or_default();
        let mut claims = Claims::default();
        for key in held(old).into_iter().filter(|key| !keeps.contains(key)) {
            if let Ok(Some(stored)) = self.storage.get(&key) {
                claims.0.push((key, stored.revision));
            }
        }
        self.give_back(claims).await;
    }
}

/// A Service, for errors that name its kind.
fn about(name: &str) -> About<'_> {
    About {
        group: "",
        resource: "Service",
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_holds_is_read_from_it() {
        let service = json!({"spec": {"clusterIPs": ["10.43.1.1", "None"], "ports": [
            {"nodePort": 30001}, {"nodePort": 30001}, {"nodePort": 0}, {}, 5,
        ], "healthCheckNodePort": 30002}});
        assert_eq!(
            held(&service),
            [
                "/registry/ipaddresses/10.43.1.1",
                "/registry/skerry/nodeports/30001",
                "/registry/skerry/nodeports/30002"
            ]
        );
        assert!(held(&json!({"spec": 1})).is_empty() && held(&json!({})).is_empty());
    }
}
