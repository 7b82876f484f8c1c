//! Questions about permissions, asked through the API: SubjectAccessReview,
//! its local and self forms, SelfSubjectRulesReview, SelfSubjectReview.
//!
//! From the object that was posted to the one that is answered. Takes the
//! decision from the caller, who may ask more than roles.

use serde_json::{Map, Value, json};
use skerry_selector::fields;
use skerry_selector::labels;
use skerry_selector::quoted;

use crate::attributes::{Attributes, Target, User};
use crate::policies::{Decision, Policies, together};

/// Which form of access review, with what the request's own place says.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// SubjectAccessReview.
    Subject,
    /// LocalSubjectAccessReview, posted to this namespace.
    Local(&'a str),
    /// SelfSubjectAccessReview, by this user.
    Own(&'a User),
}

/// What kind of complaint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// `Invalid value`.
    Invalid,
    /// `Required value`.
    Required,
}

/// One cause of an Invalid Status.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Of which kind.
    pub complaint: Complaint,
    /// Path of the field.
    pub field: String,
    /// The value there.
    pub value: Value,
    /// What is wrong with it.
    pub detail: String,
}

/// Why a review is not answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReviewError {
    /// Invalid, with these causes.
    #[error("invalid review")]
    Invalid(Vec<Violation>),
    /// BadRequest, with this message.
    #[error("{0}")]
    BadRequest(String),
}

/// Answers an access review: the object with its status.
pub fn access(
    form: Access<'_>,
    object: &Value,
    decide: impl FnOnce(&Attributes<'_>) -> Decision,
) -> Result<Value, ReviewError> {
    let spec = part(object, "spec").unwrap_or(&Value::Null);
    let (resource, path) = (
        part(spec, "resourceAttributes"),
        part(spec, "nonResourceAttributes"),
    );
    let violations = violations(form, object, spec, resource, path);
    if !violations.is_empty() {
        return Err(ReviewError::Invalid(violations));
    }
    if let Access::Local(namespace) = form {
        if namespace.is_empty() {
            let text = "namespace is required on this type: ";
            return Err(ReviewError::BadRequest(text.to_owned()));
        }
        if namespace
            != text(
                part(object, "metadata").unwrap_or(&Value::Null),
                "namespace",
            )
        {
            let text =
                format!("spec.resourceAttributes.namespace must match namespace: {namespace}");
            return Err(ReviewError::BadRequest(text));
        }
    }
    let listed = list(spec, "groups");
    let (user, groups) = match form {
        Access::Own(user) => (user.name.as_str(), user.groups.as_slice()),
        _ => (text(spec, "user"), listed.as_slice()),
    };
    let (of, target) = match (resource, path) {
        (Some(resource), _) => (
            resource,
            Target::Resource {
                group: text(resource, "group"),
                resource: text(resource, "resource"),
                subresource: text(resource, "subresource"),
                name: text(resource, "name"),
                namespace: text(resource, "namespace"),
            },
        ),
        (None, Some(path)) => (path, Target::Path(text(path, "path"))),
        (None, None) => (spec, Target::Path("")),
    };
    let decision = decide(&Attributes {
        user,
        groups,
        verb: text(of, "verb"),
        target,
    });
    let mut status = Map::new();
    status.insert("allowed".to_owned(), Value::Bool(decision.allowed));
    if !decision.reason.is_empty() {
        status.insert("reason".to_owned(), Value::String(decision.reason));
    }
    let ignored = resource.map(ignored_selectors).unwrap_or_default();
    if !ignored.is_empty() {
        status.insert(
            "evaluationError".to_owned(),
            Value::String(ignored.join("; ")),
        );
    }
    let mut answer = object.clone();
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("status".to_owned(), Value::Object(status));
    }
    Ok(answer)
}

/// Answers a SelfSubjectRulesReview.
pub fn rules(policies: &Policies, user: &User, object: &Value) -> Result<Value, ReviewError> {
    let namespace = part(object, "spec")
        .map(|spec| text(spec, "namespace"))
        .unwrap_or_default();
    if namespace.is_empty() {
        return Err(ReviewError::BadRequest(
            "no namespace on request".to_owned(),
        ));
    }
    let (rules, unresolved) = policies.rules_for(&user.name, &user.groups, namespace);
    let (mut on_resources, mut on_paths) = (Vec::new(), Vec::new());
    for rule in rules {
        let mut both = rule.to_value();
        let paths = both
            .as_object_mut()
            .and_then(|fields| fields.remove("nonResourceURLs"));
        if let Some(paths) = paths {
            on_paths.push(json!({"verbs": both["verbs"], "nonResourceURLs": paths}));
        }
        if !rule.resources.is_empty() {
            on_resources.push(both);
        }
    }
    let mut status = json!({
        "resourceRules": on_resources,
        "nonResourceRules": on_paths,
        "incomplete": false,
    });
    if !unresolved.is_empty() {
        status["evaluationError"] = Value::String(together(&unresolved));
    }
    Ok(json!({
        "apiVersion": object.get("apiVersion").cloned().unwrap_or(json!("authorization.k8s.io/v1")),
        "kind": "SelfSubjectRulesReview",
        "metadata": {},
        "spec": {},
        "status": status,
    }))
}

/// Answers a SelfSubjectReview: who the caller is.
#[must_use]
pub fn who_am_i(user: &User, object: &Value) -> Value {
    let metadata = part(object, "metadata")
        .cloned()
        .unwrap_or_else(|| json!({}));
    json!({
        "apiVersion": object.get("apiVersion").cloned().unwrap_or(json!("authentication.k8s.io/v1")),
        "kind": "SelfSubjectReview",
        "metadata": metadata,
        "status": {"userInfo": user_info(user)},
    })
}

