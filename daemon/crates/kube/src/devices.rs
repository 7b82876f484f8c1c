//! Selectors of devices: expressions that classes and claims have about what they want.
//!
//! Nothing is selected here: that is a scheduler's work. Texts, types and sizes are upstream's.
//! Invariant: what is stored is an expression that a scheduler can afford to evaluate.

use std::sync::Arc;

use serde_json::Value;
use skerry_cel::limits::PER_CALL_COST_MAX;
use skerry_cel::{CURRENT, Constructors, Env, Error, Size, Sizes, Type};
use skerry_kinds::{ErrorKind, FieldError};

use crate::call::Call;
use crate::error::ApiError;
use crate::kind;

const GROUP: &str = "resource.k8s.io";
/// The type of the variable.
const DEVICE: &str = "kubernetes.DRADevice";
const VARIABLE: &str = "device";
/// Longest name of a driver, and of the domain of an attribute.
const DOMAIN_BYTES_MAX: u64 = 63;
/// Longest name of an attribute within its domain.
const NAME_BYTES_MAX: u64 = 32;
/// Longest value of an attribute.
const VALUE_BYTES_MAX: u64 = 64;
/// Most attributes of a device.
const ATTRIBUTES_MAX: u64 = 32;

/// What a device is.
struct Device;

impl Constructors for Device {
    fn find(&self, _: &str) -> Option<Type> {
        None
    }

    fn field(&self, name: &str, field: &str) -> Option<Type> {
        let by_domain = |of: Type| Type::map(Type::String, Type::map(Type::String, of));
        match (name, field) {
            (DEVICE, "driver") => Some(Type::String),
            (DEVICE, "allowMultipleAllocations") => Some(Type::Bool),
            (DEVICE, "attributes") => Some(by_domain(Type::Dyn)),
            (DEVICE, "capacity") => Some(by_domain(Type::opaque("kubernetes.Quantity"))),
            _ => None,
        }
    }

    fn build<'a>(
        &self,
        name: &str,
        _: Vec<(Arc<str>, skerry_cel::Value<'a>)>,
    ) -> Result<skerry_cel::Value<'a>, Error> {
        Err(Error::new(format!("unknown type: {name}")))
    }
}

impl Sizes for Device {
    fn size(&self, path: &[String], _: &Type) -> Option<Size> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let max = match path.as_slice() {
            [VARIABLE] => 0,
            [VARIABLE, "driver"] | [VARIABLE, "attributes" | "capacity", "@keys"] => {
                DOMAIN_BYTES_MAX
            }
            [VARIABLE, "allowMultipleAllocations"] => 1,
            [VARIABLE, "attributes" | "capacity"]
            | [VARIABLE, "attributes" | "capacity", "@items" | "@values"] => ATTRIBUTES_MAX,
            [VARIABLE, "attributes" | "capacity", _, "@keys"] => NAME_BYTES_MAX,
            [VARIABLE, "attributes", "@items" | "@values", _] => VALUE_BYTES_MAX,
            [
                VARIABLE,
                "capacity",
                "@items" | "@values",
                "@items" | "@values",
            ] => 0,
            _ => return None,
        };
        Some(Size { min: 0, max })
    }
}

/// Refuses selectors that mean nothing, or cost too much; those that were let in once stay.
pub(crate) fn check(call: &Call, object: &Value, old: Option<&Value>) -> Result<(), ApiError> {
    let resource = &call.resource;
    if resource.group != GROUP || !call.info.subresource.is_empty() {
        return Ok(());
    }
    let errors = faults(&resource.kind, object, old);
    match errors.as_slice() {
        [] => Ok(()),
        errors => Err(kind::invalid(resource, object, errors)),
    }
}

/// All that is wrong with the selectors of an object.
fn faults(kind: &str, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let same =
        |pointer: &str| old.is_some_and(|old| old.pointer(pointer) == object.pointer(pointer));
    let found = match kind {
        "DeviceClass" if !same("/spec/selectors") => {
            let mut found = Vec::new();
            selectors(&object["spec"], "spec", &mut found);
            found
        }
        // What claims say never changes.
        "ResourceClaim" if old.is_none() => of_claim(&object["spec"], "spec"),
        "ResourceClaimTemplate" if old.is_none() => of_claim(&object["spec"]["spec"], "spec.spec"),
        _ => return Vec::new(),
    };
    if found.is_empty() {
        return Vec::new();
    }
    let env = Env::kubernetes(CURRENT)
        .with_bindings()
        .with_constructors(Arc::new(Device))
        .with_variable(VARIABLE, Type::Named(DEVICE.into()));
    let found = found.into_iter();
    let errors = found.filter_map(|(field, expression)| fault(&env, field, expression));
    errors.collect()
}

