//! Gives Services their cluster addresses and node ports, and takes them back.
//!
//! Each address and each port that is given out has a key of its own, so that no two members give
//! the same one: an `IPAddress` object, as upstream's, and a line under `/registry/skerry/`.
//! Invariant: a stored Service has only what is claimed for it. What was claimed and then not used,
//! because the power went, is found by the controller of services and given back.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use serde_json::{Value, json};
use skerry_schema::Resource;

use crate::call::Call;
use crate::engine::Engine;
use crate::error::{About, ApiError};
use crate::limits::{CLAIM_TRIES_MAX, NODE_PORT_MAX, NODE_PORT_MIN};
use crate::object;
use crate::storage::{Outcome, Write};
use crate::time;

/// Where claimed node ports are kept.
pub(crate) const NODE_PORTS: &str = "/registry/skerry/nodeports/";

/// Upstream's label of an `IPAddress` that was given to a Service.
const MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";

/// The addresses of Services: `10.43.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceNetwork {
    base: u32,
    bits: u32,
}

impl ServiceNetwork {
    /// `None` where it is no IPv4 network with room for Services (at most /28).
    #[must_use]
    pub fn parse(text: &str) -> Option<ServiceNetwork> {
        let (address, bits) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let bits: u32 = bits.parse().ok()?;
        if !(8..=28).contains(&bits) {
            return None;
        }
        let base = u32::from(address) & (u32::MAX << (32 - bits));
        Some(ServiceNetwork { base, bits })
    }

    fn size(self) -> u32 {
        1 << (32 - self.bits)
    }

    /// The address of the Service `kubernetes`.
    #[must_use]
    pub fn first(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    fn contains(self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(self.base);
        // Neither the network itself nor its last address.
        (1..self.size() - 1).contains(&offset)
    }

    /// An address above the part that is left to those who choose their own.
    fn any(self, random: u32) -> Ipv4Addr {
        let chosen = (self.size() / 16).clamp(16, 256).min(self.size() / 2);
        Ipv4Addr::from(self.base + chosen + random % (self.size() - 1 - chosen))
    }
}

impl std::fmt::Display for ServiceNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.bits)
    }
}

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

