//! Who asks and over what: discovery, identities, HTTP/1.1 and HTTP/2, and a server that comes back.
#![allow(clippy::unwrap_used)]

use k8s_openapi::api::authentication::v1::{
    SelfSubjectReview, TokenRequest, TokenRequestSpec, TokenReview, TokenReviewSpec,
};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::config::AuthInfo;
use kube::core::GroupVersion;
use kube::discovery::{Discovery, Scope, oneshot, verbs};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{
    DEADLINE, client, config, config_map, http2_client, namespace, refusal, servers,
};

async fn who(client: &Client) -> k8s_openapi::api::authentication::v1::UserInfo {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let (options, review) = (PostParams::default(), SelfSubjectReview::default());
    let review = reviews.create(&options, &review).await.unwrap();
    review.status.unwrap().user_info.unwrap()
}

#[tokio::test]
async fn discovery_finds_what_is_served_one_by_one_and_at_once() {
    let cluster = servers(1).await;
    let client = client(&cluster, 0).await;
    let version = client.apiserver_version().await.unwrap();
    assert_eq!(
        (version.major.as_str(), version.minor.as_str()),
        ("1", "36")
    );
    let plain = Discovery::new(client.clone()).run().await.unwrap();
    let at_once = Discovery::new(client.clone())
        .run_aggregated()
        .await
        .unwrap();
    let mut found = Vec::new();
    for discovery in [&plain, &at_once] {
        let mut kinds = Vec::new();
        for group in discovery.groups_alphabetical() {
            for (resource, capabilities) in group.recommended_resources() {
                let mut known: Vec<_> = capabilities.operations.clone();
                known.sort();
                let namespaced = capabilities.scope == Scope::Namespaced;
                kinds.push((
                    resource.api_version,
                    resource.kind,
                    resource.plural,
                    namespaced,
                    known,
                ));
            }
        }
        kinds.sort();
        found.push(kinds);
    }
    assert_eq!(found[0], found[1]);
    assert!(found[0].len() > 50, "{}", found[0].len());
    // What can be listed is listed.
    for group in plain.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if capabilities.supports_operation(verbs::LIST) {
                let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
                let list = all.list(&ListParams::default().limit(1)).await;
                list.unwrap_or_else(|error| panic!("{resource:?}: {error}"));
            }
        }
    }
    let apps = oneshot::group(&client, "apps").await.unwrap();
    assert_eq!(apps.preferred_version_or_latest(), "v1");
    let pinned = oneshot::pinned_group(&client, &GroupVersion::gv("batch", "v1"))
        .await
        .unwrap();
    assert!(pinned.recommended_kind("CronJob").is_some());
    let gvk = GroupVersionKind::gvk("apps", "v1", "Deployment");
    let (resource, capabilities) = oneshot::pinned_kind(&client, &gvk).await.unwrap();
    assert_eq!(resource.plural, "deployments");
    let scale = |(sub, _): &(kube::core::ApiResource, _)| {
        (sub.kind.as_str(), sub.plural.as_str()) == ("Scale", "scale")
    };
    assert!(
        capabilities.subresources.iter().any(scale),
        "{capabilities:?}"
    );
}

