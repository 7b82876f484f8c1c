//! Certificates on request: asked for, approved, signed, and good for what they say.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};
use serde_json::{Value, json};
use skerry_tests_kubectl::{Ended, Servers};

const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const KUBELET: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const SERVING: &str = "kubernetes.io/kubelet-serving";

/// A key and a request for a certificate of it.
fn request(name: &str, group: &str, hosts: &[&str]) -> (KeyPair, String) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = DistinguishedName::new();
    let subject = &mut params.distinguished_name;
    subject.push(DnType::OrganizationName, DnValue::Utf8String(group.into()));
    subject.push(DnType::CommonName, DnValue::Utf8String(name.into()));
    let key = KeyPair::generate().unwrap();
    let pem = params.serialize_request(&key).unwrap().pem().unwrap();
    (key, pem)
}

fn object(name: &str, pem: &str, signer: &str, usages: &[&str]) -> String {
    json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64(pem.as_bytes()), "signerName": signer, "usages": usages,
            "username": "somebody-else", "groups": ["system:masters"],
        },
    })
    .to_string()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn text(encoded: &Value) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    String::from_utf8(engine.decode(encoded.as_str().unwrap()).unwrap()).unwrap()
}

/// What the request has become once it has a condition of this type, or a certificate.
fn outcome(servers: &Servers, name: &str, of: &str) -> Value {
    let path = format!("-o=jsonpath={of}");
    servers.until(0, &["get", "csr", name, &path], |ended| {
        ended.ok && !ended.out.is_empty()
    });
    servers.json(&["get", "csr", name])
}

/// Runs kubectl as whoever has this certificate.
fn with_certificate(servers: &Servers, key: &KeyPair, pem: &str, arguments: &[&str]) -> Ended {
    let folder = servers.cluster.folder();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let config = write("empty.kubeconfig", "");
    let (certificate, key) = (
        write("csr.crt", pem),
        write("csr.key", &key.serialize_pem()),
    );
    let ca = folder.join("server-ca.crt");
    let server = format!("https://{}:6443", servers.cluster.addresses.hosts[0]);
    let mut all = vec![
        "--kubeconfig",
        config.to_str().unwrap(),
        "--server",
        &server,
        "--certificate-authority",
        ca.to_str().unwrap(),
        "--client-certificate",
        certificate.to_str().unwrap(),
        "--client-key",
        key.to_str().unwrap(),
    ];
    all.extend(arguments);
    servers.run_on(0, &all, "")
}

#[tokio::test]
async fn an_approved_request_becomes_a_certificate_that_says_who_its_bearer_is() {
    let servers = Servers::start(1).await;
    let (key, pem) = request("jane", "crew", &[]);
    let input = object("jane", &pem, CLIENT, &["client auth", "digital signature"]);
    servers.ok_with(&["create", "-f", "-"], &input);
    let pending = servers.json(&["get", "csr", "jane"]);
    assert_eq!(pending["spec"]["username"], "system:admin");
    assert!(pending["status"].get("conditions").is_none());

    servers.ok(&["certificate", "approve", "jane"]);
    let signed = outcome(&servers, "jane", "{.status.certificate}");
    let condition = &signed["status"]["conditions"][0];
    assert_eq!(condition["type"], "Approved");
    assert!(condition["lastUpdateTime"].is_string(), "{condition}");
    assert!(condition["lastTransitionTime"].is_string(), "{condition}");
    let certificate = text(&signed["status"]["certificate"]);
    let who = with_certificate(&servers, &key, &certificate, &["auth", "whoami"]);
    assert!(who.ok, "{who:?}");
    assert!(
        who.out.contains("jane") && who.out.contains("crew"),
        "{who:?}"
    );
    assert!(!who.out.contains("system:masters"), "{who:?}");
    let line = servers.ok(&["get", "csr", "jane", "--no-headers"]);
    assert!(line.contains("Approved,Issued"), "{line}");
}

#[tokio::test]
async fn a_denied_request_gets_no_certificate() {
    let servers = Servers::start(1).await;
    let (_, pem) = request("jane", "crew", &[]);
    servers.ok_with(
        &["create", "-f", "-"],
        &object("jane", &pem, CLIENT, &["client auth"]),
    );
    servers.ok(&["certificate", "deny", "jane"]);
    // kubectl would not even try.
    let mut both = servers.json(&["get", "csr", "jane"]);
    let conditions = both["status"]["conditions"].as_array_mut().unwrap();
    conditions.push(json!({"type": "Approved", "status": "True", "reason": "Anyway"}));
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/jane/approval";
    let both = servers.fails_with(&["replace", "--raw", path, "-f", "-"], &both.to_string());
    assert!(
        both.contains("Approved and Denied conditions are mutually exclusive"),
        "{both}"
    );
    let line = servers.ok(&["get", "csr", "jane", "--no-headers"]);
    assert!(line.contains("Denied"), "{line}");
    let denied = servers.json(&["get", "csr", "jane"]);
    assert!(denied["status"].get("certificate").is_none());
}

