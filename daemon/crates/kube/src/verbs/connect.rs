//! log, exec, attach, port-forward and the proxies: passed on to kubelets, pods and endpoints.
//!
//! Errors and their order are upstream's. Knows nothing about how bytes get there. Invariant: no
//! credential of a client goes along; kubelets see this server's own certificate.

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::Value;

use crate::answer::Body;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::PROXY_ERROR_BYTES_MAX as ERROR_BYTES_MAX;
use crate::proxy::resolve::Destination;
use crate::proxy::{Inbound, ProxyError, Tls, Upstream, path_escaped, query_escaped};
use crate::registry;

/// Where a kubelet listens that does not say.
const KUBELET_PORT: u16 = 10250;

/// The addresses of a node that are tried, the best first: K3s's order.
const ADDRESS_TYPES: [&str; 3] = ["InternalIP", "ExternalIP", "Hostname"];

/// What goes on to a kubelet of what is asked of a log.
const LOG_PARAMETERS: [&str; 8] = [
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
    "stream",
];

/// Whether a call is one of these.
pub(crate) fn is_connect(call: &Call) -> bool {
    matches!(
        call.info.subresource.as_str(),
        "log" | "exec" | "attach" | "portforward" | "proxy"
    )
}

impl Engine {
    /// See the module.
    pub(crate) async fn connect(
        &self,
        call: &Call,
        asked: Inbound,
    ) -> Result<Response<Body>, ApiError> {
        self.admit_connection(call).await?;
        match (call.resource.kind.as_str(), call.info.subresource.as_str()) {
            ("Pod", "log") => self.log(call, asked).await,
            ("Pod", "proxy") => self.proxy_to_pod(call, asked).await,
            ("Pod", subresource) => self.stream(call, subresource, asked).await,
            ("Service", _) => self.proxy_to_service(call, asked).await,
            _ => self.proxy_to_node(call, asked).await,
        }
    }

    fn pod(&self, call: &Call, name: &str) -> Result<Value, ApiError> {
        let kept = self.must_read(&call.resource, &call.info.namespace, name)?;
        Ok(kept.object)
    }

    async fn log(&self, call: &Call, mut asked: Inbound) -> Result<Response<Body>, ApiError> {
        let (name, namespace) = (&call.info.name, &call.info.namespace);
        let pod = self.pod(call, name)?;
        let container = container_of(&pod, name, call.query.get("container"))?;
        let node = text(&pod, "/spec/nodeName");
        if node.is_empty() {
            // Nothing has run yet, so that there is nothing to read.
            let mut nothing = Response::new(Body::Empty);
            *nothing.status_mut() = StatusCode::NO_CONTENT;
            return Ok(nothing);
        }
        let upstream = self.kubelet(node, call.query.switch("insecureSkipTLSVerifyBackend"))?;
        let wanted = LOG_PARAMETERS.iter().map(|key| (*key, call.query.get(key)));
        let wanted = wanted.filter(|(_, value)| !matches!(*value, "" | "false"));
        let target = target(
            &format!("/containerLogs/{namespace}/{name}/{container}"),
            wanted,
        );
        let url = format!("https://{}{target}", upstream.destination);
        asked.headers.remove(header::ACCEPT);
        asked.headers.remove(header::ACCEPT_ENCODING);
        let passing = asked.to(upstream, target, "");
        let response = passing.run().await;
        let response = response.map_err(|error| failed(format!("Get \"{url}\": {error}")))?;
        let mut response = checked(response, name).await?;
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain");
        headers.entry(header::CONTENT_TYPE).or_insert(text);
        Ok(response)
    }

