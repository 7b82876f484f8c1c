//! Config maps and secrets: keys, sizes, and what a secret of a type must hold.

use serde_json::Value;

use crate::error::Errors;
use crate::format;
use crate::limits::DATA_BYTES_MAX;
use crate::path::Path;
use crate::value::{entries, is_set, is_true, same, text};

pub(super) fn config_map(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    if let Some(old) = old {
        immutable(object, old, &["data", "binaryData"], errors);
    }
    let mut bytes = 0;
    let (data, binary) = (Path::root("data"), Path::root("binaryData"));
    for (key, value) in entries(&object["data"]) {
        let path = data.key(key);
        errors.each(&path, key, format::config_key(key));
        if is_set(&object["binaryData"][key]) {
            errors.invalid(
                &path,
                key.as_str(),
                "duplicate of key present in binaryData",
            );
        }
        bytes += text(value).len();
    }
    for (key, value) in entries(&object["binaryData"]) {
        errors.each(&binary.key(key), key, format::config_key(key));
        bytes += decoded_bytes(text(value));
    }
    if bytes > DATA_BYTES_MAX {
        errors.too_long(&Path::root(""), DATA_BYTES_MAX);
    }
}

/// How many bytes a text in base64 stands for.
fn decoded_bytes(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

/// What was once declared immutable stays, and stays so.
fn immutable(new: &Value, old: &Value, fields: &[&str], errors: &mut Errors) {
    if !is_true(&old["immutable"]) {
        return;
    }
    let message = "field is immutable when `immutable` is set";
    if !is_true(&new["immutable"]) {
        errors.forbidden(&Path::root("immutable"), message);
    }
    for field in fields {
        if !same(&new[*field], &old[*field]) {
            errors.forbidden(&Path::root(field), message);
        }
    }
}

pub(super) fn secret(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    if let Some(old) = old {
        errors.immutable(&Path::root("type"), &object["type"], &old["type"]);
        immutable(object, old, &["data"], errors);
    }
    let data = Path::root("data");
    let mut bytes = 0;
    for (key, value) in entries(&object["data"]) {
        errors.each(&data.key(key), key, format::config_key(key));
        bytes += decoded_bytes(text(value));
    }
    if bytes > DATA_BYTES_MAX {
        errors.too_long(&data, DATA_BYTES_MAX);
    }
    required_keys(object, errors);
}

fn required_keys(object: &Value, errors: &mut Errors) {
    let data = Path::root("data");
    let value = |key: &str| object["data"].get(key);
    let mut require = |key: &str| {
        if value(key).is_none() {
            errors.required(&data.key(key), "");
        }
    };
    match text(&object["type"]) {
        "kubernetes.io/service-account-token" => {
            let account = "kubernetes.io/service-account.name";
            if text(&object["metadata"]["annotations"][account]).is_empty() {
                let metadata = Path::root("metadata");
                errors.required(&metadata.child("annotations").key(account), "");
            }
        }
        "kubernetes.io/dockercfg" => docker_config(object, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => docker_config(object, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth"
            if value("username").is_none() && value("password").is_none() =>
        {
            require("username");
            require("password");
        }
        "kubernetes.io/ssh-auth"
            if value("ssh-privatekey").is_none_or(|key| text(key).is_empty()) =>
        {
            errors.required(&data.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            require("tls.crt");
            require("tls.key");
        }
        _ => {}
    }
}

fn docker_config(object: &Value, key: &str, errors: &mut Errors) {
    let data = Path::root("data");
    let Some(config) = object["data"].get(key) else {
        return errors.required(&data.key(key), "");
    };
    let bytes = decode(text(config));
    let is_map =
        serde_json::from_slice::<Value>(&bytes).is_ok_and(|v| v.is_object() || v.is_null());
    if !is_map {
        let message = match bytes.first() {
            None => "unexpected end of JSON input".to_owned(),
            Some(first) => format!(
                "invalid character '{}' looking for beginning of value",
                char::from(*first).escape_default()
            ),
        };
        errors.invalid(&data.key(key), "<secret contents redacted>", message);
    }
}

/// Reads base64, leaving out what is none.
fn decode(base64: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(base64.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in base64.bytes().filter_map(digit) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::summary;
    use crate::validate::{validate_create, validate_update};

    fn created(kind: &str, mut object: Value) -> String {
        object["metadata"]["name"] = json!("a");
        object["metadata"]["namespace"] = json!("n");
        summary(&validate_create("", kind, true, &object))
    }

    fn updated(kind: &str, new: Value, old: Value) -> String {
        let with = |mut object: Value| {
            object["metadata"] = json!({"name": "a", "namespace": "n", "resourceVersion": "1"});
            object
        };
        summary(&validate_update("", kind, "", &with(new), &with(old)))
    }

    #[test]
    fn keys_are_file_names() {
        assert_eq!(
            created("ConfigMap", json!({"data": {"a b": "x"}})),
            "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric \
             characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex \
             used for validation is '[-._a-zA-Z0-9]+')"
        );
        assert_eq!(
            created("Secret", json!({"data": {"..x": ""}})),
            "data[..x]: Invalid value: \"..x\": must not start with '..'"
        );
        assert_eq!(
            created(
                "ConfigMap",
                json!({"data": {"a": "x"}, "binaryData": {"a": "eA=="}})
            ),
            "data[a]: Invalid value: \"a\": duplicate of key present in binaryData"
        );
    }

    #[test]
    fn data_is_a_megabyte_at_most() {
        let most = "x".repeat(DATA_BYTES_MAX);
        assert_eq!(created("ConfigMap", json!({"data": {"a": most}})), "[]");
        let more = json!({"data": {"a": most, "b": "x"}});
        assert_eq!(
            created("ConfigMap", more),
            ": Too long: may not be more than 1048576 bytes"
        );
        let encoded = "AAAA".repeat(DATA_BYTES_MAX / 3 + 1);
        assert_eq!(
            created("Secret", json!({"data": {"a": encoded}})),
            "data: Too long: may not be more than 1048576 bytes"
        );
    }

    #[test]
    fn a_secret_of_a_type_holds_what_the_type_says() {
        for (kind, message) in [
            (
                "kubernetes.io/tls",
                "[data[tls.crt]: Required value, data[tls.key]: Required value]",
            ),
            (
                "kubernetes.io/ssh-auth",
                "data[ssh-privatekey]: Required value",
            ),
            (
                "kubernetes.io/dockerconfigjson",
                "data[.dockerconfigjson]: Required value",
            ),
            (
                "kubernetes.io/dockercfg",
                "data[.dockercfg]: Required value",
            ),
            (
                "kubernetes.io/basic-auth",
                "[data[username]: Required value, data[password]: Required value]",
            ),
            (
                "kubernetes.io/service-account-token",
                "metadata.annotations[kubernetes.io/service-account.name]: Required value",
            ),
            ("example.com/any", "[]"),
        ] {
            assert_eq!(
                created("Secret", json!({ "type": kind })),
                message,
                "{kind}"
            );
        }
        let config = |data: &str| json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": data}});
        assert_eq!(created("Secret", config("e30=")), "[]");
        assert_eq!(
            created("Secret", config("bm8=")),
            "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid \
             character 'n' looking for beginning of value"
        );
    }

    #[test]
    fn what_is_immutable_stays() {
        let old = json!({"immutable": true, "data": {"a": "x"}});
        assert_eq!(updated("ConfigMap", old.clone(), old.clone()), "[]");
        assert_eq!(
            updated("ConfigMap", json!({"data": {"a": "y"}}), old.clone()),
            "[immutable: Forbidden: field is immutable when `immutable` is set, data: Forbidden: \
             field is immutable when `immutable` is set]"
        );
        assert_eq!(
            updated("Secret", json!({"type": "b/c"}), json!({"type": "Opaque"})),
            "type: Invalid value: \"b/c\": field is immutable"
        );
    }
}
