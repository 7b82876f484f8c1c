//! Roles for people, nodes and the control plane's parts.

use super::Grant::{Named, On, Paths};
use super::{BindingRow, EVENTS, RoleRow};

const fn role(name: &'static str, grants: &'static [super::Grant]) -> RoleRow {
    RoleRow {
        name,
        into: "",
        grants,
    }
}

const fn bind(name: &'static str, subjects: &'static str) -> BindingRow {
    BindingRow {
        name,
        role: name,
        subjects,
    }
}

pub(super) const CLUSTER_ROLES: &[RoleRow] = &[
    role("cluster-admin", &[On("*", "*", "*"), Paths("*", "*")]),
    role(
        "system:discovery",
        &[Paths(
            "get",
            "/livez /readyz /healthz /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*",
        )],
    ),
    role(
        "system:monitoring",
        &[
            Paths(
                "get",
                "/metrics /metrics/slis /livez /readyz /healthz /livez/* /readyz/* /healthz/*",
            ),
            On("get", "core", "nodes/metrics"),
            Paths("get", "/flagz"),
            Paths("get", "/statusz"),
        ],
    ),
    role(
        "system:basic-user",
        &[
            On(
                "create",
                "authorization.k8s.io",
                "selfsubjectaccessreviews selfsubjectrulesreviews",
            ),
            On("create", "authentication.k8s.io", "selfsubjectreviews"),
        ],
    ),
    role(
        "system:public-info-viewer",
        &[Paths("get", "/livez /readyz /healthz /version /version/")],
    ),
    RoleRow {
        name: "system:aggregate-to-admin",
        into: "admin",
        grants: &[
            On(
                "create",
                "authorization.k8s.io",
                "localsubjectaccessreviews",
            ),
            On(
                "read write",
                "rbac.authorization.k8s.io",
                "roles rolebindings",
            ),
        ],
    },
    RoleRow {
        name: "system:aggregate-to-edit",
        into: "edit",
        grants: &[
            On(
                "read",
                "core",
                "pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy",
            ),
            On("impersonate", "core", "serviceaccounts"),
            On(
                "write",
                "core",
                "pods pods/attach pods/proxy pods/exec pods/portforward",
            ),
            On("create", "core", "pods/eviction"),
            On(
                "write",
                "core",
                "replicationcontrollers replicationcontrollers/scale serviceaccounts services \
                services/proxy persistentvolumeclaims configmaps secrets events",
            ),
            On("create", "core", "serviceaccounts/token"),
            On(
                "write",
                "apps",
                "statefulsets statefulsets/scale daemonsets deployments deployments/scale \
                deployments/rollback replicasets replicasets/scale",
            ),
            On("write", "autoscaling", "horizontalpodautoscalers"),
            On("write", "batch", "jobs cronjobs"),
            On(
                "write",
                "extensions",
                "daemonsets deployments deployments/scale deployments/rollback ingresses \
                replicasets replicasets/scale replicationcontrollers/scale networkpolicies",
            ),
            On("write", "policy", "poddisruptionbudgets"),
            On("write", "networking.k8s.io", "networkpolicies ingresses"),
            On("read write", "coordination.k8s.io", "leases"),
            On(
                "write",
                "resource.k8s.io",
                "resourceclaims resourceclaimtemplates",
            ),
        ],
    },
    RoleRow {
        name: "system:aggregate-to-view",
        into: "view",
        grants: &[
            On(
                "read",
                "core",
                "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services \
                services/status endpoints persistentvolumeclaims persistentvolumeclaims/status \
                configmaps",
            ),
            On(
                "read",
                "core",
                "limitranges resourcequotas bindings events pods/status resourcequotas/status \
                namespaces/status replicationcontrollers/status pods/log",
            ),
            On("read", "core", "namespaces"),
            On("read", "discovery.k8s.io", "endpointslices"),
            On(
                "read",
                "apps",
                "controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets \
                daemonsets/status deployments deployments/status deployments/scale replicasets \
                replicasets/status replicasets/scale",
            ),
            On(
                "read",
                "autoscaling",
                "horizontalpodautoscalers horizontalpodautoscalers/status",
            ),
            On("read", "batch", "jobs cronjobs cronjobs/status jobs/status"),
            On(
                "read",
                "extensions",
                "daemonsets daemonsets/status deployments deployments/scale deployments/status \
                ingresses ingresses/status replicasets replicasets/scale replicasets/status \
                replicationcontrollers/scale networkpolicies",
            ),
            On(
                "read",
                "policy",
                "poddisruptionbudgets poddisruptionbudgets/status",
            ),
            On(
                "read",
                "networking.k8s.io",
                "networkpolicies ingresses ingresses/status",
            ),
            On(
                "read",
                "resource.k8s.io",
                "resourceclaims resourceclaims/status resourceclaimtemplates",
            ),
        ],
    },
    role(
        "system:heapster",
        &[
            On("read", "core", "events pods nodes namespaces"),
            On("read", "extensions", "deployments"),
        ],
    ),
    role("system:node", NODE),
    role(
        "system:node-problem-detector",
        &[
            On("get", "core", "nodes"),
            On("patch", "core", "nodes/status"),
            EVENTS,
        ],
    ),
    role(
        "system:node-bootstrapper",
        &[On(
            "create read",
            "certificates.k8s.io",
            "certificatesigningrequests",
        )],
    ),
    role(
        "system:auth-delegator",
        &[
            On("create", "authentication.k8s.io", "tokenreviews"),
            On("create", "authorization.k8s.io", "subjectaccessreviews"),
        ],
    ),
    role(
        "system:kube-aggregator",
        &[On("read", "core", "services endpoints")],
    ),
    role(
        "system:kube-controller-manager",
        &[
            EVENTS,
            On("create", "coordination.k8s.io", "leases"),
            Named(
                "get update",
                "coordination.k8s.io",
                "leases",
                "kube-controller-manager",
            ),
            On("create", "core", "secrets serviceaccounts"),
            On("delete", "core", "secrets"),
            On(
                "get",
                "core",
                "namespaces secrets serviceaccounts configmaps",
            ),
            On("update", "core", "secrets serviceaccounts"),
            On("create", "authentication.k8s.io", "tokenreviews"),
            On("create", "authorization.k8s.io", "subjectaccessreviews"),
            On("list watch", "*", "*"),
            On("create", "core", "serviceaccounts/token"),
        ],
    ),
    role(
        "system:kube-dns",
        &[On("list watch", "core", "endpoints services")],
    ),
    role(
        "system:persistent-volume-provisioner",
        &[
            On("read create delete", "core", "persistentvolumes"),
            On("read update", "core", "persistentvolumeclaims"),
            On("read", "storage.k8s.io", "storageclasses"),
            On("watch", "core", "events"),
            EVENTS,
        ],
    ),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        &[On(
            "create",
            "certificates.k8s.io",
            "certificatesigningrequests/nodeclient",
        )],
    ),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        &[On(
            "create",
            "certificates.k8s.io",
            "certificatesigningrequests/selfnodeclient",
        )],
    ),
    role(
        "system:volume-scheduler",
        &[
            On("read patch update", "core", "persistentvolumes"),
            On("read", "storage.k8s.io", "storageclasses"),
            On("read patch update", "core", "persistentvolumeclaims"),
        ],
    ),
    role(
        "system:certificates.k8s.io:legacy-unknown-approver",
        &[Named(
            "approve",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/legacy-unknown",
        )],
    ),
    role(
        "system:certificates.k8s.io:kubelet-serving-approver",
        &[Named(
            "approve",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kubelet-serving",
        )],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        &[Named(
            "approve",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kube-apiserver-client",
        )],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        &[Named(
            "approve",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kube-apiserver-client-kubelet",
        )],
    ),
    role(
        "system:service-account-issuer-discovery",
        &[Paths(
            "get",
            "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks \
             /openid/v1/jwks/",
        )],
    ),
    role(
        "system:kubelet-api-admin",
        &[
            On("read", "core", "nodes"),
            On("proxy", "core", "nodes"),
            On(
                "*",
                "core",
                "nodes/proxy nodes/metrics nodes/stats nodes/log",
            ),
            On("*", "core", "nodes/pods nodes/healthz nodes/configz"),
        ],
    ),
    role(
        "system:node-proxier",
        &[
            On("list watch", "core", "services endpoints"),
            On("read", "core", "nodes"),
            EVENTS,
            On("list watch", "networking.k8s.io", "servicecidrs"),
            On("list watch", "discovery.k8s.io", "endpointslices"),
        ],
    ),
    role("system:kube-scheduler", SCHEDULER),
];

