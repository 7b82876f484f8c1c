//! Requests on their way into the store: who asks is written down, and who may not is refused.
//!
//! Invariant: the identity in a request is that of whoever sent it, and never changes.

use serde_json::{Value, json};
use skerry_rbac::node::{self, Identity};
use skerry_rbac::{Attributes, Target};

use super::rules;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;
use crate::registry;
use crate::time;

const GROUP: &str = "certificates.k8s.io";
const MASTERS: &str = "system:masters";

fn is_request(call: &Call) -> bool {
    let resource = &call.resource;
    resource.group == GROUP && resource.kind == "CertificateSigningRequest"
}

/// Writes down who asks, and when something was decided.
pub(crate) fn fill(call: &Call, next: &mut Value, old: Option<&Value>) {
    if !is_request(call) {
        return;
    }
    match (old, call.info.subresource.as_str()) {
        (None, _) => identify(call, next),
        (Some(old), "approval" | "status") => date(next, old),
        _ => {}
    }
}

fn identify(call: &Call, next: &mut Value) {
    let user = &call.user;
    let spec = object::fields_of(next, "spec");
    for field in ["username", "uid", "groups", "extra"] {
        spec.remove(field);
    }
    spec.insert("username".into(), user.name.clone().into());
    if !user.uid.is_empty() {
        spec.insert("uid".into(), user.uid.clone().into());
    }
    if !user.groups.is_empty() {
        spec.insert("groups".into(), user.groups.clone().into());
    }
    if !user.extra.is_empty() {
        spec.insert("extra".into(), json!(user.extra));
    }
}

/// Conditions that do not say so are of now; those that were there keep their transition.
fn date(next: &mut Value, old: &Value) {
    let now = time::rfc3339(time::now());
    let conditions = next.pointer_mut("/status/conditions");
    let Some(Value::Array(conditions)) = conditions else {
        return;
    };
    for condition in conditions {
        let kind = condition.get("type").and_then(Value::as_str);
        let before = kind.and_then(|kind| rules::condition(old, kind));
        let before = before.filter(|before| before.get("status") == condition.get("status"));
        let transition = before.and_then(|before| before.get("lastTransitionTime"));
        let transition = transition.cloned().unwrap_or_else(|| now.clone().into());
        let Value::Object(fields) = condition else {
            continue;
        };
        let is_unset = |value: Option<&Value>| value.is_none_or(Value::is_null);
        if is_unset(fields.get("lastUpdateTime")) {
            fields.insert("lastUpdateTime".into(), now.clone().into());
        }
        if is_unset(fields.get("lastTransitionTime")) {
            fields.insert("lastTransitionTime".into(), transition);
        }
    }
}

impl Engine {
    /// Refuses what nobody could sign, and what this user may not have, approve or sign.
    pub(crate) fn admit_certificate(
        &self,
        call: &Call,
        next: &Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        if !is_request(call) {
            return Ok(());
        }
        match (old, call.info.subresource.as_str()) {
            (None, _) => self.admit_request(call, next),
            (Some(old), "approval") => self.permit_signer(call, old, "approve"),
            (Some(old), "status") => {
                let field = |object: &Value, path: &str| object.pointer(path).cloned();
                let differs = |path: &str| field(next, path) != field(old, path);
                let signs = differs("/status/certificate");
                if signs {
                    self.check_certificate(call, next)?;
                }
                match signs || differs("/status/conditions") {
                    true => self.permit_signer(call, old, "sign"),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn admit_request(&self, call: &Call, next: &Value) -> Result<(), ApiError> {
        let Some(signer) = &self.signer else {
            return Ok(());
        };
        let about = registry::about(&call.resource, object::name(next));
        let facts = signer.read(&rules::request(next)).map_err(|why| {
            let request = next.pointer("/spec/request").unwrap_or(&Value::Null);
            let message = format!("Invalid value: {request}: {why}");
            let cause = ("FieldValueInvalid".into(), message, "spec.request".into());
            let about = crate::error::About {
                resource: &call.resource.kind,
                ..about
            };
            ApiError::invalid(about, &[cause])
        })?;
        let masters = facts.organizations.iter().any(|group| group == MASTERS);
        if masters && rules::signer_name(next) == rules::CLIENT {
            let why = format!(
                "use of {} signer with {MASTERS} group is not allowed",
                rules::CLIENT
            );
            return Err(ApiError::forbidden(about, &why));
        }
        let user = call.user.name.as_str();
        let is_kubelet = node::identity(user, &call.user.groups) != Identity::Other;
        let is_of_kubelets = rules::KUBELET_SIGNERS.contains(&rules::signer_name(next));
        if is_kubelet && is_of_kubelets && facts.common_name != user {
            let why = format!("can only create a node CSR with CN={user}");
            return Err(ApiError::forbidden(about, &why));
        }
        Ok(())
    }

    fn check_certificate(&self, call: &Call, next: &Value) -> Result<(), ApiError> {
        let pem = rules::certificate(next);
        let Some(signer) = self.signer.as_ref().filter(|_| !pem.is_empty()) else {
            return Ok(());
        };
        signer.end_of(&pem).map(drop).map_err(|why| {
            let message = format!("Invalid value: \"<certificate data>\": {why}");
            let field = "status.certificate".to_owned();
            let about = crate::error::About {
                resource: &call.resource.kind,
                ..registry::about(&call.resource, object::name(next))
            };
            ApiError::invalid(about, &[("FieldValueInvalid".into(), message, field)])
        })
    }

    /// Whether the user may decide for the signer, or for all of its domain.
    fn permit_signer(&self, call: &Call, old: &Value, verb: &'static str) -> Result<(), ApiError> {
        let signer = rules::signer_name(old);
        let domain = signer.split('/').next().unwrap_or_default();
        let every = format!("{domain}/*");
        let policies = self.roles.policies();
        let may = |name: &str| {
            let target = Target::Resource {
                group: GROUP,
                resource: "signers",
                subresource: "",
                name,
                namespace: "",
            };
            let wanted = Attributes::new(&call.user, verb, target);
            policies.authorize(&wanted).allowed
        };
        if may(signer) || may(&every) {
            return Ok(());
        }
        let why = format!("user not permitted to {verb} requests with signerName {signer:?}");
        Err(ApiError::forbidden(call.about(), &why))
    }
}
