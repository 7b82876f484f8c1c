//! The schemas of a definition: whether there are any, and how strictly they are looked at.
//!
//! A definition that was let in under older rules may be written again as it is: an update is
//! looked at no more strictly than what stands there already would pass.

use serde_json::Value;
use skerry_kinds::{FieldError, Path};

use super::common::Common;
use super::read::{list, text};
use super::{defaults_check, has, list_kinds, props, structural};
use crate::error::Errors;
use crate::limits::SELECTABLE_FIELDS_MAX;
use crate::schema::Compiled;

/// How strictly a definition is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Strictness {
    pub(crate) wants_schema: bool,
    pub(crate) wants_known_types: bool,
    pub(crate) wants_structural: bool,
    pub(crate) wants_pruned_defaults: bool,
    pub(crate) wants_atomic_sets: bool,
    pub(crate) wants_good_map_keys: bool,
    pub(crate) wants_known_review_version: bool,
    /// Versions whose schemas are as before: what their rules cost is not asked again.
    unchanged: Vec<String>,
    /// Versions, or "" for what all have in common, that had too many selectable fields before.
    selects_many: Vec<String>,
}

impl Strictness {
    /// For a definition that is new.
    pub(crate) fn all() -> Self {
        Self {
            wants_schema: true,
            wants_known_types: true,
            wants_structural: true,
            wants_pruned_defaults: true,
            wants_atomic_sets: true,
            wants_good_map_keys: true,
            wants_known_review_version: true,
            unchanged: Vec::new(),
            selects_many: Vec::new(),
        }
    }

    /// For a definition that replaces another.
    pub(crate) fn after(new: &Value, old: &Value) -> Self {
        let spec = &old["spec"];
        let versions = list(&spec["versions"]);
        let schemas = || {
            versions
                .iter()
                .map(|version| &version["schema"]["openAPIV3Schema"])
        };
        let known = schemas().filter(|schema| schema.is_object());
        let known: Vec<&Value> = known.collect();
        let none = |is_bad: &dyn Fn(&Value) -> bool| !known.iter().any(|schema| is_bad(schema));
        let mut unchanged = Vec::new();
        let mut selects_many = Vec::new();
        for version in list(&new["spec"]["versions"]) {
            let name = text(&version["name"]);
            let Some(before) = versions.iter().find(|before| before["name"] == name) else {
                continue;
            };
            if before["schema"] == version["schema"] {
                unchanged.push(name.to_owned());
            }
            let fields = &before["selectableFields"];
            if list(fields).len() > SELECTABLE_FIELDS_MAX && *fields == version["selectableFields"]
            {
                selects_many.push(name.to_owned());
                selects_many.push(String::new());
            }
        }
        Self {
            wants_schema: schemas().all(Value::is_object),
            wants_known_types: none(&|schema| has::any(schema, &has::unknown_type)),
            wants_structural: none(&|schema| !structural::is_structural(schema)),
            wants_pruned_defaults: none(&defaults_check::has_unpruned),
            wants_atomic_sets: none(&|schema| has::any(schema, &has::set_of_granular)),
            wants_good_map_keys: none(&|schema| {
                has::any(schema, &|schema| {
                    let mut errors = Errors::default();
                    list_kinds::map_keys(schema, &crate::error::WHOLE, &mut errors);
                    !errors.0.is_empty()
                })
            }),
            wants_known_review_version: super::conversion::knows_review_version(spec),
            unchanged,
            selects_many,
        }
    }

    pub(crate) fn may_select_many(&self, version: &str) -> bool {
        self.selects_many.iter().any(|known| known == version)
    }

    /// Whether what the rules of a version cost each is not asked.
    pub(crate) fn ignores_cost(&self, version: &str) -> bool {
        self.unchanged.iter().any(|known| known == version)
    }
}

/// Whether there are schemas where there must be; gives how strictly to look at them.
pub(super) fn presence(
    spec: &Value,
    common: &Common<'_>,
    strictness: &Strictness,
    errors: &mut Errors,
) -> Strictness {
    let mut strictness = strictness.clone();
    let spec_path = Path::root("spec");
    let keeps_unknown = spec["preserveUnknownFields"] == true;
    strictness.wants_structural |= !keeps_unknown;
    let versions = list(&spec["versions"]);
    let has_common = common
        .schema
        .is_some_and(|schema| schema["openAPIV3Schema"].is_object());
    if !has_common && (strictness.wants_schema || !keeps_unknown) {
        let path = spec_path.child("versions");
        for (i, version) in versions.iter().enumerate() {
            if version["schema"]["openAPIV3Schema"].is_object() {
                continue;
            }
            let path = path.index(i);
            let path = path.child("schema");
            let path = path.child("openAPIV3Schema");
            if strictness.wants_schema {
                errors.required(&path, "");
            } else if version["served"] == true {
                errors.required(&path, "because otherwise all fields are pruned");
            }
        }
    }
    let schemas = || {
        versions
            .iter()
            .map(|version| &version["schema"]["openAPIV3Schema"])
    };
    if schemas().any(|schema| has::any(schema, &has::default)) {
        strictness.wants_structural = true;
        if keeps_unknown {
            let detail = "must be false in order to use defaults in the schema";
            errors.invalid(&spec_path.child("preserveUnknownFields"), true, detail);
        }
    }
    if schemas().any(|schema| has::any(schema, &has::extension)) {
        strictness.wants_structural = true;
    }
    strictness
}

