//! Who somebody is and what they may: accounts, tokens, certificates, reviews.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenReview};
use k8s_openapi::api::authorization::v1::{LocalSubjectAccessReview, SubjectAccessReview};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World, containers};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, config, refusal};

/// A request of a key that was thrown away.
const REQUEST: &str = include_str!("request.b64");

#[tokio::test]
async fn certificate_requests_have_every_operation() {
    let world = World::new("csr").await;
    let manifest = json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "spec": {
            "request": REQUEST.trim(),
            "signerName": "example.com/e2e",
            "usages": ["digital signature", "key encipherment", "server auth"],
            "expirationSeconds": 3600,
        },
    });
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["approval", "status"]);
    subject.every_operation().await;
    subject
        .has_a_status(json!({"certificate": CERTIFICATE}))
        .await;

    let name = "csr-approved";
    subject.create(name).await;
    let path = format!("{}/{name}/approval", subject.api.resource_url());
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "reason": "E2E", "message": "as told",
        })
    };
    let patch = json!({"status": {"conditions": [condition("Approved")]}});
    let merge = "application/merge-patch+json";
    let patched = world
        .send(http::Method::PATCH, &path, merge, patch.to_string())
        .await
        .unwrap();
    assert_eq!(patched["status"]["conditions"][0]["type"], "Approved");
    assert!(patched["status"]["conditions"][0]["lastUpdateTime"].is_string());
    let mut object = world.get(&path).await.unwrap();
    let conditions = object["status"]["conditions"].as_array_mut().unwrap();
    conditions[0]["message"] = json!("once more");
    let body = object.to_string();
    let json = "application/json";
    let replaced = world
        .send(http::Method::PUT, &path, json, body)
        .await
        .unwrap();
    assert_eq!(replaced["status"]["conditions"][0]["message"], "once more");
    // What was decided stays decided.
    let patch = json!({"status": {"conditions": []}}).to_string();
    let removed = world.send(http::Method::PATCH, &path, merge, patch).await;
    assert_eq!(refusal(removed).code, 422);
    subject.delete(name).await;
}

/// A certificate of nobody.
const CERTIFICATE: &str = include_str!("certificate.b64").trim_ascii();

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount"})
}

#[tokio::test]
async fn service_accounts_have_every_operation() {
    let world = World::new("accounts").await;
    let subject = Subject::new(&world, account()).await;
    assert_eq!(subject.subresources(), ["token"]);
    subject.every_operation().await;
    subject.create("lived").await;
    let patch = Patch::Strategic(json!({"automountServiceAccountToken": false}));
    let options = PatchParams::default();
    subject.api.patch("lived", &options, &patch).await.unwrap();
    let mut object = subject.api.get("lived").await.unwrap();
    assert_eq!(object.data["automountServiceAccountToken"], false);
    object.data["automountServiceAccountToken"] = json!(true);
    let options = PostParams::default();
    subject
        .api
        .replace("lived", &options, &object)
        .await
        .unwrap();
    let read = subject.api.get("lived").await.unwrap();
    assert_eq!(read.data["automountServiceAccountToken"], true);
}

async fn token(world: &World, account: &str, audiences: Value) -> String {
    let accounts: Api<ServiceAccount> = world.api();
    let request = json!({"spec": {"audiences": audiences, "expirationSeconds": 3600}});
    let request: TokenRequest = serde_json::from_value(request).unwrap();
    let options = PostParams::default();
    let made = accounts
        .create_token_request(account, &options, &request)
        .await;
    let token = made.unwrap().status.unwrap().token.unwrap();
    assert!(!token.is_empty());
    token
}

#[tokio::test]
async fn a_token_that_was_asked_for_is_good() {
    let world = World::new("tokens").await;
    let subject = Subject::new(&world, account()).await;
    subject.create("someone").await;
    let token = token(&world, "someone", json!([])).await;
    let review = json!({"spec": {"token": token}});
    let review: TokenReview = serde_json::from_value(review).unwrap();
    let reviews: Api<TokenReview> = Api::all(world.client.clone());
    let review = reviews
        .create(&PostParams::default(), &review)
        .await
        .unwrap();
    let status = review.status.unwrap();
    assert_eq!(status.authenticated, Some(true));
    assert_eq!(status.error.unwrap_or_default(), "");
    let name = status.user.unwrap().username.unwrap();
    assert_eq!(name, "system:serviceaccount:tokens:someone");
}

#[tokio::test]
async fn the_issuer_of_tokens_is_discovered() {
    let world = World::new("issuer").await;
    let subject = Subject::new(&world, account()).await;
    subject.create("someone").await;
    let token = token(&world, "someone", json!(["oidc-discovery-test"])).await;
    let found = world
        .get("/.well-known/openid-configuration")
        .await
        .unwrap();
    let keys = world.get("/openid/v1/jwks").await.unwrap();
    let part = |text: &str| -> Value {
        let mut bits = Vec::new();
        for letter in text.bytes() {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let value = alphabet.iter().position(|found| *found == letter).unwrap();
            bits.extend((0..6).rev().map(|bit| value >> bit & 1));
        }
        let bytes = bits.chunks_exact(8);
        let bytes = bytes.map(|bits| bits.iter().fold(0u8, |byte, bit| byte << 1 | *bit as u8));
        serde_json::from_slice(&bytes.collect::<Vec<_>>()).unwrap()
    };
    let mut parts = token.split('.').map(ToOwned::to_owned);
    let head = part(&parts.next().unwrap());
    let claims = part(&parts.next().unwrap());
    assert_eq!(claims["iss"], found["issuer"]);
    assert_eq!(claims["aud"], json!(["oidc-discovery-test"]));
    let algorithms = found["id_token_signing_alg_values_supported"]
        .as_array()
        .unwrap();
    assert!(algorithms.contains(&head["alg"]));
    let keys = keys["keys"].as_array().unwrap();
    assert!(
        keys.iter()
            .any(|key| key["kid"] == head["kid"] && key["use"] == "sig")
    );
}

