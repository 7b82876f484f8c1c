//! The cells of `kubectl get` for one object, in the order of its kind's columns, wide ones
//! included: a server always sends them all, and the client shows what fits.
//!
//! Knows the clock only by what it is told. Invariant: as many cells as columns.

mod pod;
mod policies;
mod scaling;
mod services;
mod storage;
mod workloads;

use serde_json::{Value, json};

use crate::selector;
use crate::time::{human_duration, since};
use crate::value::{entries, first_text, int, is_set, is_true, len, list, text};

/// An object that is laid out in a row.
#[derive(Clone, Copy)]
struct Row<'v> {
    object: &'v Value,
    now_ms: i64,
}

impl<'v> Row<'v> {
    fn metadata(self, field: &str) -> &'v Value {
        &self.object["metadata"][field]
    }

    fn spec(self, field: &str) -> &'v Value {
        &self.object["spec"][field]
    }

    fn status(self, field: &str) -> &'v Value {
        &self.object["status"][field]
    }

    fn name(self) -> Value {
        json!(text(self.metadata("name")))
    }

    fn age(self) -> Value {
        json!(since(self.metadata("creationTimestamp"), self.now_ms))
    }

    fn is_deleted(self) -> bool {
        is_set(self.metadata("deletionTimestamp"))
    }

    fn annotation(self, key: &str) -> &'v str {
        text(&self.metadata("annotations")[key])
    }
}

/// The cells of an object at a time in milliseconds since 1970.
pub fn cells(group: &str, kind: &str, object: &Value, now_ms: i64) -> Vec<Value> {
    let row = Row { object, now_ms };
    match (group, kind) {
        ("", "Pod") => pod::pod(row),
        ("", "PodTemplate") => workloads::pod_template(row),
        ("", "ReplicationController") => workloads::replication_controller(row),
        ("apps", "ReplicaSet") => workloads::replica_set(row),
        ("apps", "DaemonSet") => workloads::daemon_set(row),
        ("apps", "StatefulSet") => workloads::stateful_set(row),
        ("apps", "Deployment") => workloads::deployment(row),
        ("apps", "ControllerRevision") => workloads::controller_revision(row),
        ("batch", "Job") => workloads::job(row),
        ("batch", "CronJob") => workloads::cron_job(row),
        ("autoscaling", "HorizontalPodAutoscaler") => scaling::autoscaler(row),
        ("autoscaling", "Scale") => scaling::scale(row),
        ("", "Service") => services::service(row),
        ("", "Endpoints") => services::endpoints(row),
        ("discovery.k8s.io", "EndpointSlice") => services::endpoint_slice(row),
        ("networking.k8s.io", "Ingress") => services::ingress(row),
        ("networking.k8s.io", "IngressClass") => services::ingress_class(row),
        ("networking.k8s.io", "NetworkPolicy") => {
            let pods = selector::show(row.spec("podSelector"));
            vec![row.name(), json!(pods), row.age()]
        }
        ("networking.k8s.io", "ServiceCIDR") => {
            vec![row.name(), json!(joined(row.spec("cidrs"), ",")), row.age()]
        }
        ("networking.k8s.io", "IPAddress") => services::ip_address(row),
        ("", "PersistentVolume") => storage::volume(row),
        ("", "PersistentVolumeClaim") => storage::claim(row),
        ("storage.k8s.io", "StorageClass") => storage::class(row),
        ("storage.k8s.io", "VolumeAttributesClass") => storage::attributes_class(row),
        ("storage.k8s.io", "VolumeAttachment") => storage::attachment(row),
        ("storage.k8s.io", "CSINode") => {
            vec![row.name(), json!(len(row.spec("drivers"))), row.age()]
        }
        ("storage.k8s.io", "CSIDriver") => storage::csi_driver(row),
        ("storage.k8s.io", "CSIStorageCapacity") => storage::csi_capacity(row),
        ("policy", "PodDisruptionBudget") => policies::disruption_budget(row),
        ("", "ResourceQuota") => policies::resource_quota(row),
        ("scheduling.k8s.io", "PriorityClass") => policies::priority_class(row),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            policies::role_binding(row)
        }
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => vec![row.name(), json!(len(&object["webhooks"])), row.age()],
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            policies::admission_policy(row, "validations")
        }
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => {
            policies::admission_policy(row, "mutations")
        }
        (
            "admissionregistration.k8s.io",
            "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding",
        ) => policies::admission_binding(row),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => policies::flow_schema(row),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => {
            policies::priority_level(row)
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => policies::signing_request(row),
        ("certificates.k8s.io", "ClusterTrustBundle") => {
            vec![row.name(), json!(or_none(text(row.spec("signerName"))))]
        }
        ("", "Node") => node(row),
        ("", "Event") | ("events.k8s.io", "Event") => event(row),
        ("", "Namespace") => vec![row.name(), json!(text(row.status("phase"))), row.age()],
        ("", "Secret") => vec![
            row.name(),
            json!(text(&object["type"])),
            json!(len(&object["data"])),
            row.age(),
        ],
        ("", "ConfigMap") => vec![
            row.name(),
            json!(len(&object["data"]) + len(&object["binaryData"])),
            row.age(),
        ],
        ("", "ServiceAccount") => vec![row.name(), json!(len(&object["secrets"])), row.age()],
        ("", "ComponentStatus") => component_status(row),
        ("coordination.k8s.io", "Lease") => vec![
            row.name(),
            json!(text(row.spec("holderIdentity"))),
            row.age(),
        ],
        ("node.k8s.io", "RuntimeClass") => {
            vec![row.name(), json!(text(&object["handler"])), row.age()]
        }
        ("resource.k8s.io", "DeviceClass" | "ResourceClaimTemplate") => {
            vec![row.name(), row.age()]
        }
        ("resource.k8s.io", "ResourceClaim") => {
            vec![row.name(), json!(claim_state(row)), row.age()]
        }
        ("resource.k8s.io", "ResourceSlice") => vec![
            row.name(),
            json!(text(row.spec("nodeName"))),
            json!(text(row.spec("driver"))),
            json!(text(&row.spec("pool")["name"])),
            row.age(),
        ],
        ("apiregistration.k8s.io", "APIService") => api_service(row),
        _ => vec![row.name(), json!(text(row.metadata("creationTimestamp")))],
    }
}

