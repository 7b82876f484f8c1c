//! Volumes that outlive pods; claims on them, their classes and attachments are below.

mod claim;
mod class;

pub(super) use claim::{claim, claim_spec};
pub(super) use class::{attachment, attributes_class, class, csi_capacity};

use serde_json::{Map, Value};

use super::pod::{self, difference, driver_name};
use super::rules::{
    ONE_TYPE, POSITIVE, choice_if_set, no_backsteps, quantity, required_text, subdomain,
    subdomain_if_any,
};
use crate::error::Errors;
use crate::path::Path;
use crate::value::{entries, is_set, len, list, same, text};

const ACCESS_MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];
const VOLUME_MODES: &[&str] = &["Block", "Filesystem"];
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::validate::{validate_create, validate_update};
    use serde_json::json;

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
