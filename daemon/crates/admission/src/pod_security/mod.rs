//! PodSecurity: a namespace's labels say how much of a node its pods may touch.
//!
//! Levels, versions and words are those of the Pod Security Standards. Labels that cannot be read
//! mean the strictest level for enforcing, and nothing for warning.

mod baseline;
mod checks;
mod pod;
mod restricted;

use serde_json::Value;
use skerry_kinds::{ErrorKind, FieldError};

use crate::Refused;
use crate::value::items;
use pod::Pod;

const PREFIX: &str = "pod-security.kubernetes.io/";

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Privileged,
    /// What does not lead to known ways out of a container.
    Baseline,
    /// What hardened pods do.
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Option<Level> {
        Some(match text {
            "privileged" => Self::Privileged,
            "baseline" => Self::Baseline,
            "restricted" => Self::Restricted,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

/// A level as some version of Kubernetes defined it; no version: the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standard {
    /// How much.
    pub level: Level,
    /// The minor version.
    pub minor: Option<u32>,
}

impl std::fmt::Display for Standard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.minor {
            None => write!(f, "{}:latest", self.level.name()),
            Some(minor) => write!(f, "{}:v1.{minor}", self.level.name()),
        }
    }
}

/// What a namespace asks of its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What violates this is refused.
    pub enforce: Standard,
    /// What violates this is told.
    pub warn: Standard,
}

impl Policy {
    /// Whether it asks nothing at all.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.enforce.level == Level::Privileged && self.warn.level == Level::Privileged
    }
}

fn version(text: &str) -> Option<Option<u32>> {
    if text == "latest" {
        return Some(None);
    }
    let digits = text.strip_prefix("v1.")?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number && (digits.len() == 1 || !digits.starts_with('0'));
    is_plain.then(|| digits.parse().ok()).flatten().map(Some)
}

/// The policy of a namespace, and what is wrong with its labels.
#[must_use]
pub fn policy(namespace: &Value) -> (Policy, Vec<FieldError>) {
    let labels = namespace.pointer("/metadata/labels");
    let mut errors = Vec::new();
    let label = |name: &str| {
        let key = format!("{PREFIX}{name}");
        let value = labels?.get(&key)?.as_str()?;
        Some((key, value.to_owned()))
    };
    let mut read = |mode: &str, fails_to: Level| {
        let mut standard = Standard {
            level: Level::Privileged,
            minor: None,
        };
        let (mut said_level, mut said_version) = (None, false);
        if let Some((key, value)) = label(mode) {
            said_level = Level::parse(&value);
            standard.level = said_level.unwrap_or(fails_to);
            if said_level.is_none() {
                let why = "must be one of privileged, baseline, restricted";
                errors.push(invalid(&key, value, why));
            }
        }
        if let Some((key, value)) = label(&format!("{mode}-version")) {
            said_version = true;
            match version(&value) {
                Some(minor) => standard.minor = minor,
                None => errors.push(invalid(&key, value, "must be \"latest\" or \"v1.x\"")),
            }
        }
        (standard, said_level.is_some(), said_version)
    };
    let (enforce, enforces, _) = read("enforce", Level::Restricted);
    // It would go into the audit log only.
    let _ = read("audit", Level::Privileged);
    let (mut warn, _, warn_version) = read("warn", Level::Privileged);
    if label("warn").is_none() && enforces && enforce.level > warn.level {
        warn.level = enforce.level;
        if !warn_version {
            warn.minor = enforce.minor;
        }
    }
    (Policy { enforce, warn }, errors)
}

fn invalid(key: &str, value: String, why: &str) -> FieldError {
    FieldError {
        kind: ErrorKind::Invalid,
        field: format!("metadata.labels[{key}]"),
        bad_value: Value::String(value),
        detail: why.to_owned(),
    }
}

/// One way in which a pod violates a standard: in short, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    reason: String,
    detail: String,
}

fn violations(standard: Standard, metadata: &Value, spec: &Value) -> Vec<Violation> {
    checks::all(standard, &Pod { metadata, spec })
}

