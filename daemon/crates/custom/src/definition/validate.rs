//! What is wrong with a definition: names, versions, columns, paths, conversion; and, by way of
//! `props`, its schemas.
//!
//! Speaks as upstream, which looks at a form of its own where what all versions have in common
//! stands once, in `spec.validation`, `spec.subresources` and so on; so do the paths of errors.

use serde_json::Value;
use skerry_kinds::{FieldError, NameRule, Path, metadata};

use super::approval;
use super::common::Common;
use super::conversion;
use super::read::{list, text};
use super::schemas::{self, Strictness};
use super::subresources;
use crate::error::Errors;
use crate::names::dns1035_label;

static SPEC: Path<'static> = Path::root("spec");
static STATUS: Path<'static> = Path::root("status");

/// What is wrong with a definition that is to be created.
#[must_use]
pub fn validate(definition: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    errors.extend(metadata::check(NameRule::Subdomain, false, definition));
    let name = text(&definition["metadata"]["name"]);
    let spec = &definition["spec"];
    let wanted = format!(
        "{}.{}",
        text(&spec["names"]["plural"]),
        text(&spec["group"])
    );
    if !name.is_empty() && name != wanted {
        let path = Path::root("metadata");
        let detail = "must be spec.names.plural+\".\"+spec.group";
        errors.invalid(&path.child("name"), name, detail);
    }
    body(definition, &Strictness::all(), true, &mut errors);
    rest(definition, None, &mut errors);
    errors.0
}

/// What is wrong with a definition that is to replace another.
#[must_use]
pub fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    errors.extend(metadata::check_update(new, old));
    let strictness = Strictness::after(new, old);
    let allows_bad_bundle = conversion::may_keep_bad_bundle(old);
    body(new, &strictness, allows_bad_bundle, &mut errors);
    let (spec, old_spec) = (&new["spec"], &old["spec"]);
    let names = SPEC.child("names");
    let mut fixed: Vec<(Path<'_>, &Value, &Value)> = Vec::new();
    if is_established(old) {
        fixed.push((SPEC.child("scope"), &spec["scope"], &old_spec["scope"]));
        let kinds = (&spec["names"]["kind"], &old_spec["names"]["kind"]);
        fixed.push((names.child("kind"), kinds.0, kinds.1));
    }
    fixed.push((SPEC.child("group"), &spec["group"], &old_spec["group"]));
    let plurals = (&spec["names"]["plural"], &old_spec["names"]["plural"]);
    fixed.push((names.child("plural"), plurals.0, plurals.1));
    for (path, new, old) in fixed {
        if new != old {
            errors.invalid(&path, new.clone(), "field is immutable");
        }
    }
    rest(new, Some(old), &mut errors);
    errors.0
}

/// What is wrong with a status that is to replace another.
#[must_use]
pub fn validate_status_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    errors.extend(metadata::check_update(new, old));
    accepted_names(new, &mut errors);
    errors.0
}

/// Whether the condition `Established` is true.
pub(crate) fn is_established(definition: &Value) -> bool {
    let conditions = list(&definition["status"]["conditions"]);
    let condition = conditions.iter().find(|c| c["type"] == "Established");
    condition.is_some_and(|condition| condition["status"] == "True")
}

fn accepted_names(definition: &Value, errors: &mut Errors) {
    let accepted = &definition["status"]["acceptedNames"];
    names(accepted, &STATUS.child("acceptedNames"), errors);
}

/// What comes after the spec.
fn rest(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    accepted_names(new, errors);
    stored_versions(new, errors);
    approval::validate(new, old, errors);
    let preserves = |definition: &Value| definition["spec"]["preserveUnknownFields"] == true;
    if preserves(new) && !old.is_some_and(preserves) {
        errors.invalid(
            &SPEC.child("preserveUnknownFields"),
            true,
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
             spec.versions[*].schema instead",
        );
    }
}