const NODE: &[super::Grant] = &[
    On("create", "authentication.k8s.io", "tokenreviews"),
    On(
        "create",
        "authorization.k8s.io",
        "subjectaccessreviews localsubjectaccessreviews",
    ),
    On("read", "core", "services"),
    On("create read", "core", "nodes"),
    On("patch update", "core", "nodes/status"),
    On("patch update", "core", "nodes"),
    On("create patch update", "core", "events"),
    On("read", "core", "pods"),
    On("create delete", "core", "pods"),
    On("patch update", "core", "pods/status"),
    On("create", "core", "pods/eviction"),
    On("read", "core", "secrets configmaps"),
    On("get", "core", "persistentvolumeclaims persistentvolumes"),
    On("get", "core", "endpoints"),
    On(
        "create read",
        "certificates.k8s.io",
        "certificatesigningrequests",
    ),
    On(
        "create delete get patch update",
        "coordination.k8s.io",
        "leases",
    ),
    On("get", "storage.k8s.io", "volumeattachments"),
    On("create", "core", "serviceaccounts/token"),
    On("get patch update", "core", "persistentvolumeclaims/status"),
    On("read", "storage.k8s.io", "csidrivers"),
    On(
        "create delete get patch update",
        "storage.k8s.io",
        "csinodes",
    ),
    On("read", "node.k8s.io", "runtimeclasses"),
    On("get", "resource.k8s.io", "resourceclaims"),
    On("deletecollection", "resource.k8s.io", "resourceslices"),
    On("get", "core", "serviceaccounts"),
];