#[tokio::test]
async fn identities_are_certificates_tokens_and_impersonated_users() {
    let cluster = servers(1).await;
    let admin = config(&cluster, 0).await;
    let client = client(&cluster, 0).await;
    assert!(
        who(&client)
            .await
            .groups
            .unwrap()
            .contains(&"system:masters".into())
    );
    let namespace = namespace(&client, "identities").await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    let mut account = ServiceAccount::default();
    account.metadata.name = Some("reader".into());
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(600),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let post = PostParams::default();
    let issued = accounts.create_token_request("reader", &post, &request);
    let token = issued.await.unwrap().status.unwrap().token.unwrap();
    let name = "system:serviceaccount:identities:reader";

    let mut bearer = admin.clone();
    bearer.auth_info = AuthInfo::default();
    bearer.auth_info.token = Some(token.clone().into());
    let bearer = Client::try_from(bearer).unwrap();
    assert_eq!(who(&bearer).await.username.as_deref(), Some(name));
    let maps: Api<ConfigMap> = Api::namespaced(bearer, &namespace);
    let status = refusal(maps.list(&ListParams::default()).await);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        status.message,
        format!(
            "configmaps is forbidden: User \"{name}\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"identities\""
        )
    );
    let reviews: Api<TokenReview> = Api::all(client.clone());
    let review = TokenReview {
        spec: TokenReviewSpec {
            token,
            audiences: None,
        },
        ..TokenReview::default()
    };
    let review = reviews
        .create(&PostParams::default(), &review)
        .await
        .unwrap();
    assert_eq!(
        review.status.unwrap().user.unwrap().username.as_deref(),
        Some(name)
    );

    let mut other = admin;
    other.auth_info.impersonate = Some("somebody".into());
    other.auth_info.impersonate_groups = Some(vec!["crew".into()]);
    let other = Client::try_from(other).unwrap();
    let user = who(&other).await;
    assert_eq!(user.username.as_deref(), Some("somebody"));
    assert_eq!(user.groups.unwrap(), ["crew", "system:authenticated"]);
    let maps: Api<ConfigMap> = Api::namespaced(other, &namespace);
    assert_eq!(refusal(maps.get("a").await).code, 403);
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    use futures_util::TryStreamExt;
    let cluster = servers(1).await;
    let one = client(&cluster, 0).await;
    let two = http2_client(&config(&cluster, 0).await).await;
    let namespace = namespace(&one, "versions").await;
    // Many watches and writes on one connection.
    let mut watches = Vec::new();
    for client in [&one, &two] {
        for _ in 0..20 {
            let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
            let named = watcher::Config::default().fields("metadata.name=a");
            watches.push(Box::pin(watcher(maps, named).applied_objects()));
        }
    }
    let maps: Api<ConfigMap> = Api::namespaced(two.clone(), &namespace);
    maps.create(&PostParams::default(), &config_map("a", "x", "1"))
        .await
        .unwrap();
    for watch in &mut watches {
        let first = tokio::time::timeout(DEADLINE, watch.try_next())
            .await
            .unwrap();
        assert_eq!(first.unwrap().unwrap().data.unwrap()["x"], "1");
    }
    assert_eq!(refusal(maps.get("none").await).code, 404);
}

#[tokio::test]
async fn a_client_comes_back_when_the_server_does() {
    use futures_util::TryStreamExt;
    let mut cluster = servers(1).await;
    let client = client(&cluster, 0).await;
    let namespace = namespace(&client, "restarts").await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    maps.create(&PostParams::default(), &config_map("before", "x", "1"))
        .await
        .unwrap();
    let named = watcher::Config::default().fields("metadata.name!=kube-root-ca.crt");
    let stream = watcher(maps.clone(), named)
        .default_backoff()
        .applied_objects();
    let mut stream = Box::pin(stream);
    let mut told = Vec::new();
    told.push(
        stream
            .try_next()
            .await
            .unwrap()
            .unwrap()
            .metadata
            .name
            .unwrap(),
    );
    cluster.members[0].kill().unwrap();
    cluster.restart(0).await.unwrap();
    let created = || async {
        let (options, map) = (PostParams::default(), config_map("after", "x", "1"));
        Ok(maps.create(&options, &map).await.map(drop)?)
    };
    eventually_async("the client writes again", DEADLINE, created)
        .await
        .unwrap();
    while told.len() < 2 {
        // The broken connection is told, too.
        if let Ok(next) = tokio::time::timeout(DEADLINE, stream.try_next())
            .await
            .unwrap()
        {
            told.push(next.unwrap().metadata.name.unwrap());
        }
    }
    assert_eq!(told, ["before", "after"], "and nothing twice");
}
