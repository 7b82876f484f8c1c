//! What is wrong with an object, in upstream's words.
//!
//! The README says per kind what is checked and what is not yet. Runs on objects that have their
//! defaults. Invariant: an object without errors is one that upstream takes too, as far as the
//! README's table says that it is checked; no check refuses what upstream takes.

mod access;
mod addresses;
mod admission;
mod batch;
mod cluster;
mod config;
mod cron;
mod device;
mod extension;
mod flow;
mod network;
mod pod;
mod policies;
mod quota;
mod resources;
mod rules;
mod runtime;
mod scaling;
mod service;
mod status;
mod storage;
mod webhooks;
mod workloads;

use serde_json::Value;

use crate::error::{Errors, FieldError};
use crate::metadata;
use crate::path::Path;

/// What is wrong with an object that is to be created. Kinds that are not built in have their
/// metadata checked, by the rules of custom resources.
pub fn validate_create(
    group: &str,
    kind: &str,
    namespaced: bool,
    object: &Value,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::create(
        metadata::name_rule(group, kind),
        namespaced,
        object,
        &mut errors,
    );
    check(group, kind, object, None, &mut errors);
    errors.0
}

/// What is wrong with an object that is to replace another. The subresource is "" for the object
/// itself.
pub fn validate_update(
    group: &str,
    kind: &str,
    subresource: &str,
    new: &Value,
    old: &Value,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::update(new, old, &mut errors);
    match subresource {
        "" => check(group, kind, new, Some(old), &mut errors),
        subresource => check_subresource(group, kind, subresource, new, old, &mut errors),
    }
    errors.0
}

/// What is wrong beyond the metadata.
fn check(group: &str, kind: &str, object: &Value, old: Option<&Value>, errors: &mut Errors) {
    match (group, kind) {
        ("", "ConfigMap") => config::config_map(object, old, errors),
        ("", "Secret") => config::secret(object, old, errors),
        ("", "Pod") => pod::pod(object, old, errors),
        ("", "PodTemplate") => pod::template(&object["template"], &TEMPLATE, errors),
        ("", "ReplicationController") => workloads::replication_controller(object, errors),
        ("apps", "Deployment") => workloads::deployment(object, old, errors),
        ("apps", "ReplicaSet") => workloads::replica_set(object, old, errors),
        ("apps", "StatefulSet") => workloads::stateful_set(object, old, errors),
        ("apps", "DaemonSet") => workloads::daemon_set(object, old, errors),
        ("apps", "ControllerRevision") => workloads::controller_revision(object, old, errors),
        ("batch", "Job") => batch::job(object, old, errors),
        ("batch", "CronJob") => batch::cron_job(object, old, errors),
        ("", "Service") => service::service(object, old, errors),
        ("", "Endpoints") => addresses::endpoints(object, old, errors),
        ("discovery.k8s.io", "EndpointSlice") => addresses::endpoint_slice(object, old, errors),
        ("networking.k8s.io", "Ingress") => network::ingress(object, old, errors),
        ("networking.k8s.io", "IngressClass") => network::ingress_class(object, old, errors),
        ("networking.k8s.io", "NetworkPolicy") => network::network_policy(object, errors),
        ("networking.k8s.io", "ServiceCIDR") => addresses::service_cidr(object, old, errors),
        ("networking.k8s.io", "IPAddress") => addresses::ip_address(object, old, errors),
        ("", "PersistentVolume") => storage::volume(object, old, errors),
        ("", "PersistentVolumeClaim") => storage::claim(object, old, errors),
        ("storage.k8s.io", "StorageClass") => storage::class(object, old, errors),
        ("storage.k8s.io", "VolumeAttributesClass") => {
            storage::attributes_class(object, old, errors);
        }
        ("storage.k8s.io", "VolumeAttachment") => storage::attachment(object, old, errors),
        ("storage.k8s.io", "CSIStorageCapacity") => storage::csi_capacity(object, errors),
        ("storage.k8s.io", "CSIDriver") => runtime::csi_driver(object, old, errors),
        ("storage.k8s.io", "CSINode") => runtime::csi_node(object, old, errors),
        ("node.k8s.io", "RuntimeClass") => runtime::class(object, old, errors),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => flow::schema(object, errors),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => {
            flow::level(object, errors);
        }
        ("apiregistration.k8s.io", "APIService") => extension::api_service(object, errors),
        ("resource.k8s.io", "DeviceClass") => device::class(object, old, errors),
        ("resource.k8s.io", "ResourceClaim") => device::claim(object, old, errors),
        ("resource.k8s.io", "ResourceClaimTemplate") => device::template(object, old, errors),
        ("resource.k8s.io", "ResourceSlice") => device::slice(object, old, errors),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => {
            access::role(object, kind == "ClusterRole", errors);
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            access::binding(object, old, kind == "ClusterRoleBinding", errors);
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            access::signing_request(object, old, errors);
        }
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => {
            let is_mutating = kind == "MutatingWebhookConfiguration";
            webhooks::configuration(object, old, is_mutating, errors);
        }
        (
            "admissionregistration.k8s.io",
            "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy",
        ) => admission::policy(object, kind == "MutatingAdmissionPolicy", errors),
        (
            "admissionregistration.k8s.io",
            "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding",
        ) => admission::binding(object, kind == "MutatingAdmissionPolicyBinding", errors),
        ("", "ResourceQuota") => quota::resource_quota(object, old, errors),
        ("", "LimitRange") => quota::limit_range(object, errors),
        ("scheduling.k8s.io", "PriorityClass") => policies::priority_class(object, old, errors),
        ("policy", "PodDisruptionBudget") => policies::disruption_budget(object, errors),
        ("autoscaling", "HorizontalPodAutoscaler") => scaling::autoscaler(object, old, errors),
        ("autoscaling", "Scale") => scaling::scale(object, errors),
        ("", "Namespace") => cluster::namespace(object, errors),
        ("", "Node") => cluster::node(object, old, errors),
        ("coordination.k8s.io", "Lease") => cluster::lease(object, errors),
        ("", "Event") | ("events.k8s.io", "Event") => cluster::event(object, group, old, errors),
        _ => {}
    }
}

