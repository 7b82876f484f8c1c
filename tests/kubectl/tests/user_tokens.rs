//! The tokens of users: asked for with curl and the files beside the kubeconfig, used with kubectl.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use skerry_tests_harness::{eventually, skerry_binary};
use skerry_tests_kubectl::{Ended, Servers};

const BODY: &str = r#"{"user-id": "test-user", "user-info": {"username": "test-user", "uid": "test-uid", "groups": ["system:authenticated"]}}"#;
const PATH: &str = "/v1-security/authn/token";
/// The loss of a quorum is known within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// `curl` with a certificate and its key, and the authority of the servers.
fn curl(servers: &Servers, member: usize, holder: &str, more: &[&str]) -> (u16, Value) {
    let folder = servers.cluster.folder();
    let file = |name: &str| folder.join(name).display().to_string();
    let host = servers.cluster.addresses.hosts[member];
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "40"])
        .args(["--cacert", &file("server-ca.crt")])
        .args(["--cert", &file(&format!("{holder}.crt"))])
        .args(["--key", &file(&format!("{holder}.key"))])
        .args(["--write-out", "\n%{http_code}"])
        .args(["--header", "Content-Type: application/json"])
        .args(more)
        .arg(format!("https://{host}:6443{PATH}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, code) = text.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), serde_json::from_str(body).unwrap())
}

fn ask(servers: &Servers, member: usize) -> String {
    let (code, answer) = curl(servers, member, "client-kube", &["--data", BODY]);
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["user-id"], "test-user", "{answer}");
    answer["token"].as_str().unwrap().to_owned()
}

fn whoami(servers: &Servers, member: usize, token: &str) -> Ended {
    let folder = servers.cluster.folder();
    let config = folder.join("empty.kubeconfig");
    std::fs::write(&config, "").unwrap();
    let host = servers.cluster.addresses.hosts[member];
    let ca = folder.join("server-ca.crt");
    let arguments = [
        "--kubeconfig",
        config.to_str().unwrap(),
        "--server",
        &format!("https://{host}:6443"),
        "--certificate-authority",
        ca.to_str().unwrap(),
        "--token",
        token,
        "auth",
        "whoami",
        "-o",
        "json",
    ];
    servers.run_on(0, &arguments, "")
}

fn is_test_user(ended: &Ended) {
    assert!(ended.ok, "{ended:?}");
    let answer: Value = serde_json::from_str(&ended.out).unwrap();
    let user = &answer["status"]["userInfo"];
    assert_eq!(user["username"], "test-user", "{answer}");
    assert_eq!(user["uid"], "test-uid", "{answer}");
    assert_eq!(
        user["groups"],
        serde_json::json!(["system:authenticated"]),
        "{answer}"
    );
}

fn skerry(servers: &Servers, member: usize, words: &[&str]) -> std::process::Output {
    let member = &servers.cluster.members[member];
    Command::new(skerry_binary().unwrap())
        .args(words)
        .arg(format!(
            "--config={}",
            member.data_dir.with_extension("yaml").display()
        ))
        .arg(format!("--data-dir={}", member.data_dir.display()))
        .arg(format!("--node-ip={}", member.client_address.ip()))
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_users_token_is_the_same_on_every_server_until_it_is_revoked() {
    let mut servers = Servers::start(3).await;
    let token = ask(&servers, 0);
    for member in 0..3 {
        assert_eq!(ask(&servers, member), token);
        is_test_user(&whoami(&servers, member, &token));
    }
    let review = format!(
        r#"{{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {{"token": "{token}"}}}}"#
    );
    let answer = servers.ok_with(&["create", "-o", "json", "-f", "-"], &review);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status"]["authenticated"], true, "{answer}");
    assert_eq!(answer["status"]["user"]["uid"], "test-uid", "{answer}");

    // Another leader and restarts change nothing.
    let leader = servers.cluster.leader().await.unwrap();
    servers.cluster.members[leader].kill().unwrap();
    servers.cluster.restart(leader).await.unwrap();
    for member in 0..3 {
        servers.until(member, &["get", "--raw", "/readyz"], |ended| {
            ended.out == "ok"
        });
        assert_eq!(ask(&servers, member), token);
    }

    let revoked = skerry(&servers, 1, &["token", "revoke-user", "test-user"]);
    assert!(revoked.status.success(), "{revoked:?}");
    let next = ask(&servers, 2);
    assert_ne!(next, token);
    for member in 0..3 {
        let refused = whoami(&servers, member, &token);
        assert!(refused.err.contains("must be logged in"), "{refused:?}");
        assert_eq!(ask(&servers, member), next);
        is_test_user(&whoami(&servers, member, &next));
    }
}

#[tokio::test]
async fn without_a_quorum_the_token_is_given_out_from_what_is_here() {
    let mut servers = Servers::start(3).await;
    for member in [1, 2] {
        // Everything is known everywhere before anybody is lost.
        servers.until(member, &["get", "--raw", "/readyz"], |ended| {
            ended.out == "ok"
        });
        servers.cluster.members[member].kill().unwrap();
    }
    servers.until(0, &["get", "--raw", "/readyz"], |ended| !ended.ok);
    let token = ask(&servers, 0);
    is_test_user(&whoami(&servers, 0, &token));
    for member in [1, 2] {
        servers.cluster.members[member].start().unwrap();
    }
    servers.cluster.wait_all_ready().await.unwrap();
    for member in 0..3 {
        assert_eq!(ask(&servers, member), token);
    }
}

/// A certificate of the cluster's client authority, for somebody who is no administrator.
fn certificate_for(servers: &Servers, name: &str) {
    let tls = servers.cluster.members[0].data_dir.join("tls");
    let read = |name: &str| std::fs::read_to_string(tls.join(name)).unwrap();
    let key = rcgen::KeyPair::from_pem(&read("client-ca.key")).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&read("client-ca.crt"), key).unwrap();
    let own = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params
        .extended_key_usages
        .push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    let certificate = params.signed_by(&own, &issuer).unwrap();
    let folder: &Path = servers.cluster.folder();
    std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), own.serialize_pem()).unwrap();
}

