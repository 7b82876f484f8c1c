//! The types from which all others are reached, asked from the `k8s-openapi` crate.
//!
//! Knows nothing about resources. Invariant: every kind of `tables/resources.tsv` and
//! `tables/subresources.tsv` that has a definition is here; the generator says so if not.

use k8s_openapi::api::{
    admissionregistration::v1 as admissionregistration, apps::v1 as apps,
    authentication::v1 as authentication, authorization::v1 as authorization,
    autoscaling::v1 as autoscaling_v1, autoscaling::v2 as autoscaling_v2, batch::v1 as batch,
    certificates::v1 as certificates, coordination::v1 as coordination, core::v1 as core,
    discovery::v1 as discovery, events::v1 as events, flowcontrol::v1 as flowcontrol,
    networking::v1 as networking, node::v1 as node, policy::v1 as policy, rbac::v1 as rbac,
    resource::v1 as resource, scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::apimachinery::pkg::version;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as apiregistration;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

macro_rules! ask {
    ($generator:ident: $($module:ident { $($kind:ident),* $(,)? })*) => {
        $($(let _ = $generator.subschema_for::<$module::$kind>();)*)*
    };
}

/// All definitions, by name, as schemars prints them.
pub(crate) fn definitions() -> Map<String, Value> {
    let mut generator = SchemaGenerator::new(SchemaSettings::default());
    ask!(generator:
        core {
            Binding, ComponentStatus, ConfigMap, Endpoints, Event, LimitRange, Namespace, Node,
            PersistentVolume, PersistentVolumeClaim, Pod, PodTemplate, ReplicationController,
            ResourceQuota, Secret, Service, ServiceAccount,
        }
        apiregistration { APIService }
        apps { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet }
        events { Event }
        authentication { SelfSubjectReview, TokenRequest, TokenReview }
        authorization {
            LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview,
            SubjectAccessReview,
        }
        autoscaling_v1 { HorizontalPodAutoscaler, Scale }
        autoscaling_v2 { HorizontalPodAutoscaler }
        batch { CronJob, Job }
        certificates { CertificateSigningRequest }
        networking { Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR }
        policy { Eviction, PodDisruptionBudget }
        rbac { ClusterRole, ClusterRoleBinding, Role, RoleBinding }
        storage {
            CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment,
            VolumeAttributesClass,
        }
        admissionregistration {
            MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration,
            ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
            ValidatingWebhookConfiguration,
        }
        apiextensions { CustomResourceDefinition }
        scheduling { PriorityClass }
        coordination { Lease }
        node { RuntimeClass }
        discovery { EndpointSlice }
        flowcontrol { FlowSchema, PriorityLevelConfiguration }
        resource { DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice }
        meta {
            APIGroup, APIGroupList, APIResourceList, APIVersions, DeleteOptions, ListMeta, Patch,
            Status,
        }
        version { Info }
    );
    let _ = generator.subschema_for::<meta::WatchEvent<Value>>();
    generator.take_definitions(false)
}
