//! Pods as people write them, and the words they get back.

use serde_json::{Value, json};

use crate::defaults::set_defaults;
use crate::error::summary;
use crate::validate::{validate_create, validate_update};

fn pod(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "metadata": {"name": "p", "namespace": "n", "resourceVersion": "1"},
        "spec": {"containers": [{"name": "a", "image": "x:1"}]},
    });
    change(&mut object);
    set_defaults("", "Pod", &mut object);
    object
}

fn created(change: impl FnOnce(&mut Value)) -> String {
    summary(&validate_create("", "Pod", true, &pod(change)))
}

fn container(fields: Value) -> String {
    created(|object| {
        if let (Some(container), Value::Object(fields)) =
            (object["spec"]["containers"][0].as_object_mut(), fields)
        {
            container.extend(fields);
        }
    })
}

fn spec(fields: Value) -> String {
    created(|object| {
        if let (Some(spec), Value::Object(fields)) = (object["spec"].as_object_mut(), fields) {
            spec.extend(fields);
        }
    })
}

#[test]
fn a_plain_pod_is_good() {
    assert_eq!(created(|_| {}), "[]");
    assert_eq!(
        spec(json!({
            "volumes": [{"name": "c", "configMap": {"name": "m"}}, {"name": "e"}],
            "containers": [{"name": "a", "image": "x", "ports": [{"containerPort": 80, "name": "http"}],
                "volumeMounts": [{"name": "c", "mountPath": "/c"}],
                "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}],
                "livenessProbe": {"httpGet": {"port": "http"}},
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}],
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}},
        })),
        "[]"
    );
}

#[test]
fn a_pod_has_containers_and_they_have_names_and_images() {
    assert_eq!(
        spec(json!({"containers": []})),
        "spec.containers: Required value"
    );
    assert_eq!(
        spec(json!({"containers": [{"name": "a"}]})),
        "spec.containers[0].image: Required value"
    );
    assert_eq!(
        spec(json!({"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": " x"}]})),
        "[spec.containers[1].name: Duplicate value: \"a\", spec.containers[1].image: Invalid \
         value: \" x\": must not have leading or trailing whitespace]"
    );
    assert!(container(json!({"name": "A"})).starts_with(
        "spec.containers[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of"
    ));
}

#[test]
fn words_are_those_that_are_known() {
    assert_eq!(
        spec(json!({"restartPolicy": "Sometimes"})),
        "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \
         \"OnFailure\", \"Never\""
    );
    assert_eq!(
        container(json!({"imagePullPolicy": "Maybe"})),
        "spec.containers[0].imagePullPolicy: Unsupported value: \"Maybe\": supported values: \
         \"Always\", \"IfNotPresent\", \"Never\""
    );
    assert_eq!(
        container(json!({"ports": [{"containerPort": 80, "protocol": "ICMP"}]})),
        "spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \
         \"SCTP\", \"TCP\", \"UDP\""
    );
}

#[test]
fn mounts_and_volumes_find_each_other() {
    assert_eq!(
        container(json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]})),
        "spec.containers[0].volumeMounts[0].name: Not found: \"v\""
    );
    assert_eq!(
        spec(json!({"volumes": [{"name": "v", "secret": {}}]})),
        "spec.volumes[0].secret.secretName: Required value"
    );
    assert_eq!(
        spec(json!({"volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}, "emptyDir": {}}]})),
        "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"
    );
    assert_eq!(
        spec(json!({"volumes": [{"name": "v"}, {"name": "v"}]})),
        "spec.volumes[1].name: Duplicate value: \"v\""
    );
}

#[test]
fn a_probe_does_one_thing() {
    assert_eq!(
        container(json!({"livenessProbe": {}})),
        "spec.containers[0].livenessProbe: Required value: must specify a handler type"
    );
    assert_eq!(
        container(
            json!({"readinessProbe": {"exec": {"command": ["x"]}, "tcpSocket": {"port": 1}}})
        ),
        "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 \
         handler type"
    );
    assert_eq!(
        container(json!({"livenessProbe": {"tcpSocket": {"port": 70000}, "successThreshold": 2}})),
        "[spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: 70000: must be between \
         1 and 65535, inclusive, spec.containers[0].livenessProbe.successThreshold: Invalid \
         value: 2: must be 1]"
    );
}

#[test]
fn a_variable_has_one_source() {
    assert_eq!(
        container(json!({"env": [{"name": "A=B", "valueFrom": {}}]})),
        "[spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable \
         name must consist only of printable ASCII characters other than '=', \
         spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: \
         `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`]"
    );
    assert_eq!(
        container(
            json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]})
        ),
        "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \
         \"status.phase\": supported values: \"metadata.name\", \"metadata.namespace\", \
         \"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \
         \"status.hostIPs\", \"status.podIP\", \"status.podIPs\""
    );
    assert_eq!(
        container(
            json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]})
        ),
        "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.x\": error \
         converting fieldPath: field label not supported: spec.x"
    );
}

