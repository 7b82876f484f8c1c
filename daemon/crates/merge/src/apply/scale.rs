//! Owners of an object's replicas, as those of its `scale` subresource and back.
//!
//! The subresource is an `autoscaling/v1` Scale whose `.spec.replicas` is a field of the object.

use serde_json::Value;

use super::{BadManagers, put};
use crate::fields::{Element, Set};
use crate::managers::{Managers, Owned};

const SCALE: &str = "autoscaling/v1";

fn names(path: &[&str]) -> Vec<Element> {
    let names = path.iter().map(|name| Element::Field((*name).to_owned()));
    names.collect()
}

fn managers(object: &Value) -> Result<Managers, BadManagers> {
    Managers::decode(super::entries(object).unwrap_or_default())
}

/// Gives `scale` the owners of `object` that own the replicas, which are at `replicas`.
///
/// # Errors
/// Where the owners of `object` cannot be read.
pub fn owners_to_scale(
    object: &Value,
    scale: &mut Value,
    replicas: &[&str],
) -> Result<(), BadManagers> {
    let mut managers = managers(object)?;
    managers.owned.retain(|_, owned| {
        let owns = owned.set.has(&names(replicas));
        *owned = Owned {
            set: Set::of_names(&[&["spec", "replicas"]]),
            api_version: SCALE.to_owned(),
        };
        owns
    });
    super::drop_managers(scale);
    super::put_managers(scale, &managers);
    Ok(())
}

/// Gives `object`, of `api_version`, its own owners, with the replicas owned by those who own
/// them in `scale`.
///
/// # Errors
/// Where the owners of either cannot be read.
pub fn owners_from_scale(
    object: &mut Value,
    scale: &Value,
    replicas: &[&str],
    api_version: &str,
) -> Result<(), BadManagers> {
    let mut owners = managers(object)?;
    let mut of_scale = managers(scale)?;
    let path = names(replicas);
    let replicas = Set::of_names(&[replicas]);
    owners.owned.retain(|manager, owned| {
        if owned.set.has(&path) {
            // The Scale's managers are told apart by its version where they updated.
            let kept = of_scale.owned.keys().find(|other| {
                (&other.name, other.operation, &other.subresource)
                    == (&manager.name, manager.operation, &manager.subresource)
            });
            match kept.cloned() {
                Some(kept) => _ = of_scale.owned.remove(&kept),
                None => owned.set = owned.set.difference(&replicas),
            }
        }
        !owned.set.is_empty()
    });
    for (mut manager, owned) in of_scale.owned {
        if !owned.set.has(&names(&["spec", "replicas"])) {
            continue;
        }
        let time = of_scale.times.remove(&manager);
        if !manager.api_version.is_empty() {
            api_version.clone_into(&mut manager.api_version);
        }
        let own = owners
            .owned
            .entry(manager.clone())
            .or_insert_with(|| Owned {
                set: Set::default(),
                api_version: api_version.to_owned(),
            });
        own.set = std::mem::take(&mut own.set).union(replicas.clone());
        if let Some(time) = time {
            owners.times.insert(manager, time);
        }
    }
    super::drop_managers(object);
    let entries = owners.encode();
    if !entries.is_empty() {
        put(object, entries);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, operation: &str, version: &str, fields: Value) -> Value {
        json!({
            "manager": manager, "operation": operation, "apiVersion": version,
            "fieldsType": "FieldsV1", "fieldsV1": fields,
            "time": "2024-01-01T00:00:00Z",
        })
    }

    #[test]
    fn replicas_that_are_scaled_change_hands_in_the_object_too() {
        let replicas = json!({"f:spec": {"f:replicas": {}}});
        let both = json!({"f:spec": {"f:replicas": {}, "f:paused": {}}});
        let mut object = json!({"metadata": {"managedFields": [
            entry("a", "Apply", "apps/v1", both),
            entry("b", "Apply", "apps/v1", json!({"f:spec": {"f:paused": {}}})),
            entry("u", "Update", "apps/v1", replicas.clone()),
        ]}});
        let mut scale = json!({"metadata": {}});
        let path = ["spec", "replicas"];
        owners_to_scale(&object, &mut scale, &path).unwrap();
        assert_eq!(
            scale["metadata"]["managedFields"],
            json!([
                entry("a", "Apply", SCALE, replicas.clone()),
                entry("u", "Update", "autoscaling/v1", replicas.clone()),
            ])
        );
        // Nothing changes, nothing moves: `u` of the Scale is `u` of the object.
        let before = object.clone();
        owners_from_scale(&mut object, &scale, &path, "apps/v1").unwrap();
        assert_eq!(object, before);
        // Somebody scales.
        let mut scaler = entry("hpa", "Update", "autoscaling/v1", replicas.clone());
        scaler["subresource"] = json!("scale");
        scale["metadata"]["managedFields"] = json!([scaler]);
        owners_from_scale(&mut object, &scale, &path, "apps/v1").unwrap();
        let mut expected = entry("hpa", "Update", "apps/v1", replicas);
        expected["subresource"] = json!("scale");
        let paused = json!({"f:spec": {"f:paused": {}}});
        assert_eq!(
            object["metadata"]["managedFields"],
            json!([
                entry("a", "Apply", "apps/v1", paused.clone()),
                entry("b", "Apply", "apps/v1", paused),
                expected,
            ])
        );
    }
}
