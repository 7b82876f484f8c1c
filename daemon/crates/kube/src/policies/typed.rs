//! Whether expressions fit the types of what they are about: what is told in a policy's status.
//!
//! Only built-in kinds are looked at. Invariant: what is told is a warning; nothing is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use skerry_cel::{Form, ListKind, NodeId, Schema, StringForm, Type};
use skerry_schema::{Format, Shape, Types};

use super::definition::{list, text};
use super::environment::{Environment, Wanted};
use crate::registry::Registry;

/// Kinds that one rule is checked against: upstream's.
const KINDS_MAX: usize = 10;

/// The types of built-in objects, as expressions see them. A node is the number of a type.
struct BuiltIn(Arc<Types>);

impl BuiltIn {
    fn shape(&self, node: NodeId) -> Shape<'_> {
        self.0
            .at(node)
            .map_or(Shape::Any, skerry_schema::Type::shape)
    }
}

impl Schema for BuiltIn {
    fn form(&self, node: NodeId) -> Form {
        match self.shape(node) {
            Shape::Any => Form::Any,
            Shape::String(Format::DateTime) => Form::String(StringForm::DateTime),
            Shape::String(Format::Byte) => Form::String(StringForm::Bytes),
            Shape::String(_) => Form::String(StringForm::Plain),
            Shape::Integer(_) => Form::Int,
            Shape::Number => Form::Double,
            Shape::Boolean => Form::Bool,
            Shape::IntOrString => Form::IntOrString,
            Shape::List(list) => Form::List {
                items: list.element.id().number(),
                kind: ListKind::Atomic,
            },
            Shape::Map(map) => Form::Map {
                values: map.element.id().number(),
            },
            Shape::Object(object) if object.fields().len() == 0 => Form::Any,
            Shape::Object(_) => Form::Object,
        }
    }

    fn field(&self, node: NodeId, name: &str) -> Option<NodeId> {
        match self.shape(node) {
            Shape::Object(object) => Some(object.field(name)?.of.id().number()),
            _ => None,
        }
    }

    fn fields(&self, node: NodeId) -> Vec<String> {
        match self.shape(node) {
            Shape::Object(object) => object.fields().map(|field| field.name.to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    fn type_name(&self, node: NodeId) -> String {
        let named = self.0.at(node).and_then(skerry_schema::Type::name);
        named.map_or_else(|| format!("object{node}"), str::to_owned)
    }
}

/// Group, version, kind, and the type of its objects.
type Kind = (String, String, String, Type);

/// The kinds that a policy's rules name, none of them by a wildcard.
fn kinds(registry: &Registry, policy: &Value) -> Vec<Kind> {
    let types: Arc<dyn Schema> = Arc::new(BuiltIn(Arc::clone(&registry.types)));
    let mut found: BTreeMap<(String, String, String), Type> = BTreeMap::new();
    for rule in list(&policy["spec"]["matchConstraints"]["resourceRules"]) {
        let words = |field: &str| list(&rule[field]).iter().map(text);
        if words("apiGroups")
            .chain(words("apiVersions"))
            .any(|word| word.contains('*'))
        {
            continue;
        }
        for group in words("apiGroups") {
            for version in words("apiVersions") {
                for plural in words("resources") {
                    let resource = registry.find(group, version, plural);
                    let Some(resource) = resource.filter(|_| found.len() < KINDS_MAX) else {
                        continue;
                    };
                    if let Some(of) = registry.type_of(resource) {
                        let key = (group.into(), version.into(), resource.kind.clone());
                        let kind = Type::object(Arc::clone(&types), of.id().number());
                        found.insert(key, kind);
                    }
                }
            }
        }
    }
    let all = found.into_iter();
    all.map(|((group, version, kind), of)| (group, version, kind, of))
        .collect()
}

/// The `expressionWarnings` of a validating policy.
pub(crate) fn warnings(registry: &Registry, policy: &Value) -> Vec<Value> {
    let kinds = kinds(registry, policy);
    let spec = &policy["spec"];
    let mut warnings = Vec::new();
    for (i, validation) in list(&spec["validations"]).iter().enumerate() {
        for field in ["expression", "messageExpression"] {
            let expression = text(&validation[field]);
            if expression.is_empty() {
                continue;
            }
            let faults = kinds
                .iter()
                .filter_map(|kind| fault(kind, spec, expression));
            let faults: Vec<String> = faults.collect();
            if !faults.is_empty() {
                warnings.push(json!({
                    "fieldRef": format!("spec.validations[{i}].{field}"),
                    "warning": faults.join("\n"),
                }));
            }
        }
    }
    warnings
}

fn fault((group, version, kind, of): &Kind, spec: &Value, expression: &str) -> Option<String> {
    let mut environment = Environment::new(spec["paramKind"].is_object()).about(of.clone());
    for variable in list(&spec["variables"]) {
        environment.declare(text(&variable["name"]), text(&variable["expression"]));
    }
    let fault = environment
        .compile(expression, Wanted::Anything)
        .program
        .err()?;
    let version = match group.as_str() {
        "" => version.clone(),
        group => format!("{group}/{version}"),
    };
    Some(format!("{version}, Kind={kind}: {fault}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kind_has_not_is_warned_of() {
        let registry = Registry::new(skerry_schema::built_in());
        let policy = |expression: &str| {
            json!({"spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
                }]},
                "variables": [{"name": "pods", "expression": "object.spec.template.spec"}],
                "validations": [{"expression": expression}],
            }})
        };
        for fits in [
            "object.spec.replicas > 1 && variables.pods.containers.all(c, c.image != '')",
            "object.metadata.labels['a'] == 'b' && has(object.metadata.deletionTimestamp)",
            "oldObject == null || object.metadata.name == ''",
        ] {
            assert_eq!(
                warnings(&registry, &policy(fits)),
                [Value::Null; 0],
                "{fits}"
            );
        }
        let told = warnings(&registry, &policy("object.spec.replicsa > 1"));
        assert_eq!(told[0]["fieldRef"], "spec.validations[0].expression");
        let start = "apps/v1, Kind=Deployment: compilation failed: ERROR: <input>:1:12: undefined field 'replicsa'";
        assert!(text(&told[0]["warning"]).starts_with(start), "{told:?}");
        let told = warnings(&registry, &policy("object.spec.replicas == 'x'"));
        assert!(text(&told[0]["warning"]).contains("no matching overload"));
    }
}