#[test]
fn scheduling_makes_sense() {
    assert_eq!(
        spec(json!({"tolerations": [{"key": "a", "operator": "Equals"}]})),
        "spec.tolerations[0].operator: Unsupported value: \"Equals\": supported values: \
         \"Equal\", \"Exists\""
    );
    assert_eq!(
        spec(
            json!({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "X"}]})
        ),
        "[spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero, \
         spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"X\": supported \
         values: \"DoNotSchedule\", \"ScheduleAnyway\"]"
    );
    let term = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}, "topologyKey": "k"}]}});
    assert_eq!(
        spec(json!({ "affinity": term })),
        "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]\
         .labelSelector.matchExpressions[0].values: Required value: must be specified when \
         `operator` is 'In' or 'NotIn'"
    );
}

#[test]
fn security_contexts_do_not_contradict_themselves() {
    assert_eq!(
        container(json!({"securityContext": {"runAsUser": -1}})),
        "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and \
         2147483647, inclusive"
    );
    assert_eq!(
        container(
            json!({"securityContext": {"privileged": true, "allowPrivilegeEscalation": false}})
        ),
        "spec.containers[0].securityContext: Invalid value: \
         {\"allowPrivilegeEscalation\":false,\"privileged\":true}: cannot set \
         `allowPrivilegeEscalation` to false and `privileged` to true"
    );
    assert_eq!(
        spec(json!({"securityContext": {"seccompProfile": {"type": "Localhost"}}})),
        "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when \
         seccomp type is Localhost"
    );
}

#[test]
fn init_containers_neither_probe_nor_share_names() {
    assert_eq!(
        spec(json!({"initContainers": [
            {"name": "a", "image": "x", "readinessProbe": {"exec": {"command": ["x"]}}}]})),
        "[spec.initContainers[0].name: Duplicate value: \"a\", \
         spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers \
         without restartPolicy=Always]"
    );
}

#[test]
fn little_of_a_pod_changes_once_it_is_there() {
    let old = pod(|_| {});
    let updated = |change: fn(&mut Value)| {
        let mut new = old.clone();
        change(&mut new);
        summary(&validate_update("", "Pod", "", &new, &old))
    };
    assert_eq!(
        updated(|new| new["spec"]["containers"][0]["image"] = json!("y")),
        "[]"
    );
    assert_eq!(
        updated(|new| new["metadata"]["labels"] = json!({"a": "b"})),
        "[]"
    );
    assert_eq!(
        updated(|new| new["spec"]["nodeName"] = json!("n1")),
        "spec: Forbidden: pod updates may not change fields other than \
         `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
         `spec.tolerations` (only additions to existing tolerations),\
         `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously \
         negative)\n+ nodeName: \"n1\"\n"
    );
    assert_eq!(
        updated(|new| {
            if let Some(containers) = new["spec"]["containers"].as_array_mut() {
                containers.push(containers[0].clone());
                containers[1]["name"] = json!("b");
            }
        }),
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    );
}

#[test]
fn a_new_pod_has_no_ephemeral_containers() {
    assert_eq!(
        spec(
            json!({"ephemeralContainers": [{"name": "d", "image": "x", "ports": [{"containerPort": 1}]}]})
        ),
        "[spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container, \
         spec.ephemeralContainers: Forbidden: cannot be set on create]"
    );
}
