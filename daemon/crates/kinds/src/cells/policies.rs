//! The rows of what governs others: quotas, budgets, bindings, admission, flow control and
//! requests for certificates.

use serde_json::{Value, json};

use super::storage::number_or_none;
use super::{Row, human_duration, or_none};
use crate::quantity::Quantity;
use crate::selector;
use crate::value::{entries, int, is_set, is_true, len, list, text};

pub(super) fn disruption_budget(row: Row<'_>) -> Vec<Value> {
    let shown = |value: &Value| match value {
        Value::String(percent) => json!(percent),
        Value::Number(count) => json!(count.to_string()),
        _ => json!("N/A"),
    };
    vec![
        row.name(),
        shown(row.spec("minAvailable")),
        shown(row.spec("maxUnavailable")),
        json!(int(row.status("disruptionsAllowed"))),
        row.age(),
    ]
}

pub(super) fn resource_quota(row: Row<'_>) -> Vec<Value> {
    let amount = |value: &Value| Quantity::of(value).unwrap_or(Quantity::ZERO);
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (name, hard) in entries(row.status("hard")) {
        let used = amount(&row.status("used")[name]);
        let shown = format!("{name}: {used}/{}", amount(hard));
        match name.starts_with("limits.") {
            true => limits.push(shown),
            false => requests.push(shown),
        }
    }
    let (requests, limits) = (requests.join(", "), limits.join(", "));
    vec![row.name(), json!(requests), json!(limits), row.age()]
}

pub(super) fn priority_class(row: Row<'_>) -> Vec<Value> {
    vec![
        row.name(),
        json!(int(&row.object["value"])),
        json!(is_true(&row.object["globalDefault"])),
        row.age(),
        json!(text(&row.object["preemptionPolicy"])),
    ]
}

pub(super) fn role_binding(row: Row<'_>) -> Vec<Value> {
    let role = &row.object["roleRef"];
    let role = format!("{}/{}", text(&role["kind"]), text(&role["name"]));
    let of_kind = |kind: &str| {
        let names: Vec<String> = list(&row.object["subjects"])
            .iter()
            .filter(|subject| subject["kind"] == kind)
            .map(|subject| match (kind, text(&subject["namespace"])) {
                ("ServiceAccount", namespace) => format!("{namespace}/{}", text(&subject["name"])),
                _ => text(&subject["name"]).to_owned(),
            })
            .collect();
        json!(names.join(", "))
    };
    vec![
        row.name(),
        json!(role),
        row.age(),
        of_kind("User"),
        of_kind("Group"),
        of_kind("ServiceAccount"),
    ]
}

pub(super) fn admission_policy(row: Row<'_>, rules: &str) -> Vec<Value> {
    let parameters = row.spec("paramKind");
    let shown = if is_set(parameters) {
        format!(
            "{}/{}",
            text(&parameters["apiVersion"]),
            text(&parameters["kind"])
        )
    } else {
        "<unset>".to_owned()
    };
    vec![
        row.name(),
        json!(len(row.spec(rules))),
        json!(shown),
        row.age(),
    ]
}

