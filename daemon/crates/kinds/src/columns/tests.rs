//! What upstream's tables are headed with, by kind.

use super::*;

/// Group, kind and headings: `#` is behind those of numbers, `?` of truths, `*` of what is shown
/// where there is room.
const HEADINGS: &[(&str, &str, &str)] = &[
    (
        "",
        "Pod",
        "Name, Ready, Status, Restarts, Age, IP*, Node*, Nominated Node*, Readiness Gates*",
    ),
    ("", "PodTemplate", "Name, Containers, Images, Pod Labels"),
    (
        "policy",
        "PodDisruptionBudget",
        "Name, Min Available, Max Unavailable, Allowed Disruptions#, Age",
    ),
    (
        "",
        "ReplicationController",
        "Name, Desired#, Current#, Ready#, Age, Containers*, Images*, Selector*",
    ),
    (
        "apps",
        "ReplicaSet",
        "Name, Desired#, Current#, Ready#, Age, Containers*, Images*, Selector*",
    ),
    (
        "apps",
        "DaemonSet",
        "Name, Desired#, Current#, Ready#, Up-to-date#, Available#, Node Selector, Age, Containers*, Images*, Selector*",
    ),
    (
        "batch",
        "Job",
        "Name, Status, Completions, Duration, Age, Containers*, Images*, Selector*",
    ),
    (
        "batch",
        "CronJob",
        "Name, Schedule, Timezone, Suspend?, Active#, Last Schedule, Age, Containers*, Images*, Selector*",
    ),
    (
        "",
        "Service",
        "Name, Type, Cluster-IP, External-IP, Port(s), Age, Selector*",
    ),
    (
        "networking.k8s.io",
        "Ingress",
        "Name, Class, Hosts, Address, Ports, Age",
    ),
    (
        "networking.k8s.io",
        "IngressClass",
        "Name, Controller, Parameters, Age",
    ),
    (
        "apps",
        "StatefulSet",
        "Name, Ready, Age, Containers*, Images*",
    ),
    ("", "Endpoints", "Name, Endpoints, Age"),
    (
        "",
        "Node",
        "Name, Status, Roles, Age, Version, Internal-IP*, External-IP*, OS-Image*, Kernel-Version*, Container-Runtime*",
    ),
    (
        "",
        "Event",
        "Last Seen, Type, Reason, Object, Subobject*, Source*, Message, First Seen*, Count*, Name*",
    ),
    ("", "Namespace", "Name, Status, Age"),
    ("", "Secret", "Name, Type, Data, Age"),
    ("", "ServiceAccount", "Name, Secrets, Age"),
    (
        "",
        "PersistentVolume",
        "Name, Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, VolumeAttributesClass, Reason, Age, VolumeMode*",
    ),
    (
        "",
        "PersistentVolumeClaim",
        "Name, Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age, VolumeMode*",
    ),
    ("", "ComponentStatus", "Name, Status, Message, Error"),
    (
        "apps",
        "Deployment",
        "Name, Ready, Up-to-date, Available, Age, Containers*, Images*, Selector*",
    ),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        "Name, Reference, Targets, MinPods, MaxPods, Replicas, Age",
    ),
    ("", "ConfigMap", "Name, Data, Age"),
    (
        "networking.k8s.io",
        "NetworkPolicy",
        "Name, Pod-Selector, Age",
    ),
    (
        "rbac.authorization.k8s.io",
        "RoleBinding",
        "Name, Role, Age, Users*, Groups*, ServiceAccounts*",
    ),
    (
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        "Name, Role, Age, Users*, Groups*, ServiceAccounts*",
    ),
    (
        "certificates.k8s.io",
        "CertificateSigningRequest",
        "Name, Age, SignerName, Requestor, RequestedDuration, Condition",
    ),
    (
        "certificates.k8s.io",
        "ClusterTrustBundle",
        "Name, SignerName",
    ),
    ("coordination.k8s.io", "Lease", "Name, Holder, Age"),
    (
        "storage.k8s.io",
        "StorageClass",
        "Name, Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age",
    ),
    (
        "storage.k8s.io",
        "VolumeAttributesClass",
        "Name, DriverName, Age",
    ),
    (
        "apps",
        "ControllerRevision",
        "Name, Controller, Revision, Age",
    ),
    ("", "ResourceQuota", "Name, Request, Limit, Age"),
    (
        "scheduling.k8s.io",
        "PriorityClass",
        "Name, Value#, Global-Default?, Age, PreemptionPolicy",
    ),
    ("node.k8s.io", "RuntimeClass", "Name, Handler, Age"),
    (
        "storage.k8s.io",
        "VolumeAttachment",
        "Name, Attacher, PV, Node, Attached?, Age",
    ),
    (
        "discovery.k8s.io",
        "EndpointSlice",
        "Name, AddressType, Ports, Endpoints, Age",
    ),
    ("storage.k8s.io", "CSINode", "Name, Drivers#, Age"),
    (
        "storage.k8s.io",
        "CSIDriver",
        "Name, AttachRequired?, PodInfoOnMount?, StorageCapacity?, TokenRequests, RequiresRepublish?, Modes, Age",
    ),
    (
        "storage.k8s.io",
        "CSIStorageCapacity",
        "Name, StorageClassName, Capacity",
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        "Name, Webhooks#, Age",
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        "Name, Webhooks#, Age",
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicy",
        "Name, Validations#, ParamKind, Age",
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
        "Name, PolicyName, ParamRef, Age",
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicy",
        "Name, Mutations#, ParamKind, Age",
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding",
        "Name, PolicyName, ParamRef, Age",
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "FlowSchema",
        "Name, PriorityLevel, MatchingPrecedence, DistinguisherMethod, Age, MissingPL",
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "PriorityLevelConfiguration",
        "Name, Type, NominalConcurrencyShares, Queues, HandSize, QueueLengthLimit, Age",
    ),
    ("autoscaling", "Scale", "Name, Desired#, Available#, Age"),
    ("resource.k8s.io", "DeviceClass", "Name, Age"),
    ("resource.k8s.io", "ResourceClaim", "Name, State, Age"),
    ("resource.k8s.io", "ResourceClaimTemplate", "Name, Age"),
    (
        "resource.k8s.io",
        "ResourceSlice",
        "Name, Node, Driver, Pool, Age",
    ),
    ("networking.k8s.io", "ServiceCIDR", "Name, CIDRs, Age"),
    ("networking.k8s.io", "IPAddress", "Name, ParentRef"),
    (
        "apiregistration.k8s.io",
        "APIService",
        "Name, Service, Available, Age",
    ),
];

#[test]
fn tables_are_headed_as_upstreams() {
    for (group, kind, wanted) in HEADINGS {
        let shown: Vec<String> = columns(group, kind)
            .iter()
            .map(|column| {
                let mark = match column.kind {
                    "integer" => "#",
                    "boolean" => "?",
                    "string" => "",
                    other => panic!("{other}"),
                };
                let wide = if column.priority == 1 { "*" } else { "" };
                format!("{}{mark}{wide}", column.name)
            })
            .collect();
        assert_eq!(shown.join(", "), *wanted, "{group} {kind}");
    }
    assert_eq!(HEADINGS.len(), KINDS.len());
    assert_eq!(columns("events.k8s.io", "Event"), columns("", "Event"));
}
