//! What upstream calls the API operations of a resource, held for any of them.
//!
//! Knows nothing about what the resources mean. Invariant: nothing that it makes is left behind.

use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::core::GroupVersion;
use kube::discovery::{ApiCapabilities, Scope, pinned_kind};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, Events, refusal};

use crate::World;

/// All of them.
const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// See the module.
pub struct Subject<'a> {
    /// Where its objects are.
    pub api: Api<DynamicObject>,
    world: &'a World,
    resource: ApiResource,
    capabilities: ApiCapabilities,
    manifest: Value,
    names: [String; 3],
    /// Whether a controller has looked at an object.
    judged: Option<fn(&Value) -> bool>,
}

impl<'a> Subject<'a> {
    /// Finds the manifest's resource as clients do: group, version, verbs.
    pub async fn new(world: &'a World, manifest: Value) -> Subject<'a> {
        let version: GroupVersion = manifest["apiVersion"].as_str().unwrap().parse().unwrap();
        let kind = version
            .clone()
            .with_kind(manifest["kind"].as_str().unwrap());
        if !version.group.is_empty() {
            let groups = world.client.list_api_groups().await.unwrap().groups;
            let group = groups.iter().find(|group| group.name == version.group);
            let group = group.expect("the group is in the list of all");
            let versions = group.versions.iter();
            let mut found = versions.map(|version| version.group_version.as_str());
            assert!(found.any(|found| found == manifest["apiVersion"]));
            let own = world
                .get(&format!("/apis/{}", version.group))
                .await
                .unwrap();
            assert_eq!(own["versions"], json!(group.versions));
        }
        let (resource, capabilities) = pinned_kind(&world.client, &kind).await.unwrap();
        let mut verbs = capabilities.operations.clone();
        verbs.sort();
        assert_eq!(verbs, VERBS, "{}", resource.plural);
        let api = match capabilities.scope {
            Scope::Cluster => Api::all_with(world.client.clone(), &resource),
            Scope::Namespaced => {
                Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
            }
        };
        Subject {
            api,
            world,
            names: ["a", "b", "c"].map(|name| format!("{}-{name}", world.namespace)),
            resource,
            capabilities,
            manifest,
            judged: None,
        }
    }

    /// For kinds whose status a controller writes once they are made: whether it has.
    pub fn judged(mut self, judged: fn(&Value) -> bool) -> Subject<'a> {
        self.judged = Some(judged);
        self
    }

