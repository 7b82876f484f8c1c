//! One policy and one binding as their objects describe them, parsed and checked once.
//!
//! Knows nothing about requests. Invariant: whatever stands in an object, there is a policy for it:
//! what cannot be read is told when it is asked.

use serde_json::Value;
use skerry_selector::labels::Selector;

use super::environment::{Environment, Expression, Wanted};
use super::inputs::Variable;
use crate::webhooks::Rule;

/// A policy.
pub(super) struct Policy {
    pub(super) name: String,
    /// `failurePolicy: Ignore`
    pub(super) fails_open: bool,
    pub(super) param_kind: Option<ParamKind>,
    pub(super) constraints: Option<Constraints>,
    pub(super) conditions: Vec<(String, Expression)>,
    pub(super) variables: Vec<Variable>,
    pub(super) validations: Vec<Validation>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) mutations: Vec<Mutation>,
    /// `reinvocationPolicy: IfNeeded`
    pub(super) is_reinvocable: bool,
}

/// What objects parameters are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParamKind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

/// What must hold, and what is said where it does not.
pub(super) struct Validation {
    pub(super) expression: Expression,
    pub(super) message: String,
    pub(super) message_expression: Option<Expression>,
    /// Empty: upstream's default.
    pub(super) reason: String,
}

/// What the audit event of a request says besides.
pub(super) struct Annotation {
    pub(super) key: String,
    pub(super) expression: Expression,
}

/// What is changed.
pub(super) enum Mutation {
    Apply(Expression),
    Patch(Expression),
    /// It says nothing that is known.
    None,
}

/// Where a policy is in force, and with which parameters.
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) policy: String,
    /// None: wherever the policy wants to be.
    pub(super) constraints: Option<Constraints>,
    pub(super) params: Option<ParamRef>,
    pub(super) actions: Vec<String>,
}

/// Which objects are the parameters.
pub(super) struct ParamRef {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) selector: Option<Result<Selector, String>>,
    /// `parameterNotFoundAction: Deny`
    pub(super) denies_missing: bool,
}

/// What a policy or a binding is about.
pub(super) struct Constraints {
    pub(super) rules: Vec<NamedRule>,
    pub(super) excluded: Vec<NamedRule>,
    /// `matchPolicy: Equivalent`
    pub(super) takes_equivalents: bool,
    pub(super) namespaces: Result<Selector, String>,
    pub(super) objects: Result<Selector, String>,
}

/// A rule, and the names of the objects that it is about; none: of all.
pub(super) struct NamedRule {
    pub(super) rule: Rule,
    pub(super) names: Vec<String>,
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

impl Policy {
    /// Reads a policy of either kind.
    pub(super) fn read(object: &Value) -> Policy {
        let spec = &object["spec"];
        let param_kind = ParamKind::read(&spec["paramKind"]);
        let mut environment = Environment::new(param_kind.is_some());
        let variables = list(&spec["variables"]).iter().map(|one| Variable {
            name: text(&one["name"]).to_owned(),
            expression: environment.declare(text(&one["name"]), text(&one["expression"])),
        });
        let variables = variables.collect();
        let condition = |one: &Value| {
            let expression = environment.compile(text(&one["expression"]), Wanted::Bool);
            (text(&one["name"]).to_owned(), expression)
        };
        let messages = environment.without_authorizer();
        let validation = |one: &Value| Validation {
            expression: environment.compile(text(&one["expression"]), Wanted::Bool),
            message: text(&one["message"]).to_owned(),
            message_expression: match text(&one["messageExpression"]) {
                "" => None,
                expression => Some(messages.compile(expression, Wanted::Text)),
            },
            reason: text(&one["reason"]).to_owned(),
        };
        let annotation = |one: &Value| Annotation {
            key: text(&one["key"]).to_owned(),
            expression: environment.compile(text(&one["valueExpression"]), Wanted::TextOrNull),
        };
        let patches = environment.with_patches();
        let mutation = |one: &Value| match text(&one["patchType"]) {
            "ApplyConfiguration" => {
                let expression = text(&one["applyConfiguration"]["expression"]);
                Mutation::Apply(patches.compile(expression, Wanted::Configuration))
            }
            "JSONPatch" => {
                let expression = text(&one["jsonPatch"]["expression"]);
                Mutation::Patch(patches.compile(expression, Wanted::Patch))
            }
            _ => Mutation::None,
        };
        Policy {
            name: text(&object["metadata"]["name"]).to_owned(),
            fails_open: text(&spec["failurePolicy"]) == "Ignore",
            param_kind,
            constraints: Constraints::read(&spec["matchConstraints"]),
            conditions: list(&spec["matchConditions"])
                .iter()
                .map(condition)
                .collect(),
            variables,
            validations: list(&spec["validations"]).iter().map(validation).collect(),
            annotations: list(&spec["auditAnnotations"])
                .iter()
                .map(annotation)
                .collect(),
            mutations: list(&spec["mutations"]).iter().map(mutation).collect(),
            is_reinvocable: text(&spec["reinvocationPolicy"]) == "IfNeeded",
        }
    }
}

impl ParamKind {
    fn read(value: &Value) -> Option<ParamKind> {
        if !value.is_object() {
            return None;
        }
        let api_version = text(&value["apiVersion"]);
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Some(ParamKind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(&value["kind"]).to_owned(),
        })
    }
}

impl Binding {
    pub(super) fn read(object: &Value) -> Binding {
        let spec = &object["spec"];
        Binding {
            name: text(&object["metadata"]["name"]).to_owned(),
            policy: text(&spec["policyName"]).to_owned(),
            constraints: Constraints::read(&spec["matchResources"]),
            params: ParamRef::read(&spec["paramRef"]),
            actions: list(&spec["validationActions"])
                .iter()
                .map(|action| text(action).to_owned())
                .collect(),
        }
    }
}

impl ParamRef {
    fn read(value: &Value) -> Option<ParamRef> {
        value.is_object().then(|| ParamRef {
            name: text(&value["name"]).to_owned(),
            namespace: text(&value["namespace"]).to_owned(),
            selector: value
                .get("selector")
                .filter(|one| !one.is_null())
                .map(selector),
            denies_missing: text(&value["parameterNotFoundAction"]) == "Deny",
        })
    }
}

fn selector(value: &Value) -> Result<Selector, String> {
    match value {
        Value::Null => Ok(Selector::everything()),
        value => Selector::from_object(value).map_err(|error| error.to_string()),
    }
}

impl Constraints {
    fn read(value: &Value) -> Option<Constraints> {
        if !value.is_object() {
            return None;
        }
        let rules = |field: &str| list(&value[field]).iter().map(NamedRule::read).collect();
        Some(Constraints {
            rules: rules("resourceRules"),
            excluded: rules("excludeResourceRules"),
            takes_equivalents: text(&value["matchPolicy"]) != "Exact",
            namespaces: selector(&value["namespaceSelector"]),
            objects: selector(&value["objectSelector"]),
        })
    }
}

impl NamedRule {
    fn read(value: &Value) -> NamedRule {
        let names = list(&value["resourceNames"]).iter();
        NamedRule {
            rule: Rule::read(value),
            names: names.map(|name| text(name).to_owned()).collect(),
        }
    }
}
