//! The checks of the restricted level: what hardened pods do.

use std::collections::BTreeSet;

use serde_json::Value;

use super::baseline::{added, seccomp};
use super::pod::{Pod, context, named, plural, quoted, set_of, setters, texts};
use crate::value::{items, text};

pub(super) fn dropped_capabilities(pod: &Pod<'_>, minor: u32) -> Option<(&'static str, String)> {
    if minor >= 25 && pod.is_windows() {
        return None;
    }
    let drops_all = |container: &Value| {
        let dropped = items(container, "/securityContext/capabilities/drop");
        texts(dropped).any(|one| one == "ALL")
    };
    let odd = |capability: &&str| *capability != "NET_BIND_SERVICE";
    let keeping = pod.names(|container| !drops_all(container));
    let adding = pod.names(|container| added(container).any(|one| odd(&one)));
    let found = set_of(pod.containers().flat_map(added).filter(odd));
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!(
            "{} must set securityContext.capabilities.drop=[\"ALL\"]",
            named(&keeping)
        ));
    }
    if !adding.is_empty() {
        details.push(format!(
            "{} must not include {} in securityContext.capabilities.add",
            named(&adding),
            quoted(found)
        ));
    }
    (!details.is_empty()).then(|| ("unrestricted capabilities", details.join("; ")))
}

pub(super) fn seccomp_set(pod: &Pod<'_>, minor: u32) -> Option<(&'static str, String)> {
    if minor >= 25 && pod.is_windows() {
        return None;
    }
    if let Some(explicit) = seccomp(pod, minor) {
        return Some(explicit);
    }
    let has_own = |container: &Value| context(container, "/seccompProfile").is_some();
    let open = match pod.context("/seccompProfile") {
        Some(_) => Vec::new(),
        None => pod.names(|container| !has_own(container)),
    };
    (!open.is_empty()).then(|| {
        let detail = format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            named(&open)
        );
        ("seccompProfile", detail)
    })
}

pub(super) fn privilege_escalation(pod: &Pod<'_>, minor: u32) -> Option<(&'static str, String)> {
    if minor >= 25 && pod.is_windows() {
        return None;
    }
    let no = Some(&Value::Bool(false));
    let bad = pod.names(|container| context(container, "/allowPrivilegeEscalation") != no);
    (!bad.is_empty()).then(|| {
        let detail = format!(
            "{} must set securityContext.allowPrivilegeEscalation=false",
            named(&bad)
        );
        ("allowPrivilegeEscalation != false", detail)
    })
}

const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

pub(super) fn volumes(pod: &Pod<'_>, _: u32) -> Option<(&'static str, String)> {
    let is_bad = |volume: &&Value| !VOLUMES.iter().any(|kind| volume.get(*kind).is_some());
    let bad: Vec<&Value> = items(pod.spec, "/volumes").iter().filter(is_bad).collect();
    if bad.is_empty() {
        return None;
    }
    let kind = |volume: &Value| -> String {
        let fields = volume.as_object().into_iter().flatten();
        let mut kinds = fields.filter(|(name, value)| *name != "name" && !value.is_null());
        kinds
            .next()
            .map_or_else(|| "unknown".into(), |(name, _)| name.clone())
    };
    let kinds: BTreeSet<String> = bad.iter().map(|volume| kind(volume)).collect();
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", "volumes", bad.len()),
        quoted(bad.iter().map(|volume| text(volume, "/name"))),
        plural("uses", "use", bad.len()),
        plural(
            "restricted volume type",
            "restricted volume types",
            kinds.len()
        ),
        quoted(kinds.iter().map(String::as_str))
    );
    Some(("restricted volume types", detail))
}

pub(super) fn non_root(pod: &Pod<'_>, minor: u32) -> Option<(&'static str, String)> {
    const PATH: &str = "/runAsNonRoot";
    const REASON: &str = "runAsNonRoot != true";
    if minor >= 35 && pod.has_user_namespace() {
        return None;
    }
    let (yes, no) = (Some(&Value::Bool(true)), Some(&Value::Bool(false)));
    let refusing = pod.names(|container| context(container, PATH) == no);
    if let Some(who) = setters(pod.context(PATH) == no, &refusing) {
        let detail = format!("{who} must not set securityContext.runAsNonRoot=false");
        return Some((REASON, detail));
    }
    let open = match pod.context(PATH) == yes {
        true => Vec::new(),
        false => pod.names(|container| context(container, PATH).is_none()),
    };
    (!open.is_empty()).then(|| {
        let detail = format!(
            "pod or {} must set securityContext.runAsNonRoot=true",
            named(&open)
        );
        (REASON, detail)
    })
}

pub(super) fn root_user(pod: &Pod<'_>, minor: u32) -> Option<(&'static str, String)> {
    if minor >= 35 && pod.has_user_namespace() {
        return None;
    }
    let is_root = |user: Option<&Value>| user.and_then(Value::as_i64) == Some(0);
    let containers = pod.names(|container| is_root(context(container, "/runAsUser")));
    let who = setters(is_root(pod.context("/runAsUser")), &containers)?;
    Some(("runAsUser=0", format!("{who} must not set runAsUser=0")))
}
