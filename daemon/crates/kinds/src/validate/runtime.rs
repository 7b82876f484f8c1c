//! What nodes run pods and volumes with: runtime classes, CSI drivers, and the drivers of nodes.

use serde_json::{Value, json};

use super::pod;
use super::resources::{self, Whose};
use super::rules::{label, nonnegative, qualified_name};
use crate::error::Errors;
use crate::path::Path;
use crate::selector;
use crate::value::{int, is_set, list, same, text};

const NODE_ID_BYTES_MAX: usize = 192;
const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;
const UPDATE_SECONDS_MIN: i64 = 10;

pub(super) fn class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let handler = Path::root("handler");
    if let Some(old) = old {
        return errors.immutable(&handler, &object["handler"], &old["handler"]);
    }
    label(text(&object["handler"]), &handler, errors);
    if is_set(&object["overhead"]) {
        let limits = json!({"limits": object["overhead"]["podFixed"]});
        let path = Path::root("overhead");
        resources::requirements(&limits, Whose::Container, &[], &path, errors);
    }
    let (scheduling, path) = (&object["scheduling"], Path::root("scheduling"));
    selector::labels(
        &scheduling["nodeSelector"],
        &path.child("nodeSelector"),
        errors,
    );
    let tolerations = path.child("tolerations");
    pod::tolerations(&scheduling["tolerations"], &tolerations, errors);
}

pub(super) fn csi_driver(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    // Upstream's path of the first is not the name of the field.
    for (field, shown) in [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ] {
        if !is_set(&spec[field]) {
            errors.required(&path.child(shown), "");
        }
    }
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    let policy = &spec["fsGroupPolicy"];
    if is_set(policy) && !policies.contains(&text(policy)) {
        errors.not_supported(&path.child("fsGroupPolicy"), text(policy), &policies);
    }
    token_requests(&spec["tokenRequests"], &path.child("tokenRequests"), errors);
    if let Some(in_secrets) = spec["serviceAccountTokenInSecrets"].as_bool()
        && list(&spec["tokenRequests"]).is_empty()
    {
        let message = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        errors.invalid(
            &path.child("serviceAccountTokenInSecrets"),
            in_secrets,
            message,
        );
    }
    for mode in list(&spec["volumeLifecycleModes"]) {
        let modes = ["Persistent", "Ephemeral"];
        if !modes.contains(&text(mode)) {
            errors.not_supported(&path.child("volumeLifecycleModes"), text(mode), &modes);
        }
    }
    if !is_set(&spec["seLinuxMount"]) {
        errors.required(&path.child("seLinuxMount"), "");
    }
    if let Some(seconds) = spec["nodeAllocatableUpdatePeriodSeconds"].as_i64()
        && seconds < UPDATE_SECONDS_MIN
    {
        let at = path.child("nodeAllocatableUpdatePeriodSeconds");
        let message = format!("must be greater than or equal to {UPDATE_SECONDS_MIN} seconds");
        errors.invalid(&at, seconds, message);
    }
    if let Some(old) = old {
        for (field, shown) in [
            ("attachRequired", "attachedRequired"),
            ("volumeLifecycleModes", "volumeLifecycleModes"),
        ] {
            errors.immutable(&path.child(shown), &spec[field], &old["spec"][field]);
        }
    }
}

fn token_requests(requests: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut audiences: Vec<&str> = Vec::new();
    for (i, request) in list(requests).iter().enumerate() {
        let (audience, path) = (text(&request["audience"]), path.index(i));
        if audiences.contains(&audience) {
            errors.duplicate(&path.child("audience"), audience);
            continue;
        }
        audiences.push(audience);
        if !is_set(&request["expirationSeconds"]) {
            continue;
        }
        let (seconds, at) = (
            int(&request["expirationSeconds"]),
            path.child("expirationSeconds"),
        );
        if seconds < TOKEN_SECONDS_MIN {
            let message = "may not specify a duration less than 10 minutes";
            errors.invalid(&at, seconds, message);
        }
        if seconds > TOKEN_SECONDS_MAX {
            let message = "may not specify a duration larger than 2^32 seconds";
            errors.invalid(&at, seconds, message);
        }
    }
}

