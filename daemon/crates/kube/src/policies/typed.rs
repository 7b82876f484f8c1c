//! Whether expressions fit the types of what they are about: what is told in a policy's status.
//!
//! Kinds that extension servers answer for are not looked at. Invariant: what is told is a warning;
//! nothing is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use skerry_cel::{Form, ListKind, NodeId, Schema, StringForm, Type};
use skerry_schema::{Format, Shape, Types};

use super::definition::{list, text};
use super::environment::Environment;
use super::typed_custom::CustomType;
use crate::limits::TYPE_WARNINGS_BYTES_MAX;
use crate::registry::{Registry, Resource};

/// Kinds that a policy is checked against; upstream's limit of those that one rule adds.
const KINDS_MAX: usize = 10;

/// The types of built-in objects, as expressions see them. A node is the number of a type.
pub(super) struct BuiltIn(pub(super) Arc<Types>);

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

/// Group, version and kind.
type Kind = (String, String, String);

/// The type of a resource's objects.
fn type_of(registry: &Registry, resource: &Resource) -> Option<Type> {
    let types = BuiltIn(Arc::clone(&registry.types));
    let Some(custom) = &resource.custom else {
        let of = registry.type_of(resource)?;
        let types: Arc<dyn Schema> = Arc::new(types);
        return Some(Type::of(&types, of.id().number()));
    };
    let compiled = custom.compiled(&resource.version).ok()?;
    let (own, root) = compiled.schema.seen();
    let types: Arc<dyn Schema> = Arc::new(CustomType::new(own, types, &resource.definition));
    Some(Type::of(&types, root))
}

/// The kinds that a policy's rules name, none of them by a wildcard.
fn kinds(registry: &Registry, policy: &Value) -> BTreeMap<Kind, Type> {
    let all = registry.all();
    let mut found = BTreeMap::new();
    for rule in list(&policy["spec"]["matchConstraints"]["resourceRules"]) {
        let words = |field: &str| {
            let mut words: Vec<&str> = list(&rule[field]).iter().map(text).collect();
            words.sort_unstable();
            words
        };
        let (groups, versions) = (words("apiGroups"), words("apiVersions"));
        if groups
            .iter()
            .chain(&versions)
            .any(|word| word.contains('*'))
        {
            continue;
        }
        for group in groups {
            for version in &versions {
                for plural in words("resources") {
                    // As upstream: who names no group means every one.
                    let mut named = all.iter().filter(|one| {
                        (group.is_empty() || one.group == group)
                            && one.version == *version
                            && one.plural == plural
                    });
                    while let Some(one) = named.next().filter(|_| found.len() < KINDS_MAX) {
                        if let Some(of) = type_of(registry, one) {
                            found.insert(key(one), of);
                        }
                    }
                }
            }
        }
    }
    found
}

fn key(resource: &Resource) -> Kind {
    let own = |text: &String| text.clone();
    (
        own(&resource.group),
        own(&resource.version),
        own(&resource.kind),
    )
}

/// The type of a policy's parameters, where there are such objects.
fn params(registry: &Registry, policy: &Value) -> Option<Type> {
    let wanted = &policy["spec"]["paramKind"];
    let (api_version, kind) = (text(&wanted["apiVersion"]), text(&wanted["kind"]));
    let all = registry.all().into_iter();
    let mut named = all.filter(|one| one.kind == kind && one.api_version() == api_version);
    type_of(registry, &*named.next()?)
}

/// The `expressionWarnings` of a validating policy.
pub(crate) fn warnings(registry: &Registry, policy: &Value) -> Vec<Value> {
    let spec = &policy["spec"];
    let params = params(registry, policy);
    let about = |(kind, of): (Kind, Type)| {
        let environment = Environment::new(spec["paramKind"].is_object());
        let mut environment = environment.about(of, params.clone());
        for variable in list(&spec["variables"]) {
            environment.declare(text(&variable["name"]), text(&variable["expression"]));
        }
        (kind, environment)
    };
    let kinds: Vec<(Kind, Environment)> = kinds(registry, policy).into_iter().map(about).collect();
    let mut warnings = Vec::new();
    let mut bytes = 0;
    for (i, validation) in list(&spec["validations"]).iter().enumerate() {
        for field in ["expression", "messageExpression"] {
            let expression = text(&validation[field]);
            if expression.is_empty() && field != "expression" {
                continue;
            }
            let faults = kinds.iter().filter_map(|((group, version, kind), known)| {
                let fault = known.fault(expression)?;
                Some(format!("{group}/{version}, Kind={kind}: {fault}\n"))
            });
            let warning = faults.collect::<Vec<String>>().join("\n");
            bytes += warning.len();
            if bytes > TYPE_WARNINGS_BYTES_MAX {
                return warnings;
            }
            if !warning.is_empty() {
                warnings.push(json!({
                    "fieldRef": format!("spec.validations[{i}].{field}"),
                    "warning": warning,
                }));
            }
        }
    }
    warnings
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
        let start = "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replicsa'";
        assert!(text(&told[0]["warning"]).starts_with(start), "{told:?}");
        let told = warnings(&registry, &policy("object.spec.replicas == 'x'"));
        assert!(text(&told[0]["warning"]).contains("no matching overload"));
    }

    #[test]
    fn a_status_has_room_for_so_many_warnings_and_so_many_kinds() {
        let registry = Registry::new(skerry_schema::built_in());
        let wrong = json!({"expression": "object.metadata.nothing == 1"});
        let policy = json!({"spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["", "apps", "batch"], "apiVersions": ["v1"],
                "resources": ["pods", "services", "secrets", "configmaps", "nodes", "deployments",
                    "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs", "endpoints"],
            }]},
            "validations": vec![wrong; 500],
        }});
        assert_eq!(kinds(&registry, &policy).len(), KINDS_MAX);
        let told = warnings(&registry, &policy);
        let bytes = told.iter().map(|one| text(&one["warning"]).len());
        let bytes: usize = bytes.sum();
        let one = text(&told[0]["warning"]).len();
        assert!(bytes <= TYPE_WARNINGS_BYTES_MAX, "{bytes}");
        assert!(bytes + one > TYPE_WARNINGS_BYTES_MAX, "{bytes}");
    }
}