#[tokio::test]
async fn who_asks_needs_the_right_to_and_gives_away_no_name_or_group_of_others() {
    let servers = Servers::start(1).await;
    certificate_for(&servers, "issuer");
    let ask = |body: &str| curl(&servers, 0, "issuer", &["--data", body]);
    let own = r#"{"user-id": "i", "user-info": {"username": "issuer", "groups": []}}"#;
    let (code, answer) = ask(own);
    assert_eq!(code, 403, "{answer}");
    let path = format!("--non-resource-url={PATH}");
    servers.ok(&["create", "clusterrole", "issuers", "--verb=post", &path]);
    servers.ok(&[
        "create",
        "clusterrolebinding",
        "issuers",
        "--clusterrole=issuers",
        "--user=issuer",
    ]);
    eventually("the right to ask is known", DEADLINE, || {
        let (code, answer) = ask(own);
        anyhow::ensure!(code == 200, "{answer}");
        Ok(())
    })
    .unwrap();
    let (code, answer) = ask(BODY);
    assert_eq!(code, 403);
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains(r#"users "test-user" is forbidden"#) && message.contains("impersonate"),
        "{message}"
    );
    let masters = own.replace("[]", r#"["system:masters"]"#);
    let (code, answer) = ask(&masters);
    assert_eq!(code, 403);
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains(r#"groups "system:masters" is forbidden"#),
        "{message}"
    );
    let uid = own.replace("\"groups\"", r#""uid": "of-another", "groups""#);
    assert_eq!(ask(&uid).0, 403);
    assert_eq!(ask("{}").0, 400);
    // A token is no certificate: with one, no other is had.
    let token = ask(own).1["token"].as_str().unwrap().to_owned();
    let port = skerry_tests_kubectl::Port::of(&servers, 0, Some(&token));
    let answer = port.post(PATH, own).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    let nobody = skerry_tests_kubectl::Port::of(&servers, 0, None);
    assert_eq!(nobody.post(PATH, own).await.unwrap().status, 401);
}

#[tokio::test]
async fn bootstrap_tokens_are_made_listed_and_deleted() {
    let servers = Servers::start(1).await;
    let said = |words: &[&str]| {
        let output = skerry(&servers, 0, words);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let full = said(&["token", "create", "--description", "for a shop", "--ttl=2h"]);
    let (pin, token) = full.trim().split_once("::").unwrap();
    assert!(pin.starts_with("K10") && pin.len() == 67, "{full}");
    let (id, _) = token.split_once('.').unwrap();
    assert_eq!(token.len(), 23, "{full}");
    let listed = said(&["token", "list"]);
    assert!(
        listed.contains(id) && listed.contains("for a shop") && !listed.contains(token),
        "{listed}"
    );
    let port = skerry_tests_kubectl::Port::of(&servers, 0, Some(token));
    let asked = port.get("/api", &[]).await.unwrap();
    assert_eq!(asked.status, 200, "{}", asked.text());
    let again = skerry(&servers, 0, &["token", "create", token]);
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("already exists"),
        "{again:?}"
    );
    assert_eq!(
        said(&["token", "delete", id]),
        format!("bootstrap token \"{id}\" deleted\n")
    );
    assert!(!said(&["token", "list"]).contains(id));
    assert_eq!(port.get("/api", &[]).await.unwrap().status, 401);
    let generated = said(&["token", "generate"]);
    assert_eq!(generated.trim().len(), 23, "{generated}");
}
