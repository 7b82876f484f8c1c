//! log, exec, attach, port-forward and the proxies: up to the point where a node, a pod or a
//! Service would have to be talked to, which this server does not do.
//!
//! Errors and their order are upstream's, up to what comes of a connection. Invariant: nothing is
//! sent to anybody: a connection is made to see whether one could be, and closed.

use std::sync::Arc;

use serde_json::Value;

use crate::answer::Answer;
use crate::call::Call;
use crate::dial::dial;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::registry;

/// Where a kubelet listens that does not say.
const KUBELET_PORT: u16 = 10250;

/// The addresses of a node that are tried, the best first: K3s's order.
const ADDRESS_TYPES: [&str; 3] = ["InternalIP", "ExternalIP", "Hostname"];

impl Engine {
    /// See the module.
    pub(crate) async fn connect(&self, call: &Call) -> Result<Answer, ApiError> {
        self.admit_connection(call).await?;
        match (call.resource.kind.as_str(), call.info.subresource.as_str()) {
            ("Pod", "log") => self.log(call).await,
            ("Pod", "proxy") => self.proxy_to_pod(call).await,
            ("Pod", subresource) => self.stream(call, subresource).await,
            ("Service", _) => self.proxy_to_service(call).await,
            _ => self.proxy_to_node(call).await,
        }
    }

    fn pod(&self, call: &Call, name: &str) -> Result<Value, ApiError> {
        let kept = self.must_read(&call.resource, &call.info.namespace, name)?;
        Ok(kept.object)
    }

    async fn log(&self, call: &Call) -> Result<Answer, ApiError> {
        let (name, namespace) = (&call.info.name, &call.info.namespace);
        let pod = self.pod(call, name)?;
        let container = container_of(&pod, name, call.query.get("container"))?;
        let node = text(&pod, "/spec/nodeName");
        if node.is_empty() {
            // Nothing has run yet, so that there is nothing to read.
            return Ok(Answer::Nothing);
        }
        let (host, port) = self.kubelet(node)?;
        match dial(&host, port).await {
            Ok(()) => Err(ApiError::not_served("reading logs from a node")),
            Err(why) => Err(failed(format!(
                "Get \"https://{}/containerLogs/{namespace}/{name}/{container}\": {why}",
                joined(&host, port)
            ))),
        }
    }

    /// exec, attach and port-forward.
    async fn stream(&self, call: &Call, subresource: &str) -> Result<Answer, ApiError> {
        let name = &call.info.name;
        let pod = self.pod(call, name)?;
        if subresource != "portforward" {
            container_of(&pod, name, call.query.get("container"))?;
        }
        let node = text(&pod, "/spec/nodeName");
        if node.is_empty() {
            let message = format!("pod {name} does not have a host assigned");
            return Err(ApiError::bad_request(message));
        }
        let (host, port) = self.kubelet(node)?;
        match dial(&host, port).await {
            Ok(()) => Err(ApiError::not_served(&format!("{subresource} in a pod"))),
            Err(why) => Err(failed(format!("error dialing backend: {why}"))),
        }
    }

    async fn proxy_to_node(&self, call: &Call) -> Result<Answer, ApiError> {
        let asked = Target::parse(&call.info.name, "node")?;
        let (host, port) = self.kubelet(asked.name)?;
        let port = asked.port.parse().unwrap_or(port);
        reach(&host, port, "the proxy to nodes").await
    }

    async fn proxy_to_pod(&self, call: &Call) -> Result<Answer, ApiError> {
        let asked = Target::parse(&call.info.name, "pod")?;
        let pod = self.pod(call, asked.name)?;
        let first = pod.pointer("/spec/containers").and_then(Value::as_array);
        let first = first.into_iter().flatten();
        let first = first.filter_map(|one| one.pointer("/ports/0/containerPort")?.as_u64());
        let port = match asked.port {
            "" => first.map(|port| u16::try_from(port).ok()).next().flatten(),
            port => port.parse().ok(),
        };
        let host = text(&pod, "/status/podIP");
        // Upstream's own guard against reaching the server itself, or nobody.
        if !is_proxyable(host) {
            return Err(ApiError::bad_request("address not allowed"));
        }
        reach(host, port.unwrap_or(80), "the proxy to pods").await
    }