fn stored_versions(definition: &Value, errors: &mut Errors) {
    let path = STATUS.child("storedVersions");
    let stored = list(&definition["status"]["storedVersions"]);
    if stored.is_empty() {
        let nothing = Value::Array(Vec::new());
        return errors.invalid(&path, nothing, "must have at least one stored version");
    }
    let versions = list(&definition["spec"]["versions"]);
    for version in versions {
        let name = &version["name"];
        if version["storage"] == true && !stored.contains(name) {
            let detail = format!("must have the storage version {}", text(name));
            errors.invalid(&path, stored.to_vec(), detail);
        }
    }
    for (i, name) in stored.iter().enumerate() {
        if versions.iter().any(|version| version["name"] == *name) {
            continue;
        }
        let name = text(name);
        errors.invalid(
            &path.index(i),
            name,
            format!(
                "missing from spec.versions; {name} was previously a storage version, and must \
                 remain in spec.versions until a storage migration ensures no data remains \
                 persisted in {name} and removes {name} from status.storedVersions"
            ),
        );
    }
}

fn body(definition: &Value, strictness: &Strictness, allows_bad_bundle: bool, errors: &mut Errors) {
    let spec = &definition["spec"];
    group(text(&spec["group"]), errors);
    match text(&spec["scope"]) {
        "" => errors.required(&SPEC.child("scope"), ""),
        "Cluster" | "Namespaced" => {}
        scope => errors.not_supported(&SPEC.child("scope"), scope, &["Cluster", "Namespaced"]),
    }
    let common = Common::of(spec);
    let strictness = schemas::presence(spec, &common, strictness, errors);
    versions(spec, &common, &strictness, errors);
    let given = SPEC.child("names");
    for name in ["plural", "singular", "kind", "listKind"] {
        if text(&spec["names"][name]).is_empty() {
            errors.required(&given.child(name), "");
        }
    }
    names(&spec["names"], &given, errors);
    if let Some(validation) = common.schema {
        let has_status = common.has_any_status(spec);
        let first = text(&spec["versions"][0]["name"]);
        let path = SPEC.child("validation");
        schemas::validate(validation, has_status, &strictness, first, &path, errors);
    }
    if let Some(subresources) = common.subresources {
        subresources::validate(subresources, &SPEC.child("subresources"), errors);
    }
    if let Some(columns) = common.columns {
        subresources::columns(columns, &SPEC.child("additionalPrinterColumns"), errors);
    }
    if let Some(fields) = common.selectable_fields
        && !list(fields).is_empty()
    {
        let path = SPEC.child("selectableFields");
        match common.schema {
            None => {
                let detail = "may only be set when validations.schema is included";
                errors.invalid(&path, "", detail);
            }
            Some(validation) => {
                let schema = &validation["openAPIV3Schema"];
                let may_have_many = strictness.may_select_many("");
                subresources::selectable_fields(fields, schema, may_have_many, &path, errors);
            }
        }
    }
    conversion::validate(
        spec,
        strictness.wants_known_review_version,
        allows_bad_bundle,
        errors,
    );
}

fn group(group: &str, errors: &mut Errors) {
    let path = SPEC.child("group");
    if group.is_empty() {
        return errors.required(&path, "");
    }
    let wrong = skerry_kinds::format::dns_subdomain(group);
    if !wrong.is_empty() {
        errors.invalid(&path, group, wrong.join(","));
    } else if !group.contains('.') {
        errors.invalid(&path, group, "should be a domain with at least one dot");
    }
}

