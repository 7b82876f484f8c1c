//! Containers of all three sorts: names, images, ports, mounts.

use serde_json::Value;

use super::environment;
use super::probes::lifecycle_and_probes;
use super::security;
use super::volume::Volumes;
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::validate::resources::{self, Whose};
use crate::validate::rules::{PROTOCOLS, choice, descending_path, label, port_number};
use crate::value::{int, is_set, is_true, len, list, text};

/// What a container is seen within.
pub(super) struct Context<'v> {
    pub(super) spec: &'v Value,
    pub(super) volumes: &'v Volumes<'v>,
    pub(super) claims: &'v [&'v str],
    /// The pod's grace period, in seconds.
    pub(super) grace: Option<i64>,
}

/// All containers of a pod.
pub(super) fn containers(context: &Context<'_>, path: &Path<'_>, errors: &mut Errors) {
    let spec = context.spec;
    let regular = list(&spec["containers"]);
    let regular_path = path.child("containers");
    if regular.is_empty() {
        errors.required(&regular_path, "");
    }
    let mut names: Vec<&str> = Vec::new();
    for (i, container) in regular.iter().enumerate() {
        let path = regular_path.index(i);
        common(container, context, &path, errors);
        unique_name(container, &mut names, &path, errors);
        lifecycle_and_probes(container, context, &path, errors);
        restart_policy(container, &path, errors);
    }
    host_port_conflicts(regular, &regular_path, errors);
    let init_path = path.child("initContainers");
    for (i, container) in list(&spec["initContainers"]).iter().enumerate() {
        let path = init_path.index(i);
        common(container, context, &path, errors);
        restart_policy(container, &path, errors);
        unique_name(container, &mut names, &path, errors);
        host_port_conflicts(std::slice::from_ref(container), &init_path, errors);
        if container["restartPolicy"] == "Always" {
            lifecycle_and_probes(container, context, &path, errors);
        } else {
            for field in [
                "lifecycle",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
            ] {
                if is_set(&container[field]) {
                    let message = "may not be set for init containers without restartPolicy=Always";
                    errors.forbidden(&path.child(field), message);
                }
            }
        }
    }
    let ephemeral_path = path.child("ephemeralContainers");
    let targets = names.clone();
    for (i, container) in list(&spec["ephemeralContainers"]).iter().enumerate() {
        ephemeral(
            container,
            context,
            &mut names,
            &targets,
            &ephemeral_path.index(i),
            errors,
        );
    }
}

fn unique_name<'v>(
    container: &'v Value,
    names: &mut Vec<&'v str>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let name = text(&container["name"]);
    if names.contains(&name) {
        errors.duplicate(&path.child("name"), name);
    } else {
        names.push(name);
    }
}

fn ephemeral<'v>(
    container: &'v Value,
    context: &Context<'_>,
    names: &mut Vec<&'v str>,
    targets: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    common(container, context, path, errors);
    image_without_padding(container, path, errors);
    unique_name(container, names, path, errors);
    let target = text(&container["targetContainerName"]);
    if !target.is_empty() && !targets.contains(&target) {
        errors.not_found(&path.child("targetContainerName"), target);
    }
    let message = "cannot be set for an Ephemeral Container";
    for field in [
        "ports",
        "resources",
        "resizePolicy",
        "restartPolicy",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
    ] {
        let value = &container[field];
        if is_set(value) && (len(value) > 0 || value.is_string()) {
            errors.forbidden(&path.child(field), message);
        }
    }
    let mounts = path.child("volumeMounts");
    for (i, mount) in list(&container["volumeMounts"]).iter().enumerate() {
        for field in ["subPath", "subPathExpr"] {
            if !text(&mount[field]).is_empty() {
                errors.forbidden(&mounts.index(i).child(field), message);
            }
        }
    }
}

fn common(container: &Value, context: &Context<'_>, path: &Path<'_>, errors: &mut Errors) {
    let name = text(&container["name"]);
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    } else {
        label(name, &path.child("name"), errors);
    }
    if text(&container["image"]).is_empty() {
        errors.required(&path.child("image"), "");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    let policy = &container["terminationMessagePolicy"];
    choice(
        policy,
        &policies,
        &path.child("terminationMessagePolicy"),
        errors,
    );
    ports(&container["ports"], &path.child("ports"), errors);
    environment::variables(&container["env"], &path.child("env"), errors);
    environment::sources(&container["envFrom"], &path.child("envFrom"), errors);
    mounts(container, context, path, errors);
    devices(container, context, path, errors);
    let policies = ["Always", "IfNotPresent", "Never"];
    let policy = &container["imagePullPolicy"];
    choice(policy, &policies, &path.child("imagePullPolicy"), errors);
    let resources = &container["resources"];
    let at = path.child("resources");
    resources::requirements(resources, Whose::Container, context.claims, &at, errors);
    resize_policy(container, context, &path.child("resizePolicy"), errors);
    let has_host_users = context.spec["hostUsers"] != false;
    let security = &container["securityContext"];
    security::container(
        security,
        has_host_users,
        &path.child("securityContext"),
        errors,
    );
}