    async fn proxy_to_service(&self, call: &Call) -> Result<Answer, ApiError> {
        let asked = Target::parse(&call.info.name, "service")?;
        let (namespace, name) = (&call.info.namespace, asked.name);
        let mut port_name = asked.port.to_owned();
        if let Ok(number) = asked.port.parse::<u64>() {
            let service = self.must_read(&call.resource, namespace, name)?.object;
            let ports = service.pointer("/spec/ports").and_then(Value::as_array);
            let mut ports = ports.into_iter().flatten();
            let found = ports.find(|port| port.get("port").and_then(Value::as_u64) == Some(number));
            let found = found.ok_or_else(|| {
                unavailable(format!(
                    "no service port {number} found for service {name:?}"
                ))
            })?;
            text(found, "/name").clone_into(&mut port_name);
        }
        let endpoints = self.registry.find("", "v1", "endpoints");
        let endpoints = Arc::clone(endpoints.ok_or_else(ApiError::no_such_path)?);
        let endpoints = self.must_read(&endpoints, namespace, name)?.object;
        let (host, port) = endpoint(&endpoints, &port_name)
            .ok_or_else(|| unavailable(format!("no endpoints available for service {name:?}")))?;
        reach(host, port, "the proxy to Services").await
    }

    /// Where the kubelet of a node listens.
    fn kubelet(&self, name: &str) -> Result<(String, u16), ApiError> {
        let nodes = self.registry.find("", "v1", "nodes");
        let nodes = Arc::clone(nodes.ok_or_else(ApiError::no_such_path)?);
        registry::check_segment(name)?;
        let node = self.must_read(&nodes, "", name)?.object;
        let port = node.pointer("/status/daemonEndpoints/kubeletEndpoint/Port");
        let port = port.and_then(Value::as_u64).filter(|port| *port > 0);
        let port = port.and_then(|port| u16::try_from(port).ok());
        let addresses = node.pointer("/status/addresses").and_then(Value::as_array);
        let addresses = addresses.map(Vec::as_slice).unwrap_or_default();
        let of_type = |wanted: &&str| {
            let mut found = addresses.iter();
            found.find(|address| text(address, "/type") == *wanted)
        };
        let best = ADDRESS_TYPES.iter().find_map(of_type);
        let host = best.map(|address| text(address, "/address").to_owned());
        let host = host.filter(|host| !host.is_empty()).ok_or_else(|| {
            let known: Vec<String> = addresses
                .iter()
                .map(|one| format!("{{{} {}}}", text(one, "/type"), text(one, "/address")))
                .collect();
            failed(format!(
                "no preferred addresses found; known addresses: [{}]",
                known.join(" ")
            ))
        })?;
        Ok((host, port.unwrap_or(KUBELET_PORT)))
    }
}

async fn reach(host: &str, port: u16, what: &str) -> Result<Answer, ApiError> {
    match dial(host, port).await {
        Ok(()) => Err(ApiError::not_served(what)),
        Err(why) => Err(unavailable(format!("error trying to reach service: {why}"))),
    }
}

/// `[scheme:]name[:port]`
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    name: &'a str,
    port: &'a str,
}

impl Target<'_> {
    fn parse<'a>(text: &'a str, kind: &str) -> Result<Target<'a>, ApiError> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme, name, port] => (*scheme, *name, *port),
            _ => ("", "", ""),
        };
        if name.is_empty() || !matches!(scheme, "" | "http" | "https") {
            let message = format!("invalid {kind} request {text:?}");
            return Err(ApiError::bad_request(message));
        }
        Ok(Target { name, port })
    }
}

/// The container that is meant, which must be one of the pod's.
fn container_of(pod: &Value, name: &str, asked: &str) -> Result<String, ApiError> {
    let names = |field: &str| -> Vec<String> {
        let all = pod.pointer(field).and_then(Value::as_array);
        let all = all.into_iter().flatten();
        all.map(|one| text(one, "/name").to_owned()).collect()
    };
    let containers = names("/spec/containers");
    let all = [
        names("/spec/initContainers"),
        containers.clone(),
        names("/spec/ephemeralContainers"),
    ]
    .concat();
    let message = match (asked, containers.as_slice()) {
        ("", [one]) => return Ok(one.clone()),
        ("", []) => format!("a container name must be specified for pod {name}"),
        ("", _) => format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            all.join(" ")
        ),
        (asked, _) if all.iter().any(|one| one == asked) => return Ok(asked.to_owned()),
        (asked, _) => format!("container {asked} is not valid for pod {name}"),
    };
    Err(ApiError::bad_request(message))
}

