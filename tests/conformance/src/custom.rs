//! Definitions of custom resources for tests: made, waited for and taken away.
//!
//! Knows nothing about what the tests assert.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::DEADLINE;

use crate::World;

/// A definition on the server. Kinds are made of the test's own word, so that none meets another.
pub struct Custom<'a> {
    world: &'a World,
    /// `example-NAMESPACE.test`
    pub group: String,
    /// The plural, lower case.
    pub plural: String,
    /// `PLURAL.GROUP`
    pub name: String,
}

/// A version with this schema of the whole object.
pub fn version(name: &str, stores: bool, schema: Value) -> Value {
    json!({
        "name": name, "served": true, "storage": stores,
        "schema": {"openAPIV3Schema": schema},
    })
}

/// A schema that takes everything.
pub fn anything() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

impl World {
    /// All definitions.
    pub fn definitions(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    /// How a definition of namespaced `Widget`s is written.
    pub fn definition(&self, versions: Value) -> Value {
        let group = format!("example-{}.test", self.namespace);
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("widgets.{group}")},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {
                    "plural": "widgets", "singular": "widget", "kind": "Widget",
                    "listKind": "WidgetList",
                },
                "versions": versions,
            },
        })
    }

    /// Defines `Widget`s in these versions and waits until they are served.
    pub async fn define(&self, versions: Value) -> Custom<'_> {
        self.define_as(self.definition(versions)).await
    }

    /// As [`World::define`], with all that a definition says.
    pub async fn define_as(&self, definition: Value) -> Custom<'_> {
        let spec = &definition["spec"];
        let custom = Custom {
            world: self,
            group: spec["group"].as_str().unwrap().to_owned(),
            plural: spec["names"]["plural"].as_str().unwrap().to_owned(),
            name: definition["metadata"]["name"].as_str().unwrap().to_owned(),
        };
        let definition = serde_json::from_value(definition).unwrap();
        let made = self.definitions();
        let made = made.create(&PostParams::default(), &definition).await;
        made.unwrap();
        custom.established().await;
        custom
    }
}

impl Custom<'_> {
    /// Waits until the definition is in force.
    pub async fn established(&self) {
        let definitions = self.world.definitions();
        eventually_async("the definition is established", DEADLINE, || async {
            let status = definitions.get(&self.name).await?.status;
            let conditions = status.and_then(|status| status.conditions);
            let conditions = conditions.unwrap_or_default();
            let mut found = conditions.iter();
            let found = found.any(|found| found.type_ == "Established" && found.status == "True");
            anyhow::ensure!(found, "{conditions:?}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// Changes the definition.
    pub async fn patch(&self, patch: Value) {
        let patched = self
            .world
            .definitions()
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.unwrap();
    }

    /// Changes the definition by operations of JSON patch.
    pub async fn operate(&self, operations: Value) {
        let operations = Patch::<()>::Json(serde_json::from_value(operations).unwrap());
        let patched = self
            .world
            .definitions()
            .patch(&self.name, &PatchParams::default(), &operations)
            .await;
        patched.unwrap();
    }

    /// The objects in one version, in the test's namespace.
    pub fn objects(&self, version: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk(&self.group, version, "Widget");
        let resource = ApiResource::from_gvk_with_plural(&kind, &self.plural);
        let client = self.world.client.clone();
        Api::namespaced_with(client, &self.world.namespace, &resource)
    }

    /// The path of the objects in one version.
    pub fn path(&self, version: &str) -> String {
        self.objects(version).resource_url().to_owned()
    }

    /// An object with these fields beside its metadata.
    pub fn object(&self, version: &str, name: &str, fields: Value) -> DynamicObject {
        let mut object = fields;
        object["apiVersion"] = json!(format!("{}/{version}", self.group));
        object["kind"] = json!("Widget");
        object["metadata"]["name"] = json!(name);
        serde_json::from_value(object).unwrap()
    }

    /// Makes an object.
    pub async fn create(
        &self,
        version: &str,
        name: &str,
        fields: Value,
    ) -> kube::Result<DynamicObject> {
        let object = self.object(version, name, fields);
        let objects = self.objects(version);
        objects.create(&PostParams::default(), &object).await
    }

    /// Takes the definition and its objects away.
    pub async fn remove(&self) {
        let definitions = self.world.definitions();
        let deleted = definitions
            .delete(&self.name, &DeleteParams::default())
            .await;
        deleted.unwrap();
        eventually_async("the definition is gone", DEADLINE, || async {
            anyhow::ensure!(definitions.get_opt(&self.name).await?.is_none());
            Ok(())
        })
        .await
        .unwrap();
    }
}
