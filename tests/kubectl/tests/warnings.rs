//! What kubectl is told besides the answer.

use skerry_tests_kubectl::Servers;

/// What kubectl prints of the warnings of a manifest.
fn told(servers: &Servers, manifest: &str) -> String {
    let ended = servers.run_on(0, &["apply", "-f", "-"], manifest);
    assert!(ended.ok, "{ended:?}");
    ended.err
}

#[tokio::test]
async fn what_is_old_in_an_object_is_told_in_upstreams_words_when_it_is_written() {
    let servers = Servers::start(1).await;
    let deployment = |zone: &str, replicas: u8| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d}}, spec: {{replicas: {replicas}, \
             selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{\
             nodeSelector: {{{zone}: x}}, containers: [{{name: c, image: i, \
             env: [{{name: A, value: '1'}}, {{name: A, value: '2'}}]}}]}}}}}}}}"
        )
    };
    let hidden = "Warning: spec.template.spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when using apply\n";
    let zone = "Warning: spec.template.spec.nodeSelector[failure-domain.beta.kubernetes.io/zone]: deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead\n";
    assert_eq!(
        told(
            &servers,
            &deployment("failure-domain.beta.kubernetes.io/zone", 1)
        ),
        format!("{zone}{hidden}")
    );
    let other = told(&servers, &deployment("topology.kubernetes.io/zone", 1));
    assert!(
        !other.contains("nodeSelector") && other.contains("env[1]"),
        "{other}"
    );
    // An update that leaves the spec alone says nothing.
    let labelled = servers.run_on(0, &["label", "deployment", "d", "x=y"], "");
    assert!(labelled.ok && labelled.err.is_empty(), "{labelled:?}");
    // A pod says it of itself, and when it is made only.
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a.b}, spec: {containers: [{name: c, image: i}]}}";
    assert_eq!(
        told(&servers, pod),
        "Warning: metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]\n"
    );
    let labelled = servers.run_on(0, &["label", "pod", "a.b", "x=y"], "");
    assert!(labelled.ok && labelled.err.is_empty(), "{labelled:?}");
}

#[tokio::test]
async fn whoever_asks_for_endpoints_is_told_what_has_come_after_them() {
    let servers = Servers::start(1).await;
    let text =
        "Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\n";
    let listed = servers.run_on(0, &["get", "endpoints", "-A"], "");
    assert!(listed.ok && listed.err == text, "{listed:?}");
    let slices = servers.run_on(0, &["get", "endpointslices", "-A"], "");
    assert!(slices.ok && slices.err.is_empty(), "{slices:?}");
}
