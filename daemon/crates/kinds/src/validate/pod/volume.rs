//! Volumes of a pod: each of one kind, and what the common kinds need.

use serde_json::Value;

use super::Within;
use super::environment::{VOLUME_FIELDS, field_reference, resource_reference};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::selector;
use crate::validate::rules::{
    ONE_TYPE, choice_if_set, descending_path, label, no_backsteps, required_text,
};
use crate::validate::storage;
use crate::value::{int, is_set, list, text};

/// A kind's field, and how upstream names it when there is more than one.
const KINDS: &[(&str, &str)] = &[
    ("emptyDir", "emptyDir"),
    ("hostPath", "hostPath"),
    ("gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret"),
    ("nfs", "nfs"),
    ("iscsi", "iscsi"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd"),
    ("cinder", "cinder"),
    ("cephfs", "cephFS"),
    ("quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("configMap", "configMap"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("storageos", "storageos"),
    ("projected", "projected"),
    ("scaleIO", "scaleIO"),
    ("csi", "csi"),
    ("ephemeral", "ephemeral"),
    ("image", "image"),
];
const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

/// The volumes that are in order, by name.
pub(super) struct Volumes<'v>(Vec<&'v Value>);

impl<'v> Volumes<'v> {
    pub(super) fn find(&self, name: &str) -> Option<&'v Value> {
        self.0
            .iter()
            .copied()
            .find(|volume| text(&volume["name"]) == name)
    }
}

pub(super) fn volumes<'v>(
    volumes: &'v Value,
    within: Within<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Volumes<'v> {
    let mut good = Volumes(Vec::new());
    for (i, volume) in list(volumes).iter().enumerate() {
        let path = path.index(i);
        let before = errors.0.len();
        source(volume, within, &path, errors);
        let name = text(&volume["name"]);
        if required_text(&volume["name"], &path.child("name"), errors) {
            label(name, &path.child("name"), errors);
        }
        if good.find(name).is_some() {
            errors.duplicate(&path.child("name"), name);
        }
        if errors.0.len() == before {
            good.0.push(volume);
        }
    }
    good
}

fn source(volume: &Value, within: Within<'_>, path: &Path<'_>, errors: &mut Errors) {
    let mut is_first = true;
    for (kind, shown) in KINDS {
        let source = &volume[*kind];
        if !is_set(source) {
            continue;
        }
        if !is_first {
            errors.forbidden(&path.child(shown), ONE_TYPE);
            continue;
        }
        is_first = false;
        of_kind(kind, source, &path.child(kind), errors);
        if let ("ephemeral", Within::Pod { name }) = (*kind, within) {
            let volume = text(&volume["name"]);
            let claim = format!("{name}-{volume}");
            for message in format::dns_subdomain(&claim) {
                let message = format!("PVC name \"{claim}\": {message}");
                errors.invalid(&path.child("name"), volume, message);
            }
        }
    }
    if is_first {
        errors.required(path, "must specify a volume type");
    }
}

fn of_kind(kind: &str, source: &Value, path: &Path<'_>, errors: &mut Errors) {
    match kind {
        "emptyDir" => {
            let limit = Quantity::of(&source["sizeLimit"]);
            if !limit.is_ok_and(|limit| !limit.is_negative()) {
                let message = "SizeLimit field must be a valid resource quantity";
                errors.forbidden(&path.child("sizeLimit"), message);
            }
        }
        "hostPath" => host_path(source, path, errors),
        "secret" => {
            required_text(&source["secretName"], &path.child("secretName"), errors);
            files(source, path, errors);
        }
        "configMap" => {
            required_text(&source["name"], &path.child("name"), errors);
            files(source, path, errors);
        }
        "nfs" => nfs(source, path, errors),
        "persistentVolumeClaim" => {
            required_text(&source["claimName"], &path.child("claimName"), errors);
        }
        "downwardAPI" => {
            mode(&source["defaultMode"], &path.child("defaultMode"), errors);
            for file in list(&source["items"]) {
                downward_file(file, path, errors);
            }
        }
        "projected" => projected(source, path, errors),
        "csi" => {
            driver_name(text(&source["driver"]), &path.child("driver"), errors);
            let secret = &source["nodePublishSecretRef"];
            if is_set(secret) {
                let path = path.child("nodePublishSecretRef");
                required_text(&secret["name"], &path.child("name"), errors);
            }
        }
        "ephemeral" => {
            let template = &source["volumeClaimTemplate"];
            let path = path.child("volumeClaimTemplate");
            if is_set(template) {
                storage::claim_spec(&template["spec"], &path.child("spec"), errors);
            } else {
                errors.required(&path, "");
            }
        }
        "image" => {
            let policies = ["Always", "IfNotPresent", "Never"];
            let path = path.child("pullPolicy");
            choice_if_set(&source["pullPolicy"], &policies, &path, errors);
        }
        _ => {}
    }
}

/// The name of a driver, which is a domain in any case of letters.
pub(in crate::validate) fn driver_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(path, "");
    }
    if name.len() > 63 {
        errors.too_long(path, 63);
    }
    let lower = name.to_lowercase();
    for message in format::dns_subdomain(&lower) {
        errors.invalid(path, name, message);
    }
}

