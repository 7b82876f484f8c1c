//! The OpenAPI documents of custom resources, made when they are asked for.
//!
//! Definitions are read from the store one after the other: no more than one is in memory, but for
//! those of the group and version that a document of version 3 is about.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde_json::Value;
use skerry_custom::definition::Definition as Said;
use skerry_custom::openapi::{self, Published, Swagger};

use super::Customs;
use super::definition::Definition;
use crate::error::ApiError;
use crate::registry::Resource;

impl Customs {
    /// The documents of version 3 that custom resources add: `apis/example.com/v1`, and a hash that
    /// changes whenever the document does.
    pub(crate) fn documents(&self) -> BTreeMap<String, String> {
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        for resource in self.all_served() {
            let path = format!("apis/{}", resource.api_version());
            texts
                .entry(path)
                .or_default()
                .push_str(&identity(&resource));
        }
        texts
            .into_iter()
            .map(|(path, text)| (path, hash(&text)))
            .collect()
    }

    /// Changes whenever any of the documents does; none where there are no custom resources.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let all = self.all_served();
        let text: String = all.iter().map(|one| identity(one)).collect();
        (!text.is_empty()).then(|| hash(&text))
    }

    /// The document of one group and version.
    pub(crate) fn version_3(&self, group: &str, version: &str) -> Result<Vec<u8>, ApiError> {
        let mut read = Vec::new();
        for resource in self.all_served() {
            if resource.group == group
                && resource.version == version
                && let Some(custom) = &resource.custom
            {
                read.push(Read::of(&custom.definition)?);
            }
        }
        let published: Vec<Published<'_>> = read
            .iter()
            .filter_map(|read| read.published(version))
            .collect();
        Ok(openapi::version_3(&published))
    }

    /// What one definition after the other adds to the document of version 2; those that cannot
    /// be read add nothing.
    pub(crate) fn version_2(&self) -> impl Iterator<Item = Swagger> + Send + use<> {
        self.all_served().into_iter().filter_map(|resource| {
            let custom = resource.custom.as_ref()?;
            let read = Read::of(&custom.definition).ok()?;
            Some(openapi::version_2(&read.published(&resource.version)?))
        })
    }
}

/// A definition as the store has it.
struct Read {
    object: Value,
    said: Said,
}

impl Read {
    fn of(definition: &Arc<Definition>) -> Result<Read, ApiError> {
        let object = definition.shelf.definition(definition)?;
        let said = Said::read(&object);
        Ok(Read { object, said })
    }

    fn published(&self, version: &str) -> Option<Published<'_>> {
        let mut versions = self.said.versions.iter();
        Some(Published {
            definition: &self.said,
            version: versions.find(|one| &*one.name == version)?,
            schema: Said::schema(&self.object, version),
        })
    }
}

fn identity(resource: &Resource) -> String {
    let custom = resource.custom.as_ref();
    custom.map_or_else(String::new, |custom| {
        let of = &custom.definition;
        format!("{} {} {};", of.uid, of.generation, resource.version)
    })
}

fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let mut hash = String::new();
    for byte in &digest.as_ref()[..16] {
        _ = write!(hash, "{byte:02X}");
    }
    hash
}
