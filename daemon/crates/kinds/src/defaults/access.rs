//! Defaults of who may do what, of admission, of custom definitions and of flow control.

use serde_json::{Value, json};

use super::{child, each, fill, fill_number, fill_text, made};
use crate::value::text;

const RBAC: &str = "rbac.authorization.k8s.io";
const HTTPS_PORT: i64 = 443;
const WEBHOOK_SECONDS: i64 = 10;

pub(super) fn role_binding(object: &mut Value) {
    if let Some(role) = child(object, "roleRef") {
        fill_text(role, "apiGroup", RBAC);
    }
    for subject in each(object, "subjects") {
        if matches!(text(&subject["kind"]), "User" | "Group") {
            fill_text(subject, "apiGroup", RBAC);
        }
    }
}

pub(super) fn webhooks(object: &mut Value, is_mutating: bool) {
    for webhook in each(object, "webhooks") {
        fill(webhook, "failurePolicy", json!("Fail"));
        match_rules(webhook);
        fill(webhook, "timeoutSeconds", json!(WEBHOOK_SECONDS));
        if is_mutating {
            fill(webhook, "reinvocationPolicy", json!("Never"));
        }
        scopes(webhook, "rules");
        service_port(child(webhook, "clientConfig"));
    }
}

fn match_rules(rules: &mut Value) {
    fill(rules, "matchPolicy", json!("Equivalent"));
    fill(rules, "namespaceSelector", json!({}));
    fill(rules, "objectSelector", json!({}));
}

fn scopes(object: &mut Value, field: &str) {
    for rule in each(object, field) {
        fill(rule, "scope", json!("*"));
    }
}

fn service_port(config: Option<&mut Value>) {
    if let Some(service) = config.and_then(|config| child(config, "service")) {
        fill(service, "port", json!(HTTPS_PORT));
    }
}

pub(super) fn admission_policy(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    fill(spec, "failurePolicy", json!("Fail"));
    matched_resources(spec, "matchConstraints");
}

pub(super) fn admission_binding(object: &mut Value) {
    if let Some(spec) = child(object, "spec") {
        matched_resources(spec, "matchResources");
    }
}

fn matched_resources(spec: &mut Value, field: &str) {
    if let Some(rules) = child(spec, field) {
        match_rules(rules);
        scopes(rules, "resourceRules");
        scopes(rules, "excludeResourceRules");
    }
}

pub(super) fn definition(object: &mut Value) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    let kind = text(&spec["names"]["kind"]).to_owned();
    if let (false, Some(names)) = (kind.is_empty(), child(spec, "names")) {
        fill_text(names, "singular", &kind.to_lowercase());
        fill_text(names, "listKind", &format!("{kind}List"));
    }
    if let Some(conversion) = made(spec, "conversion") {
        fill_text(conversion, "strategy", "None");
        let webhook = child(conversion, "webhook");
        service_port(webhook.and_then(|webhook| child(webhook, "clientConfig")));
    }
}

pub(super) fn api_service(object: &mut Value) {
    service_port(child(object, "spec"));
}

pub(super) fn flow_schema(object: &mut Value) {
    if let Some(spec) = made(object, "spec") {
        fill_number(spec, "matchingPrecedence", 1000);
    }
}

pub(super) fn priority_level(object: &mut Value) {
    let Some(spec) = child(object, "spec") else {
        return;
    };
    if spec["type"] == "Exempt"
        && let Some(exempt) = made(spec, "exempt")
    {
        fill(exempt, "nominalConcurrencyShares", json!(0));
        fill(exempt, "lendablePercent", json!(0));
    }
    let Some(limited) = child(spec, "limited") else {
        return;
    };
    fill(limited, "nominalConcurrencyShares", json!(30));
    fill(limited, "lendablePercent", json!(0));
    let queuing = child(limited, "limitResponse").and_then(|response| child(response, "queuing"));
    if let Some(queuing) = queuing {
        fill_number(queuing, "queues", 64);
        fill_number(queuing, "handSize", 8);
        fill_number(queuing, "queueLengthLimit", 50);
    }
}

/// Each request asks for one device, unless it says how many or all.
pub(super) fn resource_claim(object: &mut Value) {
    let devices = child(object, "spec").and_then(|spec| child(spec, "devices"));
    for request in devices
        .into_iter()
        .flat_map(|devices| each(devices, "requests"))
    {
        if let Some(exactly) = child(request, "exactly") {
            device_count(exactly);
        }
        each(request, "firstAvailable").for_each(device_count);
    }
}

fn device_count(request: &mut Value) {
    fill_text(request, "allocationMode", "ExactCount");
    if request["allocationMode"] == "ExactCount" {
        fill_number(request, "count", 1);
    }
    for toleration in each(request, "tolerations") {
        fill_text(toleration, "operator", "Equal");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;

    #[test]
    fn subjects_and_roles_belong_to_a_group() {
        let mut object = json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [
            {"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]});
        set_defaults(RBAC, "RoleBinding", &mut object);
        assert_eq!(
            object,
            json!({
                "roleRef": {"kind": "Role", "name": "r", "apiGroup": RBAC},
                "subjects": [{"kind": "User", "name": "u", "apiGroup": RBAC},
                    {"kind": "ServiceAccount", "name": "s"}],
            })
        );
    }

    #[test]
    fn a_webhook_fails_closed_after_ten_seconds() {
        let mut object = json!({"webhooks": [{"name": "w.a.b", "rules": [{}],
            "clientConfig": {"service": {"name": "s"}}}]});
        let group = "admissionregistration.k8s.io";
        set_defaults(group, "MutatingWebhookConfiguration", &mut object);
        assert_eq!(
            object["webhooks"][0],
            json!({
                "name": "w.a.b", "failurePolicy": "Fail", "matchPolicy": "Equivalent",
                "namespaceSelector": {}, "objectSelector": {}, "reinvocationPolicy": "Never",
                "rules": [{"scope": "*"}], "timeoutSeconds": 10,
                "clientConfig": {"service": {"name": "s", "port": 443}},
            })
        );
    }

    #[test]
    fn a_definition_has_all_its_names() {
        let mut object = json!({"spec": {"names": {"kind": "Widget", "plural": "widgets"}}});
        set_defaults(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            &mut object,
        );
        assert_eq!(
            object["spec"],
            json!({
                "conversion": {"strategy": "None"},
                "names": {"kind": "Widget", "plural": "widgets", "singular": "widget",
                    "listKind": "WidgetList"},
            })
        );
    }
}