    /// For kinds that do not take any name.
    pub fn named(mut self, names: [&str; 3]) -> Subject<'a> {
        self.names = names.map(ToOwned::to_owned);
        self
    }

    /// Which subresources discovery tells of, sorted.
    pub fn subresources(&self) -> Vec<&str> {
        let all = self.capabilities.subresources.iter();
        let mut names: Vec<_> = all
            .map(|(resource, _)| resource.plural.rsplit('/').next().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    /// Makes one object of each name.
    pub async fn create(&self, name: &str) -> DynamicObject {
        let mut object: DynamicObject = serde_json::from_value(self.manifest.clone()).unwrap();
        object.metadata.name = Some(name.to_owned());
        let labels = object.labels_mut();
        labels.insert("conformance".into(), self.world.namespace.clone());
        let made = self.api.create(&PostParams::default(), &object).await;
        let made = made.unwrap_or_else(|error| panic!("{}: {error}", self.resource.plural));
        let Some(judged) = self.judged else {
            return made;
        };
        eventually_async("it is judged", DEADLINE, || async {
            let live = self.api.get(name).await?;
            let status = &live.data["status"];
            anyhow::ensure!(judged(status), "{status:?}");
            Ok(live)
        })
        .await
        .unwrap()
    }

    fn selected(&self) -> ListParams {
        ListParams::default().labels(&format!("conformance={}", self.world.namespace))
    }

    /// Create, get, list, watch, patch, update, delete and deletecollection.
    pub async fn every_operation(&self) {
        let before = self.api.list(&self.selected()).await.unwrap();
        assert!(before.items.is_empty());
        let mut made = Vec::new();
        for name in &self.names {
            made.push(self.create(name).await);
        }
        let [first, second, third] = &self.names;
        assert_eq!(&self.api.get(first).await.unwrap(), &made[0]);
        let found = self.api.list(&self.selected()).await.unwrap();
        assert_eq!(names(&found.items), [first, second, third]);
        self.lists_everywhere().await;

        let mut watch = self.watch(found.metadata.resource_version.as_ref()).await;
        let patch = Patch::Merge(json!({"metadata": {"labels": {"patched": "yes"}}}));
        let options = PatchParams::default();
        let patched = self.api.patch(second, &options, &patch).await.unwrap();
        assert_eq!(patched.labels()["patched"], "yes");
        let event = watch.next().await.unwrap();
        assert_eq!(event.brief(), ("MODIFIED", second.as_str()));
        assert_eq!(event.object["metadata"]["labels"]["patched"], "yes");

        let old = self.api.get(second).await.unwrap();
        let mut changed = old.clone();
        changed
            .annotations_mut()
            .insert("updated".into(), "yes".into());
        let updated = self
            .api
            .replace(second, &PostParams::default(), &changed)
            .await
            .unwrap();
        assert_eq!(updated.annotations()["updated"], "yes");
        assert_eq!(self.api.get(second).await.unwrap(), updated);
        assert_eq!(watch.next().await.unwrap().kind, "MODIFIED");
        let refused = self.api.replace(second, &PostParams::default(), &old).await;
        assert_eq!(refusal(refused).code, 409, "what was updated since");

        self.delete(second).await;
        self.release(second).await;
        self.gone(second).await;
        loop {
            let event = watch.next().await.unwrap();
            assert_eq!(event.name(), second);
            match event.kind.as_str() {
                "DELETED" => break,
                kind => assert_eq!(kind, "MODIFIED", "while it is finalized"),
            }
        }

        let deletion = DeleteParams::background().grace_period(0);
        let deleted = self
            .api
            .delete_collection(&deletion, &self.selected())
            .await;
        deleted.unwrap();
        self.release(first).await;
        self.release(third).await;
        eventually_async("the collection is gone", DEADLINE, || async {
            let left = self.api.list(&self.selected()).await?.items;
            anyhow::ensure!(left.is_empty(), "{:?}", names(&left));
            Ok(())
        })
        .await
        .unwrap();
    }

    /// The subresource `status`: read, patched, replaced, and nothing else changed by it.
    pub async fn has_a_status(&self, change: Value) {
        let name = &self.names[0];
        self.create(name).await;
        let found = self.api.get_status(name).await.unwrap();
        assert_eq!(found.name_any(), *name);
        let spec = found.data["spec"].clone();

        let patch = json!({
            "metadata": {"annotations": {"patched": "yes"}},
            "status": change,
            "spec": {"conformance": "not by this way"},
        });
        let options = PatchParams::default();
        let patch = Patch::Merge(patch);
        let patched = self.api.patch_status(name, &options, &patch).await.unwrap();
        contains(&patched.data["status"], &change);
        assert_eq!(patched.data["spec"], spec, "the spec stays");
        contains(&self.api.get(name).await.unwrap().data["status"], &change);

        // Whole, as a controller does.
        let mut object = self.api.get_status(name).await.unwrap();
        object
            .annotations_mut()
            .insert("replaced".into(), "yes".into());
        let replaced = self
            .api
            .replace_status(name, &PostParams::default(), &object)
            .await
            .unwrap();
        contains(&replaced.data["status"], &change);
        let read = self.api.get_status(name).await.unwrap();
        assert_eq!(read, self.api.get(name).await.unwrap());
        contains(&read.data["status"], &change);

        // What is written to the object leaves the status alone.
        let mut object = read.clone();
        object.data["status"] = json!({});
        object.labels_mut().insert("other".into(), "label".into());
        let written = self
            .api
            .replace(name, &PostParams::default(), &object)
            .await
            .unwrap();
        contains(&written.data["status"], &change);
        self.delete(name).await;
        self.release(name).await;
        self.gone(name).await;
    }

    /// The subresource `scale`: read, replaced, patched, and the object with it.
    pub async fn is_scaled(&self) {
        let name = &self.names[0];
        let made = self.create(name).await;
        assert_eq!(made.data["spec"]["replicas"], 1);
        let mut scale = self.api.get_scale(name).await.unwrap();
        assert_eq!(scale.spec.as_ref().unwrap().replicas, Some(1));
        scale.spec.as_mut().unwrap().replicas = Some(2);
        let scale = self
            .api
            .replace_scale(name, &PostParams::default(), &scale)
            .await
            .unwrap();
        assert_eq!(scale.spec.unwrap().replicas, Some(2));
        let read = self.api.get(name).await.unwrap();
        assert_eq!(read.data["spec"]["replicas"], 2);
        let patch = Patch::Merge(json!({"spec": {"replicas": 4}}));
        let scale = self
            .api
            .patch_scale(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
        assert_eq!(scale.spec.unwrap().replicas, Some(4));
        let read = self.api.get(name).await.unwrap();
        assert_eq!(read.data["spec"]["replicas"], 4);
        self.delete(name).await;
        self.gone(name).await;
    }

    /// Deletes one at once, not when a kubelet has ended it.
    pub async fn delete(&self, name: &str) {
        let deletion = DeleteParams::background().grace_period(0);
        self.api.delete(name, &deletion).await.unwrap();
    }

    /// Waits until there is none of that name.
    pub async fn gone(&self, name: &str) {
        eventually_async("it is gone", DEADLINE, || async {
            let left = self.api.get_opt(name).await?;
            anyhow::ensure!(left.is_none(), "{left:?}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// A watch of what the subject makes, from there on.
    pub async fn watch(&self, version: Option<&String>) -> Events {
        let selector = format!("labelSelector=conformance%3D{}", self.world.namespace);
        let url = self.api.resource_url();
        let version = version.unwrap();
        let path = format!("{url}?watch=true&{selector}&resourceVersion={version}");
        Events::open(&self.world.client, &path).await.unwrap()
    }

    /// Takes the protection off that a controller of volumes would take off.
    async fn release(&self, name: &str) {
        let Some(left) = self.api.get_opt(name).await.unwrap() else {
            return;
        };
        assert!(left.metadata.deletion_timestamp.is_some());
        let protected = [
            "kubernetes.io/pv-protection",
            "kubernetes.io/pvc-protection",
        ];
        for finalizer in left.finalizers() {
            assert!(protected.contains(&finalizer.as_str()), "{finalizer}");
        }
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        let released = self.api.patch(name, &PatchParams::default(), &patch).await;
        released.unwrap();
    }

    /// One list of all namespaces has what the test made.
    async fn lists_everywhere(&self) {
        if self.capabilities.scope == Scope::Namespaced {
            let all: Api<DynamicObject> = Api::all_with(self.world.client.clone(), &self.resource);
            let found = all.list(&self.selected()).await.unwrap();
            assert_eq!(found.items.len(), self.names.len());
        }
    }
}

fn names(objects: &[DynamicObject]) -> Vec<&String> {
    let names = objects.iter().map(|object| object.metadata.name.as_ref());
    let mut names: Vec<_> = names.map(|name| name.unwrap()).collect();
    names.sort();
    names
}

/// Whether all that is `wanted` is there; more may be.
fn contains(found: &Value, wanted: &Value) {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            for (key, wanted) in wanted {
                let found = found.get(key).unwrap_or(&Value::Null);
                contains(found, wanted);
            }
        }
        (Value::Array(found), Value::Array(wanted)) => {
            assert_eq!(found.len(), wanted.len(), "{found:?}, not {wanted:?}");
            for (found, wanted) in found.iter().zip(wanted) {
                contains(found, wanted);
            }
        }
        _ => assert_eq!(found, wanted),
    }
}
