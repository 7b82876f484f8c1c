//! The evaluator: steps in, a value or an error out, every step paid for.
//!
//! Knows nothing about text and types. Invariant: errors that end the evaluation (budget,
//! interruption) are never absorbed.

use crate::activation::Activation;
use crate::budget::Budget;
use crate::env::Constructors;
use crate::equality::equal;
use crate::error::Error;
use crate::map::Entries;
use crate::run::charge::{self, Outcome};
use crate::run::plan::call_any;
use crate::run::{Call, CallCost, FoldStep, ListStep, MapStep, ObjectStep, Step, work};
use crate::value::{List, Map, Value};
use std::sync::Arc;

/// What it costs to make a list, a map, an object.
const LIST_COST: u64 = 10;
const MAP_COST: u64 = 30;
const OBJECT_COST: u64 = 40;

/// A variable of a comprehension.
pub(super) enum Local<'a> {
    /// A name for a value that nobody has asked for yet.
    Lazy(&'a FoldStep),
    Known(Outcome<'a>),
}

/// One evaluation.
pub(crate) struct Machine<'a, 'v, 'b, 'i> {
    pub(super) variables: &'v dyn Activation<'a>,
    pub(super) budget: &'b mut Budget<'i>,
    pub(super) constructors: Option<&'a dyn Constructors>,
    pub(super) locals: Vec<Local<'a>>,
    pub(super) turns: u32,
}

impl<'a, 'v, 'b, 'i> Machine<'a, 'v, 'b, 'i> {
    pub(crate) fn new(
        variables: &'v dyn Activation<'a>,
        budget: &'b mut Budget<'i>,
        constructors: Option<&'a dyn Constructors>,
    ) -> Self {
        Self {
            variables,
            budget,
            constructors,
            locals: Vec::new(),
            turns: 0,
        }
    }

    /// Adds to the cost.
    pub(super) fn charge(&mut self, cost: u64) -> Result<(), Error> {
        let budget = &mut *self.budget;
        budget.spent = budget.spent.saturating_add(cost);
        if budget.spent > budget.limit {
            Err(Error::CostExceeded)
        } else {
            Ok(())
        }
    }

    pub(crate) fn eval(&mut self, step: &'a Step) -> Outcome<'a> {
        match step {
            Step::Constant(value) => Ok(value.clone()),
            Step::Attribute(attribute) => self.attribute(attribute),
            Step::And(operands) => self.logic(operands, false),
            Step::Or(operands) => self.logic(operands, true),
            Step::Equal(operands) => self.equality(operands, false),
            Step::Unequal(operands) => self.equality(operands, true),
            Step::NotStrictlyFalse(operand) => self.not_strictly_false(operand),
            Step::Call(call) => self.call(call),
            Step::Within(parts) => {
                let wanted = self.eval(&parts.0)?;
                Ok(Value::Bool(parts.1.has(&wanted)))
            }
            Step::OrOptional(operands) => self.or_optional(operands, false),
            Step::OrValue(operands) => self.or_optional(operands, true),
            Step::List(list) => self.list(list),
            Step::Map(map) => self.map(map),
            Step::Object(object) => self.object(object),
            Step::Fold(fold) => self.fold(fold),
            Step::Append(parts) => self.append(parts.0, &parts.1),
            Step::Insert(parts) => self.insert(parts.0, &parts.1),
        }
    }

    /// An operand that others may absorb; what ends the evaluation ends it here.
    fn operand(&mut self, step: &'a Step) -> Result<Outcome<'a>, Error> {
        match self.eval(step) {
            Err(error) if error.is_final() => Err(error),
            outcome => Ok(outcome),
        }
    }

    /// `||` ends at `true`, `&&` at `false`; an error of one side counts when the other does not
    /// decide.
    fn logic(&mut self, operands: &'a [Step; 2], decides: bool) -> Outcome<'a> {
        let mut failed = None;
        for operand in operands {
            match self.operand(operand)? {
                Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => failed = failed.or(Some(Error::no_such_overload())),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn equality(&mut self, operands: &'a [Step; 2], negated: bool) -> Outcome<'a> {
        let args = [self.operand(&operands[0])?, self.operand(&operands[1])?];
        let result = match &args {
            [Ok(left), Ok(right)] => equal(left, right).map(|same| Value::Bool(same != negated)),
            [Err(error), _] | [_, Err(error)] => Err(error.clone()),
        };
        self.charge(charge::call(CallCost::Comparison, &args, &result))?;
        result
    }

    fn not_strictly_false(&mut self, operand: &'a Step) -> Outcome<'a> {
        let value = self.operand(operand)?;
        self.charge(1)?;
        Ok(Value::Bool(!matches!(value, Ok(Value::Bool(false)))))
    }

    fn call(&mut self, call: &'a Call) -> Outcome<'a> {
        let mut args = Vec::with_capacity(call.args.len());
        for step in &call.args {
            let arg = self.operand(step)?;
            // Up to two operands are evaluated both, of more the first error ends it unpaid.
            if arg.is_err() && call.args.len() > 2 {
                return arg;
            }
            args.push(arg);
        }
        let values: Result<Vec<Value<'a>>, Error> = args.iter().cloned().collect();
        let result = values.and_then(|values| {
            if let [Value::List(left), Value::List(right)] = &values[..] {
                work::spend(left.len() + right.len())?;
            }
            call_any(&call.overloads, &values)
        });
        if let Err(error) = &result
            && error.is_final()
        {
            return result;
        }
        self.charge(charge::call(call.cost, &args, &result))?;
        result
    }

    fn or_optional(&mut self, operands: &'a [Step; 2], unwrap: bool) -> Outcome<'a> {
        match self.eval(&operands[0])? {
            Value::Optional(Some(inner)) if unwrap => Ok((*inner).clone()),
            value @ Value::Optional(Some(_)) => Ok(value),
            Value::Optional(None) => self.eval(&operands[1]),
            _ => Err(Error::no_such_overload()),
        }
    }

    fn list(&mut self, list: &'a ListStep) -> Outcome<'a> {
        let made = self.items(list);
        self.finish(LIST_COST, made)
    }

    /// Pays for what was made, or for the attempt.
    fn finish(&mut self, cost: u64, made: Outcome<'a>) -> Outcome<'a> {
        if let Err(error) = &made
            && error.is_final()
        {
            return made;
        }
        self.charge(cost)?;
        made
    }

    fn items(&mut self, list: &'a ListStep) -> Outcome<'a> {
        let mut items = Vec::with_capacity(list.items.len());
        for (step, optional) in &list.items {
            match self.eval(step)? {
                Value::Optional(None) if *optional => {}
                Value::Optional(Some(inner)) if *optional => items.push((*inner).clone()),
                value if *optional => {
                    return Err(Error::new(format!(
                        "cannot initialize optional list element from non-optional value {value}"
                    )));
                }
                value => items.push(value),
            }
        }
        Ok(Value::list(items))
    }

    fn map(&mut self, map: &'a MapStep) -> Outcome<'a> {
        let made = self.entries(map);
        self.finish(MAP_COST, made)
    }

    fn entries(&mut self, map: &'a MapStep) -> Outcome<'a> {
        let mut entries = Entries::default();
        for (key, value, optional) in &map.entries {
            let key = self.eval(key)?;
            match self.eval(value)? {
                Value::Optional(None) if *optional => entries.remove(&key),
                Value::Optional(Some(inner)) if *optional => {
                    entries.put(key, (*inner).clone())?;
                }
                value if *optional => return Err(not_optional(&key.to_string(), &value)),
                value => {
                    entries.put(key, value)?;
                }
            }
        }
        Ok(Value::Map(Map::Made(Arc::new(entries))))
    }

    fn object(&mut self, object: &'a ObjectStep) -> Outcome<'a> {
        let made = self.fields(object);
        self.finish(OBJECT_COST, made)
    }

    fn fields(&mut self, object: &'a ObjectStep) -> Outcome<'a> {
        let mut fields: Vec<(Arc<str>, Value<'a>)> = Vec::with_capacity(object.fields.len());
        for (name, step, optional) in &object.fields {
            let value = match self.eval(step)? {
                Value::Optional(None) if *optional => {
                    fields.retain(|(known, _)| known != name);
                    continue;
                }
                Value::Optional(Some(inner)) if *optional => (*inner).clone(),
                value if *optional => return Err(not_optional(name, &value)),
                value => value,
            };
            fields.push((name.clone(), value));
        }
        let constructors = self.constructors.ok_or(Error::no_such_overload())?;
        constructors.build(&object.name, fields)
    }

    /// `accumulator + [item]`.
    fn append(&mut self, slot: usize, item: &'a Step) -> Outcome<'a> {
        self.charge(1)?;
        let so_far = self.take(slot);
        // A list of literals is made once and costs nothing.
        let cost = if matches!(item, Step::Constant(_)) {
            0
        } else {
            LIST_COST
        };
        let item = self.operand(item)?;
        self.charge(cost + 1)?;
        let Value::List(list) = so_far? else {
            return Err(Error::no_such_overload());
        };
        let item = item?;
        let mut items = match list {
            List::Made(items) => items,
            other => Arc::new(other.iter().collect::<Result<Vec<_>, _>>()?),
        };
        Arc::make_mut(&mut items).push(item);
        Ok(Value::List(List::Made(items)))
    }

    /// `cel.@mapInsert(accumulator, key, value)` or `(accumulator, map)`.
    fn insert(&mut self, slot: usize, args: &'a [Step]) -> Outcome<'a> {
        self.charge(1)?;
        let so_far = self.take(slot);
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.eval(arg)?);
        }
        self.charge(1)?;
        let Value::Map(Map::Made(mut entries)) = so_far? else {
            return Err(Error::no_such_overload());
        };
        let made = Arc::make_mut(&mut entries);
        match <[Value<'a>; 2]>::try_from(values) {
            Ok([key, value]) => crate::comprehension::insert(made, key, value)?,
            Err(values) => {
                let Some(Value::Map(other)) = values.first() else {
                    return Err(Error::no_such_overload());
                };
                work::spend(other.len())?;
                crate::comprehension::insert_all(made, other)?;
            }
        }
        Ok(Value::Map(Map::Made(entries)))
    }
}

fn not_optional(name: &str, value: &Value<'_>) -> Error {
    Error::new(format!(
        "cannot initialize optional entry '{name}' from non-optional value {value}"
    ))
}