const TEMPLATE: Path<'static> = Path::root("template");

/// What is wrong with what a subresource writes.
fn check_subresource(
    group: &str,
    kind: &str,
    subresource: &str,
    new: &Value,
    old: &Value,
    errors: &mut Errors,
) {
    match (group, kind, subresource) {
        ("", "Namespace", "status") => cluster::namespace_status(new, errors),
        ("", "Namespace", "finalize") => cluster::namespace_finalize(new, errors),
        ("", "Node", "status") => cluster::node(new, Some(old), errors),
        ("", "Pod", "ephemeralcontainers") => pod::ephemeral_update(new, old, errors),
        ("", "Pod", "resize") => pod::resize(new, old, errors),
        ("", "Pod", "status") => status::pod(new, old, errors),
        ("batch", "Job", "status") => batch::status(new, old, errors),
        ("resource.k8s.io", "ResourceClaim", "status") => device::status(new, old, errors),
        ("", "Service", "status") => status::load_balancer(new, kind, errors),
        ("networking.k8s.io", "Ingress", "status") => status::load_balancer(new, kind, errors),
        ("apps", "DaemonSet", "status") => status::daemon_set(new, old, errors),
        ("policy", "PodDisruptionBudget", "status") => status::disruption_budget(new, errors),
        ("autoscaling", "HorizontalPodAutoscaler", "status") => status::autoscaler(new, errors),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema" | "PriorityLevelConfiguration", "status") => {
            flow::conditions(new, errors)
        }
        ("apiregistration.k8s.io", "APIService", "status") => {
            extension::api_service_status(new, errors);
        }
        ("", "ResourceQuota", "status") => quota::resource_quota_status(new, errors),
        ("", "ReplicationController", "status")
        | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet", "status") => {
            workloads::replica_status(new, kind, errors);
        }
        ("certificates.k8s.io", "CertificateSigningRequest", "status" | "approval") => {
            access::signing_request(new, Some(old), errors);
        }
        _ => {}
    }
}