/// An address behind a port of Endpoints.
fn endpoint<'a>(endpoints: &'a Value, port_name: &str) -> Option<(&'a str, u16)> {
    let subsets = endpoints.get("subsets").and_then(Value::as_array)?;
    subsets.iter().find_map(|subset| {
        let ports = subset.get("ports").and_then(Value::as_array)?;
        let port = ports.iter().find(|port| text(port, "/name") == port_name)?;
        let port = u16::try_from(port.get("port")?.as_u64()?).ok()?;
        let addresses = subset.get("addresses").and_then(Value::as_array)?;
        let mut hosts = addresses.iter().map(|address| text(address, "/ip"));
        let host = hosts.find(|host| is_proxyable(host))?;
        Some((host, port))
    })
}

/// Whether an address is one that a proxy may be sent to: upstream's rule.
fn is_proxyable(host: &str) -> bool {
    match host.parse() {
        Ok(std::net::IpAddr::V4(ip)) => {
            !(ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast())
        }
        Ok(std::net::IpAddr::V6(ip)) => {
            let link_local = ip.segments()[0] & 0xffc0 == 0xfe80;
            !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || link_local)
        }
        Err(_) => false,
    }
}

fn joined(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// What upstream says of an error that is none of the API's.
fn failed(message: String) -> ApiError {
    ApiError::new(500, "", message)
}

fn unavailable(message: String) -> ApiError {
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

    #[test]
    fn a_target_may_name_its_port_and_its_scheme() {
        let parsed = |text| Target::parse(text, "pod").map(|target| (target.name, target.port));
        assert_eq!(parsed("a").unwrap(), ("a", ""));
        assert_eq!(parsed("a:80").unwrap(), ("a", "80"));
        assert_eq!(parsed("https:a:web").unwrap(), ("a", "web"));
        assert_eq!(parsed("https:a:").unwrap(), ("a", ""));
        for bad in ["", ":80", "ftp:a:80", "a:b:c:d"] {
            let error = parsed(bad).unwrap_err();
            assert_eq!(error.message, format!("invalid pod request {bad:?}"));
        }
    }

    #[test]
    fn a_container_is_named_or_the_only_one() {
        let one = json!({"spec": {"containers": [{"name": "a"}]}});
        let two = json!({"spec": {
            "initContainers": [{"name": "i"}],
            "containers": [{"name": "a"}, {"name": "b"}],
        }});
        assert_eq!(container_of(&one, "p", "").unwrap(), "a");
        assert_eq!(container_of(&two, "p", "i").unwrap(), "i");
        for (pod, asked, message) in [
            (
                &two,
                "",
                "a container name must be specified for pod p, choose one of: [i a b]",
            ),
            (&one, "x", "container x is not valid for pod p"),
            (
                &json!({}),
                "",
                "a container name must be specified for pod p",
            ),
        ] {
            let error = container_of(pod, "p", asked).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (400, message));
        }
    }

    #[test]
    fn nobody_is_sent_to_the_server_itself() {
        for (host, may) in [
            ("10.0.0.1", true),
            ("2001:db8::1", true),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("::1", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
            ("", false),
            ("localhost", false),
        ] {
            assert_eq!(is_proxyable(host), may, "{host}");
        }
    }

    #[test]
    fn an_endpoint_has_the_port_of_that_name() {
        let endpoints = json!({"subsets": [
            {"ports": [{"name": "x", "port": 1}], "addresses": [{"ip": "10.0.0.1"}]},
            {"ports": [{"name": "web", "port": 80}], "addresses": [{"ip": "127.0.0.1"}, {"ip": "10.0.0.2"}]},
        ]});
        assert_eq!(endpoint(&endpoints, "web"), Some(("10.0.0.2", 80)));
        assert_eq!(endpoint(&endpoints, ""), None);
        assert_eq!(endpoint(&json!({}), ""), None);
    }
}
