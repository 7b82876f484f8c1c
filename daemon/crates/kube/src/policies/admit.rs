//! What is written of policies: expressions that mean nothing are refused, and so is more than every
//! member has room for.

use serde_json::Value;

use super::definition::{Mutation, Policy};
use super::environment::Expression;
use super::store::{GROUP, RESOURCES};
use crate::call::Call;
use crate::engine::Engine;
use crate::error::{About, ApiError};
use crate::limits::POLICIES_BYTES_MAX;
use crate::registry;

/// Refuses policies whose expressions are wrong; those that were let in once stay.
pub(crate) fn check(call: &Call, object: &Value, old: Option<&Value>) -> Result<(), ApiError> {
    let resource = &call.resource;
    let is_policy = resource.group == GROUP
        && [RESOURCES[0], RESOURCES[2]].contains(&resource.plural.as_str())
        && call.info.subresource.is_empty();
    if !is_policy || old.is_some_and(|old| old["spec"] == object["spec"]) {
        return Ok(());
    }
    let causes = faults(object);
    if causes.is_empty() {
        return Ok(());
    }
    let about = About {
        group: &resource.group,
        resource: &resource.kind,
        name: crate::object::name(object),
    };
    Err(ApiError::invalid(about, &causes))
}

/// All that is wrong with the expressions of a policy: reason, message and field.
fn faults(object: &Value) -> Vec<(String, String, String)> {
    let policy = Policy::read(object);
    let mut all = Vec::new();
    let mut look = |expression: &Expression, field: String| {
        // That there is none is told by whoever looks at the fields.
        if let (Err(fault), false) = (&expression.program, expression.text.trim().is_empty()) {
            let message = format!("Invalid value: {:?}: {fault}", expression.text);
            all.push(("FieldValueInvalid".to_owned(), message, field));
        }
    };
    for (i, (_, expression)) in policy.conditions.iter().enumerate() {
        look(expression, format!("spec.matchConditions[{i}].expression"));
    }
    for (i, variable) in policy.variables.iter().enumerate() {
        look(
            &variable.expression,
            format!("spec.variables[{i}].expression"),
        );
    }
    for (i, validation) in policy.validations.iter().enumerate() {
        let path = format!("spec.validations[{i}]");
        look(&validation.expression, format!("{path}.expression"));
        if let Some(message) = &validation.message_expression {
            look(message, format!("{path}.messageExpression"));
        }
    }
    for (i, annotation) in policy.annotations.iter().enumerate() {
        let field = format!("spec.auditAnnotations[{i}].valueExpression");
        look(&annotation.expression, field);
    }
    for (i, mutation) in policy.mutations.iter().enumerate() {
        let path = format!("spec.mutations[{i}]");
        match mutation {
            Mutation::Apply(one) => look(one, format!("{path}.applyConfiguration.expression")),
            Mutation::Patch(one) => look(one, format!("{path}.jsonPatch.expression")),
            Mutation::None => {}
        }
    }
    all
}

impl Engine {
    /// Refuses more policies than every member has room for.
    pub(crate) fn bound_policies(&self, call: &Call, object: &Value) -> Result<(), ApiError> {
        let resource = &call.resource;
        if resource.group != GROUP || !RESOURCES.contains(&resource.plural.as_str()) {
            return Ok(());
        }
        let name = crate::object::name(object);
        let own = registry::key(resource, "", name);
        let mut bytes = object.to_string().len();
        for plural in RESOURCES {
            let resource = self.registry.find(GROUP, "v1", plural);
            let resource = resource.ok_or_else(ApiError::no_such_path)?;
            let mut listing = self.storage.list(registry::keys(resource, ""), 0)?;
            loop {
                let chunk = listing.next_chunk()?;
                if chunk.is_empty() {
                    break;
                }
                let others = chunk.iter().filter(|stored| stored.key != own.as_bytes());
                bytes += others.map(|stored| stored.value.len()).sum::<usize>();
            }
        }
        if bytes <= POLICIES_BYTES_MAX {
            return Ok(());
        }
        let why = format!(
            "all admission policies together may not be longer than {POLICIES_BYTES_MAX} bytes"
        );
        Err(ApiError::forbidden(registry::about(resource, name), &why))
    }
}
