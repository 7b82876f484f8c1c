//! Discovery documents of this server with what others answer for, in the order of their ranks.
//!
//! Knows nothing about the network. Invariant: what this server has stays in the documents,
//! whatever others say.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::local;
use super::table::{Service, Table};
use super::text;

impl Table {
    /// `/apis`: a list of groups.
    pub(crate) fn merge_groups(&self, groups: &mut Value) {
        let Some(groups) = groups.get_mut("groups").and_then(Value::as_array_mut) else {
            return;
        };
        let order = Order::new(self);
        for (group, services) in of_others(&self.remotes()) {
            if group.is_empty() {
                continue;
            }
            let place = groups.iter().position(|one| text(one, "name") == group);
            let old = place.map(|place| groups.remove(place));
            groups.push(order.group(group, old, &services));
        }
        groups.sort_by_cached_key(|one| order.key(text(one, "name")));
    }

    /// `/apis/G`: `document` is what this server has, if anything.
    pub(crate) fn merge_group(&self, group: &str, document: Option<Value>) -> Option<Value> {
        let remotes = self.remotes();
        let others = of_others(&remotes)
            .remove(group)
            .filter(|_| !group.is_empty());
        let Some(services) = others else {
            return document;
        };
        let mut merged = Order::new(self).group(group, document, &services);
        merged["kind"] = json!("APIGroup");
        merged["apiVersion"] = json!("v1");
        Some(merged)
    }

    /// `/apis` and `/api` as aggregated discovery.
    pub(crate) fn merge_aggregated(&self, document: &mut Value, is_core: bool) {
        let Some(items) = document.get_mut("items").and_then(Value::as_array_mut) else {
            return;
        };
        let order = Order::new(self);
        let name_of = |item: &Value| {
            let name = item.pointer("/metadata/name").and_then(Value::as_str);
            name.unwrap_or_default().to_owned()
        };
        for (group, services) in of_others(&self.remotes()) {
            if group.is_empty() != is_core {
                continue;
            }
            let place = items.iter().position(|item| name_of(item) == group);
            let mut item = match place {
                Some(place) => items.remove(place),
                None => json!({"metadata": {"name": group, "creationTimestamp": null}}),
            };
            let mut versions = match item["versions"].take() {
                Value::Array(versions) => versions,
                _ => Vec::new(),
            };
            for service in services {
                versions.retain(|one| text(one, "version") != service.version);
                versions.push(entry(service));
            }
            order.sort(group, &mut versions);
            item["versions"] = versions.into();
            items.push(item);
        }
        items.sort_by_cached_key(|item| order.key(&name_of(item)));
    }

    /// `/`: paths.
    pub(crate) fn merge_paths(&self, document: &mut Value) {
        let Some(paths) = document.get_mut("paths").and_then(Value::as_array_mut) else {
            return;
        };
        let mut all: BTreeSet<String> = BTreeSet::new();
        for service in self.remotes().iter().filter(|one| !one.group.is_empty()) {
            all.insert(format!("/apis/{}", service.group));
            all.insert(format!("/apis/{}/{}", service.group, service.version));
        }
        if all.is_empty() {
            return;
        }
        all.extend(paths.iter().filter_map(Value::as_str).map(str::to_owned));
        *paths = all.into_iter().map(Value::String).collect();
    }

    /// Where OpenAPI documents of others are, by the path of their version.
    pub(crate) fn openapi_places(&self) -> Vec<(String, String)> {
        let remotes = self.remotes();
        let places = remotes.iter().filter_map(|service| {
            let remote = service.remote.as_ref()?;
            let url = remote.link.found().openapi.clone()?;
            Some((format!("apis/{}/{}", service.group, service.version), url))
        });
        places.collect()
    }
}

/// Who answers for versions of a group that this server does not answer for.
fn of_others(remotes: &[Arc<Service>]) -> BTreeMap<&str, Vec<&Service>> {
    let mut groups: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in remotes {
        groups.entry(&service.group).or_default().push(service);
    }
    groups
}

