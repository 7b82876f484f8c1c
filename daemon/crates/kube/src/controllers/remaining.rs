//! What a namespace that is to go says of what is left in it.
//!
//! Pure. Invariant: conditions that say the same as before are not written again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What was found when a namespace was emptied.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remaining {
    /// How many objects are left, by `resource.group`.
    pub(super) resources: BTreeMap<String, i64>,
    /// How many of them have a finalizer.
    pub(super) finalizers: BTreeMap<String, i64>,
    /// What could not be deleted, and why.
    pub(super) failures: Vec<String>,
}

impl Remaining {
    pub(super) fn is_none(&self) -> bool {
        self.resources.is_empty() && self.failures.is_empty()
    }

    /// The conditions that a namespace should have; none where it has them.
    pub(super) fn conditions(&self, old: &[Value], now: &str) -> Option<Vec<Value>> {
        let mut next = old.to_vec();
        for (kind, status, reason, message) in self.said() {
            let wanted =
                json!({"type": kind, "status": status, "reason": reason, "message": message});
            match next.iter_mut().find(|condition| condition["type"] == kind) {
                Some(condition) => {
                    let turned = condition["status"] != status;
                    let since = match &condition["lastTransitionTime"] {
                        Value::String(since) if !turned => since.clone(),
                        _ => now.to_owned(),
                    };
                    *condition = wanted;
                    condition["lastTransitionTime"] = since.into();
                }
                None => {
                    let mut condition = wanted;
                    condition["lastTransitionTime"] = now.into();
                    next.push(condition);
                }
            }
        }
        (next != old).then_some(next)
    }

    fn said(&self) -> [(&'static str, &'static str, &'static str, String); 5] {
        let pick = |bad: bool, yes: (&'static str, String), no: (&'static str, &str)| match bad {
            true => ("True", yes.0, yes.1),
            false => ("False", no.0, no.1.to_owned()),
        };
        let mut failures = self.failures.clone();
        failures.sort_unstable();
        let failed = format!(
            "Failed to delete all resource types, {} remaining: {}",
            failures.len(),
            failures.join(", ")
        );
        let count = |(what, count): (&String, &i64), verb: &str| {
            format!("{what} {verb} {count} resource instances")
        };
        let resources = self.resources.iter().map(|one| count(one, "has"));
        let resources = resources.collect::<Vec<_>>().join(", ");
        let finalizers = self.finalizers.iter().map(|one| count(one, "in"));
        let finalizers = finalizers.collect::<Vec<_>>().join(", ");
        let content = pick(
            !failures.is_empty(),
            ("ContentDeletionFailed", failed),
            (
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
        );
        let resources = pick(
            !self.resources.is_empty(),
            (
                "SomeResourcesRemain",
                format!("Some resources are remaining: {resources}"),
            ),
            ("ContentRemoved", "All content successfully removed"),
        );
        let finalizers = pick(
            !self.finalizers.is_empty(),
            (
                "SomeFinalizersRemain",
                format!("Some content in the namespace has finalizers remaining: {finalizers}"),
            ),
            (
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished",
            ),
        );
        let named = |kind, (status, reason, message)| (kind, status, reason, message);
        // What there is is known here without asking anybody.
        let discovered = (
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned(),
        );
        let parsed = (
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        );
        [
            named("NamespaceDeletionDiscoveryFailure", discovered),
            named("NamespaceDeletionGroupVersionParsingFailure", parsed),
            named("NamespaceDeletionContentFailure", content),
            named("NamespaceContentRemaining", resources),
            named("NamespaceFinalizersRemaining", finalizers),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remaining() -> Remaining {
        Remaining {
            resources: BTreeMap::from([("secrets.".into(), 1), ("deployments.apps".into(), 2)]),
            finalizers: BTreeMap::from([("example.com/a".into(), 3)]),
            failures: Vec::new(),
        }
    }

    #[test]
    fn what_is_left_is_said_once() {
        let first = remaining().conditions(&[], "t1").unwrap();
        assert_eq!(first.len(), 5);
        assert_eq!(
            first[3],
            json!({"type": "NamespaceContentRemaining", "status": "True", "lastTransitionTime": "t1",
                "reason": "SomeResourcesRemain",
                "message": "Some resources are remaining: deployments.apps has 2 resource instances, secrets. has 1 resource instances"})
        );
        assert_eq!(
            first[4]["message"],
            "Some content in the namespace has finalizers remaining: example.com/a in 3 resource instances"
        );
        assert_eq!(remaining().conditions(&first, "t2"), None);
    }

    #[test]
    fn a_condition_keeps_its_time_until_it_turns() {
        let first = remaining().conditions(&[], "t1").unwrap();
        let mut fewer = remaining();
        fewer.resources.remove("secrets.");
        fewer.finalizers.clear();
        fewer.failures.push("why".into());
        let next = fewer.conditions(&first, "t2").unwrap();
        let times: Vec<&str> = next
            .iter()
            .map(|condition| condition["lastTransitionTime"].as_str().unwrap())
            .collect();
        assert_eq!(times, ["t1", "t1", "t2", "t1", "t2"]);
        assert_eq!(
            next[2]["message"],
            "Failed to delete all resource types, 1 remaining: why"
        );
    }

    #[test]
    fn what_somebody_else_says_stays() {
        let other = [json!({"type": "Other", "status": "True"})];
        let next = Remaining::default().conditions(&other, "t").unwrap();
        assert_eq!((next.len(), &next[0]), (6, &other[0]));
        assert!(
            next[1..]
                .iter()
                .all(|condition| condition["status"] == "False")
        );
    }
}