pub(super) fn image_without_padding(container: &Value, path: &Path<'_>, errors: &mut Errors) {
    let image = text(&container["image"]);
    if image.trim() != image {
        let message = "must not have leading or trailing whitespace";
        errors.invalid(&path.child("image"), image, message);
    }
}

fn ports(ports: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut names: Vec<&str> = Vec::new();
    for (i, port) in list(ports).iter().enumerate() {
        let path = path.index(i);
        let name = text(&port["name"]);
        if !name.is_empty() {
            let messages = format::port_name(name);
            if !messages.is_empty() {
                errors.each(&path.child("name"), name, messages);
            } else if names.contains(&name) {
                errors.duplicate(&path.child("name"), name);
            } else {
                names.push(name);
            }
        }
        match int(&port["containerPort"]) {
            0 => errors.required(&path.child("containerPort"), ""),
            _ => port_number(&port["containerPort"], &path.child("containerPort"), errors),
        }
        if int(&port["hostPort"]) != 0 {
            port_number(&port["hostPort"], &path.child("hostPort"), errors);
        }
        choice(
            &port["protocol"],
            PROTOCOLS,
            &path.child("protocol"),
            errors,
        );
    }
}

fn host_port_conflicts(containers: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let mut taken: Vec<String> = Vec::new();
    for (i, container) in containers.iter().enumerate() {
        let container_path = path.index(i);
        let ports = container_path.child("ports");
        for (j, port) in list(&container["ports"]).iter().enumerate() {
            let number = int(&port["hostPort"]);
            if number == 0 {
                continue;
            }
            let (protocol, ip) = (text(&port["protocol"]), text(&port["hostIP"]));
            let key = format!("{protocol}/{ip}/{number}");
            if taken.contains(&key) {
                errors.duplicate(&ports.index(j).child("hostPort"), key.as_str());
            } else {
                taken.push(key);
            }
        }
    }
}

fn mounts(container: &Value, context: &Context<'_>, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("volumeMounts");
    let devices = list(&container["volumeDevices"]);
    let mut points: Vec<&str> = Vec::new();
    for (i, mount) in list(&container["volumeMounts"]).iter().enumerate() {
        let at = path.index(i);
        let (name, point) = (text(&mount["name"]), text(&mount["mountPath"]));
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if context.volumes.find(name).is_none() {
            errors.not_found(&at.child("name"), name);
        }
        if point.is_empty() {
            errors.required(&at.child("mountPath"), "");
        }
        if points.contains(&point) {
            errors.invalid(&at.child("mountPath"), point, "must be unique");
        }
        points.push(point);
        if devices.iter().any(|device| text(&device["name"]) == name) {
            errors.invalid(
                &at.child("name"),
                name,
                "must not already exist in volumeDevices",
            );
        }
        if devices
            .iter()
            .any(|device| text(&device["devicePath"]) == point)
        {
            let message = "must not already exist as a path in volumeDevices";
            errors.invalid(&at.child("mountPath"), point, message);
        }
        // The list, not its element, is what upstream names here.
        let (sub, expression) = (text(&mount["subPath"]), text(&mount["subPathExpr"]));
        if !sub.is_empty() {
            descending_path(sub, &path.child("subPath"), errors);
        }
        if !expression.is_empty() {
            if !sub.is_empty() {
                let message = "subPathExpr and subPath are mutually exclusive";
                errors.invalid(&at.child("subPathExpr"), expression, message);
            }
            descending_path(expression, &path.child("subPathExpr"), errors);
        }
        propagation(mount, container, &path, errors);
    }
}

