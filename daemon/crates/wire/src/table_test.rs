//! The table against the types that others made of upstream's files.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::envelope::{TAIL, head, open};
use crate::sample::{Random, full, some};
use crate::{Limits, decode, encode};

/// Fields that are newer than the other side, wherever they stand.
const NEWER: &[&str] = &[
    "bools",
    "ints",
    "message",
    "nodeAllocatableResourceClaimStatuses",
    "nodeAllocatableResourceMappings",
    "preventPodSchedulingIfMissing",
    "schedulingGroup",
    "shardInfo",
    "shardSelector",
    "strings",
    "versions",
    "volumeStatus",
];

/// Reads and writes a message by somebody else's types.
type Through = fn(&[u8]) -> Vec<u8>;

fn through<M: prost::Message + Default>(raw: &[u8]) -> Vec<u8> {
    M::decode(raw).unwrap().encode_to_vec()
}

macro_rules! kinds {
    ($api_version:literal, $($step:ident)::+, $($kind:ident)*) => {{
        use k8s_pb::$($step)::+ as types;
        let kinds: &[(&str, &str, Through)] =
            &[$(($api_version, stringify!($kind), through::<types::$kind>)),*];
        kinds
    }};
}

fn kinds() -> Vec<(&'static str, &'static str, Through)> {
    [
        kinds!("v1", api::core::v1, Binding ComponentStatus ComponentStatusList ConfigMap ConfigMapList Endpoints EndpointsList Event EventList LimitRange LimitRangeList Namespace NamespaceList Node NodeList PersistentVolumeClaim PersistentVolumeClaimList PersistentVolume PersistentVolumeList Pod PodList PodTemplate PodTemplateList ReplicationController ReplicationControllerList ResourceQuota ResourceQuotaList Secret SecretList ServiceAccount ServiceAccountList Service ServiceList),
        kinds!("apiregistration.k8s.io/v1", kube_aggregator::pkg::apis::apiregistration::v1, APIService APIServiceList),
        kinds!("apps/v1", api::apps::v1, ControllerRevision ControllerRevisionList DaemonSet DaemonSetList Deployment DeploymentList ReplicaSet ReplicaSetList StatefulSet StatefulSetList),
        kinds!("events.k8s.io/v1", api::events::v1, Event EventList),
        kinds!("authentication.k8s.io/v1", api::authentication::v1, SelfSubjectReview TokenReview TokenRequest),
        kinds!("authorization.k8s.io/v1", api::authorization::v1, LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview),
        kinds!("autoscaling/v2", api::autoscaling::v2, HorizontalPodAutoscaler HorizontalPodAutoscalerList),
        kinds!("autoscaling/v1", api::autoscaling::v1, HorizontalPodAutoscaler HorizontalPodAutoscalerList Scale),
        kinds!("batch/v1", api::batch::v1, CronJob CronJobList Job JobList),
        kinds!("certificates.k8s.io/v1", api::certificates::v1, CertificateSigningRequest CertificateSigningRequestList),
        kinds!("networking.k8s.io/v1", api::networking::v1, IngressClass IngressClassList Ingress IngressList IPAddress IPAddressList NetworkPolicy NetworkPolicyList ServiceCIDR ServiceCIDRList),
        kinds!("policy/v1", api::policy::v1, PodDisruptionBudget PodDisruptionBudgetList Eviction),
        kinds!("rbac.authorization.k8s.io/v1", api::rbac::v1, ClusterRoleBinding ClusterRoleBindingList ClusterRole ClusterRoleList RoleBinding RoleBindingList Role RoleList),
        kinds!("storage.k8s.io/v1", api::storage::v1, CSIDriver CSIDriverList CSINode CSINodeList CSIStorageCapacity CSIStorageCapacityList StorageClass StorageClassList VolumeAttachment VolumeAttachmentList VolumeAttributesClass VolumeAttributesClassList),
        kinds!("admissionregistration.k8s.io/v1", api::admissionregistration::v1, MutatingWebhookConfiguration MutatingWebhookConfigurationList ValidatingAdmissionPolicy ValidatingAdmissionPolicyList ValidatingAdmissionPolicyBinding ValidatingAdmissionPolicyBindingList ValidatingWebhookConfiguration ValidatingWebhookConfigurationList),
        kinds!("apiextensions.k8s.io/v1", apiextensions_apiserver::pkg::apis::apiextensions::v1, CustomResourceDefinition CustomResourceDefinitionList),
        kinds!("scheduling.k8s.io/v1", api::scheduling::v1, PriorityClass PriorityClassList),
        kinds!("coordination.k8s.io/v1", api::coordination::v1, Lease LeaseList),
        kinds!("node.k8s.io/v1", api::node::v1, RuntimeClass RuntimeClassList),
        kinds!("discovery.k8s.io/v1", api::discovery::v1, EndpointSlice EndpointSliceList),
        kinds!("flowcontrol.apiserver.k8s.io/v1", api::flowcontrol::v1, FlowSchema FlowSchemaList PriorityLevelConfiguration PriorityLevelConfigurationList),
        kinds!("resource.k8s.io/v1", api::resource::v1, DeviceClass DeviceClassList ResourceClaim ResourceClaimList ResourceClaimTemplate ResourceClaimTemplateList ResourceSlice ResourceSliceList),
        kinds!("v1", apimachinery::pkg::apis::meta::v1, DeleteOptions CreateOptions UpdateOptions PatchOptions ListOptions GetOptions Status APIResourceList APIGroupList),
        kinds!("meta.k8s.io/v1", apimachinery::pkg::apis::meta::v1, PartialObjectMetadata PartialObjectMetadataList),
    ]
    .concat()
}

