//! What a claim was given, who uses it, and what drivers say of it.

use serde_json::{Value, json};

use super::super::pod;
use super::super::rules::label;
use super::super::status::conditions_at;
use super::set::{in_set, set};
use super::{
    LIST_MAX, PARAMETERS_BYTES_MAX, names, object_of, opaque, reference, references, toleration,
};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::value::{is_set, len, list, text};

const CONSUMERS_MAX: usize = 256;
const CONDITIONS_MAX: usize = 8;
const DATA_BYTES_MAX: usize = 10 * 1024;
const INTERFACE_BYTES_MAX: usize = 256;
const HARDWARE_BYTES_MAX: usize = 128;
const ADDRESSES_MAX: usize = 16;

pub(in crate::validate) fn status(object: &Value, old: &Value, errors: &mut Errors) {
    let (status, was, path) = (&object["status"], &old["status"], Path::root("status"));
    let claim = &object["spec"]["devices"];
    let reserved = path.child("reservedFor");
    let uid = |one: &Value| text(&one["uid"]).to_owned();
    in_set(
        &status["reservedFor"],
        CONSUMERS_MAX,
        &reserved,
        errors,
        uid,
        consumer,
    );
    let given = list(&status["allocation"]["devices"]["results"]);
    let devices = path.child("devices");
    let id = |one: &Value| identity(one).to_string();
    in_set(
        &status["devices"],
        usize::MAX,
        &devices,
        errors,
        id,
        |one, path, errors| {
            device(one, given, path, errors);
        },
    );
    if len(&status["reservedFor"]) > 0 {
        let before = list(&was["reservedFor"]);
        let is_new = |consumer: &Value| !before.contains(consumer);
        if !is_set(&status["allocation"]) {
            errors.forbidden(
                &reserved,
                "may not be specified when `allocated` is not set",
            );
        } else if is_set(&object["metadata"]["deletionTimestamp"])
            && list(&status["reservedFor"]).iter().any(is_new)
        {
            let message = "new entries may not be added while `deallocationRequested` or \
                           `deletionTimestamp` are set";
            errors.forbidden(&reserved, message);
        }
    }
    let (allocation, path) = (&status["allocation"], path.child("allocation"));
    match (is_set(allocation), is_set(&was["allocation"])) {
        (true, true) => errors.immutable(&path, allocation, &was["allocation"]),
        (true, false) => allocated(allocation, claim, &path, errors),
        (false, _) => {}
    }
}

/// Which device it is, or which share of one.
fn identity(device: &Value) -> Value {
    let mut id = json!({
        "Driver": text(&device["driver"]),
        "Pool": text(&device["pool"]),
        "Device": text(&device["device"]),
    });
    if let Some(share) = device["shareID"].as_str() {
        id["ShareID"] = share.into();
    }
    id
}

fn consumer(consumer: &Value, path: &Path<'_>, errors: &mut Errors) {
    for field in ["resource", "name", "uid"] {
        if text(&consumer[field]).is_empty() {
            errors.required(&path.child(field), "");
        }
    }
}

fn place(device: &Value, path: &Path<'_>, errors: &mut Errors) {
    pod::driver_name(text(&device["driver"]), &path.child("driver"), errors);
    names::pool(text(&device["pool"]), &path.child("pool"), errors);
    label(text(&device["device"]), &path.child("device"), errors);
}

fn share(device: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(share) = device["shareID"].as_str() {
        names::share(share, &path.child("shareID"), errors);
    }
}

/// What a driver says of a device that was given.
fn device(device: &Value, given: &[Value], path: &Path<'_>, errors: &mut Errors) {
    place(device, path, errors);
    share(device, path, errors);
    let id = identity(device);
    if !given.iter().any(|one| identity(one) == id) {
        errors.invalid(path, id, "must be an allocated device in the claim");
    }
    let at = path.child("conditions");
    if len(&device["conditions"]) > CONDITIONS_MAX {
        errors.too_many(&at, len(&device["conditions"]), CONDITIONS_MAX);
    }
    conditions_at(&device["conditions"], &at, errors);
    if is_set(&device["data"]) {
        object_of(&device["data"], DATA_BYTES_MAX, &path.child("data"), errors);
    }
    network(&device["networkData"], &path.child("networkData"), errors);
}

fn network(network: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (field, bytes_max) in [
        ("interfaceName", INTERFACE_BYTES_MAX),
        ("hardwareAddress", HARDWARE_BYTES_MAX),
    ] {
        if text(&network[field]).len() > bytes_max {
            errors.too_long(&path.child(field), bytes_max);
        }
    }
    let key = |one: &Value| text(one).to_owned();
    let at = path.child("ips");
    in_set(
        &network["ips"],
        ADDRESSES_MAX,
        &at,
        errors,
        key,
        |one, path, errors| {
            address(text(one), path, errors);
        },
    );
}

