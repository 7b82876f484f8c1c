//! Roles and bindings, and requests for certificates.

use serde_json::{Value, json};

use super::rules::{choice, label, required_text, subdomain};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::selector;
use crate::value::{is_set, len, list, same, text};

const RBAC: &str = "rbac.authorization.k8s.io";
const EXPIRATION_SECONDS_MIN: i64 = 600;
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

pub(super) fn role(object: &Value, is_cluster: bool, errors: &mut Errors) {
    let path = Path::root("rules");
    for (i, rule) in list(&object["rules"]).iter().enumerate() {
        policy_rule(rule, is_cluster, &path.index(i), errors);
    }
    let aggregation = &object["aggregationRule"];
    if is_cluster && is_set(aggregation) {
        let path = Path::root("aggregationRule");
        let path = path.child("clusterRoleSelectors");
        let selectors = list(&aggregation["clusterRoleSelectors"]);
        if selectors.is_empty() {
            let message = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            errors.required(&path, message);
        }
        for (i, selector) in selectors.iter().enumerate() {
            selector::validate(selector, &path.index(i), errors);
        }
    }
}

fn policy_rule(rule: &Value, is_cluster: bool, path: &Path<'_>, errors: &mut Errors) {
    if len(&rule["verbs"]) == 0 {
        errors.required(
            &path.child("verbs"),
            "verbs must contain at least one value",
        );
    }
    let urls = &rule["nonResourceURLs"];
    if len(urls) > 0 {
        let path = path.child("nonResourceURLs");
        if !is_cluster {
            let message = "namespaced rules cannot apply to non-resource URLs";
            errors.invalid(&path, urls.clone(), message);
        }
        if ["apiGroups", "resources", "resourceNames"]
            .iter()
            .any(|f| len(&rule[*f]) > 0)
        {
            let message = "rules cannot apply to both regular resources and non-resource URLs";
            errors.invalid(&path, urls.clone(), message);
        }
        return;
    }
    if len(&rule["apiGroups"]) == 0 {
        let message = "resource rules must supply at least one api group";
        errors.required(&path.child("apiGroups"), message);
    }
    if len(&rule["resources"]) == 0 {
        let message = "resource rules must supply at least one resource";
        errors.required(&path.child("resources"), message);
    }
}

pub(super) fn binding(object: &Value, old: Option<&Value>, is_cluster: bool, errors: &mut Errors) {
    let role = &object["roleRef"];
    let path = Path::root("roleRef");
    let group = text(&role["apiGroup"]);
    if group != RBAC {
        errors.not_supported(&path.child("apiGroup"), group, &[RBAC]);
    }
    let kinds: &[&str] = match is_cluster {
        true => &["ClusterRole"],
        false => &["Role", "ClusterRole"],
    };
    let kind = text(&role["kind"]);
    if !kinds.contains(&kind) {
        errors.not_supported(&path.child("kind"), kind, kinds);
    }
    if required_text(&role["name"], &path.child("name"), errors) {
        let name = text(&role["name"]);
        errors.each(&path.child("name"), name, format::path_segment(name));
    }
    let subjects = Path::root("subjects");
    for (i, subject) in list(&object["subjects"]).iter().enumerate() {
        binding_subject(subject, is_cluster, &subjects.index(i), errors);
    }
    if old.is_some_and(|old| !same(&old["roleRef"], role)) {
        // As Go prints a struct without tags.
        let shown = json!({"APIGroup": group, "Kind": kind, "Name": text(&role["name"])});
        errors.invalid(&path, shown, "cannot change roleRef");
    }
}

fn binding_subject(subject: &Value, is_cluster: bool, path: &Path<'_>, errors: &mut Errors) {
    let (name, group) = (text(&subject["name"]), text(&subject["apiGroup"]));
    required_text(&subject["name"], &path.child("name"), errors);
    match text(&subject["kind"]) {
        "ServiceAccount" => {
            if !name.is_empty() {
                subdomain(name, &path.child("name"), errors);
            }
            if !group.is_empty() {
                errors.not_supported(&path.child("apiGroup"), group, &[""]);
            }
            if is_cluster && text(&subject["namespace"]).is_empty() {
                errors.required(&path.child("namespace"), "");
            }
        }
        "User" | "Group" if group != RBAC => {
            errors.not_supported(&path.child("apiGroup"), group, &[RBAC]);
        }
        "User" | "Group" => {}
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.not_supported(&path.child("kind"), other, &kinds);
        }
    }
}

/// Which conditions and what certificate an update may write depends on the subresource; what
/// `prepare_update` put back is unchanged here.
pub(super) fn signing_request(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    if text(&spec["request"]).is_empty() {
        let message = "PEM block type must be CERTIFICATE REQUEST";
        errors.invalid(&path.child("request"), Value::Null, message);
    }
    let usages = list(&spec["usages"]);
    let usages_path = path.child("usages");
    if usages.is_empty() {
        errors.required(&usages_path, "");
    }
    for (i, usage) in usages.iter().enumerate() {
        let usage = text(usage);
        if !USAGES.contains(&usage) {
            errors.not_supported(&usages_path.index(i), usage, USAGES);
        }
    }
    for (i, usage) in usages.iter().enumerate() {
        if usages[..i].contains(usage) {
            errors.duplicate(&usages_path.index(i), text(usage));
        }
    }
    let signer = text(&spec["signerName"]);
    let signer_path = path.child("signerName");
    if signer == "kubernetes.io/legacy-unknown" && old.is_none() {
        let message = "the legacy signerName is not allowed via this API version";
        errors.invalid(&signer_path, signer, message);
    } else {
        signer_name(signer, &signer_path, errors);
    }
    if let Some(seconds) = spec["expirationSeconds"].as_i64()
        && seconds < EXPIRATION_SECONDS_MIN
    {
        let message = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid(&path.child("expirationSeconds"), seconds, message);
    }
    conditions(object, old, errors);
    if let Some(old) = old {
        let (after, before) = (
            text(&object["status"]["certificate"]),
            text(&old["status"]["certificate"]),
        );
        if !before.is_empty() && after != before {
            let status = Path::root("status");
            let message = "updates may not modify existing certificate content";
            errors.forbidden(&status.child("certificate"), message);
        }
    }
}