/// Paths and expressions.
type Found<'a> = Vec<(String, &'a str)>;

fn list(value: &Value) -> impl Iterator<Item = (usize, &Value)> {
    value.as_array().into_iter().flatten().enumerate()
}

fn selectors<'a>(of: &'a Value, path: &str, found: &mut Found<'a>) {
    for (i, one) in list(&of["selectors"]) {
        if let Some(expression) = one.pointer("/cel/expression").and_then(Value::as_str) {
            found.push((format!("{path}.selectors[{i}].cel.expression"), expression));
        }
    }
}

fn of_claim<'a>(spec: &'a Value, path: &str) -> Found<'a> {
    let mut found = Vec::new();
    for (i, request) in list(&spec["devices"]["requests"]) {
        let path = format!("{path}.devices.requests[{i}]");
        selectors(&request["exactly"], &format!("{path}.exactly"), &mut found);
        for (j, one) in list(&request["firstAvailable"]) {
            selectors(one, &format!("{path}.firstAvailable[{j}]"), &mut found);
        }
    }
    found
}

fn fault(env: &Env, field: String, expression: &str) -> Option<FieldError> {
    let (kind, detail) = match env.compile(expression) {
        Err(issues) => match &issues.instantiation {
            Some(why) => (
                ErrorKind::Internal,
                format!("program instantiation failed: {why}"),
            ),
            None => (ErrorKind::Invalid, format!("compilation failed: {issues}")),
        },
        Ok(program) => match program.output_type() {
            Type::Bool | Type::Dyn if program.cost(&Device).max > PER_CALL_COST_MAX => (
                ErrorKind::Forbidden,
                "too complex, exceeds cost limit".to_owned(),
            ),
            Type::Bool | Type::Dyn => return None,
            other => (
                ErrorKind::Invalid,
                format!("must evaluate to bool or the unknown type, not {other}"),
            ),
        },
    };
    Some(FieldError {
        kind,
        field,
        bad_value: expression.into(),
        detail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(expressions: &[&str]) -> Vec<String> {
        let selectors = expressions.iter();
        let selectors: Vec<Value> = selectors
            .map(|text| json!({"cel": {"expression": text}}))
            .collect();
        let claim = json!({"spec": {"devices": {"requests": [
            {"name": "r", "exactly": {"selectors": selectors}},
        ]}}});
        let errors = faults("ResourceClaim", &claim, None);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_selects_devices_is_let_in() {
        let fits = [
            "device.driver == 'gpu.example.com' && device.allowMultipleAllocations",
            "device.attributes['gpu.example.com'].family == 'x'",
            "device.attributes['gpu.example.com'].ready",
            "device.attributes['gpu.example.com'].version.isGreaterThan(semver('1.2.3'))",
            "device.capacity['gpu.example.com'].memory.compareTo(quantity('10Gi')) >= 0",
            "cel.bind(gpu, device.attributes['gpu.example.com'], gpu.a && gpu.b == 'c')",
            "'gpu.example.com' in device.attributes && device.attributes['x'].name.matches('a+')",
            "device.attributes['a'].exists(name, name.startsWith('b'))",
        ];
        assert_eq!(told(&fits), [""; 0]);
    }

    #[test]
    fn what_means_nothing_or_costs_too_much_is_refused() {
        let far = "device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, device.attributes.all(e, a + b + c + d + e != '')))))";
        let told = told(&["device.nothing", "device.driver", "device.driver == ", far]);
        let at =
            |i: usize| format!("spec.devices.requests[0].exactly.selectors[{i}].cel.expression");
        for (i, start) in [
            "Invalid value: \"device.nothing\": compilation failed: ERROR: <input>:1:7: undefined field 'nothing'",
            "Invalid value: \"device.driver\": must evaluate to bool or the unknown type, not string",
            "Invalid value: \"device.driver == \": compilation failed: ERROR: <input>:1:18: Syntax error",
            "Forbidden: too complex, exceeds cost limit",
        ]
        .iter()
        .enumerate()
        {
            let start = format!("{}: {start}", at(i));
            assert!(told[i].starts_with(&start), "{}", told[i]);
        }
    }

    #[test]
    fn what_was_let_in_once_stays() {
        let class = json!({"spec": {"selectors": [{"cel": {"expression": "none"}}]}});
        assert_eq!(faults("DeviceClass", &class, Some(&class)).len(), 0);
        let before = json!({"spec": {}});
        let told = faults("DeviceClass", &class, Some(&before));
        assert_eq!(told[0].field, "spec.selectors[0].cel.expression");
    }
}
