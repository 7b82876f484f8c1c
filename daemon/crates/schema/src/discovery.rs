//! Discovery: what there is, as clients ask for it before anything else.
//!
//! Documents are made from whatever resources are given, built-in and custom; nothing is kept.
//! Groups stand in the order in which they are first given, versions as upstream ranks them
//! (stable, beta, alpha; newest first), resources by name.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::resource::{Resource, Subresource, api_version};

/// Which form of the aggregated document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregated {
    /// `apidiscovery.k8s.io/v2`.
    V2,
    /// `apidiscovery.k8s.io/v2beta1`, for clients up to 1.29.
    V2Beta1,
}

/// `/api`: the versions of the core group, and where the server is (`10.0.0.1:6443`).
#[must_use]
pub fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address},
        ],
    })
}

/// `/apis`: all groups but the core one.
#[must_use]
pub fn groups<'r>(resources: impl IntoIterator<Item = &'r Resource>) -> Value {
    let groups = arrange(resources.into_iter().filter(|one| !one.group.is_empty()));
    let groups: Vec<Value> = groups.iter().map(Group::document).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/G`, if there is such a group.
#[must_use]
pub fn group<'r>(resources: impl IntoIterator<Item = &'r Resource>, group: &str) -> Option<Value> {
    let of_group = |one: &&Resource| one.group == group && !group.is_empty();
    let groups = arrange(resources.into_iter().filter(of_group));
    let mut document = groups.first()?.document();
    document["kind"] = json!("APIGroup");
    document["apiVersion"] = json!("v1");
    Some(document)
}

/// `/api/v1` and `/apis/G/V`, if there is such a version.
#[must_use]
pub fn resources<'r>(
    resources: impl IntoIterator<Item = &'r Resource>,
    group: &str,
    version: &str,
) -> Option<Value> {
    let of_version = |one: &&Resource| one.group == group && one.version == version;
    let groups = arrange(resources.into_iter().filter(of_version));
    let (_, all) = groups.first()?.versions.first()?;
    let mut lines = Vec::new();
    for resource in all {
        lines.push(line(resource));
        let subresources = resource.subresources.iter();
        lines.extend(subresources.map(|one| subresource_line(resource, one)));
    }
    let mut document = json!({
        "kind": "APIResourceList",
        "groupVersion": api_version(group, version),
        "resources": lines,
    });
    if !group.is_empty() {
        document["apiVersion"] = json!("v1");
    }
    Some(document)
}

/// `/api` (`core`) or `/apis` for clients that ask for everything at once.
#[must_use]
pub fn aggregated<'r>(
    resources: impl IntoIterator<Item = &'r Resource>,
    core: bool,
    form: Aggregated,
) -> Value {
    let groups = arrange(
        resources
            .into_iter()
            .filter(|one| one.group.is_empty() == core),
    );
    let items: Vec<Value> = groups.iter().map(Group::aggregated).collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": match form {
            Aggregated::V2 => "apidiscovery.k8s.io/v2",
            Aggregated::V2Beta1 => "apidiscovery.k8s.io/v2beta1",
        },
        "metadata": {},
        "items": items,
    })
}

struct Group<'r> {
    name: &'r str,
    /// Best first.
    versions: Vec<(&'r str, Vec<&'r Resource>)>,
}

impl Group<'_> {
    fn document(&self) -> Value {
        let version = |version: &str| json!({"groupVersion": api_version(self.name, version), "version": version});
        let versions: Vec<Value> = self
            .versions
            .iter()
            .map(|(name, _)| version(name))
            .collect();
        json!({"name": self.name, "preferredVersion": versions.first(), "versions": versions})
    }

    fn aggregated(&self) -> Value {
        let metadata = if self.name.is_empty() {
            json!({})
        } else {
            json!({"name": self.name})
        };
        let version = |(version, resources): &(&str, Vec<&Resource>)| {
            let resources: Vec<Value> = resources.iter().map(|one| entry(one)).collect();
            json!({"version": version, "freshness": "Current", "resources": resources})
        };
        let versions: Vec<Value> = self.versions.iter().map(version).collect();
        json!({"metadata": metadata, "versions": versions})
    }
}

fn arrange<'r>(resources: impl Iterator<Item = &'r Resource>) -> Vec<Group<'r>> {
    let mut order: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<&str, BTreeMap<_, Vec<&Resource>>> = BTreeMap::new();
    for one in resources {
        let versions = groups.entry(&one.group).or_insert_with(|| {
            order.push(&one.group);
            BTreeMap::new()
        });
        let version = one.version.as_str();
        let all = versions
            .entry((Reverse(rank(version)), version))
            .or_default();
        all.push(one);
    }
    let group = |name| {
        let versions = groups.remove(name).unwrap_or_default().into_iter();
        let version = |((_, name), mut all): ((_, _), Vec<&'r Resource>)| {
            all.sort_by(|a, b| a.plural.cmp(&b.plural));
            (name, all)
        };
        Group {
            name,
            versions: versions.map(version).collect(),
        }
    };
    order.into_iter().map(group).collect()
}

/// The higher, the better: stable over beta over alpha, then the newer one. What is no version of
/// that form comes last, by name.
fn rank(version: &str) -> (u8, u32, u32) {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    let parse = || {
        let rest = version.strip_prefix('v')?;
        for (word, stability) in [("alpha", 1), ("beta", 2)] {
            if let Some((major, minor)) = rest.split_once(word) {
                return Some((stability, number(major)?, number(minor)?));
            }
        }
        Some((3, number(rest)?, 0))
    };
    parse().unwrap_or_default()
}

fn line(resource: &Resource) -> Value {
    let mut line = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    if !resource.storage_prefix.is_empty() {
        line["storageVersionHash"] = json!(storage_version_hash(resource));
    }
    names(resource, &mut line);
    line
}

fn names(resource: &Resource, to: &mut Value) {
    for (key, names) in [
        ("shortNames", &resource.short_names),
        ("categories", &resource.categories),
    ] {
        if !names.is_empty() {
            to[key] = json!(names);
        }
    }
}

fn subresource_line(resource: &Resource, one: &Subresource) -> Value {
    let mut line = json!({
        "name": format!("{}/{}", resource.plural, one.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": one.kind,
        "verbs": one.verbs,
    });
    if (&one.group, &one.version) != (&resource.group, &resource.version) {
        line["group"] = json!(one.group);
        line["version"] = json!(one.version);
    }
    line
}

fn entry(resource: &Resource) -> Value {
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    names(resource, &mut entry);
    let subresource = |one: &Subresource| {
        // As upstream: empty where it is the group and version of the resource itself.
        let own = (&one.group, &one.version) == (&resource.group, &resource.version);
        let (group, version) = match own {
            true => ("", ""),
            false => (one.group.as_str(), one.version.as_str()),
        };
        json!({
            "subresource": one.name,
            "responseKind": {"group": group, "version": version, "kind": one.kind},
            "verbs": one.verbs,
        })
    };
    if !resource.subresources.is_empty() {
        let all: Vec<Value> = resource.subresources.iter().map(subresource).collect();
        entry["subresources"] = Value::Array(all);
    }
    entry
}

/// As upstream computes it: the same for all versions that are stored as one.
fn storage_version_hash(resource: &Resource) -> String {
    let (mut group, mut version) = (resource.group.as_str(), resource.version.as_str());
    match (group, resource.plural.as_str()) {
        ("events.k8s.io", "events") => (group, version) = ("", "v1"),
        ("autoscaling", "horizontalpodautoscalers") => version = "v2",
        _ => {}
    }
    let stored = format!("{group}/{version}/{}", resource.kind);
    let digest = ring::digest::digest(&ring::digest::SHA256, stored.as_bytes());
    STANDARD.encode(&digest.as_ref()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::built_in;

    #[test]
    fn groups_and_versions_stand_in_the_order_of_upstream() {
        let catalog = built_in();
        let document = groups(&catalog.resources);
        let all = document["groups"].as_array().unwrap();
        let names: Vec<&str> = all
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names[..4],
            [
                "apiregistration.k8s.io",
                "apps",
                "events.k8s.io",
                "authentication.k8s.io"
            ]
        );
        assert_eq!(names.len(), 20);
        let autoscaling = group(&catalog.resources, "autoscaling").unwrap();
        assert_eq!(
            autoscaling["preferredVersion"]["groupVersion"],
            "autoscaling/v2"
        );
        assert_eq!(autoscaling["versions"][1]["version"], "v1");
        assert_eq!(group(&catalog.resources, "example.com"), None);
        assert_eq!(group(&catalog.resources, ""), None);
    }

    #[test]
    fn a_custom_group_comes_after_with_its_best_version_first() {
        let mut all = built_in().resources;
        for version in [
            "v1alpha1", "nightly", "v1", "v1beta1", "v2beta1", "v2", "v10",
        ] {
            all.push(Resource::new(
                "example.com",
                version,
                "Widget",
                "widgets",
                true,
            ));
        }
        let document = groups(&all);
        let custom = document["groups"].as_array().unwrap().last().unwrap();
        let versions = custom["versions"].as_array().unwrap().iter();
        let versions: Vec<&str> = versions
            .map(|one| one["version"].as_str().unwrap())
            .collect();
        assert_eq!(
            versions,
            [
                "v10", "v2", "v1", "v2beta1", "v1beta1", "v1alpha1", "nightly"
            ]
        );
        assert_eq!(custom["preferredVersion"]["version"], "v10");
    }

    #[test]
    fn resources_are_listed_with_their_subresources() {
        let catalog = built_in();
        let core = resources(&catalog.resources, "", "v1").unwrap();
        assert!(core.get("apiVersion").is_none());
        let find = |document: &Value, name: &str| {
            let mut all = document["resources"].as_array().unwrap().iter();
            all.find(|one| one["name"] == name).cloned().unwrap()
        };
        let pods = json!({
            "name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod",
            "verbs": crate::resource::ALL_VERBS, "shortNames": ["po"], "categories": ["all"],
            "storageVersionHash": "xPOwRZ+Yhw8=",
        });
        assert_eq!(find(&core, "pods"), pods);
        let eviction = json!({
            "name": "pods/eviction", "singularName": "", "namespaced": true, "kind": "Eviction",
            "group": "policy", "version": "v1", "verbs": ["create"],
        });
        assert_eq!(find(&core, "pods/eviction"), eviction);
        assert!(find(&core, "bindings").get("storageVersionHash").is_none());
        assert!(find(&core, "pods/status").get("group").is_none());
        let events = resources(&catalog.resources, "events.k8s.io", "v1").unwrap();
        assert_eq!(events["apiVersion"], "v1");
        assert_eq!(
            find(&events, "events")["storageVersionHash"],
            "r2yiGXH7wu8="
        );
        let scalers = resources(&catalog.resources, "autoscaling", "v1").unwrap();
        let scaler = find(&scalers, "horizontalpodautoscalers");
        assert_eq!(scaler["storageVersionHash"], "qwQve8ut294=");
        assert_eq!(resources(&catalog.resources, "apps", "v2"), None);
    }

    #[test]
    fn everything_at_once_says_the_same() {
        let catalog = built_in();
        let core = aggregated(&catalog.resources, true, Aggregated::V2);
        assert_eq!(core["apiVersion"], "apidiscovery.k8s.io/v2");
        assert_eq!(core["items"].as_array().unwrap().len(), 1);
        assert_eq!(core["items"][0]["metadata"], json!({}));
        let named = aggregated(&catalog.resources, false, Aggregated::V2Beta1);
        assert_eq!(named["apiVersion"], "apidiscovery.k8s.io/v2beta1");
        let apps = &named["items"][1];
        assert_eq!(apps["metadata"]["name"], "apps");
        let deployments = &apps["versions"][0]["resources"][2];
        assert_eq!(deployments["resource"], "deployments");
        assert_eq!(
            deployments["responseKind"],
            json!({"group": "", "version": "", "kind": "Deployment"})
        );
        let scale = &deployments["subresources"][0];
        assert_eq!(
            scale["responseKind"],
            json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
        );
    }
}
