//! As whom a pod and its containers run, and what confines them.

use serde_json::Value;

use crate::error::Errors;
use crate::format::inclusive_range;
use crate::path::Path;
use crate::validate::rules::{choice_if_set, descending_path};
use crate::value::{is_set, is_true, list, text};

const PROFILE_BYTES_MAX: usize = 4095;
const SYSCTL_BYTES_MAX: usize = 253;
const SYSCTL_REGEX: &str =
    r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

fn id(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(id) = value.as_i64()
        && !(0..=i64::from(i32::MAX)).contains(&id)
    {
        errors.invalid(path, id, inclusive_range(0, i64::from(i32::MAX)));
    }
}

/// The context of a whole pod.
pub(super) fn pod(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let context = &spec["securityContext"];
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(&context[field], &path.child(field), errors);
    }
    let groups = path.child("supplementalGroups");
    for (i, group) in list(&context["supplementalGroups"]).iter().enumerate() {
        id(group, &groups.index(i), errors);
    }
    if is_true(&spec["shareProcessNamespace"]) && is_true(&spec["hostPID"]) {
        let message = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&path.child("shareProcessNamespace"), true, message);
    }
    sysctls(spec, &path.child("sysctls"), errors);
    for (field, words) in [
        ("fsGroupChangePolicy", ["Always", "OnRootMismatch"]),
        ("supplementalGroupsPolicy", ["Merge", "Strict"]),
        ("seLinuxChangePolicy", ["MountOption", "Recursive"]),
    ] {
        choice_if_set(&context[field], &words, &path.child(field), errors);
    }
    seccomp(
        &context["seccompProfile"],
        &path.child("seccompProfile"),
        errors,
    );
    app_armor(
        &context["appArmorProfile"],
        &path.child("appArmorProfile"),
        errors,
    );
}

fn sysctls(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut names: Vec<&str> = Vec::new();
    for (i, sysctl) in list(&spec["securityContext"]["sysctls"]).iter().enumerate() {
        let item = path.index(i);
        let path = item.child("name");
        let name = text(&sysctl["name"]);
        if name.is_empty() {
            errors.required(&path, "");
        } else if name.len() > SYSCTL_BYTES_MAX || !is_sysctl(name) {
            let message = format!(
                "must have at most {SYSCTL_BYTES_MAX} characters and match regex {SYSCTL_REGEX}"
            );
            errors.invalid(&path, name, message);
        } else if names.contains(&name) {
            errors.duplicate(&path, name);
        }
        names.push(name);
        let dotted = name.replace('/', ".");
        for (prefixes, field) in [
            (&["net."][..], "hostNetwork"),
            (
                &["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."][..],
                "hostIPC",
            ),
        ] {
            let is_of = prefixes.iter().any(|prefix| dotted.starts_with(prefix));
            if is_of && is_true(&spec[field]) {
                let message = format!("may not be specified when '{field}' is true");
                errors.invalid(&path, name, message);
            }
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    name.split(['.', '/']).all(|part| {
        let is_edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().is_some_and(is_edge)
            && bytes.last().is_some_and(is_edge)
            && bytes.iter().all(|b| is_edge(b) || matches!(b, b'-' | b'_'))
    })
}

/// The context of one container.
pub(super) fn container(
    context: &Value,
    has_host_users: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    for field in ["runAsUser", "runAsGroup"] {
        id(&context[field], &path.child(field), errors);
    }
    if let Some(mount) = context["procMount"].as_str() {
        let path = path.child("procMount");
        choice_if_set(
            &context["procMount"],
            &["Default", "Unmasked"],
            &path,
            errors,
        );
        if has_host_users && mount == "Unmasked" {
            errors.invalid(&path, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    seccomp(
        &context["seccompProfile"],
        &path.child("seccompProfile"),
        errors,
    );
    if context["allowPrivilegeEscalation"] == false {
        let mut refuse = |with: &str| {
            let message = format!("cannot set `allowPrivilegeEscalation` to false and {with}");
            errors.invalid(path, context.clone(), message);
        };
        if is_true(&context["privileged"]) {
            refuse("`privileged` to true");
        }
        if list(&context["capabilities"]["add"])
            .iter()
            .any(|c| c == "CAP_SYS_ADMIN")
        {
            refuse("`capabilities.Add` CAP_SYS_ADMIN");
        }
    }
    app_armor(
        &context["appArmorProfile"],
        &path.child("appArmorProfile"),
        errors,
    );
}

const PROFILE_TYPES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn seccomp(profile: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !is_set(profile) {
        return;
    }
    let kind = text(&profile["type"]);
    match kind {
        "" => errors.required(
            &path.child("type"),
            "type is required when seccompProfile is set",
        ),
        kind if PROFILE_TYPES.contains(&kind) => {}
        kind => errors.not_supported(&path.child("type"), kind, PROFILE_TYPES),
    }
    let path = path.child("localhostProfile");
    match (kind, profile["localhostProfile"].as_str()) {
        ("Localhost", None) => errors.required(&path, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(file)) => descending_path(file, &path, errors),
        (_, Some(_)) => {
            let message = "can only be set when seccomp type is Localhost";
            errors.invalid(&path, profile.clone(), message);
        }
        (_, None) => {}
    }
}

fn app_armor(profile: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !is_set(profile) {
        return;
    }
    let at = path.child("localhostProfile");
    match (text(&profile["type"]), profile["localhostProfile"].as_str()) {
        ("Localhost", None | Some("")) => {
            errors.required(&at, "must be set when AppArmor type is Localhost");
        }
        ("Localhost", Some(name)) => {
            if name.trim() != name {
                errors.invalid(&at, name, "must not be padded with whitespace");
            }
            if name.len() > PROFILE_BYTES_MAX {
                errors.too_long(&at, PROFILE_BYTES_MAX);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => {
            errors.invalid(&at, name, "can only be set when AppArmor type is Localhost");
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => {
            let message = "type is required when appArmorProfile is set";
            errors.required(&path.child("type"), message);
        }
        (kind, _) => errors.not_supported(&path.child("type"), kind, PROFILE_TYPES),
    }
}