/// The conditions of a `Table`'s row: a pod that has come to its end says so.
pub fn row_conditions(group: &str, kind: &str, object: &Value) -> Vec<Value> {
    let message = match (group, kind, text(&object["status"]["phase"])) {
        ("", "Pod", "Succeeded") => "The pod has completed successfully.",
        ("", "Pod", "Failed") => "The pod failed.",
        _ => return Vec::new(),
    };
    vec![json!({
        "type": "Completed",
        "status": "True",
        "reason": object["status"]["phase"],
        "message": message,
    })]
}

fn or_none(text: &str) -> &str {
    or(text, "<none>")
}

fn or<'t>(text: &'t str, fallback: &'t str) -> &'t str {
    if text.is_empty() { fallback } else { text }
}

/// A text that may be unset, shown as such.
fn or_unset(value: &Value) -> &str {
    value.as_str().unwrap_or("<unset>")
}

fn joined(texts: &Value, by: &str) -> String {
    list(texts).iter().map(text).collect::<Vec<_>>().join(by)
}

fn names_and_images(containers: &Value) -> [Value; 2] {
    ["name", "image"].map(|field| {
        let texts: Vec<&str> = list(containers).iter().map(|c| text(&c[field])).collect();
        json!(texts.join(","))
    })
}

/// The first so many of several texts, and how many more there are.
fn with_more(texts: &[String], shown_max: usize) -> String {
    let head = &texts[..texts.len().min(shown_max)];
    match texts.len().checked_sub(shown_max) {
        None | Some(0) => head.join(","),
        Some(more) => format!("{} + {more} more...", head.join(",")),
    }
}

fn node(row: Row<'_>) -> Vec<Value> {
    let ready = list(row.status("conditions"))
        .iter()
        .rfind(|condition| condition["type"] == "Ready");
    let mut status = match ready {
        None => "Unknown".to_owned(),
        Some(condition) if condition["status"] == "True" => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
    };
    if is_true(row.spec("unschedulable")) {
        status.push_str(",SchedulingDisabled");
    }
    let mut roles: Vec<&str> = entries(row.metadata("labels"))
        .filter_map(
            |(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                Some(role) => Some(role),
                None if key == "kubernetes.io/role" => Some(text(value)),
                None => None,
            },
        )
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    let address = |kind: &str| {
        list(row.status("addresses"))
            .iter()
            .find(|address| address["type"] == kind)
            .map_or("<none>", |address| text(&address["address"]))
    };
    let info = row.status("nodeInfo");
    let known = |field: &str| json!(or(text(&info[field]), "<unknown>"));
    vec![
        row.name(),
        json!(status),
        json!(or_none(&roles.join(","))),
        row.age(),
        json!(text(&info["kubeletVersion"])),
        json!(address("InternalIP")),
        json!(address("ExternalIP")),
        known("osImage"),
        known("kernelVersion"),
        known("containerRuntimeVersion"),
    ]
}

