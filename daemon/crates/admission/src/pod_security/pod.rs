//! A pod as the checks look at it: itself, and all its containers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::value::{items, text};

/// Metadata and spec, whatever their shape.
pub(super) struct Pod<'p> {
    pub(super) metadata: &'p Value,
    pub(super) spec: &'p Value,
}

impl<'p> Pod<'p> {
    /// Upstream's order: init, main, ephemeral.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'p Value> {
        let spec = self.spec;
        ["/initContainers", "/containers", "/ephemeralContainers"]
            .into_iter()
            .flat_map(move |field| items(spec, field))
    }

    /// Names of the containers for which this holds.
    pub(super) fn names(&self, holds: impl Fn(&Value) -> bool) -> Vec<&'p str> {
        let bad = self.containers().filter(|container| holds(container));
        bad.map(|container| text(container, "/name")).collect()
    }

    /// A field of the pod's own security context.
    pub(super) fn context(&self, path: &str) -> Option<&'p Value> {
        let value = self.spec.pointer("/securityContext")?.pointer(path)?;
        (!value.is_null()).then_some(value)
    }

    pub(super) fn is_windows(&self) -> bool {
        text(self.spec, "/os/name") == "windows"
    }

    /// Whether root in the pod is nobody outside of it.
    pub(super) fn has_user_namespace(&self) -> bool {
        self.spec.get("hostUsers") == Some(&Value::Bool(false))
    }

    pub(super) fn annotations(&self) -> impl Iterator<Item = (&'p str, &'p str)> {
        let all = self.metadata.get("annotations").and_then(Value::as_object);
        let all = all.into_iter().flatten();
        all.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
    }
}

/// A field of a container's security context.
pub(super) fn context<'c>(container: &'c Value, path: &str) -> Option<&'c Value> {
    let value = container.pointer("/securityContext")?.pointer(path)?;
    (!value.is_null()).then_some(value)
}

/// `"a", "b"`
pub(super) fn quoted<'s>(all: impl IntoIterator<Item = &'s str>) -> String {
    let all = all.into_iter().map(|one| format!("\"{one}\""));
    all.collect::<Vec<_>>().join(", ")
}

pub(super) fn plural<'s>(one: &'s str, many: &'s str, count: usize) -> &'s str {
    match count {
        1 => one,
        _ => many,
    }
}

/// `container "a"`, `containers "a", "b"`
pub(super) fn named(containers: &[&str]) -> String {
    let word = plural("container", "containers", containers.len());
    format!("{word} {}", quoted(containers.iter().copied()))
}

/// Who has set something: the pod, some containers, or both; none: nobody.
pub(super) fn setters(pod: bool, containers: &[&str]) -> Option<String> {
    match (pod, containers) {
        (false, []) => None,
        (true, []) => Some("pod".into()),
        (false, containers) => Some(named(containers)),
        (true, containers) => Some(format!("pod and {}", named(containers))),
    }
}

pub(super) fn set_of<'v>(values: impl Iterator<Item = &'v str>) -> BTreeSet<&'v str> {
    values.collect()
}

pub(super) fn texts(values: &[Value]) -> impl Iterator<Item = &str> {
    values.iter().filter_map(Value::as_str)
}
