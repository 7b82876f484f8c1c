//! Variables of a container, and where their values come from.

use serde_json::Value;

use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::validate::rules::{label, no_backsteps, qualified_name, required_text, subdomain};
use crate::value::{is_set, list, text};

const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// What a file of a volume may hold.
pub(super) const VOLUME_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
/// What the downward interface knows beyond these, if only to refuse it by name.
const OTHER_FIELDS: &[&str] = &["spec.restartPolicy", "spec.schedulerName", "status.phase"];
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

pub(super) fn variables(variables: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (i, variable) in list(variables).iter().enumerate() {
        let path = path.index(i);
        let name = text(&variable["name"]);
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else {
            errors.each(&path.child("name"), name, format::env_name(name));
        }
        if is_set(&variable["valueFrom"]) {
            value_from(variable, &path.child("valueFrom"), errors);
        }
    }
}

fn value_from(variable: &Value, path: &Path<'_>, errors: &mut Errors) {
    let source = &variable["valueFrom"];
    let mut count = 0;
    for kind in [
        "fieldRef",
        "resourceFieldRef",
        "configMapKeyRef",
        "secretKeyRef",
        "fileKeyRef",
    ] {
        let reference = &source[kind];
        if !is_set(reference) {
            continue;
        }
        count += 1;
        let path = path.child(kind);
        match kind {
            "fieldRef" => field_reference(reference, ENV_FIELDS, &path, errors),
            "resourceFieldRef" => resource_reference(reference, false, &path, errors),
            "fileKeyRef" => file_key(reference, &path, errors),
            _ => key_reference(reference, &path, errors),
        }
    }
    let message = match count {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, \
             `secretKeyRef` or `fileKeyRef`"
        }
        _ if !text(&variable["value"]).is_empty() => {
            "may not be specified when `value` is not empty"
        }
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.invalid(path, "", message);
}

/// A field of the pod, by its path.
pub(super) fn field_reference(
    reference: &Value,
    fields: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    for field in ["apiVersion", "fieldPath"] {
        if !required_text(&reference[field], &path.child(field), errors) {
            return;
        }
    }
    let field = text(&reference["fieldPath"]);
    let field_path = path.child("fieldPath");
    let convert = |error: String| format!("error converting fieldPath: {error}");
    let version = text(&reference["apiVersion"]);
    if version != "v1" {
        let message = convert(format!("unsupported pod version: {version}"));
        return errors.invalid(&field_path, field, message);
    }
    let subscripted = field
        .strip_suffix("']")
        .and_then(|field| field.split_once("['"));
    match subscripted {
        Some(("metadata.annotations", key)) => {
            qualified_name(&key.to_lowercase(), path, errors);
        }
        Some(("metadata.labels", key)) => qualified_name(key, path, errors),
        Some(_) => {
            let message = convert(format!("field label does not support subscript: {field}"));
            errors.invalid(&field_path, field, message);
        }
        None if fields.contains(&field) => {}
        None => {
            let is_known = [ENV_FIELDS, VOLUME_FIELDS, OTHER_FIELDS]
                .iter()
                .any(|known| known.contains(&field));
            if is_known {
                errors.not_supported(&field_path, field, fields);
            } else {
                let message = convert(format!("field label not supported: {field}"));
                errors.invalid(&field_path, field, message);
            }
        }
    }
}

/// An amount that a container asks for.
pub(super) fn resource_reference(
    reference: &Value,
    is_volume: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let resource = text(&reference["resource"]);
    let is_huge_pages =
        resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if is_volume && text(&reference["containerName"]).is_empty() {
        errors.required(&path.child("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&path.child("resource"), "");
    } else if !RESOURCES.contains(&resource) && !is_huge_pages {
        errors.not_supported(&path.child("resource"), resource, RESOURCES);
    }
    let divisor = text(&reference["divisor"]);
    if matches!(divisor, "" | "0") {
        return;
    }
    let of_bytes = "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei \
                    are supported with the";
    let is_bytes = divisor.strip_prefix('1').is_some_and(|unit| {
        matches!(
            unit,
            "" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei"
        )
    });
    let message = match resource.split_once('.').map_or("", |(_, name)| name) {
        "cpu" if !matches!(divisor, "1" | "1m") => {
            "only divisor's values 1m and 1 are supported with the cpu resource".to_owned()
        }
        "memory" if !is_bytes => format!("{of_bytes} memory resource"),
        "ephemeral-storage" if !is_bytes => format!("{of_bytes} local ephemeral storage resource"),
        name if name.starts_with("hugepages-") && !is_bytes => {
            format!("{of_bytes} hugepages resource")
        }
        _ => return,
    };
    errors.invalid(&path.child("divisor"), resource, message);
}

fn key_reference(reference: &Value, path: &Path<'_>, errors: &mut Errors) {
    subdomain(text(&reference["name"]), &path.child("name"), errors);
    let path = path.child("key");
    if required_text(&reference["key"], &path, errors) {
        let key = text(&reference["key"]);
        errors.each(&path, key, format::config_key(key));
    }
}

fn file_key(reference: &Value, path: &Path<'_>, errors: &mut Errors) {
    let key = text(&reference["key"]);
    if required_text(&reference["key"], &path.child("key"), errors) {
        errors.each(&path.child("key"), key, format::env_name(key));
    }
    if required_text(&reference["volumeName"], &path.child("volumeName"), errors) {
        label(
            text(&reference["volumeName"]),
            &path.child("volumeName"),
            errors,
        );
    }
    if required_text(&reference["path"], &path.child("path"), errors) {
        no_backsteps(text(&reference["path"]), &path.child("path"), errors);
    }
}

/// Whole maps and secrets as variables.
pub(super) fn sources(sources: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (i, source) in list(sources).iter().enumerate() {
        let at = path.index(i);
        let prefix = text(&source["prefix"]);
        if !prefix.is_empty() {
            errors.each(&at.child("prefix"), prefix, format::env_name(prefix));
        }
        let mut count = 0;
        for kind in ["configMapRef", "secretRef"] {
            if is_set(&source[kind]) {
                count += 1;
                let reference_path = at.child(kind);
                let path = reference_path.child("name");
                let name = text(&source[kind]["name"]);
                if required_text(&source[kind]["name"], &path, errors) {
                    // As the prefix of a name, so that a dash may end it.
                    let name = name
                        .strip_suffix('-')
                        .filter(|n| !n.is_empty())
                        .unwrap_or(name);
                    subdomain(name, &path, errors);
                }
            }
        }
        match count {
            0 => errors.invalid(
                path,
                "",
                "must specify one of: `configMapRef` or `secretRef`",
            ),
            1 => {}
            _ => errors.invalid(
                path,
                "",
                "may not have more than one field specified at a time",
            ),
        }
    }
}