fn versions(spec: &Value, common: &Common<'_>, strictness: &Strictness, errors: &mut Errors) {
    let path = SPEC.child("versions");
    let versions = list(&spec["versions"]);
    let mut names: Vec<&str> = Vec::with_capacity(versions.len());
    for (i, version) in versions.iter().enumerate() {
        let name = text(&version["name"]);
        names.push(name);
        let path = path.index(i);
        let wrong = dns1035_label(name);
        if !wrong.is_empty() {
            errors.invalid(&path.child("name"), name, wrong.join(","));
        }
        deprecation(version, &path.child("deprecationWarning"), errors);
        let subresources = match common.subresources {
            Some(subresources) => subresources,
            None => &version["subresources"],
        };
        if common.schema.is_none() && version["schema"].is_object() {
            let has_status = subresources["status"].is_object();
            let path = path.child("schema");
            let validation = &version["schema"];
            schemas::validate(validation, has_status, strictness, name, &path, errors);
        }
        if common.subresources.is_none() {
            let path = path.child("subresources");
            subresources::validate(&version["subresources"], &path, errors);
        }
        if common.columns.is_none() {
            let path = path.child("additionalPrinterColumns");
            subresources::columns(&version["additionalPrinterColumns"], &path, errors);
        }
        let fields = &version["selectableFields"];
        if common.selectable_fields.is_none() && !list(fields).is_empty() {
            let path = path.child("selectableFields");
            let own = &version["schema"]["openAPIV3Schema"];
            // Upstream looks for a schema of the version's own, and asks in these words.
            if common.schema.is_some() || own.is_null() {
                let detail =
                    "may only be set when `version.schema.openAPIV3Schema` is not included";
                errors.invalid(&path, "", detail);
            } else {
                let may_have_many = strictness.may_select_many(name);
                subresources::selectable_fields(fields, own, may_have_many, &path, errors);
            }
        }
    }
    let all = || Value::Array(versions.to_vec());
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        errors.invalid(&path, all(), "must contain unique version names");
    }
    let stored = versions.iter().filter(|version| version["storage"] == true);
    if stored.count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.invalid(&path, all(), detail);
    }
}

fn deprecation(version: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(warning) = version["deprecationWarning"].as_str() else {
        return;
    };
    let mut invalid = |detail: String| errors.invalid(path, warning, detail);
    if version["deprecated"] != true {
        return invalid("can only be set for deprecated versions".to_owned());
    }
    if warning.len() > 256 {
        invalid("must be <= 256 characters long".to_owned());
    }
    if warning.is_empty() {
        invalid("must not be an empty string".to_owned());
    }
    let is_printable = |c: char| !c.is_control() && (c == ' ' || !c.is_whitespace());
    if let Some((at, _)) = warning.char_indices().find(|(_, c)| !is_printable(*c)) {
        invalid(format!(
            "must only contain printable UTF-8 characters; non-printable character found at \
             index {at}"
        ));
    }
}

fn names(names: &Value, path: &Path<'_>, errors: &mut Errors) {
    for name in ["plural", "singular"] {
        let value = text(&names[name]);
        let wrong = dns1035_label(value);
        if !value.is_empty() && !wrong.is_empty() {
            errors.invalid(&path.child(name), value, wrong.join(","));
        }
    }
    for name in ["kind", "listKind"] {
        let value = text(&names[name]);
        let wrong = dns1035_label(&value.to_lowercase());
        if !value.is_empty() && !wrong.is_empty() {
            let detail = format!(
                "may have mixed case, but should otherwise match: {}",
                wrong.join(",")
            );
            errors.invalid(&path.child(name), value, detail);
        }
    }
    let each = |name: &str, errors: &mut Errors| {
        let path = path.child(name);
        for (i, value) in list(&names[name]).iter().enumerate() {
            let wrong = dns1035_label(text(value));
            if !wrong.is_empty() {
                errors.invalid(&path.index(i), value.clone(), wrong.join(","));
            }
        }
    };
    each("shortNames", errors);
    let (kind, list_kind) = (text(&names["kind"]), text(&names["listKind"]));
    if !kind.is_empty() && kind == list_kind {
        let detail = "kind and listKind may not be the same";
        errors.invalid(&path.child("listKind"), list_kind, detail);
    }
    each("categories", errors);
}
