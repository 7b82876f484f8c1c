//! What a definition says about its kind, for whoever serves it.

use serde_json::Value;
use skerry_kinds::{ErrorKind, FieldError};

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
    pub fn read(definition: &Value) -> Self {
        let spec = &definition["spec"];
        let group = text(&spec["group"]);
        let names = Names::read(&spec["names"]);
        let version = |value: &Value| version(value, group, &names.kind);
        let webhook = &spec["conversion"]["webhook"];
        let conversion = match text(&spec["conversion"]["strategy"]) {
            "Webhook" => Conversion::Webhook {
                client_config: webhook["clientConfig"].clone(),
                review_versions: texts(&webhook["conversionReviewVersions"]),
            },
            _ => Conversion::None,
        };
        Self {
            group: group.into(),
            namespaced: spec["scope"] == "Namespaced",
            versions: list(&spec["versions"]).iter().map(version).collect(),
            conversion,
            preserves_unknown_fields: spec["preserveUnknownFields"] == true,
            names,
        }
    }

    /// The schema of a version, within the definition; `null` where there is none.
    #[must_use]
    pub fn schema<'d>(definition: &'d Value, version: &str) -> &'d Value {
        list(&definition["spec"]["versions"])
            .iter()
            .find(|known| known["name"] == version)
            .map_or(
                &Value::Null,
                |version| &version["schema"]["openAPIV3Schema"],
            )
    }
}

impl Names {
    /// The names in `spec.names` or `status.acceptedNames`.
    #[must_use]
    pub fn read(names: &Value) -> Self {
        Self {
            plural: text(&names["plural"]).into(),
            singular: text(&names["singular"]).into(),
            kind: text(&names["kind"]).into(),
            list_kind: text(&names["listKind"]).into(),
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
        }
    }
}

fn version(version: &Value, group: &str, kind: &str) -> Version {
    let name = text(&version["name"]);
    let scale = &version["subresources"]["scale"];
    let deprecation = match (
        &version["deprecated"],
        version["deprecationWarning"].as_str(),
    ) {
        (Value::Bool(true), Some(warning)) => Some(warning.into()),
        (Value::Bool(true), None) => Some(format!("{group}/{name} {kind} is deprecated").into()),
        _ => None,
    };
    Version {
        name: name.into(),
        served: version["served"] == true,
        storage: version["storage"] == true,
        deprecation,
        status: version["subresources"]["status"].is_object(),
        scale: scale.is_object().then(|| Scale {
            spec_replicas: text(&scale["specReplicasPath"]).into(),
            status_replicas: text(&scale["statusReplicasPath"]).into(),
            label_selector: scale["labelSelectorPath"].as_str().map(Into::into),
        }),
        columns: list(&version["additionalPrinterColumns"])
            .iter()
            .map(column)
            .collect(),
        selectable_fields: list(&version["selectableFields"])
            .iter()
            .map(|field| text(&field["jsonPath"]).into())
            .collect(),
    }
}

fn column(column: &Value) -> Column {
    Column {
        name: text(&column["name"]).into(),
        kind: text(&column["type"]).into(),
        format: text(&column["format"]).into(),
        description: text(&column["description"]).into(),
        priority: column["priority"]
            .as_i64()
            .and_then(|priority| i32::try_from(priority).ok())
            .unwrap_or_default(),
        json_path: text(&column["jsonPath"]).into(),
    }
}

impl Scale {
    /// What is wrong with the fields of an object that the paths point at. A write of the status
    /// alone is not asked for its `spec`.
    #[must_use]
    pub fn validate(&self, object: &Value, is_status: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !is_status {
            errors.extend(replicas(object, &self.spec_replicas));
        }
        errors.extend(replicas(object, &self.status_replicas));
        if let Some(path) = &self.label_selector
            && let Err(wrong) = at(object, path, |value| value.is_string(), "string")
        {
            errors.push(invalid(path, Value::from(""), wrong));
        }
        errors
    }
}

fn invalid(path: &str, bad_value: Value, detail: String) -> FieldError {
    FieldError {
        kind: ErrorKind::Invalid,
        field: path.to_owned(),
        bad_value,
        detail,
    }
}

fn replicas(object: &Value, path: &str) -> Option<FieldError> {
    let number = match at(object, path, Value::is_i64, "int64") {
        Ok(number) => number.and_then(Value::as_i64).unwrap_or_default(),
        Err(wrong) => return Some(invalid(path, Value::from(0), wrong)),
    };
    if number < 0 {
        let detail = "should be a non-negative integer".to_owned();
        return Some(invalid(path, Value::from(number), detail));
    }
    if number > i64::from(i32::MAX) {
        let detail = format!("should be less than or equal to {}", i32::MAX);
        return Some(invalid(path, Value::from(number), detail));
    }
    None
}

/// The value at a path, where it is there and of the right type.
fn at<'o>(
    object: &'o Value,
    path: &str,
    is_right: impl Fn(&Value) -> bool,
    wanted: &str,
) -> Result<Option<&'o Value>, String> {
    let path = path.strip_prefix('.').unwrap_or(path);
    let mut value = object;
    let mut walked = String::new();
    for name in path.split('.') {
        let Some(fields) = value.as_object() else {
            let found = go_type(value);
            return Err(format!(
                "{walked} accessor error: {value} is of the type {found}, expected map[string]interface{{}}"
            ));
        };
        walked.push('.');
        walked.push_str(name);
        match fields.get(name) {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    if is_right(value) {
        return Ok(Some(value));
    }
    let found = go_type(value);
    Err(format!(
        "{walked} accessor error: {} is of the type {found}, expected {wanted}",
        match value {
            Value::String(text) => text.clone(),
            Value::Null => "<nil>".to_owned(),
            other => other.to_string(),
        }
    ))
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value) -> Vec<Box<str>> {
    list(value).iter().map(|value| text(value).into()).collect()
}