/// An address with the length of its network's prefix, written in the one way.
fn address(value: &str, path: &Path<'_>, errors: &mut Errors) {
    let parsed = value.split_once('/').and_then(|(ip, bits)| {
        let ip = format::parse_ip(ip)?;
        let bits: u8 = bits.parse().ok()?;
        let bits_max = if ip.is_ipv4() { 32 } else { 128 };
        (bits <= bits_max).then(|| format!("{ip}/{bits}"))
    });
    match parsed {
        None => {
            let message = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or \
                           2001:db8::1/64)";
            errors.invalid(path, value, message);
        }
        Some(canonical) if canonical != value => {
            let message = format!("must be in canonical form ({canonical:?})");
            errors.invalid(path, value, message);
        }
        Some(_) => {}
    }
}

/// What was given for which request.
fn allocated(allocation: &Value, claim: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (devices, at) = (&allocation["devices"], path.child("devices"));
    let results = at.child("results");
    set(
        &devices["results"],
        LIST_MAX,
        &results,
        errors,
        |one, path, errors| {
            reference(text(&one["request"]), claim, &path.child("request"), errors);
            place(one, path, errors);
            super::facts::binding(one, path, errors);
            let tolerations = path.child("tolerations");
            for (i, one) in list(&one["tolerations"]).iter().enumerate() {
                toleration(one, &tolerations.index(i), errors);
            }
            share(one, path, errors);
        },
    );
    // Of the class and of the claim.
    let config = at.child("config");
    set(
        &devices["config"],
        2 * LIST_MAX,
        &config,
        errors,
        |one, path, errors| {
            let source = path.child("source");
            match text(&one["source"]) {
                "" => errors.required(&source, ""),
                "FromClaim" | "FromClass" => {}
                other => errors.not_supported(&source, other, &["FromClaim", "FromClass"]),
            }
            references(&one["requests"], claim, &path.child("requests"), errors);
            opaque(one, PARAMETERS_BYTES_MAX, path, errors);
        },
    );
    if is_set(&allocation["nodeSelector"]) {
        let path = path.child("nodeSelector");
        pod::node_selector(&allocation["nodeSelector"], false, &path, errors);
    }
}

#[cfg(test)]
mod tests {
    use crate::validate_update;
    use serde_json::{Value, json};

    fn claim(status: Value) -> Value {
        json!({"metadata": {"name": "c", "namespace": "n", "resourceVersion": "1"},
            "spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "g"}}]}},
            "status": status})
    }

    fn says(old: Value, new: Value) -> Vec<String> {
        let errors = validate_update(
            "resource.k8s.io",
            "ResourceClaim",
            "status",
            &claim(new),
            &claim(old),
        );
        errors.iter().map(ToString::to_string).collect()
    }

    fn allocation(request: &str) -> Value {
        json!({"devices": {"results": [
            {"request": request, "driver": "e.com", "pool": "p", "device": "d"}]}})
    }

    #[test]
    fn a_claim_is_given_once_what_it_asked_for_and_then_reserved() {
        let pod = json!({"resource": "pods", "name": "a", "uid": "u"});
        let given = json!({"allocation": allocation("r")});
        assert_eq!(says(json!({}), given.clone()), [""; 0]);
        let used = json!({"allocation": allocation("r"), "reservedFor": [pod]});
        assert_eq!(says(given.clone(), used), [""; 0]);
        assert_eq!(
            says(json!({}), json!({"reservedFor": [pod, pod]})),
            [
                "status.reservedFor[1]: Duplicate value: \"u\"",
                "status.reservedFor: Forbidden: may not be specified when `allocated` is not set",
            ]
        );
        let changed = says(given, json!({"allocation": allocation("x")}));
        assert!(changed[0].ends_with("field is immutable"), "{changed:?}");
        let unknown = says(json!({}), json!({"allocation": allocation("x")}));
        assert!(
            unknown[0].starts_with(
                "status.allocation.devices.results[0].request: Invalid value: \"x\": must be the \
                 name of a request"
            ),
            "{unknown:?}"
        );
    }

    #[test]
    fn drivers_speak_of_devices_that_were_given() {
        let device = |name: &str, ip: &str| json!({"driver": "e.com", "pool": "p", "device": name, "networkData": {"ips": [ip]}});
        let new = json!({"allocation": allocation("r"),
            "devices": [device("d", "10.0.0.1/8"), device("x", "2001:DB8::1/64")]});
        let given = json!({"allocation": allocation("r")});
        assert_eq!(
            says(given, new),
            [
                "status.devices[1]: Invalid value: {\"Device\":\"x\",\"Driver\":\"e.com\",\
                 \"Pool\":\"p\"}: must be an allocated device in the claim",
                "status.devices[1].networkData.ips[0]: Invalid value: \"2001:DB8::1/64\": must be \
                 in canonical form (\"2001:db8::1/64\")",
            ]
        );
    }
}
