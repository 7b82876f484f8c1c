//! Resources: what there is under a path, what it is called, and which verbs it takes.
//!
//! Knows nothing about requests or storage; a built-in resource and a custom one look the same.
//! Invariant: a `Catalog` has at most one resource for a group, version and plural.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::types::{Type, Types};

/// A resource: `pods` in core `v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// "" is the core group.
    pub group: String,
    /// `v1`.
    pub version: String,
    /// `Pod`.
    pub kind: String,
    /// `PodList`; empty where there is nothing to list.
    pub list_kind: String,
    /// The name in paths: `pods`.
    pub plural: String,
    /// `pod`.
    pub singular: String,
    /// What kubectl takes instead of the name: `po`.
    pub short_names: Vec<String>,
    /// `all`, `api-extensions`.
    pub categories: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// As discovery shows them, in its order. `create` alone for what is asked and not kept.
    pub verbs: Vec<String>,
    /// By name.
    pub subresources: Vec<Subresource>,
    /// The name of its type in `Types`: `io.k8s.api.core.v1.Pod`.
    pub definition: String,
    /// Where its objects live under `/registry`: `pods`, `services/specs`, `minions`. Empty for
    /// what is asked and not kept.
    pub storage_prefix: String,
    /// Whether a DELETE that is carried out at once answers with the object that was there, and
    /// not with a Status.
    pub delete_returns_object: bool,
}

/// A subresource: `scale` of `deployments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subresource {
    /// `status`, `scale`, `binding`.
    pub name: String,
    /// Of the kind that it takes and returns.
    pub group: String,
    /// Of the kind that it takes and returns.
    pub version: String,
    /// What it takes and returns: `Scale`.
    pub kind: String,
    /// As discovery shows them, in its order.
    pub verbs: Vec<String>,
    /// The name of that kind's type in `Types`; empty where it takes and returns no object that
    /// is described, as `pods/exec`.
    pub definition: String,
}

/// The verbs of a resource that is kept, as discovery shows them.
pub const ALL_VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

impl Resource {
    /// A resource that is kept and takes all verbs: no subresources, short names or categories,
    /// singular and storage prefix derived from the names.
    #[must_use]
    pub fn new(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            short_names: Vec::new(),
            categories: Vec::new(),
            namespaced,
            verbs: ALL_VERBS.map(str::to_owned).to_vec(),
            subresources: Vec::new(),
            definition: String::new(),
            storage_prefix: plural.to_owned(),
            delete_returns_object: false,
        }
    }

    /// `v1`, `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// The subresource of this name.
    #[must_use]
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|one| one.name == name)
    }

    /// Whether the resource itself takes this verb.
    #[must_use]
    pub fn takes(&self, verb: &str) -> bool {
        self.verbs.iter().any(|one| one == verb)
    }
}

impl Subresource {
    /// `autoscaling/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// Whether it takes this verb.
    #[must_use]
    pub fn takes(&self, verb: &str) -> bool {
        self.verbs.iter().any(|one| one == verb)
    }
}

pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// All resources, and the types of their objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The types that resources name.
    pub types: Arc<Types>,
    /// In the order of discovery: by group, by version (best first), by name.
    pub resources: Vec<Resource>,
}

impl Catalog {
    /// The resource at this group, version and name in paths.
    #[must_use]
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        self.resources
            .iter()
            .find(|one| one.plural == plural && one.group == group && one.version == version)
    }

    /// The resource whose objects are of this kind.
    #[must_use]
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&Resource> {
        let mut resources = self.resources.iter();
        resources.find(|one| one.kind == kind && one.group == group && one.version == version)
    }

    /// The type of a resource's objects.
    #[must_use]
    pub fn type_of(&self, resource: &Resource) -> Option<Type<'_>> {
        self.types.definition(&resource.definition)
    }

    /// The type of what a subresource takes and returns.
    #[must_use]
    pub fn type_of_subresource(&self, subresource: &Subresource) -> Option<Type<'_>> {
        self.types.definition(&subresource.definition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, FieldSpec, Format};

    #[test]
    fn a_resource_is_found_by_name_and_by_kind_and_has_its_type() {
        let mut builder = Builder::default();
        let text = builder.string(Format::Plain);
        let object = builder.object(&[FieldSpec::optional("data", text)], false, false);
        builder.define("example.Widget", object);
        let mut widget = Resource::new("example.com", "v1", "Widget", "widgets", true);
        widget.definition = "example.Widget".to_owned();
        let catalog = Catalog {
            types: Arc::new(builder.finish()),
            resources: vec![widget],
        };

        let found = catalog.resource("example.com", "v1", "widgets").unwrap();
        assert_eq!(catalog.kind("example.com", "v1", "Widget"), Some(found));
        assert_eq!(
            (found.singular.as_str(), found.list_kind.as_str()),
            ("widget", "WidgetList")
        );
        assert!(found.takes("watch") && !found.takes("connect"));
        assert_eq!(found.api_version(), "example.com/v1");
        assert!(catalog.type_of(found).unwrap().field("data").is_some());
        assert!(catalog.resource("", "v1", "widgets").is_none());
    }
}