const SCHEDULER: &[super::Grant] = &[
    EVENTS,
    On("create", "coordination.k8s.io", "leases"),
    Named(
        "read update",
        "coordination.k8s.io",
        "leases",
        "kube-scheduler",
    ),
    On("read write", "coordination.k8s.io", "leasecandidates"),
    On("read", "core", "nodes"),
    On("read delete", "core", "pods"),
    On("create", "core", "pods/binding bindings"),
    On("patch update", "core", "pods/status"),
    On("read", "core", "services replicationcontrollers"),
    On("read", "apps extensions", "replicasets"),
    On("read", "apps", "statefulsets"),
    On("read", "policy", "poddisruptionbudgets"),
    On("read", "core", "persistentvolumeclaims persistentvolumes"),
    On("create", "authentication.k8s.io", "tokenreviews"),
    On("create", "authorization.k8s.io", "subjectaccessreviews"),
    On("read", "storage.k8s.io", "csinodes"),
    On("read", "storage.k8s.io", "volumeattachments"),
    On("read", "core", "namespaces"),
    On("read", "storage.k8s.io", "csidrivers"),
    On("read", "storage.k8s.io", "csistoragecapacities"),
    On("read", "resource.k8s.io", "deviceclasses"),
    On("read patch update", "resource.k8s.io", "resourceclaims"),
    On(
        "read patch update",
        "resource.k8s.io",
        "resourceclaims/status",
    ),
    On("read patch update", "core", "pods/finalizers"),
    On("read", "resource.k8s.io", "resourceslices"),
    On("create delete", "resource.k8s.io", "resourceclaims"),
    On("patch update", "resource.k8s.io", "resourceclaims/binding"),
];

pub(super) const CLUSTER_BINDINGS: &[BindingRow] = &[
    bind("cluster-admin", "group:system:masters"),
    bind("system:monitoring", "group:system:monitoring"),
    bind("system:discovery", "group:system:authenticated"),
    bind("system:basic-user", "group:system:authenticated"),
    bind(
        "system:public-info-viewer",
        "group:system:authenticated group:system:unauthenticated",
    ),
    bind("system:node-proxier", "user:system:kube-proxy"),
    bind(
        "system:kube-controller-manager",
        "user:system:kube-controller-manager",
    ),
    bind("system:kube-dns", "account:kube-system/kube-dns"),
    bind("system:kube-scheduler", "user:system:kube-scheduler"),
    bind("system:volume-scheduler", "user:system:kube-scheduler"),
    // Nodes are authorized one by one, not as a group; the empty binding is
    // upstream's.
    bind("system:node", ""),
    bind(
        "system:service-account-issuer-discovery",
        "group:system:serviceaccounts",
    ),
];

type Namespaced = (&'static str, &'static [RoleRow], &'static [BindingRow]);

pub(super) const NAMESPACED: &[Namespaced] = &[
    (
        "kube-public",
        &[role(
            "system:controller:bootstrap-signer",
            &[
                On("read", "core", "configmaps"),
                Named("update", "core", "configmaps", "cluster-info"),
                EVENTS,
            ],
        )],
        &[bind(
            "system:controller:bootstrap-signer",
            "account:kube-system/bootstrap-signer",
        )],
    ),
    (
        "kube-system",
        &[
            role(
                "extension-apiserver-authentication-reader",
                &[Named(
                    "read",
                    "core",
                    "configmaps",
                    "extension-apiserver-authentication",
                )],
            ),
            role(
                "system:controller:bootstrap-signer",
                &[On("read", "core", "secrets")],
            ),
            role(
                "system:controller:cloud-provider",
                &[On("create read", "core", "configmaps")],
            ),
            role(
                "system:controller:token-cleaner",
                &[On("read delete", "core", "secrets"), EVENTS],
            ),
            role("system::leader-locking-kube-controller-manager", LEADER),
            role("system::leader-locking-kube-scheduler", LEADER),
        ],
        &[
            BindingRow {
                name: "system::extension-apiserver-authentication-reader",
                role: "extension-apiserver-authentication-reader",
                subjects: "user:system:kube-controller-manager user:system:kube-scheduler",
            },
            bind(
                "system::leader-locking-kube-controller-manager",
                "user:system:kube-controller-manager account:kube-system/kube-controller-manager \
                 account:kube-system/leader-election-controller",
            ),
            bind(
                "system::leader-locking-kube-scheduler",
                "user:system:kube-scheduler account:kube-system/kube-scheduler",
            ),
            bind(
                "system:controller:bootstrap-signer",
                "account:kube-system/bootstrap-signer",
            ),
            bind(
                "system:controller:cloud-provider",
                "account:kube-system/cloud-provider",
            ),
            bind(
                "system:controller:token-cleaner",
                "account:kube-system/token-cleaner",
            ),
        ],
    ),
];

const LEADER: &[super::Grant] = &[
    On("create read update", "coordination.k8s.io", "leases"),
    On(
        "create read update",
        "coordination.k8s.io",
        "leasecandidates",
    ),
];
