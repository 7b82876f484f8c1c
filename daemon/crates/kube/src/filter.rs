//! Which objects of a list or a watch are wanted: label and field selectors.
//!
//! Pure. Knows nothing about where objects come from.

use std::borrow::Cow;

use serde_json::Value;
use skerry_selector::{fields, labels};

use crate::error::ApiError;
use crate::query::Query;
use crate::registry::Resource;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    labels: labels::Selector,
    fields: fields::Selector,
}

/// Fields that can be selected by, and how upstream's answer about another one begins and ends.
/// Kinds that have none of their own are selected by name and namespace.
type Selectable = (&'static [&'static str], [&'static str; 2]);

const UNSUPPORTED: [&str; 2] = ["field label not supported: ", ""];
const BY_NAME: &[&str] = &["metadata.name", "metadata.namespace"];

fn selectable(resource: &Resource) -> Option<Selectable> {
    let fields: &[&str] = match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => &[
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "spec.host",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        ("", "Event") => &[
            "metadata.name",
            "metadata.namespace",
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
        ("events.k8s.io", "Event") => &[
            "metadata.name",
            "metadata.namespace",
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        ("", "Node") => &["metadata.name", "spec.unschedulable"],
        ("", "Namespace") => &["metadata.name", "status.phase"],
        ("", "Secret") => &["metadata.name", "metadata.namespace", "type"],
        ("", "Service") => &[
            "metadata.name",
            "metadata.namespace",
            "spec.clusterIP",
            "spec.type",
        ],
        ("", "ReplicationController") | ("apps", "ReplicaSet") => {
            &["metadata.name", "metadata.namespace", "status.replicas"]
        }
        ("batch", "Job") => {
            let fields = &["metadata.name", "metadata.namespace", "status.successful"];
            return Some((
                fields,
                ["field label \"", "\" not supported for batchv1.Job"],
            ));
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            &["metadata.name", "spec.signerName"]
        }
        ("resource.k8s.io", "ResourceSlice") => {
            let fields = &["metadata.name", "spec.nodeName", "spec.driver"];
            return Some((
                fields,
                [
                    "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: ",
                    "",
                ],
            ));
        }
        _ => return None,
    };
    Some((fields, UNSUPPORTED))
}

impl Filter {
    pub(crate) fn parse(query: &Query, resource: &Resource) -> Result<Filter, ApiError> {
        let refused = |error: &dyn std::fmt::Display| ApiError::bad_request(error.to_string());
        let labels =
            labels::Selector::parse(query.get("labelSelector")).map_err(|error| refused(&error))?;
        let fields =
            fields::Selector::parse(query.get("fieldSelector")).map_err(|error| refused(&error))?;
        let own = selectable(resource);
        let known = own.map_or(BY_NAME, |(known, _)| known);
        let custom = resource.custom.as_ref();
        let defined = custom.map_or(&[][..], |custom| &custom.version.selectable_fields);
        let unknown = fields.terms().iter().find(|term| {
            !known.contains(&term.field.as_str())
                && !defined
                    .iter()
                    .any(|path| path.trim_start_matches('.') == term.field)
        });
        if let Some(term) = unknown {
            let field = term.field.as_str();
            return Err(ApiError::bad_request(match own {
                None => format!(
                    "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                ),
                Some((_, [before, after])) => format!("{before}{field}{after}"),
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
        // As clients called it before it was `nodeName`.
        "spec.host" => return text(object, &["spec", "nodeName"]),
        "reportingComponent" | "reportingController" => {
            let named = ["reportingComponent", "reportingController"];
            let component = named.map(|name| text(object, &[name]));
            let sources = ["source", "deprecatedSource"];
            let source = sources.map(|name| text(object, &[name, "component"]));
            let mut all = component.into_iter().chain(source);
            return all.find(|text| !text.is_empty()).unwrap_or_default();
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
    let regarding = field.strip_prefix("regarding.");
    if let Some(rest) = regarding.or_else(|| field.strip_prefix("involvedObject.")) {
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
