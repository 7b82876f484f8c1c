//! What a cluster fills in and refuses before an object is kept.

use serde_json::json;
use skerry_tests_kubectl::Servers;

const POLICY: &str = r#"
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: bot}, imagePullSecrets: [{name: hub}]}
- {apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 1000}
- apiVersion: v1
  kind: LimitRange
  metadata: {name: bounds}
  spec:
    limits:
    - {type: Container, default: {memory: 64Mi}, defaultRequest: {memory: 32Mi}, max: {memory: 128Mi}}
- apiVersion: storage.k8s.io/v1
  kind: StorageClass
  metadata: {name: flash, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
  provisioner: example.com/flash
- apiVersion: node.k8s.io/v1
  kind: RuntimeClass
  metadata: {name: vm}
  handler: vm
  overhead: {podFixed: {memory: 8Mi}}
"#;

#[tokio::test]
async fn a_pod_gets_account_token_priority_limits_and_tolerations() {
    let servers = Servers::start(1).await;
    servers.ok_with(&["apply", "-f", "-"], POLICY);
    let manifest = r"{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {serviceAccountName: bot, priorityClassName: high, runtimeClassName: vm, containers: [{name: c, image: i}]}}";
    servers.ok_with(&["create", "-f", "-"], manifest);
    let pod = servers.json(&["get", "pod", "web", "--show-managed-fields"]);
    let spec = &pod["spec"];
    assert_eq!(spec["serviceAccount"], "bot");
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "hub"}]));
    assert_eq!(
        (&spec["priority"], &spec["preemptionPolicy"]),
        (&json!(1000), &json!("PreemptLowerPriority"))
    );
    assert_eq!(spec["overhead"], json!({"memory": "8Mi"}));
    assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
    let container = &spec["containers"][0];
    assert_eq!(
        container["resources"],
        json!({"limits": {"memory": "64Mi"}, "requests": {"memory": "32Mi"}})
    );
    let mount = &container["volumeMounts"][0];
    assert_eq!(
        mount["mountPath"],
        "/var/run/secrets/kubernetes.io/serviceaccount"
    );
    assert_eq!(mount["name"], spec["volumes"][0]["name"]);
    assert_eq!(
        pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: memory request for container c; memory limit for container c"
    );
    // What the cluster filled in nobody owns.
    let owned = pod["metadata"]["managedFields"].to_string();
    assert!(
        owned.contains("f:priorityClassName") && !owned.contains("f:tolerations"),
        "{owned}"
    );

    for (spec, why) in [
        (
            "serviceAccountName: nobody",
            "pods \"x\" is forbidden: error looking up service account default/nobody: serviceaccount \"nobody\" not found",
        ),
        (
            "priorityClassName: none",
            "pods \"x\" is forbidden: no PriorityClass with name none was found",
        ),
        (
            "priority: 5",
            "pods \"x\" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name",
        ),
        (
            "runtimeClassName: none",
            "pods \"x\" is forbidden: pod rejected: RuntimeClass \"none\" not found",
        ),
    ] {
        let pod = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {{{spec}, containers: [{{name: c, image: i}}]}}}}"
        );
        let said = servers.fails_with(&["create", "-f", "-"], &pod);
        assert!(said.contains(why), "{said}");
    }
    let large = "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: c, image: i, resources: {limits: {memory: 1Gi}}}]}}";
    let said = servers.fails_with(&["create", "-f", "-"], large);
    let why =
        "pods \"x\" is forbidden: maximum memory usage per Container is 128Mi, but limit is 1Gi";
    assert!(said.contains(why), "{said}");
}

#[tokio::test]
async fn a_claim_gets_the_default_class_and_grows_only_if_that_lets_it() {
    let servers = Servers::start(1).await;
    servers.ok_with(&["apply", "-f", "-"], POLICY);
    let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}";
    servers.ok_with(&["create", "-f", "-"], claim);
    let class = ["get", "pvc", "c", "-o", "jsonpath={.spec.storageClassName}"];
    assert_eq!(servers.ok(&class), "flash");
    let bound = r#"{"status":{"phase":"Bound"}}"#;
    servers.ok(&[
        "patch",
        "pvc",
        "c",
        "--subresource=status",
        "--type=merge",
        "-p",
        bound,
    ]);
    let grow = r#"{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}"#;
    let said = servers.fails(&["patch", "pvc", "c", "--type=merge", "-p", grow]);
    assert!(
        said.contains("only dynamically provisioned pvc can be resized"),
        "{said}"
    );
}

#[tokio::test]
async fn selectors_of_devices_that_mean_nothing_are_refused_when_they_are_written() {
    let servers = Servers::start(1).await;
    let class = |expression: &str| {
        json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "gpu"},
            "spec": {"selectors": [{"cel": {"expression": expression}}]},
        })
        .to_string()
    };
    let refused = servers.fails_with(&["create", "-f", "-"], &class("device.drivr == 'x'"));
    assert!(
        refused.contains(
            "spec.selectors[0].cel.expression: Invalid value: \"device.drivr == 'x'\": compilation failed: ERROR: <input>:1:7: undefined field 'drivr'"
        ),
        "{refused}"
    );
    let fits = class("device.driver == 'gpu.example.com'");
    servers.ok_with(&["create", "-f", "-"], &fits);
    let claim = |expression: &str| {
        json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "one"},
            "spec": {"devices": {"requests": [{"name": "r", "exactly": {
                "deviceClassName": "gpu", "selectors": [{"cel": {"expression": expression}}],
            }}]}},
        })
        .to_string()
    };
    let refused = servers.fails_with(&["create", "-f", "-"], &claim("device.driver"));
    assert!(
        refused.contains(
            "spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: \"device.driver\": must evaluate to bool or the unknown type, not string"
        ),
        "{refused}"
    );
    let fits = claim(
        "cel.bind(gpu, device.attributes['gpu.example.com'], gpu.family == 'x' && gpu.ready)",
    );
    servers.ok_with(&["create", "-f", "-"], &fits);
}