pub(in crate::validate) fn host_path(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !required_text(&source["path"], &path.child("path"), errors) {
        return;
    }
    no_backsteps(text(&source["path"]), &path.child("path"), errors);
    let kinds = [
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    choice_if_set(&source["type"], &kinds, &path.child("type"), errors);
}

pub(in crate::validate) fn nfs(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    required_text(&source["server"], &path.child("server"), errors);
    let at = path.child("path");
    let exported = text(&source["path"]);
    required_text(&source["path"], &at, errors);
    if !exported.starts_with('/') {
        errors.invalid(&at, exported, "must be an absolute path");
    }
}

fn mode(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(mode) = value.as_i64()
        && !(0..=0o777).contains(&mode)
    {
        errors.invalid(path, mode, FILE_MODE);
    }
}

/// A path within a volume, which leads neither up nor to what the volume keeps for itself.
fn local_path(value: &str, path: &Path<'_>, errors: &mut Errors) {
    descending_path(value, path, errors);
    if value.starts_with("..") && !value.starts_with("../") {
        errors.invalid(path, value, "must not start with '..'");
    }
}

fn files(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    mode(&source["defaultMode"], &path.child("defaultMode"), errors);
    let path = path.child("items");
    for (i, item) in list(&source["items"]).iter().enumerate() {
        key_to_path(item, &path.index(i), errors);
    }
}

fn key_to_path(item: &Value, path: &Path<'_>, errors: &mut Errors) {
    required_text(&item["key"], &path.child("key"), errors);
    required_text(&item["path"], &path.child("path"), errors);
    local_path(text(&item["path"]), &path.child("path"), errors);
    mode(&item["mode"], &path.child("mode"), errors);
}

fn downward_file(file: &Value, path: &Path<'_>, errors: &mut Errors) {
    required_text(&file["path"], &path.child("path"), errors);
    local_path(text(&file["path"]), &path.child("path"), errors);
    let (field, resource) = (&file["fieldRef"], &file["resourceFieldRef"]);
    if is_set(field) {
        field_reference(field, VOLUME_FIELDS, &path.child("fieldRef"), errors);
        if is_set(resource) {
            let message = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.invalid(path, "resource", message);
        }
    } else if is_set(resource) {
        resource_reference(resource, true, &path.child("resourceFieldRef"), errors);
    } else {
        errors.required(path, "one of fieldRef and resourceFieldRef is required");
    }
    mode(&file["mode"], &path.child("mode"), errors);
}

fn projected(volume: &Value, path: &Path<'_>, errors: &mut Errors) {
    mode(&volume["defaultMode"], &path.child("defaultMode"), errors);
    let sources = path.child("sources");
    let mut paths: Vec<&str> = Vec::new();
    for (i, source) in list(&volume["sources"]).iter().enumerate() {
        let at = sources.index(i);
        for kind in ["secret", "configMap"] {
            if !is_set(&source[kind]) {
                continue;
            }
            let at = at.child(kind);
            let name = text(&source[kind]["name"]);
            required_text(&source[kind]["name"], &at.child("name"), errors);
            let items = at.child("items");
            for (j, item) in list(&source[kind]["items"]).iter().enumerate() {
                key_to_path(item, &items.index(j), errors);
                unique_path(text(&item["path"]), name, &mut paths, path, errors);
            }
        }
        for file in list(&source["downwardAPI"]["items"]) {
            downward_file(file, &at.child("downwardAPI"), errors);
            let file = text(&file["path"]);
            unique_path(file, file, &mut paths, path, errors);
        }
        if is_set(&source["serviceAccountToken"]) {
            token(&source["serviceAccountToken"], &at, path, errors);
        }
        if is_set(&source["clusterTrustBundle"]) {
            trust_bundle(
                &source["clusterTrustBundle"],
                &at.child("clusterTrustBundle"),
                errors,
            );
        }
        let kinds = [
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
            "podCertificate",
        ];
        if kinds.iter().filter(|kind| is_set(&source[**kind])).count() > 1 {
            errors.forbidden(&at, "may not specify more than 1 volume type per source");
        }
    }
}

fn unique_path<'v>(
    file: &'v str,
    shown: &str,
    paths: &mut Vec<&'v str>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    if file.is_empty() {
        return;
    }
    if paths.contains(&file) {
        errors.invalid(path, shown, "conflicting duplicate paths");
    }
    paths.push(file);
}

fn token(token: &Value, source: &Path<'_>, volume: &Path<'_>, errors: &mut Errors) {
    let token_path = source.child("serviceAccountToken");
    let path = token_path.child("expirationSeconds");
    let seconds = int(&token["expirationSeconds"]);
    if seconds < TOKEN_SECONDS_MIN {
        errors.invalid(
            &path,
            seconds,
            "may not specify a duration less than 10 minutes",
        );
    }
    if seconds > TOKEN_SECONDS_MAX {
        let message = "may not specify a duration larger than 2^32 seconds";
        errors.invalid(&path, seconds, message);
    }
    // Upstream names the volume's path here, not the token's.
    let path = volume.child("path");
    if required_text(&token["path"], &path, errors) {
        local_path(text(&token["path"]), &path, errors);
    }
}

fn trust_bundle(bundle: &Value, path: &Path<'_>, errors: &mut Errors) {
    match (is_set(&bundle["name"]), is_set(&bundle["signerName"])) {
        (true, true) => {
            let message = "only one of name and signerName may be used";
            errors.invalid(path, bundle.clone(), message);
        }
        (false, false) => errors.required(path, "either name or signerName must be specified"),
        (true, false) if is_set(&bundle["labelSelector"]) => errors.invalid(
            &path.child("labelSelector"),
            bundle["labelSelector"].clone(),
            "labelSelector must be unset if name is specified",
        ),
        (true, false) => {}
        (false, true) => {
            selector::validate(
                &bundle["labelSelector"],
                &path.child("labelSelector"),
                errors,
            );
        }
    }
    required_text(&bundle["path"], &path.child("path"), errors);
    local_path(text(&bundle["path"]), &path.child("path"), errors);
}
