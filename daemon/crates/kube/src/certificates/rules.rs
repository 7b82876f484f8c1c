//! What each signer of the cluster signs, what is approved unasked, and what is too old to keep.
//!
//! Pure. Invariant: nothing is signed that was not approved, or that has failed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{ClusterAuthority, RequestFacts};

/// Signs clients of the API.
pub(crate) const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
/// Signers of what kubelets ask for themselves.
pub(crate) const KUBELET_SIGNERS: [&str; 2] = [KUBELET_CLIENT, KUBELET_SERVING];
const LEGACY: &str = "kubernetes.io/legacy-unknown";

/// How long a certificate is good for where nobody asks for less: a year.
const LIFE_SECONDS: u64 = 365 * 86_400;
/// The shortest life that is given.
const LIFE_SECONDS_MIN: u64 = 600;
/// How long decided requests are kept, and undecided ones.
const DECIDED_MS: i64 = 3_600_000;
const PENDING_MS: i64 = 24 * 3_600_000;

/// Which authority signs for a signer's name.
pub(crate) fn authority(signer: &str) -> Option<ClusterAuthority> {
    match signer {
        CLIENT | KUBELET_CLIENT => Some(ClusterAuthority::Client),
        KUBELET_SERVING | LEGACY => Some(ClusterAuthority::Server),
        _ => None,
    }
}

pub(crate) fn signer_name(object: &Value) -> &str {
    let name = object.pointer("/spec/signerName");
    name.and_then(Value::as_str).unwrap_or_default()
}

/// The request itself, as PEM.
pub(crate) fn request(object: &Value) -> Vec<u8> {
    decoded(object.pointer("/spec/request"))
}

/// The certificate that was signed, as PEM; empty where there is none.
pub(crate) fn certificate(object: &Value) -> Vec<u8> {
    decoded(object.pointer("/status/certificate"))
}

fn decoded(field: Option<&Value>) -> Vec<u8> {
    let text = field.and_then(Value::as_str).unwrap_or_default();
    STANDARD.decode(text).unwrap_or_default()
}

pub(crate) fn usages(object: &Value) -> Vec<&str> {
    let usages = object.pointer("/spec/usages").and_then(Value::as_array);
    let usages = usages.into_iter().flatten();
    usages.filter_map(Value::as_str).collect()
}

/// The condition of a type.
pub(crate) fn condition<'o>(object: &'o Value, kind: &str) -> Option<&'o Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let is = |condition: &&Value| condition.get("type").is_some_and(|is| is == kind);
    conditions.iter().find(is)
}

/// What the signer of a request has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Nobody has decided: it may be one that is approved unasked.
    Consider,
    /// It was approved.
    Sign(ClusterAuthority),
    Nothing,
}

/// What is to be done about a request now.
pub(crate) fn duty(object: &Value) -> Duty {
    if !certificate(object).is_empty() || condition(object, "Failed").is_some() {
        return Duty::Nothing;
    }
    let approved = condition(object, "Approved").is_some();
    match (approved, condition(object, "Denied").is_some()) {
        (false, false) => Duty::Consider,
        (true, false) => match authority(signer_name(object)) {
            Some(authority) => Duty::Sign(authority),
            None => Duty::Nothing,
        },
        _ => Duty::Nothing,
    }
}

/// The permissions with which a request is approved unasked, the narrower first, each with what is
/// then said.
pub(crate) fn unasked(object: &Value, facts: &RequestFacts) -> Vec<(&'static str, &'static str)> {
    if signer_name(object) != KUBELET_CLIENT || kubelet_client(facts, &usages(object)).is_err() {
        return Vec::new();
    }
    let mut all = Vec::new();
    let user = object.pointer("/spec/username").and_then(Value::as_str);
    if user == Some(facts.common_name.as_str()) {
        all.push((
            "selfnodeclient",
            "Auto approving self kubelet client certificate after SubjectAccessReview.",
        ));
    }
    all.push((
        "nodeclient",
        "Auto approving kubelet client certificate after SubjectAccessReview.",
    ));
    all
}

/// Refuses what a signer does not sign, with the message of the condition `Failed`.
pub(crate) fn check(object: &Value, facts: &RequestFacts) -> Result<(), String> {
    let usages = usages(object);
    match signer_name(object) {
        CLIENT => api_client(&usages),
        KUBELET_CLIENT => kubelet_client(facts, &usages),
        KUBELET_SERVING => kubelet_serving(facts, &usages),
        _ => Ok(()),
    }
}

fn api_client(usages: &[&str]) -> Result<(), String> {
    for usage in usages {
        if !matches!(
            *usage,
            "digital signature" | "key encipherment" | "client auth"
        ) {
            return Err(format!("invalid usage for client certificate: {usage}"));
        }
    }
    match usages.contains(&"client auth") {
        true => Ok(()),
        false => Err("missing required usage for client certificate: client auth".into()),
    }
}

