//! Classes of volumes and of their attributes, what is attached where, and how much room there is.

use serde_json::Value;

use super::super::resources::amount;
use super::super::rules::{choice_if_set, qualified_name, required_text, subdomain};
use crate::error::Errors;
use crate::path::Path;
use crate::value::{entries, is_set, len, list, same, text};

const PARAMETERS_MAX: usize = 512;
const PARAMETERS_BYTES_MAX: usize = 256 * 1024;

pub(in crate::validate) fn class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    if let Some(old) = old {
        for field in ["parameters", "provisioner", "reclaimPolicy"] {
            if !same(&object[field], &old[field]) {
                let message = format!("updates to {field} are forbidden.");
                errors.forbidden(&Path::root(field), message);
            }
        }
        let field = "volumeBindingMode";
        return errors.immutable(&Path::root(field), &object[field], &old[field]);
    }
    let provisioner = text(&object["provisioner"]);
    let path = Path::root("provisioner");
    if required_text(&object["provisioner"], &path, errors) {
        qualified_name(&provisioner.to_lowercase(), &path, errors);
    }
    parameters(&object["parameters"], &Path::root("parameters"), errors);
    let policy = &object["reclaimPolicy"];
    let path = Path::root("reclaimPolicy");
    if !text(policy).is_empty() {
        choice_if_set(policy, &["Delete", "Retain"], &path, errors);
    }
    let mode = &object["volumeBindingMode"];
    let path = Path::root("volumeBindingMode");
    if is_set(mode) {
        choice_if_set(mode, &["Immediate", "WaitForFirstConsumer"], &path, errors);
    } else {
        errors.required(&path, "");
    }
    let topologies = Path::root("allowedTopologies");
    for (i, term) in list(&object["allowedTopologies"]).iter().enumerate() {
        topology(term, &topologies.index(i), errors);
    }
}

fn topology(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("matchLabelExpressions");
    let mut keys: Vec<&str> = Vec::new();
    for (i, expression) in list(&term["matchLabelExpressions"]).iter().enumerate() {
        let path = path.index(i);
        let values_path = path.child("values");
        let values = list(&expression["values"]);
        if values.is_empty() {
            errors.required(&values_path, "");
        }
        for (j, value) in values.iter().enumerate() {
            if values[..j].contains(value) {
                errors.duplicate(&values_path.index(j), text(value));
            }
        }
        let key = text(&expression["key"]);
        qualified_name(key, &path.child("key"), errors);
        if keys.contains(&key) {
            errors.duplicate(&path.child("key"), key);
        }
        keys.push(key);
    }
}

fn parameters(parameters: &Value, path: &Path<'_>, errors: &mut Errors) {
    if len(parameters) > PARAMETERS_MAX {
        return errors.too_long(path, PARAMETERS_MAX);
    }
    let mut bytes = 0;
    for (key, value) in entries(parameters) {
        if key.is_empty() {
            errors.invalid(path, key.as_str(), "field can not be empty.");
        }
        bytes += key.len() + text(value).len();
    }
    if bytes > PARAMETERS_BYTES_MAX {
        errors.too_long(path, PARAMETERS_BYTES_MAX);
    }
}

pub(in crate::validate) fn attributes_class(
    object: &Value,
    old: Option<&Value>,
    errors: &mut Errors,
) {
    let path = Path::root("driverName");
    if required_text(&object["driverName"], &path, errors) {
        let driver = text(&object["driverName"]).to_lowercase();
        qualified_name(&driver, &path, errors);
    }
    let path = Path::root("parameters");
    parameters(&object["parameters"], &path, errors);
    if len(&object["parameters"]) == 0 {
        errors.required(&path, "must contain at least one key/value pair");
    }
    if let Some(old) = old {
        for field in ["driverName", "parameters"] {
            if !same(&object[field], &old[field]) {
                let message = format!("updates to {field} are forbidden.");
                errors.forbidden(&Path::root(field), message);
            }
        }
    }
}

pub(in crate::validate) fn attachment(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    required_text(&spec["attacher"], &path.child("attacher"), errors);
    let source = &spec["source"];
    let source_path = path.child("source");
    let message = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (
        is_set(&source["inlineVolumeSpec"]),
        source["persistentVolumeName"].as_str(),
    ) {
        (false, None) => errors.required(&source_path, message),
        (true, Some(_)) => errors.forbidden(&source_path, message),
        (false, Some("")) => errors.required(
            &source_path.child("persistentVolumeName"),
            "must specify non empty persistentVolumeName",
        ),
        _ => {}
    }
    subdomain(text(&spec["nodeName"]), &path.child("nodeName"), errors);
    if let Some(old) = old {
        errors.immutable(&path, spec, &old["spec"]);
    }
}

pub(in crate::validate) fn csi_capacity(object: &Value, errors: &mut Errors) {
    let class = Path::root("storageClassName");
    subdomain(text(&object["storageClassName"]), &class, errors);
    for field in ["capacity", "maximumVolumeSize"] {
        if is_set(&object[field]) {
            amount("storage", &object[field], &Path::root(field), errors);
        }
    }
}
