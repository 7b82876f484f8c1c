//! A checked tree made into steps: what can be known before is reckoned once.
//!
//! Knows nothing about activations. Invariant: the steps cost what cel-go's optimized program does.

use crate::check::Checked;
use crate::convert;
use crate::env::Env;
use crate::function::Cost;
use crate::map::Entries;
use crate::pattern;
use crate::run::charge::standard;
use crate::run::{
    Attribute, Call, CallCost, FoldStep, Key, ListStep, MapStep, ObjectStep, Qualifier, Root, Step,
};
use crate::syntax::ast::{Expr, Fold, Kind};
use crate::syntax::macros::ACCUMULATOR;
use crate::value::{List, Value};
use std::sync::Arc;

/// The steps of an expression.
///
/// # Errors
/// A conversion of a literal that fails, so that there is no program.
pub(crate) fn plan(env: &Env, checked: &Checked) -> Result<Step> {
    let mut planner = Planner {
        env,
        checked,
        locals: Vec::new(),
    };
    planner.step(&checked.root)
}

struct Planner<'e> {
    env: &'e Env,
    checked: &'e Checked,
    /// The names at their places; a place without a name is one that cannot be seen.
    locals: Vec<Option<Arc<str>>>,
}

type Result<T> = std::result::Result<T, String>;