fn is_set_of(usages: &[&str], wanted: &[&str]) -> bool {
    usages.iter().all(|usage| wanted.contains(usage))
        && wanted.iter().all(|usage| usages.contains(usage))
}

/// All of them, or all but the encipherment, which only RSA keys can do.
fn check_usages(usages: &[&str], last: &str) -> Result<(), String> {
    let few = ["digital signature", last];
    let all = ["digital signature", "key encipherment", last];
    if is_set_of(usages, &few) || is_set_of(usages, &all) {
        return Ok(());
    }
    let mut sorted = all;
    sorted.sort_unstable();
    Err(format!("usages did not match [{}]", sorted.join(" ")))
}

fn is_of_nodes(facts: &RequestFacts) -> Result<(), String> {
    match facts.organizations == ["system:nodes"] {
        true => Ok(()),
        false => Err("subject organization is not system:nodes".into()),
    }
}

fn is_called_node(facts: &RequestFacts) -> Result<(), String> {
    match facts.common_name.starts_with("system:node:") {
        true => Ok(()),
        false => Err("subject common name does not begin with system:node:".into()),
    }
}

fn has_none(kind: &str, count: usize) -> Result<(), String> {
    match count {
        0 => Ok(()),
        _ => Err(format!("{kind} subjectAltNames are not allowed")),
    }
}

fn kubelet_client(facts: &RequestFacts, usages: &[&str]) -> Result<(), String> {
    is_of_nodes(facts)?;
    has_none("DNS", facts.dns_names)?;
    has_none("Email", facts.email_addresses)?;
    has_none("IP", facts.ip_addresses)?;
    has_none("URI", facts.uris)?;
    is_called_node(facts)?;
    check_usages(usages, "client auth")
}

fn kubelet_serving(facts: &RequestFacts, usages: &[&str]) -> Result<(), String> {
    is_of_nodes(facts)?;
    if facts.dns_names == 0 && facts.ip_addresses == 0 {
        return Err("DNS or IP subjectAltName is required".into());
    }
    has_none("Email", facts.email_addresses)?;
    has_none("URI", facts.uris)?;
    check_usages(usages, "server auth")?;
    is_called_node(facts)
}

/// How long the certificate is to be good for.
pub(crate) fn life_seconds(object: &Value) -> u64 {
    let asked = object.pointer("/spec/expirationSeconds");
    match asked.and_then(Value::as_i64) {
        None => LIFE_SECONDS,
        Some(asked) => u64::try_from(asked)
            .unwrap_or(0)
            .clamp(LIFE_SECONDS_MIN, LIFE_SECONDS),
    }
}