fn in_full(violations: &[Violation]) -> String {
    let each = violations.iter().map(|violation| {
        let Violation { reason, detail } = violation;
        match detail.as_str() {
            "" => reason.clone(),
            detail => format!("{reason} ({detail})"),
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Judges a pod: refused, or told what it violates.
pub fn pod(policy: &Policy, pod: &Value) -> Result<Option<String>, Refused> {
    let (metadata, spec) = (&pod["metadata"], &pod["spec"]);
    let enforced = violations(policy.enforce, metadata, spec);
    if !enforced.is_empty() {
        return Err(format!(
            "violates PodSecurity {:?}: {}",
            policy.enforce.to_string(),
            in_full(&enforced)
        )
        .into());
    }
    Ok(warning(policy, metadata, spec))
}

/// Judges what makes pods: it is told what these would violate.
#[must_use]
pub fn template(policy: &Policy, group: &str, kind: &str, object: &Value) -> Option<String> {
    let at = match (group, kind) {
        ("", "PodTemplate") => "/template",
        ("", "ReplicationController")
        | ("apps", "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job") => "/spec/template",
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template",
        _ => return None,
    };
    let template = object.pointer(at)?;
    warning(policy, &template["metadata"], &template["spec"])
}

fn warning(policy: &Policy, metadata: &Value, spec: &Value) -> Option<String> {
    let found = violations(policy.warn, metadata, spec);
    (!found.is_empty()).then(|| {
        format!(
            "would violate PodSecurity {:?}: {}",
            policy.warn.to_string(),
            in_full(&found)
        )
    })
}

/// Whether another state of a pod has to be judged anew: containers that are new, or run something
/// else.
#[must_use]
pub fn is_significant(next: &Value, old: &Value) -> bool {
    let differs = |field: &str| {
        let path = format!("/spec/{field}");
        let (next, old) = (items(next, &path), items(old, &path));
        let image = |container: &Value| container.get("image").cloned();
        next.len() != old.len() || next.iter().map(image).ne(old.iter().map(image))
    };
    ["containers", "initContainers", "ephemeralContainers"]
        .into_iter()
        .any(differs)
}

/// What is told to whoever makes a namespace stricter: which of its pods would not be let in again.
#[must_use]
pub fn stricter(name: &str, next: &Policy, old: &Policy, pods: &[Value]) -> Vec<String> {
    let (now, before) = (next.enforce, old.enforce);
    let is_laxer = now.minor == before.minor && now.level <= before.level;
    if now == before || now.level == Level::Privileged || is_laxer {
        return Vec::new();
    }
    let mut found: Vec<(String, &str, usize)> = Vec::new();
    for pod in pods {
        let violated = violations(now, &pod["metadata"], &pod["spec"]);
        if violated.is_empty() {
            continue;
        }
        let reasons = violated.iter().map(|violation| violation.reason.as_str());
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
        match found.iter_mut().find(|(known, ..)| *known == reasons) {
            None => found.push((reasons, pod, 1)),
            Some((_, first, count)) => {
                *first = (*first).min(pod);
                *count += 1;
            }
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> = found
        .into_iter()
        .map(|(reasons, first, count)| match count {
            1 => format!("{first}: {reasons}"),
            2 => format!("{first} (and 1 other pod): {reasons}"),
            count => format!("{first} (and {} other pods): {reasons}", count - 1),
        })
        .collect();
    lines.sort();
    lines.insert(
        0,
        format!(
            "existing pods in namespace {name:?} violate the new PodSecurity enforce level {:?}",
            now.to_string()
        ),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(labels: Value) -> (Policy, Vec<FieldError>) {
        let labels: serde_json::Map<String, Value> = labels
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (format!("{PREFIX}{name}"), value.clone()))
            .collect();
        policy(&json!({"metadata": {"labels": labels}}))
    }

    #[test]
    fn a_plain_pod_violates_restricted_in_upstreams_words() {
        let (policy, errors) = of(json!({"enforce": "restricted"}));
        assert!(errors.is_empty());
        let plain = json!({"spec": {"containers": [{"name": "nginx"}]}});
        assert_eq!(
            pod(&policy, &plain).unwrap_err().0,
            "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"nginx\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"nginx\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"nginx\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"nginx\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
        );
        let hardened = json!({"spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "nginx", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            }}],
        }});
        assert_eq!(pod(&policy, &hardened).unwrap(), None);
    }

    #[test]
    fn a_namespace_that_enforces_also_warns_of_deployments() {
        let (policy, _) = of(json!({"enforce": "baseline", "enforce-version": "v1.30"}));
        let deployment = json!({"spec": {"template": {"spec": {"hostNetwork": true}}}});
        assert_eq!(
            template(&policy, "apps", "Deployment", &deployment).unwrap(),
            "would violate PodSecurity \"baseline:v1.30\": host namespaces (hostNetwork=true)"
        );
        assert_eq!(template(&policy, "", "Service", &deployment), None);
    }

    #[test]
    fn labels_that_cannot_be_read_are_named() {
        let (policy, errors) = of(json!({"enforce": "tight", "warn-version": "v2.0"}));
        assert_eq!(policy.enforce.level, Level::Restricted);
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "metadata.labels[pod-security.kubernetes.io/enforce]",
                "metadata.labels[pod-security.kubernetes.io/warn-version]"
            ]
        );
    }

    #[test]
    fn whoever_makes_a_namespace_stricter_hears_of_its_pods() {
        let (open, _) = of(json!({}));
        let (baseline, _) = of(json!({"enforce": "baseline"}));
        let pods = ["b", "a", "c"].map(
            |name| json!({"metadata": {"name": name}, "spec": {"hostPID": true, "containers": []}}),
        );
        assert_eq!(
            stricter("n", &baseline, &open, &pods),
            [
                "existing pods in namespace \"n\" violate the new PodSecurity enforce level \"baseline:latest\"",
                "a (and 2 other pods): host namespaces"
            ]
        );
        assert!(stricter("n", &open, &baseline, &pods).is_empty());
    }
}