#[tokio::test]
async fn a_request_that_a_signer_does_not_sign_fails_and_says_why() {
    let servers = Servers::start(1).await;
    let (_, pem) = request("jane", "crew", &[]);
    let usages = ["client auth", "server auth"];
    servers.ok_with(&["create", "-f", "-"], &object("a", &pem, CLIENT, &usages));
    let usages = ["digital signature", "server auth"];
    servers.ok_with(&["create", "-f", "-"], &object("b", &pem, SERVING, &usages));
    servers.ok(&["certificate", "approve", "a", "b"]);
    let failed = r#"{.status.conditions[?(@.type=="Failed")].message}"#;
    for (name, why) in [
        ("a", "invalid usage for client certificate: server auth"),
        ("b", "subject organization is not system:nodes"),
    ] {
        let object = outcome(&servers, name, failed);
        let condition = &object["status"]["conditions"][1];
        assert_eq!(condition["reason"], "SignerValidationFailure");
        assert_eq!(condition["message"], why);
    }
}

#[tokio::test]
async fn a_request_that_nobody_could_sign_is_refused() {
    let servers = Servers::start(1).await;
    let refused = |pem: &str| {
        servers.fails_with(
            &["create", "-f", "-"],
            &object("jane", pem, CLIENT, &["client auth"]),
        )
    };
    let odd = refused("hello");
    assert!(
        odd.contains("PEM block type must be CERTIFICATE REQUEST"),
        "{odd}"
    );
    let (_, pem) = request("jane", "system:masters", &[]);
    let masters = refused(&pem);
    assert!(
        masters.contains(
            "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
        ),
        "{masters}"
    );
}

#[tokio::test]
async fn who_may_not_decide_for_a_signer_is_refused() {
    let servers = Servers::start(1).await;
    let (_, pem) = request("jane", "crew", &[]);
    let input = object("jane", &pem, CLIENT, &["client auth"]);
    servers.ok_with(&["create", "-f", "-"], &input);
    let rules = [
        "--verb=get,list,update,patch",
        "--resource=certificatesigningrequests,certificatesigningrequests/approval",
    ];
    servers.ok(&["create", "clusterrole", "decider", rules[0], rules[1]]);
    let bind = [
        "create",
        "clusterrolebinding",
        "decider",
        "--clusterrole=decider",
        "--user=bob",
    ];
    servers.ok(&bind);
    servers.until(0, &["get", "csr", "--as=bob"], |ended| ended.ok);
    let refused = servers.fails(&["certificate", "approve", "jane", "--as=bob"]);
    assert!(
        refused.contains(
            "user not permitted to approve requests with signerName \"kubernetes.io/kube-apiserver-client\""
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn a_kubelet_that_may_is_given_its_certificate_unasked() {
    let servers = Servers::start(1).await;
    servers.ok(&[
        "create",
        "clusterrolebinding",
        "nodes",
        "--clusterrole=system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        "--user=system:admin",
    ]);
    let (key, pem) = request("system:node:a", "system:nodes", &[]);
    let usages = ["digital signature", "client auth"];
    servers.ok_with(&["create", "-f", "-"], &object("a", &pem, KUBELET, &usages));
    let signed = outcome(&servers, "a", "{.status.certificate}");
    let condition = &signed["status"]["conditions"][0];
    assert_eq!(condition["reason"], "AutoApproved");
    let certificate = text(&signed["status"]["certificate"]);
    let who = with_certificate(&servers, &key, &certificate, &["auth", "whoami"]);
    assert!(
        who.out.contains("system:node:a") && who.out.contains("system:nodes"),
        "{who:?}"
    );
}

#[tokio::test]
async fn a_kubelet_asks_for_certificates_of_its_own_name_only() {
    let servers = Servers::start(1).await;
    let ask = |name: &str, called: &str| {
        let (_, pem) = request(called, "system:nodes", &[]);
        let usages = ["digital signature", "client auth"];
        let wanted = object(name, &pem, KUBELET, &usages);
        let who = [
            "--as=system:node:n1",
            "--as-group=system:nodes",
            "--as-group=system:authenticated",
        ];
        let arguments = [&who[..], &["create", "-f", "-"]].concat();
        servers.run_on(0, &arguments, &wanted)
    };
    let refused = ask("theirs", "system:node:n2");
    let why = "\"theirs\" is forbidden: can only create a node CSR with CN=system:node:n1";
    assert!(!refused.ok && refused.err.contains(why), "{refused:?}");
    let role = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient";
    let role = format!("--clusterrole={role}");
    servers.ok(&[
        "create",
        "clusterrolebinding",
        "renew",
        &role,
        "--group=system:nodes",
    ]);
    let mine = ask("mine", "system:node:n1");
    assert!(mine.ok, "{mine:?}");
    // It may renew its certificate, and nobody has to approve that.
    outcome(&servers, "mine", "{.status.certificate}");
}
