//! What expressions see of one request, and what they come to.
//!
//! Variables are computed when they are first read, and once. Invariant: expressions that cost more
//! than they may end the evaluation of all that follow.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value as Json;
use skerry_cel::{
    Activation, Budget, Error, Shape, Type, Value, authorizer_value, resource_check_value,
};

use super::asker::Asker;
use super::environment::Expression;
use crate::expressions;

/// A variable of a policy.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) expression: Expression,
}

/// See the module.
pub(super) struct Inputs<'a> {
    pub(super) object: &'a Json,
    pub(super) old: &'a Json,
    pub(super) request: &'a Json,
    pub(super) params: &'a Json,
    pub(super) namespace: &'a Json,
    pub(super) variables: &'a [Variable],
    asker: Option<&'a Asker>,
    computed: RefCell<BTreeMap<&'a str, Result<Value<'a>, Error>>>,
    /// What variables have cost since somebody asked.
    cost: Cell<u64>,
}

/// The budget is spent: nothing more is evaluated.
pub(super) const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// What is known of a request, for [`Inputs::new`].
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) object: &'a Json,
    pub(super) old: &'a Json,
    pub(super) request: &'a Json,
    pub(super) namespace: &'a Json,
    /// Who is asked what somebody may do.
    pub(super) asker: Option<&'a Asker>,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(seen: Seen<'a>, params: &'a Json, variables: &'a [Variable]) -> Inputs<'a> {
        Inputs {
            object: seen.object,
            old: seen.old,
            request: seen.request,
            params,
            namespace: seen.namespace,
            variables,
            asker: seen.asker,
            computed: RefCell::default(),
            cost: Cell::new(0),
        }
    }

    /// Evaluates an expression; the cost is taken from what is left.
    ///
    /// # Errors
    /// Nothing is left: nothing more may be evaluated.
    pub(super) fn evaluate(
        &self,
        expression: &'a Expression,
        left: &mut u64,
    ) -> Result<Result<Value<'a>, String>, &'static str> {
        let program = match &expression.program {
            Ok(program) => program,
            Err(fault) => return Ok(Err(format!("compilation error: {fault}"))),
        };
        let mut budget = Budget::per_call();
        let outcome = program.eval(self, &mut budget);
        let cost = budget.spent().saturating_add(self.cost.take());
        *left = left.checked_sub(cost).ok_or(OUT_OF_BUDGET)?;
        Ok(outcome.map_err(|error| {
            let text = &expression.text;
            format!("expression '{text}' resulted in error: {error}")
        }))
    }

    fn compute(&self, variable: &'a Variable) -> Result<Value<'a>, Error> {
        let name = &variable.name;
        let program = variable.expression.program.as_ref().map_err(|fault| {
            Error::new(format!(
                "composited variable {name:?} fails to compile: {fault}"
            ))
        })?;
        let mut budget = Budget::per_call();
        let outcome = program.eval(self, &mut budget);
        let cost = self.cost.get().saturating_add(budget.spent());
        self.cost.set(cost);
        outcome.map_err(|error| {
            Error::new(format!(
                "composited variable {name:?} fails to evaluate: {error}"
            ))
        })
    }
}

fn namespace() -> &'static Type {
    static NAMESPACE: OnceLock<Type> = OnceLock::new();
    NAMESPACE.get_or_init(expressions::namespace)
}

fn typed<'a>(kind: &'static Type, json: &'a Json) -> Result<Value<'a>, Error> {
    match kind {
        Type::Object(object) if !json.is_null() => {
            let (schema, node) = object.place();
            let shape = Shape {
                schema: &**schema,
                node,
            };
            Value::typed(json, shape)
        }
        _ => Ok(Value::json(json)),
    }
}

impl<'a> Activation<'a> for Inputs<'a> {
    fn variable(&self, name: &str) -> Result<Option<Value<'a>>, Error> {
        Ok(Some(match name {
            "object" => Value::json(self.object),
            "oldObject" => Value::json(self.old),
            "params" => Value::json(self.params),
            "request" => Value::json(self.request),
            "namespaceObject" => typed(namespace(), self.namespace)?,
            "variables" => Value::scope("variables"),
            "authorizer" => return Ok(self.asker.map(|one| authorizer_value(one.authorizer()))),
            "authorizer.requestResource" => {
                let value =
                    |one: &Asker| resource_check_value(one.authorizer(), one.resource.clone());
                return Ok(self.asker.map(value));
            }
            _ => return Ok(None),
        }))
    }

    fn field(&self, scope: &str, name: &str) -> Result<Option<Value<'a>>, Error> {
        if scope != "variables" {
            return Ok(None);
        }
        let mut variables = self.variables.iter().rev();
        let Some(variable) = variables.find(|variable| variable.name == name) else {
            return Ok(None);
        };
        if let Some(known) = self.computed.borrow().get(variable.name.as_str()) {
            return known.clone().map(Some);
        }
        let computed = self.compute(variable);
        let mut all = self.computed.borrow_mut();
        all.insert(&variable.name, computed.clone());
        computed.map(Some)
    }

    fn fields(&self, scope: &str) -> Vec<String> {
        match scope {
            "variables" => self.variables.iter().map(|one| one.name.clone()).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::environment::{Environment, Wanted};
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_are_computed_when_they_are_read_and_what_they_cost_counts() {
        let mut environment = Environment::new(true);
        let mut declare = |name: &str, text: &str| Variable {
            name: name.into(),
            expression: environment.declare(name, text),
        };
        let variables = [
            declare("wrong", "object.none"),
            declare("sum", "object.a + params.b"),
            declare("twice", "variables.sum * 2"),
        ];
        let null = Json::Null;
        let (object, params) = (json!({"a": 1}), json!({"b": 2}));
        let request = json!({"name": "x", "kind": {"group": "", "version": "v1", "kind": "A"}});
        let namespace = json!({"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}});
        let seen = Seen {
            object: &object,
            old: &null,
            request: &request,
            namespace: &namespace,
            asker: None,
        };
        let texts = [
            "variables.twice == 6 && variables.twice > variables.sum",
            "variables.wrong == 1",
            "oldObject == null && request.name == 'x' && request.kind.kind == 'A'",
            "namespaceObject.metadata.creationTimestamp < timestamp('2021-01-01T00:00:00Z')",
        ];
        let compiled = texts.map(|text| environment.compile(text, Wanted::Bool));
        let inputs = Inputs::new(seen, &params, &variables);
        let mut left = 1_000;
        let mut say = |place: usize| {
            let outcome = inputs.evaluate(&compiled[place], &mut left);
            outcome
                .unwrap()
                .map(|value| matches!(value, Value::Bool(true)))
        };
        assert_eq!(say(0), Ok(true));
        assert_eq!(
            say(1).unwrap_err(),
            "expression 'variables.wrong == 1' resulted in error: composited variable \"wrong\" \
             fails to evaluate: no such key: none"
        );
        assert_eq!(say(2), Ok(true));
        assert_eq!(say(3), Ok(true));
        assert!(left < 990, "{left}");
        let inputs = Inputs::new(seen, &params, &variables);
        let spent = inputs.evaluate(&compiled[0], &mut 3);
        assert_eq!(spent.err(), Some(OUT_OF_BUDGET));
    }
}