#[tokio::test]
async fn classes_that_a_cluster_cannot_do_without_are_there() {
    let servers = Servers::start(1).await;
    let classes = servers.ok(&["get", "priorityclasses", "-o", "jsonpath={.items[*].value}"]);
    assert_eq!(classes, "2000000000 2000001000");
    let said = servers.fails(&["delete", "priorityclass", "system-node-critical"]);
    assert!(said.contains("is forbidden"), "{said}");
}

#[tokio::test]
async fn a_quota_is_never_exceeded_whichever_members_are_asked_at_once() {
    const HARD: usize = 8;
    const TRIES: usize = 24;
    let servers = Servers::start(3).await;
    servers.ok(&["create", "namespace", "tight"]);
    let hard = format!("--hard=count/configmaps={HARD},pods=1,requests.cpu=1");
    servers.ok(&["-n", "tight", "create", "quota", "q", &hard]);
    // The namespace's own certificate is the first.
    servers.until(
        0,
        &["-n", "tight", "get", "configmap", "kube-root-ca.crt"],
        |ended| ended.ok,
    );
    let made = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..TRIES)
            .map(|one| {
                let servers = &servers;
                scope.spawn(move || {
                    let name = format!("c{one}");
                    servers.run_on(one % 3, &["-n", "tight", "create", "configmap", &name], "")
                })
            })
            .collect();
        let ended: Vec<_> = tries.into_iter().map(|one| one.join().unwrap()).collect();
        for refused in ended.iter().filter(|ended| !ended.ok) {
            let why = format!(
                "exceeded quota: q, requested: count/configmaps=1, used: count/configmaps={HARD}, limited: count/configmaps={HARD}"
            );
            assert!(refused.err.contains(&why), "{refused:?}");
        }
        ended.iter().filter(|ended| ended.ok).count()
    });
    let kept = servers.ok(&["-n", "tight", "get", "configmaps", "-o", "name"]);
    assert_eq!(kept.lines().count(), made + 1);
    assert_eq!(made + 1, HARD, "the namespace's own counts too");

    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}";
    let said = servers.fails_with(&["-n", "tight", "create", "-f", "-"], pod);
    let why = "pods \"p\" is forbidden: failed quota: q: must specify requests.cpu for: c";
    assert!(said.contains(why), "{said}");
    let used = [
        "-n",
        "tight",
        "get",
        "quota",
        "q",
        "-o",
        "jsonpath={.status.used.count/configmaps}",
    ];
    let full = kept.lines().count().to_string();
    servers.until(0, &used, |ended| ended.out == full);
    let mine = kept
        .lines()
        .find(|name| !name.ends_with("kube-root-ca.crt"));
    servers.ok(&["-n", "tight", "delete", mine.unwrap()]);
    let less = (kept.lines().count() - 1).to_string();
    servers.until(0, &used, |ended| ended.out == less);
}

#[tokio::test]
async fn a_namespace_lets_in_only_pods_of_its_standard() {
    let servers = Servers::start(1).await;
    servers.ok(&["create", "namespace", "hard"]);
    let pod = |name: &str, spec: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: hard}}, spec: {{{spec}, containers: [{{name: c, image: i}}]}}}}"
        )
    };
    servers.ok_with(&["create", "-f", "-"], &pod("old", "hostNetwork: true"));
    let label = "pod-security.kubernetes.io/enforce";
    let ended = servers.run_on(
        0,
        &["label", "namespace", "hard", &format!("{label}=baseline")],
        "",
    );
    assert!(
        ended.ok
            && ended.err.contains("Warning: existing pods in namespace \"hard\" violate the new PodSecurity enforce level \"baseline:latest\"\nWarning: old: host namespaces"),
        "{ended:?}"
    );
    let said = servers.fails_with(&["create", "-f", "-"], &pod("new", "hostPID: true"));
    let why = "pods \"new\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true)";
    assert!(said.contains(why), "{said}");
    servers.ok_with(&["create", "-f", "-"], &pod("plain", "hostPID: false"));

    servers.ok(&[
        "label",
        "--overwrite",
        "namespace",
        "hard",
        &format!("{label}=restricted"),
    ]);
    let ended = servers.run_on(
        0,
        &["-n", "hard", "create", "deployment", "web", "--image=i"],
        "",
    );
    let why = "Warning: would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"i\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"i\" must set";
    assert!(ended.ok && ended.err.contains(why), "{ended:?}");

    let said = servers.fails(&[
        "label",
        "--overwrite",
        "namespace",
        "hard",
        &format!("{label}=tight"),
    ]);
    let why = "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"tight\": must be one of privileged, baseline, restricted";
    assert!(said.contains(why), "{said}");
}
