//! Which resources there are, and where their objects are kept.
//!
//! The built-in ones never change; the custom ones are those that the store has definitions of
//! (`custom`). Knows nothing about requests. Invariant: a key belongs to one resource, one namespace
//! and one name.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use skerry_schema::{Catalog, Type, Types};
use skerry_store::KeyRange;

use crate::custom::{Custom, Customs};
use crate::error::{About, ApiError};
use crate::storage;

/// The folder of all objects, as upstream's.
pub(crate) const ROOT: &str = "/registry";

/// A resource that is served.
#[derive(Debug)]
pub(crate) struct Resource {
    facts: skerry_schema::Resource,
    /// What its definition says, where it is a custom one.
    pub(crate) custom: Option<Custom>,
}

impl Resource {
    pub(crate) fn custom(facts: skerry_schema::Resource, custom: Custom) -> Resource {
        Resource {
            facts,
            custom: Some(custom),
        }
    }
}

impl From<skerry_schema::Resource> for Resource {
    fn from(facts: skerry_schema::Resource) -> Resource {
        Resource {
            facts,
            custom: None,
        }
    }
}

impl Deref for Resource {
    type Target = skerry_schema::Resource;

    fn deref(&self) -> &skerry_schema::Resource {
        &self.facts
    }
}

/// All resources.
pub(crate) struct Registry {
    built_in: Vec<Arc<Resource>>,
    /// By plural: there are only a few of the same name.
    by_plural: HashMap<String, Vec<usize>>,
    /// Of the built-in resources.
    pub(crate) types: Arc<Types>,
    pub(crate) customs: Customs,
}

impl Registry {
    pub(crate) fn new(catalog: Catalog) -> Registry {
        let resources = catalog.resources.into_iter();
        let built_in: Vec<Arc<Resource>> = resources.map(|one| Arc::new(one.into())).collect();
        let mut by_plural: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, resource) in built_in.iter().enumerate() {
            let places = by_plural.entry(resource.plural.clone()).or_default();
            places.push(place);
        }
        Registry {
            built_in,
            by_plural,
            types: catalog.types,
            customs: Customs::default(),
        }
    }

    /// A built-in resource.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let places = self.by_plural.get(plural)?.iter();
        let mut named = places.map(|place| &self.built_in[*place]);
        named.find(|one| one.group == group && one.version == version)
    }

    /// A resource that is served, built-in or custom.
    pub(crate) fn served(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        match self.find(group, version, plural) {
            Some(found) => Some(Arc::clone(found)),
            None => self.customs.served(group, version, plural),
        }
    }

    /// All built-in resources, in the order of discovery.
    pub(crate) fn built_in(&self) -> &[Arc<Resource>] {
        &self.built_in
    }

    /// All that are served, in the order of discovery.
    pub(crate) fn all(&self) -> Vec<Arc<Resource>> {
        let mut all = self.built_in.clone();
        all.extend(self.customs.all_served());
        all
    }

    /// All whose objects are kept: one each, in the version that those are kept in.
    pub(crate) fn kept(&self) -> Vec<Arc<Resource>> {
        let mut all: Vec<Arc<Resource>> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for one in &self.built_in {
            if !one.storage_prefix.is_empty() && seen.insert(one.storage_prefix.clone()) {
                all.push(Arc::clone(one));
            }
        }
        all.extend(self.customs.all_kept());
        all
    }

    /// All of which there may be objects, whatever version these are asked for in.
    pub(crate) fn kinds(&self) -> Vec<Arc<Resource>> {
        let mut all = self.built_in.clone();
        all.extend(self.customs.all_kept());
        all
    }

    /// The same objects in all versions that are served.
    pub(crate) fn versions_of(&self, resource: &Resource) -> Vec<Arc<Resource>> {
        if resource.custom.is_some() {
            return self.customs.versions(&resource.group, &resource.plural);
        }
        let mut all = self.built_in.clone();
        all.retain(|one| one.storage_prefix == resource.storage_prefix);
        all
    }

    /// A resource in a version that objects may be kept in, whether it is served or not.
    pub(crate) fn known(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        match self.find(group, version, plural) {
            Some(found) => Some(Arc::clone(found)),
            None => self.customs.known(group, version, plural),
        }
    }

    /// The resource whose objects are kept under a prefix.
    pub(crate) fn at_prefix(&self, prefix: &str) -> Option<Arc<Resource>> {
        let mut built_in = self.built_in.iter();
        match built_in.find(|one| one.storage_prefix == prefix) {
            Some(found) => Some(Arc::clone(found)),
            None => {
                let (group, plural) = prefix.split_once('/')?;
                self.customs.kept(group, plural)
            }
        }
    }

    /// The type of a built-in resource's objects.
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
