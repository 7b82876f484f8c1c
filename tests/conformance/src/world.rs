//! A server that the tests of one process share, and a namespace for each of them.
//!
//! Knows nothing about what the tests assert. Invariant: the server ends with the last test that
//! holds it.

use std::sync::{Arc, Weak};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;
use skerry_tests_harness::Cluster;
use skerry_tests_kube_rs::{client, namespace, servers};
use tokio::sync::Mutex;

/// The server, for as long as a test runs that needs it.
static SHARED: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());

/// See the module.
pub struct World {
    /// The server.
    pub cluster: Arc<Cluster>,
    /// Its administrator.
    pub client: Client,
    /// The test's own namespace; also a word that only this test uses.
    pub namespace: String,
}

impl World {
    /// A namespace of that name on the server that runs, or on a new one.
    pub async fn new(name: &str) -> World {
        let cluster = {
            let mut shared = SHARED.lock().await;
            match shared.upgrade() {
                Some(cluster) => cluster,
                None => {
                    let cluster = Arc::new(servers(1).await);
                    *shared = Arc::downgrade(&cluster);
                    cluster
                }
            }
        };
        World::on(cluster, name).await
    }

    /// As [`World::new`], on a server that no other test uses: for what they would notice.
    pub async fn alone(name: &str) -> World {
        World::on(Arc::new(servers(1).await), name).await
    }

    async fn on(cluster: Arc<Cluster>, name: &str) -> World {
        let client = client(&cluster, 0).await;
        let namespace = namespace(&client, name).await;
        World {
            cluster,
            client,
            namespace,
        }
    }

    /// The namespace's objects of a built-in kind.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The namespace's ConfigMaps.
    pub fn maps(&self) -> Api<ConfigMap> {
        self.api()
    }

    /// What a path answers, as an object.
    pub async fn get(&self, path: &str) -> kube::Result<Value> {
        self.get_as(path, "application/json").await
    }

    /// As [`World::get`], in another form.
    pub async fn get_as(&self, path: &str, accept: &str) -> kube::Result<Value> {
        let request = http::Request::get(path).header(http::header::ACCEPT, accept);
        self.client.request(request.body(Vec::new()).unwrap()).await
    }

    /// Sends this body as it is; what comes back.
    pub async fn send(
        &self,
        method: http::Method,
        path: &str,
        content: &str,
        body: impl Into<Vec<u8>>,
    ) -> kube::Result<Value> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, content);
        self.client
            .request(request.body(body.into()).unwrap())
            .await
    }

    /// The objects of a kind that is known by its plural, in the test's namespace or in none.
    pub fn dynamic(&self, kind: (&str, &str, &str, &str), namespaced: bool) -> Api<DynamicObject> {
        let (group, version, kind, plural) = kind;
        let kind = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        match namespaced {
            true => Api::namespaced_with(self.client.clone(), &self.namespace, &resource),
            false => Api::all_with(self.client.clone(), &resource),
        }
    }
}