    /// exec, attach and port-forward.
    async fn stream(
        &self,
        call: &Call,
        subresource: &str,
        asked: Inbound,
    ) -> Result<Response<Body>, ApiError> {
        let (name, namespace) = (&call.info.name, &call.info.namespace);
        let pod = self.pod(call, name)?;
        let container = match subresource {
            "portforward" => String::new(),
            _ => container_of(&pod, name, call.query.get("container"))?,
        };
        let node = text(&pod, "/spec/nodeName");
        if node.is_empty() {
            let message = format!("pod {name} does not have a host assigned");
            return Err(ApiError::bad_request(message));
        }
        let upstream = self.kubelet(node, false)?;
        let all = |key| call.query.all(key);
        let mut wanted: Vec<(&str, &str)> = Vec::new();
        let path = match subresource {
            "portforward" => {
                wanted.extend(all("ports").map(|port| ("port", port)));
                format!("/portForward/{namespace}/{name}")
            }
            _ => {
                let streams = [
                    ("stdin", "input"),
                    ("stdout", "output"),
                    ("stderr", "error"),
                    ("tty", "tty"),
                ];
                let on = streams.iter().filter(|(key, _)| call.query.switch(key));
                wanted.extend(on.map(|(_, name)| (*name, "1")));
                wanted.extend(all("command").map(|word| ("command", word)));
                format!("/{subresource}/{namespace}/{name}/{container}")
            }
        };
        if !asked.is_upgrade() {
            return Err(ApiError::bad_request("Upgrade request required"));
        }
        let target = target(&path, wanted.into_iter());
        let passed = asked.to(upstream, target, "").run().await;
        passed.map_err(|error| upgrade_failed(&error))
    }

    async fn proxy_to_node(&self, call: &Call, asked: Inbound) -> Result<Response<Body>, ApiError> {
        let wanted = Target::parse(&call.info.name, "node")?;
        let mut upstream = self.kubelet(wanted.name, false)?;
        let port = upstream.destination.port;
        if !wanted.port.is_empty() && wanted.port != port.to_string() {
            if !is_proxyable(&upstream.destination.host) {
                return Err(ApiError::bad_request("address not allowed"));
            }
            upstream.destination.port = number(wanted.port)?;
            upstream.tls = self.tls_of(wanted.scheme, &upstream.destination.host)?;
        }
        reach(call, upstream, asked).await
    }

    async fn proxy_to_pod(&self, call: &Call, asked: Inbound) -> Result<Response<Body>, ApiError> {
        let wanted = Target::parse(&call.info.name, "pod")?;
        let pod = self.pod(call, wanted.name)?;
        let first = pod.pointer("/spec/containers").and_then(Value::as_array);
        let first = first.into_iter().flatten();
        let first = first.filter_map(|one| one.pointer("/ports/0/containerPort")?.as_u64());
        let port = match wanted.port {
            "" => first.map(|port| u16::try_from(port).ok()).next().flatten(),
            port => Some(number(port)?),
        };
        let host = text(&pod, "/status/podIP");
        // Upstream's own guard against reaching the server itself, or nobody.
        if !is_proxyable(host) {
            return Err(ApiError::bad_request("address not allowed"));
        }
        let default = if wanted.scheme == "https" { 443 } else { 80 };
        let upstream = Upstream {
            destination: Destination::new(host, port.unwrap_or(default)),
            tls: self.tls_of(wanted.scheme, host)?,
            pool: None,
        };
        reach(call, upstream, asked).await
    }

    async fn proxy_to_service(
        &self,
        call: &Call,
        asked: Inbound,
    ) -> Result<Response<Body>, ApiError> {
        let wanted = Target::parse(&call.info.name, "service")?;
        let name = wanted.name;
        let service = self.service(&call.info.namespace, name)?;
        let mut port_name = wanted.port;
        if let Ok(number) = wanted.port.parse::<u64>() {
            let ports = service.pointer("/spec/ports").and_then(Value::as_array);
            let mut ports = ports.into_iter().flatten();
            let found = ports.find(|port| port.get("port").and_then(Value::as_u64) == Some(number));
            let found = found.ok_or_else(|| {
                unavailable(format!(
                    "no service port {number} found for service {name:?}"
                ))
            })?;
            port_name = text(found, "/name");
        }
        let destination = self.endpoint_of(&service, port_name, is_proxyable)?;
        let upstream = Upstream {
            tls: self.tls_of(wanted.scheme, &destination.host)?,
            destination,
            pool: None,
        };
        reach(call, upstream, asked).await
    }

    /// Upstream's proxies to pods and Services take whatever certificate is shown.
    fn tls_of(&self, scheme: &str, host: &str) -> Result<Option<Tls>, ApiError> {
        if scheme != "https" {
            return Ok(None);
        }
        let outgoing = self.outgoing.as_ref();
        let outgoing = outgoing.ok_or_else(|| ApiError::not_served("a proxy over TLS"))?;
        let config = outgoing.to_anyone(false);
        Ok(Some(Tls {
            config: config.map_err(ApiError::internal)?,
            name: host.to_owned(),
        }))
    }

