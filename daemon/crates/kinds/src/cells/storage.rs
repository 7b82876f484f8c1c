//! The rows of volumes, claims, classes and drivers.

use serde_json::{Value, json};

use super::{Row, joined, or_none, or_unset};
use crate::quantity::Quantity;
use crate::value::{int, is_set, is_true, list, text};

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

fn storage(amounts: &Value) -> String {
    let amount = Quantity::of(&amounts["storage"]);
    amount.unwrap_or(Quantity::ZERO).to_string()
}

fn access_modes(modes: &Value) -> String {
    let known = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let shown: Vec<&str> = known
        .iter()
        .filter(|(mode, _)| list(modes).iter().any(|m| m == mode))
        .map(|(_, short)| *short)
        .collect();
    shown.join(",")
}

fn phase(row: Row<'_>) -> &str {
    if row.is_deleted() {
        "Terminating"
    } else {
        text(row.status("phase"))
    }
}

fn class_name(row: Row<'_>) -> &str {
    let has_annotation = is_set(&row.metadata("annotations")[BETA_CLASS]);
    if has_annotation {
        row.annotation(BETA_CLASS)
    } else {
        text(row.spec("storageClassName"))
    }
}

pub(super) fn volume(row: Row<'_>) -> Vec<Value> {
    let claim = row.spec("claimRef");
    let claim = if is_set(claim) {
        format!("{}/{}", text(&claim["namespace"]), text(&claim["name"]))
    } else {
        String::new()
    };
    vec![
        row.name(),
        json!(storage(row.spec("capacity"))),
        json!(access_modes(row.spec("accessModes"))),
        json!(text(row.spec("persistentVolumeReclaimPolicy"))),
        json!(phase(row)),
        json!(claim),
        json!(class_name(row)),
        json!(or_unset(row.spec("volumeAttributesClassName"))),
        json!(text(row.status("reason"))),
        row.age(),
        json!(or_unset(row.spec("volumeMode"))),
    ]
}

pub(super) fn claim(row: Row<'_>) -> Vec<Value> {
    let volume = text(row.spec("volumeName"));
    let (capacity, modes) = match volume {
        "" => (String::new(), String::new()),
        _ => (
            storage(row.status("capacity")),
            access_modes(row.status("accessModes")),
        ),
    };
    vec![
        row.name(),
        json!(phase(row)),
        json!(volume),
        json!(capacity),
        json!(modes),
        json!(class_name(row)),
        json!(or_unset(row.spec("volumeAttributesClassName"))),
        row.age(),
        json!(or_unset(row.spec("volumeMode"))),
    ]
}

fn named_default(row: Row<'_>, annotations: &[&str]) -> Value {
    let is_default = annotations.iter().any(|key| row.annotation(key) == "true");
    let mark = if is_default { " (default)" } else { "" };
    json!(format!("{}{mark}", text(row.metadata("name"))))
}

pub(super) fn class(row: Row<'_>) -> Vec<Value> {
    let annotations = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ];
    let object = row.object;
    vec![
        named_default(row, &annotations),
        json!(text(&object["provisioner"])),
        json!(object["reclaimPolicy"].as_str().unwrap_or("Delete")),
        json!(object["volumeBindingMode"].as_str().unwrap_or("Immediate")),
        json!(is_true(&object["allowVolumeExpansion"])),
        row.age(),
    ]
}

pub(super) fn attributes_class(row: Row<'_>) -> Vec<Value> {
    let annotation = "volumeattributesclass.alpha.kubernetes.io/is-default-class";
    let driver = json!(text(&row.object["driverName"]));
    vec![named_default(row, &[annotation]), driver, row.age()]
}

pub(super) fn attachment(row: Row<'_>) -> Vec<Value> {
    vec![
        row.name(),
        json!(text(row.spec("attacher"))),
        json!(text(&row.spec("source")["persistentVolumeName"])),
        json!(text(row.spec("nodeName"))),
        json!(is_true(row.status("attached"))),
        row.age(),
    ]
}

pub(super) fn csi_driver(row: Row<'_>) -> Vec<Value> {
    let requests = row.spec("tokenRequests").as_array();
    let audiences = requests.map_or("<unset>".to_owned(), |requests| {
        let audiences: Vec<&str> = requests.iter().map(|r| text(&r["audience"])).collect();
        audiences.join(",")
    });
    vec![
        row.name(),
        json!(row.spec("attachRequired").as_bool().unwrap_or(true)),
        json!(is_true(row.spec("podInfoOnMount"))),
        json!(is_true(row.spec("storageCapacity"))),
        json!(audiences),
        json!(is_true(row.spec("requiresRepublish"))),
        json!(or_none(&joined(row.spec("volumeLifecycleModes"), ","))),
        row.age(),
    ]
}

pub(super) fn csi_capacity(row: Row<'_>) -> Vec<Value> {
    let capacity = match &row.object["capacity"] {
        Value::Null => "<unset>".to_owned(),
        amount => Quantity::of(amount).unwrap_or(Quantity::ZERO).to_string(),
    };
    let class = json!(text(&row.object["storageClassName"]));
    vec![row.name(), class, json!(capacity)]
}

/// Whole numbers as cells; what is not set shows as none.
pub(super) fn number_or_none(value: &Value) -> Value {
    if is_set(value) {
        json!(int(value))
    } else {
        json!("<none>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::cells;

    #[test]
    fn a_volume_and_its_claim_show_each_other() {
        let volume = json!({
            "metadata": {"name": "v"},
            "spec": {"capacity": {"storage": "1024Mi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "n", "name": "c"},
                "storageClassName": "fast", "volumeMode": "Filesystem"},
            "status": {"phase": "Bound"},
        });
        assert_eq!(
            cells("", "PersistentVolume", &volume, 0),
            [
                "v",
                "1Gi",
                "RWO,RWX",
                "Retain",
                "Bound",
                "n/c",
                "fast",
                "<unset>",
                "",
                "<unknown>",
                "Filesystem"
            ]
        );
        let claim = json!({
            "metadata": {"name": "c"},
            "spec": {"volumeName": "v", "storageClassName": "fast"},
            "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOncePod"]},
        });
        assert_eq!(
            cells("", "PersistentVolumeClaim", &claim, 0),
            [
                "c",
                "Bound",
                "v",
                "1Gi",
                "RWOP",
                "fast",
                "<unset>",
                "<unknown>",
                "<unset>"
            ]
        );
    }

    #[test]
    fn the_default_class_is_marked() {
        let class = json!({"metadata": {"name": "std", "annotations":
            {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "p"});
        assert_eq!(
            cells("storage.k8s.io", "StorageClass", &class, 0)[..5],
            [
                json!("std (default)"),
                json!("p"),
                json!("Delete"),
                json!("Immediate"),
                json!(false)
            ]
        );
    }
}