impl Planner<'_> {
    fn step(&mut self, expr: &Expr) -> Result<Step> {
        Ok(match &expr.kind {
            Kind::Unspecified => Step::Constant(Value::Null),
            Kind::Literal(value) => Step::Constant(value.clone()),
            Kind::Ident(name) => attribute(self.root(name)),
            Kind::Select {
                operand,
                field,
                test_only,
            } => {
                let mut attribute = self.attribute_of(operand)?;
                let key = Key::Constant(Value::string(field.clone()));
                attribute.qualifiers.push(Qualifier {
                    key,
                    optional: false,
                });
                attribute.test_only = *test_only;
                Step::Attribute(Box::new(attribute))
            }
            Kind::Call {
                function,
                target,
                args,
            } => self.call(expr, function, target.as_deref(), args)?,
            Kind::List { items, optional } => self.list(items, optional)?,
            Kind::Map(entries) => {
                let mut steps = Vec::with_capacity(entries.len());
                for entry in entries {
                    let key = self.step(&entry.key)?;
                    steps.push((key, self.step(&entry.value)?, entry.optional));
                }
                folded_map(steps)
            }
            Kind::Struct { name, fields } => {
                let mut steps = Vec::with_capacity(fields.len());
                for field in fields {
                    steps.push((field.name.clone(), self.step(&field.value)?, field.optional));
                }
                let name = name
                    .strip_prefix('.')
                    .map_or_else(|| name.clone(), Arc::from);
                Step::Object(Box::new(ObjectStep {
                    name,
                    fields: steps,
                }))
            }
            Kind::Fold(fold) => self.fold(fold)?,
        })
    }

    fn root(&self, name: &Arc<str>) -> Root {
        if let Some(global) = name.strip_prefix('.') {
            return Root::Variable(global.into());
        }
        let place = self
            .locals
            .iter()
            .rposition(|local| local.as_ref() == Some(name));
        place.map_or_else(|| Root::Variable(name.clone()), Root::Local)
    }

    /// A step as something that can be selected from.
    fn attribute_of(&mut self, expr: &Expr) -> Result<Attribute> {
        Ok(match self.step(expr)? {
            Step::Attribute(attribute) if !attribute.test_only => *attribute,
            other => Attribute {
                root: Root::Step(other),
                qualifiers: Vec::new(),
                test_only: false,
            },
        })
    }

    fn list(&mut self, items: &[Expr], optional: &[bool]) -> Result<Step> {
        let mut steps = Vec::with_capacity(items.len());
        for (item, optional) in items.iter().zip(optional) {
            steps.push((self.step(item)?, *optional));
        }
        let constants: Option<Vec<_>> = steps
            .iter()
            .map(|step| match step {
                (Step::Constant(value), false) => Some(value.clone()),
                _ => None,
            })
            .collect();
        Ok(match constants {
            Some(values) => Step::Constant(Value::list(values)),
            None => Step::List(Box::new(ListStep { items: steps })),
        })
    }

    fn call(
        &mut self,
        expr: &Expr,
        function: &str,
        target: Option<&Expr>,
        args: &[Expr],
    ) -> Result<Step> {
        let operands: Vec<&Expr> = target.into_iter().chain(args).collect();
        match (function, operands.as_slice()) {
            ("_&&_", [left, right]) => Ok(Step::And(self.both(left, right)?)),
            ("_||_", [left, right]) => Ok(Step::Or(self.both(left, right)?)),
            ("_==_", [left, right]) => Ok(Step::Equal(self.both(left, right)?)),
            ("_!=_", [left, right]) => Ok(Step::Unequal(self.both(left, right)?)),
            ("@not_strictly_false", [operand]) => {
                Ok(Step::NotStrictlyFalse(Box::new(self.step(operand)?)))
            }
            ("or", [left, right]) if target.is_some() => {
                Ok(Step::OrOptional(self.both(left, right)?))
            }
            ("orValue", [left, right]) if target.is_some() => {
                Ok(Step::OrValue(self.both(left, right)?))
            }
            ("_?_:_", [condition, then, otherwise]) => {
                let condition = self.step(condition)?;
                let then = self.attribute_of(then)?;
                let otherwise = self.attribute_of(otherwise)?;
                let root = Root::Conditional(Box::new((condition, then, otherwise)));
                Ok(attribute(root))
            }
            ("_[_]", [operand, index]) => self.index(operand, index, false),
            ("_[?_]" | "_?._", [operand, index]) => self.index(operand, index, true),
            (
                "_+_",
                [
                    Expr {
                        kind: Kind::Ident(name),
                        ..
                    },
                    Expr {
                        kind: Kind::List { items, .. },
                        ..
                    },
                ],
            ) if **name == *ACCUMULATOR && items.len() == 1 => match self.root(name) {
                Root::Local(slot) => Ok(Step::Append(Box::new((slot, self.step(&items[0])?)))),
                _ => self.plain_call(expr, function, &operands),
            },
            (
                crate::comprehension::MAP_INSERT,
                [
                    Expr {
                        kind: Kind::Ident(name),
                        ..
                    },
                    rest @ ..,
                ],
            ) if **name == *ACCUMULATOR => {
                let Root::Local(slot) = self.root(name) else {
                    return self.plain_call(expr, function, &operands);
                };
                let mut steps = Vec::with_capacity(rest.len());
                for operand in rest {
                    steps.push(self.step(operand)?);
                }
                Ok(Step::Insert(Box::new((slot, steps))))
            }
            _ => self.plain_call(expr, function, &operands),
        }
    }

    fn both(&mut self, left: &Expr, right: &Expr) -> Result<Box<[Step; 2]>> {
        Ok(Box::new([self.step(left)?, self.step(right)?]))
    }

    fn index(&mut self, operand: &Expr, index: &Expr, optional: bool) -> Result<Step> {
        let mut attribute = self.attribute_of(operand)?;
        let key = match self.step(index)? {
            Step::Constant(value) => Key::Constant(value),
            Step::Attribute(attribute) => Key::Attribute(*attribute),
            other => Key::Step(other),
        };
        attribute.qualifiers.push(Qualifier { key, optional });
        Ok(Step::Attribute(Box::new(attribute)))
    }

    fn plain_call(&mut self, expr: &Expr, function: &str, operands: &[&Expr]) -> Result<Step> {
        let mut args = Vec::with_capacity(operands.len());
        for operand in operands {
            args.push(self.step(operand)?);
        }
        if pattern::FUNCTIONS.contains(&function)
            && let Some(operand) = args.get_mut(1)
            && let Step::Constant(Value::String(text)) = operand
        {
            let constant = pattern::constant(text).map_err(|error| error.to_string())?;
            *operand = Step::Constant(constant);
        }
        let overloads = self.checked.overloads(expr.id).to_vec();
        if let [Step::Constant(value)] = &args[..]
            && convert::NAMES.contains(&function)
        {
            let outcome = call_any(&overloads, std::slice::from_ref(value));
            return outcome
                .map(Step::Constant)
                .map_err(|error| error.to_string());
        }
        let single = match &overloads[..] {
            [one] => one.id,
            _ => "",
        };
        if single == "in_list"
            && let [_, Step::Constant(Value::List(list))] = &args[..]
        {
            if list.is_empty() {
                return Ok(Step::Constant(Value::Bool(false)));
            }
            if let Some(set) = set_of(list) {
                let Some(wanted) = args.into_iter().next() else {
                    return Ok(Step::Constant(Value::Bool(false)));
                };
                return Ok(Step::Within(Box::new((wanted, set))));
            }
        }
        let by_name = self.env.overloads(function).unwrap_or_default();
        let library = by_name
            .iter()
            .find_map(|overload| match overload.function.cost {
                Cost::One => None,
                Cost::Of { run, .. } => Some(CallCost::Library(run)),
            });
        let cost = library.unwrap_or_else(|| standard(single));
        Ok(Step::Call(Box::new(Call {
            overloads,
            args,
            cost,
        })))
    }

    fn fold(&mut self, fold: &Fold) -> Result<Step> {
        let slot = self.locals.len();
        let range = self.step(&fold.range)?;
        let initial = self.step(&fold.initial)?;
        self.locals.push(Some(fold.accumulator.clone()));
        self.locals.push(Some(fold.variable.clone()));
        if let Some(second) = &fold.second {
            self.locals.push(Some(second.clone()));
        }
        let condition = self.step(&fold.condition)?;
        let step = self.step(&fold.step)?;
        self.locals.truncate(slot + 1);
        let result = self.step(&fold.result)?;
        self.locals.truncate(slot);
        let (two, binding) = (fold.second.is_some(), fold.is_binding());
        let step = FoldStep {
            slot,
            two,
            binding,
            range,
            initial,
            condition,
            step,
            result,
        };
        Ok(Step::Fold(Box::new(step)))
    }
}

