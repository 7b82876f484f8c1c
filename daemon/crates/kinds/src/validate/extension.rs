//! APIServices: who serves a group's version.

use serde_json::Value;

use super::rules::choice_if_set;
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::value::{int, is_set, is_true, text};

const GROUP_PRIORITY_MAX: i64 = 20_000;
const VERSION_PRIORITY_MAX: i64 = 1_000;

pub(super) fn api_service(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let (group, version) = (text(&spec["group"]), text(&spec["version"]));
    let path = Path::root("spec");
    let metadata = Path::root("metadata");
    let (name, wanted) = (
        text(&object["metadata"]["name"]),
        format!("{version}.{group}"),
    );
    // What no path can hold is told by itself.
    if name != wanted && format::path_segment(name).is_empty() {
        let message = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        errors.each(&metadata.child("name"), name, vec![message]);
    }
    match group {
        "" if version != "v1" => errors.required(
            &path.child("group"),
            "only v1 may have an empty group and it better be legacy kube",
        ),
        "" => {}
        group => errors.each(&path.child("group"), group, format::dns_subdomain(group)),
    }
    errors.each(
        &path.child("version"),
        version,
        format::dns_1035_label(version),
    );
    for (field, max) in [
        ("groupPriorityMinimum", GROUP_PRIORITY_MAX),
        ("versionPriority", VERSION_PRIORITY_MAX),
    ] {
        let value = int(&spec[field]);
        if value <= 0 || value > max {
            let detail = format!("must be positive and less than {max}");
            errors.invalid(&path.child(field), value, detail);
        }
    }
    let bundle = text(&spec["caBundle"]);
    let insecure = is_true(&spec["insecureSkipTLSVerify"]);
    let service = &spec["service"];
    let skips = path.child("insecureSkipTLSVerify");
    if !is_set(service) {
        if !bundle.is_empty() {
            let bytes = bundle.trim_end_matches('=').len() * 3 / 4;
            let detail = "local APIServices may not have a caBundle";
            errors.invalid(&path.child("caBundle"), format!("{bytes} bytes"), detail);
        }
        if insecure {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            errors.invalid(&skips, true, detail);
        }
        return;
    }
    let at = path.child("service");
    for field in ["namespace", "name"] {
        if text(&service[field]).is_empty() {
            errors.required(&at.child(field), "");
        }
    }
    let port = int(&service["port"]);
    let wrong = format::port_number(port);
    if !wrong.is_empty() {
        let detail = format!("port is not valid: {}", wrong.join(", "));
        errors.invalid(&at.child("port"), port, detail);
    }
    if insecure && !bundle.is_empty() {
        errors.invalid(&skips, true, "may not be true if caBundle is present");
    }
}

pub(super) fn api_service_status(object: &Value, errors: &mut Errors) {
    let conditions = object["status"]["conditions"].as_array();
    let status = Path::root("status");
    let path = status.child("conditions");
    for (place, condition) in conditions.into_iter().flatten().enumerate() {
        let words = ["True", "False", "Unknown"];
        let at = path.index(place);
        choice_if_set(&condition["status"], &words, &at.child("status"), errors);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(object: Value) -> Vec<String> {
        let mut errors = Errors::default();
        api_service(&object, &mut errors);
        let errors = errors.0.iter();
        errors
            .map(|one| format!("{}: {}", one.field, one.body()))
            .collect()
    }

    fn service(spec: Value) -> Value {
        let mut object = json!({
            "metadata": {"name": "v1.example.com"},
            "spec": {"group": "example.com", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15},
        });
        for (field, value) in spec.as_object().unwrap() {
            object["spec"][field] = value.clone();
        }
        object
    }

    #[test]
    fn what_is_served_here_and_what_is_served_elsewhere_is_told_apart() {
        assert_eq!(wrong(service(json!({}))), Vec::<String>::new());
        let there =
            json!({"service": {"namespace": "a", "name": "b", "port": 443}, "caBundle": "QQ=="});
        assert_eq!(wrong(service(there)), Vec::<String>::new());
        assert_eq!(
            wrong(service(
                json!({"caBundle": "QQ==", "insecureSkipTLSVerify": true})
            )),
            [
                "spec.caBundle: Invalid value: \"1 bytes\": local APIServices may not have a caBundle",
                "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
            ]
        );
        assert_eq!(
            wrong(service(
                json!({"service": {"port": 0}, "caBundle": "QQ==", "insecureSkipTLSVerify": true})
            )),
            [
                "spec.service.namespace: Required value",
                "spec.service.name: Required value",
                "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
                "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
            ]
        );
    }

    #[test]
    fn the_name_is_made_of_version_and_group() {
        assert_eq!(
            wrong(service(
                json!({"version": "v2", "groupPriorityMinimum": 20001, "versionPriority": 0})
            )),
            [
                "metadata.name: Invalid value: \"v1.example.com\": must be `spec.version+\".\"+spec.group`: \"v2.example.com\"",
                "spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000",
                "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
            ]
        );
    }
}