fn propagation(mount: &Value, container: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(mode) = mount["mountPropagation"].as_str() {
        let path = path.child("mountPropagation");
        let modes = ["Bidirectional", "HostToContainer", "None"];
        if !modes.contains(&mode) {
            errors.not_supported(&path, mode, &modes);
        }
        if mode == "Bidirectional" && !is_true(&container["securityContext"]["privileged"]) {
            let message =
                "Bidirectional mount propagation is available only to privileged containers";
            errors.forbidden(&path, message);
        }
    }
    if let Some(mode) = mount["recursiveReadOnly"].as_str() {
        let path = path.child("recursiveReadOnly");
        let modes = ["Disabled", "Enabled", "IfPossible"];
        let is_shared = mount["mountPropagation"]
            .as_str()
            .is_some_and(|mode| mode != "None");
        if !modes.contains(&mode) {
            errors.not_supported(&path, mode, &modes);
        } else if mode != "Disabled" {
            if !is_true(&mount["readOnly"]) {
                errors.forbidden(&path, "may only be specified when readOnly is true");
            }
            if is_shared {
                let message =
                    "may only be specified when mountPropagation is None or not specified";
                errors.forbidden(&path, message);
            }
        }
    }
}

fn devices(container: &Value, context: &Context<'_>, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("volumeDevices");
    let mounts = list(&container["volumeMounts"]);
    let (mut names, mut points): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (i, device) in list(&container["volumeDevices"]).iter().enumerate() {
        let at = path.index(i);
        let (name, point) = (text(&device["name"]), text(&device["devicePath"]));
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if names.contains(&name) {
            errors.invalid(&at.child("name"), name, "must be unique");
        }
        match context.volumes.find(name) {
            None => errors.not_found(&at.child("name"), name),
            Some(volume) => {
                if !is_set(&volume["persistentVolumeClaim"]) && !is_set(&volume["ephemeral"]) {
                    let message = "can only use volume source type of PersistentVolumeClaim or \
                                   Ephemeral for block mode";
                    errors.invalid(&at.child("name"), name, message);
                }
            }
        }
        if point.is_empty() {
            errors.required(&at.child("devicePath"), "");
        }
        if points.contains(&point) {
            errors.invalid(&at.child("devicePath"), point, "must be unique");
        }
        if point.split('/').any(|part| part == "..") {
            let message = "can not contain backsteps ('..')";
            errors.invalid(&at.child("devicePath"), point, message);
        } else {
            points.push(point);
        }
        if mounts.iter().any(|mount| text(&mount["name"]) == name) {
            errors.invalid(
                &at.child("name"),
                name,
                "must not already exist in volumeMounts",
            );
        }
        if mounts
            .iter()
            .any(|mount| text(&mount["mountPath"]) == point)
        {
            let message = "must not already exist as a path in volumeMounts";
            errors.invalid(&at.child("devicePath"), point, message);
        }
        names.push(name);
    }
}

fn resize_policy(container: &Value, context: &Context<'_>, path: &Path<'_>, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (i, policy) in list(&container["resizePolicy"]).iter().enumerate() {
        let name = text(&policy["resourceName"]);
        if seen.contains(&name) {
            errors.duplicate(&path.index(i), name);
        }
        seen.push(name);
        choice(&policy["resourceName"], &["cpu", "memory"], path, errors);
        let restart = &policy["restartPolicy"];
        choice(restart, &["NotRequired", "RestartContainer"], path, errors);
        if context.spec["restartPolicy"] == "Never" && restart != "NotRequired" {
            let message = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.invalid(path, text(restart), message);
        }
    }
}

fn restart_policy(container: &Value, path: &Path<'_>, errors: &mut Errors) {
    let rules = list(&container["restartPolicyRules"]);
    match container["restartPolicy"].as_str() {
        None if !rules.is_empty() => {
            let message = "must specify restartPolicy when restart rules are used";
            errors.required(&path.child("restartPolicy"), message);
        }
        None | Some("Always" | "Never" | "OnFailure") => {}
        Some(other) => {
            let path = path.child("restartPolicy");
            errors.not_supported(&path, other, &["Always", "Never", "OnFailure"]);
        }
    }
    let rules_path = path.child("restartPolicyRules");
    if rules.len() > 20 {
        errors.too_long(&rules_path, 20);
    }
    for (i, rule) in rules.iter().enumerate() {
        let path = rules_path.index(i);
        let action = text(&rule["action"]);
        if !matches!(action, "Restart" | "RestartAllContainers") {
            errors.not_supported(&path.child("action"), action, &["Restart"]);
        }
        let codes = &rule["exitCodes"];
        let path = path.child("exitCodes");
        if !is_set(codes) {
            errors.required(&path, "must be specified");
            continue;
        }
        let operator = text(&codes["operator"]);
        if !matches!(operator, "In" | "NotIn") {
            errors.not_supported(&path.child("operator"), operator, &["In", "NotIn"]);
        }
        if len(&codes["values"]) > 255 {
            errors.too_long(&path.child("values"), 255);
        }
    }
}
