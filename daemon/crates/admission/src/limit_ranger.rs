//! LimitRanger: what a namespace's LimitRanges fill in, and between which bounds requests may be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use skerry_kinds::quantity::Quantity;

use crate::Refused;
use crate::value::{below, fields, items, list, text};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

type Amounts = BTreeMap<String, Quantity>;

fn amounts(value: &Value, path: &str) -> Amounts {
    let fields = value.pointer(path).and_then(Value::as_object);
    let fields = fields.into_iter().flatten();
    fields
        .filter_map(|(name, value)| Some((name.clone(), Quantity::of(value).ok()?)))
        .collect()
}

/// Fills in what a new pod's containers leave open.
pub fn fill_in(pod: &mut Value, ranges: &[Value]) {
    let mut notes = Vec::new();
    for range in ranges {
        let (mut requests, mut limits) = (BTreeMap::new(), BTreeMap::new());
        for item in items(range, "/spec/limits") {
            if text(item, "/type") != "Container" {
                continue;
            }
            for (path, all) in [("defaultRequest", &mut requests), ("default", &mut limits)] {
                let said = item.get(path).and_then(Value::as_object);
                for (name, value) in said.into_iter().flatten() {
                    all.insert(name.clone(), value.clone());
                }
            }
        }
        if requests.is_empty() && limits.is_empty() {
            continue;
        }
        for (field, what) in [
            ("containers", "container"),
            ("initContainers", "init container"),
        ] {
            if items(pod, &format!("/spec/{field}")).is_empty() {
                continue;
            }
            for container in list(below(pod, "spec"), field) {
                let name = text(container, "/name").to_owned();
                for (kind, word, all) in [
                    ("requests", "request", &requests),
                    ("limits", "limit", &limits),
                ] {
                    let said = fields(below(below(container, "resources"), kind));
                    let mut set = BTreeSet::new();
                    for (resource, value) in all {
                        if !said.contains_key(resource) {
                            said.insert(resource.clone(), value.clone());
                            set.insert(resource.as_str());
                        }
                    }
                    if said.is_empty() {
                        fields(below(container, "resources")).remove(kind);
                    }
                    if !set.is_empty() {
                        let set: Vec<&str> = set.into_iter().collect();
                        notes.push(format!("{} {word} for {what} {name}", set.join(", ")));
                    }
                }
            }
        }
    }
    if !notes.is_empty() {
        let note = format!("LimitRanger plugin set: {}", notes.join("; "));
        let annotations = below(below(pod, "metadata"), "annotations");
        fields(annotations).insert(ANNOTATION.into(), json!(note));
    }
}

/// Refuses a new pod whose containers, or all of them together, are out of bounds.
pub fn check_pod(pod: &Value, ranges: &[Value]) -> Result<(), Refused> {
    let mut wrong = Vec::new();
    let of = |container: &Value| {
        (
            amounts(container, "/resources/requests"),
            amounts(container, "/resources/limits"),
        )
    };
    for item in ranges.iter().flat_map(|range| items(range, "/spec/limits")) {
        match text(item, "/type") {
            "Container" => {
                for field in ["containers", "initContainers"] {
                    for container in items(pod, &format!("/spec/{field}")) {
                        let (requests, limits) = of(container);
                        check(item, "Container", &requests, &limits, &mut wrong);
                    }
                }
            }
            "Pod" => {
                let (requests, limits) = whole(pod);
                check(item, "Pod", &requests, &limits, &mut wrong);
            }
            _ => {}
        }
    }
    together(wrong)
}

/// Refuses a claim that asks for less or more than its namespace lets it.
pub fn check_claim(claim: &Value, ranges: &[Value]) -> Result<(), Refused> {
    const KIND: &str = "PersistentVolumeClaim";
    let requests = amounts(claim, "/spec/resources/requests");
    let mut wrong = Vec::new();
    for item in ranges.iter().flat_map(|range| items(range, "/spec/limits")) {
        if text(item, "/type") != KIND {
            continue;
        }
        for (name, least) in amounts(item, "/min") {
            at_least(KIND, &name, least, &requests, &Amounts::new(), &mut wrong);
        }
        for (name, most) in amounts(item, "/max") {
            let usage = format!("maximum {name} usage per {KIND} is {most}");
            match requests.get(&name) {
                None => wrong.push(format!("{usage}.  No request is specified")),
                Some(request) if *request > most => {
                    wrong.push(format!("{usage}, but request is {request}"));
                }
                Some(_) => {}
            }
        }
    }
    together(wrong)
}

/// What all containers of a pod need at once: init containers run one after the other.
fn whole(pod: &Value) -> (Amounts, Amounts) {
    let sum = |kind: &str| {
        let mut all = Amounts::new();
        let path = format!("/resources/{kind}");
        for container in items(pod, "/spec/containers") {
            for (name, amount) in amounts(container, &path) {
                let so_far = all.get(&name).copied().unwrap_or(Quantity::ZERO);
                all.insert(name, so_far.plus(amount));
            }
        }
        for container in items(pod, "/spec/initContainers") {
            for (name, amount) in amounts(container, &path) {
                let so_far = all.get(&name).copied().unwrap_or(Quantity::ZERO);
                all.insert(name, so_far.max(amount));
            }
        }
        all
    };
    (sum("requests"), sum("limits"))
}