fn conditions(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let status = Path::root("status");
    let path = status.child("conditions");
    let conditions = list(&object["status"]["conditions"]);
    for (i, condition) in conditions.iter().enumerate() {
        let path = path.index(i);
        let kind = text(&condition["type"]);
        required_text(&condition["type"], &path.child("type"), errors);
        let words: &[&str] = match kind {
            "Approved" | "Denied" | "Failed" => &["True"],
            _ => &["False", "True", "Unknown"],
        };
        choice(&condition["status"], words, &path.child("status"), errors);
        let before = &conditions[..i];
        let has = |kind: &str| before.iter().any(|other| other["type"] == kind);
        if (kind == "Approved" && has("Denied")) || (kind == "Denied" && has("Approved")) {
            let message = "Approved and Denied conditions are mutually exclusive";
            errors.invalid(&path.child("type"), kind, message);
        }
        if has(kind) {
            errors.duplicate(&path.child("type"), kind);
        }
    }
    let count = |object: &Value, kind: &str| {
        let conditions = list(&object["status"]["conditions"]);
        conditions
            .iter()
            .filter(|condition| condition["type"] == kind)
            .count()
    };
    for kind in ["Approved", "Denied", "Failed"] {
        if old.is_some_and(|old| count(object, kind) < count(old, kind)) {
            let message = format!("updates may not remove a condition of type \"{kind}\"");
            errors.forbidden(&path, message);
        }
    }
}

/// `domain/path`, whose domain has at least two labels.
fn signer_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    let segments: Vec<&str> = name.split('/').collect();
    let [domain, rest] = segments.as_slice() else {
        let message = "must be a fully qualified domain and path of the form \
                       'example.com/signer-name'";
        return errors.invalid(path, name, message);
    };
    for part in domain.split('.') {
        label(part, path, errors);
    }
    if !domain.contains('.') {
        let message = "should be a domain with at least two segments separated by dots";
        errors.invalid(path, *domain, message);
    }
    subdomain(rest, path, errors);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::validate::{validate_create, validate_update};

    fn object(kind: &str, mut object: Value) -> Value {
        object["metadata"] = json!({"name": "system:a", "resourceVersion": "1"});
        if !kind.starts_with("Cluster") {
            object["metadata"]["namespace"] = json!("n");
        }
        set_defaults(RBAC, kind, &mut object);
        object
    }

    fn created(kind: &str, fields: Value) -> String {
        let namespaced = !kind.starts_with("Cluster");
        summary(&validate_create(
            RBAC,
            kind,
            namespaced,
            &object(kind, fields),
        ))
    }

    #[test]
    fn a_rule_says_what_may_be_done_to_what() {
        assert_eq!(
            created("Role", json!({"rules": [{}]})),
            "[rules[0].verbs: Required value: verbs must contain at least one value, \
             rules[0].apiGroups: Required value: resource rules must supply at least one api \
             group, rules[0].resources: Required value: resource rules must supply at least one \
             resource]"
        );
        let urls = json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]});
        assert_eq!(
            created("Role", urls.clone()),
            "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to \
             non-resource URLs"
        );
        assert_eq!(created("ClusterRole", urls), "[]");
    }

    #[test]
    fn a_binding_keeps_its_role() {
        let binding = |role: &str| {
            json!({
            "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": "u"}]})
        };
        assert_eq!(created("RoleBinding", binding("view")), "[]");
        let errors = validate_update(
            RBAC,
            "ClusterRoleBinding",
            "",
            &object("ClusterRoleBinding", binding("edit")),
            &object("ClusterRoleBinding", binding("view")),
        );
        assert_eq!(
            summary(&errors),
            "roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\
             \"ClusterRole\",\"Name\":\"edit\"}: cannot change roleRef"
        );
        let account = json!({"roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "s"}, {"kind": "Robot", "name": "r"}]});
        assert_eq!(
            created("ClusterRoleBinding", account),
            "[roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\", \
             subjects[0].namespace: Required value, subjects[1].kind: Unsupported value: \
             \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\"]"
        );
    }

    #[test]
    fn a_signing_request_says_who_signs_and_what_for() {
        let request = json!({"metadata": {"name": "r"}, "spec": {
            "request": "AA==", "usages": ["client auth", "flying"], "signerName": "me",
            "expirationSeconds": 60}});
        let group = "certificates.k8s.io";
        let errors = validate_create(group, "CertificateSigningRequest", false, &request);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(texts[0].starts_with("spec.usages[1]: Unsupported value: \"flying\""));
        assert_eq!(
            texts[1..],
            [
                "spec.signerName: Invalid value: \"me\": must be a fully qualified domain and path \
                 of the form 'example.com/signer-name'",
                "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than \
                 600 seconds (10 minutes)",
            ]
        );
    }
}
