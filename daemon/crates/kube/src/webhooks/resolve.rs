//! At which address a Service answers.
//!
//! The one place where webhooks ask for it. Knows nothing about connections. Invariant: nothing is
//! kept: what is answered is what the store says now.

use serde_json::Value;

use crate::decode;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;
use crate::registry;

/// What a Service is reached by: a host and a port.
pub(super) type Address = (String, u16);

impl Engine {
    /// The addresses at which a port of a Service is reached, the best first.
    ///
    /// # Errors
    /// Why there is none, in the words of upstream's resolver.
    pub(super) fn addresses_of_service(
        &self,
        namespace: &str,
        name: &str,
        port: u16,
    ) -> Result<Vec<Address>, String> {
        let refused = |error: ApiError| error.message;
        let service = self.one("", "services", namespace, name).map_err(refused)?;
        let Some(service) = service else {
            return Err(format!("service {name:?} not found"));
        };
        let spec = &service["spec"];
        let text = |field: &str| spec[field].as_str().unwrap_or_default();
        if text("type") == "ExternalName" {
            return Ok(vec![(text("externalName").to_owned(), port)]);
        }
        let ports = spec["ports"].as_array().into_iter().flatten();
        let mut ports = ports.filter(|one| one["port"].as_u64() == Some(port.into()));
        let Some(found) = ports.next() else {
            return Err(format!("no service port {port} found for service {name:?}"));
        };
        let port_name = found["name"].as_str().unwrap_or_default();
        let mut addresses = self
            .ready_endpoints(namespace, name, port_name)
            .map_err(refused)?;
        let cluster_ip = text("clusterIP");
        if !matches!(cluster_ip, "" | "None") {
            // Where nothing is known to serve, whoever routes Services may know better.
            addresses.push((cluster_ip.to_owned(), port));
        }
        match addresses.is_empty() {
            true => Err(format!("no endpoints available for service {name:?}")),
            false => Ok(addresses),
        }
    }

    /// Where the pods behind a Service listen that are ready.
    fn ready_endpoints(
        &self,
        namespace: &str,
        service: &str,
        port_name: &str,
    ) -> Result<Vec<Address>, ApiError> {
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
                let slice = decode::stored(&stored.value)?;
                let label = &slice["metadata"]["labels"]["kubernetes.io/service-name"];
                if label == service {
                    endpoints_of(&slice, port_name, &mut found);
                }
            }
        }
    }

    fn one(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ApiError> {
        registry::check_segment(name)?;
        registry::check_segment(namespace)?;
        let resource = self.registry.find(group, "v1", plural);
        let resource = resource.ok_or_else(ApiError::no_such_path)?;
        let found = self.read(resource, namespace, name)?;
        Ok(found.map(|found| found.object))
    }
}

/// Addresses that are tried of one Service: the first that takes a connection is asked.
const ADDRESSES_MAX: usize = 3;

fn endpoints_of(slice: &Value, port_name: &str, found: &mut Vec<Address>) {
    let ports = slice["ports"].as_array().into_iter().flatten();
    let mut ports = ports.filter(|one| one["name"].as_str().unwrap_or_default() == port_name);
    let port = ports.next().and_then(|one| one["port"].as_u64());
    let Some(port) = port.and_then(|port| u16::try_from(port).ok()) else {
        return;
    };
    for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
        let is_ready = endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
        let address = endpoint["addresses"][0].as_str();
        if let Some(address) = address.filter(|_| is_ready) {
            if found.len() >= ADDRESSES_MAX {
                // Another one is as good: load is spread over all of them.
                let place = usize::from(object::random::<1>()[0]) % (ADDRESSES_MAX + 1);
                if let Some(place) = found.get_mut(place) {
                    *place = (address.to_owned(), port);
                }
                continue;
            }
            found.push((address.to_owned(), port));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_ready_and_has_the_port_is_asked() {
        let slice = json!({
            "ports": [{"name": "web", "port": 8443}, {"name": "x", "port": 1}],
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": false}},
                {"addresses": ["10.0.0.2"]},
                {"addresses": []},
            ],
        });
        let mut found = Vec::new();
        endpoints_of(&slice, "web", &mut found);
        endpoints_of(&slice, "none", &mut found);
        endpoints_of(&json!({"ports": 5, "endpoints": {}}), "web", &mut found);
        assert_eq!(found, [("10.0.0.2".to_owned(), 8443)]);
        for _ in 0..100 {
            endpoints_of(&slice, "web", &mut found);
        }
        assert_eq!(found.len(), ADDRESSES_MAX);
    }
}
