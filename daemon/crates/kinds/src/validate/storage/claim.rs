//! Claims on volumes: what they ask for, and what may change once they are bound.

use serde_json::{Value, json};

use super::super::pod::difference;
use super::super::rules::{choice_if_set, required_text, subdomain_if_any};
use super::{VOLUME_MODES, access_modes, positive};
use crate::error::Errors;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::selector;
use crate::value::{is_set, same, text};

pub(in crate::validate) fn claim(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    claim_spec(&object["spec"], &Path::root("spec"), errors);
    if let Some(old) = old {
        claim_update(object, old, errors);
    }
}

/// What is claimed, by a claim or by the template of one.
pub(in crate::validate) fn claim_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let modes = path.child("accessModes");
    access_modes(
        &spec["accessModes"],
        "at least 1 access mode is required",
        &modes,
        errors,
    );
    selector::validate(&spec["selector"], &path.child("selector"), errors);
    let storage = &spec["resources"]["requests"]["storage"];
    let resources = path.child("resources");
    let storage_path = resources.key("storage");
    if is_set(storage) {
        positive(storage, &storage_path, errors);
    } else {
        errors.required(&storage_path, "");
    }
    for field in ["storageClassName", "volumeAttributesClassName"] {
        subdomain_if_any(&spec[field], &path.child(field), errors);
    }
    choice_if_set(
        &spec["volumeMode"],
        VOLUME_MODES,
        &path.child("volumeMode"),
        errors,
    );
    let (source, reference) = (&spec["dataSource"], &spec["dataSourceRef"]);
    for (field, source) in [("dataSource", source), ("dataSourceRef", reference)] {
        if is_set(source) {
            data_source(source, &path.child(field), errors);
        }
    }
    if !is_set(source) || !is_set(reference) {
        return;
    }
    let is_crossing = !text(&reference["namespace"]).is_empty();
    let is_same = ["apiGroup", "kind", "name"]
        .iter()
        .all(|field| text(&source[*field]) == text(&reference[*field]));
    if is_crossing {
        let message = "may not be specified when dataSourceRef.namespace is specified";
        errors.invalid(path, json!({}), message);
    } else if !is_same {
        errors.invalid(path, json!({}), "must match dataSourceRef");
    }
}

fn data_source(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    required_text(&source["name"], &path.child("name"), errors);
    required_text(&source["kind"], &path.child("kind"), errors);
    let (group, kind) = (text(&source["apiGroup"]), text(&source["kind"]));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let message = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.invalid(path, kind, message);
    }
    subdomain_if_any(&source["apiGroup"], &path.child("apiGroup"), errors);
}

fn claim_update(object: &Value, old_object: &Value, errors: &mut Errors) {
    let (new, old) = (&object["spec"], &old_object["spec"]);
    let path = Path::root("spec");
    let is_bound = object["status"]["phase"] == "Bound";
    let mut rest = new.clone();
    let mut before = old.clone();
    let mut take_over = |field: &str, from: &Value, to_new: bool| {
        let target = if to_new { &mut rest } else { &mut before };
        if let Some(target) = target.as_object_mut() {
            target.insert(field.to_owned(), from.clone());
        }
    };
    if text(&old["volumeName"]).is_empty() {
        take_over("volumeName", &new["volumeName"], false);
    }
    if !is_set(&old["storageClassName"]) && is_set(&new["storageClassName"]) {
        take_over("storageClassName", &old["storageClassName"], true);
    }
    if is_bound {
        take_over(
            "volumeAttributesClassName",
            &old["volumeAttributesClassName"],
            true,
        );
        let requests = &old["resources"]["requests"]["storage"];
        if let Some(resources) = rest
            .get_mut("resources")
            .and_then(|r| r.get_mut("requests"))
            && let Some(resources) = resources.as_object_mut()
        {
            resources.insert("storage".to_owned(), requests.clone());
        }
    }
    if !same(&rest, &before) {
        let message = format!(
            "spec is immutable after creation except resources.requests and \
             volumeAttributesClassName for bound claims\n{}",
            difference(&before, &rest)
        );
        errors.forbidden(&path, message);
    }
    let size = |spec: &Value| Quantity::of(spec).unwrap_or(Quantity::ZERO);
    let (wanted, was) = (
        size(&new["resources"]["requests"]["storage"]),
        size(&old["resources"]["requests"]["storage"]),
    );
    if wanted < was && wanted <= size(&old_object["status"]["capacity"]["storage"]) {
        let resources = path.child("resources");
        let path = resources.child("requests");
        let message = "field can not be less than status.capacity";
        errors.forbidden(&path.child("storage"), message);
    }
    errors.immutable(
        &Path::root("volumeMode"),
        &new["volumeMode"],
        &old["volumeMode"],
    );
    let class = "volumeAttributesClassName";
    if is_set(&old_object["status"]["currentVolumeAttributesClassName"]) {
        let wrong = match new[class].as_str() {
            None => "nil",
            Some("") => "empty string",
            Some(_) => return,
        };
        let message = format!(
            "update to {wrong} is forbidden when status.currentVolumeAttributesClassName is not nil"
        );
        errors.forbidden(&path.child(class), message);
    }
}
