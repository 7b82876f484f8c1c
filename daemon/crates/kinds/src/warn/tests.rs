//! What is said, word by word.

use serde_json::{Value, json};

use super::*;

fn of(kind: &str, object: Value) -> Vec<String> {
    let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
    warnings(group, kind, &object, None)
}

fn deployment(spec: Value) -> Value {
    json!({"metadata": {"name": "a"}, "spec": {"template": {"spec": spec}}})
}

#[test]
fn a_variable_that_hides_another_is_named_unless_it_builds_on_it() {
    let env = json!([
        {"name": "A", "value": "1"},
        {"name": "A", "value": "$(A)2"},
        {"name": "A", "value": "3"},
        {"name": "A", "value": "$(A)"},
        {"name": "B"},
    ]);
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "env": env}]}});
    let said = |at: usize| {
        format!(
            "spec.containers[0].env[{at}]: hides previous definition of \"A\", which may be dropped when using apply"
        )
    };
    assert_eq!(of("Pod", pod.clone()), [said(2), said(3)]);
    assert!(warnings("", "Pod", &pod, Some(&json!({}))).is_empty());
}

#[test]
fn templates_are_looked_at_where_they_change_and_paths_lead_there() {
    let object = deployment(json!({"nodeSelector": {"beta.kubernetes.io/os": "linux"}}));
    let wanted = "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead";
    assert_eq!(of("apps/Deployment", object.clone()), [wanted]);
    assert!(warnings("apps", "Deployment", &object, Some(&object)).is_empty());
    let old = deployment(json!({}));
    assert_eq!(
        warnings("apps", "Deployment", &object, Some(&old)),
        [wanted]
    );
}

#[test]
fn ports_that_meet_are_named_by_how_they_do() {
    let ports = json!([
        {"containerPort": 80, "protocol": "TCP"},
        {"containerPort": 80, "protocol": "TCP"},
        {"containerPort": 80, "protocol": "UDP"},
        {"containerPort": 81, "protocol": "TCP", "hostPort": 1},
        {"containerPort": 81, "protocol": "TCP", "hostPort": 1, "hostIP": "192.0.2.1"},
        {"containerPort": 82, "protocol": "TCP", "hostIP": "192.0.2.1"},
    ]);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"ports": ports}]}});
    assert_eq!(
        of("Pod", pod),
        [
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
            "spec.containers[0].ports[4]: dangerously ambiguous port definition with spec.containers[0].ports[3]",
            "spec.containers[0].ports[5]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:82 Protocol:TCP HostIP:192.0.2.1}",
        ]
    );
}

#[test]
fn each_kind_says_what_is_old_in_it() {
    let named = |spec: Value| json!({"metadata": {"name": "a"}, "spec": spec});
    let annotated = |key: &str| json!({"metadata": {"name": "a", "annotations": {key: "x"}}});
    for (kind, object, wanted) in [
        (
            "Pod",
            json!({"metadata": {"name": "a.b"}}),
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
        ),
        (
            "Pod",
            annotated("scheduler.alpha.kubernetes.io/critical-pod"),
            "metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the \"priorityClassName\" field instead",
        ),
        (
            "Pod",
            named(json!({"volumes": [{"gitRepo": {}}]})),
            "spec.volumes[0].gitRepo: deprecated in v1.11",
        ),
        (
            "Pod",
            named(json!({"containers": [{"resources": {"limits": {"memory": "1500m"}}}]})),
            "spec.containers[0].resources.limits[memory]: fractional byte value \"1500m\" is invalid, must be an integer",
        ),
        (
            "Pod",
            named(json!({"terminationGracePeriodSeconds": -1})),
            "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
        ),
        (
            "Pod",
            named(json!({"imagePullSecrets": [{"name": "x"}, {"name": "x"}]})),
            "spec.imagePullSecrets[1].name: duplicate name \"x\"",
        ),
        (
            "Pod",
            named(json!({"topologySpreadConstraints": [{"topologyKey": "k"}]})),
            "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod",
        ),
        (
            "Service",
            named(json!({"type": "ClusterIP", "externalName": "x"})),
            "spec.externalName is ignored when spec.type is not \"ExternalName\"",
        ),
        (
            "Service",
            named(json!({"type": "ClusterIP", "clusterIP": "None", "sessionAffinity": "ClientIP"})),
            "spec.SessionAffinity is ignored for headless services",
        ),
        (
            "Service",
            named(json!({"type": "ClusterIP", "loadBalancerIP": "2001:DB8::1"})),
            "spec.loadBalancerIP: IPv6 address \"2001:DB8::1\" should be in RFC 5952 canonical format (\"2001:db8::1\")",
        ),
        (
            "Service",
            named(json!({"type": "ClusterIP", "loadBalancerIP": "192.0.02.1"})),
            "spec.loadBalancerIP: non-standard IP address \"192.0.02.1\" is invalid: use \"192.0.2.1\"",
        ),
        (
            "Service",
            named(json!({"trafficDistribution": "PreferClose"})),
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
        ),
        (
            "Node",
            named(json!({"externalID": "x"})),
            "spec.externalID: this field is deprecated, and is unused by Kubernetes",
        ),
        (
            "PersistentVolume",
            annotated(BETA_STORAGE_CLASS),
            "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \"storageClassName\" attribute instead",
        ),
        (
            "PersistentVolume",
            annotated(MOUNT_OPTIONS),
            "metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use \"mountOptions\" attribute instead",
        ),
        (
            "PersistentVolume",
            named(json!({"persistentVolumeReclaimPolicy": "Recycle"})),
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.",
        ),
        (
            "PersistentVolumeClaim",
            named(json!({"resources": {"requests": {"storage": "1500m"}}})),
            "spec.resources.requests[storage]: fractional byte value \"1500m\" is invalid, must be an integer",
        ),
        (
            "ServiceAccount",
            annotated(MOUNTABLE_SECRETS),
            "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets",
        ),
        (
            "networking.k8s.io/Ingress",
            annotated(INGRESS_CLASS),
            "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead",
        ),
        (
            "storage.k8s.io/StorageClass",
            json!({"allowedTopologies": [{"matchLabelExpressions": [{"key": "beta.kubernetes.io/arch"}]}]}),
            "allowedTopologies[0].matchLabelExpressions[0]: deprecated since v1.14; use \"kubernetes.io/arch\" instead",
        ),
        (
            "apps/StatefulSet",
            named(json!({"revisionHistoryLimit": -1})),
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended",
        ),
    ] {
        assert_eq!(of(kind, object), [wanted], "{kind}");
    }
    let cron = named(json!({"schedule": "TZ=UTC 0 0 * * *"}));
    let said = warnings("batch", "CronJob", &cron, Some(&cron));
    assert!(
        said[0].starts_with("cannot use TZ or CRON_TZ in spec.spec.schedule"),
        "{said:?}"
    );
}