/// A user as UserInfo: in reviews, webhooks and certificate requests.
#[must_use]
pub fn user_info(user: &User) -> Value {
    let mut info = Map::new();
    if !user.name.is_empty() {
        info.insert("username".to_owned(), json!(user.name));
    }
    if !user.uid.is_empty() {
        info.insert("uid".to_owned(), json!(user.uid));
    }
    if !user.groups.is_empty() {
        info.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        info.insert("extra".to_owned(), json!(user.extra));
    }
    Value::Object(info)
}

fn violations(
    form: Access<'_>,
    object: &Value,
    spec: &Value,
    resource: Option<&Value>,
    path: Option<&Value>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut invalid = |field: &str, value: &Value, detail: &str| {
        violations.push(Violation {
            complaint: Complaint::Invalid,
            field: field.to_owned(),
            value: value.clone(),
            detail: detail.to_owned(),
        });
    };
    match (resource, path) {
        (Some(_), Some(path)) => invalid(
            "spec.nonResourceAttributes",
            path,
            "cannot be specified in combination with resourceAttributes",
        ),
        (None, None) => invalid(
            "spec.resourceAttributes",
            &Value::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ),
        _ => {}
    }
    if !matches!(form, Access::Own(_))
        && text(spec, "user").is_empty()
        && list(spec, "groups").is_empty()
    {
        invalid(
            "spec.user",
            &json!(""),
            "at least one of user or group must be specified",
        );
    }
    let metadata = part(object, "metadata").unwrap_or(&Value::Null);
    let local = matches!(form, Access::Local(_));
    let empty = metadata.as_object().is_none_or(|fields| {
        fields.iter().all(|(name, value)| {
            name == "managedFields" || value.is_null() || (local && name == "namespace")
        })
    });
    if !empty {
        let detail = if local {
            "must be empty except for namespace"
        } else {
            "must be empty"
        };
        invalid("metadata", metadata, detail);
    }
    if local {
        if let Some(resource) = resource
            && text(resource, "namespace") != text(metadata, "namespace")
        {
            let namespace = json!(text(resource, "namespace"));
            invalid(
                "spec.resourceAttributes.namespace",
                &namespace,
                "must match metadata.namespace",
            );
        }
        if let Some(path) = path {
            invalid(
                "spec.nonResourceAttributes",
                path,
                "disallowed on this kind of request",
            );
        }
    }
    if let Some(resource) = resource {
        for field in ["fieldSelector", "labelSelector"] {
            let Some(selector) = part(resource, field) else {
                continue;
            };
            let at = format!("spec.resourceAttributes.{field}");
            let raw = text(selector, "rawSelector");
            let requirements = part(selector, "requirements").and_then(Value::as_array);
            match (raw.is_empty(), requirements.is_none_or(Vec::is_empty)) {
                (false, false) => violations.push(Violation {
                    complaint: Complaint::Invalid,
                    field: format!("{at}.rawSelector"),
                    value: json!(raw),
                    detail: "may not specified at the same time as requirements".to_owned(),
                }),
                (true, true) => violations.push(Violation {
                    complaint: Complaint::Required,
                    field: format!("{at}.requirements"),
                    value: Value::Null,
                    detail: format!(
                        "when {at} is specified, requirements or rawSelector is required"
                    ),
                }),
                _ => {}
            }
        }
    }
    violations
}

/// Roles do not look at selectors, so what cannot be read in one only needs
/// saying.
fn ignored_selectors(resource: &Value) -> Vec<String> {
    let field = |requirement: &Value| {
        let one = part(requirement, "values")
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
            == 1;
        one && matches!(text(requirement, "operator"), "In" | "NotIn")
    };
    let label = |requirement: &Value| {
        labels::Selector::from_object(&json!({"matchExpressions": [requirement]})).is_ok()
    };
    let raw_field = |raw: &str| fields::Selector::parse(raw).is_ok();
    let raw_label = |raw: &str| labels::Selector::parse(raw).is_ok();
    [
        ignored_selector(resource, "fieldSelector", field, raw_field),
        ignored_selector(resource, "labelSelector", label, raw_label),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn ignored_selector(
    resource: &Value,
    name: &str,
    readable: impl Fn(&Value) -> bool,
    raw_readable: impl Fn(&str) -> bool,
) -> Option<String> {
    let selector = part(resource, name)?;
    let at = format!("spec.resourceAttributes.{name}");
    let raw = text(selector, "rawSelector");
    let requirements = part(selector, "requirements").and_then(Value::as_array);
    let good = requirements
        .into_iter()
        .flatten()
        .filter(|one| readable(one))
        .count();
    if good < requirements.map_or(0, Vec::len) {
        let partially = if good > 0 { "partially " } else { "" };
        Some(format!("{at} {partially}ignored due to parse error"))
    } else if !raw.is_empty() && !raw_readable(raw) {
        Some(format!("{at} ignored due to parse error"))
    } else {
        None
    }
}

/// A violation's text, as field errors are printed.
impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { field, detail, .. } = self;
        match (self.complaint, &self.value) {
            (Complaint::Required, _) => write!(f, "{field}: Required value: {detail}"),
            (Complaint::Invalid, Value::String(value)) => {
                write!(f, "{field}: Invalid value: {}: {detail}", quoted(value))
            }
            (Complaint::Invalid, value) => write!(f, "{field}: Invalid value: {value}: {detail}"),
        }
    }
}

fn part<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object.get(field).filter(|value| !value.is_null())
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn list(object: &Value, field: &str) -> Vec<String> {
    let values = object.get(field).and_then(Value::as_array);
    values
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}