pub(super) fn admission_binding(row: Row<'_>) -> Vec<Value> {
    let parameters = row.spec("paramRef");
    let shown = match (text(&parameters["namespace"]), text(&parameters["name"])) {
        (_, "") if is_set(&parameters["selector"]) => selector::show_type(&parameters["selector"]),
        (_, "") => "<unset>".to_owned(),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    let policy = json!(text(row.spec("policyName")));
    vec![row.name(), policy, json!(shown), row.age()]
}

pub(super) fn flow_schema(row: Row<'_>) -> Vec<Value> {
    let dangling = list(row.status("conditions"))
        .iter()
        .find(|condition| condition["type"] == "Dangling");
    vec![
        row.name(),
        json!(text(&row.spec("priorityLevelConfiguration")["name"])),
        json!(int(row.spec("matchingPrecedence"))),
        json!(or_none(text(&row.spec("distinguisherMethod")["type"]))),
        row.age(),
        json!(dangling.map_or("?", |condition| text(&condition["status"]))),
    ]
}

pub(super) fn priority_level(row: Row<'_>) -> Vec<Value> {
    let limited = row.spec("limited");
    let queuing = &limited["limitResponse"]["queuing"];
    vec![
        row.name(),
        json!(text(row.spec("type"))),
        number_or_none(&limited["nominalConcurrencyShares"]),
        number_or_none(&queuing["queues"]),
        number_or_none(&queuing["handSize"]),
        number_or_none(&queuing["queueLengthLimit"]),
        row.age(),
    ]
}

pub(super) fn signing_request(row: Row<'_>) -> Vec<Value> {
    let has = |kind: &str| {
        let conditions = list(row.status("conditions"));
        conditions.iter().any(|condition| condition["type"] == kind)
    };
    let mut status = match () {
        () if has("Denied") => "Denied".to_owned(),
        () if has("Approved") => "Approved".to_owned(),
        () => "Pending".to_owned(),
    };
    if has("Failed") {
        status.push_str(",Failed");
    }
    if !text(row.status("certificate")).is_empty() {
        status.push_str(",Issued");
    }
    let seconds = row.spec("expirationSeconds").as_i64();
    let duration = seconds.map_or("<none>".to_owned(), |seconds| {
        human_duration(seconds.saturating_mul(1000))
    });
    vec![
        row.name(),
        row.age(),
        json!(or_none(text(row.spec("signerName")))),
        json!(text(row.spec("username"))),
        json!(duration),
        json!(status),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::cells;

    #[test]
    fn a_quota_shows_requests_and_limits_apart() {
        let object = json!({"status": {
            "hard": {"limits.cpu": "2", "pods": "10", "requests.cpu": "1"},
            "used": {"pods": "3"}}});
        assert_eq!(
            cells("", "ResourceQuota", &object, 0)[1..3],
            ["pods: 3/10, requests.cpu: 0/1", "limits.cpu: 0/2"]
        );
    }

    #[test]
    fn a_binding_shows_its_role_and_subjects() {
        let object = json!({
            "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "User", "name": "a"}, {"kind": "User", "name": "b"},
                {"kind": "ServiceAccount", "namespace": "n", "name": "s"}]});
        let shown = cells("rbac.authorization.k8s.io", "RoleBinding", &object, 0);
        assert_eq!(shown[1], "ClusterRole/view");
        assert_eq!(shown[3..], ["a, b", "", "n/s"]);
    }

    #[test]
    fn a_signing_request_shows_how_it_stands() {
        let object = json!({
            "spec": {"signerName": "example.com/s", "username": "u", "expirationSeconds": 3600},
            "status": {"conditions": [{"type": "Approved"}], "certificate": "AA=="}});
        let shown = cells(
            "certificates.k8s.io",
            "CertificateSigningRequest",
            &object,
            0,
        );
        assert_eq!(shown[2..], ["example.com/s", "u", "60m", "Approved,Issued"]);
    }

    #[test]
    fn a_budget_shows_numbers_and_percentages_as_text() {
        let object = json!({"spec": {"minAvailable": 2}, "status": {"disruptionsAllowed": 1}});
        assert_eq!(
            cells("policy", "PodDisruptionBudget", &object, 0)[1..4],
            [json!("2"), json!("N/A"), json!(1)]
        );
    }

    #[test]
    fn a_binding_shows_its_parameters_by_name_or_by_selector() {
        let shown = |parameters: Value| {
            let object = json!({"spec": {"policyName": "p", "paramRef": parameters}});
            let kind = "ValidatingAdmissionPolicyBinding";
            cells("admissionregistration.k8s.io", kind, &object, 0)[2].clone()
        };
        let selector = json!({
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["y", "x"]},
                {"key": "d", "operator": "Exists"}]});
        for (parameters, wanted) in [
            (json!(null), "<unset>"),
            (json!({"name": "n"}), "*/n"),
            (json!({"name": "n", "namespace": "s"}), "s/n"),
            (
                json!({"selector": {}}),
                "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{},}",
            ),
            (
                json!({"selector": selector}),
                "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:c,Operator:In,Values:[y x],},LabelSelectorRequirement{Key:d,Operator:Exists,Values:[],},},}",
            ),
        ] {
            assert_eq!(shown(parameters), wanted);
        }
    }
}
