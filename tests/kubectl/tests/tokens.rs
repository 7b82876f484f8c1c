//! Bootstrap tokens: how a node that has no certificate yet says who it is.

#![allow(clippy::unwrap_used)]

use skerry_tests_kubectl::{Ended, Servers};

const TOKEN: &str = "abcdef.0123456789abcdef";

fn secret(expiration: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: bootstrap-token-abcdef, namespace: kube-system}}
type: bootstrap.kubernetes.io/token
stringData:
  token-id: abcdef
  token-secret: 0123456789abcdef
  usage-bootstrap-authentication: \"true\"
  auth-extra-groups: system:bootstrappers:edge
{expiration}"
    )
}

fn as_bearer(servers: &Servers, token: &str, arguments: &[&str]) -> Ended {
    let folder = servers.cluster.folder();
    let config = folder.join("empty.kubeconfig");
    std::fs::write(&config, "").unwrap();
    let ca = folder.join("server-ca.crt");
    let server = format!("https://{}:6443", servers.cluster.addresses.hosts[0]);
    let mut all = vec![
        "--kubeconfig",
        config.to_str().unwrap(),
        "--server",
        &server,
        "--certificate-authority",
        ca.to_str().unwrap(),
        "--token",
        token,
    ];
    all.extend(arguments);
    servers.run_on(0, &all, "")
}

#[tokio::test]
async fn a_bootstrap_token_is_good_for_as_long_as_its_secret_is_there() {
    let servers = Servers::start(1).await;
    let whoami = |token: &str| as_bearer(&servers, token, &["auth", "whoami"]);
    assert!(whoami(TOKEN).err.contains("must be logged in"));
    servers.ok_with(&["create", "-f", "-"], &secret(""));
    let who = whoami(TOKEN);
    assert!(who.ok, "{who:?}");
    for wanted in [
        "system:bootstrap:abcdef",
        "system:bootstrappers",
        "system:bootstrappers:edge",
        "system:authenticated",
    ] {
        assert!(who.out.contains(wanted), "{wanted}: {who:?}");
    }
    let wrong = whoami("abcdef.0123456789abcdee");
    assert!(wrong.err.contains("must be logged in"), "{wrong:?}");

    let review = format!(
        r#"{{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {{"token": "{TOKEN}"}}}}"#
    );
    let answer = servers.ok_with(&["create", "-o", "json", "-f", "-"], &review);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status"]["authenticated"], true, "{answer}");
    assert_eq!(
        answer["status"]["user"]["username"],
        "system:bootstrap:abcdef"
    );

    let name = "secret/bootstrap-token-abcdef";
    servers.ok(&["delete", "-n", "kube-system", name]);
    assert!(whoami(TOKEN).err.contains("must be logged in"));
}

#[tokio::test]
async fn a_token_that_has_expired_is_removed() {
    let servers = Servers::start(1).await;
    let expired = secret("  expiration: \"2020-01-01T00:00:00Z\"\n");
    servers.ok_with(&["create", "-f", "-"], &expired);
    let refused = as_bearer(&servers, TOKEN, &["auth", "whoami"]);
    assert!(refused.err.contains("must be logged in"), "{refused:?}");
    let name = "secret/bootstrap-token-abcdef";
    servers.until(0, &["get", "-n", "kube-system", name], |ended| {
        ended.err.contains("NotFound")
    });
}
