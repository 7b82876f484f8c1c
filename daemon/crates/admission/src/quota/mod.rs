//! ResourceQuota: what objects use of a namespace, and whether there is as much left.
//!
//! Knows nothing about where the count is kept. Amounts are by upstream's names: `pods`,
//! `requests.cpu`, `count/deployments.apps`, `gold.storageclass.storage.k8s.io/requests.storage`.

mod scope;
mod usage;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use skerry_kinds::quantity::Quantity;

use crate::Refused;
use crate::value::{items, text};

pub use scope::covers;
pub use usage::usage;

/// Amounts by name.
pub type Amounts = BTreeMap<String, Quantity>;

/// The amounts in a field.
#[must_use]
pub fn amounts(value: &Value, path: &str) -> Amounts {
    let fields = value.pointer(path).and_then(Value::as_object);
    let fields = fields.into_iter().flatten();
    fields
        .filter_map(|(name, value)| Some((name.clone(), Quantity::of(value).ok()?)))
        .collect()
}

/// As a field holds amounts.
#[must_use]
pub fn to_value(amounts: &Amounts) -> Value {
    let fields = amounts.iter();
    let fields = fields.map(|(name, amount)| (name.clone(), amount.to_string().into()));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Only what a quota limits.
#[must_use]
pub fn masked(of: &Amounts, hard: &Amounts) -> Amounts {
    let mut masked = of.clone();
    masked.retain(|name, _| hard.contains_key(name));
    masked
}

/// `b` added to `a`, name by name.
pub fn add(a: &mut Amounts, b: &Amounts) {
    for (name, amount) in b {
        let before = a.get(name).copied().unwrap_or(Quantity::ZERO);
        a.insert(name.clone(), before.plus(*amount));
    }
}

/// What `next` uses more than `old`, name by name.
#[must_use]
pub fn growth(next: &Amounts, old: &Amounts) -> Amounts {
    let grown = next.iter().filter_map(|(name, amount)| {
        let before = old.get(name).copied().unwrap_or(Quantity::ZERO);
        let more = amount.plus(before.negated());
        more.is_positive().then(|| (name.clone(), more))
    });
    grown.collect()
}

/// What a quota has given out, once it also gives `wanted`. None: it limits nothing of that.
pub fn charge(quota: &Value, used: &Amounts, wanted: &Amounts) -> Result<Option<Amounts>, Refused> {
    let hard = amounts(quota, "/spec/hard");
    let wanted = masked(wanted, &hard);
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut next = masked(used, &hard);
    add(&mut next, &wanted);
    let over = |name: &&String| next.get(*name) > hard.get(*name);
    let exceeded: Vec<&String> = wanted.keys().filter(over).collect();
    if exceeded.is_empty() {
        return Ok(Some(next));
    }
    let print = |amounts: &Amounts| {
        let shown = exceeded.iter().map(|name| {
            let amount = amounts.get(*name).copied().unwrap_or(Quantity::ZERO);
            format!("{name}={amount}")
        });
        shown.collect::<Vec<_>>().join(",")
    };
    Err(format!(
        "exceeded quota: {}, requested: {}, used: {}, limited: {}",
        text(quota, "/metadata/name"),
        print(&wanted),
        print(used),
        print(&hard)
    )
    .into())
}

/// Compute that each container must name where a quota limits it.
const COMPUTE: [&str; 6] = [
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
];

/// Refuses a pod that leaves open what a quota counts.
pub fn constrain(quota: &Value, pod: &Value) -> Result<(), Refused> {
    let hard = amounts(quota, "/spec/hard");
    let wanted = COMPUTE.iter().filter(|name| hard.contains_key(**name));
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in wanted {
        let (kind, resource) = match name.split_once('.') {
            Some((kind, resource)) => (kind, resource),
            None => ("requests", *name),
        };
        for field in ["/spec/containers", "/spec/initContainers"] {
            for container in items(pod, field) {
                let said = container.pointer(&format!("/resources/{kind}/{resource}"));
                if said.is_none() {
                    let who = text(container, "/name");
                    missing.entry(name).or_default().push(who);
                }
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let parts = missing.iter().map(|(name, containers)| {
        let mut containers = containers.clone();
        containers.sort_unstable();
        containers.dedup();
        format!("{name} for: {}", containers.join(","))
    });
    Err(format!(
        "failed quota: {}: must specify {}",
        text(quota, "/metadata/name"),
        parts.collect::<Vec<_>>().join("; ")
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn quota(hard: Value) -> Value {
        json!({"metadata": {"name": "q"}, "spec": {"hard": hard}})
    }

    #[test]
    fn what_fits_is_given_and_what_does_not_is_refused_with_upstreams_words() {
        let quota = quota(json!({"pods": "2", "requests.cpu": "1"}));
        let one = BTreeMap::from([
            ("pods".to_owned(), Quantity::parse("1").unwrap()),
            ("requests.cpu".to_owned(), Quantity::parse("600m").unwrap()),
            ("memory".to_owned(), Quantity::parse("1Gi").unwrap()),
        ]);
        let used = charge(&quota, &Amounts::new(), &one).unwrap().unwrap();
        assert_eq!(
            to_value(&used),
            json!({"pods": "1", "requests.cpu": "600m"})
        );
        assert_eq!(
            charge(&quota, &used, &one).unwrap_err().0,
            "exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1"
        );
        let other = BTreeMap::from([("services".to_owned(), Quantity::parse("1").unwrap())]);
        assert_eq!(charge(&quota, &used, &other).unwrap(), None);
    }

    #[test]
    fn containers_must_name_what_is_counted() {
        let quota = quota(json!({"cpu": "1", "limits.memory": "1Gi"}));
        let pod = json!({"spec": {"containers": [
            {"name": "b", "resources": {"requests": {"cpu": "1"}}},
            {"name": "a"},
        ]}});
        assert_eq!(
            constrain(&quota, &pod).unwrap_err().0,
            "failed quota: q: must specify cpu for: a; limits.memory for: a,b"
        );
    }

    #[test]
    fn growth_is_what_is_more() {
        let of = |text: &str| BTreeMap::from([("a".to_owned(), Quantity::parse(text).unwrap())]);
        assert_eq!(
            to_value(&growth(&of("3Gi"), &of("1Gi"))),
            json!({"a": "2Gi"})
        );
        assert!(growth(&of("1"), &of("2")).is_empty());
    }
}
