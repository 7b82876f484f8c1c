//! Roles of the controllers; each is bound to the service account in
//! `kube-system` that has its name without the prefix.

use super::Grant::{Named, On};
use super::{EVENTS, Grant, RoleRow};

pub(super) const PREFIX: &str = "system:controller:";

const fn role(name: &'static str, grants: &'static [Grant]) -> RoleRow {
    RoleRow {
        name,
        into: "",
        grants,
    }
}

pub(super) const CONTROLLERS: &[RoleRow] = &[
    role(
        "system:controller:attachdetach-controller",
        &[
            On(
                "list watch",
                "core",
                "persistentvolumes persistentvolumeclaims",
            ),
            On("read", "core", "nodes"),
            On("patch update", "core", "nodes/status"),
            On("list watch", "core", "pods"),
            EVENTS,
            On("create delete read", "storage.k8s.io", "volumeattachments"),
            On("read", "storage.k8s.io", "csidrivers"),
            On("read", "storage.k8s.io", "csinodes"),
        ],
    ),
    role(
        "system:controller:certificate-controller",
        &[
            On(
                "delete read",
                "certificates.k8s.io",
                "certificatesigningrequests",
            ),
            On(
                "update",
                "certificates.k8s.io",
                "certificatesigningrequests/status certificatesigningrequests/approval",
            ),
            Named(
                "approve",
                "certificates.k8s.io",
                "signers",
                "kubernetes.io/kube-apiserver-client-kubelet",
            ),
            Named(
                "sign",
                "certificates.k8s.io",
                "signers",
                "kubernetes.io/legacy-unknown kubernetes.io/kubelet-serving \
               kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet",
            ),
            On("create", "authorization.k8s.io", "subjectaccessreviews"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:clusterrole-aggregation-controller",
        &[On(
            "escalate read patch update",
            "rbac.authorization.k8s.io",
            "clusterroles",
        )],
    ),
    role(
        "system:controller:cronjob-controller",
        &[
            On("read update", "batch", "cronjobs"),
            On("create delete read patch update", "batch", "jobs"),
            On("update", "batch", "cronjobs/status"),
            On("update", "batch", "cronjobs/finalizers"),
            On("delete list watch", "core", "pods"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:daemon-set-controller",
        &[
            On("read", "apps extensions", "daemonsets"),
            On("update", "apps extensions", "daemonsets/status"),
            On("update", "apps extensions", "daemonsets/finalizers"),
            On("list watch", "core", "nodes"),
            On("create delete list patch watch", "core", "pods"),
            On("create", "core", "pods/binding"),
            On(
                "create delete read patch update",
                "apps",
                "controllerrevisions",
            ),
            EVENTS,
        ],
    ),
    role(
        "system:controller:deployment-controller",
        &[
            On("read update", "apps extensions", "deployments"),
            On("update", "apps extensions", "deployments/status"),
            On("update", "apps extensions", "deployments/finalizers"),
            On(
                "create delete read patch update",
                "apps extensions",
                "replicasets",
            ),
            On("read update", "core", "pods"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:device-taint-eviction-controller",
        &[
            On("read delete", "core", "pods"),
            On("patch update", "core", "pods/status"),
            On("read", "resource.k8s.io", "resourceclaims"),
            On("read", "resource.k8s.io", "resourceslices"),
            On("read", "resource.k8s.io", "deviceclasses"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:disruption-controller",
        &[
            On("read", "apps extensions", "deployments"),
            On("read", "apps extensions", "replicasets"),
            On("read", "core", "replicationcontrollers"),
            On("read", "policy", "poddisruptionbudgets"),
            On("read", "apps", "statefulsets"),
            On("update", "policy", "poddisruptionbudgets/status"),
            On("patch update", "core", "pods/status"),
            On("get", "*", "*/scale"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:endpoint-controller",
        &[
            On("read", "core", "services pods"),
            On("create delete read update", "core", "endpoints"),
            On("create", "core", "endpoints/restricted"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:endpointslice-controller",
        &[
            On("read", "core", "services pods nodes"),
            On("update", "core", "services/finalizers"),
            On(
                "create delete read update",
                "discovery.k8s.io",
                "endpointslices",
            ),
            EVENTS,
        ],
    ),
    role(
        "system:controller:endpointslicemirroring-controller",
        &[
            On("read", "core", "services endpoints"),
            On("update", "core", "services/finalizers"),
            On("update", "core", "endpoints/finalizers"),
            On(
                "create delete read update",
                "discovery.k8s.io",
                "endpointslices",
            ),
            EVENTS,
        ],
    ),
    role(
        "system:controller:ephemeral-volume-controller",
        &[
            On("read", "core", "pods"),
            On("update", "core", "pods/finalizers"),
            On("create read", "core", "persistentvolumeclaims"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:expand-controller",
        &[
            On("read patch update", "core", "persistentvolumes"),
            On("patch update", "core", "persistentvolumeclaims/status"),
            On("read", "core", "persistentvolumeclaims"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:generic-garbage-collector",
        &[On("delete read patch update", "*", "*"), EVENTS],
    ),
    role(
        "system:controller:horizontal-pod-autoscaler",
        &[
            On("read", "autoscaling", "horizontalpodautoscalers"),
            On("update", "autoscaling", "horizontalpodautoscalers/status"),
            On("get update", "*", "*/scale"),
            On("list watch", "core", "pods"),
            On("list watch", "metrics.k8s.io", "pods"),
            On("read", "custom.metrics.k8s.io", "*"),
            On("read", "external.metrics.k8s.io", "*"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:job-controller",
        &[
            On("read patch update", "batch", "jobs"),
            On("update", "batch", "jobs/status"),
            On("update", "batch", "jobs/finalizers"),
            On("create delete list patch watch", "core", "pods"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:legacy-service-account-token-cleaner",
        &[
            Named(
                "get",
                "core",
                "configmaps",
                "kube-apiserver-legacy-service-account-token-tracking",
            ),
            On("delete patch", "core", "secrets"),
        ],
    ),
    role(
        "system:controller:namespace-controller",
        &[
            On("delete read", "core", "namespaces"),
            On("update", "core", "namespaces/finalize namespaces/status"),
            On("delete deletecollection read", "*", "*"),
        ],
    ),
    role(
        "system:controller:node-controller",
        &[
            On("delete read patch update", "core", "nodes"),
            On("patch update", "core", "nodes/status"),
            On("patch update", "core", "pods/status"),
            On("delete read", "core", "pods"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:persistent-volume-binder",
        &[
            On("create delete read update", "core", "persistentvolumes"),
            On("update", "core", "persistentvolumes/status"),
            On("read update", "core", "persistentvolumeclaims"),
            On("update", "core", "persistentvolumeclaims/status"),
            On("create delete read", "core", "pods"),
            On("read", "storage.k8s.io", "storageclasses"),
            On("list watch", "core", "nodes"),
            EVENTS,
            On("watch", "core", "events"),
        ],
    ),
    role(
        "system:controller:pod-garbage-collector",
        &[
            On("delete list watch", "core", "pods"),
            On("read", "core", "nodes"),
            On("patch", "core", "pods/status"),
        ],
    ),
    role(
        "system:controller:pv-protection-controller",
        &[On("read update", "core", "persistentvolumes"), EVENTS],
    ),
    role(
        "system:controller:pvc-protection-controller",
        &[
            On("read update", "core", "persistentvolumeclaims"),
            On("update", "core", "persistentvolumeclaims/status"),
            On("read", "core", "pods"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:replicaset-controller",
        &[
            On("read update", "apps extensions", "replicasets"),
            On("update", "apps extensions", "replicasets/status"),
            On("update", "apps extensions", "replicasets/finalizers"),
            On("create delete list patch watch", "core", "pods"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:replication-controller",
        &[
            On("read update", "core", "replicationcontrollers"),
            On("update", "core", "replicationcontrollers/status"),
            On("update", "core", "replicationcontrollers/finalizers"),
            On("create delete list patch watch", "core", "pods"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:resource-claim-controller",
        &[
            On("read", "core", "pods"),
            On("update", "core", "pods/finalizers"),
            On("create delete read", "resource.k8s.io", "resourceclaims"),
            On(
                "patch update",
                "resource.k8s.io",
                "resourceclaims resourceclaims/status",
            ),
            On("patch update", "core", "pods/status"),
            EVENTS,
            On("patch update", "resource.k8s.io", "resourceclaims/binding"),
        ],
    ),
    role(
        "system:controller:resourcequota-controller",
        &[
            On("list watch", "*", "*"),
            On("update", "core", "resourcequotas/status"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:root-ca-cert-publisher",
        &[On("create update", "core", "configmaps"), EVENTS],
    ),
    role(
        "system:controller:route-controller",
        &[
            On("list watch", "core", "nodes"),
            On("patch", "core", "nodes/status"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:selinux-warning-controller",
        &[
            EVENTS,
            On("read", "core", "persistentvolumes"),
            On("read", "core", "persistentvolumeclaims"),
            On("read", "core", "pods"),
            On("read", "storage.k8s.io", "csidrivers"),
        ],
    ),
    role(
        "system:controller:service-account-controller",
        &[On("create", "core", "serviceaccounts"), EVENTS],
    ),
    role(
        "system:controller:service-cidrs-controller",
        &[
            On("read patch update", "networking.k8s.io", "servicecidrs"),
            On(
                "patch update",
                "networking.k8s.io",
                "servicecidrs/finalizers",
            ),
            On("patch update", "networking.k8s.io", "servicecidrs/status"),
            On("read", "networking.k8s.io", "ipaddresses"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:service-controller",
        &[
            On("read", "core", "services"),
            On("patch update", "core", "services/status"),
            On("list watch", "core", "nodes"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:statefulset-controller",
        &[
            On("list watch", "core", "pods"),
            On("read", "apps", "statefulsets"),
            On("update", "apps", "statefulsets/status"),
            On("update", "apps", "statefulsets/finalizers"),
            On("create delete get patch update", "core", "pods"),
            On(
                "create delete read patch update",
                "apps",
                "controllerrevisions",
            ),
            On("create read", "core", "persistentvolumeclaims"),
            On("delete update", "core", "persistentvolumeclaims"),
            On("update", "core", "pods/finalizers"),
            EVENTS,
        ],
    ),
    role(
        "system:controller:ttl-after-finished-controller",
        &[On("delete read", "batch", "jobs"), EVENTS],
    ),
    role(
        "system:controller:ttl-controller",
        &[On("list patch update watch", "core", "nodes"), EVENTS],
    ),
    role(
        "system:controller:validatingadmissionpolicy-status-controller",
        &[
            On(
                "read",
                "admissionregistration.k8s.io",
                "validatingadmissionpolicies",
            ),
            On(
                "get patch update",
                "admissionregistration.k8s.io",
                "validatingadmissionpolicies/status",
            ),
            EVENTS,
        ],
    ),
    role(
        "system:controller:volumeattributesclass-protection-controller",
        &[
            On("read", "core", "persistentvolumeclaims"),
            On("read", "core", "persistentvolumes"),
            On("read update", "storage.k8s.io", "volumeattributesclasses"),
            EVENTS,
        ],
    ),
];
