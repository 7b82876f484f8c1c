//! Which resources there are, and where their objects are kept.
//!
//! Built from the catalog of built-in resources. Knows nothing about requests. Invariant: a key
//! belongs to one resource, one namespace and one name.

use std::collections::HashMap;
use std::sync::Arc;

use skerry_schema::{Catalog, Resource, Type, Types};
use skerry_store::KeyRange;

use crate::error::{About, ApiError};
use crate::storage;

/// The folder of all objects, as upstream's.
const ROOT: &str = "/registry";

/// All resources.
pub(crate) struct Registry {
    resources: Vec<Arc<Resource>>,
    /// By plural: there are only a few of the same name.
    by_plural: HashMap<String, Vec<usize>>,
    pub(crate) types: Arc<Types>,
}

impl Registry {
    pub(crate) fn new(catalog: Catalog) -> Registry {
        let resources: Vec<Arc<Resource>> = catalog.resources.into_iter().map(Arc::new).collect();
        let mut by_plural: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, resource) in resources.iter().enumerate() {
            let places = by_plural.entry(resource.plural.clone()).or_default();
            places.push(place);
        }
        Registry {
            resources,
            by_plural,
            types: catalog.types,
        }
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let places = self.by_plural.get(plural)?.iter();
        let mut named = places.map(|place| &self.resources[*place]);
        named.find(|one| one.group == group && one.version == version)
    }

    pub(crate) fn all(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// The type of a resource's objects.
    pub(crate) fn type_of(&self, resource: &Resource) -> Option<Type<'_>> {
        self.types.definition(&resource.definition)
    }
}

/// Where an object is kept.
pub(crate) fn key(resource: &Resource, namespace: &str, name: &str) -> String {
    let prefix = &resource.storage_prefix;
    match resource.namespaced {
        true => format!("{ROOT}/{prefix}/{namespace}/{name}"),
        false => format!("{ROOT}/{prefix}/{name}"),
    }
}

/// Where the objects of a namespace are kept; of all namespaces where it is empty.
pub(crate) fn keys(resource: &Resource, namespace: &str) -> KeyRange {
    let prefix = &resource.storage_prefix;
    match resource.namespaced && !namespace.is_empty() {
        true => storage::below(&format!("{ROOT}/{prefix}/{namespace}/")),
        false => storage::below(&format!("{ROOT}/{prefix}/")),
    }
}

/// What a name in a path must be, whatever the resource: it becomes part of a key.
pub(crate) fn check_segment(segment: &str) -> Result<(), ApiError> {
    if matches!(segment, "." | "..") || segment.contains(['/', '%']) || segment.len() > 253 * 4 {
        let message = format!("invalid resource name {segment:?}");
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

/// An object of a resource, for errors.
pub(crate) fn about<'a>(resource: &'a Resource, name: &'a str) -> About<'a> {
    About {
        group: &resource.group,
        resource: &resource.plural,
        name,
    }
}
