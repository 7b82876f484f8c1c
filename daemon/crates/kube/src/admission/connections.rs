//! What admission is shown of a connection to a pod, a Service or a node: its options.
//!
//! Invariant: reading logs is none.

use serde_json::{Map, Value, json};

use super::Asked;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::webhooks::Kind;

impl Engine {
    /// Asks whoever has a say in connections.
    pub(crate) async fn admit_connection(&self, call: &Call) -> Result<(), ApiError> {
        let Some(mut options) = options(call) else {
            return Ok(());
        };
        let kind = options["kind"].as_str().unwrap_or_default().to_owned();
        let asked = Asked {
            kind: Some(Kind {
                group: "",
                version: "v1",
                kind: &kind,
            }),
            ..Asked::connect(call)
        };
        self.pass(&asked, Some(&mut options)).await
    }
}

/// `PodExecOptions` and the like, from the query.
fn options(call: &Call) -> Option<Value> {
    let subresource = call.info.subresource.as_str();
    let kind = match (call.resource.kind.as_str(), subresource) {
        ("Pod", "exec") => "PodExecOptions",
        ("Pod", "attach") => "PodAttachOptions",
        ("Pod", "portforward") => "PodPortForwardOptions",
        ("Pod", "proxy") => "PodProxyOptions",
        ("Service", "proxy") => "ServiceProxyOptions",
        ("Node", "proxy") => "NodeProxyOptions",
        _ => return None,
    };
    let query = &call.query;
    let mut told = Map::new();
    told.insert("kind".into(), kind.into());
    told.insert("apiVersion".into(), "v1".into());
    match subresource {
        "portforward" => {
            let ports = query.all("ports").flat_map(|list| list.split(','));
            let ports: Vec<i64> = ports.filter_map(|port| port.parse().ok()).collect();
            if !ports.is_empty() {
                told.insert("ports".into(), json!(ports));
            }
        }
        "proxy" => {
            // The path as upstream has it: what follows the subresource.
            if !call.info.rest.is_empty() {
                told.insert("path".into(), call.info.rest.join("/").into());
            }
        }
        _ => {
            for stream in ["stdin", "stdout", "stderr", "tty"] {
                if query.switch(stream) {
                    told.insert(stream.into(), true.into());
                }
            }
            if !query.get("container").is_empty() {
                told.insert("container".into(), query.get("container").into());
            }
            let command: Vec<&str> = query.all("command").collect();
            if subresource == "exec" && !command.is_empty() {
                told.insert("command".into(), json!(command));
            }
        }
    }
    Some(Value::Object(told))
}