const ALLOWED_AT_ROOT: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum \
                               ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems \
                               UniqueItems MultipleOf Required Items Properties ExternalDocs \
                               Example XPreserveUnknownFields XValidations]";
const REFUSED_AT_ROOT: [&str; 22] = [
    "id",
    "$schema",
    "$ref",
    "default",
    "enum",
    "maxProperties",
    "minProperties",
    "allOf",
    "oneOf",
    "anyOf",
    "not",
    "additionalProperties",
    "patternProperties",
    "dependencies",
    "additionalItems",
    "definitions",
    "nullable",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
];

/// Looks at one schema: `validation` is `{openAPIV3Schema: ...}`.
pub(super) fn validate(
    validation: &Value,
    has_status: bool,
    strictness: &Strictness,
    version: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let schema = &validation["openAPIV3Schema"];
    if !schema.is_object() {
        return;
    }
    let path = path.child("openAPIV3Schema");
    let compiled = match Compiled::compile(schema) {
        Ok(compiled) => compiled,
        Err(wrong) => return errors.invalid(&path, "", wrong.to_string()),
    };
    let before = errors.0.len();
    if has_status {
        root_under_status(schema, &path, errors);
    }
    if schema["nullable"] == true {
        let detail = "nullable cannot be true at the root";
        errors.forbidden(&path.child("nullable"), detail);
    }
    let mut has_rules_checked = false;
    if strictness.wants_structural && structural::is_convertible(schema) {
        let mut wrong = structural::validate(schema, &path);
        if wrong.is_empty() {
            wrong = defaults_check::validate(
                schema,
                &compiled,
                &path,
                strictness.wants_pruned_defaults,
            );
        }
        has_rules_checked = wrong.is_empty();
        errors.extend(wrong);
    }
    let compiled = has_rules_checked.then_some(&compiled);
    let ignores_cost = strictness.ignores_cost(version);
    errors.extend(props::validate(
        schema,
        compiled,
        strictness,
        ignores_cost,
        &path,
    ));
    if errors.0.len() == before && !structural::is_convertible(schema) {
        let detail = "OpenAPIV3Schema has fields that are not supported";
        errors.invalid(&path, "", detail);
    }
}

/// The status is looked at by its own schema alone, so the root may not say much.
fn root_under_status(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kind = text(&schema["type"]);
    if !kind.is_empty() && kind != "object" {
        let detail = "only \"object\" is allowed as the type at the root of the schema if the \
                      status subresource is enabled";
        return errors.invalid(&path.child("type"), kind, detail);
    }
    let is_said_of = |name: &&str| match &schema[*name] {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    if REFUSED_AT_ROOT.iter().any(is_said_of) {
        let detail = format!(
            "only {ALLOWED_AT_ROOT} fields are allowed at the root of the schema if the status \
             subresource is enabled"
        );
        errors.invalid(path, schema.clone(), detail);
    }
}

/// Where a version's schema is not structural, and why.
pub(super) fn nonstructural(definition: &Value) -> Vec<FieldError> {
    let spec = &definition["spec"];
    let common = Common::of(spec);
    let root = Path::root("spec");
    let mut errors = Errors::default();
    let mut look = |schema: &Value, path: &Path<'_>| {
        if schema.is_object() && structural::is_convertible(schema) {
            errors.extend(structural::validate(schema, path));
        }
    };
    if let Some(validation) = common.schema {
        let path = root.child("validation");
        look(
            &validation["openAPIV3Schema"],
            &path.child("openAPIV3Schema"),
        );
    } else {
        let versions = root.child("versions");
        for (i, version) in list(&spec["versions"]).iter().enumerate() {
            let path = versions.index(i);
            let path = path.child("schema");
            look(
                &version["schema"]["openAPIV3Schema"],
                &path.child("openAPIV3Schema"),
            );
        }
    }
    errors.0
}
