//! Which objects of a list or a watch are wanted: label and field selectors.
//!
//! Pure. Knows nothing about where objects come from.

use std::borrow::Cow;

use serde_json::Value;
use skerry_schema::Resource;
use skerry_selector::{fields, labels};

use crate::error::ApiError;
use crate::object;
use crate::query::Query;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    labels: labels::Selector,
    fields: fields::Selector,
}

/// Fields that can be selected by, besides name and namespace.
fn selectable(resource: &Resource) -> &'static [&'static str] {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        ("" | "events.k8s.io", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Namespace") => &["status.phase"],
        ("", "Secret") => &["type"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("", "ReplicationController") | ("apps", "ReplicaSet") => &["status.replicas"],
        ("batch", "Job") => &["status.successful"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["spec.signerName"],
        ("certificates.k8s.io", "ClusterTrustBundle") => &["spec.signerName"],
        ("resource.k8s.io", "ResourceSlice") => &["spec.nodeName", "spec.driver"],
        _ => &[],
    }
}

impl Filter {
    pub(crate) fn parse(query: &Query, resource: &Resource) -> Result<Filter, ApiError> {
        let refused = |error: &dyn std::fmt::Display| ApiError::bad_request(error.to_string());
        let labels = labels::Selector::parse(query.get("labelSelector")).map_err(|error| {
            ApiError::bad_request(format!("unable to parse requirement: {error}"))
        })?;
        let fields =
            fields::Selector::parse(query.get("fieldSelector")).map_err(|error| refused(&error))?;
        let known = selectable(resource);
        for term in fields.terms() {
            let field = term.field.as_str();
            let general = field == "metadata.name"
                || field == "metadata.namespace"
                || (field == "name" && resource.group.is_empty() && resource.kind == "Namespace");
            if general || known.contains(&field) {
                continue;
            }
            return Err(ApiError::bad_request(match known.is_empty() {
                true => format!(
                    "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                ),
                false => format!("field label not supported: {field}"),
            }));
        }
        Ok(Filter { labels, fields })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// The one name that can match, where the selector says so.
    pub(crate) fn name(&self) -> Option<&str> {
        self.fields.exact("metadata.name")
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches_object(object) && self.fields.matches(|field| value(object, field))
    }
}

/// The text that a field is compared as.
fn value<'o>(object: &'o Value, field: &str) -> Cow<'o, str> {
    match field {
        "name" => return Cow::Borrowed(object::name(object)),
        "reportingComponent" => {
            let component = text(object, &["reportingComponent"]);
            if component.is_empty() {
                return text(object, &["source", "component"]);
            }
            return component;
        }
        "source" => {
            let source = text(object, &["source", "component"]);
            if source.is_empty() {
                return text(object, &["reportingComponent"]);
            }
            return source;
        }
        "status.podIPs" => {
            let ips = object.get("status").and_then(|status| status.get("podIPs"));
            let all = ips.and_then(Value::as_array).into_iter().flatten();
            let texts: Vec<&str> = all.filter_map(|ip| ip.get("ip")?.as_str()).collect();
            return Cow::Owned(texts.join(","));
        }
        "spec.unschedulable" | "spec.hostNetwork" => {
            let path: Vec<&str> = field.split('.').collect();
            return match text(object, &path) {
                empty if empty.is_empty() => Cow::Borrowed("false"),
                said => said,
            };
        }
        "status.successful" => return or_zero(text(object, &["status", "succeeded"])),
        "status.replicas" => return or_zero(text(object, &["status", "replicas"])),
        _ => {}
    }
    // An event of events.k8s.io calls it `regarding`.
    if let Some(rest) = field.strip_prefix("involvedObject.") {
        let found = text(object, &["involvedObject", rest]);
        if found.is_empty() {
            return text(object, &["regarding", rest]);
        }
        return found;
    }
    let path: Vec<&str> = field.split('.').collect();
    text(object, &path)
}

fn or_zero(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.is_empty() {
        Cow::Borrowed("0")
    } else {
        text
    }
}

fn text<'o>(object: &'o Value, path: &[&str]) -> Cow<'o, str> {
    let mut value = object;
    for part in path {
        match value.get(part) {
            Some(inner) => value = inner,
            None => return Cow::Borrowed(""),
        }
    }
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}