fn wants_node_ports(spec: &Value) -> bool {
    match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)),
        _ => false,
    }
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
        if wants_node_ports(&spec) {
            self.give_node_ports(service, has, &owner, dry_run, claims)
                .await?;
        }
        Ok(())
    }

    async fn give_node_ports(
        &self,
        service: &mut Value,
        has: &[String],
        owner: &(String, String),
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<(), ApiError> {
        let spec = object::fields_of(service, "spec");
        let Some(Value::Array(ports)) = spec.get_mut("ports") else {
            return Ok(());
        };
        let mut own: Vec<i64> = Vec::new();
        for (place, port) in ports.iter_mut().enumerate() {
            let Value::Object(port) = port else { continue };
            let chosen = port.get("nodePort").and_then(Value::as_i64).unwrap_or(0);
            let number = if chosen == 0 {
                self.claim_any_port(owner, dry_run, claims).await?
            } else {
                // One number may serve several protocols of the same Service.
                if !has.contains(&port_key(chosen)) && !own.contains(&chosen) {
                    self.claim_port(place, chosen, owner, dry_run, claims)
                        .await?;
                }
                chosen
            };
            own.push(number);
            port.insert("nodePort".into(), number.into());
        }
        Ok(())
    }

    async fn claim_any_address(
        &self,
        owner: &(String, String),
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<String, ApiError> {
        let network = self.services;
        for _ in 0..CLAIM_TRIES_MAX {
            let address = network
                .any(u32::from_ne_bytes(object::random()))
                .to_string();
            if self
                .claim(
                    &address_key(&address),
                    address_object(&address, owner),
                    dry_run,
                    claims,
                )
                .await?
            {
                return Ok(address);
            }
        }
        Err(ApiError::internal(
            "failed to allocate a serviceIP: range is full",
        ))
    }

    async fn claim_address(
        &self,
        chosen: &str,
        owner: &(String, String),
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<(), ApiError> {
        let network = self.services;
        let refuse = |why: &str| {
            let message =
                format!("Invalid value: [{chosen:?}]: failed to allocate IP {chosen}: {why}");
            let cause = (
                "FieldValueInvalid".to_owned(),
                message,
                "spec.clusterIPs".to_owned(),
            );
            ApiError::invalid(about(&owner.1), &[cause])
        };
        let address: Option<Ipv4Addr> = chosen.parse().ok();
        if !address.is_some_and(|address| network.contains(address)) {
            return Err(refuse(&format!(
                "the provided IP ({chosen}) is not in the valid range. The range of valid IPs is {network}"
            )));
        }
        match self
            .claim(
                &address_key(chosen),
                address_object(chosen, owner),
                dry_run,
                claims,
            )
            .await?
        {
            true => Ok(()),
            false => Err(refuse("provided IP is already allocated")),
        }
    }

    async fn claim_any_port(
        &self,
        owner: &(String, String),
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<i64, ApiError> {
        let count = u32::from(NODE_PORT_MAX - NODE_PORT_MIN) + 1;
        let start = u32::from_ne_bytes(object::random()) % count;
        for step in 0..count {
            let port = i64::from(NODE_PORT_MIN) + i64::from((start + step) % count);
            if self
                .claim(&port_key(port), port_line(owner), dry_run, claims)
                .await?
            {
                return Ok(port);
            }
        }
        Err(ApiError::internal(
            "failed to allocate a nodePort: range is full",
        ))
    }

    async fn claim_port(
        &self,
        place: usize,
        chosen: i64,
        owner: &(String, String),
        dry_run: bool,
        claims: &mut Claims,
    ) -> Result<(), ApiError> {
        let refuse = |why: &str| {
            let message = format!("Invalid value: {chosen}: {why}");
            let field = format!("spec.ports[{place}].nodePort");
            let cause = ("FieldValueInvalid".to_owned(), message, field);
            ApiError::invalid(about(&owner.1), &[cause])
        };
        let range: RangeInclusive<i64> = NODE_PORT_MIN.into()..=NODE_PORT_MAX.into();
        if !range.contains(&chosen) {
            return Err(refuse(&format!(
                "provided port is not in the valid range. The range of valid ports is {NODE_PORT_MIN}-{NODE_PORT_MAX}"
            )));
        }
        match self
            .claim(&port_key(chosen), port_line(owner), dry_run, claims)
            .await?
        {
            true => Ok(()),
            false => Err(refuse("provided port is already allocated")),
        }
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

fn address_object(address: &str, owner: &(String, String)) -> Value {
    let now = time::rfc3339(time::now());
    let (namespace, name) = owner;
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": address,
            "uid": object::new_uid(),
            "creationTimestamp": now,
            "labels": {"ipaddress.kubernetes.io/ip-family": "IPv4", MANAGED_BY: "ipallocator.k8s.io"},
        },
        "spec": {"parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": name}},
    })
}

fn port_line(owner: &(String, String)) -> Value {
    let now = time::rfc3339(time::now());
    json!({"metadata": {"creationTimestamp": now}, "spec": {"parentRef": {"namespace": owner.0, "name": owner.1}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_give_only_their_own_addresses() {
        let network = ServiceNetwork::parse("10.43.0.0/16").unwrap();
        assert_eq!(network.first().to_string(), "10.43.0.1");
        for random in [0, 1, u32::MAX, 65_535, 12_345_678] {
            let address = network.any(random);
            assert!(network.contains(address), "{address}");
            assert!(u32::from(address) - network.base >= 256, "{address}");
        }
        let small = ServiceNetwork::parse("10.0.0.16/28").unwrap();
        for random in 0..100 {
            assert!(small.contains(small.any(random)));
        }
        let rounded = ServiceNetwork::parse("10.43.0.1/24").unwrap();
        assert_eq!(rounded.to_string(), "10.43.0.0/24");
        for text in [
            "",
            "10.43.0.0",
            "fd00::/108",
            "10.43.0.0/30",
            "10.43.0.0/x",
            "1/16",
        ] {
            assert_eq!(ServiceNetwork::parse(text), None, "{text}");
        }
        assert!(!network.contains(Ipv4Addr::new(10, 43, 0, 0)));
        assert!(!network.contains(Ipv4Addr::new(10, 43, 255, 255)));
        assert!(!network.contains(Ipv4Addr::new(10, 42, 0, 1)));
    }

    #[test]
    fn what_a_service_holds_is_read_from_it() {
        let service = json!({"spec": {"clusterIPs": ["10.43.1.1", "None"], "ports": [
            {"nodePort": 30001}, {"nodePort": 30001}, {"nodePort": 0}, {}, 5,
        ]}});
        assert_eq!(
            held(&service),
            [
                "/registry/ipaddresses/10.43.1.1",
                "/registry/skerry/nodeports/30001"
            ]
        );
        assert!(held(&json!({"spec": 1})).is_empty() && held(&json!({})).is_empty());
    }
}