#[test]
fn ranges_that_are_not_as_they_should_be_are_named_with_what_they_mean() {
    let at = "spec.loadBalancerSourceRanges[0]";
    for (range, wanted) in [
        ("192.0.2.0/24", vec![]),
        ("0.0.0.0/0", vec![]),
        ("2001:db8::/64", vec![]),
        ("no range", vec![]),
        ("192.0.2.0/33", vec![]),
        (
            "192.0.2.1/24",
            vec![
                "CIDR value \"192.0.2.1/24\" is ambiguous in this context (should be \"192.0.2.0/24\" or \"192.0.2.1/32\"?)",
            ],
        ),
        (
            "192.0.02.1/024",
            vec![
                "CIDR value \"192.0.02.1/024\" is ambiguous in this context (should be \"192.0.2.0/24\" or \"192.0.2.1/32\"?)",
                "non-standard CIDR value \"192.0.02.1/024\" is invalid: use \"192.0.2.0/24\"",
            ],
        ),
        (
            "2001:DB8::/64",
            vec![
                "IPv6 CIDR value \"2001:DB8::/64\" should be in RFC 5952 canonical format (\"2001:db8::/64\")",
            ],
        ),
    ] {
        let object = json!({"spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": [range]}});
        let wanted: Vec<String> = wanted.iter().map(|said| format!("{at}: {said}")).collect();
        assert_eq!(of("Service", object), wanted, "{range}");
    }
    let policy = json!({"spec": {
        "ingress": [{"from": [{"ipBlock": {"cidr": "2001:DB8::/32", "except": ["2001:db8:0::/64"]}}]}],
        "egress": [{}, {"to": [{}, {"ipBlock": {"cidr": "10.0.0.1/8"}}]}]}});
    assert_eq!(
        of("networking.k8s.io/NetworkPolicy", policy),
        [
            "spec.ingress[0].from[0].ipBlock.cidr: IPv6 CIDR value \"2001:DB8::/32\" should be in RFC 5952 canonical format (\"2001:db8::/32\")",
            "spec.ingress[0].from[0].ipBlock.except[0]: IPv6 CIDR value \"2001:db8:0::/64\" should be in RFC 5952 canonical format (\"2001:db8::/64\")",
            "spec.egress[1].to[1].ipBlock.cidr: CIDR value \"10.0.0.1/8\" is ambiguous in this context (should be \"10.0.0.0/8\" or \"10.0.0.1/32\"?)",
        ]
    );
}

#[test]
fn odd_values_say_nothing_and_break_nothing() {
    for object in [json!(null), json!([]), json!({"spec": 1, "metadata": []})] {
        for kind in [
            "Pod",
            "Service",
            "Node",
            "apps/Deployment",
            "batch/CronJob",
            "PersistentVolume",
            "Endpoints",
        ] {
            assert!(of(kind, object.clone()).is_empty(), "{kind} {object}");
        }
    }
}
