//! A namespace, what tests do to the ConfigMaps in it, and watches of them.
//!
//! Knows nothing about what the watches are to tell.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::Value;

use crate::{Events, config_map, namespace};

/// See the module.
pub struct Place {
    /// Who writes and watches.
    pub client: Client,
    /// Its ConfigMaps.
    pub maps: Api<ConfigMap>,
    /// Where they are.
    pub path: String,
}

impl Place {
    /// Makes a namespace of that name.
    pub async fn new(client: &Client, name: &str) -> Place {
        let namespace = namespace(client, name).await;
        Place {
            maps: Api::namespaced(client.clone(), &namespace),
            path: format!("/api/v1/namespaces/{namespace}/configmaps"),
            client: client.clone(),
        }
    }

    /// Makes a ConfigMap; its version.
    pub async fn create(&self, name: &str, labels: Value) -> i64 {
        let mut map = config_map(name, "a", "1");
        map.metadata.labels = serde_json::from_value(labels).unwrap();
        let made = self
            .maps
            .create(&PostParams::default(), &map)
            .await
            .unwrap();
        version(&made)
    }

    /// Merges this into one; its version.
    pub async fn patch(&self, name: &str, patch: Value) -> i64 {
        let (options, patch) = (PatchParams::default(), Patch::Merge(patch));
        version(&self.maps.patch(name, &options, &patch).await.unwrap())
    }

    /// Deletes one.
    pub async fn delete(&self, name: &str) {
        let deleted = self.maps.delete(name, &DeleteParams::default()).await;
        deleted.unwrap();
    }

    /// The newest revision.
    pub async fn now(&self) -> i64 {
        let list = self.maps.list(&ListParams::default()).await.unwrap();
        list.metadata.resource_version.unwrap().parse().unwrap()
    }

    /// Watches with these parameters.
    pub async fn watch(&self, query: &str) -> Events {
        self.watch_as(query, "application/json").await
    }

    /// As [`Place::watch`], in another form.
    pub async fn watch_as(&self, query: &str, accept: &str) -> Events {
        let path = format!("{}?watch=true&{query}", self.path);
        Events::open_as(&self.client, &path, accept).await.unwrap()
    }
}

fn version(map: &ConfigMap) -> i64 {
    let version = map.metadata.resource_version.as_ref();
    version.unwrap().parse().unwrap()
}