/// Whether a request has been kept for long enough. `end_ms` is that of its certificate.
pub(crate) fn is_over(object: &Value, end_ms: Option<i64>, now_ms: i64) -> bool {
    let older = |time: Option<&Value>, than: i64| {
        let at = time
            .and_then(Value::as_str)
            .and_then(skerry_kinds::parse_ms);
        at.is_some_and(|at| now_ms.saturating_sub(at) > than)
    };
    let decided = |kind: &str| {
        let at = condition(object, kind).and_then(|found| found.get("lastUpdateTime"));
        older(at, DECIDED_MS)
    };
    let created = object.pointer("/metadata/creationTimestamp");
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let issued = !certificate(object).is_empty();
    let approved = condition(object, "Approved").is_some();
    (issued && decided("Approved"))
        || decided("Denied")
        || decided("Failed")
        || (conditions.is_none_or(Vec::is_empty) && older(created, PENDING_MS))
        || (approved && !issued && older(created, PENDING_MS) && decided("Approved"))
        || (approved && end_ms.is_some_and(|end| end < now_ms))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node() -> RequestFacts {
        RequestFacts {
            common_name: "system:node:a".into(),
            organizations: vec!["system:nodes".into()],
            ..RequestFacts::default()
        }
    }

    fn asked(signer: &str, usages: &[&str]) -> Value {
        json!({"spec": {"signerName": signer, "usages": usages, "username": "system:node:a"}})
    }

    #[test]
    fn each_signer_signs_what_it_is_for() {
        let kubelet = ["digital signature", "client auth"];
        let serving = ["key encipherment", "server auth", "digital signature"];
        let with_name = RequestFacts {
            dns_names: 1,
            ..node()
        };
        let said = |signer: &str, usages: &[&str], facts: &RequestFacts| {
            check(&asked(signer, usages), facts)
                .err()
                .unwrap_or_default()
        };
        assert_eq!(said(CLIENT, &["client auth"], &RequestFacts::default()), "");
        assert_eq!(
            said(CLIENT, &["client auth", "server auth"], &node()),
            "invalid usage for client certificate: server auth"
        );
        assert_eq!(
            said(CLIENT, &["digital signature"], &node()),
            "missing required usage for client certificate: client auth"
        );
        assert_eq!(said(KUBELET_CLIENT, &kubelet, &node()), "");
        assert_eq!(
            said(KUBELET_CLIENT, &kubelet, &with_name),
            "DNS subjectAltNames are not allowed"
        );
        assert_eq!(
            said(KUBELET_CLIENT, &serving, &node()),
            "usages did not match [client auth digital signature key encipherment]"
        );
        assert_eq!(said(KUBELET_SERVING, &serving, &with_name), "");
        assert_eq!(
            said(KUBELET_SERVING, &serving, &node()),
            "DNS or IP subjectAltName is required"
        );
        let mut other = node();
        other.organizations.push("system:masters".into());
        assert_eq!(
            said(KUBELET_CLIENT, &kubelet, &other),
            "subject organization is not system:nodes"
        );
        other = node();
        other.common_name = "bob".into();
        assert_eq!(
            said(KUBELET_CLIENT, &kubelet, &other),
            "subject common name does not begin with system:node:"
        );
        assert_eq!(said(LEGACY, &["any"], &RequestFacts::default()), "");
    }

    #[test]
    fn only_what_was_approved_and_has_not_failed_is_signed() {
        let with = |conditions: &[&str], certificate: &str| {
            let mut object = asked(CLIENT, &["client auth"]);
            let conditions: Vec<Value> = conditions
                .iter()
                .map(|kind| json!({"type": kind}))
                .collect();
            object["status"] = json!({"conditions": conditions, "certificate": certificate});
            duty(&object)
        };
        assert_eq!(with(&[], ""), Duty::Consider);
        assert_eq!(
            with(&["Approved"], ""),
            Duty::Sign(ClusterAuthority::Client)
        );
        assert_eq!(with(&["Approved"], "QQ=="), Duty::Nothing);
        assert_eq!(with(&["Denied"], ""), Duty::Nothing);
        assert_eq!(with(&["Approved", "Denied"], ""), Duty::Nothing);
        assert_eq!(with(&["Approved", "Failed"], ""), Duty::Nothing);
        let mut foreign = asked("example.com/own", &["client auth"]);
        foreign["status"] = json!({"conditions": [{"type": "Approved"}]});
        assert_eq!(duty(&foreign), Duty::Nothing);
    }

    #[test]
    fn a_kubelet_is_approved_for_itself_before_for_another() {
        let usages = ["digital signature", "client auth"];
        let names = |object: &Value| -> Vec<&str> {
            unasked(object, &node())
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        };
        let mut object = asked(KUBELET_CLIENT, &usages);
        assert_eq!(names(&object), ["selfnodeclient", "nodeclient"]);
        object["spec"]["username"] = "system:bootstrap:abcdef".into();
        assert_eq!(names(&object), ["nodeclient"]);
        assert!(names(&asked(CLIENT, &usages)).is_empty());
    }

    #[test]
    fn a_life_is_a_year_at_most_and_ten_minutes_at_least() {
        let life = |seconds: Value| life_seconds(&json!({"spec": {"expirationSeconds": seconds}}));
        assert_eq!(life(Value::Null), 365 * 86_400);
        assert_eq!(life(json!(3600)), 3600);
        assert_eq!(life(json!(i64::MAX)), 365 * 86_400);
        assert_eq!(life(json!(-1)), 600);
    }

    #[test]
    fn requests_are_kept_an_hour_after_the_decision_and_a_day_without_one() {
        let at = |kind: &str, certificate: &str| {
            json!({
                "metadata": {"creationTimestamp": "1970-01-01T00:00:00Z"},
                "status": {
                    "certificate": certificate,
                    "conditions": [{"type": kind, "lastUpdateTime": "1970-01-01T00:00:00Z"}],
                },
            })
        };
        let hour = 3_600_000;
        for object in [at("Approved", "QQ=="), at("Denied", ""), at("Failed", "")] {
            assert!(!is_over(&object, None, hour));
            assert!(is_over(&object, None, hour + 1));
        }
        assert!(!is_over(&at("Approved", ""), None, 2 * hour));
        let pending = json!({"metadata": {"creationTimestamp": "1970-01-01T00:00:00Z"}});
        assert!(!is_over(&pending, None, 24 * hour));
        assert!(is_over(&pending, None, 24 * hour + 1));
        assert!(is_over(&at("Approved", "QQ=="), Some(1), 2));
    }
}
