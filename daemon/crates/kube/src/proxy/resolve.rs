//! From a Service and one of its ports to an address that answers for it.
//!
//! Nothing routes a Service's own address here (there need be no kube-proxy), so that one of the
//! endpoints behind it is chosen: upstream's way with `--enable-aggregator-routing`. Knows nothing
//! about what is said there. Invariant: an endpoint that is not ready is never chosen.

use std::sync::Arc;

use serde_json::Value;

use crate::decode;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::{object, registry};

const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// An address, or a name for the resolver.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Destination {
    pub(crate) fn new(host: impl Into<String>, port: u16) -> Destination {
        let host = host.into();
        Destination { host, port }
    }
}

/// `host:port`, with brackets where they are needed.
impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Engine {
    /// One of the addresses behind a port of a Service, by the port's number.
    ///
    /// # Errors
    /// As upstream's: the Service is not there, has no such port, or nothing ready is behind it.
    pub(crate) fn resolve_service(
        &self,
        namespace: &str,
        name: &str,
        port: u16,
    ) -> Result<Destination, ApiError> {
        let service = self.service(namespace, name)?;
        match text(&service, "/spec/type") {
            "" | "ClusterIP" | "LoadBalancer" | "NodePort" => {}
            "ExternalName" => {
                return Ok(Destination::new(text(&service, "/spec/externalName"), port));
            }
            other => {
                let message = format!("unsupported service type {other:?}");
                return Err(ApiError::new(500, "", message));
            }
        }
        let port_name = port_name(&service, port)
            .ok_or_else(|| none(format!("no service port {port} found for service {name:?}")))?;
        self.endpoint_of(&service, port_name, |_| true)
    }

    /// One of the addresses behind a named port of a Service that `allowed` lets through.
    pub(crate) fn endpoint_of(
        &self,
        service: &Value,
        port_name: &str,
        allowed: impl Fn(&str) -> bool,
    ) -> Result<Destination, ApiError> {
        let name = object::name(service);
        let slices = self.slices_behind(object::namespace(service), name)?;
        let preferred = text(service, "/spec/ipFamilies/0");
        let turn = u32::from_ne_bytes(object::random()) as usize;
        choose(&slices, port_name, preferred, turn, allowed)
            .ok_or_else(|| none(format!("no endpoints available for service {name:?}")))
    }

    /// A Service as it is stored here.
    pub(crate) fn service(&self, namespace: &str, name: &str) -> Result<Value, ApiError> {
        let services = self.registry.find("", "v1", "services");
        let services = Arc::clone(services.ok_or_else(ApiError::no_such_path)?);
        Ok(self.must_read(&services, namespace, name)?.object)
    }

    /// The EndpointSlices of a Service.
    pub(crate) fn slices_behind(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<Value>, ApiError> {
        let slices = self
            .registry
            .find("discovery.k8s.io", "v1", "endpointslices");
        let slices = slices.ok_or_else(ApiError::no_such_path)?;
        let mut listing = self.storage.list(registry::keys(slices, namespace), 0)?;
        let mut found = Vec::new();
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return Ok(found);
            }
            for stored in chunk {
                // Most are others': a look at the bytes is cheaper than all the values.
                if memchr::memmem::find(&stored.value, name.as_bytes()).is_none() {
                    continue;
                }
                let slice = decode::stored(&stored.value)?;
                let labels = object::metadata(&slice).get("labels");
                let of = labels.and_then(|labels| labels.get(SERVICE_NAME)?.as_str());
                if of == Some(name) {
                    found.push(slice);
                }
            }
        }
    }
}

/// The name of a Service's port; empty where it has none.
pub(crate) fn port_name(service: &Value, number: u16) -> Option<&str> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array)?;
    let has = |port: &&Value| port.get("port").and_then(Value::as_u64) == Some(number.into());
    ports.iter().find(has).map(|port| text(port, "/name"))
}

/// One of the endpoints: of the preferred family if there is one, of any slice and any place in it
/// by `turn`.
fn choose(
    slices: &[Value],
    port_name: &str,
    preferred: &str,
    turn: usize,
    allowed: impl Fn(&str) -> bool,
) -> Option<Destination> {
    let (first, rest): (Vec<_>, Vec<_>) = slices
        .iter()
        .partition(|slice| text(slice, "/addressType") == preferred);
    [first, rest].into_iter().find_map(|slices| {
        rotated(&slices, turn).find_map(|slice| {
            let port = port_of(slice, port_name)?;
            let endpoints = slice.get("endpoints").and_then(Value::as_array)?;
            let mut ready = rotated(endpoints, turn / slices.len()).filter(|one| is_ready(one));
            let host = ready.find_map(|one| {
                let host = one.pointer("/addresses/0").and_then(Value::as_str)?;
                allowed(host).then_some(host)
            })?;
            Some(Destination::new(host, port))
        })
    })
}

fn rotated<T>(all: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let start = turn.checked_rem(all.len()).unwrap_or(0);
    all[start..].iter().chain(&all[..start])
}

/// The port of that name in a slice.
pub(crate) fn port_of(slice: &Value, port_name: &str) -> Option<u16> {
    let ports = slice.get("ports").and_then(Value::as_array)?;
    ports.iter().find_map(|port| {
        let is = text(port, "/name") == port_name;
        let number = port.get("port").and_then(Value::as_u64)?;
        u16::try_from(number).ok().filter(|_| is)
    })
}

/// What does not say is ready.
pub(crate) fn is_ready(endpoint: &Value) -> bool {
    endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false))
}

fn none(message: String) -> ApiError {
    ApiError::new(503, "ServiceUnavailable", message)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slice(family: &str, hosts: &[&str]) -> Value {
        let endpoints = hosts.iter().map(|host| json!({"addresses": [host]}));
        json!({
            "addressType": family,
            "ports": [{"name": "x", "port": 1}, {"name": "web", "port": 8443}],
            "endpoints": endpoints.collect::<Value>(),
        })
    }

    #[test]
    fn every_endpoint_of_the_preferred_family_gets_its_turn() {
        let slices = [
            slice("IPv6", &["fd00::1"]),
            slice("IPv4", &["10.0.0.1", "10.0.0.2"]),
            slice("IPv4", &["10.0.0.3"]),
        ];
        let mut seen: Vec<String> = (0..8)
            .filter_map(|turn| choose(&slices, "web", "IPv4", turn, |_| true))
            .map(|found| found.to_string())
            .collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen, ["10.0.0.1:8443", "10.0.0.2:8443", "10.0.0.3:8443"]);
        let six = choose(&slices, "web", "IPv6", 0, |_| true).unwrap();
        assert_eq!(six.to_string(), "[fd00::1]:8443");
        let other = choose(&slices[..1], "web", "IPv4", 0, |_| true).unwrap();
        assert_eq!(other.host, "fd00::1");
    }

    #[test]
    fn nobody_is_sent_to_what_is_not_ready_or_has_no_such_port() {
        let mut slices = [slice("IPv4", &["10.0.0.1", "10.0.0.2"])];
        slices[0]["endpoints"][0]["conditions"] = json!({"ready": false});
        for turn in 0..4 {
            let found = choose(&slices, "web", "IPv4", turn, |_| true).unwrap();
            assert_eq!(found.host, "10.0.0.2");
        }
        assert_eq!(choose(&slices, "none", "IPv4", 0, |_| true), None);
        assert_eq!(
            choose(&slices, "web", "IPv4", 0, |host| host != "10.0.0.2"),
            None
        );
        assert_eq!(choose(&[], "web", "IPv4", 3, |_| true), None);
    }
}
