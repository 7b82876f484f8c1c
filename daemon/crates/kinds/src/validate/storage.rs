//! Volumes that outlive pods, claims on them, their classes, drivers and attachments.

use serde_json::{Map, Value, json};

use super::pod::{self, difference, driver_name};
use super::resources::amount;
use super::rules::{
    ONE_TYPE, POSITIVE, choice_if_set, no_backsteps, qualified_name, quantity, required_text,
    subdomain, subdomain_if_any,
};
use crate::error::Errors;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::selector;
use crate::value::{entries, is_set, len, list, same, text};

const ACCESS_MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];
const VOLUME_MODES: &[&str] = &["Block", "Filesystem"];
const PARAMETERS_MAX: usize = 512;
const PARAMETERS_BYTES_MAX: usize = 256 * 1024;
const VOLUME_KINDS: &[(&str, &str)] = &[
    ("hostPath", "hostPath"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("nfs", "nfs"),
    ("rbd", "rbd"),
    ("quobyte", "quobyte"),
    ("cephfs", "cephFS"),
    ("iscsi", "iscsi"),
    ("cinder", "cinder"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("scaleIO", "scaleIO"),
    ("local", "local"),
    ("storageos", "storageos"),
    ("csi", "csi"),
];

fn access_modes(modes: &Value, if_none: &str, path: &Path<'_>, errors: &mut Errors) {
    let modes: Vec<&str> = list(modes).iter().map(text).collect();
    if modes.is_empty() {
        errors.required(path, if_none);
    }
    let is_once = |mode: &&str| *mode == "ReadWriteOncePod";
    for mode in modes.iter().filter(|mode| !ACCESS_MODES.contains(mode)) {
        errors.not_supported(path, *mode, ACCESS_MODES);
    }
    let is_other = |mode: &&str| !is_once(mode) && ACCESS_MODES.contains(mode);
    if modes.iter().any(is_once) && modes.iter().any(is_other) {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

pub(super) fn volume(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    access_modes(&spec["accessModes"], "", &path.child("accessModes"), errors);
    let capacity = path.child("capacity");
    if len(&spec["capacity"]) == 0 {
        errors.required(&capacity, "");
    }
    if !is_set(&spec["capacity"]["storage"]) || len(&spec["capacity"]) > 1 {
        errors.not_supported(&capacity, spec["capacity"].clone(), &["storage"]);
    }
    for (name, value) in entries(&spec["capacity"]) {
        positive(value, &capacity.key(name), errors);
    }
    let policy = &spec["persistentVolumeReclaimPolicy"];
    if !text(policy).is_empty() {
        let path = path.child("persistentVolumeReclaimPolicy");
        choice_if_set(policy, &["Delete", "Recycle", "Retain"], &path, errors);
    }
    let affinity = &spec["nodeAffinity"];
    if is_set(affinity) {
        let affinity_path = path.child("nodeAffinity");
        let path = affinity_path.child("required");
        if is_set(&affinity["required"]) {
            pod::node_selector(&affinity["required"], true, &path, errors);
        } else {
            errors.required(&path, "must specify required node constraints");
        }
    }
    volume_source(spec, &path, errors);
    let is_root = text(&spec["hostPath"]["path"])
        .trim_end_matches('/')
        .is_empty();
    if is_set(&spec["hostPath"]) && is_root && policy == "Recycle" {
        let path = path.child("persistentVolumeReclaimPolicy");
        errors.forbidden(&path, "may not be 'recycle' for a hostPath mount of '/'");
    }
    subdomain_if_any(
        &spec["storageClassName"],
        &path.child("storageClassName"),
        errors,
    );
    choice_if_set(
        &spec["volumeMode"],
        VOLUME_MODES,
        &path.child("volumeMode"),
        errors,
    );
    if let Some(class) = spec["volumeAttributesClassName"].as_str() {
        let at = path.child("volumeAttributesClassName");
        match class {
            "" => errors.required(&at, "an empty string is disallowed"),
            class => subdomain(class, &at, errors),
        }
        if !is_set(&spec["csi"]) {
            let message = "has to be specified when using volumeAttributesClassName";
            errors.required(&path.child("csi"), message);
        }
    }
    if let Some(old) = old {
        volume_update(spec, &old["spec"], errors);
    }
}

fn positive(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(quantity) = quantity(value, path, errors)
        && !quantity.is_positive()
    {
        errors.invalid(path, quantity.to_string(), POSITIVE);
    }
}

fn volume_source(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut is_first = true;
    for (kind, shown) in VOLUME_KINDS {
        let source = &spec[*kind];
        if !is_set(source) {
            continue;
        }
        if !is_first {
            errors.forbidden(&path.child(shown), ONE_TYPE);
            continue;
        }
        is_first = false;
        let at = path.child(kind);
        match *kind {
            "hostPath" => pod::host_path(source, &at, errors),
            "nfs" => pod::nfs(source, &at, errors),
            "local" => {
                if required_text(&source["path"], &at.child("path"), errors) {
                    no_backsteps(text(&source["path"]), &at.child("path"), errors);
                }
                if !is_set(&spec["nodeAffinity"]) {
                    let message = "Local volume requires node affinity";
                    errors.required(&path.child("nodeAffinity"), message);
                }
            }
            "csi" => {
                driver_name(text(&source["driver"]), &at.child("driver"), errors);
                required_text(&source["volumeHandle"], &at.child("volumeHandle"), errors);
            }
            _ => {}
        }
    }
    if is_first {
        errors.required(path, "must specify a volume type");
    }
}

fn volume_update(new: &Value, old: &Value, errors: &mut Errors) {
    let sources = |spec: &Value| -> Value {
        VOLUME_KINDS
            .iter()
            .filter(|(kind, _)| is_set(&spec[*kind]))
            .map(|(kind, _)| ((*kind).to_owned(), spec[*kind].clone()))
            .collect::<Map<String, Value>>()
            .into()
    };
    let (mut after, before) = (sources(new), sources(old));
    let secret = "controllerExpandSecretRef";
    if !is_set(&before["csi"][secret])
        && let Some(csi) = after.get_mut("csi").and_then(Value::as_object_mut)
    {
        csi.remove(secret);
    }
    if !same(&after, &before) {
        let message = format!(
            "spec.persistentvolumesource is immutable after creation\n{}",
            difference(&before, &after)
        );
        let spec = Path::root("spec");
        errors.forbidden(&spec.child("persistentvolumesource"), message);
    }
    errors.immutable(
        &Path::root("volumeMode"),
        &new["volumeMode"],
        &old["volumeMode"],
    );
    let class = "volumeAttributesClassName";
    if is_set(&old[class]) && !is_set(&new[class]) {
        let spec = Path::root("spec");
        errors.forbidden(
            &spec.child(class),
            "update from non-nil value to nil is forbidden",
        );
    }
}

pub(super) fn claim(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    claim_spec(&object["spec"], &Path::root("spec"), errors);
    if let Some(old) = old {
        claim_update(object, old, errors);
    }
}

/// What is claimed, by a claim or by the template of one.
pub(super) fn claim_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
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

pub(super) fn class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
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

pub(super) fn attributes_class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
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

pub(super) fn attachment(object: &Value, old: Option<&Value>, errors: &mut Errors) {
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

pub(super) fn csi_capacity(object: &Value, errors: &mut Errors) {
    let class = Path::root("storageClassName");
    subdomain(text(&object["storageClassName"]), &class, errors);
    for field in ["capacity", "maximumVolumeSize"] {
        if is_set(&object[field]) {
            amount("storage", &object[field], &Path::root(field), errors);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::validate::{validate_create, validate_update};

    fn object(group: &str, kind: &str, fields: Value) -> Value {
        let mut object = fields;
        object["metadata"] = json!({"name": "a", "resourceVersion": "1"});
        if kind == "PersistentVolumeClaim" {
            object["metadata"]["namespace"] = json!("n");
        }
        set_defaults(group, kind, &mut object);
        object
    }

    fn created(group: &str, kind: &str, fields: Value) -> String {
        let namespaced = kind == "PersistentVolumeClaim";
        summary(&validate_create(
            group,
            kind,
            namespaced,
            &object(group, kind, fields),
        ))
    }

    #[test]
    fn a_claim_says_how_much_and_how() {
        assert_eq!(
            created("", "PersistentVolumeClaim", json!({"spec": {}})),
            "[spec.accessModes: Required value: at least 1 access mode is required, \
             spec.resources[storage]: Required value]"
        );
        assert_eq!(
            created(
                "",
                "PersistentVolumeClaim",
                json!({"spec": {
                "accessModes": ["ReadWriteOnce", "Often"], "resources": {"requests": {"storage": "0"}}}})
            ),
            "[spec.accessModes: Unsupported value: \"Often\": supported values: \"ReadOnlyMany\", \
             \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\", spec.resources[storage]: \
             Invalid value: \"0\": must be greater than zero]"
        );
    }

    #[test]
    fn a_claim_is_bound_once_and_grows() {
        let claim = |size: &str, volume: &str| {
            let mut claim = object(
                "",
                "PersistentVolumeClaim",
                json!({"spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}),
            );
            if !volume.is_empty() {
                claim["spec"]["volumeName"] = json!(volume);
                claim["status"] = json!({"phase": "Bound", "capacity": {"storage": "1Gi"}});
            }
            claim
        };
        let updated = |new: &Value, old: &Value| {
            summary(&validate_update("", "PersistentVolumeClaim", "", new, old))
        };
        assert_eq!(updated(&claim("1Gi", "v"), &claim("1Gi", "")), "[]");
        assert_eq!(updated(&claim("2Gi", "v"), &claim("1Gi", "v")), "[]");
        assert_eq!(
            updated(&claim("512Mi", "v"), &claim("1Gi", "v")),
            "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
        );
        assert_eq!(
            updated(&claim("1Gi", "w"), &claim("1Gi", "v")),
            "spec: Forbidden: spec is immutable after creation except resources.requests and \
             volumeAttributesClassName for bound claims\n- volumeName: \"v\"\n+ volumeName: \"w\"\n"
        );
    }

    #[test]
    fn a_volume_is_of_one_kind_and_stays_so() {
        assert_eq!(
            created(
                "",
                "PersistentVolume",
                json!({"spec": {
                "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}})
            ),
            "spec: Required value: must specify a volume type"
        );
        let volume = |path: &str| {
            object(
                "",
                "PersistentVolume",
                json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": path}}}),
            )
        };
        let errors = validate_update("", "PersistentVolume", "", &volume("/b"), &volume("/a"));
        assert!(summary(&errors).starts_with(
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable \
             after creation\n"
        ));
    }

    #[test]
    fn a_class_keeps_its_provisioner() {
        assert_eq!(
            created("storage.k8s.io", "StorageClass", json!({})),
            "provisioner: Required value"
        );
        let class = |provisioner: &str| {
            object(
                "storage.k8s.io",
                "StorageClass",
                json!({ "provisioner": provisioner }),
            )
        };
        let errors = validate_update(
            "storage.k8s.io",
            "StorageClass",
            "",
            &class("b"),
            &class("a"),
        );
        assert_eq!(
            summary(&errors),
            "provisioner: Forbidden: updates to provisioner are forbidden."
        );
    }
}