pub(super) fn csi_node(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = Path::root("spec");
    let drivers = spec.child("drivers");
    let mut names: Vec<&str> = Vec::new();
    for (i, driver) in list(&object["spec"]["drivers"]).iter().enumerate() {
        let (name, path) = (text(&driver["name"]), drivers.index(i));
        pod::driver_name(name, &path.child("name"), errors);
        let (id, at) = (text(&driver["nodeID"]), path.child("nodeID"));
        if id.is_empty() {
            errors.required(&at, "");
        }
        if id.len() > NODE_ID_BYTES_MAX {
            let message = format!("must be {NODE_ID_BYTES_MAX} characters or less");
            errors.invalid(&at, id, message);
        }
        let count = path.child("allocatable");
        nonnegative(
            &driver["allocatable"]["count"],
            &count.child("count"),
            errors,
        );
        if names.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        names.push(name);
        topology_keys(&driver["topologyKeys"], &path, errors);
    }
    // A driver is as it was, but for how many volumes it can take.
    let kept = |driver: &Value| {
        let mut driver = driver.clone();
        driver["allocatable"] = Value::Null;
        driver
    };
    for old in old.map_or(&[][..], |old| list(&old["spec"]["drivers"])) {
        for new in list(&object["spec"]["drivers"]) {
            if new["name"] == old["name"] && !same(&kept(new), &kept(old)) {
                let path = Path::root("CSINodeDriver");
                errors.invalid(&path, new.clone(), "field is immutable");
            }
        }
    }
}

fn topology_keys(keys: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for key in list(keys).iter().map(text) {
        if key.is_empty() {
            errors.required(path, "");
        }
        if seen.contains(&key) {
            errors.duplicate(path, key);
        }
        seen.push(key);
        qualified_name(key, path, errors);
    }
}

#[cfg(test)]
mod tests {
    use crate::{set_defaults, validate_create, validate_update};
    use serde_json::json;

    #[test]
    fn the_handler_of_a_runtime_class_is_a_label_and_stays() {
        let group = "node.k8s.io";
        let mut class = json!({"metadata": {"name": "a", "resourceVersion": "1"}, "handler": "A",
            "scheduling": {"tolerations": [{"operator": "Exists", "effect": "Go"}]}});
        let errors = validate_create(group, "RuntimeClass", false, &class);
        assert!(
            errors[0]
                .to_string()
                .starts_with("handler: Invalid value: \"A\"")
        );
        assert_eq!(errors[1].field, "scheduling.tolerations[0].effect");
        let old = class.clone();
        class["handler"] = json!("b");
        let errors = validate_update(group, "RuntimeClass", "", &class, &old);
        let text = "handler: Invalid value: \"b\": field is immutable";
        assert_eq!(errors[0].to_string(), text);
    }

    #[test]
    fn a_driver_keeps_how_it_attaches() {
        let group = "storage.k8s.io";
        let mut driver = json!({"metadata": {"name": "a.example.com", "resourceVersion": "1"},
            "spec": {"tokenRequests": [{"audience": "a", "expirationSeconds": 5}, {"audience": "a"}]}});
        set_defaults(group, "CSIDriver", &mut driver);
        let errors = validate_create(group, "CSIDriver", false, &driver);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a \
                 duration less than 10 minutes",
                "spec.tokenRequests[1].audience: Duplicate value: \"a\"",
            ]
        );
        driver["spec"]["tokenRequests"] = json!(null);
        driver["spec"]["serviceAccountTokenInSecrets"] = json!(true);
        let errors = validate_create(group, "CSIDriver", false, &driver);
        assert_eq!(
            errors[0].to_string(),
            "spec.serviceAccountTokenInSecrets: Invalid value: true: \
             serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        );
        driver["spec"]["serviceAccountTokenInSecrets"] = json!(null);
        let old = driver.clone();
        driver["spec"]["attachRequired"] = json!(false);
        let errors = validate_update(group, "CSIDriver", "", &driver, &old);
        let text = "spec.attachedRequired: Invalid value: false: field is immutable";
        assert_eq!(errors[0].to_string(), text);
    }

    #[test]
    fn a_driver_of_a_node_may_change_how_much_it_takes_and_nothing_else() {
        let node = |id: &str, count: i64| {
            json!({"metadata": {"name": "n", "resourceVersion": "1"}, "spec": {"drivers": [
                {"name": "a.example.com", "nodeID": id, "allocatable": {"count": count}}]}})
        };
        let update = |new, old| validate_update("storage.k8s.io", "CSINode", "", &new, &old);
        assert_eq!(update(node("i", 2), node("i", 1)), []);
        let errors = update(node("j", 1), node("i", 1));
        assert_eq!(errors[0].field, "CSINodeDriver");
        let errors = update(node("", -1), node("", -1));
        assert_eq!(errors.len(), 2, "{errors:?}");
    }
}