fn attribute(root: Root) -> Step {
    Step::Attribute(Box::new(Attribute {
        root,
        qualifiers: Vec::new(),
        test_only: false,
    }))
}

/// Calls the overload that fits: one that does not says `no such overload`.
pub(super) fn call_any<'a>(
    overloads: &[&'static crate::function::Function],
    args: &[Value<'a>],
) -> std::result::Result<Value<'a>, crate::error::Error> {
    let mut refused = crate::error::Error::no_such_overload();
    for overload in overloads {
        match (overload.call)(args) {
            Err(error) if error == crate::error::Error::no_such_overload() => refused = error,
            outcome => return outcome,
        }
    }
    Err(refused)
}

fn folded_map(steps: Vec<(Step, Step, bool)>) -> Step {
    let constants: Option<Vec<_>> = steps
        .iter()
        .map(|step| match step {
            (Step::Constant(key), Step::Constant(value), false) => {
                Some((key.clone(), value.clone()))
            }
            _ => None,
        })
        .collect();
    match constants.map(Value::map) {
        Some(Ok(map)) => Step::Constant(map),
        _ => Step::Map(Box::new(MapStep { entries: steps })),
    }
}

/// The items as keys, when all of them are plain.
fn set_of(list: &List<'static>) -> Option<Entries<'static>> {
    let mut set = Entries::default();
    for item in list.iter() {
        let item = item.ok()?;
        match item {
            Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::String(_) => set.put(item, Value::Null).ok()?,
            _ => return None,
        };
    }
    Some(set)
}