#[tokio::test]
async fn pods_and_accounts_opt_out_of_tokens() {
    let world = World::new("automount").await;
    let accounts: Api<ServiceAccount> = world.api();
    let pods: Api<Pod> = world.api();
    let answers = [
        ("default", None),
        ("mount", Some(true)),
        ("nomount", Some(false)),
    ];
    for (name, mounts) in answers {
        let name = format!("account-{name}");
        let account = json!({"metadata": {"name": name}, "automountServiceAccountToken": mounts});
        let account = serde_json::from_value(account).unwrap();
        accounts
            .create(&PostParams::default(), &account)
            .await
            .unwrap();
    }
    for (account, of_account) in answers {
        for (name, of_pod) in answers {
            let pod = json!({
                "metadata": {"name": format!("{account}-{name}")},
                "spec": {
                    "serviceAccountName": format!("account-{account}"),
                    "automountServiceAccountToken": of_pod,
                    "containers": containers(),
                },
            });
            let pod = serde_json::from_value(pod).unwrap();
            let made = pods.create(&PostParams::default(), &pod).await.unwrap();
            let spec = made.spec.unwrap();
            let mounts = spec.containers[0].volume_mounts.clone().unwrap_or_default();
            let place = "/var/run/secrets/kubernetes.io/serviceaccount";
            let mounted = mounts.iter().any(|mount| mount.mount_path == place);
            let wanted = of_pod.or(of_account).unwrap_or(true);
            assert_eq!(mounted, wanted, "account {account}, pod {name}");
            let volumes = json!(spec.volumes);
            let sources = volumes[0]["projected"]["sources"].as_array().map(Vec::len);
            assert_eq!(sources, wanted.then_some(3), "token, authority, namespace");
        }
    }
}

#[tokio::test]
async fn the_authority_is_published_and_kept_in_every_namespace() {
    let world = World::new("authority").await;
    let maps: Api<ConfigMap> = world.maps();
    let name = "kube-root-ca.crt";
    let made = maps.get(name).await.unwrap();
    let authority = made.data.clone().unwrap()["ca.crt"].clone();
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
    let is_back = || async {
        let data = maps.get(name).await?.data.unwrap_or_default();
        anyhow::ensure!(data.len() == 1 && data["ca.crt"] == authority, "{data:?}");
        Ok(())
    };
    maps.delete(name, &DeleteParams::default()).await.unwrap();
    eventually_async("it is made again", DEADLINE, is_back)
        .await
        .unwrap();
    let patch = Patch::Merge(json!({"data": {"ca.crt": "another", "more": "text"}}));
    maps.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
    eventually_async("it is put right", DEADLINE, is_back)
        .await
        .unwrap();
}

#[tokio::test]
async fn reviews_agree_with_what_is_allowed() {
    let world = World::new("reviews").await;
    let subject = Subject::new(&world, account()).await;
    subject.create("someone").await;
    let user = "system:serviceaccount:reviews:someone";
    let mut settings = config(&world.cluster, 0).await;
    settings.auth_info.impersonate = Some(user.into());
    let someone = Client::try_from(settings).unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(someone, &world.namespace);
    let attributes = json!({
        "verb": "list", "resource": "configmaps", "namespace": world.namespace,
    });
    let spec = json!({"resourceAttributes": attributes, "user": user});
    let all: Api<SubjectAccessReview> = Api::all(world.client.clone());
    let local: Api<LocalSubjectAccessReview> = world.api();
    let options = PostParams::default();
    let asked = async || {
        let review = serde_json::from_value(json!({"spec": spec})).unwrap();
        let wide = all
            .create(&options, &review)
            .await
            .unwrap()
            .status
            .unwrap()
            .allowed;
        let review = serde_json::from_value(json!({"spec": spec})).unwrap();
        let near = local
            .create(&options, &review)
            .await
            .unwrap()
            .status
            .unwrap()
            .allowed;
        assert_eq!(wide, near);
        wide
    };
    assert!(!asked().await);
    assert_eq!(refusal(maps.list(&ListParams::default()).await).code, 403);
    let admin = format!("--serviceaccount={}:someone", world.namespace);
    world
        .kubectl(&[
            "create",
            "rolebinding",
            "viewer",
            "--clusterrole=view",
            &admin,
        ])
        .await;
    eventually_async("the role is there", DEADLINE, || async {
        anyhow::ensure!(asked().await);
        Ok(())
    })
    .await
    .unwrap();
    maps.list(&ListParams::default()).await.unwrap();
}
