//! The versions that this server answers for itself: how they rank, and the APIServices of them.
//!
//! Pure. Numbers are upstream's.

use std::cmp::Ordering;

use serde_json::{Value, json};

/// The label of APIServices that the server keeps itself.
pub(super) const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
/// Kept when a server begins to lead.
const ON_START: &str = "onstart";
/// Kept all the time.
const ALWAYS: &str = "true";

/// Ranks of a group and of a version in it: higher comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rank {
    pub(super) group: i64,
    pub(super) version: i64,
}

/// Of versions that definitions of custom resources make.
const CUSTOM: Rank = Rank {
    group: 1000,
    version: 100,
};

/// The group that APIServices are of comes before all others.
pub(super) const OWN_GROUP_RANK: i64 = 20_001;

const GROUPS: [(&str, i64); 22] = [
    ("", 18_000),
    ("apps", 17_800),
    ("events.k8s.io", 17_750),
    ("authentication.k8s.io", 17_700),
    ("authorization.k8s.io", 17_600),
    ("autoscaling", 17_500),
    ("batch", 17_400),
    ("certificates.k8s.io", 17_300),
    ("networking.k8s.io", 17_200),
    ("policy", 17_100),
    ("rbac.authorization.k8s.io", 17_000),
    ("storage.k8s.io", 16_800),
    ("admissionregistration.k8s.io", 16_700),
    ("apiextensions.k8s.io", 16_700),
    ("scheduling.k8s.io", 16_600),
    ("coordination.k8s.io", 16_500),
    ("node.k8s.io", 16_300),
    ("discovery.k8s.io", 16_200),
    ("resource.k8s.io", 16_200),
    ("flowcontrol.apiserver.k8s.io", 16_100),
    ("internal.apiserver.k8s.io", 16_000),
    (super::GROUP, OWN_GROUP_RANK),
];

/// How a built-in version ranks; nothing for what is none.
pub(super) fn built_in(group: &str, version: &str) -> Option<Rank> {
    let (_, rank) = GROUPS.iter().find(|(name, _)| *name == group)?;
    let version = match (group, version) {
        ("", _) => 1,
        ("autoscaling", "v2") => 30,
        ("flowcontrol.apiserver.k8s.io", "v1") => 21,
        ("resource.k8s.io", "v1") => 20,
        (_, "v1") => 15,
        _ => 9,
    };
    Some(Rank {
        group: *rank,
        version,
    })
}

/// The APIService of a version that this server answers for.
pub(super) fn service(group: &str, version: &str, is_custom: bool) -> Option<Value> {
    let (rank, managed) = match is_custom {
        true => (CUSTOM, ALWAYS),
        false => (built_in(group, version)?, ON_START),
    };
    // There is none of the group of APIServices itself.
    if group == super::GROUP {
        return None;
    }
    let mut spec = json!({
        "version": version,
        "groupPriorityMinimum": rank.group,
        "versionPriority": rank.version,
    });
    if !group.is_empty() {
        spec["group"] = group.into();
    }
    Some(json!({
        "metadata": {"name": name(group, version), "labels": {MANAGED: managed}},
        "spec": spec,
    }))
}

/// What the APIService of a version is called.
pub(super) fn name(group: &str, version: &str) -> String {
    format!("{version}.{group}")
}

/// What a new APIService's status is where this server answers itself.
pub(crate) fn local_status(now: &str) -> Value {
    json!({"conditions": [{
        "type": "Available",
        "status": "True",
        "lastTransitionTime": now,
        "reason": "Local",
        "message": "Local APIServices are always available",
    }]})
}

/// Upstream's order of versions: stable ones first, then beta, then alpha, newest first; others by
/// name after them.
pub(super) fn by_version(one: &str, other: &str) -> Ordering {
    match (parse(one), parse(other)) {
        (Some(one), Some(other)) => other.cmp(&one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

/// Stability, major and minor: `v1`, `v2beta3`.
fn parse(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (major, rest) = rest.split_at(digits);
    let major = major.parse().ok()?;
    if rest.is_empty() {
        return Some((2, major, 0));
    }
    let (stability, minor) = match rest.strip_prefix("beta") {
        Some(minor) => (1, minor),
        None => (0, rest.strip_prefix("alpha")?),
    };
    Some((stability, major, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_version_has_an_api_service_but_that_of_api_services() {
        for resource in skerry_schema::built_in().resources {
            let found = service(&resource.group, &resource.version, false);
            assert_eq!(
                found.is_none(),
                resource.group == super::super::GROUP,
                "{}",
                resource.group
            );
        }
        let core = service("", "v1", false).unwrap();
        assert_eq!(core["metadata"]["name"], "v1.");
        assert_eq!(core["spec"]["groupPriorityMinimum"], 18_000);
        let custom = service("example.com", "v1beta1", true).unwrap();
        assert_eq!(custom["metadata"]["labels"][MANAGED], "true");
        assert_eq!(custom["spec"]["versionPriority"], 100);
    }

    #[test]
    fn stable_versions_come_first_and_new_ones_before_old_ones() {
        let mut all = [
            "v1alpha1", "foo", "v1", "v10", "v2", "v1beta2", "v11beta1", "bar",
        ];
        all.sort_by(|one, other| by_version(one, other));
        assert_eq!(
            all,
            [
                "v10", "v2", "v1", "v11beta1", "v1beta2", "v1alpha1", "bar", "foo"
            ]
        );
    }
}
