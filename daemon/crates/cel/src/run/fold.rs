//! Comprehensions: a list or a map gone through, a result gathered.
//!
//! Knows nothing about macros. Invariant: variables are gone when the comprehension is done,
//! however it ends.

use crate::error::Error;
use crate::limits::INTERRUPT_CHECK_TURNS;
use crate::run::FoldStep;
use crate::run::charge::Outcome;
use crate::run::machine::{Local, Machine};
use crate::value::{List, Map, Value};

impl<'a> Machine<'a, '_, '_, '_> {
    pub(super) fn fold(&mut self, fold: &'a FoldStep) -> Outcome<'a> {
        let outside = self.locals.len();
        let outcome = self.fold_inside(fold);
        self.locals.truncate(outside);
        outcome
    }

    fn fold_inside(&mut self, fold: &'a FoldStep) -> Outcome<'a> {
        // Places are fixed when the steps are planned: a name that is evaluated late stands where
        // it would have stood.
        while self.locals.len() < fold.slot {
            self.locals.push(Local::Known(Ok(Value::Null)));
        }
        let range = self.eval(&fold.range)?;
        if fold.binding {
            self.locals.push(Local::Lazy(fold));
            return self.eval(&fold.result);
        }
        let initial = self.eval(&fold.initial);
        self.locals.push(Local::Known(initial));
        match &range {
            Value::List(list) => self.fold_list(fold, list)?,
            Value::Map(map) => self.fold_map(fold, map)?,
            other => {
                let kind = other.kind();
                let kind = kind.runtime_name();
                return Err(Error::new(format!("got '{kind}', expected iterable type")));
            }
        }
        self.eval(&fold.result)
    }

    fn fold_list(&mut self, fold: &'a FoldStep, list: &List<'a>) -> Result<(), Error> {
        for index in 0..list.len() {
            let item = list.get(index).transpose().unwrap_or(Ok(Value::Null));
            let index = Value::Int(i64::try_from(index).unwrap_or(i64::MAX));
            let more = if fold.two {
                self.turn(fold, Ok(index), Some(item))?
            } else {
                self.turn(fold, item, None)?
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn fold_map(&mut self, fold: &'a FoldStep, map: &Map<'a>) -> Result<(), Error> {
        let keys = match map {
            Map::Scope(scope) => self
                .variables
                .fields(scope)
                .into_iter()
                .map(Value::string)
                .collect(),
            map => map.keys(),
        };
        for key in keys {
            let value = fold.two.then(|| match (map, &key) {
                (Map::Scope(scope), Value::String(name)) => self.variables.field(scope, name),
                (map, key) => map.get(key),
            });
            let value = value.map(|found| found.map(|found| found.unwrap_or(Value::Null)));
            if !self.turn(fold, Ok(key), value)? {
                break;
            }
        }
        Ok(())
    }

    /// One turn; `false` when the condition ends it all.
    fn turn(
        &mut self,
        fold: &'a FoldStep,
        first: Outcome<'a>,
        second: Option<Outcome<'a>>,
    ) -> Result<bool, Error> {
        let accumulator = self.locals.len();
        self.locals.push(Local::Known(first));
        if let Some(second) = second {
            self.locals.push(Local::Known(second));
        }
        let outcome = self.eval(&fold.condition);
        let more = match outcome {
            Err(error) if error.is_final() => return Err(error),
            // As upstream: only a plain `false` ends it.
            Ok(Value::Bool(more)) => more,
            _ => true,
        };
        if more {
            let outcome = self.eval(&fold.step);
            if let Err(error) = &outcome
                && error.is_final()
            {
                return Err(error.clone());
            }
            self.locals[accumulator - 1] = Local::Known(outcome);
        }
        self.locals.truncate(accumulator);
        self.turns += 1;
        if self.turns.is_multiple_of(INTERRUPT_CHECK_TURNS) && self.budget.is_interrupted() {
            return Err(Error::Interrupted);
        }
        Ok(more)
    }
}