/// The fields that are in one value and not in the other, by their names.
fn missing(one: &Value, other: Option<&Value>, name: &str, found: &mut BTreeSet<String>) {
    match (one, other) {
        (Value::Object(fields), Some(Value::Object(others))) => {
            for (name, value) in fields {
                missing(value, others.get(name), name, found);
            }
        }
        (Value::Array(list), Some(Value::Array(others))) if list.len() == others.len() => {
            for (value, other) in list.iter().zip(others) {
                missing(value, Some(other), name, found);
            }
        }
        (one, Some(other)) => assert_eq!(one, other, "{name}"),
        (_, None) => _ = found.insert(name.to_owned()),
    }
}

#[test]
fn others_read_every_field_as_we_write_it() {
    let (mut same, mut found) = (0, BTreeSet::new());
    let kinds = kinds();
    for (api_version, kind, through) in &kinds {
        let value = full(api_version, kind);
        let ours = encode(&value, api_version, kind).unwrap();
        let raw = open(&ours).unwrap().raw;
        let theirs = through(raw);
        same += usize::from(theirs == raw);
        let mut bytes = head(api_version, kind, theirs.len());
        bytes.extend(theirs);
        bytes.extend_from_slice(TAIL);
        let read = decode(&bytes, Limits::default()).unwrap();
        missing(&value, Some(&read.value), kind, &mut found);
    }
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, NEWER);
    // Where nothing is newer, they write the same bytes.
    assert_eq!((kinds.len(), same), (139, 66));
}

#[test]
fn others_read_any_object_whose_fields_they_know_and_write_it_the_same() {
    let seed = 0x5eed_0003;
    let mut random = Random(seed);
    let newer = |message: &str, field: &str| match field {
        "message" => message == "ResourceHealth",
        _ => NEWER.contains(&field),
    };
    let (mut all, mut same) = (0, 0);
    for (api_version, kind, through) in kinds() {
        for _ in 0..8 {
            let value = some(api_version, kind, &mut random, &newer);
            let ours = encode(&value, api_version, kind).unwrap();
            let raw = open(&ours).unwrap().raw;
            let theirs = through(raw);
            // They leave out an empty text that is a value of a map; upstream does not.
            same += usize::from(theirs == raw);
            all += 1;
            let mut bytes = head(api_version, kind, theirs.len());
            bytes.extend(theirs);
            bytes.extend_from_slice(TAIL);
            let read = |bytes: &[u8]| decode(bytes, Limits::default()).unwrap().value;
            assert!(
                read(&bytes) == read(&ours),
                "{kind} of seed {seed:#x}: {value}"
            );
        }
    }
    assert!(same * 2 > all, "{same} of {all}");
}