    /// Where the kubelet of a node listens.
    fn kubelet(&self, name: &str, insecure: bool) -> Result<Upstream, ApiError> {
        let destination = self.kubelet_address(name)?;
        let outgoing = self.outgoing.as_ref();
        let outgoing = outgoing.ok_or_else(|| ApiError::not_served("what kubelets are asked"))?;
        let config = match insecure {
            true => outgoing.to_anyone(false),
            false => outgoing.to_kubelet(),
        };
        let tls = Tls {
            config: config.map_err(ApiError::internal)?,
            name: destination.host.clone(),
        };
        Ok(Upstream {
            destination,
            tls: Some(tls),
            pool: None,
        })
    }

    fn kubelet_address(&self, name: &str) -> Result<Destination, ApiError> {
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
        Ok(Destination::new(host, port.unwrap_or(KUBELET_PORT)))
    }
}

/// Asks what is behind a proxy.
async fn reach(
    call: &Call,
    upstream: Upstream,
    asked: Inbound,
) -> Result<Response<Body>, ApiError> {
    let (prefix, rest) = asked.split(call.info.rest.len());
    let (prefix, rest) = (prefix.to_owned(), rest.to_owned());
    let upgrades = asked.is_upgrade();
    let query = match asked.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    // Relative links of what is there would otherwise lead beside it.
    if rest.is_empty() && !upgrades && matches!(asked.method, Method::GET | Method::HEAD) {
        let place = HeaderValue::try_from(format!("{}/{query}", asked.path));
        let mut moved = Response::new(Body::Empty);
        *moved.status_mut() = StatusCode::MOVED_PERMANENTLY;
        if let Ok(place) = place {
            moved.headers_mut().insert(header::LOCATION, place);
        }
        return Ok(moved);
    }
    let path = if rest.is_empty() { "/" } else { &rest };
    let passed = asked.to(upstream, format!("{path}{query}"), &prefix).run();
    passed.await.map_err(|error| match upgrades {
        true => upgrade_failed(&error),
        false => unavailable(format!("error trying to reach service: {error}")),
    })
}

fn upgrade_failed(error: &ProxyError) -> ApiError {
    match error {
        ProxyError::Dial(why) | ProxyError::Tls(why) => {
            failed(format!("error dialing backend: {why}"))
        }
        ProxyError::TooMany => ApiError::too_many_requests(),
        other => failed(other.to_string()),
    }
}

/// A kubelet's answer; what it says of an error becomes this server's.
async fn checked(response: Response<Body>, name: &str) -> Result<Response<Body>, ApiError> {
    let code = response.status().as_u16();
    if (200..=206).contains(&code) {
        return Ok(response);
    }
    let said = first_of(response.into_body()).await;
    let said = said.trim_end();
    Err(match code {
        500 => ApiError::internal(said),
        400 => ApiError::bad_request(said),
        404 => {
            let message =
                format!("the server could not find the requested resource ( pods/log {name})");
            ApiError::new(404, "NotFound", message)
        }
        code => {
            let message = format!(
                "the server responded with the status code {code} but did not return more information: {said}"
            );
            ApiError::new(code, "", message)
        }
    })
}

/// The first words of a body, as upstream reads of an error.
async fn first_of(mut body: Body) -> String {
    use http_body_util::BodyExt as _;
    let mut bytes = Vec::new();
    while bytes.len() < ERROR_BYTES_MAX
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
    }
    bytes.truncate(ERROR_BYTES_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A path and a query as a request carries them.
fn target<'a>(path: &str, query: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut target = path_escaped(path);
    let mut between = '?';
    for (key, value) in query {
        target.push(between);
        target.push_str(key);
        target.push('=');
        target.push_str(&query_escaped(value));
        between = '&';
    }
    target
}

fn number(port: &str) -> Result<u16, ApiError> {
    port.parse().map_err(|_| {
        unavailable(format!(
            "error trying to reach service: dial tcp: lookup tcp/{port}: unknown port"
        ))
    })
}

/// `[scheme:]name[:port]`
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    scheme: &'a str,
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
        Ok(Target { scheme, name, port })
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
}
