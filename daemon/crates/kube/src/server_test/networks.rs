//! The network of Services, as objects.

use super::*;

const CIDRS: &str = "/apis/networking.k8s.io/v1/servicecidrs";

#[tokio::test]
async fn the_network_of_services_is_an_object_that_is_ready_and_comes_back() {
    let server = Server::start().await;
    let path = format!("{CIDRS}/kubernetes");
    let is_ready = |_: StatusCode, cidr: &Value| {
        let ready = &cidr["status"]["conditions"][0];
        ready["type"] == "Ready" && ready["status"] == "True"
    };
    let first = server.until(&path, is_ready).await;
    let condition = &first["status"]["conditions"][0];
    assert_eq!(
        condition["message"],
        "Kubernetes default Service CIDR is ready"
    );
    assert_eq!(first["spec"]["cidrs"], json!(["10.43.0.0/16"]));

    // kube-controller-manager gives no reason either, and has its word.
    let status = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "status": {"conditions": [{"type": "Ready", "status": "True",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
            "message": "Kubernetes Service CIDR is ready"}]},
    });
    let apply = format!("{path}/status?fieldManager=service-cidr-controller&force=true");
    let (code, told) = server.patch(&apply, "apply-patch+yaml", &status).await;
    assert_eq!(code, StatusCode::OK, "{told}");

    let address = "/apis/networking.k8s.io/v1/ipaddresses/10.43.0.1";
    let address = server
        .until(address, |code, _| code == StatusCode::OK)
        .await;
    assert_eq!(
        address["spec"]["parentRef"],
        json!({"group": "", "resource": "services", "namespace": "default", "name": "kubernetes"})
    );

    let deleted = server
        .send("DELETE", &path, "application/json", Vec::new())
        .await;
    assert_eq!(deleted.status(), StatusCode::OK);
    let another = |code: StatusCode, cidr: &Value| {
        code == StatusCode::OK && cidr["metadata"]["uid"] != first["metadata"]["uid"]
    };
    server.until(&path, another).await;
}