fn at_least(
    kind: &str,
    name: &str,
    least: Quantity,
    requests: &Amounts,
    limits: &Amounts,
    wrong: &mut Vec<String>,
) {
    let usage = format!("minimum {name} usage per {kind} is {least}");
    match (requests.get(name), limits.get(name)) {
        (None, _) => wrong.push(format!("{usage}.  No request is specified")),
        (Some(request), _) if *request < least => {
            wrong.push(format!("{usage}, but request is {request}"));
        }
        (_, Some(limit)) if *limit < least => {
            wrong.push(format!("{usage}, but limit is {limit}"));
        }
        _ => {}
    }
}

fn check(item: &Value, kind: &str, requests: &Amounts, limits: &Amounts, wrong: &mut Vec<String>) {
    for (name, least) in amounts(item, "/min") {
        at_least(kind, &name, least, requests, limits, wrong);
    }
    for (name, most) in amounts(item, "/max") {
        let usage = format!("maximum {name} usage per {kind} is {most}");
        match (requests.get(&name), limits.get(&name)) {
            (_, None) => wrong.push(format!("{usage}.  No limit is specified")),
            (_, Some(limit)) if *limit > most => {
                wrong.push(format!("{usage}, but limit is {limit}"));
            }
            (Some(request), _) if *request > most => {
                wrong.push(format!("{usage}, but request is {request}"));
            }
            _ => {}
        }
    }
    for (name, most) in amounts(item, "/maxLimitRequestRatio") {
        let ratio = format!("{name} max limit to request ratio per {kind} is {most}");
        let nonzero = |all: &Amounts| {
            let amount = all.get(&name).copied()?;
            (amount > Quantity::ZERO).then_some(amount)
        };
        match (nonzero(requests), nonzero(limits)) {
            (None, _) => wrong.push(format!(
                "{ratio}, but no request is specified or request is 0"
            )),
            (_, None) => wrong.push(format!("{ratio}, but no limit is specified or limit is 0")),
            (Some(request), Some(limit)) => {
                let observed = limit.as_f64() / request.as_f64();
                if observed > most.as_f64() {
                    wrong.push(format!("{ratio}, but provided ratio is {observed:.6}"));
                }
            }
        }
    }
}

/// Several complaints as upstream prints them together.
fn together(wrong: Vec<String>) -> Result<(), Refused> {
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone().into()),
        many => Err(format!("[{}]", many.join(", ")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(item: Value) -> [Value; 1] {
        [json!({"spec": {"limits": [item]}})]
    }

    #[test]
    fn defaults_are_filled_in_and_noted() {
        let ranges = range(
            json!({"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}}),
        );
        let mut pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "resources": {"limits": {"cpu": "2"}}}]}});
        fill_in(&mut pod, &ranges);
        assert_eq!(
            pod["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu request for container a; cpu, memory limit for container a; cpu request for container b; memory limit for container b"
        );
        assert_eq!(
            pod["spec"]["containers"][1]["resources"]["limits"]["cpu"],
            "2"
        );
    }

    #[test]
    fn bounds_are_held_with_upstreams_words() {
        let pod = |request: &str, limit: &str| json!({"spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": request}, "limits": {"cpu": limit}}}]}});
        let ranges = range(
            json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "4"}}),
        );
        assert!(check_pod(&pod("500m", "1"), &ranges).is_ok());
        let said = |pod: Value| check_pod(&pod, &ranges).unwrap_err().0;
        assert_eq!(
            said(pod("500m", "1500m")),
            "maximum cpu usage per Container is 1, but limit is 1500m"
        );
        assert_eq!(
            said(pod("50m", "60m")),
            "minimum cpu usage per Container is 100m, but request is 50m"
        );
        assert_eq!(
            said(pod("100m", "1")),
            "cpu max limit to request ratio per Container is 4, but provided ratio is 10.000000"
        );
        let nothing = said(json!({"spec": {"containers": [{"name": "a"}]}}));
        assert!(
            nothing.starts_with(
                "[minimum cpu usage per Container is 100m.  No request is specified, "
            ),
            "{nothing}"
        );
    }

    #[test]
    fn a_pod_is_the_sum_of_its_containers_or_the_largest_before_them() {
        let ranges = range(json!({"type": "Pod", "max": {"memory": "3Gi"}}));
        let container = |amount: &str| json!({"resources": {"limits": {"memory": amount}}});
        let fits = json!({"spec": {"containers": [container("1Gi"), container("2Gi")], "initContainers": [container("3Gi")]}});
        assert!(check_pod(&fits, &ranges).is_ok());
        let large = json!({"spec": {"containers": [container("2Gi"), container("2Gi")]}});
        assert_eq!(
            check_pod(&large, &ranges).unwrap_err().0,
            "maximum memory usage per Pod is 3Gi, but limit is 4Gi"
        );
    }

    #[test]
    fn claims_have_bounds_of_their_own() {
        let ranges = range(
            json!({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}),
        );
        let claim = |size: &str| json!({"spec": {"resources": {"requests": {"storage": size}}}});
        assert!(check_claim(&claim("1Gi"), &ranges).is_ok());
        assert_eq!(
            check_claim(&claim("3Gi"), &ranges).unwrap_err().0,
            "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
        );
    }
}