/// A version as it is kept, and whether that is what its server has now.
fn entry(service: &Service) -> Value {
    let found = service
        .remote
        .as_ref()
        .map(|remote| remote.link.found().clone());
    let found = found.unwrap_or_default();
    let kept = found.entry.as_deref();
    let mut entry = kept
        .and_then(|kept| serde_json::from_slice(kept).ok())
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
    entry["version"] = service.version.as_str().into();
    entry["freshness"] = if found.current { "Current" } else { "Stale" }.into();
    entry
}

/// How groups and versions rank.
struct Order {
    groups: BTreeMap<String, i64>,
    versions: BTreeMap<(String, String), i64>,
}

impl Order {
    fn new(table: &Table) -> Order {
        let mut order = Order {
            groups: BTreeMap::new(),
            versions: BTreeMap::new(),
        };
        for service in table.all() {
            let rank = order.groups.entry(service.group.clone()).or_default();
            *rank = service.rank.group.max(*rank);
            let version = (service.group.clone(), service.version.clone());
            order.versions.insert(version, service.rank.version);
        }
        order
    }

    /// Higher ranks first, then by name.
    fn key(&self, group: &str) -> (Reverse<i64>, String) {
        let own = local::built_in(group, "v1").map(|rank| rank.group);
        let said = self.groups.get(group).copied();
        let rank = match group {
            super::GROUP => Some(local::OWN_GROUP_RANK),
            _ => said.or(own),
        };
        (Reverse(rank.unwrap_or(1000)), group.to_owned())
    }

    fn sort(&self, group: &str, versions: &mut [Value]) {
        versions.sort_by(|one, other| {
            let (one, other) = (text(one, "version"), text(other, "version"));
            let rank = |version: &str| {
                let said = self.versions.get(&(group.to_owned(), version.to_owned()));
                said.copied().unwrap_or(100)
            };
            let ranks = rank(other).cmp(&rank(one));
            ranks.then_with(|| local::by_version(one, other))
        });
    }

    /// A group of which others answer for some versions.
    fn group(&self, name: &str, document: Option<Value>, services: &[&Service]) -> Value {
        let mut document = document.unwrap_or_else(|| json!({"name": name}));
        let mut versions = match document["versions"].take() {
            Value::Array(versions) => versions,
            _ => Vec::new(),
        };
        for service in services {
            let version = service.version.as_str();
            versions.retain(|one| text(one, "version") != version);
            versions.push(json!({"groupVersion": format!("{name}/{version}"), "version": version}));
        }
        self.sort(name, &mut versions);
        document["preferredVersion"] = versions.first().cloned().unwrap_or_default();
        document["versions"] = versions.into();
        document
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::object as service;
    use super::*;

    fn names(list: &Value, pointer: &str) -> Vec<String> {
        let all = list.as_array().unwrap().iter();
        all.map(|one| one.pointer(pointer).unwrap().as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn groups_of_others_stand_where_their_rank_puts_them() {
        let table = Table::default();
        table.put(&service("metrics.k8s.io", "v1beta1", true));
        let mut first = service("first.io", "v1", true);
        first["spec"]["groupPriorityMinimum"] = json!(20_000);
        table.put(&first);
        let mut groups = json!({"groups": [{"name": "apiregistration.k8s.io"}, {"name": "apps"}]});
        table.merge_groups(&mut groups);
        assert_eq!(
            names(&groups["groups"], "/name"),
            [
                "apiregistration.k8s.io",
                "first.io",
                "apps",
                "metrics.k8s.io"
            ]
        );
        assert_eq!(
            groups["groups"][3],
            json!({
                "name": "metrics.k8s.io",
                "versions": [{"groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1"}],
                "preferredVersion": {"groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1"},
            })
        );
    }

    #[test]
    fn a_group_may_be_answered_for_in_part() {
        let table = Table::default();
        table.put(&service("apps", "v2", true));
        let mut document = json!({"items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "freshness": "Current"}]},
        ]});
        table.merge_aggregated(&mut document, false);
        let versions = &document["items"][0]["versions"];
        assert_eq!(names(versions, "/version"), ["v1", "v2"]);
        assert_eq!(versions[1], json!({"version": "v2", "freshness": "Stale"}));
        let group = table.merge_group("apps", None).unwrap();
        assert_eq!(group["preferredVersion"]["version"], "v2");
        assert_eq!(table.merge_group("batch", None), None);
    }
}