/// Both the core kind and the newer one, whose fields have other names for the same.
fn event(row: Row<'_>) -> Vec<Value> {
    let object = row.object;
    let either = |old: &'static str, new: &'static str| match &object[old] {
        Value::Null => &object[new],
        value => value,
    };
    let ago = |time: &Value| since(time, row.now_ms);
    let about = either("involvedObject", "regarding");
    let source = either("source", "deprecatedSource");
    let first = either("firstTimestamp", "deprecatedFirstTimestamp");
    let first = if is_set(first) {
        first
    } else {
        &object["eventTime"]
    };
    let last = either("lastTimestamp", "deprecatedLastTimestamp");
    let last = if is_set(last) { last } else { first };
    let series = &object["series"];
    let (last, count) = if is_set(series) {
        (&series["lastObservedTime"], int(&series["count"]))
    } else {
        (last, int(either("count", "deprecatedCount")).max(1))
    };
    let kind = text(&about["kind"]).to_lowercase();
    let target = match text(&about["name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let reporter = either("reportingComponent", "reportingController");
    let component = first_text(&[&source["component"], reporter]);
    let source = match first_text(&[&source["host"], &object["reportingInstance"]]) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    };
    vec![
        json!(ago(last)),
        json!(text(&object["type"])),
        json!(text(&object["reason"])),
        json!(target),
        json!(text(&about["fieldPath"])),
        json!(source),
        json!(text(either("message", "note")).trim()),
        json!(ago(first)),
        json!(count),
        row.name(),
    ]
}

fn component_status(row: Row<'_>) -> Vec<Value> {
    let healthy = list(&row.object["conditions"])
        .iter()
        .find(|condition| condition["type"] == "Healthy");
    let Some(condition) = healthy else {
        return vec![row.name(), json!("Unknown"), json!(""), json!("")];
    };
    let status = match condition["status"] == "True" {
        true => "Healthy",
        false => "Unhealthy",
    };
    vec![
        row.name(),
        json!(status),
        json!(text(&condition["message"])),
        json!(text(&condition["error"])),
    ]
}

fn claim_state(row: Row<'_>) -> String {
    let mut states = Vec::new();
    if row.is_deleted() {
        states.push("deleted");
    }
    if is_set(row.status("allocation")) {
        states.push("allocated");
        if len(row.status("reservedFor")) > 0 {
            states.push("reserved");
        }
    } else if !row.is_deleted() {
        states.push("pending");
    }
    states.join(",")
}

fn api_service(row: Row<'_>) -> Vec<Value> {
    let service = row.spec("service");
    let service = if is_set(service) {
        format!("{}/{}", text(&service["namespace"]), text(&service["name"]))
    } else {
        "Local".to_owned()
    };
    let available = list(row.status("conditions"))
        .iter()
        .find(|condition| condition["type"] == "Available");
    let available = match available {
        None => "Unknown".to_owned(),
        Some(condition) => match (text(&condition["status"]), text(&condition["reason"])) {
            ("True", _) => "True".to_owned(),
            (status, "") => status.to_owned(),
            (status, reason) => format!("{status} ({reason})"),
        },
    };
    vec![row.name(), json!(service), json!(available), row.age()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{KINDS, columns};

    #[test]
    fn every_kind_has_as_many_cells_as_columns_whatever_the_object() {
        let odd = json!({"metadata": "x", "spec": [], "status": 1});
        for (group, kind) in KINDS {
            for object in [json!({}), odd.clone(), json!([]), Value::Null] {
                let count = cells(group, kind, &object, 0).len();
                assert_eq!(count, columns(group, kind).len(), "{group} {kind}");
            }
        }
    }

    #[test]
    fn a_kind_without_columns_shows_name_and_creation() {
        let object =
            json!({"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}});
        assert_eq!(columns("", "LimitRange")[1].name, "Created At");
        assert_eq!(
            cells("", "LimitRange", &object, 0),
            [json!("a"), json!("2026-01-01T00:00:00Z")]
        );
    }

    #[test]
    fn a_node_shows_whether_it_is_ready_and_its_roles() {
        let object = json!({
            "metadata": {"name": "n", "labels": {
                "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "",
                "kubernetes.io/role": "edge"}},
            "spec": {"unschedulable": true},
            "status": {
                "conditions": [{"type": "Ready", "status": "False"}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Linux"}},
        });
        let shown = cells("", "Node", &object, 0);
        assert_eq!(
            shown,
            [
                "n",
                "NotReady,SchedulingDisabled",
                "control-plane,edge,worker",
                "<unknown>",
                "v1.36.0",
                "10.0.0.1",
                "<none>",
                "Linux",
                "<unknown>",
                "<unknown>"
            ]
        );
    }

    #[test]
    fn an_event_of_either_kind_shows_the_same() {
        let now = crate::time::parse_ms("2026-01-01T00:01:00Z").expect("a time");
        let old = json!({
            "metadata": {"name": "e"}, "type": "Normal", "reason": "Pulled",
            "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{c}"},
            "source": {"component": "kubelet", "host": "n1"}, "message": " pulled \n",
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:30Z",
            "count": 3,
        });
        let new = json!({
            "metadata": {"name": "e"}, "type": "Normal", "reason": "Pulled",
            "regarding": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{c}"},
            "deprecatedSource": {"component": "kubelet", "host": "n1"}, "note": "pulled",
            "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z",
            "deprecatedLastTimestamp": "2026-01-01T00:00:30Z", "deprecatedCount": 3,
        });
        let shown = cells("", "Event", &old, now);
        assert_eq!(
            shown,
            [
                json!("30s"),
                json!("Normal"),
                json!("Pulled"),
                json!("pod/web"),
                json!("spec.containers{c}"),
                json!("kubelet, n1"),
                json!("pulled"),
                json!("60s"),
                json!(3),
                json!("e")
            ]
        );
        assert_eq!(cells("events.k8s.io", "Event", &new, now), shown);
    }
}
