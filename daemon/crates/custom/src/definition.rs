//! What a `CustomResourceDefinition` says, what it leaves out, and what is wrong with it.

use serde_json::Value;
use skerry_kinds::FieldError;

/// What a definition says about its kind, but for its schemas, which stay where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// `example.com`.
    pub group: Box<str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// The names that are asked for; those that are given are in the status.
    pub names: Names,
    /// In the order of the definition.
    pub versions: Vec<Version>,
    /// How an object of one version becomes one of another.
    pub conversion: Conversion,
    /// `spec.preserveUnknownFields`: only in definitions of old.
    pub preserves_unknown_fields: bool,
}

/// The names of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Names {
    pub plural: Box<str>,
    pub singular: Box<str>,
    pub kind: Box<str>,
    pub list_kind: Box<str>,
    pub short_names: Vec<Box<str>>,
    pub categories: Vec<Box<str>>,
}

/// One version of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// `v1alpha1`.
    pub name: Box<str>,
    /// Whether it is offered.
    pub served: bool,
    /// Whether objects are kept in it.
    pub storage: bool,
    /// The warning for whoever uses it, where it is deprecated.
    pub deprecation: Option<Box<str>>,
    /// Whether there is a subresource `status`.
    pub status: bool,
    /// The subresource `scale`, where there is one.
    pub scale: Option<Scale>,
    /// What `kubectl get` prints, without the name; empty where the default is wanted.
    pub columns: Vec<Column>,
    /// The paths of selectable fields: `.spec.color`.
    pub selectable_fields: Vec<Box<str>>,
}

/// The paths of the subresource `scale`: `.spec.replicas`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Scale {
    pub spec_replicas: Box<str>,
    pub status_replicas: Box<str>,
    pub label_selector: Option<Box<str>>,
}

/// One of `additionalPrinterColumns`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Column {
    pub name: Box<str>,
    /// `integer`, `number`, `string`, `boolean` or `date`.
    pub kind: Box<str>,
    pub format: Box<str>,
    pub description: Box<str>,
    pub priority: i32,
    /// `.spec.color`.
    pub json_path: Box<str>,
}

/// How an object of one version becomes one of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conversion {
    /// By its `apiVersion` alone.
    None,
    /// By asking somebody.
    Webhook {
        /// A `WebhookClientConfig`.
        client_config: Value,
        /// The versions of `ConversionReview` that it understands, best first.
        review_versions: Vec<Box<str>>,
    },
}

impl Definition {
    /// What the definition says; what is missing or of another type reads as empty.
    #[must_use]
    pub fn read(_definition: &Value) -> Self {
        Self {
            group: "".into(),
            namespaced: false,
            names: Names::default(),
            versions: Vec::new(),
            conversion: Conversion::None,
            preserves_unknown_fields: false,
        }
    }

    /// The schema of a version, within the definition; `null` where there is none.
    #[must_use]
    pub fn schema<'d>(_definition: &'d Value, _version: &str) -> &'d Value {
        &Value::Null
    }
}

impl Scale {
    /// What is wrong with the fields of an object that the paths point at.
    #[must_use]
    pub fn validate(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }
}

/// Fills in what a definition leaves out, `status.storedVersions` included.
pub fn set_defaults(_definition: &mut Value) {}

/// What is wrong with a definition that is to be created.
#[must_use]
pub fn validate(_definition: &Value) -> Vec<FieldError> {
    Vec::new()
}

/// What is wrong with a definition that is to replace another.
#[must_use]
pub fn validate_update(_new: &Value, _old: &Value) -> Vec<FieldError> {
    Vec::new()
}

/// What is wrong with a status that is to replace another.
#[must_use]
pub fn validate_status_update(_new: &Value, _old: &Value) -> Vec<FieldError> {
    Vec::new()
}

/// What the writer of a definition is warned of.
#[must_use]
pub fn warnings(_new: &Value, _old: Option<&Value>) -> Vec<String> {
    Vec::new()
}

/// The message of the condition `NonStructuralSchema`, where a schema is not structural.
#[must_use]
pub fn nonstructural(_definition: &Value) -> Option<String> {
    None
}
