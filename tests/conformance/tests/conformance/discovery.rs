//! What clients learn about the API before they use it.

use std::collections::BTreeSet;

use kube::discovery::Discovery;
use serde_json::{Value, json};
use skerry_tests_conformance::World;
use skerry_tests_kube_rs::refusal;

/// Asks for all groups in one document.
const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

#[tokio::test]
async fn each_group_has_a_version_with_a_resource() {
    let world = World::new("groups").await;
    for group in world.client.list_api_groups().await.unwrap().groups {
        for version in group.versions {
            let name = version.group_version;
            assert_eq!(name, format!("{}/{}", group.name, version.version));
            let found = world.client.list_api_group_resources(&name).await.unwrap();
            assert_eq!(found.group_version, name);
            let resource = found.resources.first().unwrap();
            assert!(!resource.verbs.is_empty() && !resource.kind.is_empty());
        }
    }
}

#[tokio::test]
async fn each_group_prefers_one_of_its_versions() {
    let world = World::new("preferred").await;
    let groups = world.client.list_api_groups().await.unwrap().groups;
    assert!(groups.len() > 15, "{}", groups.len());
    for group in groups {
        let own = world.get(&format!("/apis/{}", group.name)).await.unwrap();
        let preferred = &own["preferredVersion"];
        assert_eq!(json!(group.preferred_version), *preferred);
        assert!(own["versions"].as_array().unwrap().contains(preferred));
    }
}

/// Group, version and name of every resource that the plain documents tell of.
async fn plainly(world: &World) -> BTreeSet<(String, String, String)> {
    let mut all = BTreeSet::new();
    let mut add = |group: &str, version: &str, resources: &[Value]| {
        for resource in resources {
            let name = resource["name"].as_str().unwrap().to_owned();
            all.insert((group.to_owned(), version.to_owned(), name));
        }
    };
    let core = world.get("/api/v1").await.unwrap();
    add("", "v1", core["resources"].as_array().unwrap());
    for group in world.client.list_api_groups().await.unwrap().groups {
        for version in &group.versions {
            let path = format!("/apis/{}", version.group_version);
            let found = world.get(&path).await.unwrap();
            let resources = found["resources"].as_array().unwrap();
            add(&group.name, &version.version, resources);
        }
    }
    all
}

async fn aggregated(world: &World) -> BTreeSet<(String, String, String)> {
    let mut all = BTreeSet::new();
    for path in ["/api", "/apis"] {
        let list = world.get_as(path, AGGREGATED).await.unwrap();
        assert_eq!(list["kind"], "APIGroupDiscoveryList");
        for group in list["items"].as_array().unwrap() {
            let name = group["metadata"]["name"].as_str().unwrap_or_default();
            for version in group["versions"].as_array().unwrap() {
                let found = version["version"].as_str().unwrap();
                assert_eq!(version["freshness"], "Current");
                for resource in version["resources"].as_array().unwrap() {
                    let plural = resource["resource"].as_str().unwrap();
                    let mut add = |plural: String| {
                        all.insert((name.to_owned(), found.to_owned(), plural));
                    };
                    add(plural.to_owned());
                    for below in resource["subresources"].as_array().into_iter().flatten() {
                        let below = below["subresource"].as_str().unwrap();
                        add(format!("{plural}/{below}"));
                    }
                }
            }
        }
    }
    all
}

#[tokio::test]
async fn the_aggregated_form_is_asked_for_by_header() {
    let world = World::new("aggregated").await;
    let found = aggregated(&world).await;
    for (group, version, name) in [
        ("", "v1", "namespaces"),
        ("", "v1", "pods"),
        (
            "admissionregistration.k8s.io",
            "v1",
            "validatingwebhookconfigurations",
        ),
        ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
        ("apiregistration.k8s.io", "v1", "apiservices"),
        ("apps", "v1", "deployments"),
        ("apps", "v1", "deployments/status"),
        ("batch", "v1", "jobs"),
    ] {
        let wanted = (group.to_owned(), version.to_owned(), name.to_owned());
        assert!(found.contains(&wanted), "{wanted:?}");
    }
    let plain = world.get("/apis").await.unwrap();
    assert_eq!(
        plain["kind"], "APIGroupList",
        "who does not ask is not told"
    );
    let unknown = "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList";
    let status = refusal(world.get_as("/apis", unknown).await);
    assert_eq!(status.code, 406);
}

#[tokio::test]
async fn the_aggregated_form_tells_what_the_plain_one_tells() {
    let world = World::new("aggregated-client").await;
    // What other tests define comes and goes.
    let built_in = |all: BTreeSet<(String, String, String)>| -> BTreeSet<_> {
        let own = all.into_iter();
        own.filter(|(group, ..)| !group.ends_with(".test"))
            .collect()
    };
    assert_eq!(
        built_in(aggregated(&world).await),
        built_in(plainly(&world).await)
    );
    let discovery = Discovery::new(world.client.clone());
    let found = discovery.run_aggregated().await.unwrap();
    for group in ["apps", "batch", "apiextensions.k8s.io", "storage.k8s.io"] {
        assert!(found.has_group(group), "{group}");
    }
    let apps = found.get("apps").unwrap();
    let (deployment, capabilities) = apps.recommended_kind("Deployment").unwrap();
    assert_eq!(deployment.plural, "deployments");
    assert!(capabilities.supports_operation("deletecollection"));
}

async fn is_discovered(world: &World, group: &str, plurals: &[&str]) {
    let groups = world.client.list_api_groups().await.unwrap().groups;
    let found = groups.iter().find(|found| found.name == group).unwrap();
    let version = format!("{group}/v1");
    let versions = &found.versions;
    assert!(versions.iter().any(|found| found.group_version == version));
    let found = world.client.list_api_group_resources(&version).await;
    let resources = found.unwrap().resources;
    for plural in plurals {
        assert!(resources.iter().any(|found| found.name == *plural));
    }
}

#[tokio::test]
async fn definitions_of_custom_resources_are_discovered() {
    let world = World::new("crds-discovered").await;
    let plurals = [
        "customresourcedefinitions",
        "customresourcedefinitions/status",
    ];
    is_discovered(&world, "apiextensions.k8s.io", &plurals).await;
}

#[tokio::test]
async fn configurations_of_webhooks_are_discovered() {
    let world = World::new("webhooks-discovered").await;
    let plurals = [
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
    ];
    is_discovered(&world, "admissionregistration.k8s.io", &plurals).await;
}

#[tokio::test]
async fn the_version_is_two_numbers() {
    let world = World::new("version").await;
    let version = world.client.apiserver_version().await.unwrap();
    version.major.parse::<u32>().unwrap();
    version.minor.parse::<u32>().unwrap();
    assert!(
        version
            .git_version
            .starts_with(&format!("v{}.{}.", version.major, version.minor))
    );
}
